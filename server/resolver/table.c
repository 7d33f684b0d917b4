/* SPDX-License-Identifier: MIT */
/* What the engines say of containers. Runs in: resolver. See table.h; records.c tells it. */
#include "table.h"

#include <errno.h>
#include <sys/epoll.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/loop.h"
#include "../common/procfd.h"
#include "exit.h"
#include "group.h"
#include "mem.h"

int table_init(struct table *t, struct table_sink *sink)
{
	*t = (struct table){.sink = sink, .freezers.root = -1, .ends_fd = epoll_create1(EPOLL_CLOEXEC)};
	return t->ends_fd < 0 ? -errno : 0;
}

/* --- Entries ----------------------------------------------------------------------------------------------------- */

/* What a user writes down about an id says nothing of the container that others have under the same. */
static uint32_t user_of(const struct scope *s)
{
	return s->user ? s->owner : 0;
}

static struct group *find_group(const struct table *t, uint32_t user, const char *id)
{
	for (struct map_node *n = map_find(&t->groups, map_hash_text(id)); n; n = map_find_next(n)) {
		struct group *g = container_of(n, struct group, node);

		if (g->user == user && strcmp(g->id, id) == 0)
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

static uint64_t hash_process(const struct process *p)
{
	return map_hash_number(p->inode ^ (p->start_ticks << 24) ^ (uint64_t)p->pid);
}

static bool same_process(const struct process *a, const struct process *b)
{
	return a->inode == b->inode && a->start_ticks == b->start_ticks && a->pid == b->pid;
}

const struct entry *table_peer(const struct table *t, const struct entry *e, const struct entry *at)
{
	struct map_node *n;

	if (e->process.pid == 0)
		return NULL;
	n = at ? map_find_next(&at->same) : map_find(&t->by_process, hash_process(&e->process));
	for (; n; n = map_find_next(n)) {
		struct entry *peer = container_of(n, struct entry, same);

		if (peer != e && same_process(&peer->process, &e->process))
			return peer;
	}
	return NULL;
}

/* Who of them reports may be another now. */
static void mark_peers(struct table *t, const struct entry *e)
{
	for (const struct entry *p = NULL; (p = table_peer(t, e, p));)
		mark(t, p->group);
}

static void set_process(struct table *t, struct entry *e, struct process p)
{
	if (same_process(&e->process, &p))
		return;
	mark_peers(t, e);
	if (e->process.pid)
		map_remove(&t->by_process, &e->same);
	e->process = p;
	if (p.pid)
		map_insert(&t->by_process, &e->same, hash_process(&p));
}

static void changed(struct table *t, struct entry *e)
{
	e->version = ++t->last_version;
	mark(t, e->group);
	mark_peers(t, e);
}

/* How it is. */
static void changed_state(struct table *t, struct entry *e)
{
	e->due = true;
	changed(t, e);
}

/* Who lists an id reports it instead of its run level, and to the peers of that. */
static void lister_changed(struct table *t, const struct group *g)
{
	for (const struct entry *e = g->entries; e; e = e->next)
		mark_peers(t, e);
}

void table_add(struct table *t, struct entry *e, const struct scope *scope, const char *id)
{
	struct group *g = find_group(t, user_of(scope), id);
	size_t size = strlen(id) + 1;
	struct entry **at;

	if (!g) {
		g = mem_new(sizeof(*g) + size);
		g->user = user_of(scope);
		memcpy(g->id, id, size);
		map_insert(&t->groups, &g->node, map_hash_text(id));
	}
	*e = (struct entry){
		.scope = scope, .group = g, .state = ROOT_CONTAINER_STOPPED, .init = INIT_NONE, .ended = -1};
	for (at = &g->entries; *at; at = &(*at)->next)
		;
	*at = e;
	changed(t, e);
	lister_changed(t, g);
}

bool table_has(const struct entry *e)
{
	return e->group != NULL;
}

const char *table_id(const struct entry *e)
{
	return e->group->id;
}

const struct entry *table_entries(const struct table *t, uint32_t user, const char *id)
{
	const struct group *g = find_group(t, user, id);

	return g ? g->entries : NULL;
}

static void drop_init(struct table *t, struct entry *e)
{
	freezer_stop(&e->freezer);
	/* By name: the frontend has the same pidfd open, so closing ours would not take it out of the epoll set. */
	if (e->init.pidfd >= 0)
		(void)epoll_ctl(t->ends_fd, EPOLL_CTL_DEL, e->init.pidfd, NULL);
	init_clear(&e->init);
}

static void forget_ended(struct table *t, struct entry *e)
{
	if (e->ended >= 0)
		(void)epoll_ctl(t->ends_fd, EPOLL_CTL_DEL, e->ended, NULL);
	close_fd(&e->ended);
}

static void learn_exit(struct table *t, struct entry *e)
{
	uint32_t status;
	int r = e->ended >= 0 ? exit_status(e->ended, &status) : -EAGAIN;

	if (r == -EAGAIN)
		return;
	if (r == 0)
		table_set_exit(t, e, status);
	forget_ended(t, e);
}

/* Its init has ended: nothing but the hang-up is waited for now. */
static void keep_ended(struct table *t, struct entry *e)
{
	struct epoll_event ev = {.events = 0, .data.ptr = e};

	if (e->init.pidfd < 0 || procfd_alive(e->init.pidfd))
		return;
	forget_ended(t, e);
	e->ended = take_fd(&e->init.pidfd);
	if (epoll_ctl(t->ends_fd, EPOLL_CTL_MOD, e->ended, &ev) < 0)
		forget_ended(t, e);
	learn_exit(t, e);
}

/* The run level may forget a container sooner than its init is reaped: who lists it waits on. */
static void leave_ended(struct table *t, struct entry *e)
{
	for (struct entry *x = e->ended >= 0 && e->scope->level == TABLE_RUN ? e->group->entries : NULL; x;
	     x = x->next) {
		struct epoll_event ev = {.events = 0, .data.ptr = x};

		if (x->scope->level != TABLE_NAME)
			continue;
		forget_ended(t, x);
		if (epoll_ctl(t->ends_fd, EPOLL_CTL_MOD, e->ended, &ev) == 0)
			x->ended = take_fd(&e->ended);
		break;
	}
	forget_ended(t, e);
}

void table_remove(struct table *t, struct entry *e)
{
	struct group *g = e->group;
	struct entry **at = &g->entries;

	/* How it ended comes before that it is gone. */
	if (e->init.pidfd >= 0 && !procfd_alive(e->init.pidfd))
		table_set_stopped(t, e);
	learn_exit(t, e);
	if (e->due)
		records_tell_now(t, g);
	leave_ended(t, e);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	records_unpublish(t, e);
	mark(t, g); /* who is left may be the one to report now; an empty group goes at the flush */
	lister_changed(t, g);
	set_process(t, e, (struct process){0});
	drop_init(t, e);
	free(e->name);
	*e = (struct entry){.init = INIT_NONE, .ended = -1};
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

static bool same_place(const struct init *a, const struct init *b)
{
	return same_text(a->cgroup, b->cgroup) && same_text(a->init_cgroup, b->init_cgroup);
}

/* Another process, or another state of it: told after the one before. */
static void next_state(struct table *t, struct entry *e, struct process p)
{
	if (!same_process(&e->process, &p)) {
		if (e->init.pidfd >= 0) /* else it may be starting */
			table_set_stopped(t, e);
		learn_exit(t, e);
		forget_ended(t, e);
	}
	if (e->due)
		records_tell_now(t, e->group);
	e->due = true;
}

void table_set_running(struct table *t, struct entry *e, uint32_t state, struct init *init)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};
	struct process p = {.inode = init->inode, .start_ticks = init->start_ticks, .pid = init->pid};
	bool same = e->init.pidfd >= 0 && e->state == state && same_process(&e->process, &p);

	if (same && same_place(&e->init, init)) {
		init_clear(init);
		return;
	}
	if (!same)
		next_state(t, e, p);
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
	if (e->init.pidfd >= 0 && e->scope->level != TABLE_EXACT)
		freezer_start(&t->freezers, &e->freezer, &e->init);
	set_process(t, e, p);
	changed(t, e);
}

void table_set_stopped(struct table *t, struct entry *e)
{
	if (e->state == ROOT_CONTAINER_STOPPED && e->init.pidfd < 0)
		return;
	if (e->due)
		records_tell_now(t, e->group);
	e->state = ROOT_CONTAINER_STOPPED;
	changed_state(t, e);
	keep_ended(t, e);
	drop_init(t, e);
}

void table_set_state(struct table *t, struct entry *e, uint32_t state)
{
	if (e->state == state)
		return;
	e->state = state;
	changed_state(t, e);
}

void table_set_exit(struct table *t, struct entry *e, uint32_t wait_status)
{
	if (e->exited && e->exit == wait_status)
		return;
	e->exited = true;
	e->exit = wait_status;
	changed_state(t, e);
}

void table_claim_exit(struct table *t, struct entry *e, uint32_t wait_status)
{
	for (const struct entry *x = e->group->entries; x; x = x->next) {
		if (x->exited || x->ended >= 0 || x->init.pidfd >= 0)
			return;
	}
	table_set_exit(t, e, wait_status);
}

void table_drain_ends(struct table *t)
{
	struct epoll_event ev;

	/* One at a time: what is done about one may free the next one's entry. */
	while (epoll_wait(t->ends_fd, &ev, 1, 0) == 1) {
		struct entry *e = ev.data.ptr;

		if (e->init.pidfd < 0) { /* reaped */
			learn_exit(t, e);
			forget_ended(t, e);
			continue;
		}
		table_set_stopped(t, e);
		t->ended(t, e);
	}
}

void table_tell(struct table *t, struct entry *e)
{
	records_tell_now(t, e->group);
}

void table_drain_freezers(struct table *t)
{
	struct freezer *f;

	while ((f = freezers_next(&t->freezers)))
		changed_state(t, container_of(f, struct entry, freezer));
}

void table_rescan(struct table *t)
{
	MAP_EACH(&t->by_process, i, n)
	freezer_mark(&container_of(n, struct entry, same)->freezer);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

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
	map_fini(&t->by_process);
	free(t->removed);
	close_fd(&t->ends_fd);
}
