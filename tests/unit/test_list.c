/* SPDX-License-Identifier: MIT */
/*
 * The list of containers: each exactly once, in pages that fit.
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

/* --- Lists ------------------------------------------------------------------------------------------------------- */

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
		rig_put(&rig, rid, "podman", id, name + rid, rid % 2 ? 1 : 0, rid % 2 ? rig.alive : -1);
	}
	do {
		client_list(&rig, rig.client, MSG_CONTAINER_LIST, 1, cursor);
		if (!cursor)
			rig_synced(&rig, rig_expect_sync(&rig)); /* so that it shows what was started just before */
		total += read_page(1, &cursor, &last, &running);
		/* what changes meanwhile does not disturb the others */
		if (++pages == 2) {
			rig_remove(&rig, 101);
			rig_put(&rig, 500, "crun", "late", "", 1, rig.alive);
		}
	} while (cursor);
	rig_expect_nothing(&rig, rig.resolver);
	assert_true(pages > 3);
	assert_int_equal(total, 2 + 300 + 1);
	assert_int_equal(running, 1 + 150 + 1);
	client_list(&rig, rig.client, MSG_CONTAINER_LIST, 2, 500);
	assert_int_equal(read_page(2, &cursor, &last, &running), 0);
	assert_int_equal(cursor, 0);
	client_list(&rig, rig.client, MSG_CONTAINER_LIST, 3, UINT64_MAX);
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
		rig_send(&rig, rig.resolver, &rig.alive, 1);
	}
	do {
		client_list(&rig, rig.client, MSG_CONTAINER_LIST, 1, cursor);
		if (!cursor)
			rig_synced(&rig, rig_expect_sync(&rig));
		total += read_page(1, &cursor, &last, &running);
	} while (cursor);
	assert_int_equal(total, 12);
	client_ask(&rig, rig.client, MSG_CONTAINER_CGROUP, 2, "podman:web");
	client_expect(rig.client, &reply, MSG_CGROUP, 2);
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
	client_list(&rig, rig.client, MSG_CONTAINER_LIST, 1, 1);
	client_expect(rig.client, &reply, MSG_CONTAINERS, 1);
	get_page(&reply.body, &next, &count);
	assert_int_equal(count, 3);
	page_next_container(&reply.body, &m);
	assert_int_equal(m.state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(m.pid, 0);
	(void)close(pidfd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_list_pages),
		T(test_list_of_longest_records),
		T(test_list_shows_dead_as_stopped),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
