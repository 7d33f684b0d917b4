/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char root[64];

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(99);
}

int tree_make(void **state)
{
	/* Where root's files may be executed: many hosts mount /run noexec. */
	static const char *const places[] = {"/run", "/var/lib", "/opt"};
	struct statvfs fs;
	size_t i;

	(void)state;
	if (geteuid() != 0)
		return 0;
	(void)umask(022);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (statvfs(places[i], &fs) < 0 || (fs.f_flag & (ST_NOEXEC | ST_RDONLY)) != 0)
			continue;
		(void)snprintf(root, sizeof(root), "%s/rootbroker-test-%d", places[i], (int)getpid());
		must(mkdir(root, 0755) == 0, root);
		return 0;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

int tree_remove(void **state)
{
	(void)state;
	if (root[0] != '\0')
		(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	root[0] = '\0';
	return 0;
}

bool tree_ready(void)
{
	return root[0] != '\0';
}

const char *tree_path(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned n;
	char *path = paths[n++ % 8];

	(void)snprintf(path, PATH_MAX, "%s%s%s", root, name[0] != '\0' ? "/" : "", name);
	return path;
}

void tree_file(const char *name, mode_t mode, const char *text)
{
	const char *path = tree_path(name);
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0, path);
	(void)close(fd);
}

void tree_dir(const char *name, mode_t mode)
{
	const char *path = tree_path(name);

	(void)mkdir(path, 0755);
	must(chmod(path, mode) == 0, path);
}

void tree_link(const char *target, const char *name)
{
	const char *path = tree_path(name);

	(void)unlink(path);
	must(symlink(target, path) == 0, path);
}

void tree_copy_self(const char *name)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	struct stat st;

	must(from >= 0 && fstat(from, &st) == 0, "/proc/self/exe");
	to = open(tree_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	must(to >= 0, name);
	while (st.st_size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)st.st_size);

		must(n > 0, name);
		st.st_size -= n;
	}
	(void)close(from);
	(void)close(to);
}
