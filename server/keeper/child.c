/* SPDX-License-Identifier: MIT */
/*
 * The keeper's own process, and the monitor's. Runs in: keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "child.h"

#define CHANNEL_FD 3
#define EXIT_NO_EXEC 127

uint64_t backoff_next(struct backoff *b, uint64_t served_ms)
{
	uint64_t delay = served_ms >= CHILD_STEADY_MS ? 0 : b->delay_ms;

	b->delay_ms = delay == 0 ? CHILD_DELAY_MIN_MS : 2 * delay;
	if (b->delay_ms > CHILD_DELAY_MAX_MS)
		b->delay_ms = CHILD_DELAY_MAX_MS;
	return delay;
}

/* @blocked: 0, or one that waits for whoever is to take it. */
static void default_signals(int blocked)
{
	sigset_t mask;

	/* Those that cannot be changed say so; nothing is lost. An ignored SIGCHLD would lose every status. */
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	(void)sigemptyset(&mask);
	if (blocked)
		(void)sigaddset(&mask, blocked);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* A missing one of 0 to 2 would be the number of the next file that is opened, and the log would go into it. */
static int standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	return close_range(STDERR_FILENO + 1, ~0u, 0) < 0 ? -errno : 0;
}

int child_clean_start(const char **ret_step)
{
	struct rlimit files;
	int r;

	default_signals(0);
	/* A log that nobody reads any more must not end the keeper. */
	(void)signal(SIGPIPE, SIG_IGN);

	*ret_step = "opening /dev/null";
	r = standard_descriptors();
	if (r < 0)
		return r;
	(void)umask(022);
	*ret_step = "chdir /";
	if (chdir("/") < 0)
		return -errno;
	*ret_step = "clearing the environment";
	if (clearenv() != 0)
		return -ENOMEM;
	*ret_step = "raising RLIMIT_NOFILE to its hard limit";
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* A program whose monitor died becomes this process's child, with its status. */
	*ret_step = "PR_SET_CHILD_SUBREAPER";
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_step = "PR_SET_DUMPABLE";
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static void run(int channel, char *const argv[]) __attribute__((noreturn));
static void run(int channel, char *const argv[])
{
	char *const none[] = {NULL};
	int r = 0;

	/* A reload that comes before the monitor listens for it would be its end. */
	default_signals(SIGHUP);
	/* The keeper's own descriptors are close-on-exec; a copy onto itself would be, too. */
	if (channel != CHANNEL_FD)
		r = dup2(channel, CHANNEL_FD);
	else
		r = fcntl(channel, F_SETFD, 0);
	if (r >= 0 && close_range(CHANNEL_FD + 1, ~0u, 0) == 0)
		(void)execve(argv[0], argv, none);
	log_error("cannot execute %s: %s", argv[0], strerror(errno));
	_exit(EXIT_NO_EXEC);
}

int child_start(char *const argv[], pid_t *ret_pid)
{
	int fds[2];
	pid_t pid;
	int r = chan_pair(fds);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		run(fds[1], argv);
	r = -errno;
	close_fd(&fds[1]);
	if (pid < 0) {
		close_fd(&fds[0]);
		return r;
	}
	*ret_pid = pid;
	return fds[0];
}
