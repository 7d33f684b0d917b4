/* SPDX-License-Identifier: MIT */
/* A path that may not exist yet. Runs in: resolver. See chain.h. */
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/loop.h"
#include "mem.h"
#include "walk.h"

/* A directory on the way, and the component that is looked for in it. */
struct chain_link {
	struct listener listener;
	struct chain *chain;
	char *directory, *next;
};

struct place place_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return (struct place){0};
	return (struct place){.dev = st.st_dev, .ino = st.st_ino};
}

struct place place_by(const struct walk *w, const char *path)
{
	autoclose int fd = walk_open_own(w, path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return (struct place){0};
	return (struct place){.dev = st.st_dev, .ino = st.st_ino};
}

bool place_equal(struct place a, struct place b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

static void on_event(struct listener *l, uint32_t mask, const char *name)
{
	struct chain_link *k = container_of(l, struct chain_link, listener);

	if ((mask & (IN_IGNORED | IN_UNMOUNT)) || strcmp(name, k->next) == 0)
		k->chain->dirty = true;
}

static void add_link(struct chain *c, const char *path, size_t dirlen, size_t nextlen)
{
	struct chain_link *k;

	k = &c->links[c->nlinks++];
	*k = (struct chain_link){.chain = c, .listener.event = on_event};
	k->directory = mem_checked(strndup(path, dirlen ? dirlen : 1)); /* "/" is the one that ends in a slash */
	k->next = mem_checked(strndup(path + dirlen + 1, nextlen));
}

void chain_open(struct chain *c, struct watcher *w, const char *path)
{
	size_t n = 0, len;

	c->watch = w;
	c->path = mem_strdup(path);
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		c->path[len - 1] = '\0';
	for (const char *p = c->path; *p; p++)
		n += *p == '/';
	c->links = mem_new(n * sizeof(*c->links));
	for (size_t at = 0; at < len;) { /* at a slash */
		size_t next = strcspn(c->path + at + 1, "/");

		if (next > 0)
			add_link(c, c->path, at, next);
		at += 1 + next;
	}
	c->dirty = true;
}

static int open_directory(const struct chain *c, const char *path)
{
	return c->walk ? walk_open(c->walk, path) : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void chain_settle(struct chain *c)
{
	struct place now;

	if (!c->dirty)
		return;
	c->dirty = false;
	/* From the top, watching before looking further: what comes after the look is told by the watch. */
	for (int i = 0; i < c->nlinks; i++) {
		struct chain_link *k = &c->links[i];
		autoclose int fd = open_directory(c, k->directory);

		if (fd >= 0)
			(void)watch_add(c->watch, &k->listener, fd, WATCH_NAMES);
		else
			watch_remove(c->watch, &k->listener);
	}
	now = c->walk ? place_by(c->walk, c->path) : place_of(c->path);
	if (place_equal(now, c->place))
		return;
	c->place = now;
	c->moved(c);
}

void chain_close(struct chain *c)
{
	for (int i = 0; i < c->nlinks; i++) {
		watch_remove(c->watch, &c->links[i].listener);
		free(c->links[i].directory);
		free(c->links[i].next);
	}
	free(c->links);
	free(c->path);
	*c = (struct chain){0};
}
