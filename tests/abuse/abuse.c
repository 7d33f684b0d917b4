/* SPDX-License-Identifier: MIT */
/*
 * abuse SOCKET MODE NUMBER: what a hostile client does to everybody else's service.
 *
 *	flood SECONDS	requests without a pause, no answer is ever read; a session that is ended is followed by another
 *	connect SECONDS	connects and disconnects without a pause
 *	mute N		N connections that never say a word, held until standard input ends
 *	hold N		N connections that say hello, held likewise
 *	fds SECONDS	good requests with as many descriptors as the kernel takes, answers read
 *
 * Prints what it got.
 */
#include "raw.h"

#include <fcntl.h>

static const char *path;

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static size_t request(uint8_t *buf, size_t size, uint32_t serial)
{
	struct wire_wr w;

	wire_wr_init(&w, buf, size);
	wire_put_header(&w, MSG_CONTAINER_PID, serial);
	return (size_t)put_name_request(&w, &(struct name_request){0, STR("no-such-container")});
}

static void flood(int seconds)
{
	uint8_t buf[WIRE_RECORD_MAX];
	time_t end = now() + seconds;
	long sent = 0, ended = 0;

	for (uint32_t serial = 2; now() < end;) {
		int fd = raw_session(path);
		struct pollfd p = {.fd = fd, .events = POLLOUT};

		if (fd < 0) {
			usleep(1000);
			continue;
		}
		while (now() < end) {
			size_t len = request(buf, sizeof(buf), serial++);
			ssize_t n = send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);

			if (n < 0 && errno == EAGAIN) {
				(void)poll(&p, 1, 100);
				continue;
			}
			if (n < 0) {
				ended++;
				break;
			}
			sent++;
		}
		close(fd);
	}
	printf("sent=%ld ended=%ld\n", sent, ended);
}

static void reconnect(int seconds)
{
	time_t end = now() + seconds;
	long connections = 0;
	int fd;

	while (now() < end) {
		fd = raw_connect(path);
		if (fd >= 0) {
			connections++;
			close(fd);
		}
	}
	printf("connections=%ld\n", connections);
}

static void hold(int n, bool hello)
{
	int *fds = calloc((size_t)n, sizeof(*fds));
	int got = 0;
	char c;

	if (!fds)
		return;
	for (int i = 0; i < n; i++) {
		fds[i] = hello ? raw_session(path) : raw_connect(path);
		if (fds[i] >= 0)
			got++;
	}
	printf("got=%d refused=%d\n", got, n - got);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	for (int i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	free(fds);
}

static ssize_t send_fds(int fd, const void *record, size_t len, int n)
{
	char control[CMSG_SPACE(253 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec v = {(void *)(uintptr_t)record, len};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), *p = (int *)(void *)CMSG_DATA(c);
	ssize_t r;

	m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	for (int i = 0; i < n; i++)
		p[i] = null;
	r = sendmsg(fd, &m, MSG_NOSIGNAL);
	close(null);
	return r;
}

static void descriptors(int seconds)
{
	static const int counts[] = {1, 2, 3, 4, 100, 253};
	uint8_t buf[WIRE_RECORD_MAX];
	time_t end = now() + seconds;
	long sent = 0, refused = 0, answered = 0, ended = 0;
	int fd = -1;

	for (uint32_t serial = 2; now() < end; serial++) {
		size_t len = request(buf, sizeof(buf), serial);

		if (fd < 0 && (fd = raw_session_soon(path)) < 0)
			break;
		if (send_fds(fd, buf, len, counts[serial % 6]) < 0) {
			if (errno == EPERM || errno == ETOOMANYREFS) { /* the kernel refuses them for the server */
				refused++;
				usleep(1000);
				continue;
			}
		} else {
			sent++;
		}
		if (raw_recv(fd, buf, sizeof(buf), RAW_WAIT_MS) > 0) {
			answered++;
		} else {
			ended++;
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	printf("sent=%ld refused=%ld answered=%ld ended=%ld\n", sent, refused, answered, ended);
}

int main(int argc, char **argv)
{
	int n;

	if (argc != 4) {
		fprintf(stderr, "usage: abuse SOCKET flood|connect|mute|hold|fds NUMBER\n");
		return 2;
	}
	path = argv[1];
	n = atoi(argv[3]);
	if (!strcmp(argv[2], "flood"))
		flood(n);
	else if (!strcmp(argv[2], "connect"))
		reconnect(n);
	else if (!strcmp(argv[2], "mute"))
		hold(n, false);
	else if (!strcmp(argv[2], "hold"))
		hold(n, true);
	else if (!strcmp(argv[2], "fds"))
		descriptors(n);
	else
		return 2;
	return 0;
}
