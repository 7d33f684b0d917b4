/* SPDX-License-Identifier: MIT */
/*
 * Whoever watches knows, at every moment at which nothing is on its way, just what the index knows, and was told of each change once
 * and in order; or was told that it missed some.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "../../server/common/cleanup.h"
#include "frontend_rig.h"

#define MODEL_MAX 512

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

/* --- A watcher ---------------------------------------------------------------------------------------------------- */

/* What a watcher knows. */
struct model {
	int fd;
	uint64_t after, until;
	uint32_t serial;
	unsigned resyncs, told;
	uint64_t last; /* generation of the last change that it was told of */
	struct known {
		uint64_t rid;
		uint32_t state, pid, flags, exit;
	} known[MODEL_MAX];
	unsigned n;
	char kinds[256]; /* of the events of the last answer: "PACXR" */
};

static struct model model;

static void ask(struct model *m)
{
	struct watch_request q = {.after = m->after, .until = m->until};

	(void)put_watch_request(rig_begin(MSG_CONTAINER_WATCH, ++m->serial), &q);
	rig_send(&rig, m->fd, NULL, 0);
}

static struct known *find(struct model *m, uint64_t rid)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->known[i].rid == rid)
			return &m->known[i];
	return NULL;
}

static void apply(struct model *m, const struct event_record *e)
{
	const struct container_record *c = &e->container;
	struct known *k = find(m, c->rid);

	if (e->kind == EVENT_REMOVED) {
		if (k) /* else it went before the present state was told */
			*k = m->known[--m->n];
		return;
	}
	if (e->kind == EVENT_ADDED)
		assert_null(k);
	if (!k) {
		assert_true(m->n < MODEL_MAX);
		k = &m->known[m->n++];
	}
	*k = (struct known){c->rid, c->state, c->pid, c->flags, c->exit};
}

/* One answer. */
static void take(struct model *m)
{
	struct events_head head;
	struct event_record e;
	uint64_t until;
	uint16_t count;

	client_expect(m->fd, &reply, MSG_EVENTS, m->serial);
	get_events_head(&reply.body, &head);
	get_page(&reply.body, &until, &count);
	if (head.flags & EVENTS_RESYNC) {
		m->resyncs++;
		m->n = 0;
		m->last = 0;
	}
	memset(m->kinds, 0, sizeof(m->kinds));
	for (uint16_t i = 0; i < count; i++) {
		page_next_event(&reply.body, &e);
		assert_false(reply.body.bad);
		assert_in_range(e.kind, EVENT_PRESENT, EVENT_REMOVED);
		if (i < sizeof(m->kinds) - 1)
			m->kinds[i] = " PACXR"[e.kind];
		assert_true(e.container.generation > m->last); /* in order, and once */
		m->last = e.container.generation;
		m->told++;
		apply(m, &e);
	}
	assert_int_equal(wire_rd_done(&reply.body), 0);
	assert_true(head.after >= m->last);
	m->after = head.after;
	m->until = until;
}

static bool quiet(const struct model *m)
{
	return m->after >= m->until && m->after == rig.f.changes.last;
}

static void begin(struct model *m, int fd)
{
	*m = (struct model){.fd = fd, .serial = 100};
}

/* Up to the present. */
static void catch_up(struct model *m)
{
	do {
		ask(m);
		take(m);
	} while (!quiet(m));
}

/* The same as the index. */
static void assert_knows_all(struct model *m)
{
	struct record *r;
	unsigned n = 0;

	for (uint64_t rid = 0; (r = index_after(&rig.f.index, rid)); rid = r->rid) {
		const struct known *k = find(m, r->rid);

		assert_non_null(k);
		if (!k)
			abort(); /* the compiler does not know what an assertion is */
		assert_int_equal(k->state, r->state);
		assert_int_equal(k->pid, r->pid);
		assert_int_equal(k->flags, r->flags);
		assert_int_equal(k->exit, r->exit);
		n++;
	}
	assert_int_equal(n, m->n);
}

