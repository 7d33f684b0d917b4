/* SPDX-License-Identifier: MIT */
/*
 * What happened to the containers lately, for those who watch. Runs in: frontend. Trusts: what the index trusts.
 *
 * One log for all watchers, bounded in number and in bytes: a watcher is a position in it, kept by the client. Whom the log has
 * overtaken is told so, and begins again with the present state. Positions are generations, ascending over all changes and, as the
 * first is taken from the clock, over all frontends since the boot.
 */
#ifndef FRONTEND_CHANGES_H
#define FRONTEND_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../proto/codec.h"

#define CHANGES_MAX 8192
#define CHANGES_BYTES_MAX (4u << 20)

struct record;
struct change;

struct changes {
	struct change *ring[CHANGES_MAX]; /* those of @first to @next - 1, by number % CHANGES_MAX */
	uint64_t first, next;
	size_t bytes;
	uint64_t last; /* generation of the last change */
	uint64_t floor; /* every change after this generation is here */
};

void changes_init(struct changes *c);
void changes_fini(struct changes *c);
/* Everything is read in anew: what was before has nothing to do with what comes. */
void changes_begin_anew(struct changes *c);
/* While everything is read in, a record is no change; it has a generation all the same. */
uint64_t changes_number(struct changes *c);

/*
 * @m is about to take the place of @old (NULL: it is new); @same_process: whose process is the same. Logs what differs, and sets
 * @m->generation. False: nothing does.
 */
bool changes_put(struct changes *c, const struct record *old, struct container_record *m, bool same_process);
/* @m is about to go. */
void changes_remove(struct changes *c, struct container_record *m);

/* Can the one who knows all up to @generation be told what came after it? */
bool changes_reach(const struct changes *c, uint64_t generation);
/* Adds the changes after @after, as many as fit; the generation of the last one, or @after. */
uint64_t changes_tell(const struct changes *c, uint64_t after, struct page_wr *page);

#endif
