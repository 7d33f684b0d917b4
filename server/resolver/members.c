/* SPDX-License-Identifier: MIT */
/* The directories or files in an engine's directory. Runs in: resolver. See members.h. */
#include "members.h"

#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "mem.h"

struct member *members_find(const struct members *s, const char *id)
{
	for (struct map_node *n = map_find(&s->by_id, map_hash_text(id)); n; n = map_find_next(n)) {
		struct member *m = container_of(n, struct member, node);

		if (strcmp(m->id, id) == 0)
			return m;
	}
	return NULL;
}

void member_mark(struct member *m)
{
	if (m->dirty)
		return;
	m->dirty = true;
	m->next_dirty = m->of->dirty;
	m->of->dirty = m;
}

void member_unlist(struct member *m)
{
	if (table_has(&m->entry))
		table_remove(m->of->dir->ctx->table, &m->entry);
}

void member_claim(struct member *m, const char *id, const char *name, uint32_t state, struct claim *claim)
{
	struct engine_ctx *ctx = m->of->dir->ctx;
	struct init init = INIT_NONE;
	int r;

	claim->owner = m->of->dir->user;
	r = claim_check(ctx->proc, claim, &init);

	if (table_has(&m->entry) && strcmp(table_id(&m->entry), id) != 0)
		member_unlist(m);
	if (!table_has(&m->entry))
		table_add(ctx->table, &m->entry, &m->of->scope, id);
	table_set_name(ctx->table, &m->entry, name);
	if (r == 0) {
		table_set_running(ctx->table, &m->entry, state, &init);
		return;
	}
	log_debug("%s %s: process %d does not count: %s", m->of->scope.engine, name, (int)claim->pid, strerror(-r));
	table_set_stopped(ctx->table, &m->entry);
}

static void drop(struct member *m)
{
	struct members *s = m->of;

	if (m->dirty) {
		struct member **at = &s->dirty;

		while (*at != m)
			at = &(*at)->next_dirty;
		*at = m->next_dirty;
	}
	s->ops->fini(m);
	watch_remove(s->dir->ctx->watch, &m->listener);
	member_unlist(m);
	map_remove(&s->by_id, &m->node);
	if (s->dir->user)
		owner_give(s->dir->user);
	free(m->id);
	free(m);
}

static void on_member(struct listener *l, uint32_t mask, const char *file)
{
	struct member *m = container_of(l, struct member, listener);

	/* The directory's own end is told by its parent. */
	if (!(mask & IN_IGNORED) && m->of->ops->matters(m, file))
		member_mark(m);
}

/* NULL: its user has too many. */
static struct member *get(struct members *s, const char *id)
{
	struct member *m = members_find(s, id);

	if (m)
		return m;
	if (s->dir->user && !owner_take(s->dir->user))
		return NULL;
	m = mem_new(s->ops->size);
	m->of = s;
	m->id = mem_strdup(id);
	m->listener.event = on_member;
	m->entry.init = INIT_NONE;
	map_insert(&s->by_id, &m->node, map_hash_text(id));
	s->ops->init(m);
	return m;
}

/* The id of the member of that name; NULL if it is none. */
static const char *member_id(const struct members *s, const char *name, char buffer[ROOT_ID_MAX + 1])
{
	if (!engine_good_id(name, ROOT_ID_MAX) || (s->ops->accepts && !s->ops->accepts(s, name)))
		return NULL;
	if (!s->ops->id_of)
		return name;
	return s->ops->id_of(name, buffer) ? buffer : NULL;
}

static void on_directory(struct listener *l, uint32_t mask, const char *name)
{
	struct members *s = container_of(l, struct members, listener);
	char buffer[ROOT_ID_MAX + 1];
	const char *id = member_id(s, name, buffer);
	struct member *m;

	if ((mask & IN_IGNORED) || !id)
		return;
	m = members_find(s, id);
	if ((mask & WATCH_GOES) && m)
		drop(m);
	m = mask & (WATCH_COMES | IN_CLOSE_WRITE) ? get(s, id) : NULL;
	if (m)
		member_mark(m);
}

