/* SPDX-License-Identifier: MIT */
/*
 * Clients that are not admitted, and what they are told. Runs in: monitor. Reads no byte of theirs.
 *
 * The reason is sent once the client has said something: to one that was still about to speak, the end of the connection would show as an
 * error of its own, and it might never look for the reason.
 */
#ifndef MONITOR_REFUSAL_H
#define MONITOR_REFUSAL_H

#include "../../proto/proto.h"
#include "../common/loop.h"

#define REFUSALS_MAX 32 /* beyond, the reason is sent at once */
#define REFUSAL_MS 1000

struct refusal {
	struct loop *loop;
	struct source source; /* its fd is -1: the place is free */
	struct timer timer;
	enum status status;
	const char *detail;
};

struct refusals {
	struct refusal all[REFUSALS_MAX];
};

void refusals_init(struct refusals *r, struct loop *loop);
/* Takes @fd; it gets MSG_ERROR with serial 0, and is closed. @detail is kept. */
void refuse(struct refusals *r, int fd, enum status status, const char *detail);
/* All that wait are answered now. */
void refusals_end(struct refusals *r);

#endif
