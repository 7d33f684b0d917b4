/* SPDX-License-Identifier: MIT */
/* LXC's fifo of changes. Runs in: monitor. See lxc_fifo.h. */
#include "lxc_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "lxc_gate.h"
#include "monitor.h"

#define RUN "/run" /* of LXC when root runs it */
#define FIFO "monitor-fifo"

/* Root's, and nobody else can put something else in its place, or write to it. */
static bool only_roots(const struct stat *st)
{
	return st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory @name of @dir, made if need be. Takes @dir. */
static int step(int dir, const char *name)
{
	autoclose int from = dir;
	autoclose int fd = -1;
	struct stat st;

	if (mkdirat(from, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return only_roots(&st) ? take_fd(&fd) : -EPERM;
}

/* RUN/lxc/LXCPATH, step by step: what is checked is what is entered. */
static int open_directory(const char *run, const char *lxcpath)
{
	char path[IPC_PATH_MAX + 1], *rest = path, *name;
	int fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!str_copy(path, sizeof(path), str_of(lxcpath))) {
		(void)close(fd);
		return -ENAMETOOLONG;
	}
	fd = step(fd, "lxc");
	while (fd >= 0 && (name = strsep(&rest, "/"))) {
		if (strcmp(name, "..") == 0) {
			(void)close(fd);
			return -EPERM;
		}
		if (name[0] && strcmp(name, ".") != 0)
			fd = step(fd, name);
	}
	return fd;
}

/* An lxc-monitord holds a lock while it reads. We never take it: one that is being started would take us for another, and end. */
static int check_unlocked(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

int lxc_fifo_open(const char *run, const char *lxcpath)
{
	autoclose int dir = -1, fd = -1;
	struct stat st;
	int r;

	if (stat(lxcpath, &st) < 0)
		return -errno;
	if (st.st_uid != 0)
		return -EPERM;
	dir = open_directory(run, lxcpath);
	if (dir < 0)
		return dir;
	if (mknodat(dir, FIFO, S_IFIFO | S_IRUSR | S_IWUSR, 0) < 0 && errno != EEXIST)
		return -errno;
	/* For reading alone: who gets it must not be able to tell lxc-monitor(1) anything. */
	fd = openat(dir, FIFO, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISFIFO(st.st_mode) || !only_roots(&st))
		return -EPERM;
	r = check_unlocked(fd);
	return r < 0 ? r : take_fd(&fd);
}

int lxc_fifo_ask(struct monitor *m, const struct ipc_lxc_fifo *q)
{
	const char *lxcpath = lxc_gate_path(m->config, q->path);
	struct ipc_lxc_fifo_end answer = {.path = q->path};
	autoclose int fd = -1;
	uint8_t buf[64];
	struct wire_wr w;

	if (!lxcpath)
		return -EBADMSG;
	fd = lxc_fifo_open(RUN, lxcpath);
	if (fd < 0)
		answer.error = (uint32_t)-fd;
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_LXC_FIFO_END, 0);
	(void)put_ipc_lxc_fifo_end(&w, &answer);
	confined_send(&m->confined[CONFINED_RESOLVER], &w, &fd, fd >= 0 ? 1 : 0);
	return 0;
}
