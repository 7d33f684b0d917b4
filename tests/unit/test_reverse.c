/* SPDX-License-Identifier: MIT */
/*
 * Questions that the resolver answers, and those by cgroup: that each client gets the answer to its own, whatever dies meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void expect_container(uint32_t serial, uint64_t rid)
{
	struct container_record m;

	client_expect(rig.client, &reply, MSG_CONTAINER, serial);
	assert_int_equal(get_container_record(&reply.body, &m), 0);
	assert_int_equal(m.rid, rid);
	assert_int_equal(reply.nfds, 0);
}

static void test_process(void **state)
{
	(void)state;
	client_ask_process(&rig, rig.client, 1, 100);
	client_expect_nothing(rig.client);
	rig_found(&rig, rig_expect_find(&rig, 100), 0, 10);
	expect_container(1, 10);
	client_ask_process(&rig, rig.client, 2, 101);
	rig_found(&rig, rig_expect_find(&rig, 101), 0, 0);
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "process 101 is in no container");
	client_ask_process(&rig, rig.client, 3, 102);
	rig_found(&rig, rig_expect_find(&rig, 102), ESRCH, 0);
	client_expect_error(rig.client, 3, STATUS_NOT_RUNNING, "there is no process 102");
	client_ask_process(&rig, rig.client, 4, 103);
	rig_found(&rig, rig_expect_find(&rig, 103), ENOTUNIQ, 0);
	client_expect_error(rig.client, 4, STATUS_AMBIGUOUS, "share the cgroup of process 103");
	client_ask_process(&rig, rig.client, 5, 104);
	rig_found(&rig, rig_expect_find(&rig, 104), EMFILE, 0);
	client_expect_error(rig.client, 5, STATUS_TRY_AGAIN, "open files");
	/* a record that found no room here */
	client_ask_process(&rig, rig.client, 6, 105);
	rig_found(&rig, rig_expect_find(&rig, 105), 0, 999);
	client_expect_error(rig.client, 6, STATUS_NOT_FOUND, "105");
	/* a container is started, and then asked for: its record comes before the answer */
	client_ask_process(&rig, rig.client, 7, 106);
	rig_put(&rig, 30, "crun", "new", "", 106, rig.alive);
	rig_found(&rig, rig_expect_find(&rig, 106), 0, 30);
	expect_container(7, 30);
}

static void test_window(void **state)
{
	uint64_t tokens[RESOLVER_WINDOW];
	uint32_t n = 0, sent = 0;
	int fds[4];

	(void)state;
	/* More than are asked at once: the others wait for their turn. */
	for (size_t c = 0; c < 4; c++) {
		fds[c] = rig_client(&rig, RIGHT_ALL);
		for (uint32_t i = 0; i < PROTO_INFLIGHT_MAX; i++)
			client_ask_process(&rig, fds[c], i, 1000 + sent++);
	}
	assert_true(PROTO_INFLIGHT_MAX > RESOLVER_WINDOW);
	for (uint32_t i = 0; i < RESOLVER_WINDOW; i++)
		tokens[i] = rig_expect_find(&rig, 1000 + n++);
	rig_expect_nothing(&rig, rig.resolver);
	/* Whoever goes leaves an answer that nobody wants, and takes along what was not asked. */
	(void)close(fds[0]);
	(void)close(fds[3]);
	rig_run(&rig);
	for (uint32_t i = 0; i < RESOLVER_WINDOW; i++)
		rig_found(&rig, tokens[i], 0, 10);
	for (n = PROTO_INFLIGHT_MAX; n < 3 * PROTO_INFLIGHT_MAX;)
		rig_found(&rig, rig_expect_find(&rig, 1000 + n++), 0, 10);
	rig_expect_nothing(&rig, rig.resolver);
	for (uint32_t i = 0; i < PROTO_INFLIGHT_MAX; i++) {
		client_expect(fds[1], &reply, MSG_CONTAINER, i);
		client_expect(fds[2], &reply, MSG_CONTAINER, i);
	}
	(void)close(fds[1]);
	(void)close(fds[2]);
	rig_run(&rig);
}

