/* SPDX-License-Identifier: MIT */
/*
 * The connection's watch. Runs in: the library.
 *
 * The request stays at the server until there is something to tell. Its answer is kept, as it came, until it is asked for, whatever
 * other calls come between.
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "conn.h"

/* Asks what comes after this position, unless that is asked already; what another position asked is forgotten. 0, or a negative errno. */
int watch_ask(struct conn *c, uint64_t after, uint64_t until, int64_t deadline);
/* Until the answer is there or the deadline is over. What else comes is dealt with on the way. */
int watch_await(struct conn *c, int64_t deadline);
/* Takes the answer: 0 and the body of EVENTS, valid until the next watch_ask(), or a negative errno. */
int watch_take(struct conn *c, struct wire_rd *ret_body);

/* A record that answers no call in service. Breaks the connection if it should be the watch's answer and cannot be. */
void watch_answered(struct conn *c, uint16_t type, uint32_t serial, const struct wire_rd *body);
/* The server was resumed: what is not answered is asked again. */
void watch_resume(struct conn *c);

#endif
