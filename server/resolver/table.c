/* SPDX-License-Identifier: MIT */
/* One record a container. Runs in: resolver. See table.h. */
#include "table.h"

#include <errno.h>
#include <sys/epoll.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/loop.h"
#include "mem.h"

struct group {
	struct map_node node;
	struct entry *entries;
	struct group *next_dirty;
	bool dirty;
	char id[];
};

int table_init(struct table *t, struct table_sink *sink)
{
	*t = (struct table){.sink = sink, .ends_fd = epoll_create1(EPOLL_CLOEXEC)};
	return t->ends_fd < 0 ? -errno : 0;
}

/* --- Entries ----------------------------------------------------------------------------------------------------- */

static struct group *find_group(const struct table *t, const char *id)
{
	for (struct map_node *n = map_find(&t->groups, map_hash_text(id)); n; n = map_find_next(n)) {
		struct group *g = container_of(n, struct group, node);

		if (strcmp(g->id, id) == 0)
			return g;
	}
	return NULL;
}

static void mark(struct table *t, struct group *g)
{
	if (g->dirty)
		return;
	g->dirty = true;
	g->next_dirty = t->dirty;
	t->dirty = g;
}

static void changed(struct table *t, struct entry *e)
{
	e->version = ++t->last_version;
	mark(t, e->group);
}

void table_add(struct table *t, struct entry *e, const struct scope *scope, const char *id)
{
	struct group *g = find_group(t, id);
	size_t size = strlen(id) + 1;
	struct entry **at;

	if (!g) {
		g = mem_new(sizeof(*g) + size);
		memcpy(g->id, id, size);
		map_insert(&t->groups, &g->node, map_hash_text(id));
	}
	*e = (struct entry){.scope = scope, .group = g, .state = ROOT_CONTAINER_STOPPED, .init = INIT_NONE};
	for (at = &g->entries; *at; at = &(*at)->next)
		;
	*at = e;
	changed(t, e);
}

bool table_has(const struct entry *e)
{
	return e->group != NULL;
}

const char *table_id(const struct entry *e)
{
	return e->group->id;
}

const struct entry *table_entries(const struct table *t, const char *id)
{
	const struct group *g = find_group(t, id);

	return g ? g->entries : NULL;
}

static void unpublish(struct table *t, struct entry *e)
{
	if (e->rid == 0)
		return;
	if (t->nremoved == t->removed_room) {
		t->removed_room = t->removed_room ? t->removed_room * 2 : 64;
		t->removed = mem_resize(t->removed, t->removed_room, sizeof(*t->removed));
	}
	t->removed[t->nremoved++] = e->rid;
	e->rid = 0;
}

static void drop_init(struct table *t, struct entry *e)
{
	/* By name: the frontend has the same pidfd open, so closing ours would not take it out of the epoll set. */
	if (e->init.pidfd >= 0)
		(void)epoll_ctl(t->ends_fd, EPOLL_CTL_DEL, e->init.pidfd, NULL);
	init_clear(&e->init);
}

void table_remove(struct table *t, struct entry *e)
{
	struct entry **at = &e->group->entries;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unpublish(t, e);
	mark(t, e->group); /* who is left may be the one to report now; an empty group goes at the flush */
	drop_init(t, e);
	free(e->name);
	*e = (struct entry){.init = INIT_NONE};
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void table_set_name(struct table *t, struct entry *e, const char *name)
{
	if (same_text(e->name, name))
		return;
	free(e->name);
	e->name = name ? mem_strdup(name) : NULL;
	changed(t, e);
}

void table_set_paused(struct table *t, struct entry *e, pid_t pid)
{
	if (e->paused == pid)
		return;
	e->paused = pid;
	changed(t, e);
}

static bool same_init(const struct entry *e, uint32_t state, const struct init *i)
{
	return e->init.pidfd >= 0 && e->state == state && e->init.pid == i->pid &&
	       e->init.start_ticks == i->start_ticks && same_text(e->init.cgroup, i->cgroup) &&
	       same_text(e->init.init_cgroup, i->init_cgroup);
}

void table_set_running(struct table *t, struct entry *e, uint32_t state, struct init *init)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};

	if (same_init(e, state, init)) {
		init_clear(init);
		return;
	}
	drop_init(t, e);
	e->init = *init;
	e->state = state;
	e->exited = false;
	*init = INIT_NONE;
	if (epoll_ctl(t->ends_fd, EPOLL_CTL_ADD, e->init.pidfd, &ev) < 0) {
		/* Without it the container's end would never be seen: better not to say that it runs. */
		log_error("cannot watch for the end of process %d: %s", (int)e->init.pid, strerror(errno));
		init_clear(&e->init);
		e->state = ROOT_CONTAINER_UNKNOWN;
	}
	changed(t, e);
}

void table_set_stopped(struct table *t, struct entry *e)
{
	if (e->state == ROOT_CONTAINER_STOPPED && e->init.pidfd < 0)
		return;
	drop_init(t, e);
	e->state = ROOT_CONTAINER_STOPPED;
	changed(t, e);
}

