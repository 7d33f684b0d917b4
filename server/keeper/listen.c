/* SPDX-License-Identifier: MIT */
/*
 * The socket that clients connect to. Runs in: keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "listen.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16; the same number on every architecture that is alive but parisc and sparc */
#endif

struct trouble {
	char *text;
	size_t size;
};

static int refuse(const struct trouble *t, int error, const char *path, const char *what)
{
	(void)snprintf(t->text, t->size, "%s: %s", path, what);
	return -error;
}

static int refuse_errno(const struct trouble *t, const char *path, const char *what)
{
	int error = errno;

	(void)snprintf(t->text, t->size, "%s: %s: %s", path, what, strerror(error));
	return -error;
}

/* @dir has as much room as @path. */
static void directory_of(char *dir, size_t size, const char *path)
{
	char *slash;

	(void)snprintf(dir, size, "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir] = '\0';
}

/* Whoever can write in the directory can put another socket in the place of ours: then no client knows whom it asks.
 * 1: it was not there, and was made. */
static int check_directory(const char *path, const struct trouble *t)
{
	char dir[sizeof(((struct listener *)0)->path)];
	struct stat st;
	int made = 0;

	directory_of(dir, sizeof(dir), path);
	if (mkdir(dir, 0755) == 0) {
		/* The mask may have been odd. */
		if (chmod(dir, 0755) < 0)
			return refuse_errno(t, dir, "cannot set its mode");
		made = 1;
	} else if (errno != EEXIST) {
		return refuse_errno(t, dir, "cannot create the run directory");
	}
	if (lstat(dir, &st) < 0)
		return refuse_errno(t, dir, "cannot look at the run directory");
	if (!S_ISDIR(st.st_mode))
		return refuse(t, ENOTDIR, dir, "is not a directory: remove it, or choose another place with --socket");
	if (st.st_uid != geteuid())
		return refuse(t, EPERM, dir, "is not owned by root: chown it, or choose another place with --socket");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(t, EPERM, dir,
			      "others may write in it: chmod 755 it, or choose another place with --socket");
	return made;
}

static void lock_path(char *buffer, size_t size, const char *path)
{
	(void)snprintf(buffer, size, "%s.lock", path);
}

/* The file is removed at the end, so that it may go between open() and flock(): then it is not the one to hold. */
static int lock_instance(const char *path, const struct trouble *t)
{
	char name[sizeof(((struct listener *)0)->path) + sizeof(".lock")];
	struct stat held, there;

	lock_path(name, sizeof(name), path);
	for (;;) {
		autoclose int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

		if (fd < 0)
			return refuse_errno(t, name, "cannot open the lock file");
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EWOULDBLOCK)
				return refuse(t, EADDRINUSE, path,
					      "another rootbrokerd holds it: stop that one, or choose another place "
					      "with --socket");
			return refuse_errno(t, name, "cannot lock");
		}
		if (fstat(fd, &held) < 0)
			return refuse_errno(t, name, "cannot look at the lock file");
		if (lstat(name, &there) == 0 && there.st_dev == held.st_dev && there.st_ino == held.st_ino)
			return take_fd(&fd);
	}
}

static void fill_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(a->sun_path, path, strlen(path) + 1);
}

/* Makes the path free, unless it is anybody's. */
static int clear_path(const char *path, const struct trouble *t)
{
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	struct stat st;

	if (fd < 0)
		return refuse_errno(t, path, "cannot create a socket");
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : refuse_errno(t, path, "cannot look at it");
	if (!S_ISSOCK(st.st_mode))
		return refuse(t, EEXIST, path,
			      "exists and is not a socket: move it away, or choose another place with --socket");
	fill_address(&address, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED)
		return unlink(path) < 0 ? refuse_errno(t, path, "cannot remove the stale socket") : 0;
	/* Connected, or a full queue, or another kind of socket: somebody listens. */
	return refuse(t, EADDRINUSE, path, "a server listens there: stop it, or choose another place with --socket");
}

static int bind_there(const char *path, const struct trouble *t)
{
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	mode_t mask;
	int r, zero = 0;

	if (fd < 0)
		return refuse_errno(t, path, "cannot create a socket");
	/* No client has a reason to send descriptors: the kernel refuses them at the sender. Connections inherit it. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &zero, sizeof(zero)) < 0 && errno != ENOPROTOOPT)
		return refuse_errno(t, path, "cannot refuse descriptors");
	fill_address(&address, path);
	/* Nobody else's until it is complete. */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	(void)umask(mask);
	if (r < 0)
		return refuse_errno(t, path, "cannot bind");
	if (listen(fd, LISTEN_BACKLOG) < 0 || chmod(path, 0666) < 0) {
		r = refuse_errno(t, path, "cannot listen");
		(void)unlink(path);
		return r;
	}
	return take_fd(&fd);
}

int listen_at(struct listener *l, const char *path, char *ret_error, size_t size)
{
	struct trouble t = {ret_error, size};
	struct listener fresh = LISTENER_NONE;
	int r, made;

	if (l->fd >= 0)
		return strcmp(l->path, path) == 0
			       ? 0
			       : refuse(&t, EBUSY, path,
					"listening elsewhere already: restart rootbrokerd to move its socket");
	if (path[0] != '/' || path[strlen(path) - 1] == '/')
		return refuse(&t, EINVAL, path, "is not the absolute path of a socket");
	if (strlen(path) >= sizeof(fresh.path))
		return refuse(&t, ENAMETOOLONG, path, "is longer than the 107 bytes of a socket's address");
	memcpy(fresh.path, path, strlen(path) + 1);
	made = check_directory(path, &t);
	if (made < 0)
		return made;
	r = fresh.lock = lock_instance(path, &t);
	if (r >= 0)
		r = clear_path(path, &t);
	if (r == 0)
		r = fresh.fd = bind_there(path, &t);
	if (r >= 0) {
		*l = fresh;
		return 0;
	}
	listen_end(&fresh);
	if (made) {
		directory_of(fresh.path, sizeof(fresh.path), path);
		(void)rmdir(fresh.path);
	}
	return r;
}

void listen_end(struct listener *l)
{
	char name[sizeof(l->path) + sizeof(".lock")];

	if (l->fd >= 0)
		(void)unlink(l->path);
	if (l->lock >= 0) {
		/* While it is held: afterwards it may be the next instance's. */
		lock_path(name, sizeof(name), l->path);
		(void)unlink(name);
	}
	close_fd(&l->fd);
	close_fd(&l->lock);
}
