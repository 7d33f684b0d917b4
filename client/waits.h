/* SPDX-License-Identifier: MIT */
/*
 * Programs of a connection that are waited for. Runs in: the library.
 *
 * A wait is asked once, and its answer kept until it is collected, whatever other calls come between.
 */
#ifndef CLIENT_WAITS_H
#define CLIENT_WAITS_H

#include "conn.h"

/* Asks, unless a wait for @pid (0: any) is pending already. 0 and the wait, or a negative errno. */
int waits_ask(struct conn *c, uint32_t pid, int64_t deadline, struct pending_wait **ret_wait);
/* Hands out the answer of a wait that is done, and acknowledges it: the pid, or a negative errno. */
int waits_collect(struct conn *c, struct pending_wait *w, int *ret_status);

/* A record that answers no call in service. Breaks the connection if it should be a wait's answer and makes no sense. */
void waits_answered(struct conn *c, uint16_t type, uint32_t serial, struct wire_rd *body);
/* The server was resumed: what is pending is asked again. */
void waits_resume(struct conn *c);

#endif
