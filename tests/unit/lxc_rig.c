/* SPDX-License-Identifier: MIT */
/* See lxc_rig.h. */
#include "lxc_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

struct lxc_asked asks[ASKS_MAX];
unsigned nasks, total, fifo_asks;

static void keep_ask(struct lxc_asker *k, const struct ipc_lxc_ask *m)
{
	(void)k;
	assert_true(nasks < ASKS_MAX);
	asks[nasks].m = *m;
	assert_true(str_copy(asks[nasks].name, sizeof(asks[0].name), m->name));
	nasks++;
	total++;
}

static void keep_fifo_ask(struct lxc_asker *k, const struct ipc_lxc_fifo *m)
{
	(void)k;
	(void)m;
	fifo_asks++;
}

int lxc_rig_setup(void **state)
{
	int r = rig_setup(state);
	struct rig *g = *state;

	if (r)
		return r;
	nasks = total = fifo_asks = 0;
	g->asker.send = keep_ask;
	g->asker.send_fifo = keep_fifo_ask;
	g->ctx.run_lxc = strdup(rig_path(g, "run/lxc"));
	g->ctx.cgroup_root = strdup(rig_path(g, "cgroup"));
	rig_mkdir(g, "cgroup");
	rig_mkdir(g, "cgroup/unified");
	(void)rig_engine(g, "lxc", "lxc");
	return 0;
}

int lxc_rig_teardown(void **state)
{
	struct rig *g = *state;
	char *run = (char *)(uintptr_t)g->ctx.run_lxc, *cgroup = (char *)(uintptr_t)g->ctx.cgroup_root;
	int r = rig_teardown(state);

	free(run);
	free(cgroup);
	return r;
}

void lxc_make_container(const struct rig *g, const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "lxc/%s", name);
	rig_mkdir(g, path);
	(void)snprintf(path, sizeof(path), "lxc/%s/config", name);
	rig_put(g, path, "", 0);
}

/* The next question, which is about @name. */
uint64_t lxc_asked(const char *name, enum ipc_lxc_command command)
{
	uint64_t token;

	assert_true(nasks > 0);
	assert_string_equal(asks[0].name, name);
	assert_int_equal(asks[0].m.command, command);
	token = asks[0].m.token;
	memmove(&asks[0], &asks[1], --nasks * sizeof(asks[0]));
	return token;
}

void lxc_refuse(struct rig *g, uint64_t token, int error)
{
	struct ipc_lxc_socket m = {.token = token, .error = (uint32_t)error};

	assert_int_equal(lxc_asker_socket(&g->asker, &m, -1), 0);
	rig_round(g);
}

/* The other end of the connection that the resolver now has. */
int lxc_connected(struct rig *g, uint64_t token)
{
	struct ipc_lxc_socket m = {.token = token};
	int fds[2], one = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	(void)setsockopt(fds[0], SOL_SOCKET, SO_PASSPIDFD, &one, sizeof(one)); /* Linux 6.5 */
	assert_int_equal(lxc_asker_socket(&g->asker, &m, fds[0]), 0);
	return fds[1];
}

void lxc_send_bytes(int fd, const void *bytes, size_t len, const int *passed, int n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), passed, (size_t)n * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &h, MSG_NOSIGNAL), (ssize_t)len);
}

void lxc_turn(struct rig *g)
{
	assert_int_equal(loop_once(&g->loop, 0), 0);
	rig_round(g);
}

void lxc_say(struct rig *g, uint64_t token, const void *bytes, size_t len, const int *passed, int n)
{
	int fd = lxc_connected(g, token);

	if (len > 0)
		lxc_send_bytes(fd, bytes, len, passed, n);
	(void)close(fd);
	lxc_turn(g);
}

void lxc_say_state(struct rig *g, uint64_t token, enum lxc_state state)
{
	struct reply r = {.data = (uint64_t)state};

	lxc_say(g, token, &r, sizeof(r), NULL, 0);
}

void lxc_say_init(struct rig *g, uint64_t token, const struct rig_child *c)
{
	struct reply r = {0};
	int pidfd = procfd_open(c->pid);

	lxc_say(g, token, &r, sizeof(r), &pidfd, 1);
	(void)close(pidfd);
}

/* Registers a watch and leaves it open: what LXC has at its end. */
int lxc_say_watched(struct rig *g, uint64_t token)
{
	struct reply r = {.ret = LXC_STATES, .data = LXC_STATES};
	int fd = lxc_connected(g, token);

	lxc_send_bytes(fd, &r, sizeof(r), NULL, 0);
	lxc_turn(g);
	return fd;
}

/* From "is there" to "runs". Returns LXC's end of the watch. */
int lxc_run_container(struct rig *g, const char *name, const struct rig_child *c)
{
	lxc_say_state(g, lxc_asked(name, IPC_LXC_STATE), LXC_RUNNING);
	lxc_say_init(g, lxc_asked(name, IPC_LXC_INIT_PIDFD), c);
	return lxc_say_watched(g, lxc_asked(name, IPC_LXC_WATCH));
}

void lxc_assert_state(const struct rig *g, const char *name, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "lxc", name);

	assert_non_null(r);
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
	assert_string_equal(r->name, name);
}

/* Lets the questions that follow a hint be asked: time passes. */
void lxc_wait_for_ask(struct rig *g)
{
	for (int i = 0; i < 400 && nasks == 0; i++) {
		assert_int_equal(loop_once(&g->loop, 50), 0);
		rig_round(g);
	}
	assert_true(nasks > 0);
}

/* --- The fifo ---------------------------------------------------------------------------------------------------- */

const char *lxc_fifo_path(const struct rig *g, unsigned dir)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s%s/monitor-fifo", g->ctx.run_lxc, g->dirs[dir].path);
	return path;
}

static void make_fifo(const struct rig *g, unsigned dir)
{
	char path[512], *p;

	strcpy(path, lxc_fifo_path(g, dir));
	for (p = path + strlen(g->tmp) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		(void)mkdir(path, 0755);
	}
	if (mkfifo(path, 0600) < 0)
		assert_int_equal(errno, EEXIST);
}

void lxc_give_fifo(struct rig *g, unsigned dir)
{
	struct ipc_lxc_fifo_end m = {.path = g->dirs[dir].index};
	int fd;

	assert_true(fifo_asks > 0);
	fifo_asks--;
	make_fifo(g, dir);
	fd = open(lxc_fifo_path(g, dir), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, fd), 0);
	rig_round(g);
}

void lxc_refuse_fifo(struct rig *g, unsigned dir, int error)
{
	struct ipc_lxc_fifo_end m = {.path = g->dirs[dir].index, .error = (uint32_t)error};

	assert_true(fifo_asks > 0);
	fifo_asks--;
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, -1), 0);
	rig_round(g);
}

void lxc_write_fifo(const struct rig *g, unsigned dir, const void *bytes, size_t len)
{
	int fd = open(lxc_fifo_path(g, dir), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0); /* ENXIO: nobody reads */
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

void lxc_fifo_says(const struct rig *g, const char *name, int type, int value)
{
	struct message m = {.type = type, .value = value};

	(void)snprintf(m.name, sizeof(m.name), "%s", name);
	lxc_write_fifo(g, 0, &m, sizeof(m));
}
