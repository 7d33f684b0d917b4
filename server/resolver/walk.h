/* SPDX-License-Identifier: MIT */
/*
 * Paths that lead through directories of a user. Runs in: resolver, before and after it locks itself in. Trusts: root's directories.
 *
 * From / on, a component at a time: each directory is root's or the user's own. A link is followed only where root put it and nobody
 * else could have (/home may be one); never one of the user's. What is mounted on the way is crossed only if it was known before, and
 * good: see mounts.h.
 */
#ifndef RESOLVER_WALK_H
#define RESOLVER_WALK_H

#include <stdint.h>

#include "mounts.h"

struct walk {
	const struct mounts *mounts;
	uint32_t owner;
};

/* The directory @path, as O_PATH. A descriptor; -ENOENT; -ELOOP: a link; -EPERM: somebody else's directory; -EXDEV: a file system
 * that is not entered, or was mounted a moment ago; -errno. */
int walk_open(const struct walk *w, const char *path);
/* The same, and it is the user's own: root's, -EPERM. */
int walk_open_own(const struct walk *w, const char *path);

/* A file or directory in @dir, not through a link, nor into another file system. @flags as of open(). A descriptor or -errno. */
int walk_step(int dir, const char *name, int flags);

/* A number that changes when something is mounted or unmounted on the way to @path. Without touching it. */
uint64_t walk_mounts(const struct walk *w, const char *path);

#endif
