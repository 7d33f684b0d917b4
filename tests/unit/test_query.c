/* SPDX-License-Identifier: MIT */
/*
 * Answers about containers: that "no" is never said too early, and a dead container never shown as running.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "frontend_rig.h"

static struct rig rig;
static struct reply reply;

static int setup(void **state)
{
	(void)state;
	rig_setup_served(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_teardown_served(&rig);
	return 0;
}

static const uint16_t lookups[] = {MSG_CONTAINER_HOSTNAME, MSG_CONTAINER_PID, MSG_CONTAINER_CGROUP, MSG_CONTAINER_GET};

/* --- Answers ----------------------------------------------------------------------------------------------------- */

static void expect_container(uint32_t serial, struct container_record *m)
{
	client_expect(rig.client, &reply, MSG_CONTAINER, serial);
	assert_int_equal(get_container_record(&reply.body, m), 0);
}

static void test_answers(void **state)
{
	struct container_record m;
	struct cgroup_reply c;
	struct stat asked, sent;
	uint64_t token;
	int pidfd;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "web");
	client_expect_pid(rig.client, 1, 4711);
	client_ask(&rig, rig.client, MSG_CONTAINER_CGROUP, 2, "podman:abcdef");
	client_expect(rig.client, &reply, MSG_CGROUP, 2);
	assert_int_equal(get_cgroup_reply(&reply.body, &c), 0);
	assert_true(str_eq(c.cgroup, STR("/the/cgroup")));
	client_ask(&rig, rig.client, MSG_CONTAINER_GET, 3, "web");
	expect_container(3, &m);
	assert_int_equal(m.pid, 4711);
	assert_int_equal(m.state, ROOT_CONTAINER_RUNNING);
	assert_true(str_eq(m.engine, STR("podman")) && str_eq(m.id, STR("abcdef0123")) && str_eq(m.name, STR("web")));
	assert_true(str_eq(m.cgroup, STR("/the/cgroup")));

	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 4, "web");
	client_expect_nothing(rig.client);
	token = rig_expect_join(&rig, &pidfd);
	assert_int_equal(fstat(pidfd, &sent), 0);
	assert_int_equal(fstat(rig.alive, &asked), 0);
	assert_int_equal(sent.st_ino, asked.st_ino);
	(void)close(pidfd);
	rig_joined(&rig, token, 0, "host\xff\n");
	client_expect_hostname(rig.client, 4, "host\xff\n");
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 5, "web");
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "");
	client_expect_hostname(rig.client, 5, "");
	/* a hit costs no question to the resolver */
	rig_expect_nothing(&rig, rig.resolver);
}

/* Created and paused containers have a live init: they answer like running ones. */
static void test_states_with_live_init(void **state)
{
	static const uint32_t states[] = {ROOT_CONTAINER_CREATED, ROOT_CONTAINER_PAUSED, ROOT_CONTAINER_STOPPING};
	struct container_record m = {
		.rid = 30, .pid = 5, .engine = STR("crun"), .id = STR("c"), .name = STR(""), .cgroup = STR("/")};
	struct container_record got;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		m.state = states[i];
		(void)put_container_record(rig_begin(IPC_INDEX_PUT, 0), &m);
		rig_send(&rig, rig.resolver, &rig.alive, 1);
		client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "c");
		client_expect_pid(rig.client, 1, 5);
		client_ask(&rig, rig.client, MSG_CONTAINER_GET, 2, "c");
		expect_container(2, &got);
		assert_int_equal(got.state, states[i]);
		assert_int_equal(got.pid, 5);
	}
}

static void test_errors_say_what_to_do(void **state)
{
	char longest[ROOT_NAME_MAX + 1];

	(void)state;
	rig_put(&rig, 30, "lxc", "web", "x", 1, rig.alive);
	rig_put(&rig, 31, "crun", "web", "", 1, rig.alive);
	rig_put(&rig, 32, "podman", "ffff1", "twin", 1, rig.alive);
	rig_put(&rig, 33, "podman", "ffff2", "twin", 1, rig.alive);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 1, STATUS_AMBIGUOUS,
			    "2 containers of crun, lxc answer to web: say engine:name");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "twin");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 2, STATUS_AMBIGUOUS, "2 containers of podman answer to twin: say the full id");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 3, "ffff");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 3, STATUS_AMBIGUOUS, "prefix ffff: say more of the id");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 4, "fff");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 4, STATUS_NOT_FOUND, "prefix counts from 4 bytes on");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 5, "old");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 5, STATUS_NOT_RUNNING, "lxc has the container old");
	/* client_expect_error() checks that nothing unprintable comes back */
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 6, "\x1b[31mred\xff\n");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 6, STATUS_NOT_FOUND, "?[31mred??");
	memset(longest, 'n', ROOT_NAME_MAX);
	longest[ROOT_NAME_MAX] = '\0';
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 7, longest);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 7, STATUS_NOT_FOUND, "nnn...");
}

static void put_user(uint64_t rid, uint32_t owner, const char *user, const char *name)
{
	struct container_record m = {.rid = rid, .state = ROOT_CONTAINER_RUNNING, .pid = (uint32_t)rid, .owner = owner};

	m.engine = STR("podman");
	m.id = str_of(name);
	m.name = STR("mine");
	m.user = str_of(user);
	m.cgroup = STR("/x");
	rig_put_record(&rig, &m, rig.alive);
}