/* A new resolver is asked again, and knows the containers by other numbers. */
static void test_resolver_is_replaced(void **state)
{
	struct fact_record fact = {STR("id"), STR("x"), STR("y")};

	(void)state;
	client_ask_process(&rig, rig.client, 1, 100);
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 2, "web");
	(void)rig_expect_find(&rig, 100);
	(void)rig_expect_facts(&rig, 10);
	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	rig_index_begin(&rig);
	rig_put(&rig, 110, "podman", "abcdef0123", "web", 4711, rig.alive);
	rig_expect_nothing(&rig, rig.resolver);
	rig_index_end(&rig);
	rig_found(&rig, rig_expect_find(&rig, 100), 0, 110);
	expect_container(1, 110);
	rig_facts(&rig, rig_expect_facts(&rig, 110), 110, 0, &fact);
	client_expect(rig.client, &reply, MSG_FACTS, 2);
}

static void test_timeout(void **state)
{
	uint64_t token;

	(void)state;
	rig.f.park.timeout_ms = 1;
	client_ask_process(&rig, rig.client, 1, 100);
	token = rig_expect_find(&rig, 100);
	(void)usleep(5000);
	rig_run(&rig);
	client_expect_error(rig.client, 1, STATUS_TIMED_OUT, "resolver");
	rig.f.park.timeout_ms = PARK_TIMEOUT_MS;
	client_ask_process(&rig, rig.client, 2, 101);
	rig_found(&rig, token, 0, 10); /* too late, and not for the other */
	client_expect_nothing(rig.client);
	rig_found(&rig, rig_expect_find(&rig, 101), 0, 0);
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "101");
}

static void expect_stop(void)
{
	assert_true(rig.stopped);
	rig.f.loop.stop = rig.stopped = false;
}

static void test_nonsense(void **state)
{
	struct fact_record fact = {STR("id"), STR("x"), STR("y")};
	uint64_t token;

	(void)state;
	rig_found(&rig, 0, 0, 10);
	expect_stop();
	rig_found(&rig, 1, 0, 10);
	expect_stop();
	client_ask_process(&rig, rig.client, 1, 100);
	token = rig_expect_find(&rig, 100);
	rig_found(&rig, token + 1, 0, 10);
	expect_stop();
	rig_found(&rig, token, 0, 10);
	expect_container(1, 10);
	rig_found(&rig, token, 0, 10); /* twice */
	expect_stop();
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 2, "web");
	rig_facts(&rig, rig_expect_facts(&rig, 10), 20, 0, &fact); /* of another container */
	expect_stop();
	(void)close(rig.client); /* it is still waiting */
	rig_run(&rig);
	rig.client = rig_client(&rig, RIGHT_ALL);
}

static void test_facts(void **state)
{
	struct fact_record fact = {STR("cgroup"), STR("/x\xff\n"), STR("/proc/PID/cgroup")}, got;
	uint16_t count;
	uint64_t next;

	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 1, "web");
	rig_facts(&rig, rig_expect_facts(&rig, 10), 10, 0, &fact);
	client_expect(rig.client, &reply, MSG_FACTS, 1);
	get_page(&reply.body, &next, &count);
	assert_int_equal(next, 0);
	assert_int_equal(count, 1);
	page_next_fact(&reply.body, &got);
	assert_int_equal(wire_rd_done(&reply.body), 0);
	assert_true(str_eq(got.key, fact.key) && str_eq(got.value, fact.value) && str_eq(got.source, fact.source));
	/* what does not run has facts, too */
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 2, "old");
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_facts(&rig, rig_expect_facts(&rig, 20), 20, 0, &fact);
	client_expect(rig.client, &reply, MSG_FACTS, 2);
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 3, "nobody");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 3, STATUS_NOT_FOUND, "nobody");
}

