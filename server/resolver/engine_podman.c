/* SPDX-License-Identifier: MIT */
/*
 * podman: GRAPHROOT/DRIVER-containers/containers.json names each id; the process is in the run level's
 * files under the same id. Runs in: resolver.
 *
 * One file for all containers, replaced by renaming at each change; newer versions keep the containers that go when they stop in a
 * second one beside it. It is parsed when it changed, and compared with what was there before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "../common/procfd.h"
#include "engine_podman.h"
#include "mem.h"

#define LIST_FILE_MAX (16 * 1024 * 1024)

static const char *const drivers[PODMAN_DRIVERS] = {"overlay", "vfs", "btrfs", "zfs"};
static const char *const files[PODMAN_FILES] = {"containers.json", "volatile-containers.json"};

/* --- Lists ------------------------------------------------------------------------------------------------------- */

static struct listed *find(const struct list *l, const char *id)
{
	for (struct map_node *n = map_find(&l->by_id, map_hash_text(id)); n; n = map_find_next(n)) {
		struct listed *c = container_of(n, struct listed, node);

		if (strcmp(table_id(&c->entry), id) == 0)
			return c;
	}
	return NULL;
}

static void drop(struct podman *p, struct list *l, struct listed *c)
{
	if (p->ops->fini)
		p->ops->fini(c);
	table_remove(p->dir->ctx->table, &c->entry);
	map_remove(&l->by_id, &c->node);
	if (p->dir->user)
		owner_give(p->dir->user);
	free(c);
}

/* Those that the last reading did not see. */
static void drop_missing(struct podman *p, struct list *l)
{
	struct listed **gone = NULL;
	size_t n = 0;

	if (l->by_id.count == 0)
		return;
	gone = mem_resize(NULL, l->by_id.count, sizeof(struct listed *));
	MAP_EACH(&l->by_id, i, node)
	{
		struct listed *c = container_of(node, struct listed, node);

		if (c->reading != l->reading)
			gone[n++] = c;
	}
	while (n > 0)
		drop(p, l, gone[--n]);
	free(gone);
}

const char *listed_name(const json_t *item)
{
	const json_t *names = json_object_get(item, "names"), *name = json_array_get(names, 0);

	return json_is_string(name) && json_string_length(name) <= ROOT_NAME_MAX && json_string_length(name) > 0
		       ? json_string_value(name)
		       : NULL;
}

static void take_item(struct store *s, struct list *l, const json_t *item)
{
	struct podman *p = s->podman;
	struct table *t = p->dir->ctx->table;
	const char *id = json_text(item, "id", ROOT_ID_MAX);
	struct listed *c;

	if (!id || !engine_good_id(id, ROOT_ID_MAX) || !p->ops->accepts(item))
		return;
	c = find(l, id);
	if (!c) {
		if (p->dir->user && !owner_take(p->dir->user))
			return;
		c = mem_new(p->ops->size);
		c->of = p;
		c->store = s->name;
		table_add(t, &c->entry, &l->scope, id);
		map_insert(&l->by_id, &c->node, map_hash_text(id));
	} else if (c->reading == l->reading) {
		return; /* listed twice: the first counts */
	}
	c->reading = l->reading;
	p->ops->listed(c, item);
}

/* Whether @sign is in the file; true also if that is not known: then the parser says why. */
static bool has_sign(int dir, const char *file, const char *sign)
{
	autofree char *text = NULL;
	struct stat st;
	ssize_t len;

	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || (uint64_t)st.st_size > LIST_FILE_MAX)
		return true;
	text = mem_checked(malloc((size_t)st.st_size + 1));
	len = proc_read_file(dir, file, text, (size_t)st.st_size + 1);
	return len < 0 || strlen(text) != (size_t)len || strstr(text, sign);
}

static void read_list(struct store *s, struct list *l, int dir, const char *file)
{
	const char *sign = s->podman->ops->sign;
	autojson json_t *root = NULL;
	const json_t *item;
	size_t i;
	int r;

	l->dirty = false;
	r = -ENOENT;
	if (dir >= 0 && (!sign || has_sign(dir, file, sign)))
		r = engine_json(s->podman->dir, dir, file, LIST_FILE_MAX, &root);
	if (r == 0 && !json_is_array(root))
		r = -EBADMSG;
	if (r < 0 && r != -ENOENT) { /* what was listed before stays */
		engine_complain(s->podman->dir, &l->complained, s->podman->dir->path, s->name, file, r);
		return;
	}
	l->complained = false;
	l->reading++;
	if (root)
		json_array_foreach(root, i, item) take_item(s, l, item);
	drop_missing(s->podman, l);
	if (s->podman->ops->complete)
		s->podman->ops->complete(s->podman);
}