static void put(uint64_t rid, uint32_t state, uint32_t pid, bool exited, uint32_t status)
{
	struct container_record m = {.rid = rid, .state = state, .pid = pid, .engine = STR("crun"), .name = STR("n")};
	char id[32];

	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)rid);
	m.id = str_of(id);
	m.flags = exited ? RECORD_EXITED : 0;
	m.exit = exited ? status : 0;
	rig_put_record(&rig, &m, pid ? rig.alive : -1);
}

/* --- Tests -------------------------------------------------------------------------------------------------------- */

static void the_present_state_and_then_each_change(void **state)
{
	(void)state;
	begin(&model, rig.client);
	ask(&model);
	take(&model);
	assert_string_equal(model.kinds, "PP");
	assert_int_equal(model.resyncs, 0);
	assert_true(quiet(&model));
	assert_knows_all(&model);

	ask(&model);
	client_expect_nothing(rig.client); /* nothing has happened */
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	take(&model);
	assert_string_equal(model.kinds, "A");
	put(100, ROOT_CONTAINER_PAUSED, 9, false, 0);
	put(100, ROOT_CONTAINER_PAUSED, 9, false, 0); /* says nothing new */
	put(100, ROOT_CONTAINER_STOPPED, 0, true, 256);
	put(100, ROOT_CONTAINER_STOPPED, 0, true, 256);
	rig_remove(&rig, 100);
	rig_remove(&rig, 100);
	ask(&model);
	take(&model);
	assert_string_equal(model.kinds, "CCXR"); /* the end is told before how it ended */
	assert_knows_all(&model);
	client_expect_nothing(rig.client);
}

static void another_process_of_the_same_number_is_a_change(void **state)
{
	int dead;
	pid_t pid = rig_process(&dead);

	(void)state;
	rig_put(&rig, 100, "crun", "a", "a", 9, dead);
	begin(&model, rig.client);
	catch_up(&model);
	rig_kill(pid);
	rig_put(&rig, 100, "crun", "a", "a", 9, rig.alive);
	ask(&model);
	take(&model);
	assert_string_equal(model.kinds, "C");
	assert_true(record_alive(index_find_rid(&rig.f.index, 100)));
	(void)close(dead);
}

static void a_watch_costs_no_request_and_a_second_one_ends_the_first(void **state)
{
	(void)state;
	begin(&model, rig.client);
	catch_up(&model);
	ask(&model);
	for (unsigned i = 0; i < 3 * PROTO_INFLIGHT_MAX; i++) {
		struct model first = model;

		ask(&model);
		take(&first); /* where it is, and nothing else */
		assert_string_equal(first.kinds, "");
		assert_true(first.after == model.after && first.until == model.until);
	}
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 7, "podman:web");
	client_expect_pid(rig.client, 7, 4711);
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	take(&model);
	assert_string_equal(model.kinds, "A");
}

static void a_session_may_end_while_it_watches(void **state)
{
	int fd = rig_client(&rig, RIGHT_ALL);

	(void)state;
	begin(&model, fd);
	catch_up(&model);
	ask(&model);
	(void)close(fd);
	rig_run(&rig);
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	assert_true(list_empty(&rig.f.watchers.waiting));
}

static void who_is_overtaken_begins_again(void **state)
{
	(void)state;
	begin(&model, rig.client);
	catch_up(&model);
	for (unsigned i = 0; i < CHANGES_MAX + 10; i++)
		put(100, i % 2 ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_PAUSED, 9, false, 0);
	assert_true(rig.f.changes.next - rig.f.changes.first <= CHANGES_MAX);
	ask(&model);
	take(&model);
	assert_int_equal(model.resyncs, 1);
	assert_string_equal(model.kinds, "PPP");
	assert_knows_all(&model);
	/* Nor is a position that nobody gave out believed. */
	model.after = UINT64_MAX;
	ask(&model);
	take(&model);
	assert_int_equal(model.resyncs, 2);
	assert_knows_all(&model);
}

