/* SPDX-License-Identifier: MIT */
/*
 * What the frontend asks the joiner. Runs in: frontend. Trusts: the joiner's answers to its own questions.
 *
 * At most JOINER_WINDOW questions are under way, the others wait in order. When the joiner dies, those under way
 * are asked again once there is a new one.
 */
#ifndef FRONTEND_JOINER_LINK_H
#define FRONTEND_JOINER_LINK_H

#include "../common/loop.h"
#include "../common/list.h"

#define JOINER_WINDOW 32

struct frontend;
struct parked;

struct joiner_slot {
	uint64_t token; /* 0: free */
	uint16_t count; /* of the processes that it was asked about */
	struct parked *parked; /* NULL: nobody wants the answer any more */
};

struct joiner_link {
	struct source source; /* fd -1: no joiner */
	struct list queue; /* parked requests that are to be asked */
	struct joiner_slot slots[JOINER_WINDOW]; /* token % JOINER_WINDOW */
	uint64_t next_token;
};

void joiner_link_init(struct frontend *f);
void joiner_link_fini(struct frontend *f);
/* A new joiner; takes @fd. 0 or -errno. */
int joiner_link_set(struct frontend *f, int fd);
/* @p->record is set. */
void joiner_ask(struct frontend *f, struct parked *p);
/* @p goes away. */
void joiner_forget(struct frontend *f, struct parked *p);

#endif
