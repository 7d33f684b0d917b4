/* SPDX-License-Identifier: MIT */
/*
 * Whether a container is paused, from the kernel: the state of its cgroups. Runs in: resolver. Trusts: the kernel's text.
 *
 * What is written to freezer.state (version 1) or cgroup.freeze (version 2) is seen as it is written, in the container's own cgroup
 * and in its init's; that all its processes have stopped, version 2 tells by cgroup.events. The directories are watched: one a
 * container and hierarchy, two where the init is deeper. It is read after the watch is there.
 */
#ifndef RESOLVER_FREEZER_H
#define RESOLVER_FREEZER_H

#include <stdbool.h>

#include "claim.h"
#include "watch.h"

struct freezer;

/* All of them. */
struct freezers {
	struct watcher *watch; /* NULL: nothing is ever paused */
	int root; /* /sys/fs/cgroup */
	struct freezer *dirty;
};

/* A cgroup of an init that tells. */
struct freezer_side {
	struct listener init, own; /* its init's, and the container's own where that is above it */
	struct freezer *of;
	const char *file; /* NULL: there is none */
	char *path; /* below the root; the first @own_len bytes lead to the own one */
	size_t own_len;
	bool frozen;
};

#define FREEZER_SIDES 2 /* version 1, version 2: both on a hybrid system */

struct freezer {
	struct freezers *of; /* NULL: not started */
	struct freezer_side sides[FREEZER_SIDES];
	struct freezer *next_dirty;
	bool dirty, frozen;
};

/* @f is zeroed. Until freezer_stop(). */
void freezer_start(struct freezers *s, struct freezer *f, const struct init *init);
void freezer_stop(struct freezer *f);
/* To be looked at. */
void freezer_mark(struct freezer *f);
/* Looks at what is marked: the next that has changed; NULL: none. */
struct freezer *freezers_next(struct freezers *s);

#endif
