/* SPDX-License-Identifier: MIT */
/*
 * A path that may not exist yet, or not for ever. Runs in: resolver.
 *
 * Each directory of the path that exists is watched for the next component: the path's directory is noticed when
 * it appears, goes, or is replaced by another, however many of its parents come and go with it.
 */
#ifndef RESOLVER_CHAIN_H
#define RESOLVER_CHAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "watch.h"

/* Which directory a path leads to. Both 0: none. */
struct place {
	dev_t dev;
	ino_t ino;
};

/* Follows links: the configured path is the administrator's word. */
struct place place_of(const char *path);
bool place_equal(struct place a, struct place b);

struct chain_link;
struct walk;

/* The same for a path through a user's directories, which has to lead to one of his. */
struct place place_by(const struct walk *w, const char *path);

struct chain {
	struct watcher *watch;
	char *path;
	struct chain_link *links;
	int nlinks;
	const struct walk *walk; /* how to go there without following a user's links; NULL: as the path leads */
	bool dirty; /* a component changed: chain_settle() looks */
	struct place place;
	/* The path leads elsewhere than before; @c->place is the new place. Called by chain_settle() alone. */
	void (*moved)(struct chain *c);
};

/* @path is absolute, @c->moved, @c->walk and @c->place (of an earlier look) are set. Then call chain_settle(). */
void chain_open(struct chain *c, struct watcher *w, const char *path);
/* Watches what has become watchable, looks where the path leads, and calls moved() if that is new; moved() may close @c. */
void chain_settle(struct chain *c);
void chain_close(struct chain *c);

#endif
