/* SPDX-License-Identifier: MIT */
/*
 * One request, one answer. Runs in: the library. Trusts: no byte of an answer before proto/ has decoded it.
 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "../proto/chan.h"
#include "../proto/proto.h"
#include "conn.h"

#define CALL_RESEND 1u /* harmless when done twice: sent again after the server was resumed; else -ECONNRESET */
#define CALL_FDS 2u /* the answer may bring descriptors */
#define CALL_FOREVER 4u /* no deadline */
#define CALL_FIRST 8u /* of a connection: what is there already, a refusal, is the answer */

/* The statuses that a request may be answered with, as bits. What else comes is -EPROTO, so that the error lists of the
 * header stay closed. */
#define CALL_STATUS(name) (1u << STATUS_##name)
#define CALL_COMMON (CALL_STATUS(INVALID) | CALL_STATUS(DENIED) | CALL_STATUS(TRY_AGAIN))

struct call {
	uint16_t request, reply; /* enum msg_type */
	unsigned flags;
	uint32_t statuses;
};

#define ANSWER_FDS_MAX 3 /* of any message to a client */

struct answer {
	struct wire_rd body; /* valid until the connection receives again */
	int fds[ANSWER_FDS_MAX];
	int nfds;
};

/* Begins the request in @w, over the connection's own buffer. */
void call_begin(struct conn *c, const struct call *call, struct wire_wr *w);
/*
 * Sends the request (@len: what put_x() returned) and receives the answer, whose descriptors are the caller's then.
 * 0, or a negative errno of the header.
 */
int call_run(struct conn *c, const struct call *call, ssize_t len, struct answer *ret);
/* Gives a connection up whose answer makes no sense; closes what came with it. Returns -EPROTO. */
int call_nonsense(struct conn *c, struct answer *a);

/* Milliseconds of CLOCK_MONOTONIC. A deadline of 0 is none; CALL_AT_ONCE lies in the past. */
#define CALL_AT_ONCE 1
int64_t call_now(void);
int64_t call_deadline(const struct conn *c);
bool call_expired(int64_t deadline);
/* 0; -ETIMEDOUT, -EAGAIN; -EPIPE (what the server said before it went may still be read); or what broke the connection. */
int call_send(struct conn *c, const void *record, size_t len, int64_t deadline);
/* 0 when @events or a hang-up is there, -ETIMEDOUT, or what broke the connection. */
int call_poll(struct conn *c, short events, int64_t deadline);

/*
 * Takes one record, when call_poll() said that there is one. CALL_MINE: the answer to @serial, in @ret. CALL_OTHER: nobody's
 * any more, or a wait's, and dealt with. CALL_RESUMED: the waits are asked again, @serial is not. Or a negative errno.
 */
enum { CALL_MINE, CALL_OTHER, CALL_RESUMED };
struct incoming {
	uint16_t type;
	struct answer answer;
};
int call_receive(struct conn *c, uint32_t serial, unsigned flags, struct incoming *ret);
/* The negative errno of an ERROR's body, -EPROTO if it is none of @statuses; keeps its detail. */
int call_error(struct conn *c, struct wire_rd *body, uint32_t statuses);

#endif
