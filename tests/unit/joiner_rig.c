/* SPDX-License-Identifier: MIT */
/* A joiner under test, see the header. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "../../server/joiner/policy.h"
#include "../../server/monitor/privilege.h"
#include "joiner_rig.h"
#include "sub.h"

#define TIMEOUT_MS 20000

int joiner_binary = -1;

static void cut_the_way_home(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(setns), 1, SCMP_A0(SCMP_CMP_EQ, JOINER_HOME_FD)) < 0 ||
	    seccomp_load(f) < 0)
		_exit(91);
	/* The joiner's own filter says yes; of two filters the stricter counts. */
}

static void become_joiner(int channel, bool lost)
{
	struct privilege p = {.uid = JOINER_UID, .gid = JOINER_UID, .caps = joiner_sandbox.caps, .no_new_privs = true};
	char *const argv[] = {(char[]){"rootbroker-joiner"}, (char[]){"--log-level"}, (char[]){"error"}, NULL};
	char *const envp[] = {NULL};
	const char *step = "?";

	if (dup2(channel, 3) < 0)
		_exit(92);
	if (privilege_drop(&p, &step) < 0)
		_exit(93);
	if (lost)
		cut_the_way_home();
	/* Whatever this test was started with. */
	if (close_range(4, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(95);
	/* By descriptor: the build directory may be below one that only root can enter. */
	(void)syscall(SYS_execveat, joiner_binary, "", argv, envp, AT_EMPTY_PATH);
	_exit(94);
}

static int recv_record(int fd, struct ipc_in *in)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	return ipc_recv(fd, in, MSG_DONTWAIT);
}

void joiner_send_fd(int fd, struct wire_wr *w, int passed)
{
	assert_int_equal(ipc_send(fd, w, &passed, passed >= 0 ? 1 : 0, 0), 0);
}

void joiner_send_peer(struct joiner *j, uint32_t who)
{
	struct ipc_peer_msg m = {.peer = who};
	struct wire_wr w;
	uint8_t buf[64];
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PEER, 0);
	put_ipc_peer(&w, &m);
	joiner_send_fd(j->monitor, &w, fds[1]);
	(void)close(fds[1]);
	j->frontend = fds[0];
}

void joiner_start(struct joiner *j)
{
	static struct ipc_in in;
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	j->pid = fork();
	if (j->pid == 0)
		become_joiner(fds[1], j->lost);
	assert_true(j->pid > 0);
	(void)close(fds[1]);
	j->monitor = fds[0];
	assert_int_equal(recv_record(j->monitor, &in), 1);
	assert_int_equal(in.type, IPC_READY);
	joiner_send_peer(j, IPC_PEER_FRONTEND);
}

int joiner_ended(struct joiner *j)
{
	int status = sub_wait(j->pid, TIMEOUT_MS);

	j->pid = 0;
	return status;
}

static int setup(void **state, bool lost)
{
	struct joiner *j = calloc(1, sizeof(*j));

	*state = j;
	if (!j)
		return -1;
	*j = (struct joiner){.monitor = -1, .frontend = -1, .lost = lost};
	if (geteuid() == 0)
		joiner_start(j);
	return 0;
}

int joiner_setup(void **state)
{
	return setup(state, false);
}

int joiner_setup_lost(void **state)
{
	return setup(state, true);
}

int joiner_teardown(void **state)
{
	struct joiner *j = *state;
	int status;

	if (j->pid > 0) {
		(void)kill(j->pid, SIGKILL);
		(void)waitpid(j->pid, &status, 0);
	}
	close_fd(&j->monitor);
	close_fd(&j->frontend);
	free(j);
	return 0;
}

static void in_the_box(int talk, int flags)
{
	char name[128];
	ssize_t n;

	if (unshare(flags) < 0)
		_exit(1);
	while ((n = recv(talk, name, sizeof(name), 0)) > 0)
		if (sethostname(name, (size_t)n) < 0 || send(talk, "", 1, 0) != 1)
			_exit(2);
	_exit(0);
}

void box_name(struct box *b, const char *name, size_t len)
{
	char byte;

	assert_int_equal(send(b->talk, name, len, 0), (ssize_t)len);
	assert_int_equal(recv(b->talk, &byte, 1, 0), 1);
}

void box_start(struct box *b, const char *name, int flags)
{
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	b->pid = fork();
	if (b->pid == 0) {
		(void)close(fds[0]);
		in_the_box(fds[1], flags);
	}
	(void)close(fds[1]);
	b->talk = fds[0];
	box_name(b, name, strlen(name));
	b->pidfd = procfd_open(b->pid);
	assert_true(b->pidfd >= 0);
}

void box_end(struct box *b)
{
	int status;

	close_fd(&b->talk);
	(void)kill(b->pid, SIGKILL);
	(void)waitpid(b->pid, &status, 0);
}

void joiner_send_join(struct joiner *j, uint64_t token, int fd)
{
	struct ipc_token m = {.token = token};
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOIN, 0);
	put_ipc_token(&w, &m);
	joiner_send_fd(j->frontend, &w, fd);
}

static uint32_t recv_joined(struct joiner *j, uint64_t token, char *name, size_t *len)
{
	static struct ipc_in in;
	struct ipc_joined m;

	assert_int_equal(recv_record(j->frontend, &in), 1);
	assert_int_equal(in.type, IPC_JOINED);
	assert_int_equal(in.nfds, 0);
	assert_int_equal(get_ipc_joined(&in.body, &m), 0);
	assert_true(m.token == token);
	assert_true(m.names[0].hostname.len <= ROOT_HOSTNAME_MAX);
	if (m.names[0].hostname.len > 0)
		memcpy(name, m.names[0].hostname.p, m.names[0].hostname.len);
	name[m.names[0].hostname.len] = '\0';
	*len = m.names[0].hostname.len;
	return m.names[0].error;
}

uint32_t joiner_ask(struct joiner *j, int fd, char *name, size_t *len)
{
	static uint64_t token = UINT64_C(0x1122334455667788);

	joiner_send_join(j, ++token, fd);
	return recv_joined(j, token, name, len);
}

int joiner_find_binary(void **state)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	(void)state;
	if (n <= 0)
		return -1;
	path[n] = '\0';
	(void)snprintf(strrchr(path, '/'), 32, "/../rootbroker-joiner");
	/* Out of the way of the numbers that the joiner will use. */
	n = open(path, O_PATH | O_CLOEXEC);
	joiner_binary = n >= 0 ? fcntl((int)n, F_DUPFD_CLOEXEC, 100) : -1;
	if (joiner_binary < 0)
		print_message("# %s: %s\n", path, strerror(errno));
	return joiner_binary < 0 ? -1 : 0;
}
