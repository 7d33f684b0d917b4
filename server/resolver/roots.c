/* SPDX-License-Identifier: MIT */
/*
 * The configured directories and those of users: which are there, and what to do when that changes. Runs in: resolver.
 *
 * Landlock's rules name directories, not paths: what appears, or is replaced, only the next resolver may read. For the system's
 * directories this one ends at once. For a user's it asks the monitor, which knows how often that was for him; meanwhile, and as long
 * as it has to wait, that directory has nothing in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "mem.h"
#include "resolver.h"

#define NOWHERE ((struct place){0})

/* --- Arguments --------------------------------------------------------------------------------------------------- */

static struct owner *find_owner(const struct resolver *r, uint32_t uid)
{
	for (unsigned i = 0; i < r->nowners; i++) {
		if (r->owners[i]->uid == uid)
			return r->owners[i];
	}
	return NULL;
}

static bool add_owner(struct resolver *r, const char *text)
{
	struct owner *o = mem_new(sizeof(*o));

	if (!owner_parse(text, strlen(text), o)) {
		free(o);
		return false;
	}
	if (find_owner(r, o->uid)) {
		owner_fini(o);
		free(o);
		return false;
	}
	r->owners = mem_resize(r->owners, r->nowners + 1, sizeof(struct owner *));
	r->owners[r->nowners++] = o;
	return true;
}

/* "podman", or "podman@1000". */
static bool take_engine(struct resolver *r, struct engine_dir *d, const char *text, size_t len)
{
	const char *at = memchr(text, '@', len);
	char name[32], uid[11], *end;

	if (!str_copy(name, sizeof(name), (struct str){text, at ? (size_t)(at - text) : len}))
		return false;
	d->engine = engine_find(name);
	if (!d->engine || !at)
		return d->engine;
	if (!str_copy(uid, sizeof(uid), (struct str){at + 1, len - (size_t)(at + 1 - text)}))
		return false;
	d->user = find_owner(r, (uint32_t)strtoull(uid, &end, 10));
	return d->user && *uid >= '1' && *uid <= '9' && !*end;
}

static void on_root_moved(struct chain *c);

/* Where it is before the lock-in. */
static void look_first(struct root *root)
{
	struct resolver *r = root->resolver;
	struct stat st;

	if (!root->dir.user) {
		root->chain.place = place_of(root->dir.path);
		return;
	}
	root->walk = (struct walk){.mounts = &r->mounts, .owner = root->dir.user->uid};
	root->chain.walk = &root->walk;
	root->mounts = walk_mounts(&root->walk, root->dir.path);
	root->fd = walk_open_own(&root->walk, root->dir.path);
	if (root->fd >= 0 && fstat(root->fd, &st) == 0)
		root->chain.place = (struct place){.dev = st.st_dev, .ino = st.st_ino};
	else if (root->fd != -ENOENT)
		log_debug("%s is not entered: %s", root->dir.path, strerror(-root->fd));
	if (root->fd < 0)
		root->fd = -1;
}

static bool add_root(struct resolver *r, const char *argument)
{
	const char *path = strchr(argument, '=');
	struct root *root = mem_new(sizeof(*root));

	*root = (struct root){.resolver = r, .dir = {.ctx = &r->ctx, .fd = -1}, .fd = -1};
	if (!path || path[1] != '/' || r->nroots == RESOLVER_ROOTS_MAX ||
	    !take_engine(r, &root->dir, argument, (size_t)(path - argument))) {
		free(root);
		return false;
	}
	root->dir.path = path + 1;
	if (root->dir.user)
		root->dir.ctx = &r->users_ctx;
	root->dir.index = r->nroots;
	root->chain.moved = on_root_moved;
	look_first(root);
	r->roots = mem_resize(r->roots, r->nroots + 1, sizeof(struct root *));
	r->roots[r->nroots++] = root;
	return true;
}

bool resolver_add(struct resolver *r, const char *argument)
{
	return argument[0] == '@' ? add_owner(r, argument + 1) : add_root(r, argument);
}

const char *root_readable(const struct root *root, char buffer[32])
{
	if (!root->dir.user)
		return place_equal(root->chain.place, NOWHERE) ? NULL : root->dir.path;
	if (root->fd < 0)
		return NULL;
	/* The directory that was looked at, whatever its path leads to by now. */
	(void)snprintf(buffer, 32, "/proc/self/fd/%d", root->fd);
	return buffer;
}

