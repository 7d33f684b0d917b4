/* SPDX-License-Identifier: MIT */
/*
 * Lists of containers in containers/storage, for the engines that share them. Runs in: resolver. Trusts: nothing.
 *
 * podman and CRI-O use one graph root, and list their containers in the same files.
 */
#ifndef RESOLVER_ENGINE_PODMAN_H
#define RESOLVER_ENGINE_PODMAN_H

#include "engine.h"
#include "json.h"
#include "map.h"

#define PODMAN_DRIVERS 4
#define PODMAN_FILES 2

struct podman;

/* Embedded first in whatever an engine keeps of a container. */
struct listed {
	struct entry entry; /* in the table, at the name level */
	struct map_node node;
	struct podman *of;
	const char *store; /* "overlay-containers" */
	unsigned reading; /* in which it was last seen */
};

struct listed_ops {
	size_t size; /* of the engine's structure */
	/* What stands in each file in which anything is the engine's: others are not parsed, for looking is a hundred times as fast. May
	 * be NULL. */
	const char *sign;
	/* Is what is listed the engine's? */
	bool (*accepts)(const json_t *item);
	/* It is listed, anew or again; the entry's name is the engine's matter. */
	void (*listed)(struct listed *c, const json_t *item);
	/* It is about to be freed; its entry leaves the table by itself. May be NULL. */
	void (*fini)(struct listed *c);
	/* Its directory beside the lists is there, or another one. May be NULL. */
	void (*appeared)(struct listed *c);
	/* All of a list has been read. May be NULL. */
	void (*complete)(struct podman *p);
};

/* A file that lists containers. */
struct list {
	struct scope scope;
	struct map by_id;
	unsigned reading;
	bool dirty;
};

/* DRIVER-containers */
struct store {
	struct podman *podman;
	struct listener listener;
	char name[32];
	bool reopen;
	struct list lists[PODMAN_FILES];
};

struct podman {
	struct engine_dir *dir;
	const struct listed_ops *ops;
	struct listener listener;
	struct store stores[PODMAN_DRIVERS];
};

/* @p is zeroed, and the engine's. 0 or -errno; podman_close_lists() in both cases. */
int podman_open_lists(struct podman *p, struct engine_dir *d, const struct listed_ops *ops);
void podman_close_lists(struct podman *p);
void podman_settle_lists(struct podman *p);
void podman_rescan_lists(struct podman *p);
/* The first name in a list; NULL if none fits. */
const char *listed_name(const json_t *item);

/* What is listed is CRI-O's. */
bool crio_accepts(const json_t *item);

#endif
