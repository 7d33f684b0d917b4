/* SPDX-License-Identifier: MIT */
/*
 * The containers of this host, in memory. Runs in: frontend. Trusts: the resolver's records as data, within bounds;
 * names as bytes.
 *
 * Sorted arrays of each engine's ids and names: a lookup costs a few binary searches, whichever way a container is named, and
 * no choice of names makes it slower. The system's containers are looked at first: what a user's engine says of its own, names and
 * ids alike, matters only for what nothing of the system answers to. The index owns the records' pidfds.
 */
#ifndef FRONTEND_INDEX_H
#define FRONTEND_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../include/rootbroker.h"
#include "../../proto/codec.h"
#include "sorted.h"

#define INDEX_ENGINES_MAX 24
#define INDEX_RECORDS_MAX 65536

struct engine_index;

struct record {
	uint64_t rid, generation;
	uint32_t state, flags, pid, owner, exit;
	int pidfd; /* -1: not running */
	unsigned refs;
	const struct engine_index *engine;
	struct str id, name, user, cgroup, init_cgroup;
	char text[]; /* of the five */
};

/* What a name is looked up in. */
struct names {
	struct sorted ids, names, prefixes; /* the last: ids that are not the name at the same time */
};

struct engine_index {
	char name[ROOT_ENGINE_MAX + 1];
	struct names owned; /* all, each owner's together: the system's are those of 0 */
	struct names users; /* all but the system's */
};

struct index {
	struct sorted rids;
	struct sorted users; /* all but the system's */
	struct sorted cgroups; /* of those that run and have one of their own */
	struct sorted generations;
	struct engine_index engines[INDEX_ENGINES_MAX];
	unsigned nengines;
};

/* With the names of the engines that there are in the world: "docker:web" is not a name on a host without docker. */
void index_init(struct index *ix);
void index_fini(struct index *ix);
void index_clear(struct index *ix);

/* What a resolver in its right mind may send. */
bool index_plausible(const struct container_record *m);
/* Is there room for it, or a version of it already? */
bool index_has_room(const struct index *ix, uint64_t rid);
/*
 * A new record, or a new version of @m->rid, with @m->generation. @pidfd (or -1) is the index's from now on, in every case.
 * 0, -EBADMSG (not plausible, or more engines than there are), -ENOSPC (too many), -ENOMEM.
 */
int index_put(struct index *ix, const struct container_record *m, int pidfd);
/* 0, or -ENOENT. */
int index_remove(struct index *ix, uint64_t rid);

struct index_match {
	size_t count; /* 0: none, 1: @record it is; else several */
	struct record *record,
		*other; /* of several, if they are not one owner's in one engine, two that differ in that */
	uint32_t engines; /* of all matches: bit i for index_engine(i) */
	bool by_prefix;
};

/*
 * Exact id, then exact name, then prefix of an id (of @prefix_min bytes at least), over all engines: of the system's
 * containers, and only if none of them answers, of the users'. An id that is the container's name as well, or the last part of
 * "NAMESPACE/web-10", has no prefixes: "web-1", which is gone, must not become "web-10".
 *
 * "engine:rest" looks for rest in this engine, "engine@user:rest" among this user's (his name, or the uid) in it. A container
 * whose whole id or name is "engine:rest" is found too, and if both exist neither is preferred; but "engine@user:rest" never
 * means another user's.
 */
void index_find(const struct index *ix, struct str name, uint32_t prefix_min, struct index_match *ret);
/* The running containers that have the cgroup @path, or else the nearest one above it that has any. */
void index_find_cgroup(const struct index *ix, struct str path, struct index_match *ret);
/* Or NULL. */
const struct engine_index *index_find_engine(const struct index *ix, struct str name);
struct record *index_find_rid(const struct index *ix, uint64_t rid);
const char *index_engine(const struct index *ix, unsigned i);
/* The record that follows @rid in a listing, or NULL. */
struct record *index_after(const struct index *ix, uint64_t rid);
/* The one that changed first after @generation, or NULL. */
struct record *index_after_generation(const struct index *ix, uint64_t generation);

/* Keeps a record, and its pidfd open, beyond its removal from the index. */
struct record *record_ref(struct record *r);
void record_unref(struct record *r);
/* Asks the kernel. A zombie is not alive. */
bool record_alive(const struct record *r);

#endif
