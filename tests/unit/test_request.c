/* SPDX-License-Identifier: MIT */
/*
 * Requests: what is answered, when, and to whom. That "no" is never said too early, a dead container never shown as running, and
 * nothing is lost when one of the other processes is replaced in the middle.
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
static int client, alive;

static int setup(void **state)
{
	(void)state;
	rig_setup(&rig);
	alive = rig_pidfd();
	rig_put(&rig, 10, "podman", "abcdef0123", "web", 4711, alive);
	rig_put(&rig, 20, "lxc", "old", "old", 0, -1);
	client = rig_client(&rig, RIGHT_ALL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(rig.f.park.count, 0);
	client_expect_nothing(client);
	close_fd(&client);
	close_fd(&alive);
	rig_teardown(&rig);
	return 0;
}

static const uint16_t lookups[] = {MSG_CONTAINER_HOSTNAME, MSG_CONTAINER_PID, MSG_CONTAINER_CGROUP, MSG_CONTAINER_GET};

/* --- Answers ----------------------------------------------------------------------------------------------------- */

static void expect_container(uint32_t serial, struct container_record *m)
{
	client_expect(client, &reply, MSG_CONTAINER, serial);
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
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "web");
	client_expect_pid(client, 1, 4711);
	client_ask(&rig, client, MSG_CONTAINER_CGROUP, 2, "podman:abcdef");
	client_expect(client, &reply, MSG_CGROUP, 2);
	assert_int_equal(get_cgroup_reply(&reply.body, &c), 0);
	assert_true(str_eq(c.cgroup, STR("/the/cgroup")));
	client_ask(&rig, client, MSG_CONTAINER_GET, 3, "web");
	expect_container(3, &m);
	assert_int_equal(m.pid, 4711);
	assert_int_equal(m.state, ROOT_CONTAINER_RUNNING);
	assert_true(str_eq(m.engine, STR("podman")) && str_eq(m.id, STR("abcdef0123")) && str_eq(m.name, STR("web")));
	assert_true(str_eq(m.cgroup, STR("/the/cgroup")));

	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 4, "web");
	client_expect_nothing(client);
	token = rig_expect_join(&rig, &pidfd);
	assert_int_equal(fstat(pidfd, &sent), 0);
	assert_int_equal(fstat(alive, &asked), 0);
	assert_int_equal(sent.st_ino, asked.st_ino);
	(void)close(pidfd);
	rig_joined(&rig, token, 0, "host\xff\n");
	client_expect_hostname(client, 4, "host\xff\n");
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 5, "web");
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "");
	client_expect_hostname(client, 5, "");
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
		rig_send(&rig, rig.resolver, &alive, 1);
		client_ask(&rig, client, MSG_CONTAINER_PID, 1, "c");
		client_expect_pid(client, 1, 5);
		client_ask(&rig, client, MSG_CONTAINER_GET, 2, "c");
		expect_container(2, &got);
		assert_int_equal(got.state, states[i]);
		assert_int_equal(got.pid, 5);
	}
}

static void test_errors_say_what_to_do(void **state)
{
	char longest[ROOT_NAME_MAX + 1];

	(void)state;
	rig_put(&rig, 30, "lxc", "web", "x", 1, alive);
	rig_put(&rig, 31, "crun", "web", "", 1, alive);
	rig_put(&rig, 32, "podman", "ffff1", "twin", 1, alive);
	rig_put(&rig, 33, "podman", "ffff2", "twin", 1, alive);
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 1, STATUS_AMBIGUOUS, "2 containers of crun, lxc answer to web: say engine:name");
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "twin");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 2, STATUS_AMBIGUOUS, "2 containers of podman answer to twin: say the full id");
	client_ask(&rig, client, MSG_CONTAINER_PID, 3, "ffff");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 3, STATUS_AMBIGUOUS, "prefix ffff: say more of the id");
	client_ask(&rig, client, MSG_CONTAINER_PID, 4, "fff");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 4, STATUS_NOT_FOUND, "prefix counts from 4 bytes on");
	client_ask(&rig, client, MSG_CONTAINER_PID, 5, "old");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 5, STATUS_NOT_RUNNING, "lxc has the container old");
	/* client_expect_error() checks that nothing unprintable comes back */
	client_ask(&rig, client, MSG_CONTAINER_PID, 6, "\x1b[31mred\xff\n");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 6, STATUS_NOT_FOUND, "?[31mred??");
	memset(longest, 'n', ROOT_NAME_MAX);
	longest[ROOT_NAME_MAX] = '\0';
	client_ask(&rig, client, MSG_CONTAINER_PID, 7, longest);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 7, STATUS_NOT_FOUND, "nnn...");
}

