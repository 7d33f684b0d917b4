/* SPDX-License-Identifier: MIT */
/*
 * Lists with hostnames: those of a page are asked for at once, and only of who lives; nobody is left out for their sake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sysexits.h>
#include <time.h>

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

static void list(uint32_t serial, uint64_t cursor)
{
	struct list_request m = {.cursor = cursor, .flags = LIST_HOSTNAMES};

	(void)put_list_request(rig_begin(MSG_CONTAINER_LIST, serial), &m);
	rig_send(&rig, rig.client, NULL, 0);
	if (!cursor)
		rig_synced(&rig, rig_expect_sync(&rig));
}

/* What the joiner is asked with the token @ret; how many it is asked for. */
static unsigned expect_join(uint64_t *ret)
{
	struct ipc_token token;
	unsigned n;

	rig_expect(&rig, rig.joiner, IPC_JOIN);
	assert_int_equal(get_ipc_token(&rig.in.body, &token), 0);
	*ret = token.token;
	n = (unsigned)rig.in.nfds;
	ipc_drop(&rig.in);
	return n;
}

/* Names of @len bytes, but for the first one, which may be an error. */
static void send_joined(uint64_t token, unsigned count, int first_error, int len)
{
	static char names[IPC_JOIN_MAX][ROOT_HOSTNAME_MAX + 1];
	static struct ipc_joined m;

	m.token = token;
	m.count = (uint16_t)count;
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%0*u", len, i);
		m.names[i] = (struct ipc_joined_name){i ? 0 : (uint32_t)first_error, str_of(names[i])};
		if (m.names[i].error)
			m.names[i].hostname = STR("");
	}
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &m);
	rig_send(&rig, rig.joiner, NULL, 0);
}

/* Answers the JOIN that there is; how many it asked for. */
static unsigned join(int first_error)
{
	uint64_t token;
	unsigned n = expect_join(&token);

	send_joined(token, n, first_error, 6);
	return n;
}

static void put(uint64_t rid, uint32_t pid, size_t cgroup)
{
	static char path[ROOT_CGROUP_MAX];
	struct container_record m = {.rid = rid, .pid = pid, .engine = STR("crun")};
	char id[32];

	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)rid);
	m.id = str_of(id);
	m.state = pid ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_STOPPED;
	memset(path, 'c', sizeof(path));
	m.cgroup = (struct str){path, cgroup};
	rig_put_record(&rig, &m, pid ? rig.alive : -1);
}

static unsigned read_page(uint32_t serial, uint64_t *next, unsigned *named)
{
	struct container_record m;
	uint16_t count;

	client_expect(rig.client, &reply, MSG_CONTAINERS, serial);
	get_page(&reply.body, next, &count);
	*named = 0;
	for (uint16_t i = 0; i < count; i++) {
		page_next_container(&reply.body, &m);
		*named += m.hostname.len > 0;
		assert_true(m.pid || !m.hostname.len);
	}
	assert_int_equal(wire_rd_done(&reply.body), 0);
	return count;
}

static void hostnames_come_with_the_list(void **state)
{
	unsigned total = 0, named = 0, asked = 0, n;
	uint64_t cursor = 0;

	(void)state;
	for (uint64_t rid = 100; rid < 300; rid++)
		put(rid, rid % 4 ? 9 : 0, 10);
	do {
		list(5, cursor);
		asked += join(0);
		total += read_page(5, &cursor, &n);
		named += n;
	} while (cursor);
	assert_int_equal(total, 2 + 200);
	assert_int_equal(named, 1 + 150);
	assert_int_equal(asked, named);
	list(6, 299);
	assert_int_equal(read_page(6, &cursor, &n), 0); /* nobody to ask about */
}

static void who_dies_meanwhile_has_no_hostname(void **state)
{
	uint64_t cursor;
	unsigned named;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 100, "crun", "a", "a", 9, pidfd);
	list(5, 0);
	rig_kill(pid);
	rig_remove(&rig, 10); /* gone from the index, and not from the page */
	assert_int_equal(join(0), 2);
	assert_int_equal(read_page(5, &cursor, &named), 3);
	assert_int_equal(named, 1);
	/* Nor has one that the joiner could not enter. */
	rig_put(&rig, 100, "crun", "a", "a", 9, rig.alive);
	list(6, 0);
	assert_int_equal(join(EPERM), 1);
	assert_int_equal(read_page(6, &cursor, &named), 2);
	assert_int_equal(named, 0);
	(void)close(pidfd);
}

