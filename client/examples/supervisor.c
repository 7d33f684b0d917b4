/* SPDX-License-Identifier: MIT */
/*
 * Keeps a program of the catalogue running: shows its output, says how it ended, and starts it again, up to so many times.
 *
 *	cc -o supervisor supervisor.c $(pkg-config --cflags --libs rootbroker) && ./supervisor PROGRAM [TIMES [ARG...]]
 *
 * One poll(2) serves the program's output and the broker's connection. That a program has ended is told by the broker:
 * the end of its output means only that nobody holds it open any more.
 */
#include <errno.h>
#include <poll.h>
#include <rootbroker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char *what, int fd, int error)
{
	char text[128], detail[ROOT_DETAIL_MAX + 1] = "";

	(void)rootErrDetail(fd, detail, sizeof(detail));
	fprintf(stderr, "%s: %s%s%s\n", what, rootErrStr_r(error, text, sizeof(text)), *detail ? ": " : "", detail);
	return 1;
}

/* Copies what is there; 0 at the end. */
static ssize_t copy(int output)
{
	char buf[4096];
	ssize_t n = read(output, buf, sizeof(buf));

	if (n > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	return n;
}

/* Until @pid has ended: its pid and status, or an error. */
static int supervise(int fd, int pid, int output, int *status)
{
	int r;

	while (!(r = rootProcessPoll(fd, pid, status))) {
		struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = output, .events = POLLIN}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents && copy(output) <= 0)
			output = -1; /* poll(2) passes over it from now on */
	}
	return r;
}

/* What it wrote before its end, without waiting for those that it may have left behind. */
static void drain(int output)
{
	struct pollfd p = {.fd = output, .events = POLLIN};

	while (poll(&p, 1, 0) > 0 && copy(output) > 0)
		;
	fflush(stdout);
}

static int run_once(int fd, const char *program, const char *args, int argslen)
{
	int pid, output, input, status, r;

	r = rootProcessStart(fd, ROOT_IPC_PIPES, program, (int)strlen(program), args, argslen, &pid, &output, &input);
	if (r < 0)
		return r;
	close(input); /* it reads the end of file */
	r = supervise(fd, pid, output, &status);
	if (r > 0) {
		drain(output);
		if (WIFSIGNALED(status))
			fprintf(stderr, "%s: pid %d: signal %d\n", program, pid, WTERMSIG(status));
		else
			fprintf(stderr, "%s: pid %d: exit status %d\n", program, pid, WEXITSTATUS(status));
	}
	close(output);
	return r;
}

int main(int argc, char **argv)
{
	char args[ROOT_ARGS_MAX];
	int times = argc > 2 ? atoi(argv[2]) : 1, argslen = 0, fd, r = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: supervisor PROGRAM [TIMES [ARG...]]\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		size_t n = strlen(argv[i]) + 1;

		if (n > sizeof(args) - (size_t)argslen)
			return failed(argv[1], -1, -EINVAL);
		memcpy(args + argslen, argv[i], n);
		argslen += (int)n;
	}
	fd = rootConnect();
	if (fd < 0)
		return failed("rootbroker", fd, fd);
	while (times-- > 0 && r >= 0)
		r = run_once(fd, argv[1], args, argslen);
	if (r < 0)
		(void)failed(argv[1], fd, r);
	rootShutdown(fd); /* and with the connection go the programs that it started */
	return r < 0;
}
