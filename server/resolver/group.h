/* SPDX-License-Identifier: MIT */
/* What the two halves of the table share: table.c knows, records.c tells. Runs in: resolver. See table.h. */
#ifndef RESOLVER_GROUP_H
#define RESOLVER_GROUP_H

#include "table.h"

struct group {
	struct map_node node;
	struct entry *entries;
	struct group *next_dirty;
	bool dirty;
	uint32_t user; /* whose engines say so; 0: the system's */
	char id[];
};

/* The next entry that has, or last had, the same init process as @e, after @at; NULL as @at: the first. */
const struct entry *table_peer(const struct table *t, const struct entry *e, const struct entry *at);

/* Notices what was paused, and what is no more. */
void table_drain_freezers(struct table *t);

/* Takes the record of @e back at the next flush. */
void records_unpublish(struct table *t, struct entry *e);
/* Tells what changed in @g, now: before it changes again. Nothing, if nobody knows of it yet. */
void records_tell_now(struct table *t, struct group *g);

#endif
