/* SPDX-License-Identifier: MIT */
/*
 * supervisor_load SOCKET CONNECTIONS PROGRAMS LABEL: starts PROGRAMS short programs in all, each told to exit with a
 * number of its own, over several connections at once, and counts the statuses that are the right program's.
 *
 * LABEL is a catalogue entry with one argument, {int:0-255}. Every other connection waits for any program, the others by PID.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootbroker.h"

#define AT_ONCE 4

static const char *path, *label;

struct worker {
	pthread_t thread;
	bool any;
	int programs, seed;
	int right, wrong;
	int pid[AT_ONCE], want[AT_ONCE], running;
};

static int complain(struct worker *w, const char *what, int error)
{
	char text[256];

	fprintf(stderr, "%s: %d, %s\n", what, error, rootErrStr_r(error, text, sizeof(text)));
	w->wrong++;
	return -1;
}

static int start(struct worker *w, int fd, int want)
{
	char arg[16];
	int len = snprintf(arg, sizeof(arg), "%d", want) + 1;
	int infd, outfd, pid, r;

	do {
		r = rootProcessStart(fd, ROOT_IPC_NONE, label, (int)strlen(label), arg, len, &pid, &infd, &outfd);
	} while (r == -EAGAIN || r == -EDQUOT || r == -ECONNRESET);
	if (r < 0)
		return complain(w, "start", r);
	w->pid[w->running] = pid;
	w->want[w->running] = want;
	w->running++;
	return 0;
}

static int wait_one(struct worker *w, int fd)
{
	int status, i, r;

	r = rootProcessWait(fd, w->any ? -1 : w->pid[0], &status);
	if (r < 0)
		return complain(w, "wait", r);
	for (i = 0; i < w->running && w->pid[i] != r; i++)
		;
	if (i == w->running)
		return complain(w, "a program that was not started here", r);
	if (WIFEXITED(status) && WEXITSTATUS(status) == w->want[i]) {
		w->right++;
	} else {
		fprintf(stderr, "program %d: status %#x instead of exit %d\n", r, (unsigned)status, w->want[i]);
		w->wrong++;
	}
	w->running--;
	w->pid[i] = w->pid[w->running];
	w->want[i] = w->want[w->running];
	return 0;
}

static void *work(void *data)
{
	struct worker *w = data;
	int fd = rootConnectTo(path);

	if (fd < 0) {
		complain(w, "connect", fd);
		return NULL;
	}
	for (int i = 0; i < w->programs; i++) {
		if (start(w, fd, (w->seed + i * 7) % 256) < 0)
			break;
		if (w->running == AT_ONCE && wait_one(w, fd) < 0)
			break;
	}
	while (w->running > 0 && wait_one(w, fd) == 0)
		;
	rootShutdown(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	int n, programs, right = 0, wrong = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: supervisor_load SOCKET CONNECTIONS PROGRAMS LABEL\n");
		return 2;
	}
	path = argv[1];
	n = atoi(argv[2]);
	programs = atoi(argv[3]);
	label = argv[4];
	workers = calloc((size_t)n, sizeof(*workers));
	if (!workers)
		return 1;
	for (int i = 0; i < n; i++) {
		workers[i].any = i % 2;
		workers[i].programs = programs / n + (i < programs % n);
		workers[i].seed = i * 31;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			return 1;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		right += workers[i].right;
		wrong += workers[i].wrong;
	}
	free(workers);
	printf("right=%d wrong=%d\n", right, wrong);
	return right == programs && wrong == 0 ? 0 : 1;
}
