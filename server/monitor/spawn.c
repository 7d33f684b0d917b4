/* SPDX-License-Identifier: MIT */
/*
 * One start of a program: the monitor's half. Runs in: monitor.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../common/cleanup.h"
#include "spawn_child.h"

#define PF_FORKNOEXEC 0x40 /* the kernel's own: has forked, has not executed */

/* A pipe is root's, and has no name but those below /proc/PID/fd of the processes that hold it: open to all, so that a program
 * of another uid can open /dev/stdout like any other. */
static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (fchmod(fds[0], 0666) < 0) {
		int error = errno;

		(void)close(fds[0]);
		(void)close(fds[1]);
		return -error;
	}
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int add_fd(struct spawn *s, int fd)
{
	s->fds[s->nfds++] = fd;
	return fd;
}

/* @child receives the program's ends, -1 for /dev/null. */
static int make_channels(const struct spawn_plan *plan, struct spawn *s, struct spawn_child *child)
{
	int fds[2], r = 0, end = -1;

	switch (plan->ipc) {
	case ROOT_IPC_NONE:
		break;
	case ROOT_IPC_PIPES:
		r = make_pipe(&end, &child->fds[1]);
		if (r == 0) {
			(void)add_fd(s, end);
			r = make_pipe(&child->fds[0], &end);
		}
		if (r == 0)
			(void)add_fd(s, end);
		break;
	case ROOT_IPC_SOCKETPAIR:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return -errno;
		(void)add_fd(s, fds[0]);
		child->fds[0] = fds[1];
		child->same = true;
		break;
	default:
		return -EINVAL;
	}
	if (r == 0 && plan->wants_stderr) {
		r = make_pipe(&end, &child->fds[2]);
		if (r == 0)
			(void)add_fd(s, end);
	}
	return r;
}

/*
 * A plain fork otherwise: with CLONE_VFORK a file system that hangs in exec would hang the monitor. The pidfd is made with the
 * process, so that it names this child and no other.
 */
static pid_t clone_child(int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int spawn_gated(const struct spawn_plan *plan, struct spawn *ret)
{
	struct spawn s = {.pid = -1, .pidfd = -1, .control = -1};
	struct spawn_child child = {.plan = plan, .control = -1, .fds = {-1, -1, -1}};
	int control[2], r, i;

	r = make_channels(plan, &s, &child);
	if (r == 0)
		r = chan_pair(control);
	if (r == 0) {
		s.control = control[0];
		child.control = control[1];
		s.pid = clone_child(&s.pidfd);
		if (s.pid == 0)
			spawn_child(&child);
		if (s.pid < 0)
			r = -errno;
	}
	close_fd(&child.control);
	for (i = 0; i < 3; i++)
		close_fd(&child.fds[i]);
	if (r < 0) {
		spawn_close(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int spawn_go(const struct spawn *s)
{
	static const char go = 1;

	return chan_send(s->control, &go, sizeof(go), NULL, 0, MSG_DONTWAIT);
}

/*
 * The socket also ends when the child is killed before its exec. The kernel remembers that it has not executed
 * anything, for a zombie as well, and our own child keeps its number until it is reaped.
 */
static bool never_executed(pid_t pid)
{
	char path[64], text[512], *p;
	autoclose int fd = -1;
	unsigned long flags = 0;
	ssize_t n;
	int field;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name may hold ") R 1": the last bracket is the kernel's. Flags are the ninth field, the name the second. */
	p = strrchr(text, ')');
	for (field = 2; p != NULL && field < 9; field++)
		p = strchr(p + 1, ' ');
	if (p != NULL)
		flags = strtoul(p + 1, NULL, 10);
	return (flags & PF_FORKNOEXEC) != 0;
}

enum spawn_outcome spawn_outcome(const struct spawn *s, char *ret_detail, int size)
{
	struct spawn_failure f;
	ssize_t n = chan_recv(s->control, &f, sizeof(f), NULL, 0, NULL, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return SPAWN_PENDING;
	if (n == 0 && !never_executed(s->pid))
		return SPAWN_RUNS;
	if (n <= 0) {
		(void)snprintf(ret_detail, (size_t)size, "it was killed before it ran");
		return SPAWN_SETUP_FAILED;
	}
	if (n != (ssize_t)sizeof(f)) {
		(void)snprintf(ret_detail, (size_t)size, "its answer makes no sense");
		return SPAWN_SETUP_FAILED;
	}
	f.step[sizeof(f.step) - 1] = '\0';
	(void)snprintf(ret_detail, (size_t)size, "%s: %s", f.step, strerror(f.error));
	return f.exec != 0 ? SPAWN_NOT_EXECUTABLE : SPAWN_SETUP_FAILED;
}

void spawn_close(struct spawn *s)
{
	int i;

	close_fd(&s->pidfd);
	close_fd(&s->control);
	for (i = 0; i < s->nfds; i++)
		close_fd(&s->fds[i]);
	s->nfds = 0;
}