static void test_rights(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t right;
		const char *name;
	} needs[] = {
		{MSG_CONTAINER_HOSTNAME, RIGHT_HOSTNAME, "\"hostname\""},
		{MSG_CONTAINER_PID, RIGHT_PID, "\"pid\""},
		{MSG_CONTAINER_CGROUP, RIGHT_CGROUP, "\"cgroup\""},
		{MSG_CONTAINER_GET, RIGHT_INSPECT, "\"inspect\""},
		{MSG_CONTAINER_LIST, RIGHT_INSPECT, "\"inspect\""},
		{MSG_PROGRAM_LIST, RIGHT_PROGRAMS, "\"programs\""},
		{MSG_PROCESS_WAIT, RIGHT_PROGRAMS, "\"programs\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		int fd = rig_client(&rig, RIGHT_ALL & ~needs[i].right);

		if (needs[i].type == MSG_CONTAINER_LIST || needs[i].type == MSG_PROGRAM_LIST)
			client_list(&rig, fd, needs[i].type, 3, 0);
		else if (needs[i].type == MSG_PROCESS_WAIT)
			client_wait(&rig, fd, 3, 0);
		else
			client_ask(&rig, fd, needs[i].type, 3, "web");
		client_expect_error(fd, 3, STATUS_DENIED, needs[i].name);
		(void)close(fd);
		rig_run(&rig);
		rig_expect_nothing(&rig, rig.monitor);
		rig_expect_nothing(&rig, rig.joiner);
		rig_expect_nothing(&rig, rig.resolver);
	}
	/* an acknowledgement is not answered, whatever the rights */
	{
		int fd = rig_client(&rig, 0);

		(void)put_ack_request(rig_begin(MSG_PROCESS_ACK, 1), &(struct ack_request){.instance = 1});
		rig_send(&rig, fd, NULL, 0);
		client_expect_nothing(fd);
		rig_expect_nothing(&rig, rig.monitor);
		(void)close(fd);
	}
}

/* --- Sync -------------------------------------------------------------------------------------------------------- */

static void test_miss_asks_resolver(void **state)
{
	uint64_t token;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		client_ask(&rig, client, lookups[i], 1, "nobody");
		client_expect_nothing(client);
		token = rig_expect_sync(&rig);
		rig_expect_nothing(&rig, rig.resolver);
		client_expect_nothing(client);
		rig_synced(&rig, token);
		client_expect_error(client, 1, STATUS_NOT_FOUND, "nobody");
	}
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "new");
	token = rig_expect_sync(&rig);
	rig_put(&rig, 30, "crun", "new", "", 12, alive);
	client_expect_nothing(client);
	rig_synced(&rig, token);
	client_expect_pid(client, 2, 12);
}

/* A SYNC that was under way when the question came may have looked before what the question is about had happened. */
static void test_only_a_later_sync_counts(void **state)
{
	uint64_t first, second;

	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "one");
	first = rig_expect_sync(&rig);
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "two");
	client_ask(&rig, client, MSG_CONTAINER_PID, 3, "three");
	rig_expect_nothing(&rig, rig.resolver); /* one at a time */
	rig_synced(&rig, first);
	client_expect_error(client, 1, STATUS_NOT_FOUND, "one");
	client_expect_nothing(client);
	second = rig_expect_sync(&rig);
	rig_expect_nothing(&rig, rig.resolver);
	rig_put(&rig, 30, "crun", "two", "", 12, alive);
	rig_synced(&rig, second);
	client_expect_pid(client, 2, 12);
	client_expect_error(client, 3, STATUS_NOT_FOUND, "three");
	rig_expect_nothing(&rig, rig.resolver);
}

