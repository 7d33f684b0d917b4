/* SPDX-License-Identifier: MIT */
/*
 * Directories that tell when something in them changes. Runs in: resolver. Trusts: nothing; a name in an event is a
 * hint to go and look.
 *
 * Directories are watched, never files: engines replace their files by renaming. Several listeners may share a
 * directory.
 */
#ifndef RESOLVER_WATCH_H
#define RESOLVER_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>

#include "map.h"

/* What makes a name come and go. */
#define WATCH_NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define WATCH_COMES (IN_CREATE | IN_MOVED_TO)
#define WATCH_GOES (IN_DELETE | IN_MOVED_FROM)

struct watch;

struct listener {
	/* @name is "" when the directory itself is meant. With IN_IGNORED the directory is gone, and @l listens no more.
	 * It may add and remove any listener, @l too. */
	void (*event)(struct listener *l, uint32_t mask, const char *name);
	uint32_t mask;
	struct watch *on; /* NULL: does not listen */
	struct listener *next;
};

struct watcher {
	int fd;
	struct map by_wd;
	struct watch *busy; /* whose listeners are being called, and the one after the one that is */
	struct listener *following;
	bool overflow; /* events were lost: the owner looks at everything again, and clears it */
	bool full; /* the kernel's limit was hit: some directory is not watched */
};

int watch_init(struct watcher *w);
void watch_fini(struct watcher *w);
/* The directory behind @dirfd, for which O_PATH suffices. 0 or -errno; harmless when @l listens to it already. */
int watch_add(struct watcher *w, struct listener *l, int dirfd, uint32_t mask);
void watch_remove(struct watcher *w, struct listener *l);
/* Reads and tells all that has happened up to now. 0, or -errno if it cannot be read. */
int watch_drain(struct watcher *w);

#endif
