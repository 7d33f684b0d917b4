/* SPDX-License-Identifier: MIT */
/*
 * From a fork of the monitor to a confined binary. Runs in: a child of the monitor.
 *
 * Everything that needs privilege happens here, before exec; what only works after it (dumpable, Landlock, filter) the
 * binary does itself, and the monitor looks at the result.
 */
#include "confined.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../common/caps.h"
#include "privilege.h"
#include "rootless.h"

#define CHANNEL_FD 3

static const struct {
	const char *binary;
	uint64_t caps;
} kinds[CONFINED_COUNT] = {
	[CONFINED_FRONTEND] = {"rootbroker-frontend", 0},
	[CONFINED_RESOLVER] = {"rootbroker-resolver", CAPS_BIT(CAP_DAC_READ_SEARCH)},
	[CONFINED_JOINER] = {"rootbroker-joiner", CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_PTRACE)},
};

uint64_t confined_caps(enum confined_kind kind)
{
	return kinds[kind].caps;
}

const char *confined_binary(enum confined_kind kind)
{
	return kinds[kind].binary;
}

static void fail(enum confined_kind kind, const char *step, int error) __attribute__((noreturn));
static void fail(enum confined_kind kind, const char *step, int error)
{
	log_error("cannot start %s: %s: %s", kinds[kind].binary, step, strerror(error));
	_exit(EXIT_FAILURE);
}

/* The monitor blocks what it takes by signalfd. SIGPIPE stays ignored: a log that nobody reads must end nobody. */
static void default_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, signo == SIGPIPE ? SIG_IGN : SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 and 1 are /dev/null, 2 the log, 3 the channel; all others go with exec. */
static const char *set_descriptors(int channel)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return "/dev/null";
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(channel, CHANNEL_FD) < 0 ||
	    fcntl(CHANNEL_FD, F_SETFD, 0) < 0)
		return "descriptors";
	if (close_range(CHANNEL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return "close_range";
	return NULL;
}

/* A session is a descriptor, and so is a container's pidfd. */
static int raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

static char *join(const char *a, char between, const char *b)
{
	char *s;

	return asprintf(&s, "%s%c%s", a, between, b) < 0 ? NULL : s;
}

/* NULL at the end; NULL without memory. */
static char **arguments(const struct confined_env *env, enum confined_kind kind)
{
	const struct config *c = env->config;
	char **users = kind == CONFINED_RESOLVER ? rootless_arguments(c) : NULL, **argv;
	size_t n = 3, nusers = 0, ndirs = kind == CONFINED_RESOLVER ? (size_t)c->ndirs : 0;

	if (kind == CONFINED_RESOLVER && !users)
		return NULL;
	while (users && users[nusers])
		nusers++;
	argv = calloc(n + ndirs + nusers + 1, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[0] = join(env->libexec, '/', kinds[kind].binary);
	argv[1] = strdup("--log-level");
	argv[2] = strdup(log_level_name(log_level()));
	for (size_t i = 0; i < ndirs; i++)
		argv[n++] = join(c->dirs[i].engine, '=', c->dirs[i].path);
	for (size_t i = 0; i < n; i++) {
		if (!argv[i])
			return NULL;
	}
	if (nusers > 0)
		memcpy(argv + n, users, nusers * sizeof(*users));
	return argv;
}

void confined_exec(const struct confined_env *env, enum confined_kind kind, int channel)
{
	const struct config *c = env->config;
	const struct privilege p = {
		.uid = c->user[kind].uid,
		.gid = c->user[kind].gid,
		.caps = kinds[kind].caps,
		.no_new_privs = true,
	};
	char **argv = arguments(env, kind);
	char *const none[] = {NULL};
	const char *step;
	int fd, r;

	if (!argv)
		fail(kind, "arguments", ENOMEM);
	/* No terminal: neither its keys nor its input queue reach a confined process. */
	(void)setsid();
	default_signals();
	(void)umask(077);
	if (chdir("/") < 0)
		fail(kind, "chdir /", errno);
	/* Far from the numbers that are dealt out below. */
	channel = fcntl(channel, F_DUPFD_CLOEXEC, 10);
	/* Opened while root: the binaries may lie in a directory that only root can enter. */
	fd = open(argv[0], O_PATH | O_CLOEXEC);
	if (fd < 0)
		fail(kind, argv[0], errno);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	step = channel < 0 || fd < 0 ? "descriptors" : set_descriptors(channel);
	if (step)
		fail(kind, step, errno);
	r = raise_files();
	if (r < 0)
		fail(kind, "RLIMIT_NOFILE", -r);
	r = privilege_drop(&p, &step);
	if (r < 0)
		fail(kind, step, -r);
	(void)syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
	fail(kind, argv[0], errno);
}

const char *confined_judge(const struct config_user *user, enum confined_kind kind, const struct proc_status *s)
{
	for (int i = 0; i < 4; i++) {
		if (s->uid[i] != user->uid)
			return "its uid";
		if (s->gid[i] != user->gid)
			return "its gid";
	}
	if (s->ngroups != 0)
		return "its groups";
	if (s->effective != kinds[kind].caps || s->permitted != kinds[kind].caps)
		return "its capabilities";
	if (s->inheritable != 0 || s->ambient != 0)
		return "its inheritable or ambient capabilities";
	if (s->bounding & ~kinds[kind].caps)
		return "its bounding set";
	if (s->no_new_privs != 1)
		return "no_new_privs";
	if (s->seccomp != 2)
		return "its filter";
	return NULL;
}
