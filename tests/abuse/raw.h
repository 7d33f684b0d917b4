/* SPDX-License-Identifier: MIT */
/*
 * A client below the library: sends any bytes, and says what happened to the connection. For tests only.
 */
#ifndef ABUSE_RAW_H
#define ABUSE_RAW_H

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../include/rootbroker.h"
#include "../../proto/codec.h"
#include "../../proto/proto.h"

#define RAW_WAIT_MS 10000

enum raw_outcome { RAW_ENDED, RAW_ANSWERED, RAW_SILENT };

static inline int raw_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The next record's length, 0 at the end of the conversation, -1 when nothing comes. */
static inline ssize_t raw_recv(int fd, void *buf, size_t size, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return -1;
	n = recv(fd, buf, size, 0);
	return n < 0 ? 0 : n;
}

static inline size_t raw_hello(uint8_t *buf, size_t size)
{
	const struct hello m = {PROTO_VERSION_MIN, PROTO_VERSION_MAX, STR("raw test client")};
	struct wire_wr w;

	wire_wr_init(&w, buf, size);
	wire_put_header(&w, MSG_HELLO, 1);
	return (size_t)put_hello(&w, &m);
}

/* A session that has said hello; -1 if it was refused. */
static inline int raw_session(const char *path)
{
	uint8_t buf[WIRE_RECORD_MAX];
	struct wire_rd r;
	uint16_t type;
	uint32_t serial;
	size_t len = raw_hello(buf, sizeof(buf));
	ssize_t n;
	int fd = raw_connect(path);

	if (fd < 0)
		return -1;
	if (send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len) {
		n = raw_recv(fd, buf, sizeof(buf), RAW_WAIT_MS);
		if (n > 0) {
			wire_rd_init(&r, buf, (size_t)n);
			if (wire_get_header(&r, &type, &serial) == 0 && type == MSG_WELCOME)
				return fd;
		}
	}
	close(fd);
	return -1;
}

/* The same, tried for a while: the places of sessions that just ended become free only soon. */
static inline int raw_session_soon(const char *path)
{
	int fd = -1;

	for (int i = 0; i < 200 && (fd = raw_session(path)) < 0; i++)
		usleep(20000);
	return fd;
}

/* A listing: is answered at once, and by the frontend alone. False if it is not. */
static inline bool raw_list(int fd, uint32_t serial)
{
	const struct list_request m = {0, 0};
	uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;
	struct wire_rd r;
	uint16_t type;
	uint32_t got;
	ssize_t n;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, MSG_CONTAINER_LIST, serial);
	n = put_list_request(&w, &m);
	if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	n = raw_recv(fd, buf, sizeof(buf), RAW_WAIT_MS);
	if (n <= 0)
		return false;
	wire_rd_init(&r, buf, (size_t)n);
	return wire_get_header(&r, &type, &got) == 0 && type == MSG_CONTAINERS && got == serial;
}

/* What the server did with what was sent last. */
static inline enum raw_outcome raw_outcome(int fd)
{
	uint8_t buf[WIRE_RECORD_MAX];
	enum raw_outcome o = RAW_SILENT;

	for (;;) {
		ssize_t n = raw_recv(fd, buf, sizeof(buf), o == RAW_SILENT ? RAW_WAIT_MS : 200);

		if (n < 0)
			return o;
		if (n == 0)
			return RAW_ENDED;
		o = RAW_ANSWERED;
	}
}

#endif
