/* SPDX-License-Identifier: MIT */
/*
 * Processes of a program that has no cgroup: known by a mark, killed until none is left. Runs in: monitor. Trusts: /proc.
 *
 * The mark is a supplementary group that no other start has. It passes over fork, exec and setsid, stays with whoever is
 * inherited by another parent, and cannot be given up without CAP_SETGID, not in a user namespace either.
 */
#ifndef MONITOR_MARKED_H
#define MONITOR_MARKED_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/list.h"
#include "../common/loop.h"

/* Beyond what anybody gives to groups, users, or containers; the last number is no group. */
#define MARK_FIRST 0x80000000u
#define MARK_COUNT 0x7ffffffeu

/* One mark whose processes are to end. */
struct marked {
	struct list link;
	gid_t mark;
	void (*gone)(struct marked *m); /* called once; no longer in the walk */
	bool fresh; /* came while a pass was going on, which says nothing about it */
	bool seen; /* alive in this pass */
	int empty; /* passes without any, in a row */
};

/* One walk over /proc for all of them, a slice at a time: the monitor has others to serve. */
struct walk {
	struct loop *loop;
	struct timer timer;
	DIR *proc; /* NULL between two passes */
	struct list all;
};

gid_t mark_of(uint64_t key);

void walk_init(struct walk *w, struct loop *loop);
void walk_fini(struct walk *w);
/* @m->mark and @m->gone are set. Goes on until it is gone, or taken out. */
void walk_add(struct walk *w, struct marked *m);
void walk_remove(struct walk *w, struct marked *m); /* harmless when it is not in it */

#endif
