/* SPDX-License-Identifier: MIT */
/*
 * Container engines. Runs in: resolver. Trusts: nothing it reads.
 *
 * An engine turns its state files into claims, claim.c turns claims into facts, and table.c merges them to records. An engine opens
 * files only below its configured directory's descriptor (a fixture tree in tests), read-only, and never talks to a client. Events
 * only mark what to look at; the looking is done in settle(), once for any number of events.
 */
#ifndef RESOLVER_ENGINE_H
#define RESOLVER_ENGINE_H

#include <stdbool.h>

#include "../common/loop.h"
#include "chain.h"
#include "table.h"
#include "watch.h"

struct lxc_asker;

/* What all engines share. */
struct engine_ctx {
	struct loop *loop;
	struct watcher *watch;
	struct table *table;
	struct lxc_asker *asker;
	int proc; /* /proc */
	const char *run_lxc; /* "/run/lxc" */
	const char *cgroup_root; /* "/sys/fs/cgroup" */
};

struct engine_dir;

struct engine {
	const char *name; /* "podman"; also its word in rootbroker.conf and in podman:web */
	enum table_level level;
	/* Begins: watches, and marks everything to be looked at. 0 or -errno. */
	int (*open)(struct engine_dir *d);
	/* Looks at what is marked. */
	void (*settle)(struct engine_dir *d);
	/* Events were lost: marks everything. */
	void (*rescan)(struct engine_dir *d);
	/* The init of one of its entries has ended. */
	void (*ended)(struct engine_dir *d, struct entry *e);
	void (*close)(struct engine_dir *d);
};
extern const struct engine engine_crun, engine_runc, engine_youki, engine_podman, engine_docker, engine_containerd,
	engine_crio, engine_lxc, engine_lxd, engine_incus, engine_nspawn, engine_libvirt_lxc, engine_apptainer;

/* The engine of that name, or NULL. */
const struct engine *engine_find(const char *name);

/* A configured directory. */
struct engine_dir {
	const struct engine *engine;
	struct engine_ctx *ctx;
	const char *path;
	unsigned index; /* among the configured directories */
	uint32_t owner;
	int fd; /* of the directory; -1: there is none */
	void *own; /* the engine's */
};

/* Where its entries come from. */
struct scope engine_scope(struct engine_dir *d);
/* A name that may be a container's: one path component of at most @max bytes. Hidden names are an engine's own temporaries. */
bool engine_good_id(const char *name, size_t max);
/* The names in the directory @fd: each that is a good id. 0 or -errno. */
int engine_list(int fd, void (*found)(void *data, const char *name), void *data);
/* A directory below @fd, not through a link: a descriptor for looking (O_PATH), or -errno. */
int engine_open_dir(int fd, const char *name);

#endif
