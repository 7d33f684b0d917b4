/* SPDX-License-Identifier: MIT */
/* The resolver's parts put together. Runs in: resolver. See resolver.h. */
#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/log.h"

#define REST_MIN_MS 2
#define REST_MAX_MS 250
#define RESCAN_MS 1000 /* between two looks at everything of all users */
#define MOUNTS_MS 200 /* between a change and the look at what is mounted */
#define SYNC_MS 1000 /* how long a question to an LXC monitor may hold up the frontend */

void resolver_stop(struct resolver *r, int status)
{
	if (!r->loop.stop)
		r->status = status;
	loop_stop(&r->loop);
}

/* --- Catching up with the engines -------------------------------------------------------------------------------- */

static void drain_one(struct resolver *r, struct watcher *w)
{
	int e = watch_drain(w);

	if (e < 0) {
		log_error("cannot read changes: %s", strerror(-e));
		resolver_stop(r, EXIT_FAILURE);
	}
}

/* So often at most: whoever floods a queue of the kernel's has others look again and again. */
static void rescan_users(struct resolver *r)
{
	uint64_t since = loop_now_ms() - r->users_rescanned_ms;

	if (since >= RESCAN_MS) {
		r->users_rescanned_ms = loop_now_ms();
		roots_rescan(r, true);
	} else if (r->users_rescan_due.deadline_ms == 0) {
		timer_set(&r->loop, &r->users_rescan_due, RESCAN_MS - since);
	}
}

static void drain(struct resolver *r)
{
	drain_one(r, &r->watch);
	if (r->watch.overflow) {
		log_warning("more changes than the kernel keeps: looking at everything again");
		r->watch.overflow = false;
		roots_rescan(r, false);
	}
	drain_one(r, &r->users_watch);
	if (r->users_watch.overflow) {
		r->users_watch.overflow = false;
		rescan_users(r);
	}
	table_drain_ends(&r->table);
}

static void on_users_rescan_due(struct timer *t)
{
	rescan_users(container_of(t, struct resolver, users_rescan_due));
}

void resolver_rest(struct resolver *r, uint64_t took_ms)
{
	if (took_ms < REST_MIN_MS || loop_mod(&r->loop, &r->inotify, 0) < 0 ||
	    loop_mod(&r->loop, &r->users_inotify, 0) < 0)
		return;
	timer_set(&r->loop, &r->rest, took_ms < REST_MAX_MS ? took_ms : REST_MAX_MS);
}

static void on_rested(struct timer *t)
{
	struct resolver *r = container_of(t, struct resolver, rest);
	int e = loop_mod(&r->loop, &r->inotify, EPOLLIN);

	if (e == 0)
		e = loop_mod(&r->loop, &r->users_inotify, EPOLLIN);
	if (e < 0) {
		log_error("cannot wait for changes: %s", strerror(-e));
		resolver_stop(r, EXIT_FAILURE);
	}
}

static void catch_up(struct resolver *r)
{
	uint64_t begin = loop_now_ms();

	if (r->fresh) {
		r->fresh = false;
		/* Some changes are told by nobody. */
		if (r->watch.full)
			roots_rescan(r, false);
		if (r->users_watch.full)
			rescan_users(r);
		drain(r);
	}
	roots_settle(r);
	resolver_rest(r, loop_now_ms() - begin);
	/* What is in a directory that has just appeared is for the next resolver to read: until then, no answer is a whole one. */
	if (r->loop.stop || roots_asking(r) || (!r->end_due && r->nsyncs == 0 && r->nquestions == 0))
		return;
	if (lxc_asker_busy(&r->asker) && !r->late) {
		if (r->deadline.deadline_ms == 0)
			timer_set(&r->loop, &r->deadline, SYNC_MS);
		return;
	}
	timer_cancel(&r->loop, &r->deadline);
	r->late = false;
	if (r->end_due)
		frontend_tell_end(r);
	r->end_due = false;
	for (unsigned i = 0; i < r->nsyncs; i++)
		frontend_tell_synced(r, r->syncs[i]);
	r->nsyncs = 0;
	for (unsigned i = 0; i < r->nquestions; i++)
		frontend_answer(r, &r->questions[i]);
	r->nquestions = 0;
}

static void on_deadline(struct timer *t)
{
	container_of(t, struct resolver, deadline)->late = true;
}

/* --- Events ------------------------------------------------------------------------------------------------------ */

static void on_inotify(struct source *s, uint32_t events)
{
	(void)events;
	drain(container_of(s, struct resolver, inotify));
}

static void on_users_inotify(struct source *s, uint32_t events)
{
	(void)events;
	drain(container_of(s, struct resolver, users_inotify));
}