static void found(void *data, const char *name)
{
	struct members *s = data;
	char buffer[ROOT_ID_MAX + 1];
	const char *id = member_id(s, name, buffer);
	struct member *m;

	if (!id)
		return;
	m = get(s, id);
	if (!m)
		return;
	m->scan = s->scan;
	/* Its watch may be on a directory that was replaced by one of the same name: settle() watches anew. */
	watch_remove(s->dir->ctx->watch, &m->listener);
	member_mark(m);
	if (s->ops->rescanned)
		s->ops->rescanned(m);
}

static void drop_missing(struct members *s)
{
	struct member **gone;
	size_t n = 0;

	if (s->by_id.count == 0)
		return;
	gone = mem_resize(NULL, s->by_id.count, sizeof(struct member *));
	MAP_EACH(&s->by_id, i, node)
	{
		struct member *m = container_of(node, struct member, node);

		if (m->scan != s->scan)
			gone[n++] = m;
	}
	while (n > 0)
		drop(gone[--n]);
	free(gone);
}

static void scan(struct members *s)
{
	int r;

	s->scan_due = false;
	s->scan++;
	r = engine_list(s->fd, s->dir->user ? OWNER_LIST_MAX : SIZE_MAX, found, s);
	if (r < 0)
		log_error("cannot list %s: %s", s->path, strerror(-r));
	else
		drop_missing(s);
}

static void look(struct member *m)
{
	struct members *s = m->of;
	autoclose int dir = -1;

	if (s->ops->id_of) {
		s->ops->look(m, s->fd);
		return;
	}
	dir = engine_enter(s->dir, s->fd, m->id);
	if (dir < 0) { /* gone already, or no directory */
		drop(m);
		return;
	}
	/* First the watch: what changes after the look is told. */
	(void)watch_add(s->dir->ctx->watch, &m->listener, dir, s->ops->mask);
	s->ops->look(m, dir);
}

void members_settle(struct members *s)
{
	struct member *m;

	if (s->scan_due)
		scan(s);
	while ((m = s->dirty) && engine_may_look(s->dir)) {
		s->dirty = m->next_dirty;
		m->dirty = false;
		look(m);
	}
	if (!s->ops->settle)
		return;
	MAP_EACH(&s->by_id, i, node)
	s->ops->settle(container_of(node, struct member, node));
}

void members_rescan(struct members *s)
{
	s->scan_due = true;
}

static void source(const struct entry *e, char *text, size_t size)
{
	const struct member *m = (const void *)e; /* embedded first */
	const struct member_ops *o = m->of->ops;

	(void)snprintf(text, size, "%s/%s%s", m->of->path, m->id, o->behind ? o->behind(m) : "");
}

int members_open_at(struct members *s, struct engine_dir *d, int fd, const char *path, const struct member_ops *ops)
{
	*s = (struct members){.dir = d, .path = path, .ops = ops, .scope = engine_scope(d)};
	s->scope.source = source;
	s->listener.event = on_directory;
	return members_move(s, fd);
}

int members_open(struct members *s, struct engine_dir *d, const struct member_ops *ops)
{
	return members_open_at(s, d, d->fd, d->path, ops);
}

int members_move(struct members *s, int fd)
{
	s->fd = fd;
	s->scan_due = true;
	watch_remove(s->dir->ctx->watch, &s->listener);
	return watch_add(s->dir->ctx->watch, &s->listener, fd, WATCH_NAMES | (s->ops->id_of ? IN_CLOSE_WRITE : 0));
}

void members_close(struct members *s)
{
	struct map_node *n;

	while ((n = map_any(&s->by_id)))
		drop(container_of(n, struct member, node));
	watch_remove(s->dir->ctx->watch, &s->listener);
	map_fini(&s->by_id);
}
