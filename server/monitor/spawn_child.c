/* SPDX-License-Identifier: MIT */
/*
 * One start of a program: the child's half, until the exec. Runs in: a child of the monitor.
 *
 * The program must find the same world whatever the monitor, or who started that, looked like: everything that passes over
 * fork and exec is set here, and nothing is assumed of what was there.
 */
#include "spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../../proto/chan.h"
#include "../common/cleanup.h"

#define SIGNALS 64 /* the kernel's; the C library hides two of them */
#define SOFT_NOFILE 1024 /* what select() can name; a program that wants more asks for it */
#define CONTROL_FD 3
#define EXIT_NOT_RUN 125

/* Cleared by CLONE_CLEAR_SIGHAND were handlers only: what an ancestor ignored is still ignored. */
static int reset_signals(struct spawn_child *c)
{
	/* All of the kernel's structure being zero is SIG_DFL on every architecture. */
	static const unsigned char zero[128];
	sigset_t none;
	int i;

	(void)c;
	for (i = 1; i <= SIGNALS; i++) {
		if (i != SIGKILL && i != SIGSTOP && syscall(SYS_rt_sigaction, i, zero, NULL, SIGNALS / 8) < 0)
			return -errno;
	}
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* Away from 0 to 2, where an end may be if the monitor was started with those closed. */
static int move_up(int *fd)
{
	int up;

	if (*fd < 0 || *fd > CONTROL_FD)
		return 0;
	up = fcntl(*fd, F_DUPFD_CLOEXEC, CONTROL_FD + 1);
	if (up < 0)
		return -errno;
	*fd = up;
	return 0;
}

/* Before the gate: a child that waits there must hold no client's socket open, and not the monitor's end of its own. */
static int set_descriptors(struct spawn_child *c)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), r, i;

	if (null < 0)
		return -errno;
	r = move_up(&null);
	if (r == 0)
		r = move_up(&c->control);
	for (i = 0; r == 0 && i < 3; i++)
		r = move_up(&c->fds[i]);
	if (r < 0)
		return r;
	if (c->same)
		c->fds[1] = c->fds[0];
	for (i = 0; i < 3; i++) {
		if (dup2(c->fds[i] >= 0 ? c->fds[i] : null, i) < 0)
			return -errno;
	}
	if (dup3(c->control, CONTROL_FD, O_CLOEXEC) < 0)
		return -errno;
	c->control = CONTROL_FD;
	return syscall(SYS_close_range, CONTROL_FD + 1, ~0u, 0) < 0 ? -errno : 0;
}

static int wait_at_gate(struct spawn_child *c)
{
	char go;
	ssize_t n = chan_recv(c->control, &go, sizeof(go), NULL, 0, NULL, 0);

	/* The monitor is gone, or thought better of it. */
	if (n <= 0)
		_exit(EXIT_NOT_RUN);
	return 0;
}

static int new_session(struct spawn_child *c)
{
	(void)c;
	return setsid() < 0 ? -errno : 0;
}

static int set_limits(struct spawn_child *c)
{
	struct rlimit files, core = {0, 0};

	(void)c;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max < SOFT_NOFILE ? files.rlim_max : SOFT_NOFILE;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* A core of a privileged program is somebody else's data in a file. */
	return setrlimit(RLIMIT_CORE, &core) < 0 ? -errno : 0;
}

/* The service manager may have favoured us; that is not for programs. Where we were put last, they may not come before us. */
static int set_niceness(struct spawn_child *c)
{
	(void)c;
	if (setpriority(PRIO_PROCESS, 0, 0) < 0 && errno != EACCES && errno != EPERM)
		return -errno;
	return 0;
}

static int set_oom_score(struct spawn_child *c)
{
	autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	(void)c;
	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) < 0 && errno != EACCES && errno != EPERM)
		return -errno;
	return 0;
}

static int set_umask(struct spawn_child *c)
{
	(void)umask(c->plan->umask);
	return 0;
}

/* As the program's user: root must not be led to where that user could not go. */
static int enter_directory(struct spawn_child *c)
{
	return chdir(c->plan->directory) < 0 ? -errno : 0;
}

static void report(const struct spawn_child *c, const char *step, int error, bool exec)
{
	struct spawn_failure f = {.error = error, .exec = exec};

	(void)snprintf(f.step, sizeof(f.step), "%s", step);
	(void)chan_send(c->control, &f, sizeof(f), NULL, 0, 0);
	_exit(EXIT_NOT_RUN);
}

/* Not the file's fault. EAGAIN: the user has too many processes; the kernel says so only at the exec. */
static bool out_of_something(int error)
{
	return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == E2BIG;
}

void spawn_child(struct spawn_child *c)
{
	static const struct {
		const char *name;
		int (*run)(struct spawn_child *c);
	} steps[] = {
		{"resetting signals", reset_signals},     {"connecting its descriptors", set_descriptors},
		{"waiting to be let go", wait_at_gate},   {"starting a session", new_session},
		{"setting limits", set_limits},           {"setting the niceness", set_niceness},
		{"setting the OOM score", set_oom_score}, {"setting the umask", set_umask},
	};
	const char *step = NULL;
	size_t i;
	int r;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		r = steps[i].run(c);
		if (r < 0)
			report(c, steps[i].name, -r, false);
	}
	r = privilege_drop(&c->plan->privilege, &step);
	if (r < 0)
		report(c, step, -r, false);
	r = enter_directory(c);
	if (r < 0)
		report(c, "entering its directory", -r, false);
	(void)execve(c->plan->path, c->plan->argv, c->plan->environment);
	report(c, "executing its file", errno, !out_of_something(errno));
	_exit(EXIT_NOT_RUN);
}