void table_set_exit(struct table *t, struct entry *e, uint32_t wait_status)
{
	if (e->exited && e->exit == wait_status)
		return;
	e->exited = true;
	e->exit = wait_status;
	changed(t, e);
}

void table_drain_ends(struct table *t)
{
	struct epoll_event ev;

	/* One at a time: what is done about one may free the next one's entry. */
	while (epoll_wait(t->ends_fd, &ev, 1, 0) == 1) {
		struct entry *e = ev.data.ptr;

		table_set_stopped(t, e);
		t->ended(t, e);
	}
}

/* --- Records ----------------------------------------------------------------------------------------------------- */

/* Who reports a group's id if it is not the run level. Several files that list one id: the first. */
static struct entry *lister(const struct group *g)
{
	for (struct entry *e = g->entries; e; e = e->next) {
		if (e->scope->level == TABLE_NAME)
			return e;
	}
	return NULL;
}

/* What tells the state of an id that is listed: the live one if any. */
static const struct entry *runner(const struct group *g)
{
	const struct entry *best = NULL;

	for (const struct entry *e = g->entries; e; e = e->next) {
		if (e->scope->level == TABLE_RUN && (!best || (best->init.pidfd < 0 && e->init.pidfd >= 0)))
			best = e;
	}
	return best;
}

static bool reports(const struct entry *e, const struct entry *listed)
{
	switch (e->scope->level) {
	case TABLE_RUN:
		return !listed;
	case TABLE_NAME:
		return e == listed;
	case TABLE_OWN:
	default:
		return true;
	}
}

static struct str text(const char *s)
{
	return s ? str_of(s) : STR("");
}

/* A restart gives another process before the list is rewritten: what it says of the old one is not true of the new one. */
static uint32_t state_of(const struct entry *e, const struct entry *r)
{
	if (!r)
		return ROOT_CONTAINER_STOPPED;
	if (r->state == ROOT_CONTAINER_RUNNING && e->paused && e->paused == r->init.pid)
		return ROOT_CONTAINER_PAUSED;
	return r->state;
}

static void tell(struct table *t, struct entry *e, const struct entry *run)
{
	const struct entry *r = e->scope->level == TABLE_NAME ? run : e;
	bool live = r && r->init.pidfd >= 0;
	struct container_record m = {
		.state = state_of(e, r),
		.pid = live ? (uint32_t)r->init.pid : 0,
		.owner = e->scope->owner,
		.engine = str_of(e->scope->engine),
		.id = str_of(e->group->id),
		.name = text(e->name),
		.user = text(e->scope->user),
		.flags = r && r->exited ? RECORD_EXITED : 0,
		.exit = r && r->exited ? r->exit : 0,
		.cgroup = text(live ? r->init.cgroup : NULL),
		.init_cgroup = text(live ? r->init.init_cgroup : NULL),
	};

	if (e->rid == 0)
		e->rid = ++t->last_rid;
	m.rid = e->rid;
	e->sent_version = e->version;
	e->sent_run_version = r ? r->version : 0;
	t->sink->put(t->sink, &m, live ? r->init.pidfd : -1);
}

static void tell_changes(struct table *t, struct group *g, bool everything)
{
	const struct entry *listed = lister(g), *run = runner(g);

	for (struct entry *e = g->entries; e; e = e->next) {
		const struct entry *r = e->scope->level == TABLE_NAME ? run : e;

		if (!reports(e, listed))
			continue;
		if (everything || e->rid == 0 || e->sent_version != e->version ||
		    e->sent_run_version != (r ? r->version : 0))
			tell(t, e, run);
	}
}

void table_flush(struct table *t)
{
	struct group *g, *next;

	for (g = t->dirty; g; g = g->next_dirty) {
		const struct entry *listed = lister(g);

		for (struct entry *e = g->entries; e; e = e->next) {
			if (!reports(e, listed))
				unpublish(t, e);
		}
	}
	/* What goes before what comes: for an instant a container is missing, which makes who asks ask us again. Twice there,
	 * it would be ambiguous, and that is an answer. */
	for (size_t i = 0; i < t->nremoved; i++)
		t->sink->remove(t->sink, t->removed[i]);
	t->nremoved = 0;
	for (g = t->dirty, t->dirty = NULL; g; g = next) {
		next = g->next_dirty;
		g->dirty = false;
		tell_changes(t, g, false);
		if (!g->entries) {
			map_remove(&t->groups, &g->node);
			free(g);
		}
	}
}

void table_tell_all(struct table *t)
{
	table_flush(t);
	MAP_EACH(&t->groups, i, n)
	tell_changes(t, container_of(n, struct group, node), true);
}

void table_fini(struct table *t)
{
	struct map_node *n;

	while ((n = map_any(&t->groups))) {
		struct group *g = container_of(n, struct group, node);

		while (g->entries)
			table_remove(t, g->entries);
		map_remove(&t->groups, n);
		free(g);
	}
	map_fini(&t->groups);
	free(t->removed);
	close_fd(&t->ends_fd);
}
