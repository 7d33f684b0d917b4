/* SPDX-License-Identifier: MIT */
/*
 * What is mounted where, from /proc/self/mountinfo. Runs in: resolver.
 *
 * A file system that is somebody else's to serve - a network's, a user's (FUSE), an automounter's - can hold whoever touches it for
 * ever. So this is asked before a path is touched, and only kinds that the kernel serves by itself, from memory or from a local
 * disk, are good.
 */
#ifndef RESOLVER_MOUNTS_H
#define RESOLVER_MOUNTS_H

#include "map.h"

enum mounts_kind {
	MOUNTS_NONE, /* nothing is mounted just there */
	MOUNTS_LOCAL,
	MOUNTS_REFUSED,
};

struct mounts {
	struct map by_path;
};

/* What is mounted now; replaces what @m knew, unless it fails. @m is zeroed before the first time. 0 or -errno. */
int mounts_read(struct mounts *m, int proc);
/* The same from the text of a mountinfo file, which is changed; for tests. */
void mounts_parse(struct mounts *m, char *text);
void mounts_clear(struct mounts *m);

/* @path: absolute, without links, or slashes that are not needed. @ret_id, if not NULL: a number that another mount does not have. */
enum mounts_kind mounts_at(const struct mounts *m, const char *path, uint64_t *ret_id);

#endif