/* Each container of root's mounts something: all that happens in a while is looked at once. */
static void on_mountinfo(struct source *s, uint32_t events)
{
	struct resolver *r = container_of(s, struct resolver, mountinfo);

	(void)events;
	if (r->mounts_due.deadline_ms == 0)
		timer_set(&r->loop, &r->mounts_due, MOUNTS_MS);
}

static void on_mounts_due(struct timer *t)
{
	roots_remounted(container_of(t, struct resolver, mounts_due));
}

static void on_users_later(struct timer *t)
{
	(void)t; /* each round settles */
}

static void on_ends(struct source *s, uint32_t events)
{
	(void)events;
	table_drain_ends(&container_of(s, struct resolver, ends)->table);
}

static void on_init_ended(struct table *t, struct entry *e)
{
	(void)t;
	e->scope->dir->engine->ended(e->scope->dir, e);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

static int add_source(struct resolver *r, struct source *s, int fd, void (*ready)(struct source *, uint32_t))
{
	*s = (struct source){.fd = fd, .ready = ready};
	return loop_add(&r->loop, s, EPOLLIN);
}

/* What concerns users' directories. */
static int init_users(struct resolver *r)
{
	int e = watch_init(&r->users_watch);

	if (e == 0)
		e = add_source(r, &r->users_inotify, r->users_watch.fd, on_users_inotify);
	r->users_ctx = r->ctx;
	r->users_ctx.watch = &r->users_watch;
	r->users_ctx.later = &r->users_later;
	/* Before the first look at what it says: what changes after that is told. */
	r->mountinfo = (struct source){.fd = openat(r->ctx.proc, "self/mountinfo", O_RDONLY | O_CLOEXEC),
				       .ready = on_mountinfo};
	if (e == 0 && r->mountinfo.fd < 0)
		e = -errno;
	if (e == 0)
		e = loop_add(&r->loop, &r->mountinfo, EPOLLPRI);
	return e == 0 ? mounts_read(&r->mounts, r->ctx.proc) : e;
}

int resolver_init(struct resolver *r, int monitor_fd)
{
	int e;

	*r = (struct resolver){
		.deadline.expired = on_deadline,
		.rest.expired = on_rested,
		.users_later.expired = on_users_later,
		.users_rescan_due.expired = on_users_rescan_due,
		.mounts_due.expired = on_mounts_due,
	};
	frontend_init(r);
	e = loop_init(&r->loop);
	if (e == 0)
		e = watch_init(&r->watch);
	if (e == 0)
		e = table_init(&r->table, &r->sink);
	r->table.ended = on_init_ended;
	r->table.freezers.watch = &r->watch;
	r->table.freezers.root = open(RESOLVER_CGROUPS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Above all that an earlier resolver gave out: a listing that goes on under this one misses nothing. */
	r->table.last_rid = loop_now_ms() << 20;
	r->asker = (struct lxc_asker){.loop = &r->loop, .send = monitor_ask, .send_fifo = monitor_ask_fifo};
	r->ctx = (struct engine_ctx){
		.loop = &r->loop,
		.watch = &r->watch,
		.table = &r->table,
		.asker = &r->asker,
		.run_lxc = "/run/lxc",
		.cgroup_root = RESOLVER_CGROUPS,
	};
	r->asker.proc = r->ctx.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e == 0 && r->ctx.proc < 0)
		e = -errno;
	if (e == 0)
		e = add_source(r, &r->inotify, r->watch.fd, on_inotify);
	if (e == 0)
		e = init_users(r);
	if (e == 0)
		e = add_source(r, &r->ends, r->table.ends_fd, on_ends);
	if (e == 0)
		e = add_source(r, &r->monitor, monitor_fd, monitor_ready);
	return e;
}

int resolver_once(struct resolver *r, int timeout_ms)
{
	int e = loop_once(&r->loop, timeout_ms);

	if (e == 0 && !r->loop.stop)
		catch_up(r);
	return e;
}

int resolver_run(struct resolver *r)
{
	while (!r->loop.stop) {
		int e = resolver_once(r, -1);

		if (e < 0) {
			log_error("cannot wait for events: %s", strerror(-e));
			return EXIT_FAILURE;
		}
	}
	return r->status;
}

void resolver_fini(struct resolver *r)
{
	frontend_lose(r);
	roots_fini(r);
	lxc_asker_fini(&r->asker);
	table_fini(&r->table);
	published_fini(&r->published);
	watch_fini(&r->watch);
	watch_fini(&r->users_watch);
	mounts_clear(&r->mounts);
	close_fd(&r->mountinfo.fd);
	ipc_drop(&r->in);
	close_fd(&r->table.freezers.root);
	close_fd(&r->ctx.proc);
	loop_fini(&r->loop);
}
