/* SPDX-License-Identifier: MIT */
/*
 * What the frontend was told: the records, by their number, their init process and their cgroup. Runs in: resolver.
 *
 * Fed with what goes to the frontend, so it is what its questions are about.
 */
#ifndef RESOLVER_PUBLISHED_H
#define RESOLVER_PUBLISHED_H

#include "../../proto/codec.h"
#include "map.h"

struct known {
	struct map_node by_rid, by_pid, by_cgroup; /* the last two: while it runs, and for no cgroup "/" */
	int pidfd; /* the table's, good as long as its changes are told; -1: does not run */
	struct container_record m;
	char text[]; /* of the record */
};

struct published {
	struct map by_rid, by_pid, by_cgroup;
};

void published_put(struct published *p, const struct container_record *m, int pidfd);
void published_remove(struct published *p, uint64_t rid);
void published_fini(struct published *p);

/* Or NULL. */
const struct known *published_rid(const struct published *p, uint64_t rid);
/* The one whose init has this pid, and lives. */
const struct known *published_init(const struct published *p, pid_t pid);
/* One of those whose cgroup is @path; @ret_shared: there are others. */
const struct known *published_cgroup(const struct published *p, struct str path, bool *ret_shared);

#endif
