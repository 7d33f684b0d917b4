/* SPDX-License-Identifier: MIT */
/*
 * LXC: a directory with a config file for each container, LXCPATH/NAME/config; no state on disk. Runs in: resolver.
 *
 * LXD and Incus are LXC underneath. In their lxcpath stands a link for each container, LXCPATH/NAME or, outside of the default
 * project, LXCPATH/PROJECT_NAME, to where its storage is; the configuration is in a database.
 *
 * Whether it runs is asked of its monitor process (lxc_ask.h), whenever something hints that the answer is new:
 * - the cgroup lxc.monitor.NAME or lxc.payload.NAME is made: the socket listens by then, and answers when the container has started;
 * - the lock /run/lxc/lock/LXCPATH/.NAME is closed: every start, stop and freeze takes it before (a start with -d also after);
 * - its init ends: when it reboots, the socket stays, and answers when init is there again;
 * - a running container's monitor tells of the next change of state.
 * A hint may come before what it hints at, so a few more questions follow it, further and further apart, and then no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "engine.h"
#include "lxc_ask.h"
#include "mem.h"
#include "members.h"

#define TRIES 6
#define FIRST_TRY_MS 20 /* then 4 times as long each: 27 seconds in all */
#define CALM_MS 250

/* In a hybrid tree the hierarchies that LXC surely uses; in a unified one only the first exists. */
static const char *const cgroup_dirs[] = {"", "/unified", "/systemd", "/freezer"};
static const char *const cgroup_prefixes[] = {"lxc.monitor.", "lxc.payload."};
#define NCGROUPS (sizeof(cgroup_dirs) / sizeof(cgroup_dirs[0]))

struct cgroup_listener {
	struct listener listener;
	struct lxc *lxc;
};

struct lxc {
	struct members members;
	struct listener lock_listener;
	struct chain locks;
	struct cgroup_listener cgroups[NCGROUPS];
};

struct container {
	struct member member; /* its entry is in the table while there is a config */
	struct lxc_ask ask; /* its state, then its init */
	struct lxc_ask watch; /* while it runs: the next change of state */
	uint64_t watch_began_ms;
	enum lxc_state state; /* as last answered */
	bool again; /* a hint came while a question was open */
	struct timer retry;
	int tries; /* that are left */
};

static void inquire(struct container *c);

/* --- Asking ------------------------------------------------------------------------------------------------------ */

/* Something happened, or is about to. */
static void hint(struct container *c, int tries)
{
	if (!table_has(&c->member.entry))
		return;
	c->tries = tries;
	timer_cancel(c->member.of->dir->ctx->loop, &c->retry);
	if (lxc_asking(&c->ask))
		c->again = true;
	else
		inquire(c);
}

static void on_retry(struct timer *t)
{
	inquire(container_of(t, struct container, retry));
}

/* The question is answered; @sure: and nothing is on its way that would change it. */
static void conclude(struct container *c, bool sure)
{
	uint64_t delay = FIRST_TRY_MS;

	if (c->again) {
		inquire(c);
		return;
	}
	if (sure || c->tries == 0)
		return;
	for (int i = c->tries; i < TRIES; i++)
		delay *= 4;
	c->tries--;
	timer_set(c->member.of->dir->ctx->loop, &c->retry, delay);
}

static void not_running(struct container *c)
{
	table_set_stopped(c->member.of->dir->ctx->table, &c->member.entry);
	lxc_ask_cancel(&c->watch);
	conclude(c, false);
}

static void on_change(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct container *c = container_of(a, struct container, watch);

	/* Not understood: an LXC that does not know the question. The other hints remain. */
	if (said->error && said->error != -EPIPE)
		return;
	if (loop_now_ms() - c->watch_began_ms >= CALM_MS) {
		hint(c, TRIES);
	} else if (!lxc_asking(&c->ask)) { /* one that always answers at once must not keep us busy */
		c->tries = TRIES;
		timer_set(c->member.of->dir->ctx->loop, &c->retry, CALM_MS);
	}
}

static uint32_t shown_state(enum lxc_state s)
{
	if (s == LXC_FROZEN)
		return ROOT_CONTAINER_PAUSED;
	if (s == LXC_STOPPING || s == LXC_ABORTING)
		return ROOT_CONTAINER_STOPPING;
	return ROOT_CONTAINER_RUNNING;
}