static void the_log_is_bounded_in_bytes(void **state)
{
	static char cgroup[ROOT_CGROUP_MAX];
	struct container_record m = {.rid = 100, .pid = 9, .engine = STR("crun"), .id = STR("a")};

	(void)state;
	memset(cgroup, 'c', sizeof(cgroup));
	m.cgroup = m.init_cgroup = (struct str){cgroup, sizeof(cgroup)};
	for (unsigned i = 0; i < 2 * CHANGES_BYTES_MAX / ROOT_CGROUP_MAX; i++) {
		m.state = i % 2 ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_PAUSED;
		rig_put_record(&rig, &m, rig.alive);
	}
	assert_true(rig.f.changes.bytes <= CHANGES_BYTES_MAX);
	begin(&model, rig.client);
	catch_up(&model);
	assert_knows_all(&model);
}

/* What is not in the index cannot be gone from it later: a watcher would keep it for ever. */
static void what_does_not_fit_is_not_told(void **state)
{
	struct container_record m = {.engine = STR("crun"), .id = STR("a")};
	uint64_t last;

	(void)state;
	for (m.rid = 1000; rig.f.index.rids.n < INDEX_RECORDS_MAX - 1; m.rid++) {
		m.generation = changes_number(&rig.f.changes);
		assert_int_equal(index_put(&rig.f.index, &m, -1), 0);
	}
	/* Nobody can be told of those: the watch begins after them. */
	begin(&model, rig.client);
	model.after = model.until = rig.f.changes.last;
	ask(&model);
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	take(&model);
	assert_string_equal(model.kinds, "A"); /* the last that fits */
	ask(&model);
	last = rig.f.changes.last;
	for (unsigned i = 0; i < 2; i++)
		put(101, ROOT_CONTAINER_RUNNING, 9, false, 0);
	rig_remove(&rig, 101);
	assert_false(rig.stopped);
	client_expect_nothing(rig.client);
	assert_int_equal(rig.f.changes.last, last);
	/* a new version of one that is there fits, and so does one that takes another's place */
	put(100, ROOT_CONTAINER_PAUSED, 9, false, 0);
	take(&model);
	assert_string_equal(model.kinds, "C");
	rig_remove(&rig, 100);
	put(101, ROOT_CONTAINER_RUNNING, 9, false, 0);
	ask(&model);
	take(&model);
	assert_string_equal(model.kinds, "RA");
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 7, "crun:101");
	client_expect_pid(rig.client, 7, 9);
}

static void a_resolver_that_begins_anew(void **state)
{
	(void)state;
	begin(&model, rig.client);
	catch_up(&model);
	ask(&model);
	rig_index_begin(&rig);
	put(200, ROOT_CONTAINER_RUNNING, 9, false, 0);
	client_expect_nothing(rig.client); /* half a present state is none */
	rig_index_end(&rig);
	take(&model);
	assert_int_equal(model.resyncs, 1);
	assert_string_equal(model.kinds, "P");
	assert_knows_all(&model);
}

static void it_needs_the_right(void **state)
{
	int fd = rig_client(&rig, RIGHT_HOSTNAME);
	struct watch_request q = {0};

	(void)state;
	(void)put_watch_request(rig_begin(MSG_CONTAINER_WATCH, 3), &q);
	rig_send(&rig, fd, NULL, 0);
	client_expect_error(fd, 3, STATUS_DENIED, "inspect");
	(void)put_list_request(rig_begin(MSG_CONTAINER_LIST, 4), &(struct list_request){.flags = LIST_HOSTNAMES});
	rig_send(&rig, fd, NULL, 0);
	client_expect_error(fd, 4, STATUS_DENIED, "inspect");
	rig_client_drop(&rig, fd);
}

