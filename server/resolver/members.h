/* SPDX-License-Identifier: MIT */
/*
 * The directories, or the files, in an engine's directory, one a container. Runs in: resolver.
 *
 * Each directory is watched, and looked at when it is new or when a file in it that matters has changed; a file is looked at when it
 * comes or is written. What goes takes its member along at once: one of the same name that comes after is another container. A
 * member may itself be a directory of members: nested.h.
 */
#ifndef RESOLVER_MEMBERS_H
#define RESOLVER_MEMBERS_H

#include "../../include/rootbroker.h"
#include "engine.h"

struct members;

/* Embedded first in whatever the engine keeps of a container. */
struct member {
	struct entry entry; /* in the table, or not yet: the engine's matter */
	struct listener listener;
	struct map_node node;
	struct members *of;
	struct member *next_dirty;
	bool dirty;
	bool complained; /* what is in its file now is not understood, and that was said */
	unsigned scan;
	char *id;
};

struct member_ops {
	size_t size; /* of the engine's structure */
	/* Members are files: the id of the container that @file is about; false if it is about none. NULL: members are directories. */
	bool (*id_of)(const char *file, char id[ROOT_ID_MAX + 1]);
	/* Directories: which events inside matter, and about which files. */
	uint32_t mask;
	bool (*matters)(const struct member *m, const char *file);
	/* Is a directory of that name a member? NULL: each is. */
	bool (*accepts)(const struct members *s, const char *name);
	void (*init)(struct member *m);
	/* @dir is its directory (O_PATH), watched already; or the one that its file is in. */
	void (*look)(struct member *m, int dir);
	/* It is about to be freed; its entry leaves the table by itself. */
	void (*fini)(struct member *m);
	/* Events were lost: whatever look() does not see. May be NULL. */
	void (*rescanned)(struct member *m);
	/* What its file's path has behind its name: "/status", ".xml". NULL: nothing. */
	const char *(*behind)(const struct member *m);
	/* Once for each member, after all looks. May be NULL. */
	void (*settle)(struct member *m);
};

struct members {
	struct engine_dir *dir;
	int fd; /* the directory's: the configured one, or one below it */
	const char *path;
	const struct member_ops *ops;
	struct scope scope;
	struct listener listener;
	struct map by_id;
	struct member *dirty;
	unsigned scan; /* number of the last look at the whole directory */
	bool scan_due;
};

/* Watches @d. 0 or -errno; members_close() in both cases. */
int members_open(struct members *s, struct engine_dir *d, const struct member_ops *ops);
/* The same for a directory below @d; @fd and @path stay the caller's. */
int members_open_at(struct members *s, struct engine_dir *d, int fd, const char *path, const struct member_ops *ops);
/* From now on the directory is the one behind @fd, which may be the same. 0 or -errno. */
int members_move(struct members *s, int fd);
void members_close(struct members *s);
void members_settle(struct members *s);
void members_rescan(struct members *s);
struct member *members_find(const struct members *s, const char *id);
/* To be looked at. */
void member_mark(struct member *m);
/* Its record is that of @id and @name, and is in @state if the process of @claim counts, else stopped.
 * Whose it has to be is set here. */
void member_claim(struct member *m, const char *id, const char *name, uint32_t state, struct claim *claim);
/* Has no record: what is there is no container of this engine. */
void member_unlist(struct member *m);

#endif