static void on_init(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct container *c = container_of(a, struct container, ask);
	struct engine_dir *d = c->member.of->dir;
	struct init init = INIT_NONE;
	int r = said->error;

	if (r == 0)
		r = claim_check_pidfd(d->ctx->proc, said->pidfd, &init);
	if (r < 0) {
		log_debug("lxc %s: no init: %s", c->member.id, strerror(-r));
		not_running(c);
		return;
	}
	table_set_running(d->ctx->table, &c->member.entry, shown_state(c->state), &init);
	if (c->state == LXC_RUNNING && !lxc_asking(&c->watch)) {
		c->watch_began_ms = loop_now_ms();
		lxc_ask(d->ctx->asker, &c->watch, d->index, c->member.id, IPC_LXC_WATCH);
	}
	conclude(c, c->state == LXC_RUNNING);
}

static void on_state(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct container *c = container_of(a, struct container, ask);

	if (said->error == -EPERM)
		log_warning("lxc %s: its socket is somebody else's, who does not own %s", c->member.id,
			    c->member.of->dir->path);
	if (said->error || said->state == LXC_STOPPED || said->state == LXC_STARTING) {
		not_running(c);
		return;
	}
	c->state = said->state;
	c->ask.answered = on_init;
	lxc_ask(c->member.of->dir->ctx->asker, &c->ask, c->member.of->dir->index, c->member.id, IPC_LXC_INIT_PIDFD);
}

