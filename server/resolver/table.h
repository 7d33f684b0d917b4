/* SPDX-License-Identifier: MIT */
/*
 * What the engines' directories say, merged to one record a container. Runs in: resolver.
 *
 * An entry is what one place says of one id. Entries of one id, of the system's engines or of one user's, form a group: where a
 * name-level engine (podman, docker) lists the id, the run-level ones (crun, runc) only lend it their init process; what nobody lists is
 * reported by its run-level engine. Entries of one init process are one container, too: the engine that knows it best reports it, the
 * others when that one's entry goes.
 *
 * Changes are gathered until table_flush(), which tells the differences. But how a container is, is told in order: a second change
 * of that tells the first one before.
 */
#ifndef RESOLVER_TABLE_H
#define RESOLVER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../proto/codec.h"
#include "claim.h"
#include "freezer.h"
#include "map.h"

enum table_level {
	TABLE_RUN, /* knows processes by id, not what they are called */
	TABLE_NAME, /* knows names by id (and what is paused), and takes the process from the run level */
	TABLE_OWN, /* knows both, and its ids are nobody else's */
	TABLE_EXACT, /* likewise, and tells each state itself, paused ones too: the kernel's word would come out of turn */
};

struct engine_dir;
struct entry;
struct group;

/* Where entries come from: a directory or a file of an engine. */
struct scope {
	const char *engine;
	enum table_level level;
	uint32_t owner; /* uid whose engine it is */
	const char *user; /* its name; NULL: the system's */
	struct engine_dir *dir; /* for the engine alone */
	/* Which file says what the entry says; NULL: somewhere in @dir. */
	void (*source)(const struct entry *e, char *text, size_t size);
};

/* Names a process for ever; with all three it does where pidfds have no numbers of their own. */
struct process {
	uint64_t inode, start_ticks;
	pid_t pid; /* 0: none */
};

struct entry {
	const struct scope *scope;
	struct group *group;
	struct entry *next; /* in the group */
	char *name; /* NULL: none that fits */
	uint32_t state; /* enum root_container_state; of the run level and the own level */
	pid_t paused; /* of the name level: the init process that it says it has paused; 0: none */
	struct init init;
	struct freezer freezer; /* of the init */
	int ended; /* pidfd of its last init, until it is reaped and tells how it ended; -1: none */
	struct process process; /* the init, or the last one */
	struct map_node same; /* by that */
	bool due; /* how it is changed, and was not told */
	bool exited; /* @exit is the wait(2) word of its init's last end */
	uint32_t exit;
	uint64_t version; /* of the fields above, ascending over all entries */
	uint64_t rid; /* 0: not published */
	uint64_t sent_version, sent_run_version;
	uint32_t sent_state;
	struct process sent; /* the init that its record has; pid 0: none */
};

/* Where records go. */
struct table_sink {
	void (*put)(struct table_sink *s, const struct container_record *m, int pidfd);
	void (*remove)(struct table_sink *s, uint64_t rid);
};

struct table {
	struct table_sink *sink;
	/* An init process ended: @e is stopped already; its engine may look for another. */
	void (*ended)(struct table *t, struct entry *e);
	struct map groups;
	struct map by_process; /* entries that have or had an init */
	struct group *dirty;
	uint64_t *removed; /* rids that are published and have no entry any more */
	size_t nremoved, removed_room;
	uint64_t last_rid, last_version;
	struct freezers freezers;
	int ends_fd; /* an epoll descriptor: readable when an init has ended, or one that had is reaped */
};

/* 0 or -errno. Who sets @t->freezers sees what is paused. */
int table_init(struct table *t, struct table_sink *sink);
void table_fini(struct table *t);

/* @e is zeroed, and the engine's; it stays in the table until table_remove(). @id and @name are copied. */
void table_add(struct table *t, struct entry *e, const struct scope *scope, const char *id);
void table_remove(struct table *t, struct entry *e);
bool table_has(const struct entry *e);
const char *table_id(const struct entry *e);
/* The first entry of that id, of a user's engines or (0) of the system's, which leads to the others; or NULL. */
const struct entry *table_entries(const struct table *t, uint32_t user, const char *id);

/* Each is harmless when nothing changes. @name: NULL if none fits. */
void table_set_name(struct table *t, struct entry *e, const char *name);
/* Of the name level: the process @pid is paused; 0: none is. Counts while it is the live one. */
void table_set_paused(struct table *t, struct entry *e, pid_t pid);
/* The live init process. Takes what is in @init. */
void table_set_running(struct table *t, struct entry *e, uint32_t state, struct init *init);
void table_set_stopped(struct table *t, struct entry *e);
/* Another word for what it does, with the init that it has, or still without one. */
void table_set_state(struct table *t, struct entry *e, uint32_t state);
/* How its last init ended. Forgotten when another one runs. */
void table_set_exit(struct table *t, struct entry *e, uint32_t wait_status);
/* The same from an engine's file, which may not know how a signal differs from a status: counts where nothing better is known, nor is
 * about to be. */
void table_claim_exit(struct table *t, struct entry *e, uint32_t wait_status);

/* Notices the inits that have ended up to now. */
void table_drain_ends(struct table *t);
/* Events were lost: looks whether each is paused. */
void table_rescan(struct table *t);
/* Tells now what changed of @e, of the own level, so that what is about to change does not hide it. What was never told of waits for
 * the flush: it may have to come after something that goes. */
void table_tell(struct table *t, struct entry *e);
/* Tells what changed since the last time. */
void table_flush(struct table *t);
/* Tells everything, as to somebody who knows nothing. */
void table_tell_all(struct table *t);

#endif
