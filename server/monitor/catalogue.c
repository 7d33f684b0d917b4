/* SPDX-License-Identifier: MIT */
/*
 * The catalogue: programs.d/NAME.conf. Runs in: monitor.
 */
#include "catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "entry.h"
#include "exec_chain.h"

#define SUFFIX ".conf"
#define ENTRIES_MAX 4096

/* The name of an entry from the name of its file; false: not a name that an entry may have. */
static bool take_name(const char *file, size_t suffix, char name[ROOT_PROGRAM_MAX + 1])
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t len = strlen(file) - suffix;

	if (len == 0 || len > ROOT_PROGRAM_MAX || file[0] == '.')
		return false;
	memcpy(name, file, len);
	name[len] = '\0';
	return strspn(name, allowed) == len;
}

static bool has_suffix(const char *file)
{
	size_t len = strlen(file);

	return len >= sizeof(SUFFIX) - 1 && strcmp(file + len - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

static int add_entry(struct catalogue *c, const struct config *config, const char *name, int *refused)
{
	struct entry *bigger;
	char *path;
	int r;

	if (c->nentries == ENTRIES_MAX)
		return -E2BIG;
	bigger = reallocarray(c->entries, (size_t)c->nentries + 1, sizeof(*bigger));
	if (bigger == NULL)
		return -ENOMEM;
	c->entries = bigger;
	if (asprintf(&path, "%s/%s%s", config->programs_directory, name, SUFFIX) < 0)
		return -ENOMEM;
	memset(&bigger[c->nentries], 0, sizeof(*bigger));
	memcpy(bigger[c->nentries].name, name, strlen(name) + 1);
	r = entry_read(config, path, &bigger[c->nentries++]);
	free(path);
	if (r < 0)
		++*refused;
	return r == -ENOMEM ? r : 0;
}

static int read_directory(struct catalogue *c, const struct config *config, DIR *dir, int *refused)
{
	char name[ROOT_PROGRAM_MAX + 1];
	struct dirent *d;
	int r = 0;

	while (r == 0) {
		errno = 0;
		d = readdir(dir);
		if (d == NULL)
			return -errno;
		/* Hidden files are those of editors and packagers at work. */
		if (!has_suffix(d->d_name) || d->d_name[0] == '.')
			continue;
		if (take_name(d->d_name, sizeof(SUFFIX) - 1, name)) {
			r = add_entry(c, config, name, refused);
			continue;
		}
		log_warning(
			"%s/%s is refused: a program's name has at most %d letters, digits, '_', '.', '-': rename it",
			config->programs_directory, d->d_name, ROOT_PROGRAM_MAX);
		++*refused;
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* NULL and 0: there is no such directory. */
static int open_directory(const char *path, DIR **ret, char *error, int size)
{
	DIR *dir;
	int r;

	*ret = NULL;
	r = config_check_owned(path, error, size);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	dir = opendir(path);
	if (dir == NULL) {
		r = -errno;
		(void)snprintf(error, (size_t)size, "%s: cannot be read: %s", path, strerror(-r));
		return r;
	}
	*ret = dir;
	return 0;
}

int catalogue_load(const struct config *config, struct catalogue **ret, int *ret_refused, char *ret_error, int size)
{
	struct catalogue *c = calloc(1, sizeof(*c));
	int refused = 0, r = -ENOMEM;
	DIR *dir = NULL;

	if (c == NULL) {
		(void)snprintf(ret_error, (size_t)size, "%s: out of memory", config->programs_directory);
		return r;
	}
	r = open_directory(config->programs_directory, &dir, ret_error, size);
	if (r == 0 && dir != NULL) {
		r = read_directory(c, config, dir, &refused);
		if (r < 0)
			(void)snprintf(ret_error, (size_t)size, "%s: cannot be read: %s", config->programs_directory,
				       strerror(-r));
		(void)closedir(dir);
	}
	if (r < 0) {
		catalogue_free(c);
		return r;
	}
	if (c->nentries > 1)
		qsort(c->entries, (size_t)c->nentries, sizeof(*c->entries), by_name);
	*ret = c;
	*ret_refused = refused;
	return 0;
}

void catalogue_free(struct catalogue *c)
{
	int i;

	if (c == NULL)
		return;
	for (i = 0; i < c->nentries; i++)
		entry_fini(&c->entries[i]);
	free(c->entries);
	free(c);
}

struct entry *catalogue_find(const struct catalogue *c, struct str label)
{
	struct entry key;

	if (label.len == 0 || c->nentries == 0 || !str_copy(key.name, sizeof(key.name), label))
		return NULL;
	return bsearch(&key, c->entries, (size_t)c->nentries, sizeof(*c->entries), by_name);
}

static bool unchanged(const struct entry *e)
{
	struct stat st;

	/* By the path as written, links and all: a link that leads elsewhere now is a change as well. */
	return stat(e->exec, &st) == 0 && st.st_dev == e->dev && st.st_ino == e->ino &&
	       st.st_ctim.tv_sec == e->ctime.tv_sec && st.st_ctim.tv_nsec == e->ctime.tv_nsec;
}

int entry_check_exec(struct entry *e, char *ret_error, int size)
{
	struct exec_file file;
	char *path;
	int r;

	if (!e->exec_refused && unchanged(e))
		return 0;
	r = exec_chain_check(e->exec, &file, ret_error, size);
	if (r < 0) {
		log_warning("program %s: its executable is refused: %s", e->name, ret_error);
		return r;
	}
	path = strdup(file.path);
	if (path == NULL) {
		(void)snprintf(ret_error, (size_t)size, "out of memory");
		return -ENOMEM;
	}
	log_info("program %s: %s has changed; it was checked again, and the new file is run", e->name, file.path);
	free(e->path);
	e->path = path;
	e->dev = file.dev;
	e->ino = file.ino;
	e->ctime = file.ctime;
	if (e->exec_refused) {
		free(e->refused);
		e->refused = NULL;
		e->exec_refused = false;
	}
	return 0;
}

bool entry_allows(const struct entry *e, uid_t uid, gid_t gid, const gid_t *groups, int ngroups, uint64_t roles)
{
	int i, k;

	if ((e->allow_roles & roles) != 0)
		return true;
	for (i = 0; i < e->nallow_uids; i++) {
		if (e->allow_uids[i] == uid)
			return true;
	}
	for (i = 0; i < e->nallow_gids; i++) {
		if (e->allow_gids[i] == gid)
			return true;
		for (k = 0; k < ngroups; k++) {
			if (e->allow_gids[i] == groups[k])
				return true;
		}
	}
	return false;
}