static void test_users_are_told_apart(void **state)
{
	(void)state;
	put_user(30, 1000, "alice", "aaaa");
	put_user(31, 1001, "", "bbbb");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "mine");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 1, STATUS_AMBIGUOUS,
			    "2 containers of users answer to it: say podman@alice:name or podman@1001:name");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "podman@alice:mine");
	client_expect_pid(rig.client, 2, 30);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 3, "podman@1001:mine");
	client_expect_pid(rig.client, 3, 31);
	put_user(32, 1000, "alice", "aaab");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 4, "podman@alice:mine");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 4, STATUS_AMBIGUOUS, "say the full id");
}

/* --- Sync -------------------------------------------------------------------------------------------------------- */

static void test_miss_asks_resolver(void **state)
{
	uint64_t token;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		client_ask(&rig, rig.client, lookups[i], 1, "nobody");
		client_expect_nothing(rig.client);
		token = rig_expect_sync(&rig);
		rig_expect_nothing(&rig, rig.resolver);
		client_expect_nothing(rig.client);
		rig_synced(&rig, token);
		client_expect_error(rig.client, 1, STATUS_NOT_FOUND, "nobody");
	}
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "new");
	token = rig_expect_sync(&rig);
	rig_put(&rig, 30, "crun", "new", "", 12, rig.alive);
	client_expect_nothing(rig.client);
	rig_synced(&rig, token);
	client_expect_pid(rig.client, 2, 12);
}

/* A SYNC that was under way when the question came may have looked before what the question is about had happened. */
static void test_only_a_later_sync_counts(void **state)
{
	uint64_t first, second;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "one");
	first = rig_expect_sync(&rig);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "two");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 3, "three");
	rig_expect_nothing(&rig, rig.resolver); /* one at a time */
	rig_synced(&rig, first);
	client_expect_error(rig.client, 1, STATUS_NOT_FOUND, "one");
	client_expect_nothing(rig.client);
	second = rig_expect_sync(&rig);
	rig_expect_nothing(&rig, rig.resolver);
	rig_put(&rig, 30, "crun", "two", "", 12, rig.alive);
	rig_synced(&rig, second);
	client_expect_pid(rig.client, 2, 12);
	client_expect_error(rig.client, 3, STATUS_NOT_FOUND, "three");
	rig_expect_nothing(&rig, rig.resolver);
}

static void test_dead_init(void **state)
{
	struct container_record m;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 30, "crun", "dying", "", (uint32_t)pid, pidfd);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "dying");
	client_expect_pid(rig.client, 1, (uint32_t)pid);
	rig_kill(pid);
	for (size_t i = 0; i < 3; i++) {
		client_ask(&rig, rig.client, lookups[i], 2, "dying");
		client_expect_nothing(rig.client);
		rig_synced(&rig, rig_expect_sync(&rig));
		client_expect_error(rig.client, 2, STATUS_NOT_RUNNING, "dying");
	}
	rig_expect_nothing(&rig, rig.joiner);
	/* the whole record is still told, without what died */
	client_ask(&rig, rig.client, MSG_CONTAINER_GET, 3, "dying");
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(3, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(m.pid, 0);
	assert_int_equal(m.cgroup.len, 0);
	/* it was restarted, and the resolver has just found out */
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 4, "dying");
	rig_put(&rig, 30, "crun", "dying", "", 77, rig.alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_pid(rig.client, 4, 77);
	/* a record whose pid comes without a pidfd cannot be checked, and is not believed */
	rig_put(&rig, 30, "crun", "dying", "", 77, -1);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 5, "dying");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 5, STATUS_NOT_RUNNING, "dying");
	(void)close(pidfd);
}

static void test_stopped_may_have_been_started(void **state)
{
	struct container_record m;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_GET, 1, "old");
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(1, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	client_ask(&rig, rig.client, MSG_CONTAINER_GET, 2, "old");
	rig_put(&rig, 20, "lxc", "old", "old", 5, rig.alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(2, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(m.pid, 5);
}

static void test_removed_while_asked(void **state)
{
	uint64_t token;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 1, "web");
	token = rig_expect_join(&rig, NULL);
	rig_remove(&rig, 10);
	/* its init lives: the answer was true when it was read */
	rig_joined(&rig, token, 0, "name");
	client_expect_hostname(rig.client, 1, "name");
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 2, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "web");
}

/* A UTS namespace outlives its processes: a name that was read is not a sign of life. */
static void test_dies_while_hostname_is_read(void **state)
{
	uint64_t token;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 30, "crun", "dying", "", (uint32_t)pid, pidfd);
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 1, "dying");
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 2, "dying");
	token = rig_expect_join(&rig, NULL);
	rig_kill(pid);
	rig_joined(&rig, token, 0, "ghost");
	client_expect_nothing(rig.client);
	rig_put(&rig, 30, "crun", "dying", "", 77, rig.alive);
	rig_joined(&rig, rig_expect_join(&rig, NULL), ESRCH,
		   ""); /* the second question: the same death, told by the joiner */
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "risen");
	client_expect_hostname(rig.client, 1, "risen");
	/* and if it says so again, that is final: no endless loop between the two */
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_joined(&rig, rig_expect_join(&rig, NULL), ESRCH, "");
	client_expect_error(rig.client, 2, STATUS_NOT_RUNNING, "dying");
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 3, "dying");
	rig_joined(&rig, rig_expect_join(&rig, NULL), EPERM, "");
	client_expect_error(rig.client, 3, STATUS_TRY_AGAIN, "not permitted");
	(void)close(pidfd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_answers),
		T(test_states_with_live_init),
		T(test_errors_say_what_to_do),
		T(test_users_are_told_apart),
		T(test_miss_asks_resolver),
		T(test_only_a_later_sync_counts),
		T(test_dead_init),
		T(test_stopped_may_have_been_started),
		T(test_removed_while_asked),
		T(test_dies_while_hostname_is_read),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
