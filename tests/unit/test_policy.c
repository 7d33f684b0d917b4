/* SPDX-License-Identifier: MIT */
/* Who a client is: by the kernel's word at connect, and root only when it is the host's. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/ipc.h"
#include "../../server/monitor/policy.h"
#include "sub.h"

#define NOBODY 65534

/* A child that becomes what @become makes of it, connects to us, and stays until it is told to go. */
struct client {
	int listener, fd, gate;
	pid_t pid;
};

static struct client connect_as(int (*become)(void))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);
	struct client c = {.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), .fd = -1};
	int gate[2];

	assert_int_equal(bind(c.listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(c.listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(c.listener, 1), 0);
	assert_int_equal(chan_pair(gate), 0);
	c.gate = gate[0];
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		char byte;

		(void)close(gate[0]);
		if (become() < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
			_exit(1);
		(void)recv(gate[1], &byte, 1, 0);
		_exit(0);
	}
	(void)close(gate[1]);
	/* One that could not become what the test is about will never come. */
	assert_int_equal(poll(&(struct pollfd){.fd = c.listener, .events = POLLIN}, 1, 10000), 1);
	c.fd = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c.fd >= 0);
	return c;
}

static void let_go(struct client *c)
{
	(void)close(c->gate);
	(void)waitpid(c->pid, NULL, 0);
	(void)close(c->fd);
	(void)close(c->listener);
}

static int as_is(void)
{
	return 0;
}

static int many_groups(void)
{
	gid_t groups[200];

	for (gid_t i = 0; i < 200; i++)
		groups[i] = 5000 + i;
	return setgroups(200, groups) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0
		       ? -1
		       : 0;
}

static int no_groups(void)
{
	return setgroups(0, NULL) < 0 || setresgid(4, 4, 4) < 0 || setresuid(1000, 1000, 1000) < 0 ? -1 : 0;
}

static int own_uts(void)
{
	return unshare(CLONE_NEWUTS);
}

static int own_user(void)
{
	return unshare(CLONE_NEWUSER);
}

/* The namespace is of the children: the one that connects is the first of them. */
static int own_pid(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return -1;
	pid = fork();
	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
		_exit(0);
	}
	return pid;
}

static void a_client_is_who_the_kernel_says(void **state)
{
	struct client c = connect_as(as_is);
	struct peer p;

	(void)state;
	assert_int_equal(policy_peer(c.fd, &p), 0);
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.gid, getegid());
	assert_int_equal(p.pid, c.pid);
	assert_true(p.host);
	policy_peer_free(&p);
	let_go(&c);
}

static void all_groups_count(void **state)
{
	struct client c;
	struct peer p;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	c = connect_as(many_groups);
	assert_int_equal(policy_peer(c.fd, &p), 0);
	assert_int_equal(p.uid, NOBODY);
	assert_int_equal(p.ngroups, 200);
	for (int i = 0; i < 200; i++)
		assert_in_range(p.groups[i], 5000, 5199);
	policy_peer_free(&p);
	let_go(&c);
	c = connect_as(no_groups);
	assert_int_equal(policy_peer(c.fd, &p), 0);
	assert_int_equal(p.uid, 1000);
	assert_int_equal(p.gid, 4);
	assert_int_equal(p.ngroups, 0);
	policy_peer_free(&p);
	let_go(&c);
}

static void whoever_has_another_namespace_is_not_of_the_host(void **state)
{
	static int (*const become[])(void) = {own_uts, own_user, own_pid};

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	for (size_t i = 0; i < sizeof(become) / sizeof(become[0]); i++) {
		struct client c = connect_as(become[i]);
		struct peer p;

		assert_int_equal(policy_peer(c.fd, &p), 0);
		if (p.host)
			fail_msg("namespace %zu: taken for the host's", i);
		policy_peer_free(&p);
		let_go(&c);
	}
}

/* Its socket may be anybody's by now. */
static void a_process_that_is_gone_is_not_of_the_host(void **state)
{
	struct client c = connect_as(as_is);
	struct peer p;

	(void)state;
	(void)close(c.gate);
	(void)waitpid(c.pid, NULL, 0);
	c.gate = -1;
	assert_int_equal(policy_peer(c.fd, &p), 0);
	assert_false(p.host);
	policy_peer_free(&p);
	(void)close(c.fd);
	(void)close(c.listener);
}

static void no_credentials_no_peer(void **state)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), pipes[2];
	struct peer p;

	(void)state;
	/* Not connected: pid 0. */
	assert_int_equal(policy_peer(fd, &p), -EPERM);
	(void)close(fd);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(policy_peer(pipes[0], &p), -ENOTSOCK);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

/* --- Rights ------------------------------------------------------------------------------------------------------ */

static uid_t uids[] = {0, 1000};
static gid_t gids[] = {50};
static uid_t nobody[] = {NOBODY};
static struct role roles[] = {
	{.name = (char[]){"a"}, .uids = uids, .nuids = 2, .rights = RIGHT_ALL},
	{.name = (char[]){"b"}, .gids = gids, .ngids = 1, .rights = RIGHT_PID},
	{.name = (char[]){"c"}, .uids = nobody, .nuids = 1, .gids = gids, .ngids = 1, .rights = RIGHT_CGROUP},
};
static const struct config config = {.roles = roles, .nroles = 3};

static void roles_fit_by_uid_gid_or_group(void **state)
{
	gid_t groups[] = {7, 50};
	static const struct {
		struct peer p;
		bool groups;
		uint32_t rights;
		uint64_t roles;
	} cases[] = {
		{{.uid = 1000, .gid = 1000}, false, RIGHT_ALL, 1},
		{{.uid = 1001, .gid = 1001}, false, 0, 0},
		{{.uid = 1001, .gid = 50}, false, RIGHT_PID | RIGHT_CGROUP, 6},
		{{.uid = 1001, .gid = 1001}, true, RIGHT_PID | RIGHT_CGROUP, 6},
		{{.uid = NOBODY, .gid = NOBODY}, false, RIGHT_CGROUP, 4},
		{{.uid = 1000, .gid = 50}, false, RIGHT_ALL, 7},
		{{.uid = 50, .gid = 1000}, false, 0, 0},
		{{.uid = 0, .gid = 0, .host = true}, false, RIGHT_ALL, 1},
		/* Root of a container: not by its uid, nor by a group. */
		{{.uid = 0, .gid = 0}, false, 0, 0},
		{{.uid = 0, .gid = 50}, true, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer p = cases[i].p;
		uint32_t rights = 99;
		uint64_t fits = 99;

		if (cases[i].groups) {
			p.groups = groups;
			p.ngroups = 2;
		}
		policy_rights(&config, &p, &rights, &fits);
		if (rights != cases[i].rights || fits != cases[i].roles)
			fail_msg("case %zu: rights %u roles %llu", i, rights, (unsigned long long)fits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_who_the_kernel_says),
		cmocka_unit_test(all_groups_count),
		cmocka_unit_test(whoever_has_another_namespace_is_not_of_the_host),
		cmocka_unit_test(a_process_that_is_gone_is_not_of_the_host),
		cmocka_unit_test(no_credentials_no_peer),
		cmocka_unit_test(roles_fit_by_uid_gid_or_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
