/* SPDX-License-Identifier: MIT */
/*
 * The index's source. Runs in: frontend. Trusts: that the resolver verified what it says; not its memory of what
 * it said: INDEX_BEGIN starts from nothing.
 */
#ifndef FRONTEND_RESOLVER_LINK_H
#define FRONTEND_RESOLVER_LINK_H

#include "../common/loop.h"

struct frontend;

struct resolver_link {
	struct source source; /* fd -1: no resolver */
	bool loading; /* between INDEX_BEGIN and INDEX_END */
	bool complete;
	bool full_logged;
	uint64_t asked; /* token of the last SYNC */
	uint64_t answered; /* of the last SYNCED; at most one behind */
};

void resolver_link_init(struct frontend *f);
void resolver_link_fini(struct frontend *f);
/* A new resolver; takes @fd. 0 or -errno. */
int resolver_link_set(struct frontend *f, int fd);
/* The token of a SYNC that is sent after this call. However many ask, at most one is under way. */
uint64_t resolver_sync(struct frontend *f);

#endif
