/* SPDX-License-Identifier: MIT */
/*
 * Container requests that cannot be answered yet. Runs in: frontend.
 *
 * A request waits for the index to be complete, for the resolver to have read everything that happened before the
 * request, for the resolver's answer to a question, or for the joiner; never longer than PARK_TIMEOUT_MS from its first wait on. A session has at most
 * PROTO_INFLIGHT_MAX of them: there is no limit over all that one client could use up for another.
 */
#ifndef FRONTEND_PARK_H
#define FRONTEND_PARK_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "index.h"
#include "../common/list.h"

#define PARK_TIMEOUT_MS 5000

struct frontend;
struct session;
struct parked;

/* A container request. */
struct query {
	struct session *session;
	uint32_t serial;
	uint16_t type;
	bool synced; /* the index is known to be later than the request: an answer is final */
	uint64_t cursor; /* CONTAINER_LIST */
	bool hostnames; /* likewise: they are wanted */
	uint32_t flags; /* CONTAINER_GET */
	uint32_t pid; /* CONTAINER_OF_PROCESS */
	struct str name; /* the others; CONTAINER_OF_CGROUP: the path */
	struct parked *parked; /* NULL: still in its record */
};

/* A page of a list, while the hostnames of its containers are asked for: references. */
struct host_page {
	unsigned n;
	bool more; /* pages follow */
	struct record *records[IPC_JOIN_MAX];
};

struct parked {
	struct query q;
	struct list age; /* of all, by deadline */
	struct list session; /* of the session's */
	struct list queue; /* of what it waits for */
	const char *waits_for; /* for the answer at the deadline */
	uint64_t deadline_ms;
	uint64_t sync; /* waits for this SYNCED */
	uint64_t question; /* waits for this answer of the resolver */
	struct record *record; /* the joiner or the resolver is (to be) asked about it: a reference */
	struct host_page *page; /* or the joiner about those of it that have a process */
	int slot; /* of joiner_link, or -1 */
	char name[];
};

struct park {
	struct list ages, for_index, for_sync;
	struct timer timer;
	uint32_t timeout_ms;
	unsigned count;
};

void park_init(struct frontend *f);
/*
 * @q, which becomes invalid unless it was parked already, has to wait. Answered with TRY_AGAIN if there is no memory.
 * park_for_sync() sees to it that a SYNC is sent from now on; park_for_joiner() and park_for_resolver() keep a reference to @r,
 * which is NULL if the question is not about one.
 */
void park_for_index(struct frontend *f, struct query *q);
void park_for_sync(struct frontend *f, struct query *q);
void park_for_joiner(struct frontend *f, struct query *q, struct record *r);
void park_for_resolver(struct frontend *f, struct query *q, struct record *r);
/* The same for all of @page, which is copied. */
void park_for_hostnames(struct frontend *f, struct query *q, const struct host_page *page);

/* Looked up again: those that waited for the index; those whose SYNC is @token or earlier. */
void park_index_complete(struct frontend *f);
void park_synced(struct frontend *f, uint64_t token);
/* Questions that will not be answered, or whose answers no longer mean much: wait for the index instead. */
void park_index_lost(struct frontend *f);

void park_forget_record(struct parked *p);
void park_free(struct frontend *f, struct parked *p);
void park_session_end(struct frontend *f, struct session *s);

#endif
