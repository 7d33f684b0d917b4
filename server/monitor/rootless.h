/* SPDX-License-Identifier: MIT */
/*
 * The engines of users: whose they are, where they are, and how often they may disturb. Runs in: monitor. Trusts: /etc/passwd and
 * /etc/subuid, which are root's. It never touches a user's directory: the resolver does, confined.
 */
#ifndef MONITOR_ROOTLESS_H
#define MONITOR_ROOTLESS_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "config.h"

/* --- rootless.c: who ---------------------------------------------------------------------------------------------- */

/* Fills the users of @c as its key says, from these two files. What is wrong in them is logged, and left out. 0 or -ENOMEM. */
int rootless_load(struct config *c, const char *passwd, const char *subuid);
void rootless_free(struct config *c);

/* --- rootless_args.c: where --------------------------------------------------------------------------------------- */

/* The resolver's arguments for them, NULL at the end, all allocated; NULL without memory. */
char **rootless_arguments(const struct config *c);

/* --- rootless_gate.c: how often ----------------------------------------------------------------------------------- */

/*
 * The resolver has to be started again when a user's directory appears or is replaced, and everybody is served again by the next one.
 * So each user, and all of them together, may cause that a few times in a row, and then no more often than this; who does it more
 * often waits.
 */
#define ROOTLESS_USER_MS 30000
#define ROOTLESS_USER_BURST 10
#define ROOTLESS_ALL_MS 2000
#define ROOTLESS_ALL_BURST 30

struct rootless_rate {
	uint64_t paid_ms; /* until then, the restarts so far are paid for */
	bool waits, said;
};

struct rootless_gate {
	struct rootless_rate users[CONFIG_ROOTLESS_MAX], all; /* in the order of the configuration */
	struct timer timer; /* the next restart for one who waits */
};

struct monitor;

void rootless_gate_init(struct monitor *m);
/* The resolver asks: 0, or -EBADMSG for a user that it was not told of. */
int rootless_gate_moved(struct monitor *m, const struct ipc_moved *q);
/* It has ended: the next one sees whatever somebody waits for. */
void rootless_gate_ended(struct monitor *m);

#endif