/* --- Changes ----------------------------------------------------------------------------------------------------- */

static void close_root(struct root *root)
{
	if (root->open)
		root->dir.engine->close(&root->dir);
	root->open = false;
	chain_close(&root->chain);
	close_fd(&root->dir.fd);
	close_fd(&root->fd);
}

static void on_root_moved(struct chain *c)
{
	struct root *root = container_of(c, struct root, chain);
	struct owner *o = root->dir.user;

	if (!o) {
		log_info("%s is there, gone, or another directory now", root->dir.path);
		resolver_stop(root->resolver, EX_ROOTS);
		return;
	}
	/* Its user can do this as often as he likes: one line a start of ours. */
	log_debug("%s is there, gone, or another directory now", root->dir.path);
	close_root(root);
	root->left = true;
	if (!o->moved)
		monitor_tell_moved(root->resolver, o->uid);
	o->moved = true;
}

bool roots_answered(struct resolver *r, uint32_t uid, bool now)
{
	struct owner *o = find_owner(r, uid);

	if (!o)
		return false;
	o->moved = false;
	if (now)
		resolver_stop(r, EX_ROOTS);
	return true;
}

bool roots_asking(const struct resolver *r)
{
	for (unsigned i = 0; i < r->nowners; i++) {
		if (r->owners[i]->moved)
			return true;
	}
	return false;
}

void roots_remounted(struct resolver *r)
{
	int e = mounts_read(&r->mounts, r->ctx.proc);

	if (e < 0) {
		log_error("cannot read what is mounted: %s", strerror(-e));
		return;
	}
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = r->roots[i];
		uint64_t now;

		if (!root->dir.user || root->left)
			continue;
		now = walk_mounts(&root->walk, root->dir.path);
		root->chain.dirty |= now != root->mounts;
		root->mounts = now;
	}
}

void roots_rescan(struct resolver *r, bool users)
{
	if (!users)
		table_rescan(&r->table);
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = r->roots[i];

		if (root->left || (root->dir.user != NULL) != users)
			continue;
		root->chain.dirty = true;
		if (root->open)
			root->dir.engine->rescan(&root->dir);
	}
}

void roots_settle(struct resolver *r)
{
	for (unsigned i = 0; i < r->nroots; i++)
		chain_settle(&r->roots[i]->chain);
	for (unsigned i = 0; i < r->nroots; i++) {
		struct root *root = r->roots[i];

		if (root->open)
			root->dir.engine->settle(&root->dir);
	}
	table_flush(&r->table);
}

/* --- Opening ----------------------------------------------------------------------------------------------------- */

static void open_root(struct root *root)
{
	struct engine_dir *d = &root->dir;
	struct watcher *w = d->ctx->watch;
	struct stat st;
	int e = 0;

	chain_open(&root->chain, w, d->path);
	chain_settle(&root->chain);
	if (root->left)
		return;
	if (place_equal(root->chain.place, NOWHERE)) {
		if (d->user)
			log_debug("%s: no such directory yet", d->path);
		else
			log_info("%s: no such directory yet", d->path);
		return;
	}
	d->fd = root->fd >= 0 ? openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			      : open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close_fd(&root->fd);
	if (d->fd < 0 || fstat(d->fd, &st) < 0) {
		log_error("cannot open %s: %s", d->path, strerror(errno));
		return;
	}
	d->owner = d->user ? d->user->uid : st.st_uid;
	root->open = true;
	e = d->engine->open(d);
	if (e < 0)
		log_error("cannot watch %s: %s", d->path, strerror(-e));
}

void resolver_open(struct resolver *r)
{
	for (unsigned i = 0; i < r->nroots; i++)
		open_root(r->roots[i]);
	roots_settle(r);
}

void roots_fini(struct resolver *r)
{
	for (unsigned i = 0; i < r->nroots; i++) {
		close_root(r->roots[i]);
		free(r->roots[i]);
	}
	for (unsigned i = 0; i < r->nowners; i++) {
		owner_fini(r->owners[i]);
		free(r->owners[i]);
	}
	free(r->roots);
	free(r->owners);
	r->roots = NULL;
	r->owners = NULL;
	r->nroots = r->nowners = 0;
}
