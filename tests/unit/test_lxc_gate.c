/* SPDX-License-Identifier: MIT */
/* The gate to LXC's sockets: only to who owns the lxcpath, only below it, only three fixed requests. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/monitor/lxc_gate.h"
#include "monitor_rig.h"
#include "sub.h"

#define NOBODY 65534

/* Exists and is ours: a new one for each test. */
static char lxcpath[64];
static char crun[] = "crun", lxc[] = "lxc", nowhere[] = "/nowhere";
static struct ipc_lxc_ask question;

static int start(void **state)
{
	(void)state;
	rig_start();
	(void)strcpy(lxcpath, "/tmp/rootbroker-test-lxc.XXXXXX");
	assert_non_null(mkdtemp(lxcpath));
	rig.config.dirs[0] = (struct engine_dir){crun, nowhere};
	rig.config.dirs[1] = (struct engine_dir){lxc, nowhere};
	rig.config.dirs[2] = (struct engine_dir){lxc, lxcpath};
	rig.config.ndirs = 3;
	question = (struct ipc_lxc_ask){.token = 42, .path = 2, .command = IPC_LXC_STATE, .name = STR("web")};
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)rmdir(lxcpath);
	rig_end();
	return 0;
}

static int listen_at(struct str name)
{
	struct sockaddr_un address;
	socklen_t len = lxc_gate_address(lxcpath, name, &address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 1) < 0)
		return -1;
	return fd;
}

static void the_address_is_lxcs_own(void **state)
{
	struct sockaddr_un a;
	char name[128];
	socklen_t len = lxc_gate_address("/var/lib/lxc", STR("web"), &a);

	(void)state;
	assert_int_equal(a.sun_family, AF_UNIX);
	assert_int_equal(len, sizeof(sa_family_t) + 1 + strlen("/var/lib/lxc/web/command"));
	assert_memory_equal(a.sun_path, "\0/var/lib/lxc/web/command", len - sizeof(sa_family_t));
	/* 105 bytes are the longest that stand for themselves; a hash takes the place of more. */
	memset(name, 'n', sizeof(name));
	len = lxc_gate_address("/var/lib/lxc", (struct str){name, 105 - strlen("/var/lib/lxc//command")}, &a);
	assert_int_equal(len, sizeof(sa_family_t) + 1 + 105);
	assert_memory_equal(a.sun_path + 1, "/var/lib/lxc/nnn", 16);
	len = lxc_gate_address("/var/lib/lxc", (struct str){name, 106 - strlen("/var/lib/lxc//command")}, &a);
	assert_int_equal(len, sizeof(sa_family_t) + 1 + strlen("lxc/0123456789abcdef/command"));
	assert_memory_equal(a.sun_path + 1, "lxc/", 4);
	assert_memory_equal(a.sun_path + 21, "/command", 8);
}

/* FNV-1a, 64 bits, of "LXCPATH/NAME": computed by another implementation. */
static void the_hash_is_fnv1a(void **state)
{
	struct sockaddr_un a;
	char path[121];

	(void)state;
	path[0] = '/';
	memset(path + 1, 'p', 119);
	path[120] = '\0';
	(void)lxc_gate_address(path, STR("c1"), &a);
	assert_memory_equal(a.sun_path + 1, "lxc/2f73ee85030f8d2f/command", 28);
}

