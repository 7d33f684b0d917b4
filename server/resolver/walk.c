/* SPDX-License-Identifier: MIT */
/* Paths that lead through directories of a user. Runs in: resolver. See walk.h. */
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../common/cleanup.h"

#define LINKS_MAX 8

/* On the way. */
struct way {
	const struct walk *walk;
	int dir; /* where it has come to */
	bool trusted; /* nobody but root could have put anything into it */
	char path[PATH_MAX]; /* of @dir, without links; "" is / */
	char rest[PATH_MAX]; /* what is still to go */
	int links;
};

static int open_how(int dir, const char *name, int flags, uint64_t resolve)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC), .resolve = resolve};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int walk_step(int dir, const char *name, int flags)
{
	return open_how(dir, name, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

static int from_root(struct way *y)
{
	struct stat st;

	y->path[0] = '\0';
	close_fd(&y->dir);
	y->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (y->dir < 0 || fstat(y->dir, &st) < 0)
		return -errno;
	y->trusted = st.st_uid == 0 && !(st.st_mode & 022);
	return 0;
}

/* Goes on where the link in @fd, which is in @y->dir, leads. */
static int follow(struct way *y, int fd, const struct stat *st)
{
	char text[PATH_MAX], rest[PATH_MAX];
	ssize_t len;

	if (!y->trusted || st->st_uid != 0 || ++y->links > LINKS_MAX)
		return -ELOOP;
	len = readlinkat(fd, "", text, sizeof(text) - 1);
	if (len <= 0)
		return len < 0 ? -errno : -ENOENT;
	text[len] = '\0';
	(void)strcpy(rest, y->rest);
	if (snprintf(y->rest, sizeof(y->rest), "%s/%s", text, rest) >= (int)sizeof(y->rest))
		return -ENAMETOOLONG;
	if (text[0] == '/')
		return from_root(y);
	*strrchr(y->path, '/') = '\0'; /* the link's own name */
	return 0;
}

/* The next component, which is in @name: @y->path is already that of it. */
static int advance(struct way *y, const char *name)
{
	enum mounts_kind kind = mounts_at(y->walk->mounts, y->path, NULL);
	autoclose int fd = -1;
	struct stat st;

	if (kind == MOUNTS_REFUSED)
		return -EXDEV;
	fd = open_how(y->dir, name, O_PATH, RESOLVE_NO_MAGICLINKS | (kind == MOUNTS_NONE ? RESOLVE_NO_XDEV : 0));
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return follow(y, fd, &st);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != 0 && st.st_uid != y->walk->owner)
		return -EPERM;
	y->trusted = st.st_uid == 0 && !(st.st_mode & 022);
	close_fd(&y->dir);
	y->dir = take_fd(&fd);
	return 0;
}

/* Takes the first component off @y->rest. False when there is none. */
static bool next(struct way *y, char name[NAME_MAX + 1], int *ret_error)
{
	size_t slashes = strspn(y->rest, "/"), len = strcspn(y->rest + slashes, "/"), at = strlen(y->path);

	*ret_error = 0;
	if (len == 0)
		return false;
	if (len > NAME_MAX || at + 1 + len >= sizeof(y->path)) {
		*ret_error = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, y->rest + slashes, len);
	name[len] = '\0';
	memmove(y->rest, y->rest + slashes + len, strlen(y->rest + slashes + len) + 1);
	/* Of ".." the mounts could not be told by the path. */
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		*ret_error = -EINVAL;
		return false;
	}
	y->path[at] = '/';
	memcpy(y->path + at + 1, name, len + 1);
	return true;
}

int walk_open(const struct walk *w, const char *path)
{
	struct way y = {.walk = w, .dir = -1};
	char name[NAME_MAX + 1];
	int r;

	if (path[0] != '/' || strlen(path) >= sizeof(y.rest))
		return -EINVAL;
	(void)strcpy(y.rest, path);
	r = from_root(&y);
	while (r == 0 && next(&y, name, &r))
		r = advance(&y, name);
	if (r == 0)
		return y.dir;
	close_fd(&y.dir);
	return r;
}

int walk_open_own(const struct walk *w, const char *path)
{
	autoclose int fd = walk_open(w, path);
	struct stat st;

	if (fd < 0)
		return take_fd(&fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == w->owner ? take_fd(&fd) : -EPERM;
}

uint64_t walk_mounts(const struct walk *w, const char *path)
{
	char part[PATH_MAX];
	uint64_t sum = 0, id;

	for (const char *p = path; *p; p++) {
		size_t len = (size_t)(p - path) + strcspn(p + 1, "/") + 1;

		if (*p != '/' || len >= sizeof(part))
			continue;
		memcpy(part, path, len);
		part[len] = '\0';
		sum = sum * 31 + (uint64_t)mounts_at(w->mounts, part, &id);
		sum = sum * 31 + id;
	}
	return sum;
}
