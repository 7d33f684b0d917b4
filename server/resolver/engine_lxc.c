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
 * - a running container's monitor tells of the next change of state;
 * - in a lxcpath that is a user's, the config has been read.
 * A hint may come before what it hints at, so a few more questions follow it, further and further apart, and then no more.
 *
 * Where LXC's fifo can be read (lxc_fifo.h) it tells each change and how the init ended. The questions are asked all the same: a fifo to which
 * nobody writes, as when LXC is built for another run directory, looks like one in whose lxcpath nothing happens. lxc_container.h
 * makes one story of the two.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "engine.h"
#include "lxc_container.h"
#include "mem.h"

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
	struct lxc_answers answers;
	struct lxc_fifo fifo;
	struct listener lock_listener;
	struct chain locks;
	struct cgroup_listener cgroups[NCGROUPS];
};

/* --- Containers -------------------------------------------------------------------------------------------------- */

static struct lxc_container *of_member(struct member *m)
{
	return container_of(m, struct lxc_container, member);
}

static bool matters(const struct member *m, const char *file)
{
	(void)m;
	return strcmp(file, "config") == 0;
}

static void init(struct member *m)
{
	lxc_container_init(of_member(m), &container_of(m->of, struct lxc, members)->answers);
}

static void fini(struct member *m)
{
	lxc_container_fini(of_member(m));
}

static void list(struct member *m, const char *name)
{
	struct table *t = m->of->dir->ctx->table;

	if (table_has(&m->entry)) {
		lxc_container_hint_calmly(of_member(m));
		return;
	}
	table_add(t, &m->entry, &m->of->scope, m->id);
	table_set_name(t, &m->entry, name);
	lxc_container_hint(of_member(m), 0);
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
	lxc_container_hint(of_member(m), LXC_HINTED);
}

static const struct member_ops ops = {
	.size = sizeof(struct lxc_container),
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
	.size = sizeof(struct lxc_container),
	.id_of = link_id,
	.init = init,
	.look = look_link,
	.fini = fini,
	.rescanned = rescanned,
};

/* A user's LXC has its locks and its cgroups where that user's environment says; but it reads the configuration before a start. */
static const struct member_ops user_ops = {
	.size = sizeof(struct lxc_container),
	.mask = WATCH_NAMES | IN_CLOSE_NOWRITE,
	.matters = matters,
	.init = init,
	.look = look,
	.fini = fini,
	.rescanned = rescanned,
};

/* --- Hints ------------------------------------------------------------------------------------------------------- */

static void hint_name(struct lxc *x, const char *name)
{
	struct member *m = members_find(&x->members, name);

	if (m)
		lxc_container_hint(of_member(m), LXC_HINTED);
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
		struct lxc_container *c = container_of(n, struct lxc_container, member.node);

		(void)snprintf(lock, sizeof(lock), ".%s", c->member.id);
		if (fstatat(fd, lock, &st, AT_SYMLINK_NOFOLLOW) == 0)
			lxc_container_hint(c, LXC_HINTED);
	}
}

static void on_heard(struct lxc_fifo *f, const char *name, const struct lxc_message *said)
{
	struct member *m = members_find(&container_of(f, struct lxc, fifo)->members, name);

	if (m)
		lxc_container_heard(of_member(m), said);
}

static void on_gap(struct lxc_fifo *f)
{
	struct lxc *x = container_of(f, struct lxc, fifo);

	x->answers.told = lxc_fifo_reads(f);
	MAP_EACH(&x->members.by_id, i, n)
	{
		struct lxc_container *c = container_of(n, struct lxc_container, member.node);

		lxc_container_hint(c, c->tries);
	}
}

/* --- The engine -------------------------------------------------------------------------------------------------- */

static void lxc_settle(struct engine_dir *d)
{
	struct lxc *x = d->own;

	chain_settle(&x->locks);
	members_settle(&x->members);
	/* In this order: see lxc_container.h. */
	lxc_fifo_settle(&x->fifo);
	lxc_answers_settle(&x->answers);
}

static void lxc_rescan(struct engine_dir *d)
{
	struct lxc *x = d->own;

	x->locks.dirty = true;
	lxc_fifo_rescan(&x->fifo);
	members_rescan(&x->members);
}

static void lxc_ended(struct engine_dir *d, struct entry *e)
{
	(void)d;
	lxc_container_ended(container_of(e, struct lxc_container, member.entry));
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
	x->fifo.heard = on_heard;
	x->fifo.gap = on_gap;
	lxc_fifo_open(&x->fifo, d);
	watch_cgroups(x, d->ctx);
	return members_open(&x->members, d, d->engine != &engine_lxc ? &link_ops : d->owner ? &user_ops : &ops);
}

static void lxc_close(struct engine_dir *d)
{
	struct lxc *x = d->own;

	members_close(&x->members);
	lxc_fifo_close(&x->fifo);
	chain_close(&x->locks);
	watch_remove(d->ctx->watch, &x->lock_listener);
	for (size_t i = 0; i < NCGROUPS; i++)
		watch_remove(d->ctx->watch, &x->cgroups[i].listener);
	free(x);
}

const struct engine engine_lxc = {"lxc", TABLE_EXACT, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
const struct engine engine_lxd = {"lxd", TABLE_EXACT, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
const struct engine engine_incus = {"incus", TABLE_EXACT, lxc_open, lxc_settle, lxc_rescan, lxc_ended, lxc_close};
