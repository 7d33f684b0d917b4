/* SPDX-License-Identifier: MIT */
/*
 * Which file a path really names, and whether only root can change that. Runs in: monitor.
 */
#include "exec_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"

#define SCRIPT_DEPTH_MAX 4 /* the kernel follows five interpreters; nobody means to */
#define SCRIPT_LINE_MAX 255 /* and reads no more of the first line */

struct chain {
	char done[PATH_MAX]; /* resolved and checked; "" is the root directory */
	char rest[PATH_MAX]; /* still to do */
	struct stat st; /* of @done */
	int links;
	char *error;
	int size;
};

static int fail(const struct chain *c, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(const struct chain *c, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(c->error, (size_t)c->size, format, ap);
	va_end(ap);
	return error;
}

static const char *shown(const struct chain *c)
{
	return c->done[0] != '\0' ? c->done : "/";
}

/* A symbolic link has no mode of its own: who may replace it is said by the directory, which was checked before it. */
static int check_owner(const struct chain *c)
{
	if (c->st.st_uid != 0)
		return fail(c, -EPERM, "%s belongs to uid %u: chown it to root, or use another file", shown(c),
			    (unsigned)c->st.st_uid);
	if (!S_ISLNK(c->st.st_mode) && (c->st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail(c, -EPERM, "%s is writable by others than root (mode %04o): chmod go-w", shown(c),
			    (unsigned)(c->st.st_mode & 07777));
	return 0;
}

static int look(struct chain *c)
{
	if (lstat(shown(c), &c->st) == 0)
		return check_owner(c);
	if (errno == ENOENT)
		return fail(c, -ENOENT, "%s does not exist: install it, or correct the path", shown(c));
	return fail(c, -EACCES, "%s cannot be looked at: %s", shown(c), strerror(errno));
}

/* Puts the link's target before what is left, and steps back to where the target begins. */
static int follow(struct chain *c)
{
	char target[PATH_MAX];
	ssize_t n = readlink(c->done, target, sizeof(target));
	size_t rest = strlen(c->rest);

	if (n <= 0)
		return fail(c, -EACCES, "%s cannot be read: %s", c->done, strerror(errno));
	if (++c->links > CHAIN_LINKS_MAX)
		return fail(c, -EPERM, "%s: more than %d symbolic links: name the file itself", c->done,
			    CHAIN_LINKS_MAX);
	if ((size_t)n + 1 + rest >= sizeof(c->rest))
		return fail(c, -EPERM, "%s: the path it leads to is too long: name the file itself", c->done);
	memmove(c->rest + n + 1, c->rest, rest + 1);
	memcpy(c->rest, target, (size_t)n);
	c->rest[n] = '/';
	if (target[0] == '/')
		c->done[0] = '\0';
	else
		*strrchr(c->done, '/') = '\0';
	return 0;
}

/* Takes the next component of @rest to the end of @done: 0, 1 at the end, or an error. */
static int step(struct chain *c)
{
	char *p = c->rest + strspn(c->rest, "/");
	size_t len = strcspn(p, "/"), at = strlen(c->done);
	bool up = len == 2 && p[0] == '.' && p[1] == '.';
	char *slash;

	if (len == 0)
		return 1;
	if (!S_ISDIR(c->st.st_mode))
		return fail(c, -EACCES, "%s is not a directory: correct the path", shown(c));
	if (up || (len == 1 && p[0] == '.')) {
		/* @done has no links in it: its textual parent is its parent. */
		slash = up ? strrchr(c->done, '/') : NULL;
		if (slash != NULL)
			*slash = '\0';
	} else {
		if (at + 1 + len >= sizeof(c->done))
			return fail(c, -EPERM, "%s: the path is too long", shown(c));
		c->done[at] = '/';
		memcpy(c->done + at + 1, p, len);
		c->done[at + 1 + len] = '\0';
	}
	memmove(c->rest, p + len, strlen(p + len) + 1);
	return 0;
}

static int walk(struct chain *c, const char *path, char *error, int size)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->error = error;
	c->size = size;
	if (path[0] != '/')
		return fail(c, -EPERM, "%s is not an absolute path: write all of it", path);
	if (strlen(path) >= sizeof(c->rest))
		return fail(c, -EPERM, "the path is too long: shorten it");
	memcpy(c->rest, path, strlen(path) + 1);
	r = look(c);
	while (r == 0) {
		r = S_ISLNK(c->st.st_mode) ? follow(c) : step(c);
		if (r == 0)
			r = look(c);
	}
	return r < 0 ? r : 0;
}

/* Reads the interpreter of "#! INTERPRETER [ARGUMENT]" as the kernel does: 1 and its path, or 0: not a script. */
static int interpreter(const struct chain *c, char path[SCRIPT_LINE_MAX + 1])
{
	autoclose int fd = open(c->done, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char line[SCRIPT_LINE_MAX + 1];
	ssize_t n;
	char *p;
	size_t len;

	if (fd < 0)
		return fail(c, -EACCES, "%s cannot be read: %s", c->done, strerror(errno));
	n = pread(fd, line, sizeof(line) - 1, 0);
	if (n < 0)
		return fail(c, -EACCES, "%s cannot be read: %s", c->done, strerror(errno));
	line[n] = '\0';
	if (n < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	p = line + 2 + strspn(line + 2, " \t");
	len = strcspn(p, " \t\n");
	if (len == 0)
		return fail(c, -EACCES, "%s: its #! line names no interpreter: write an absolute path", c->done);
	if (strchr(line, '\n') == NULL && n == SCRIPT_LINE_MAX)
		return fail(c, -EPERM, "%s: its #! line is too long: shorten it", c->done);
	memcpy(path, p, len);
	path[len] = '\0';
	return 1;
}

static bool is_env(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash != NULL ? slash + 1 : path, "env") == 0;
}

static int check_file(const struct chain *c)
{
	if (S_ISDIR(c->st.st_mode))
		return fail(c, -EACCES, "%s is a directory: name a program in it", shown(c));
	if (!S_ISREG(c->st.st_mode))
		return fail(c, -EACCES, "%s is not a regular file: name a program", shown(c));
	if ((c->st.st_mode & 0111) == 0)
		return fail(c, -EACCES, "%s is not executable: chmod +x", shown(c));
	return 0;
}

static int check_interpreters(const char *script, const struct chain *first, char *error, int size)
{
	char path[SCRIPT_LINE_MAX + 1], why[512];
	struct chain c = *first;
	int depth, r;

	for (depth = 0; (r = interpreter(&c, path)) > 0; depth++) {
		if (depth == SCRIPT_DEPTH_MAX)
			return fail(&c, -EPERM, "%s: too many interpreters of interpreters: name a real program",
				    script);
		r = walk(&c, path, why, (int)sizeof(why));
		if (r == 0)
			r = check_file(&c);
		if (r < 0) {
			(void)snprintf(error, (size_t)size, "the interpreter of %s: %s", script, why);
			return r;
		}
		c.error = error;
		c.size = size;
		/* env searches PATH: what runs would not be what was checked. */
		if (is_env(path) || is_env(c.done))
			return fail(&c, -EPERM,
				    "%s: its interpreter is %s, which searches for another: name the "
				    "interpreter's own path in the #! line",
				    script, path);
	}
	return r;
}

int exec_chain_check(const char *path, struct exec_file *ret, char *ret_error, int size)
{
	struct chain c;
	int r = walk(&c, path, ret_error, size);

	if (r == 0)
		r = check_file(&c);
	if (r == 0)
		r = check_interpreters(path, &c, ret_error, size);
	if (r < 0)
		return r;
	memcpy(ret->path, c.done, sizeof(ret->path));
	ret->dev = c.st.st_dev;
	ret->ino = c.st.st_ino;
	ret->ctime = c.st.st_ctim;
	return 0;
}

int exec_chain_directory(const char *path, char *ret_error, int size)
{
	struct chain c;
	int r = walk(&c, path, ret_error, size);

	if (r == 0 && !S_ISDIR(c.st.st_mode))
		return fail(&c, -ENOTDIR, "%s is not a directory: correct the path", shown(&c));
	return r;
}