static void test_dead_init(void **state)
{
	struct container_record m;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 30, "crun", "dying", "", (uint32_t)pid, pidfd);
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "dying");
	client_expect_pid(client, 1, (uint32_t)pid);
	rig_kill(pid);
	for (size_t i = 0; i < 3; i++) {
		client_ask(&rig, client, lookups[i], 2, "dying");
		client_expect_nothing(client);
		rig_synced(&rig, rig_expect_sync(&rig));
		client_expect_error(client, 2, STATUS_NOT_RUNNING, "dying");
	}
	rig_expect_nothing(&rig, rig.joiner);
	/* the whole record is still told, without what died */
	client_ask(&rig, client, MSG_CONTAINER_GET, 3, "dying");
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(3, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(m.pid, 0);
	assert_int_equal(m.cgroup.len, 0);
	/* it was restarted, and the resolver has just found out */
	client_ask(&rig, client, MSG_CONTAINER_PID, 4, "dying");
	rig_put(&rig, 30, "crun", "dying", "", 77, alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_pid(client, 4, 77);
	/* a record whose pid comes without a pidfd cannot be checked, and is not believed */
	rig_put(&rig, 30, "crun", "dying", "", 77, -1);
	client_ask(&rig, client, MSG_CONTAINER_PID, 5, "dying");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 5, STATUS_NOT_RUNNING, "dying");
	(void)close(pidfd);
}

static void test_stopped_may_have_been_started(void **state)
{
	struct container_record m;

	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_GET, 1, "old");
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(1, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	client_ask(&rig, client, MSG_CONTAINER_GET, 2, "old");
	rig_put(&rig, 20, "lxc", "old", "old", 5, alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(2, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(m.pid, 5);
}

static void test_removed_while_asked(void **state)
{
	uint64_t token;

	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 1, "web");
	token = rig_expect_join(&rig, NULL);
	rig_remove(&rig, 10);
	/* its init lives: the answer was true when it was read */
	rig_joined(&rig, token, 0, "name");
	client_expect_hostname(client, 1, "name");
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 2, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 2, STATUS_NOT_FOUND, "web");
}

/* A UTS namespace outlives its processes: a name that was read is not a sign of life. */
static void test_dies_while_hostname_is_read(void **state)
{
	uint64_t token;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 30, "crun", "dying", "", (uint32_t)pid, pidfd);
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 1, "dying");
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 2, "dying");
	token = rig_expect_join(&rig, NULL);
	rig_kill(pid);
	rig_joined(&rig, token, 0, "ghost");
	client_expect_nothing(client);
	rig_put(&rig, 30, "crun", "dying", "", 77, alive);
	rig_joined(&rig, rig_expect_join(&rig, NULL), ESRCH,
		   ""); /* the second question: the same death, told by the joiner */
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "risen");
	client_expect_hostname(client, 1, "risen");
	/* and if it says so again, that is final: no endless loop between the two */
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_joined(&rig, rig_expect_join(&rig, NULL), ESRCH, "");
	client_expect_error(client, 2, STATUS_NOT_RUNNING, "dying");
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 3, "dying");
	rig_joined(&rig, rig_expect_join(&rig, NULL), EPERM, "");
	client_expect_error(client, 3, STATUS_TRY_AGAIN, "not permitted");
	(void)close(pidfd);
}

/* --- Lists ------------------------------------------------------------------------------------------------------- */

static unsigned read_page(uint32_t serial, uint64_t *next, uint64_t *last, unsigned *running)
{
	uint16_t count;

	client_expect(client, &reply, MSG_CONTAINERS, serial);
	get_page(&reply.body, next, &count);
	for (unsigned i = 0; i < count; i++) {
		struct container_record m = {0};

		page_next_container(&reply.body, &m);
		assert_true(m.rid > *last); /* ascending: each exactly once */
		*last = m.rid;
		*running += m.pid != 0;
	}
	assert_int_equal(wire_rd_done(&reply.body), 0);
	return count;
}

