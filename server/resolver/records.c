/* SPDX-License-Identifier: MIT */
/* One record a container. Runs in: resolver. See table.h. */
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/loop.h"
#include "group.h"
#include "mem.h"

/* --- Who reports ------------------------------------------------------------------------------------------------- */

void records_unpublish(struct table *t, struct entry *e)
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

/* Of several engines that know one process, the one with the least: it is the outermost, and has the best name for it. A user's
 * files hide nothing of the system's. */
static unsigned rank(const struct scope *s)
{
	static const struct {
		const char *engine;
		unsigned rank;
	} inner[] = {{"containerd", 1}, {"lxc", 1}, {"apptainer", 1}, {"nspawn", 2}};
	unsigned r = s->level == TABLE_RUN ? 3 : 0;

	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		if (strcmp(s->engine, inner[i].engine) == 0)
			r = inner[i].rank;
	}
	return s->user ? r + 4 : r;
}

/* Who reports the process of @e; NULL: another of its group has the live one. */
static const struct entry *reporter(const struct entry *e)
{
	const struct entry *listed = e->scope->level == TABLE_RUN ? lister(e->group) : NULL;

	if (!listed)
		return e;
	return runner(e->group) == e ? listed : NULL;
}

/* A better one reports the process of @e. Equals do not hide each other: it is for who asks to see that there are two. */
static bool hidden(const struct table *t, const struct entry *e, const struct entry *run)
{
	const struct entry *r = e->scope->level == TABLE_NAME ? run : e;

	for (const struct entry *p = NULL; r && (p = table_peer(t, r, p));) {
		const struct entry *other = reporter(p);

		if (other && rank(other->scope) < rank(e->scope))
			return true;
	}
	return false;
}

static bool reports(const struct table *t, const struct entry *e, const struct entry *listed, const struct entry *run)
{
	if ((e->scope->level == TABLE_RUN && listed) || (e->scope->level == TABLE_NAME && e != listed))
		return false;
	return !hidden(t, e, run);
}

/* --- What is told ------------------------------------------------------------------------------------------------ */

static struct str text(const char *s)
{
	return s ? str_of(s) : STR("");
}

/* A restart gives another process before the list is rewritten: what it says of the old one is not true of the new one. */
static uint32_t state_of(const struct entry *e, const struct entry *r)
{
	if (!r)
		return ROOT_CONTAINER_STOPPED;
	if (r->state == ROOT_CONTAINER_RUNNING && (r->freezer.frozen || (e->paused && e->paused == r->init.pid)))
		return ROOT_CONTAINER_PAUSED;
	return r->state;
}

/* The run level's entry of a container often goes when it ends: who lists it remembers how that was. */
static void take_exit(struct entry *e, const struct entry *r)
{
	if (!r || r == e || (!r->exited && r->init.pidfd < 0))
		return;
	e->exited = r->exited;
	e->exit = r->exit;
}

/* @r: what tells the state, or NULL. */
static void put(struct table *t, struct entry *e, const struct entry *r)
{
	bool live = r && r->init.pidfd >= 0;
	struct container_record m = {
		.rid = e->rid,
		.state = state_of(e, r),
		.pid = live ? (uint32_t)r->init.pid : 0,
		.owner = e->scope->owner,
		.engine = str_of(e->scope->engine),
		.id = str_of(e->group->id),
		.name = text(e->name),
		.user = text(e->scope->user),
		.flags = e->exited ? RECORD_EXITED : 0,
		.exit = e->exited ? e->exit : 0,
		.cgroup = text(live ? r->init.cgroup : NULL),
		.init_cgroup = text(live ? r->init.init_cgroup : NULL),
	};

	t->sink->put(t->sink, &m, live ? r->init.pidfd : -1);
}

static void tell(struct table *t, struct entry *e, const struct entry *run)
{
	const struct entry *r = e->scope->level == TABLE_NAME ? run : e;
	struct process now = r && r->init.pidfd >= 0 ? r->process : (struct process){0};

	/* Its record has another process: that one ended before this one began. */
	if (e->rid && e->sent.pid && now.pid &&
	    (e->sent.inode != now.inode || e->sent.pid != now.pid || e->sent.start_ticks != now.start_ticks))
		put(t, e, NULL);
	take_exit(e, r);
	if (e->rid == 0)
		e->rid = ++t->last_rid;
	e->sent = now;
	e->sent_state = state_of(e, r);
	e->sent_version = e->version;
	e->sent_run_version = r ? r->version : 0;
	put(t, e, r);
}

/* What tells its state is not as it was told. That it has gone makes no difference to who was stopped. */
static bool run_changed(const struct entry *e, const struct entry *r)
{
	return r ? e->sent_run_version != r->version : e->sent_state != ROOT_CONTAINER_STOPPED;
}

static void tell_changes(struct table *t, struct group *g, bool everything)
{
	const struct entry *listed = lister(g), *run = runner(g);

	for (struct entry *e = g->entries; e; e = e->next) {
		const struct entry *r = e->scope->level == TABLE_NAME ? run : e;

		e->due = false;
		if (!reports(t, e, listed, run))
			continue;
		if (everything || e->rid == 0 || e->sent_version != e->version || run_changed(e, r))
			tell(t, e, run);
	}
}

/* What goes before what comes: for an instant a container is missing, which makes who asks ask us again. Twice there,
 * it would be ambiguous, and that is an answer. */
static void tell_removed(struct table *t)
{
	for (size_t i = 0; i < t->nremoved; i++)
		t->sink->remove(t->sink, t->removed[i]);
	t->nremoved = 0;
}

static void unpublish_hidden(struct table *t, struct group *g)
{
	const struct entry *listed = lister(g), *run = runner(g);

	for (struct entry *e = g->entries; e; e = e->next) {
		if (!reports(t, e, listed, run))
			records_unpublish(t, e);
	}
}

void records_tell_now(struct table *t, struct group *g)
{
	bool known = false;

	for (struct entry *e = g->entries; e; e = e->next)
		known |= e->rid != 0;
	if (!known)
		return;
	unpublish_hidden(t, g);
	tell_removed(t);
	tell_changes(t, g, false);
}

void table_flush(struct table *t)
{
	struct group *g, *next;

	table_drain_freezers(t);
	for (g = t->dirty; g; g = g->next_dirty)
		unpublish_hidden(t, g);
	tell_removed(t);
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