/* Changes of all kinds, and watchers that look at them in bursts of all lengths, in both phases. */
static void random_lives_against_a_model(void **state)
{
	unsigned seed = 20261201;

	(void)state;
	begin(&model, rig.client);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned changes = (unsigned)rand_r(&seed) % 12;

		for (unsigned i = 0; i < changes; i++) {
			uint64_t rid = 100 + (uint64_t)rand_r(&seed) % 200;
			uint32_t s = (uint32_t)rand_r(&seed);

			switch (s % 4) {
			case 0:
				rig_remove(&rig, rid);
				break;
			case 1:
				put(rid, ROOT_CONTAINER_STOPPED, 0, s & 16, s >> 8 & 0xff00);
				break;
			default:
				put(rid, s & 32 ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_PAUSED, 1 + (s >> 8) % 3,
				    false, 0);
			}
		}
		if (!quiet(&model)) {
			ask(&model);
			take(&model);
		}
		if (rand_r(&seed) % 8)
			continue;
		while (!quiet(&model)) {
			ask(&model);
			take(&model);
		}
		assert_knows_all(&model);
		if (rand_r(&seed) % 4 == 0)
			begin(&model, rig.client);
	}
	assert_int_equal(model.resyncs, 0);
}

/* --- Lists with hostnames ------------------------------------------------------------------------------------------ */

static void list(uint32_t serial, uint64_t cursor)
{
	struct list_request m = {.cursor = cursor, .flags = LIST_HOSTNAMES};

	(void)put_list_request(rig_begin(MSG_CONTAINER_LIST, serial), &m);
	rig_send(&rig, rig.client, NULL, 0);
	if (!cursor)
		rig_synced(&rig, rig_expect_sync(&rig));
}

/* Answers the JOIN that there is with names of its own; how many it asked for. */
static unsigned join(int first_error)
{
	static struct ipc_joined m;
	static char names[IPC_JOIN_MAX][24];
	struct ipc_token token;

	rig_expect(&rig, rig.joiner, IPC_JOIN);
	assert_int_equal(get_ipc_token(&rig.in.body, &token), 0);
	m.token = token.token;
	m.count = (uint16_t)rig.in.nfds;
	for (int i = 0; i < rig.in.nfds; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "host-%d", i);
		m.names[i] = (struct ipc_joined_name){i ? 0 : (uint32_t)first_error, str_of(names[i])};
		if (m.names[i].error)
			m.names[i].hostname = STR("");
	}
	ipc_drop(&rig.in);
	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &m);
	rig_send(&rig, rig.joiner, NULL, 0);
	return m.count;
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
		put(rid, rid % 4 ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_STOPPED, rid % 4 ? 9 : 0, false, 0);
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

static void a_new_joiner_is_asked_again(void **state)
{
	uint64_t cursor;
	unsigned named;

	(void)state;
	list(5, 0);
	rig_expect(&rig, rig.joiner, IPC_JOIN);
	ipc_drop(&rig.in);
	close_fd(&rig.joiner);
	rig_run(&rig);
	rig_peer(&rig, IPC_PEER_JOINER, &rig.joiner);
	assert_int_equal(join(0), 1);
	assert_int_equal(read_page(5, &cursor, &named), 2);
	assert_int_equal(named, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_present_state_and_then_each_change),
		TEST(another_process_of_the_same_number_is_a_change),
		TEST(a_watch_costs_no_request_and_a_second_one_ends_the_first),
		TEST(a_session_may_end_while_it_watches),
		TEST(who_is_overtaken_begins_again),
		TEST(the_log_is_bounded_in_bytes),
		TEST(what_does_not_fit_is_not_told),
		TEST(a_resolver_that_begins_anew),
		TEST(it_needs_the_right),
		TEST(random_lives_against_a_model),
		TEST(hostnames_come_with_the_list),
		TEST(who_dies_meanwhile_has_no_hostname),
		TEST(a_new_joiner_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