static void test_list_pages(void **state)
{
	unsigned total = 0, running = 0, pages = 0;
	uint64_t cursor = 0, last = 0;
	char id[65], name[ROOT_NAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (uint64_t rid = 100; rid < 400; rid++) {
		(void)snprintf(id, sizeof(id), "%064llx", (unsigned long long)rid);
		rig_put(&rig, rid, "podman", id, name + rid, rid % 2 ? 1 : 0, rid % 2 ? alive : -1);
	}
	do {
		client_list(&rig, client, MSG_CONTAINER_LIST, 1, cursor);
		if (!cursor)
			rig_synced(&rig, rig_expect_sync(&rig)); /* so that it shows what was started just before */
		total += read_page(1, &cursor, &last, &running);
		/* what changes meanwhile does not disturb the others */
		if (++pages == 2) {
			rig_remove(&rig, 101);
			rig_put(&rig, 500, "crun", "late", "", 1, alive);
		}
	} while (cursor);
	rig_expect_nothing(&rig, rig.resolver);
	assert_true(pages > 3);
	assert_int_equal(total, 2 + 300 + 1);
	assert_int_equal(running, 1 + 150 + 1);
	client_list(&rig, client, MSG_CONTAINER_LIST, 2, 500);
	assert_int_equal(read_page(2, &cursor, &last, &running), 0);
	assert_int_equal(cursor, 0);
	client_list(&rig, client, MSG_CONTAINER_LIST, 3, UINT64_MAX);
	assert_int_equal(read_page(3, &cursor, &last, &running), 0);
}

static void test_list_of_longest_records(void **state)
{
	static char cgroup[ROOT_CGROUP_MAX], name[ROOT_NAME_MAX], id[ROOT_ID_MAX];
	struct container_record m = {.state = ROOT_CONTAINER_RUNNING, .pid = 1, .engine = STR("podman")};
	uint64_t cursor = 0, last = 0;
	unsigned total = 0, running = 0;

	(void)state;
	memset(cgroup, 'c', sizeof(cgroup));
	memset(name, 'n', sizeof(name));
	memset(id, 'i', sizeof(id));
	m.cgroup = (struct str){cgroup, sizeof(cgroup)};
	m.name = (struct str){name, sizeof(name)};
	m.id = (struct str){id, sizeof(id)};
	for (m.rid = 100; m.rid < 110; m.rid++) {
		(void)put_container_record(rig_begin(IPC_INDEX_PUT, 0), &m);
		rig_send(&rig, rig.resolver, &alive, 1);
	}
	do {
		client_list(&rig, client, MSG_CONTAINER_LIST, 1, cursor);
		if (!cursor)
			rig_synced(&rig, rig_expect_sync(&rig));
		total += read_page(1, &cursor, &last, &running);
	} while (cursor);
	assert_int_equal(total, 12);
	client_ask(&rig, client, MSG_CONTAINER_CGROUP, 2, "podman:web");
	client_expect(client, &reply, MSG_CGROUP, 2);
}

static void test_list_shows_dead_as_stopped(void **state)
{
	struct container_record m = {0};
	uint64_t next;
	uint16_t count;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 5, "crun", "dying", "", (uint32_t)pid, pidfd);
	rig_kill(pid);
	client_list(&rig, client, MSG_CONTAINER_LIST, 1, 1);
	client_expect(client, &reply, MSG_CONTAINERS, 1);
	get_page(&reply.body, &next, &count);
	assert_int_equal(count, 3);
	page_next_container(&reply.body, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(m.pid, 0);
	(void)close(pidfd);
}

/* --- Replacements ------------------------------------------------------------------------------------------------ */

static void ask_all(void)
{
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "web");
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "nobody");
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 3, "web");
	client_list(&rig, client, MSG_CONTAINER_LIST, 4, 0);
}

static void expect_all(void)
{
	uint64_t next, last = 0;
	unsigned running = 0;

	client_expect_pid(client, 1, 4711);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 2, STATUS_NOT_FOUND, "nobody");
	/* The list came while that was under way; or together with it, if both were waiting for the index. */
	while (ipc_recv(rig.resolver, &rig.in, MSG_DONTWAIT) == 1) {
		struct ipc_token m;

		assert_int_equal(get_ipc_token(&rig.in.body, &m), 0);
		rig_synced(&rig, m.token);
	}
	assert_int_equal(read_page(4, &next, &last, &running), 1);
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "name");
	client_expect_hostname(client, 3, "name");
}

static void test_index_not_complete(void **state)
{
	struct rig *r = &rig;

	(void)state;
	/* Nothing is answered from half an index: a container that is not read in yet would be "not found". */
	rig_peer(r, IPC_PEER_RESOLVER, &r->resolver);
	ask_all();
	client_expect_nothing(client);
	rig_index_begin(r);
	rig_put(r, 10, "podman", "abcdef0123", "web", 4711, alive);
	client_expect_nothing(client);
	rig_expect_nothing(r, r->resolver);
	rig_index_end(r);
	expect_all();
}

