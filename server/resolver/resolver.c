/* SPDX-License-Identifier: MIT */
/* The resolver's parts put together. Runs in: resolver. See resolver.h. */
#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/log.h"

#define REST_MIN_MS 2
#define REST_MAX_MS 250
#define SYNC_MS 1000 /* how long a question to an LXC monitor may hold up the frontend */

void resolver_stop(struct resolver *r, int status)
{
	if (!r->loop.stop)
		r->status = status;
	loop_stop(&r->loop);
}

/* --- Catching up with the engines -------------------------------------------------------------------------------- */

static void rescan(struct resolver *r)
{
	table_rescan(&r->table);
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = &r->roots[i];

		root->chain.dirty = true;
		if (root->open)
			root->dir.engine->rescan(&root->dir);
	}
}

static void drain(struct resolver *r)
{
	int e = watch_drain(&r->watch);

	if (e < 0) {
		log_error("cannot read changes: %s", strerror(-e));
		resolver_stop(r, EXIT_FAILURE);
	}
	if (r->watch.overflow) {
		log_warning("more changes than the kernel keeps: looking at everything again");
		r->watch.overflow = false;
		rescan(r);
	}
	table_drain_ends(&r->table);
}

static void settle(struct resolver *r)
{
	for (unsigned i = 0; i < r->nroots; i++)
		chain_settle(&r->roots[i].chain);
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = &r->roots[i];

		if (root->open)
			root->dir.engine->settle(&root->dir);
	}
	table_flush(&r->table);
}

void resolver_rest(struct resolver *r, uint64_t took_ms)
{
	if (took_ms < REST_MIN_MS || loop_mod(&r->loop, &r->inotify, 0) < 0)
		return;
	timer_set(&r->loop, &r->rest, took_ms < REST_MAX_MS ? took_ms : REST_MAX_MS);
}

static void on_rested(struct timer *t)
{
	struct resolver *r = container_of(t, struct resolver, rest);
	int e = loop_mod(&r->loop, &r->inotify, EPOLLIN);

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
		if (r->watch.full)
			rescan(r); /* some changes are told by nobody */
		drain(r);
	}
	settle(r);
	resolver_rest(r, loop_now_ms() - begin);
	/* What is in a directory that has just appeared is for the next resolver to read: until then, no answer is a whole one. */
	if (r->loop.stop || (!r->end_due && r->nsyncs == 0 && r->nquestions == 0))
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

/* --- Roots ------------------------------------------------------------------------------------------------------- */

static void on_root_moved(struct chain *c)
{
	struct root *root = container_of(c, struct root, chain);

	/* Landlock's rules name directories, not paths: what is there now we may not read. */
	log_info("%s is there, gone, or another directory now", root->dir.path);
	resolver_stop(root->resolver, EX_ROOTS);
}

bool resolver_add_root(struct resolver *r, const char *argument)
{
	const char *path = strchr(argument, '=');
	struct root *root = &r->roots[r->nroots];
	char name[32];

	if (!path || path[1] != '/' || r->nroots == RESOLVER_ROOTS_MAX ||
	    !str_copy(name, sizeof(name), (struct str){argument, (size_t)(path - argument)}))
		return false;
	*root = (struct root){.resolver = r, .dir = {.ctx = &r->ctx, .path = path + 1, .fd = -1}};
	root->dir.engine = engine_find(name);
	if (!root->dir.engine)
		return false;
	root->dir.index = r->nroots;
	root->chain.place = place_of(root->dir.path);
	root->chain.moved = on_root_moved;
	r->nroots++;
	return true;
}

static void open_root(struct root *root)
{
	struct engine_dir *d = &root->dir;
	struct stat st;
	int e = 0;

	chain_open(&root->chain, &root->resolver->watch, d->path);
	chain_settle(&root->chain);
	if (place_equal(root->chain.place, (struct place){0})) {
		log_info("%s: no such directory yet", d->path);
		return;
	}
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0) {
		log_error("cannot open %s: %s", d->path, strerror(errno));
		return;
	}
	d->owner = st.st_uid;
	root->open = true;
	e = d->engine->open(d);
	if (e < 0)
		log_error("cannot watch %s: %s", d->path, strerror(-e));
}

void resolver_open(struct resolver *r)
{
	for (unsigned i = 0; i < r->nroots; i++)
		open_root(&r->roots[i]);
	settle(r);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

static int add_source(struct resolver *r, struct source *s, int fd, void (*ready)(struct source *, uint32_t))
{
	*s = (struct source){.fd = fd, .ready = ready};
	return loop_add(&r->loop, s, EPOLLIN);
}

int resolver_init(struct resolver *r, int monitor_fd)
{
	int e;

	*r = (struct resolver){.deadline.expired = on_deadline, .rest.expired = on_rested};
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
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = &r->roots[i];

		if (root->open)
			root->dir.engine->close(&root->dir);
		chain_close(&root->chain);
		close_fd(&root->dir.fd);
	}
	lxc_asker_fini(&r->asker);
	table_fini(&r->table);
	published_fini(&r->published);
	watch_fini(&r->watch);
	ipc_drop(&r->in);
	close_fd(&r->table.freezers.root);
	close_fd(&r->ctx.proc);
	loop_fini(&r->loop);
}