/* Room is kept for names that are not known yet: whom there was none for would be in no page at all. */
static void the_longest_hostnames_fit(void **state)
{
	unsigned total = 0, named, pages = 0;
	uint64_t cursor = 0, token;

	(void)state;
	for (uint64_t rid = 100; rid < 300; rid++)
		put(rid, 9, (size_t)(200 + rid % 7 * 50));
	do {
		unsigned n, asked;

		list(5, cursor);
		asked = expect_join(&token);
		send_joined(token, asked, 0, ROOT_HOSTNAME_MAX);
		n = read_page(5, &cursor, &named);
		assert_true(n < IPC_JOIN_MAX); /* it is the room that ends a page here */
		assert_int_equal(named, asked);
		total += n;
		pages++;
	} while (cursor);
	assert_int_equal(total, 2 + 200);
	assert_true(pages > 4);
}

static void it_takes_both_rights(void **state)
{
	static const struct {
		uint32_t right;
		const char *name;
	} needs[] = {{RIGHT_INSPECT, "\"inspect\""}, {RIGHT_HOSTNAME, "\"hostname\""}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = rig_client(&rig, RIGHT_ALL & ~needs[i].right);

		(void)put_list_request(rig_begin(MSG_CONTAINER_LIST, 3),
				       &(struct list_request){.flags = LIST_HOSTNAMES});
		rig_send(&rig, fd, NULL, 0);
		client_expect_error(fd, 3, STATUS_DENIED, needs[i].name);
		rig_expect_nothing(&rig, rig.joiner);
		rig_expect_nothing(&rig, rig.resolver);
		rig_client_drop(&rig, fd);
	}
}

static void a_new_joiner_is_asked_again(void **state)
{
	uint64_t cursor, token;
	unsigned named;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 100, "crun", "a", "a", 9, pidfd);
	list(5, 0);
	assert_int_equal(expect_join(&token), 2);
	close_fd(&rig.joiner);
	rig_run(&rig);
	rig_kill(pid);
	client_expect_nothing(rig.client);
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	/* the whole question, in the same order: who died meanwhile as well */
	assert_int_equal(join(0), 2);
	assert_int_equal(read_page(5, &cursor, &named), 3);
	assert_int_equal(named, 1);
	rig_expect_nothing(&rig, rig.joiner);
	(void)close(pidfd);
}

/* Names would be taken for those of others. */
static void a_joiner_that_miscounts_is_not_believed(void **state)
{
	uint64_t cursor, token;
	unsigned named;

	(void)state;
	put(100, 9, 10);
	for (int wrong = -1; wrong <= 1; wrong += 2) {
		list(5, 0);
		assert_int_equal(expect_join(&token), 2);
		send_joined(token, (unsigned)(2 + wrong), 0, 6);
		assert_true(rig.stopped);
		assert_int_equal(rig.f.status, EX_PROTOCOL);
		client_expect_nothing(rig.client);
		rig.f.loop.stop = rig.stopped = false;
		rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
		assert_int_equal(join(0), 2);
		assert_int_equal(read_page(5, &cursor, &named), 3);
		assert_int_equal(named, 2);
	}
}

/* A page that nobody waits for any more keeps nothing: rig_teardown() looks for the descriptors. */
static void who_gives_up_or_goes_leaves_nothing(void **state)
{
	struct timespec pause = {.tv_nsec = 60 * 1000000};
	int fd = rig_client(&rig, RIGHT_ALL);
	uint64_t token, cursor;
	unsigned named;

	(void)state;
	put(100, 9, 10);
	(void)put_list_request(rig_begin(MSG_CONTAINER_LIST, 3),
			       &(struct list_request){.cursor = 1, .flags = LIST_HOSTNAMES});
	rig_send(&rig, fd, NULL, 0);
	assert_int_equal(expect_join(&token), 2);
	rig_remove(&rig, 100);
	(void)close(fd);
	rig_run(&rig);
	assert_int_equal(rig.f.park.count, 0);
	send_joined(token, 2, 0, 6);
	assert_false(rig.stopped);

	rig.f.park.timeout_ms = 40;
	list(5, 1);
	assert_int_equal(expect_join(&token), 1);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	client_expect_error(rig.client, 5, STATUS_TIMED_OUT, "hostnames");
	assert_int_equal(rig.f.park.count, 0);
	send_joined(token, 1, 0, 6);
	client_expect_nothing(rig.client);
	rig.f.park.timeout_ms = PARK_TIMEOUT_MS;
	list(6, 1);
	assert_int_equal(join(0), 1);
	assert_int_equal(read_page(6, &cursor, &named), 2);
	assert_int_equal(named, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hostnames_come_with_the_list),        TEST(who_dies_meanwhile_has_no_hostname),
		TEST(the_longest_hostnames_fit),           TEST(it_takes_both_rights),
		TEST(a_new_joiner_is_asked_again),         TEST(a_joiner_that_miscounts_is_not_believed),
		TEST(who_gives_up_or_goes_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