static void test_resolver_dies_in_the_middle(void **state)
{
	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "nobody");
	(void)rig_expect_sync(&rig);
	client_ask(&rig, client, MSG_CONTAINER_PID, 5, "reborn");
	close_fd(&rig.resolver);
	rig_run(&rig);
	client_expect_nothing(client);
	assert_int_equal(rig.f.index.rids.n, 0); /* its pidfds are not kept */
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "web");
	client_expect_nothing(client);
	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	rig_index_begin(&rig);
	rig_put(&rig, 10, "podman", "abcdef0123", "web", 4711, alive);
	rig_put(&rig, 11, "crun", "reborn", "", 8, alive);
	rig_index_end(&rig);
	/* In the order in which they wait; the miss is only final after a sync of the new resolver. */
	client_expect_pid(client, 5, 8);
	client_expect_pid(client, 1, 4711);
	client_expect_nothing(client);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 2, STATUS_NOT_FOUND, "nobody");
}

/* The resolver may send everything anew at any time. */
static void test_index_anew_in_the_middle(void **state)
{
	uint64_t token;

	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "nobody");
	token = rig_expect_sync(&rig);
	rig_index_begin(&rig);
	rig_synced(&rig, token);
	client_expect_nothing(client);
	rig_put(&rig, 50, "crun", "nobody", "", 9, alive);
	rig_index_end(&rig);
	client_expect_pid(client, 1, 9);
	/* what was there before the beginning is forgotten */
	client_ask(&rig, client, MSG_CONTAINER_PID, 2, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(client, 2, STATUS_NOT_FOUND, "web");
}

static void test_joiner_dies_in_the_middle(void **state)
{
	enum { QUESTIONS = JOINER_WINDOW + 8 };
	uint64_t token;

	(void)state;
	for (uint32_t serial = 1; serial <= QUESTIONS; serial++)
		client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, serial, "web");
	for (uint32_t serial = 1; serial <= 3; serial++) {
		rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "first");
		client_expect_hostname(client, serial, "first");
	}
	close_fd(&rig.joiner);
	rig_run(&rig);
	client_expect_nothing(client);
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	/* all that were not answered, once each, in their order */
	for (uint32_t serial = 4; serial <= QUESTIONS; serial++) {
		token = rig_expect_join(&rig, NULL);
		rig_joined(&rig, token, 0, "second");
		client_expect_hostname(client, serial, "second");
	}
	rig_expect_nothing(&rig, rig.joiner);
}

/* A new joiner replaces one that still lives. */
static void test_joiner_replaced(void **state)
{
	(void)state;
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 1, "web");
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "name");
	client_expect_hostname(client, 1, "name");
}

static void test_joiner_window(void **state)
{
	unsigned asked = 0;

	(void)state;
	for (uint32_t serial = 1; serial <= PROTO_INFLIGHT_MAX; serial++)
		client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, serial, "web");
	while (ipc_recv(rig.joiner, &rig.in, MSG_DONTWAIT) == 1)
		asked++;
	assert_int_equal(asked, JOINER_WINDOW);
	for (uint64_t token = 1; token <= PROTO_INFLIGHT_MAX; token++) {
		rig_joined(&rig, token, 0, "n");
		client_expect_hostname(client, (uint32_t)token, "n");
	}
}

/* Nobody comes back: an answer all the same, and then silence. */
static void test_deadline(void **state)
{
	struct timespec pause = {.tv_nsec = 60 * 1000000};
	uint64_t sync, join;

	(void)state;
	rig.f.park.timeout_ms = 40;
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "nobody");
	sync = rig_expect_sync(&rig);
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 2, "web");
	join = rig_expect_join(&rig, NULL);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(client, 1, STATUS_TIMED_OUT, "engines' files");
	client_expect_error(client, 2, STATUS_TIMED_OUT, "hostname");
	assert_int_equal(rig.f.park.count, 0);
	rig_synced(&rig, sync);
	rig_joined(&rig, join, 0, "late");
	client_expect_nothing(client);

	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	client_ask(&rig, client, MSG_CONTAINER_PID, 3, "web");
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(client, 3, STATUS_TIMED_OUT, "not read in");
	assert_false(rig.stopped);
}

/* A request that waits for one thing after the other has one deadline, not one for each. */
static void test_deadline_is_for_the_whole(void **state)
{
	struct timespec pause = {.tv_nsec = 60 * 1000000};

	(void)state;
	rig.f.park.timeout_ms = 100;
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 1, "new");
	(void)nanosleep(&pause, NULL);
	rig_put(&rig, 30, "crun", "new", "", 3, alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	(void)rig_expect_join(&rig, NULL);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(client, 1, STATUS_TIMED_OUT, "hostname");
}

