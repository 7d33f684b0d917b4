/* SPDX-License-Identifier: MIT */
/*
 * The index's source. Runs in: frontend. Trusts: that the resolver verified what it says; not its memory of what
 * it said: INDEX_BEGIN starts from nothing.
 */
#ifndef FRONTEND_RESOLVER_LINK_H
#define FRONTEND_RESOLVER_LINK_H

#include "../common/list.h"
#include "../common/loop.h"

#define RESOLVER_WINDOW 32 /* questions under way */

struct frontend;
struct parked;

struct resolver_link {
	struct source source; /* fd -1: no resolver */
	bool loading; /* between INDEX_BEGIN and INDEX_END */
	bool complete;
	bool full_logged;
	uint64_t last_sync; /* its token */
	uint64_t answered; /* of the last SYNCED; at most one behind */
	struct list unasked,
		asked; /* parked requests with a question; those that are asked in the order of their tokens */
	uint64_t last_question, last_answer; /* tokens. Answers come in the order of the questions */
};

void resolver_link_init(struct frontend *f);
void resolver_link_fini(struct frontend *f);
/* A new resolver; takes @fd. 0 or -errno. */
int resolver_link_set(struct frontend *f, int fd);
/* The token of a SYNC that is sent after this call. However many ask, at most one is under way. */
uint64_t resolver_sync(struct frontend *f);
/* The question that @p needs: whose process @p->q.pid is, or what is known of @p->record. */
void resolver_ask(struct frontend *f, struct parked *p);

#endif
