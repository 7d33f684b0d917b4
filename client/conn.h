/* SPDX-License-Identifier: MIT */
/*
 * The connections of this process: descriptor -> state. Runs in: the library, in the threads of whoever uses it.
 *
 * The table has a lock; a connection has none, because it serves one call at a time.
 */
#ifndef CLIENT_CONN_H
#define CLIENT_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../include/rootbroker.h"
#include "../proto/codec.h"

#define CONN_TIMEOUT_MS 5000

/* Waits that the server has not answered or that nobody has collected, and cancellations that it has not answered: all of them, a
 * watch and a call, stay below PROTO_INFLIGHT_MAX. */
#define CONN_WAITS_MAX 24
#define CONN_CANCELS_MAX 24

struct pending_wait {
	uint32_t serial; /* 0: this slot is free */
	uint32_t pid; /* 0: any */
	bool done; /* @reply or @error is the answer */
	int error; /* 0 or a negative errno */
	struct waited_reply reply;
};

struct pending_cancel {
	uint32_t start; /* 0: this slot is free */
	uint32_t serial;
	bool sent;
	uint64_t instance; /* of the program, once it is known */
};

/* What a watch asked, and its answer as it came. */
struct pending_watch {
	uint32_t serial; /* 0: nothing is asked */
	uint64_t after, until; /* the position that it asked for */
	uint8_t *record; /* WIRE_RECORD_MAX bytes, once there was a watch */
	size_t len; /* of the answer, 0: not there yet */
};

struct conn {
	int fd;
	dev_t dev; /* the socket's identity: a number can be closed and used again behind our back */
	ino_t ino;
	int timeout_ms; /* 0: none */
	int broken; /* 0, or what every further call returns */
	uint32_t serial; /* of the last request */
	uint64_t ack; /* the last status that the caller got */
	uint64_t acked[CONN_WAITS_MAX]; /* and those before: no more of them can have been lost at a time */
	unsigned nacked;
	struct pending_wait waits[CONN_WAITS_MAX];
	struct pending_cancel cancels[CONN_CANCELS_MAX];
	struct pending_watch watch;
	char detail[ROOT_DETAIL_MAX + 1];
	uint8_t in[WIRE_RECORD_MAX];
	uint8_t out[WIRE_RECORD_MAX]; /* the request in service: it may have to be sent again */
};

/* Enters the connected socket @fd. 0 and the connection, or -ENOMEM. */
int conn_add(int fd, struct conn **ret_conn);
/* The connection behind @fd for a call that begins now. 0, -EBADF, or what broke it earlier. */
int conn_get(int fd, struct conn **ret_conn);
/* The same without a call: broken or not, the detail as it is. NULL if there is none. */
struct conn *conn_peek(int fd);
/* Takes it from the table, closes and frees it. Harmless when @fd is not a connection. */
void conn_remove(int fd);

/* Nothing can be read from or written to it any more; every further call returns @error. Returns @error. */
int conn_break(struct conn *c, int error);
uint32_t conn_next_serial(struct conn *c);

#endif
