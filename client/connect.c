/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "call.h"

#define CLIENT_NAME_MAX 63
#define TRIES 3

static const struct call hello_call = {
	.request = MSG_HELLO,
	.reply = MSG_WELCOME,
	.flags = CALL_FIRST,
	.statuses = CALL_STATUS(DENIED) | CALL_STATUS(TRY_AGAIN) | CALL_STATUS(TIMED_OUT) | CALL_STATUS(VERSION),
};

static int connect_errno(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return -ENOENT;
	case ECONNREFUSED:
		return -ECONNREFUSED;
	case EACCES:
	case EPERM: /* a security module; -EPERM is kept for who listens */
		return -EACCES;
	case EPROTOTYPE:
		return -EPROTO;
	case EAGAIN: /* the queue of connections was full until the deadline */
		return -ETIMEDOUT;
	case ENOMEM:
	case ENOBUFS:
		return -ENOMEM;
	default:
		return -ENOTCONN;
	}
}

/* The kernel itself keeps the deadline of connect(2): there is nothing that could be polled while the queue is full. */
static int set_send_timeout(int fd, int64_t ms)
{
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) ? -ENOTCONN : 0;
}

static int connect_within(int fd, const struct sockaddr_un *addr, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - call_now();
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		r = set_send_timeout(fd, left);
		if (r)
			return r;
		if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
			return set_send_timeout(fd, 0);
		if (errno != EINTR)
			return connect_errno(errno);
	}
}

/* The kernel noted them when the server called listen(2). */
static int check_listener(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -ENOTCONN;
	return cred.uid ? -EPERM : 0;
}

static struct str client_name(void)
{
	const char *name = program_invocation_short_name;

	return (struct str){name, strnlen(name, CLIENT_NAME_MAX)};
}

static int say_hello(struct conn *c)
{
	struct hello m = {.version_min = PROTO_VERSION_MIN, .version_max = PROTO_VERSION_MAX, .client = client_name()};
	struct welcome welcome;
	struct answer a;
	struct wire_wr w;
	int r;

	call_begin(c, &hello_call, &w);
	r = call_run(c, &hello_call, put_hello(&w, &m), &a);
	if (r)
		return r;
	if (get_welcome(&a.body, &welcome) || welcome.version < PROTO_VERSION_MIN ||
	    welcome.version > PROTO_VERSION_MAX)
		return -EPROTO;
	return 0;
}

static int connect_once(const struct sockaddr_un *addr, int64_t deadline)
{
	struct conn *c;
	int64_t left;
	int fd, r;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -EMFILE : -ENOMEM;
	r = connect_within(fd, addr, deadline);
	if (!r)
		r = check_listener(fd);
	if (!r)
		r = conn_add(fd, &c);
	if (r) {
		(void)close(fd);
		return r;
	}
	left = deadline - call_now();
	c->timeout_ms = left > 0 ? (int)left : 1;
	r = say_hello(c);
	if (r) {
		conn_remove(fd);
		return r;
	}
	c->timeout_ms = CONN_TIMEOUT_MS;
	return fd;
}

int rootConnectTo(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int64_t deadline = call_now() + CONN_TIMEOUT_MS;
	int r = -EINVAL;

	if (!path || !*path || !str_copy(addr.sun_path, sizeof(addr.sun_path), str_of(path)))
		return -EINVAL;
	/* A server that is resumed during the hello may have forgotten it: begin anew. */
	for (int i = 0; i < TRIES; i++) {
		r = connect_once(&addr, deadline);
		if (r != -ECONNRESET)
			return r;
	}
	return -EAGAIN;
}

int rootConnect(void)
{
	const char *path = secure_getenv("ROOTBROKER_SOCKET");

	return rootConnectTo(path && *path ? path : ROOT_SOCKET_PATH);
}

void rootShutdown(int fd)
{
	conn_remove(fd);
}

int rootSetTimeout(int fd, int timeout_ms)
{
	struct conn *c = conn_peek(fd);

	if (!c)
		return -EBADF;
	if (timeout_ms < 0 || timeout_ms > 3600000)
		return -EINVAL;
	c->timeout_ms = timeout_ms;
	return 0;
}
