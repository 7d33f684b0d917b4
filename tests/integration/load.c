/* SPDX-License-Identifier: MIT */
/*
 * load SOCKET SECONDS CONNECTIONS NAME PID HOSTNAME: asks over several connections, without a pause, for a container's PID and
 * hostname, and says what came: right and wrong answers, errors after which a client tries again, connections that
 * were lost, and the longest time that any connection was without a right answer.
 *
 * Status 0 if nothing wrong came. A wrong answer is a wrong value, or an error that the library does not document as
 * a reason to try again.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rootbroker.h"

static const char *path, *name, *hostname;
static int pid;
static double end;

struct worker {
	pthread_t thread;
	long right, wrong, retry, lost;
	double gap;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void failed(struct worker *w, int *fd, int error)
{
	char text[256];

	if (error == -EAGAIN || error == -ETIMEDOUT) {
		w->retry++;
	} else if (error == -ENOTCONN || error == -ECONNREFUSED || error == -ENOENT) {
		w->lost++;
		if (*fd >= 0)
			rootShutdown(*fd);
		*fd = -1;
		usleep(1000);
	} else {
		fprintf(stderr, "wrong: error %d, %s\n", error, rootErrStr_r(error, text, sizeof(text)));
		w->wrong++;
	}
}

static int ask(struct worker *w, int *fd, unsigned turn)
{
	char buffer[ROOT_HOSTNAME_MAX + 1];
	int r;

	if (*fd < 0) {
		r = rootConnectTo(path);
		if (r < 0)
			return r;
		*fd = r;
	}
	if (turn % 2) {
		r = rootContainerProcessID(*fd, name, (int)strlen(name));
		if (r >= 0 && r != pid) {
			fprintf(stderr, "wrong: PID %d\n", r);
			w->wrong++;
		}
		return r == -ENOENT ? -EBADMSG : r;
	}
	r = rootContainerHostName(*fd, name, (int)strlen(name), buffer, sizeof(buffer));
	if (r >= 0 && strcmp(buffer, hostname) != 0) {
		fprintf(stderr, "wrong: hostname %s\n", buffer);
		w->wrong++;
	}
	return r == -ENOENT ? -EBADMSG : r;
}

static void *work(void *data)
{
	struct worker *w = data;
	double last = now(), t;
	int fd = -1;

	for (unsigned turn = 0; now() < end; turn++) {
		int r = ask(w, &fd, turn);

		if (r < 0) {
			failed(w, &fd, r);
			continue;
		}
		w->right++;
		t = now();
		if (t - last > w->gap)
			w->gap = t - last;
		last = t;
	}
	t = now();
	if (t - last > w->gap)
		w->gap = t - last;
	if (fd >= 0)
		rootShutdown(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker *workers, sum = {0};
	int n;

	if (argc != 7) {
		fprintf(stderr, "usage: load SOCKET SECONDS CONNECTIONS NAME PID HOSTNAME\n");
		return 2;
	}
	path = argv[1];
	end = now() + atof(argv[2]);
	n = atoi(argv[3]);
	name = argv[4];
	pid = atoi(argv[5]);
	hostname = argv[6];
	workers = calloc((size_t)n, sizeof(*workers));
	if (!workers)
		return 1;
	for (int i = 0; i < n; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			return 1;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.right += workers[i].right;
		sum.wrong += workers[i].wrong;
		sum.retry += workers[i].retry;
		sum.lost += workers[i].lost;
		if (workers[i].gap > sum.gap)
			sum.gap = workers[i].gap;
	}
	printf("right=%ld wrong=%ld retry=%ld lost=%ld gap_ms=%.0f\n", sum.right, sum.wrong, sum.retry, sum.lost,
	       sum.gap * 1000);
	free(workers);
	return sum.wrong ? 1 : 0;
}