/* --- Nonsense from our own --------------------------------------------------------------------------------------- */

static void expect_nonsense(int fd)
{
	rig_send(&rig, fd, NULL, 0);
	assert_true(rig.stopped);
	assert_int_equal(rig.f.status, EX_PROTOCOL);
	rig.f.loop.stop = rig.stopped = false;
}

static void test_nonsense_from_resolver(void **state)
{
	struct container_record m = {
		.rid = 1, .engine = STR("crun"), .id = STR("x"), .name = STR(""), .cgroup = STR("")};
	uint64_t token;

	(void)state;
	(void)put_ipc_token(rig_begin(IPC_SYNCED, 0), &(struct ipc_token){.token = 0});
	expect_nonsense(rig.resolver); /* nobody asked */
	(void)rig_begin(IPC_INDEX_END, 0);
	expect_nonsense(rig.resolver); /* without a beginning */
	(void)rig_begin(IPC_READY, 0);
	expect_nonsense(rig.resolver); /* not for us */
	(void)rig_begin(60000, 0);
	expect_nonsense(rig.resolver);
	(void)rig_begin(IPC_INDEX_PUT, 0);
	expect_nonsense(rig.resolver); /* cut */
	m.state = 99;
	(void)put_container_record(rig_begin(IPC_INDEX_PUT, 0), &m);
	expect_nonsense(rig.resolver);
	client_ask(&rig, client, MSG_CONTAINER_PID, 1, "nobody");
	token = rig_expect_sync(&rig);
	(void)put_ipc_token(rig_begin(IPC_SYNCED, 0), &(struct ipc_token){.token = token + 1});
	expect_nonsense(rig.resolver);
	rig_synced(&rig, token);
	client_expect_error(client, 1, STATUS_NOT_FOUND, "");
	(void)put_ipc_token(rig_begin(IPC_SYNCED, 0), &(struct ipc_token){.token = token});
	expect_nonsense(rig.resolver); /* twice */
	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	m.state = 0;
	(void)put_container_record(rig_begin(IPC_INDEX_PUT, 0), &m);
	expect_nonsense(rig.resolver); /* before the beginning */
}

static void test_nonsense_from_joiner(void **state)
{
	uint64_t token;

	(void)state;
	for (uint64_t bad = 0; bad < 3; bad++) {
		(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &(struct ipc_joined){.token = bad, .hostname = STR("")});
		expect_nonsense(rig.joiner);
	}
	client_ask(&rig, client, MSG_CONTAINER_HOSTNAME, 1, "web");
	token = rig_expect_join(&rig, NULL);
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0),
			     &(struct ipc_joined){.token = token + JOINER_WINDOW, .hostname = STR("")});
	expect_nonsense(rig.joiner);
	rig_joined(&rig, token, 0, "n");
	client_expect_hostname(client, 1, "n");
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &(struct ipc_joined){.token = token, .hostname = STR("")});
	expect_nonsense(rig.joiner); /* twice */
	(void)rig_begin(IPC_SYNCED, 0);
	expect_nonsense(rig.joiner);
}

static void test_nonsense_from_monitor(void **state)
{
	static const uint16_t types[] = {IPC_READY, IPC_PEER, IPC_BIND,         IPC_START,          IPC_STARTED_REPLY,
					 IPC_SYNC,  IPC_JOIN, IPC_WAITED_REPLY, IPC_PROGRAMS_REPLY, IPC_SESSION_END};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		(void)rig_begin(types[i], 0); /* an empty body is too little for all of them, or they are not for us */
		expect_nonsense(rig.monitor);
	}
	/* a peer without its end, and one that is none of ours */
	(void)put_ipc_peer(rig_begin(IPC_PEER, 0), &(struct ipc_peer_msg){.peer = IPC_PEER_JOINER});
	expect_nonsense(rig.monitor);
	(void)put_ipc_peer(rig_begin(IPC_PEER, 0), &(struct ipc_peer_msg){.peer = IPC_PEER_FRONTEND});
	rig_send(&rig, rig.monitor, &alive, 1);
	assert_true(rig.stopped);
	rig.f.loop.stop = rig.stopped = false;
}

static void test_monitor_gone(void **state)
{
	(void)state;
	close_fd(&rig.monitor);
	rig_run(&rig);
	assert_true(rig.stopped);
	assert_int_equal(rig.f.status, 0);
}

/* --- Programs ---------------------------------------------------------------------------------------------------- */

