/* SPDX-License-Identifier: MIT */
/*
 * terminate SOCKET LABEL exit|signal NUMBER OUTPUT: starts a program, reads its output until OUTPUT was seen (if it is
 * not empty), terminates it, and waits: the status must be the given one. Also that nobody else's child, nor its own
 * twice, can be waited for or terminated. Says how long the termination took.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rootbroker.h"

static int failures;

static long now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void want(const char *what, int got, int expected)
{
	if (got == expected)
		return;
	fprintf(stderr, "%s: got %d, want %d\n", what, got, expected);
	failures++;
}

int main(int argc, char **argv)
{
	int fd, other, pid, infd, outfd, status = 0, r;
	char c, text[256];
	long begin;

	if (argc != 6)
		return 2;
	fd = rootConnectTo(argv[1]);
	other = rootConnectTo(argv[1]);
	if (fd < 0 || other < 0) {
		fprintf(stderr, "connect: %s\n", rootErrStr_r(fd < 0 ? fd : other, text, sizeof(text)));
		return 1;
	}
	want("wait without any program", rootProcessWait(fd, -1, &status), -ECHILD);
	r = rootProcessStart(fd, ROOT_IPC_PIPES, argv[2], (int)strlen(argv[2]), NULL, 0, &pid, &infd, &outfd);
	if (r < 0) {
		fprintf(stderr, "start: %s\n", rootErrStr_r(r, text, sizeof(text)));
		return 1;
	}
	if (argv[5][0] && read(infd, &c, 1) != 1)
		fprintf(stderr, "no output\n");
	want("wait by another connection", rootProcessWait(other, pid, &status), -ECHILD);
	want("terminate by another connection", rootProcessTerminate(other, pid), -ECHILD);
	want("terminate of PID 1", rootProcessTerminate(fd, 1), -ECHILD);
	want("terminate of this very process", rootProcessTerminate(fd, getpid()), -ECHILD);
	begin = now_ms();
	want("terminate", rootProcessTerminate(fd, pid), 0);
	printf("terminated in %ld ms\n", now_ms() - begin);
	want("wait", rootProcessWait(fd, pid, &status), pid);
	if (!strcmp(argv[3], "exit")) {
		want("exited", WIFEXITED(status), 1);
		want("exit status", WEXITSTATUS(status), atoi(argv[4]));
	} else {
		want("signalled", WIFSIGNALED(status), 1);
		want("signal", WTERMSIG(status), atoi(argv[4]));
	}
	want("a second wait", rootProcessWait(fd, pid, &status), -ECHILD);
	want("a second terminate", rootProcessTerminate(fd, pid), -ECHILD);
	close(infd);
	close(outfd);
	rootShutdown(other);
	rootShutdown(fd);
	return failures ? 1 : 0;
}