static void test_facts_of_what_vanished(void **state)
{
	struct fact_record fact = {STR("id"), STR("x"), STR("y")};

	(void)state;
	/* gone, and another of that name is there */
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 1, "web");
	rig_remove(&rig, 10);
	rig_facts(&rig, rig_expect_facts(&rig, 10), 10, ENOENT, NULL);
	rig_put(&rig, 30, "podman", "abcdef9999", "web", 4712, rig.alive);
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_facts(&rig, rig_expect_facts(&rig, 30), 30, 0, &fact);
	client_expect(rig.client, &reply, MSG_FACTS, 1);
	/* gone for good, and not asked for ever */
	client_ask(&rig, rig.client, MSG_CONTAINER_FACTS, 2, "web");
	rig_facts(&rig, rig_expect_facts(&rig, 30), 30, ENOENT, NULL);
	rig_synced(&rig, rig_expect_sync(&rig));
	rig_facts(&rig, rig_expect_facts(&rig, 30), 30, ENOENT, NULL);
	client_expect_error(rig.client, 2, STATUS_NOT_FOUND, "web");
}

static void test_cgroup(void **state)
{
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	client_ask_cgroup(&rig, rig.client, 1, "/the/cgroup");
	expect_container(1, 10);
	client_ask_cgroup(&rig, rig.client, 2, "/the/cgroup/and/below");
	expect_container(2, 10);
	rig_expect_nothing(&rig, rig.resolver);
	client_ask_cgroup(&rig, rig.client, 3, "/the");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 3, STATUS_NOT_FOUND, "no running container's");
	client_ask_cgroup(&rig, rig.client, 4, "/");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 4, STATUS_NOT_FOUND, "no running container's");
	/* shared by two, until one of them is dead */
	rig_put(&rig, 30, "crun", "other", "", (uint32_t)pid, pidfd);
	client_ask_cgroup(&rig, rig.client, 5, "/the/cgroup");
	rig_synced(&rig, rig_expect_sync(&rig));
	client_expect_error(rig.client, 5, STATUS_AMBIGUOUS, "2 containers");
	rig_kill(pid);
	client_ask_cgroup(&rig, rig.client, 6, "/the/cgroup");
	rig_put(&rig, 30, "crun", "other", "", 0, -1);
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(6, 10);
	(void)close(pidfd);
}

static void test_pidfd(void **state)
{
	struct stat asked, sent;

	(void)state;
	for (uint32_t flags = 0; flags <= GET_PIDFD; flags++) {
		(void)put_name_request(rig_begin(MSG_CONTAINER_GET, 1),
				       &(struct name_request){.flags = flags, .name = STR("web")});
		rig_send(&rig, rig.client, NULL, 0);
		client_expect(rig.client, &reply, MSG_CONTAINER, 1);
		assert_int_equal(reply.nfds, flags);
	}
	assert_int_equal(fstat(reply.fds[0], &sent), 0);
	assert_int_equal(fstat(rig.alive, &asked), 0);
	assert_int_equal(sent.st_ino, asked.st_ino);
	(void)close(reply.fds[0]);
	/* none of what does not run */
	(void)put_name_request(rig_begin(MSG_CONTAINER_GET, 2),
			       &(struct name_request){.flags = GET_PIDFD, .name = STR("old")});
	rig_send(&rig, rig.client, NULL, 0);
	rig_synced(&rig, rig_expect_sync(&rig));
	expect_container(2, 20);
}

static void ask_for_pidfd(uint32_t serial)
{
	(void)put_name_request(rig_begin(MSG_CONTAINER_GET, serial),
			       &(struct name_request){.flags = GET_PIDFD, .name = STR("web")});
	rig_send(&rig, rig.client, NULL, 0);
}

static void expect_pidfd(uint32_t serial)
{
	client_expect(rig.client, &reply, MSG_CONTAINER, serial);
	assert_int_equal(reply.nfds, 1);
	(void)close(reply.fds[0]);
}

static void test_pidfds_unread(void **state)
{
	(void)state;
	/* Twice: who has read them may have as many again. */
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i <= SESSION_PIDFDS_MAX; i++)
			ask_for_pidfd(i);
		for (uint32_t i = 0; i < SESSION_PIDFDS_MAX; i++)
			expect_pidfd(i);
		client_expect_error(rig.client, SESSION_PIDFDS_MAX, STATUS_TRY_AGAIN, "not read");
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_process),  T(test_window),        T(test_resolver_is_replaced),   T(test_timeout),
		T(test_nonsense), T(test_facts),         T(test_facts_of_what_vanished), T(test_cgroup),
		T(test_pidfd),    T(test_pidfds_unread),
	};

	return cmocka_run_group_tests_name("reverse", tests, NULL, NULL);
}