static void names_are_one_component(void **state)
{
	char name[ROOT_ID_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_true(lxc_gate_name_ok(STR("web")));
	assert_true(lxc_gate_name_ok(STR("...")));
	assert_true(lxc_gate_name_ok(STR("a b\xff")));
	assert_true(lxc_gate_name_ok((struct str){name, ROOT_ID_MAX}));
	assert_false(lxc_gate_name_ok((struct str){name, ROOT_ID_MAX + 1}));
	assert_false(lxc_gate_name_ok(STR("")));
	assert_false(lxc_gate_name_ok(STR(".")));
	assert_false(lxc_gate_name_ok(STR("..")));
	assert_false(lxc_gate_name_ok(STR("../web")));
	assert_false(lxc_gate_name_ok(STR("/")));
	assert_false(lxc_gate_name_ok(STR("a\0b")));
}

static void lxd_and_incus_have_lxcpaths_too(void **state)
{
	static char lxd[] = "lxd", incus[] = "incus", podman[] = "podman";

	(void)state;
	rig.config.dirs[0].engine = podman;
	rig.config.dirs[1].engine = lxd;
	rig.config.dirs[2].engine = incus;
	assert_null(lxc_gate_path(&rig.config, 0));
	assert_ptr_equal(lxc_gate_path(&rig.config, 1), nowhere);
	assert_ptr_equal(lxc_gate_path(&rig.config, 2), lxcpath);
	assert_null(lxc_gate_path(&rig.config, 3));
}

static void nonsense_is_refused_and_nothing_done(void **state)
{
	static const struct ipc_lxc_ask wrong[] = {
		{1, 3, IPC_LXC_STATE, {"web", 3}}, /* a path that is not configured */
		{1, 0, IPC_LXC_STATE, {"web", 3}}, /* one of another kind of engine */
		{1, UINT32_MAX, IPC_LXC_STATE, {"web", 3}}, {1, 2, 0, {"web", 3}},
		{1, 2, IPC_LXC_WATCH + 1, {"web", 3}},      {1, 2, IPC_LXC_STATE, {"..", 2}},
		{1, 2, IPC_LXC_STATE, {"a/b", 3}},          {1, 2, IPC_LXC_STATE, {"", 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(lxc_gate_ask(&rig.m, &wrong[i]), -EBADMSG);
		assert_int_equal(rig.nsent, 0);
	}
}

/* Asks, and returns the error of the answer; its descriptor, if any, in @ret_fd. */
static uint32_t ask(int *ret_fd)
{
	struct ipc_lxc_socket answer;

	rig_reset();
	assert_int_equal(lxc_gate_ask(&rig.m, &question), 0);
	assert_int_equal(rig.nsent, 1);
	assert_int_equal(rig.sent[0].to, CONFINED_RESOLVER);
	assert_int_equal(rig.sent[0].type, IPC_LXC_SOCKET);
	assert_int_equal(get_ipc_lxc_socket(&rig.sent[0].in.body, &answer), 0);
	assert_int_equal(answer.token, 42);
	*ret_fd = ipc_take_fd(&rig.sent[0].in);
	assert_true((*ret_fd >= 0) == (answer.error == 0));
	return answer.error;
}

static void a_stopped_container_refuses(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(ask(&fd), ECONNREFUSED);
	/* The first lxcpath is another one, and does not exist. */
	question.path = 1;
	assert_int_equal(ask(&fd), ECONNREFUSED);
}

struct request {
	int cmd, datalen;
	uint64_t data;
};

/* What the listener gets, with the sender's credentials. */
static void expect_request(int listener, int cmd, int datalen)
{
	int fd = accept(listener, NULL, NULL), one = 1, states[9];
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct request request;
	struct iovec iov = {&request, sizeof(request)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct ucred cred;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	assert_int_equal(recvmsg(fd, &msg, MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.cmd, cmd);
	assert_int_equal(request.datalen, datalen);
	assert_int_equal(request.data, 0);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(cred));
	assert_int_equal(cred.pid, getpid());
	assert_int_equal(cred.uid, geteuid());
	if (datalen > 0) {
		assert_int_equal(recv(fd, states, sizeof(states), MSG_DONTWAIT), datalen);
		/* RUNNING would be answered at once instead of being waited for. */
		assert_int_equal(states[2], 0);
		assert_int_not_equal(states[0], 0);
	}
	assert_int_equal(recv(fd, states, 1, MSG_DONTWAIT), -1);
	(void)close(fd);
}

static void three_requests_and_the_socket_is_passed_on(void **state)
{
	static const int commands[][3] = {
		{IPC_LXC_STATE, 3, 0},
		{IPC_LXC_INIT_PIDFD, 18, 0},
		{IPC_LXC_WATCH, 10, 32},
	};
	int listener = listen_at(STR("web")), fd;

	(void)state;
	assert_true(listener >= 0);
	for (size_t i = 0; i < 3; i++) {
		question.command = (uint32_t)commands[i][0];
		assert_int_equal(ask(&fd), 0);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		expect_request(listener, commands[i][1], commands[i][2]);
		(void)close(fd);
	}
	(void)close(listener);
}

/* Nobody accepts: the monitor must not wait for a place in the queue. */
static void a_full_queue_does_not_stop_the_monitor(void **state)
{
	int listener = listen_at(STR("web")), fds[8];
	uint32_t error = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		fds[i] = -1;
	for (int i = 0; i < 8 && error == 0; i++)
		error = ask(&fds[i]);
	assert_int_equal(error, EAGAIN);
	for (int i = 0; i < 8; i++)
		(void)close(fds[i]);
	(void)close(listener);
}

/* Any local user can bind the abstract name of a container that is stopped, and then say that it runs. */
static void an_impostor_is_refused(void **state)
{
	int sync[2], fd;
	pid_t pid;
	char byte;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_int_equal(chan_pair(sync), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(sync[0]);
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) < 0 || listen_at(STR("web")) < 0)
			_exit(1);
		(void)send(sync[1], "x", 1, 0);
		(void)recv(sync[1], &byte, 1, 0);
		_exit(0);
	}
	(void)close(sync[1]);
	assert_int_equal(recv(sync[0], &byte, 1, 0), 1);
	assert_int_equal(ask(&fd), EPERM);
	/* But where the lxcpath is its own, it is who should answer. */
	assert_int_equal(chown(lxcpath, NOBODY, NOBODY), 0);
	assert_int_equal(ask(&fd), 0);
	(void)close(fd);
	(void)close(sync[0]);
	(void)waitpid(pid, NULL, 0);
}

/* And root's own listener does not answer for a user's containers. */
static void the_owner_is_not_simply_root(void **state)
{
	int listener = listen_at(STR("web")), fd;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_int_equal(chown(lxcpath, NOBODY, NOBODY), 0);
	assert_int_equal(ask(&fd), EPERM);
	(void)close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_address_is_lxcs_own),
		TEST(the_hash_is_fnv1a),
		TEST(names_are_one_component),
		TEST(lxd_and_incus_have_lxcpaths_too),
		TEST(nonsense_is_refused_and_nothing_done),
		TEST(a_stopped_container_refuses),
		TEST(three_requests_and_the_socket_is_passed_on),
		TEST(a_full_queue_does_not_stop_the_monitor),
		TEST(an_impostor_is_refused),
		TEST(the_owner_is_not_simply_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
