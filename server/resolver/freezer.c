/* SPDX-License-Identifier: MIT */
/* Whether a container is paused. Runs in: resolver. See freezer.h. */
#include "freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/loop.h"
#include "../common/procfd.h"
#include "mem.h"

#define PATH_ROOM (ROOT_CGROUP_MAX + 16)

/* A cgroup by its path: not through links, which cgroups have none of, and not above the root. */
static int open_cgroup(int root, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	long r = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return r < 0 ? -errno : (int)r;
}

/* A cgroup that is being frozen counts: version 1 never says when it is done, and version 2 after who froze it may have asked us. */
static int read_frozen(int dir, const char *file, bool *ret)
{
	char text[256];
	ssize_t r = proc_read_file(dir, file, text, sizeof(text));

	if (r < 0)
		return (int)r;
	*ret = strncmp(text, "FR", 2) == 0 || strstr(text, "frozen 1\n");
	return 0;
}

static bool is_to_freeze(int dir)
{
	char text[16];

	return proc_read_file(dir, "cgroup.freeze", text, sizeof(text)) > 0 && text[0] == '1';
}

/* Of the init's cgroup, which tells of all above it, and of the container's own, which tells at once. */
static int read_side(const struct freezer_side *side, int root, int dir, bool *ret)
{
	char own[PATH_ROOM];
	autoclose int above = -1;
	int r = read_frozen(dir, side->file, ret);

	if (r < 0 || *ret)
		return r;
	*ret = is_to_freeze(dir);
	if (*ret || !side->path[side->own_len])
		return 0;
	(void)snprintf(own, sizeof(own), "%.*s", (int)side->own_len, side->path);
	above = open_cgroup(root, own);
	*ret = above >= 0 && is_to_freeze(above);
	return 0;
}

void freezer_mark(struct freezer *f)
{
	if (f->dirty || !f->of)
		return;
	f->dirty = true;
	f->next_dirty = f->of->dirty;
	f->of->dirty = f;
}

static void on_change(struct freezer_side *side, uint32_t mask, const char *name)
{
	if (!(mask & IN_IGNORED) && (strcmp(name, side->file) == 0 || strcmp(name, "cgroup.freeze") == 0))
		freezer_mark(side->of);
}

static void on_init(struct listener *l, uint32_t mask, const char *name)
{
	on_change(container_of(l, struct freezer_side, init), mask, name);
}

static void on_own(struct listener *l, uint32_t mask, const char *name)
{
	on_change(container_of(l, struct freezer_side, own), mask, name);
}

static void stop_side(struct freezers *s, struct freezer_side *side)
{
	watch_remove(s->watch, &side->init);
	watch_remove(s->watch, &side->own);
	free(side->path);
	side->path = NULL;
	side->file = NULL;
	side->frozen = false;
}

/* False: it is not there. */
static bool start_side(struct freezers *s, struct freezer_side *side, const char *mount, const char *file,
		       const struct init_cgroup *c)
{
	char path[PATH_ROOM];
	autoclose int dir = -1;

	if (!c->path)
		return false;
	(void)snprintf(path, sizeof(path), "%s%s", mount, c->path + (mount[0] ? 0 : 1));
	dir = open_cgroup(s->root, path);
	if (dir < 0)
		return false;
	side->file = file;
	side->path = mem_strdup(path);
	side->own_len = strlen(path) - strlen(c->path + c->own);
	side->init.event = on_init;
	side->own.event = on_own;
	(void)watch_add(s->watch, &side->init, dir, IN_MODIFY);
	if (read_side(side, s->root, dir, &side->frozen) < 0) {
		stop_side(s, side);
		return false;
	}
	if (c->path[c->own]) {
		autoclose int above = -1;

		path[side->own_len] = '\0';
		above = open_cgroup(s->root, path);
		if (above >= 0)
			(void)watch_add(s->watch, &side->own, above, IN_MODIFY);
		/* It may have been frozen since it was read. */
		(void)read_side(side, s->root, dir, &side->frozen);
	}
	return true;
}

void freezer_start(struct freezers *s, struct freezer *f, const struct init *init)
{
	if (!s->watch)
		return;
	f->of = s;
	for (int i = 0; i < FREEZER_SIDES; i++)
		f->sides[i].of = f;
	(void)start_side(s, &f->sides[0], "freezer", "freezer.state", &init->freezer);
	if (!start_side(s, &f->sides[1], "unified", "cgroup.events", &init->unified))
		(void)start_side(s, &f->sides[1], "", "cgroup.events", &init->unified);
	f->frozen = f->sides[0].frozen || f->sides[1].frozen;
}

void freezer_stop(struct freezer *f)
{
	if (!f->of)
		return;
	if (f->dirty) {
		struct freezer **at = &f->of->dirty;

		while (*at != f)
			at = &(*at)->next_dirty;
		*at = f->next_dirty;
	}
	for (int i = 0; i < FREEZER_SIDES; i++)
		stop_side(f->of, &f->sides[i]);
	*f = (struct freezer){0};
}

static void look(struct freezer *f)
{
	for (int i = 0; i < FREEZER_SIDES; i++) {
		struct freezer_side *side = &f->sides[i];
		autoclose int dir = side->path ? open_cgroup(f->of->root, side->path) : -1;

		/* Gone: its init is about to be found elsewhere, or to have ended. */
		if (dir < 0 || read_side(side, f->of->root, dir, &side->frozen) < 0)
			side->frozen = false;
	}
}

struct freezer *freezers_next(struct freezers *s)
{
	struct freezer *f;

	while ((f = s->dirty)) {
		bool before = f->frozen;

		s->dirty = f->next_dirty;
		f->dirty = false;
		look(f);
		f->frozen = f->sides[0].frozen || f->sides[1].frozen;
		if (f->frozen != before)
			return f;
	}
	return NULL;
}