static uint64_t session_number(void)
{
	return rig.next_session - 1;
}

static void test_program_requests_are_passed_on(void **state)
{
	struct start_request start = {
		.ipc = ROOT_IPC_PIPES, .flags = START_STDERR, .label = STR("backup"), .args = {"a\0", 2}};
	struct ipc_program_list list;
	struct ipc_terminate terminate;
	struct ipc_start started;
	struct ipc_wait wait;
	struct ipc_ack ack;

	(void)state;
	(void)put_start_request(rig_begin(MSG_PROCESS_START, 21), &start);
	rig_send(&rig, client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_START);
	assert_int_equal(rig.in.serial, 21);
	assert_int_equal(get_ipc_start(&rig.in.body, &started), 0);
	assert_int_equal(started.session, session_number());
	assert_int_equal(started.m.ipc, ROOT_IPC_PIPES);
	assert_int_equal(started.m.flags, START_STDERR);
	assert_true(str_eq(started.m.label, STR("backup")));
	assert_true(str_eq(started.m.args, start.args));

	(void)put_wait_request(rig_begin(MSG_PROCESS_WAIT, 22), &(struct wait_request){.pid = 5, .ack = 9});
	rig_send(&rig, client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_WAIT);
	assert_int_equal(get_ipc_wait(&rig.in.body, &wait), 0);
	assert_int_equal(wait.session, session_number());
	assert_int_equal(wait.m.pid, 5);
	assert_int_equal(wait.m.ack, 9);

	(void)put_ack_request(rig_begin(MSG_PROCESS_ACK, 23), &(struct ack_request){.instance = 8});
	rig_send(&rig, client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_ACK);
	assert_int_equal(get_ipc_ack(&rig.in.body, &ack), 0);
	assert_int_equal(ack.m.instance, 8);

	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 24), &(struct terminate_request){.pid = 6});
	rig_send(&rig, client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_TERMINATE);
	assert_int_equal(rig.in.serial, 24);
	assert_int_equal(get_ipc_terminate(&rig.in.body, &terminate), 0);
	assert_int_equal(terminate.m.pid, 6);

	client_list(&rig, client, MSG_PROGRAM_LIST, 25, 3);
	rig_expect(&rig, rig.monitor, IPC_PROGRAM_LIST_REQ);
	assert_int_equal(get_ipc_program_list(&rig.in.body, &list), 0);
	assert_int_equal(list.m.cursor, 3);
	assert_int_equal(session_find(&rig.f, session_number())->in_flight, 4);
}

/* What would be a negative pid_t, or an ipc type that does not exist, does not reach root. */
static void test_values_out_of_range(void **state)
{
	(void)state;
	client_wait(&rig, client, 1, 0x80000000u);
	client_expect_error(client, 1, STATUS_INVALID, "not a PID");
	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 2),
				    &(struct terminate_request){.pid = UINT32_MAX});
	rig_send(&rig, client, NULL, 0);
	client_expect_error(client, 2, STATUS_INVALID, "not a PID");
	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 3), &(struct terminate_request){.pid = 0});
	rig_send(&rig, client, NULL, 0);
	client_expect_error(client, 3, STATUS_INVALID, "not a PID");
	(void)put_start_request(rig_begin(MSG_PROCESS_START, 4),
				&(struct start_request){.ipc = 3, .label = STR("x"), .args = STR("")});
	rig_send(&rig, client, NULL, 0);
	client_expect_error(client, 4, STATUS_INVALID, "ipc type 3");
	rig_expect_nothing(&rig, rig.monitor);
	assert_int_equal(session_find(&rig.f, session_number())->in_flight, 0);
}