static void on_store(struct listener *l, uint32_t mask, const char *name)
{
	struct store *s = container_of(l, struct store, listener);

	if (mask & IN_IGNORED)
		s->reopen = true;
	for (size_t i = 0; i < PODMAN_FILES; i++) {
		struct listed *c = mask & WATCH_COMES && s->podman->ops->appeared ? find(&s->lists[i], name) : NULL;

		if (strcmp(name, files[i]) == 0)
			s->lists[i].dirty = true;
		else if (c)
			s->podman->ops->appeared(c);
	}
}

static void on_graphroot(struct listener *l, uint32_t mask, const char *name)
{
	struct podman *p = container_of(l, struct podman, listener);

	(void)mask;
	for (size_t i = 0; i < PODMAN_DRIVERS; i++) {
		if (strcmp(name, p->stores[i].name) == 0)
			p->stores[i].reopen = true;
	}
}

static void source(const struct entry *e, char *text, size_t size)
{
	const struct podman *p = ((const struct listed *)(const void *)e)->of; /* embedded first */

	for (size_t i = 0; i < PODMAN_DRIVERS * PODMAN_FILES; i++) {
		const struct store *s = &p->stores[i / PODMAN_FILES];

		if (e->scope == &s->lists[i % PODMAN_FILES].scope)
			(void)snprintf(text, size, "%s/%s/%s", p->dir->path, s->name, files[i % PODMAN_FILES]);
	}
}

static void settle_store(struct store *s)
{
	struct engine_dir *d = s->podman->dir;
	autoclose int dir = -1;
	bool dirty = false;

	for (size_t i = 0; i < PODMAN_FILES; i++)
		dirty |= s->lists[i].dirty;
	if (!dirty && !s->reopen)
		return;
	if (!engine_may_look(d))
		return;
	dir = engine_enter(d, d->fd, s->name);
	if (s->reopen) {
		s->reopen = false;
		watch_remove(d->ctx->watch, &s->listener);
		if (dir >= 0)
			(void)watch_add(d->ctx->watch, &s->listener, dir, WATCH_NAMES | IN_CLOSE_WRITE);
		for (size_t i = 0; i < PODMAN_FILES; i++)
			s->lists[i].dirty = true;
	}
	for (size_t i = 0; i < PODMAN_FILES; i++) {
		if (s->lists[i].dirty)
			read_list(s, &s->lists[i], dir, files[i]);
	}
}

void podman_settle_lists(struct podman *p)
{
	for (size_t i = 0; i < PODMAN_DRIVERS; i++)
		settle_store(&p->stores[i]);
}

void podman_rescan_lists(struct podman *p)
{
	for (size_t i = 0; i < PODMAN_DRIVERS; i++)
		p->stores[i].reopen = true;
}

int podman_open_lists(struct podman *p, struct engine_dir *d, const struct listed_ops *ops)
{
	p->dir = d;
	p->ops = ops;
	p->listener.event = on_graphroot;
	for (size_t i = 0; i < PODMAN_DRIVERS; i++) {
		struct store *s = &p->stores[i];

		s->podman = p;
		s->listener.event = on_store;
		s->reopen = true;
		(void)snprintf(s->name, sizeof(s->name), "%s-containers", drivers[i]);
		for (size_t k = 0; k < PODMAN_FILES; k++) {
			s->lists[k].scope = engine_scope(d);
			s->lists[k].scope.source = source;
		}
	}
	return watch_add(d->ctx->watch, &p->listener, d->fd, WATCH_NAMES);
}

void podman_close_lists(struct podman *p)
{
	for (size_t i = 0; i < PODMAN_DRIVERS; i++) {
		struct store *s = &p->stores[i];

		watch_remove(p->dir->ctx->watch, &s->listener);
		for (size_t k = 0; k < PODMAN_FILES; k++) {
			s->lists[k].reading++;
			drop_missing(p, &s->lists[k]);
			map_fini(&s->lists[k].by_id);
		}
	}
	watch_remove(p->dir->ctx->watch, &p->listener);
}

/* --- The engine -------------------------------------------------------------------------------------------------- */

static bool accepts(const json_t *item)
{
	return !crio_accepts(item);
}

static void listed(struct listed *c, const json_t *item)
{
	table_set_name(c->of->dir->ctx->table, &c->entry, listed_name(item));
}

static const struct listed_ops ops = {
	.size = sizeof(struct listed),
	.accepts = accepts,
	.listed = listed,
};

static int podman_open(struct engine_dir *d)
{
	struct podman *p = mem_new(sizeof(*p));

	d->own = p;
	return podman_open_lists(p, d, &ops);
}

static void podman_settle(struct engine_dir *d)
{
	podman_settle_lists(d->own);
}

static void podman_rescan(struct engine_dir *d)
{
	podman_rescan_lists(d->own);
}

static void podman_ended(struct engine_dir *d, struct entry *e)
{
	/* The run level has the processes. */
	(void)d;
	(void)e;
}

static void podman_close(struct engine_dir *d)
{
	podman_close_lists(d->own);
	free(d->own);
}

const struct engine engine_podman = {"podman",      TABLE_NAME,   podman_open, podman_settle,
				     podman_rescan, podman_ended, podman_close};