static void inquire(struct container *c)
{
	c->again = false;
	c->ask.answered = on_state;
	lxc_ask(c->member.of->dir->ctx->asker, &c->ask, c->member.of->dir->index, c->member.id, IPC_LXC_STATE);
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static struct container *of_member(struct member *m)
{
	return container_of(m, struct container, member);
}

static bool matters(const struct member *m, const char *file)
{
	(void)m;
	return strcmp(file, "config") == 0;
}

static void init(struct member *m)
{
	struct container *c = of_member(m);

	c->watch.answered = on_change;
	c->retry.expired = on_retry;
}

static void fini(struct member *m)
{
	struct container *c = of_member(m);

	lxc_ask_cancel(&c->ask);
	lxc_ask_cancel(&c->watch);
	timer_cancel(m->of->dir->ctx->loop, &c->retry);
}

static void list(struct member *m, const char *name)
{
	struct table *t = m->of->dir->ctx->table;

	if (table_has(&m->entry))
		return;
	table_add(t, &m->entry, &m->of->scope, m->id);
	table_set_name(t, &m->entry, name);
	hint(of_member(m), 0);
}

static void look(struct member *m, int dir)
{
	struct stat st;

	if (fstatat(dir, "config", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		list(m, m->id);
		return;
	}
	fini(m);
	member_unlist(m);
}

static const char *behind(const struct member *m)
{
	(void)m;
	return "/config, and its command socket";
}

static void rescanned(struct member *m)
{
	hint(of_member(m), TRIES);
}

static const struct member_ops ops = {
	.size = sizeof(struct container),
	.mask = WATCH_NAMES,
	.matters = matters,
	.init = init,
	.look = look,
	.behind = behind,
	.fini = fini,
	.rescanned = rescanned,
};

static bool link_id(const char *file, char id[ROOT_ID_MAX + 1])
{
	return str_copy(id, ROOT_ID_MAX + 1, str_of(file));
}

/* PROJECT_NAME is called PROJECT/NAME. The last '_' it is: the names of containers have none, those of projects may. */
static void look_link(struct member *m, int dir)
{
	char name[ROOT_ID_MAX + 1];
	char *split;
	struct stat st;

	if (fstatat(dir, m->id, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return;
	(void)str_copy(name, sizeof(name), str_of(m->id));
	split = strrchr(name, '_');
	if (split)
		*split = '/';
	list(m, name);
}

static const struct member_ops link_ops = {
	.size = sizeof(struct container),
	.id_of = link_id,
	.init = init,
	.look = look_link,
	.fini = fini,
	.rescanned = rescanned,
};

/* --- Hints ------------------------------------------------------------------------------------------------------- */

static void hint_name(struct lxc *x, const char *name)
{
	struct member *m = members_find(&x->members, name);

	if (m)
		hint(of_member(m), TRIES);
}

/* lxc.payload.NAME, or lxc.payload.NAME-1 where a cgroup of an earlier run is left. */
static void on_cgroup(struct listener *l, uint32_t mask, const char *name)
{
	struct lxc *x = container_of(l, struct cgroup_listener, listener)->lxc;
	char base[ROOT_ID_MAX + 1];

	if (!(mask & WATCH_COMES))
		return;
	for (size_t i = 0; i < sizeof(cgroup_prefixes) / sizeof(cgroup_prefixes[0]); i++) {
		size_t len = strlen(cgroup_prefixes[i]);
		char *dash;

		if (strncmp(name, cgroup_prefixes[i], len) != 0)
			continue;
		hint_name(x, name + len);
		if (!str_copy(base, sizeof(base), str_of(name + len)))
			continue;
		dash = strrchr(base, '-');
		if (dash && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1)) {
			*dash = '\0';
			hint_name(x, base);
		}
	}
}

static void on_lock(struct listener *l, uint32_t mask, const char *name)
{
	if ((mask & IN_CLOSE_WRITE) && name[0] == '.')
		hint_name(container_of(l, struct lxc, lock_listener), name + 1);
}

/* The directory of locks has appeared, or is another one. */
static void on_locks_moved(struct chain *chain)
{
	struct lxc *x = container_of(chain, struct lxc, locks);
	autoclose int fd = open(chain->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char lock[ROOT_ID_MAX + 2];
	struct stat st;

	watch_remove(x->members.dir->ctx->watch, &x->lock_listener);
	if (fd < 0)
		return;
	(void)watch_add(x->members.dir->ctx->watch, &x->lock_listener, fd, IN_CLOSE_WRITE);
	/* Locks that were taken before we watched. */
	MAP_EACH(&x->members.by_id, i, n)
	{
		struct container *c = container_of(n, struct container, member.node);

		(void)snprintf(lock, sizeof(lock), ".%s", c->member.id);
		if (fstatat(fd, lock, &st, AT_SYMLINK_NOFOLLOW) == 0)
			hint(c, TRIES);
	}
}

/* --- The engine -------------------------------------------------------------------------------------------------- */

static void lxc_settle(struct engine_dir *d)
{
	struct lxc *x = d->own;

	chain_settle(&x->locks);
	members_settle(&x->members);
}

static void lxc_rescan(struct engine_dir *d)
{
	struct lxc *x = d->own;

	x->locks.dirty = true;
	members_rescan(&x->members);
}

static void lxc_ended(struct engine_dir *d, struct entry *e)
{
	(void)d;
	hint(container_of(e, struct container, member.entry), TRIES);
}

static void watch_cgroups(struct lxc *x, const struct engine_ctx *ctx)
{
	for (size_t i = 0; i < NCGROUPS; i++) {
		char path[PATH_MAX];
		autoclose int fd = -1;

		(void)snprintf(path, sizeof(path), "%s%s", ctx->cgroup_root, cgroup_dirs[i]);
		x->cgroups[i].lxc = x;
		x->cgroups[i].listener.event = on_cgroup;
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			(void)watch_add(ctx->watch, &x->cgroups[i].listener, fd, WATCH_COMES);
	}
}

static int lxc_open(struct engine_dir *d)
{
	struct lxc *x = mem_new(sizeof(*x));
	char path[PATH_MAX];

	d->own = x;
	x->lock_listener.event = on_lock;
	x->locks.moved = on_locks_moved;
	(void)snprintf(path, sizeof(path), "%s/lock%s", d->ctx->run_lxc, d->path);
	chain_open(&x->locks, d->ctx->watch, path);
	watch_cgroups(x, d->ctx);
	return members_open(&x->members, d, d->engine == &engine_lxc ? &ops : &link_ops);
}

static void lxc_close(struct engine_dir *d)
{
	struct lxc *x = d->own;

	members_close(&x->members);
	chain_close(&x->locks);
	watch_remove(d->ctx->watch, &x->lock_listener);
	for (size_t i = 0; i < NCGROUPS; i++)
		watch_remove(d->ctx->watch, &x->cgroups[i].listener);
	free(x);
}

const struct engine engine_lxc = {"lxc", TABLE_OWN, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
const struct engine engine_lxd = {"lxd", TABLE_OWN, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
const struct engine engine_incus = {"incus", TABLE_OWN, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
