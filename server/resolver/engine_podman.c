/* SPDX-License-Identifier: MIT */
/*
 * podman, as root: GRAPHROOT/DRIVER-containers/containers.json names each id; the process is in the run level's
 * files under the same id. Runs in: resolver.
 *
 * One file for all containers, replaced by renaming at each change; newer versions keep the containers that go when they stop in a
 * second one beside it. It is parsed when it changed, and compared with what was there before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "engine.h"
#include "json.h"
#include "mem.h"

#define LIST_FILE_MAX (16 * 1024 * 1024)

static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};
static const char *const files[] = {"containers.json", "volatile-containers.json"};
#define NDRIVERS (sizeof(drivers) / sizeof(drivers[0]))
#define NFILES (sizeof(files) / sizeof(files[0]))

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
	struct list lists[NFILES];
};

struct podman {
	struct engine_dir *dir;
	struct listener listener;
	struct store stores[NDRIVERS];
};

struct container {
	struct entry entry;
	struct map_node node;
	unsigned reading; /* in which it was last seen */
};

static struct container *find(const struct list *l, const char *id)
{
	for (struct map_node *n = map_find(&l->by_id, map_hash_text(id)); n; n = map_find_next(n)) {
		struct container *c = container_of(n, struct container, node);

		if (strcmp(table_id(&c->entry), id) == 0)
			return c;
	}
	return NULL;
}

static void drop(struct podman *p, struct list *l, struct container *c)
{
	table_remove(p->dir->ctx->table, &c->entry);
	map_remove(&l->by_id, &c->node);
	free(c);
}

/* Those that the last reading did not see. */
static void drop_missing(struct podman *p, struct list *l)
{
	struct container **gone = NULL;
	size_t n = 0;

	if (l->by_id.count == 0)
		return;
	gone = mem_resize(NULL, l->by_id.count, sizeof(struct container *));
	MAP_EACH(&l->by_id, i, node)
	{
		struct container *c = container_of(node, struct container, node);

		if (c->reading != l->reading)
			gone[n++] = c;
	}
	while (n > 0)
		drop(p, l, gone[--n]);
	free(gone);
}

static const char *first_name(const json_t *item)
{
	const json_t *names = json_object_get(item, "names"), *name = json_array_get(names, 0);

	return json_is_string(name) && json_string_length(name) <= ROOT_NAME_MAX && json_string_length(name) > 0
		       ? json_string_value(name)
		       : NULL;
}

static void take_item(struct podman *p, struct list *l, const json_t *item)
{
	struct table *t = p->dir->ctx->table;
	const char *id = json_text(item, "id", ROOT_ID_MAX);
	struct container *c;

	if (!id || !engine_good_id(id, ROOT_ID_MAX))
		return;
	c = find(l, id);
	if (!c) {
		c = mem_new(sizeof(*c));
		table_add(t, &c->entry, &l->scope, id);
		map_insert(&l->by_id, &c->node, map_hash_text(id));
	} else if (c->reading == l->reading) {
		return; /* listed twice: the first counts */
	}
	c->reading = l->reading;
	table_set_name(t, &c->entry, first_name(item));
}

static void read_list(struct store *s, struct list *l, int dir, const char *file)
{
	autojson json_t *root = NULL;
	const json_t *item;
	size_t i;
	int r;

	l->dirty = false;
	r = dir >= 0 ? json_load(dir, file, LIST_FILE_MAX, &root) : -ENOENT;
	if (r == 0 && !json_is_array(root))
		r = -EBADMSG;
	if (r < 0 && r != -ENOENT) { /* what was listed before stays */
		log_warning("%s/%s/%s: not understood: %s", s->podman->dir->path, s->name, file, strerror(-r));
		return;
	}
	l->reading++;
	if (root)
		json_array_foreach(root, i, item) take_item(s->podman, l, item);
	drop_missing(s->podman, l);
}

static void on_store(struct listener *l, uint32_t mask, const char *name)
{
	struct store *s = container_of(l, struct store, listener);

	if (mask & IN_IGNORED)
		s->reopen = true;
	for (size_t i = 0; i < NFILES; i++) {
		if (strcmp(name, files[i]) == 0)
			s->lists[i].dirty = true;
	}
}

static void on_graphroot(struct listener *l, uint32_t mask, const char *name)
{
	struct podman *p = container_of(l, struct podman, listener);

	(void)mask;
	for (size_t i = 0; i < NDRIVERS; i++) {
		if (strcmp(name, p->stores[i].name) == 0)
			p->stores[i].reopen = true;
	}
}

static void settle_store(struct store *s)
{
	struct engine_dir *d = s->podman->dir;
	autoclose int dir = -1;
	bool dirty = false;

	for (size_t i = 0; i < NFILES; i++)
		dirty |= s->lists[i].dirty;
	if (!dirty && !s->reopen)
		return;
	dir = engine_open_dir(d->fd, s->name);
	if (s->reopen) {
		s->reopen = false;
		watch_remove(d->ctx->watch, &s->listener);
		if (dir >= 0)
			(void)watch_add(d->ctx->watch, &s->listener, dir, WATCH_NAMES | IN_CLOSE_WRITE);
		for (size_t i = 0; i < NFILES; i++)
			s->lists[i].dirty = true;
	}
	for (size_t i = 0; i < NFILES; i++) {
		if (s->lists[i].dirty)
			read_list(s, &s->lists[i], dir, files[i]);
	}
}

static void podman_settle(struct engine_dir *d)
{
	struct podman *p = d->own;

	for (size_t i = 0; i < NDRIVERS; i++)
		settle_store(&p->stores[i]);
}

static void podman_rescan(struct engine_dir *d)
{
	struct podman *p = d->own;

	for (size_t i = 0; i < NDRIVERS; i++)
		p->stores[i].reopen = true;
}

static void podman_ended(struct engine_dir *d, struct entry *e)
{
	/* The run level has the processes. */
	(void)d;
	(void)e;
}

static int podman_open(struct engine_dir *d)
{
	struct podman *p = mem_new(sizeof(*p));

	p->dir = d;
	p->listener.event = on_graphroot;
	for (size_t i = 0; i < NDRIVERS; i++) {
		struct store *s = &p->stores[i];

		s->podman = p;
		s->listener.event = on_store;
		s->reopen = true;
		(void)snprintf(s->name, sizeof(s->name), "%s-containers", drivers[i]);
		for (size_t k = 0; k < NFILES; k++)
			s->lists[k].scope = engine_scope(d);
	}
	d->own = p;
	return watch_add(d->ctx->watch, &p->listener, d->fd, WATCH_NAMES);
}

static void podman_close(struct engine_dir *d)
{
	struct podman *p = d->own;

	for (size_t i = 0; i < NDRIVERS; i++) {
		struct store *s = &p->stores[i];

		watch_remove(d->ctx->watch, &s->listener);
		for (size_t k = 0; k < NFILES; k++) {
			s->lists[k].reading++;
			drop_missing(p, &s->lists[k]);
			map_fini(&s->lists[k].by_id);
		}
	}
	watch_remove(d->ctx->watch, &p->listener);
	free(p);
}

const struct engine engine_podman = {"podman",      TABLE_NAME,   podman_open, podman_settle,
				     podman_rescan, podman_ended, podman_close};
