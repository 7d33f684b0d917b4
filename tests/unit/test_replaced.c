/* SPDX-License-Identifier: MIT */
/*
 * The resolver or the joiner is replaced, silent, or talks nonsense in the middle of requests: none is lost,
 * answered wrongly, or left without an answer.
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

static unsigned read_page(uint32_t serial, uint64_t *next, uint64_t *last, unsigned *running)
{
	uint16_t count;

	client_expect(rig.client, &reply, MSG_CONTAINERS, serial);
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

/* --- Replacements ------------------------------------------------------------------------------------------------ */

static void ask_all(void)
{
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "web");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "nobody");
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 3, "web");
	client_list(&rig, rig.client, MSG_CONTAINER_LIST, 4, 0);
}

static void expect_all(void)
{
	uint64_t next, last = 0;
	unsigned running = 0;

	client_expect_pid(rig.client, 1, 4711);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "nobody");
	/* The list came while that was under way; or together with it, if both were waiting for the index. */
	while (ipc_recv(rig.resolver, &rig.in, MSG_DONTWAIT) == 1) {
		struct ipc_token m;

		assert_int_equal(get_ipc_token(&rig.in.body, &m), 0);
		rig_synced(&rig, m.token);
	}
	assert_int_equal(read_page(4, &next, &last, &running), 1);
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "name");
	client_expect_hostname(rig.client, 3, "name");
}

static void test_index_not_complete(void **state)
{
	struct rig *r = &rig;

	(void)state;
	/* Nothing is answered from half an index: a container that is not read in yet would be "not found". */
	rig_peer(r, IPC_PEER_RESOLVER, &r->resolver);
	ask_all();
	client_expect_nothing(rig.client);
	rig_index_begin(r);
	rig_put(r, 10, "podman", "abcdef0123", "web", 4711, rig.alive);
	client_expect_nothing(rig.client);
	rig_expect_nothing(r, r->resolver);
	rig_index_end(r);
	expect_all();
}

static void test_resolver_dies_in_the_middle(void **state)
{
	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "nobody");
	(void)rig_expect_sync(&rig);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 5, "reborn");
	close_fd(&rig.resolver);
	rig_run(&rig);
	client_expect_nothing(rig.client);
	assert_int_equal(rig.f.index.rids.n, 0); /* its pidfds are not kept */
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "web");
	client_expect_nothing(rig.client);
	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	rig_index_begin(&rig);
	rig_put(&rig, 10, "podman", "abcdef0123", "web", 4711, rig.alive);
	rig_put(&rig, 11, "crun", "reborn", "", 8, rig.alive);
	rig_index_end(&rig);
	/* In the order in which they wait; the miss is only final after a sync of the new resolver. */
	client_expect_pid(rig.client, 5, 8);
	client_expect_pid(rig.client, 1, 4711);
	client_expect_nothing(rig.client);
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "nobody");
}

/* The resolver may send everything anew at any time. */
static void test_index_anew_in_the_middle(void **state)
{
	uint64_t token;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "nobody");
	token = rig_expect_sync(&rig);
	rig_index_begin(&rig);
	rig_synced(&rig, token);
	client_expect_nothing(rig.client);
	rig_put(&rig, 50, "crun", "nobody", "", 9, rig.alive);
	rig_index_end(&rig);
	client_expect_pid(rig.client, 1, 9);
	/* what was there before the beginning is forgotten */
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 2, "web");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "web");
}

static void test_joiner_dies_in_the_middle(void **state)
{
	enum { QUESTIONS = JOINER_WINDOW + 8 };
	uint64_t token;

	(void)state;
	for (uint32_t serial = 1; serial <= QUESTIONS; serial++)
		client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, serial, "web");
	for (uint32_t serial = 1; serial <= 3; serial++) {
		rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "first");
		client_expect_hostname(rig.client, serial, "first");
	}
	close_fd(&rig.joiner);
	rig_run(&rig);
	client_expect_nothing(rig.client);
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	/* all that were not answered, once each, in their order */
	for (uint32_t serial = 4; serial <= QUESTIONS; serial++) {
		token = rig_expect_join(&rig, NULL);
		rig_joined(&rig, token, 0, "second");
		client_expect_hostname(rig.client, serial, "second");
	}
	rig_expect_nothing(&rig, rig.joiner);
}

/* A new joiner replaces one that still lives. */
static void test_joiner_replaced(void **state)
{
	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 1, "web");
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "name");
	client_expect_hostname(rig.client, 1, "name");
}

static void test_joiner_window(void **state)
{
	unsigned asked = 0;

	(void)state;
	for (uint32_t serial = 1; serial <= PROTO_INFLIGHT_MAX; serial++)
		client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, serial, "web");
	while (ipc_recv(rig.joiner, &rig.in, MSG_DONTWAIT) == 1)
		asked++;
	assert_int_equal(asked, JOINER_WINDOW);
	for (uint64_t token = 1; token <= PROTO_INFLIGHT_MAX; token++) {
		rig_joined(&rig, token, 0, "n");
		client_expect_hostname(rig.client, (uint32_t)token, "n");
	}
}

/* Nobody comes back: an answer all the same, and then silence. */
static void test_deadline(void **state)
{
	struct timespec pause = {.tv_nsec = 60 * 1000000};
	uint64_t sync, join;

	(void)state;
	rig.f.park.timeout_ms = 40;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "nobody");
	sync = rig_expect_sync(&rig);
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 2, "web");
	join = rig_expect_join(&rig, NULL);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(rig.client, 1, STATUS_TIMED_OUT, "engines' files");
	client_expect_error(rig.client, 2, STATUS_TIMED_OUT, "hostname");
	assert_int_equal(rig.f.park.count, 0);
	rig_synced(&rig, sync);
	rig_joined(&rig, join, 0, "late");
	client_expect_nothing(rig.client);

	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 3, "web");
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(rig.client, 3, STATUS_TIMED_OUT, "not read in");
	assert_false(rig.stopped);
}

/* A request that waits for one thing after the other has one deadline, not one for each. */
static void test_deadline_is_for_the_whole(void **state)
{
	struct timespec pause = {.tv_nsec = 60 * 1000000};

	(void)state;
	rig.f.park.timeout_ms = 100;
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 1, "new");
	(void)nanosleep(&pause, NULL);
	rig_put(&rig, 30, "crun", "new", "", 3, rig.alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	(void)rig_expect_join(&rig, NULL);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(rig.client, 1, STATUS_TIMED_OUT, "hostname");
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
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "nobody");
	token = rig_expect_sync(&rig);
	(void)put_ipc_token(rig_begin(IPC_SYNCED, 0), &(struct ipc_token){.token = token + 1});
	expect_nonsense(rig.resolver);
	rig_synced(&rig, token);
	client_expect_error(rig.client, 1, STATUS_NOT_FOUND, "");
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
		(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &(struct ipc_joined){.token = bad, .count = 1});
		expect_nonsense(rig.joiner);
	}
	client_ask(&rig, rig.client, MSG_CONTAINER_HOSTNAME, 1, "web");
	token = rig_expect_join(&rig, NULL);
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0),
			     &(struct ipc_joined){.token = token + JOINER_WINDOW, .count = 1});
	expect_nonsense(rig.joiner);
	rig_joined(&rig, token, 0, "n");
	client_expect_hostname(rig.client, 1, "n");
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &(struct ipc_joined){.token = token, .count = 1});
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
	rig_send(&rig, rig.monitor, &rig.alive, 1);
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests_name("replaced", tests, NULL, NULL);
}
