/* SPDX-License-Identifier: MIT */
/*
 * Is a path only root's to change? Runs in: monitor. Trusts: the kernel.
 *
 * Every component is looked at, from / downwards: once all that lead to a component are only root's to change, nobody
 * can exchange it between the look and the use.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's own */

static int check_component(const char *path, const struct stat *st, char *error, int size)
{
	/* A link's own mode means nothing: the directory that holds it has been checked. */
	const char *writable = S_ISLNK(st->st_mode)           ? NULL
			       : st->st_mode & S_IWOTH        ? "everybody"
			       : (st->st_mode & S_IWGRP) != 0 ? "its group"
							      : NULL;

	if (st->st_uid != 0)
		(void)snprintf(error, (size_t)size, "%s belongs to uid %u, not to root: chown root %s", path,
			       st->st_uid, path);
	else if (writable)
		(void)snprintf(error, (size_t)size, "%s can be written by %s: chmod go-w %s", path, writable, path);
	else
		return 0;
	return -EPERM;
}

/* Puts what the link @path says in place of it, before @rest: the walk begins anew from /. */
static int follow(char *path, size_t at, const char *rest, size_t size)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (target[0] == '/')
		at = 0;
	len = snprintf(joined, sizeof(joined), "%.*s/%s/%s", (int)at, path, target, rest);
	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	(void)strcpy(path, joined);
	return 0;
}

/* Removes "." and the last component before each "..", whose parents are plain directories by then. */
static size_t step(char *path, size_t at, size_t end)
{
	size_t len = end - at - 1;

	if (len == 0 || (len == 1 && path[at + 1] == '.')) {
		memmove(path + at, path + end, strlen(path + end) + 1);
		return at;
	}
	if (len == 2 && path[at + 1] == '.' && path[at + 2] == '.') {
		size_t parent = at;

		while (parent > 0 && path[--parent] != '/')
			;
		memmove(path + parent, path + end, strlen(path + end) + 1);
		return parent;
	}
	return end;
}

static int walk(char *path, size_t size, char *error, int error_size)
{
	size_t at = 0;
	int links = 0;

	while (path[at]) {
		size_t end = at + 1 + strcspn(path + at + 1, "/");
		size_t next = step(path, at, end);
		bool last = path[end] == '\0';
		char saved;
		struct stat st;
		int r;

		if (next != end) {
			at = next;
			continue;
		}
		saved = path[end];
		path[end] = '\0';
		if (lstat(path, &st) < 0) {
			r = -errno;
			(void)snprintf(error, (size_t)error_size, "%s: %s", path, strerror(-r));
			return r;
		}
		r = check_component(path, &st, error, error_size);
		if (r < 0)
			return r;
		if (S_ISLNK(st.st_mode)) {
			if (last) {
				(void)snprintf(error, (size_t)error_size,
					       "%s is a symbolic link: name what it points to", path);
				return -EPERM;
			}
			r = ++links > LINKS_MAX ? -ELOOP : follow(path, at, path + end + 1, size);
			if (r < 0) {
				(void)snprintf(error, (size_t)error_size, "%s: %s", path, strerror(-r));
				return r;
			}
			at = 0;
			continue;
		}
		path[end] = saved;
		at = end;
	}
	return 0;
}

int config_check_owned(const char *path, char *ret_error, int size)
{
	char copy[PATH_MAX];
	struct stat st;

	if (path[0] != '/' || strlen(path) >= sizeof(copy)) {
		(void)snprintf(ret_error, (size_t)size, "%s: not an absolute path of at most %zu bytes", path,
			       sizeof(copy) - 1);
		return -EINVAL;
	}
	(void)strcpy(copy, path);
	if (lstat("/", &st) < 0 || check_component("/", &st, ret_error, size) < 0)
		return -EPERM;
	return walk(copy, sizeof(copy), ret_error, size);
}