static void send_answers(uint64_t session)
{
	struct ipc_error error = {.session = session, .m = {.status = STATUS_NO_CHILD, .detail = STR("not yours")}};
	struct ipc_started started = {.session = session, .m = {.pid = 31, .instance = 32}};
	struct ipc_waited waited = {.session = session, .m = {.pid = 41, .status = 256, .instance = 42}};
	struct ipc_session_id id = {.session = session};
	struct program_record program = {.usable = 1, .name = STR("backup"), .description = STR("all of it")};
	int three[3] = {alive, alive, alive};
	struct page_wr page;
	struct wire_wr *w;

	(void)put_ipc_error(rig_begin(IPC_REPLY_ERROR, 1), &error);
	rig_send(&rig, rig.monitor, NULL, 0);
	(void)put_ipc_started(rig_begin(IPC_STARTED_REPLY, 2), &started);
	rig_send(&rig, rig.monitor, three, 3);
	(void)put_ipc_waited(rig_begin(IPC_WAITED_REPLY, 3), &waited);
	rig_send(&rig, rig.monitor, NULL, 0);
	(void)put_ipc_session_id(rig_begin(IPC_TERMINATED_REPLY, 4), &id);
	rig_send(&rig, rig.monitor, NULL, 0);
	w = rig_begin(IPC_PROGRAMS_REPLY, 5);
	(void)put_ipc_session_id(w, &id);
	page_begin(&page, w);
	assert_true(page_add_program(&page, &program));
	(void)page_end(&page, 77);
	rig_send(&rig, rig.monitor, NULL, 0);
}

static void test_program_answers(void **state)
{
	struct program_record program;
	struct started_reply started;
	struct waited_reply waited;
	uint64_t next;
	uint16_t count;

	(void)state;
	send_answers(session_number());
	client_expect_error(client, 1, STATUS_NO_CHILD, "not yours");
	client_expect(client, &reply, MSG_STARTED, 2);
	assert_int_equal(get_started_reply(&reply.body, &started), 0);
	assert_int_equal(started.pid, 31);
	assert_int_equal(started.instance, 32);
	assert_int_equal(reply.nfds, 3);
	for (int i = 0; i < 3; i++)
		(void)close(reply.fds[i]);
	client_expect(client, &reply, MSG_WAITED, 3);
	assert_int_equal(get_waited_reply(&reply.body, &waited), 0);
	assert_int_equal(waited.pid, 41);
	assert_int_equal(waited.status, 256);
	assert_int_equal(waited.instance, 42);
	client_expect(client, &reply, MSG_TERMINATED, 4);
	assert_int_equal(get_nothing(&reply.body), 0);
	client_expect(client, &reply, MSG_PROGRAMS, 5);
	get_page(&reply.body, &next, &count);
	assert_int_equal(next, 77);
	assert_int_equal(count, 1);
	page_next_program(&reply.body, &program);
	assert_int_equal(wire_rd_done(&reply.body), 0);
	assert_true(str_eq(program.name, STR("backup")));

	/* Answers to a session that has just ended: no harm, and the descriptors are closed (the teardown counts). */
	send_answers(session_number() + 1);
	assert_false(rig.stopped);
}

/* A page as large as a client's record may be arrives whole; one more byte is nonsense. */
static void test_largest_program_page(void **state)
{
	struct ipc_session_id id = {.session = session_number()};
	size_t largest = WIRE_RECORD_MAX - WIRE_HEADER;
	struct wire_wr *w;

	(void)state;
	for (int more = 0; more < 2; more++) {
		w = rig_begin(IPC_PROGRAMS_REPLY, 5);
		(void)put_ipc_session_id(w, &id);
		memset(w->buf + w->len, 'p', largest + 1);
		w->len += largest + (size_t)more;
		rig_send(&rig, rig.monitor, NULL, 0);
		assert_int_equal(rig.stopped, more);
	}
	rig.f.loop.stop = rig.stopped = false;
	client_expect(client, &reply, MSG_PROGRAMS, 5);
	assert_int_equal(reply.body.len, WIRE_RECORD_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_answers),
		T(test_states_with_live_init),
		T(test_errors_say_what_to_do),
		T(test_rights),
		T(test_miss_asks_resolver),
		T(test_only_a_later_sync_counts),
		T(test_dead_init),
		T(test_stopped_may_have_been_started),
		T(test_removed_while_asked),
		T(test_dies_while_hostname_is_read),
		T(test_list_pages),
		T(test_list_of_longest_records),
		T(test_list_shows_dead_as_stopped),
		T(test_index_not_complete),
		T(test_resolver_dies_in_the_middle),
		T(test_index_anew_in_the_middle),
		T(test_joiner_dies_in_the_middle),
		T(test_joiner_replaced),
		T(test_joiner_window),
		T(test_deadline),
		T(test_deadline_is_for_the_whole),
		T(test_nonsense_from_resolver),
		T(test_nonsense_from_joiner),
		T(test_nonsense_from_monitor),
		T(test_monitor_gone),
		T(test_program_requests_are_passed_on),
		T(test_values_out_of_range),
		T(test_program_answers),
		T(test_largest_program_page),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
