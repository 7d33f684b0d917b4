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
#include <sys/socket.h>
#include <time.h>

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
	unsigned resyncs;
	uint64_t last; /* generation of the last change that it was told of */
	struct known {
		uint64_t rid;
		uint32_t state, pid, flags, exit;
		size_t cgroup;
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

static bool same(const struct known *a, const struct known *b)
{
	return a->rid == b->rid && a->state == b->state && a->pid == b->pid && a->flags == b->flags &&
	       a->exit == b->exit && a->cgroup == b->cgroup;
}

static void apply(struct model *m, const struct event_record *e)
{
	const struct container_record *c = &e->container;
	const struct known now = {c->rid, c->state, c->pid, c->flags, c->exit, c->cgroup.len};
	struct known *k = find(m, c->rid);

	/* One that changed, or went, before the present state had come to it is not known yet. */
	switch (e->kind) {
	case EVENT_PRESENT:
	case EVENT_ADDED:
		assert_null(k);
		break;
	case EVENT_EXITED:
		assert_true(c->flags & RECORD_EXITED);
		assert_true(!k || !(k->flags & RECORD_EXITED) || k->exit != c->exit);
		break;
	case EVENT_REMOVED:
		assert_true(!k || same(k, &now)); /* as it was before */
		if (k)
			*k = m->known[--m->n];
		return;
	}
	if (!k) {
		assert_true(m->n < MODEL_MAX);
		k = &m->known[m->n++];
	}
	*k = now;
}

/*
 * One answer. Either it tells of the present state, and nothing that is later than that; or of changes, and then of each: the first
 * is the one that comes after the position of the request, and there is no gap.
 */
static void take(struct model *m)
{
	const struct watch_request at = {.after = m->after, .until = m->until};
	struct events_head head;
	struct event_record e;
	uint64_t until;
	uint16_t count;
	bool changes;

	client_expect(m->fd, &reply, MSG_EVENTS, m->serial);
	get_events_head(&reply.body, &head);
	get_page(&reply.body, &until, &count);
	changes = at.after && at.after >= at.until && !(head.flags & EVENTS_RESYNC);
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
		assert_int_equal(e.kind == EVENT_PRESENT, !changes);
		if (changes)
			assert_int_equal(m->last, at.after + 1 + i);
		else
			assert_true(m->last <= until);
		apply(m, &e);
	}
	assert_int_equal(wire_rd_done(&reply.body), 0);
	if (changes)
		assert_int_equal(head.after, at.after + count);
	else
		assert_true(head.after >= m->last && head.after <= until);
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
		const struct known now = {r->rid, r->state, r->pid, r->flags, r->exit, r->pid ? r->cgroup.len : 0};
		const struct known *k = find(m, r->rid);

		assert_non_null(k);
		if (!k)
			abort(); /* the compiler does not know what an assertion is */
		assert_true(same(k, &now));
		n++;
	}
	assert_int_equal(n, m->n);
}

/* Of a length of its own for each container, so that pages end anywhere. */
static char path[ROOT_CGROUP_MAX];

static const struct container_record *record_of(uint64_t rid, uint32_t state, uint32_t pid, bool exited,
						uint32_t status, size_t cgroup)
{
	static struct container_record m;
	static char id[32];

	(void)snprintf(id, sizeof(id), "%llu", (unsigned long long)rid);
	m = (struct container_record){.rid = rid, .state = state, .pid = pid, .engine = STR("crun"), .name = STR("n")};
	m.id = str_of(id);
	m.flags = exited ? RECORD_EXITED : 0;
	m.exit = exited ? status : 0;
	memset(path, 'c', sizeof(path));
	if (pid)
		m.cgroup = (struct str){path, cgroup};
	return &m;
}

static void put(uint64_t rid, uint32_t state, uint32_t pid, bool exited, uint32_t status)
{
	rig_put_record(&rig, record_of(rid, state, pid, exited, status, 0), pid ? rig.alive : -1);
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

/* A watcher that came to the present, and waits. */
static void wait_for_changes(struct model *m, int fd)
{
	begin(m, fd);
	catch_up(m);
	ask(m);
	client_expect_nothing(fd);
}

/* Many changes at once, and many who wait: an answer for each of these, not for each of those. */
static void a_burst_is_told_at_its_end(void **state)
{
	enum { WATCHERS = 50 };
	static struct model waiting[WATCHERS];

	(void)state;
	for (unsigned i = 0; i < WATCHERS; i++)
		wait_for_changes(&waiting[i], rig_client(&rig, RIGHT_INSPECT));
	for (unsigned i = 0; i < FRONTEND_BURST; i++) {
		struct wire_wr *w = rig_begin(IPC_INDEX_PUT, 0);

		(void)put_container_record(w, record_of(100 + i, ROOT_CONTAINER_RUNNING, 9, false, 0, 0));
		assert_int_equal(ipc_send(rig.resolver, w, &rig.alive, 1, MSG_DONTWAIT), 0);
	}
	rig_run(&rig);
	for (unsigned i = 0; i < WATCHERS; i++) {
		take(&waiting[i]);
		assert_string_equal(waiting[i].kinds, "AAAAAAAAAAAAAAAA");
		assert_knows_all(&waiting[i]);
		client_expect_nothing(waiting[i].fd);
		rig_client_drop(&rig, waiting[i].fd);
	}
}

/* How many answers find room at a client that reads none: one more, and its session is gone. */
static unsigned answers_that_fit(void)
{
	unsigned sessions = rig.f.sessions.count, n = 0;
	struct model m;

	begin(&m, rig_client(&rig, RIGHT_ALL));
	while (rig.f.sessions.count > sessions) {
		assert_true(n++ < 5000);
		ask(&m);
	}
	(void)close(m.fd);
	return n - 1;
}

static void who_does_not_read_loses_only_himself(void **state)
{
	unsigned fit = answers_that_fit(), sessions = rig.f.sessions.count;
	struct model slow;
	static struct model late;

	(void)state;
	wait_for_changes(&model, rig.client);
	begin(&slow, rig_client(&rig, RIGHT_ALL));
	for (unsigned i = 0; i < fit; i++)
		ask(&slow);
	slow.after = slow.until = rig.f.changes.last;
	ask(&slow);
	wait_for_changes(&late, rig_client(&rig, RIGHT_ALL));
	assert_int_equal(rig.f.sessions.count, sessions + 2);
	/* In the middle of those who are told. */
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	assert_int_equal(rig.f.sessions.count, sessions + 1);
	take(&model);
	assert_string_equal(model.kinds, "A");
	take(&late);
	assert_string_equal(late.kinds, "A");
	(void)close(slow.fd);
	rig_client_drop(&rig, late.fd);
}

static void what_is_dead_is_present_as_stopped_and_goes_as_it_was(void **state)
{
	const struct known *k;
	struct model fresh;
	int pidfd;
	pid_t pid = rig_process(&pidfd);

	(void)state;
	rig_put(&rig, 100, "crun", "a", "a", 9, pidfd);
	wait_for_changes(&model, rig.client);
	rig_kill(pid);
	begin(&fresh, rig_client(&rig, RIGHT_INSPECT));
	catch_up(&fresh);
	k = find(&fresh, 100);
	assert_true(k && k->state == ROOT_CONTAINER_STOPPED && !k->pid);
	rig_client_drop(&rig, fresh.fd);
	/* The one who watches heard nothing of its end, and need not: apply() checks that it goes as he knows it. */
	rig_remove(&rig, 100);
	take(&model);
	assert_string_equal(model.kinds, "R");
	(void)close(pidfd);
}

static void who_comes_while_there_is_no_index_waits_for_it(void **state)
{
	struct model fresh;

	(void)state;
	begin(&model, rig.client);
	catch_up(&model);
	begin(&fresh, rig_client(&rig, RIGHT_INSPECT));
	rig_peer(&rig, IPC_PEER_RESOLVER, &rig.resolver);
	ask(&model);
	ask(&fresh);
	rig_index_begin(&rig);
	put(200, ROOT_CONTAINER_RUNNING, 9, false, 0);
	client_expect_nothing(model.fd);
	client_expect_nothing(fresh.fd);
	rig_index_end(&rig);
	take(&model);
	take(&fresh);
	assert_int_equal(model.resyncs, 1);
	assert_int_equal(fresh.resyncs, 0); /* it missed nothing */
	assert_knows_all(&model);
	assert_knows_all(&fresh);
	rig_client_drop(&rig, fresh.fd);
}

/* A session outlives the frontend, and asks the next one with a position of the one before. */
static void a_later_frontend_knows_no_position_of_an_earlier_one(void **state)
{
	struct timespec pause = {.tv_nsec = 2 * 1000000};
	static struct rig next;

	(void)state;
	begin(&model, rig.client);
	catch_up(&model);
	(void)nanosleep(&pause, NULL);
	rig_setup(&next);
	assert_true(next.f.changes.floor > rig.f.changes.last);
	assert_false(changes_reach(&next.f.changes, model.after));
	rig_teardown(&next);
}

static void it_needs_the_right(void **state)
{
	int fd = rig_client(&rig, RIGHT_ALL & ~RIGHT_INSPECT);
	struct watch_request q = {0};

	(void)state;
	(void)put_watch_request(rig_begin(MSG_CONTAINER_WATCH, 3), &q);
	rig_send(&rig, fd, NULL, 0);
	client_expect_error(fd, 3, STATUS_DENIED, "inspect");
	put(100, ROOT_CONTAINER_RUNNING, 9, false, 0);
	client_expect_nothing(fd);
	rig_client_drop(&rig, fd);
	/* and no other */
	fd = rig_client(&rig, RIGHT_INSPECT);
	begin(&model, fd);
	catch_up(&model);
	rig_client_drop(&rig, fd);
}

/* --- Random lives ------------------------------------------------------------------------------------------------- */

static struct {
	unsigned seed;
	bool waiting; /* the watch is parked */
	bool stale; /* where the watcher is, is not known any more */
	unsigned interleaved; /* changes in the middle of the present state */
	unsigned anew, overtaken;
} life;

static unsigned dice(unsigned sides)
{
	return (unsigned)rand_r(&life.seed) % sides;
}

static void take_in_life(void)
{
	unsigned before = model.resyncs;

	take(&model);
	assert_int_equal(model.resyncs - before, life.stale); /* when it must be, and at no other time */
	life.waiting = life.stale = false;
}

static void ask_in_life(void)
{
	ask(&model);
	take_in_life();
}

static void random_record(uint64_t rid)
{
	size_t cgroup = (size_t)(rid * 389 % 2000);

	if (dice(4))
		rig_put_record(&rig,
			       record_of(rid, dice(2) ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_PAUSED, 1 + dice(3),
					 false, 0, cgroup),
			       rig.alive);
	else
		put(rid, ROOT_CONTAINER_STOPPED, 0, dice(2), dice(256) << 8);
}

static void random_change(void)
{
	uint64_t rid = 100 + dice(200), before = rig.f.changes.last;

	if (dice(4))
		random_record(rid);
	else
		rig_remove(&rig, rid);
	if (rig.f.changes.last == before)
		return;
	life.interleaved += model.after < model.until;
	if (life.waiting)
		take_in_life();
}

/* The resolver begins anew; the watcher asks before, meanwhile, or later. */
static void begin_anew(void)
{
	life.stale = model.after != 0;
	rig_index_begin(&rig);
	for (uint64_t rid = 100; rid < 300; rid++)
		if (dice(2))
			random_record(rid);
	if (!life.waiting && dice(2)) {
		ask(&model);
		life.waiting = true;
	}
	client_expect_nothing(rig.client); /* half a present state is none */
	rig_index_end(&rig);
	if (life.waiting)
		take_in_life();
	life.anew++;
}

/* More bytes than the log keeps. */
static void overtake(void)
{
	for (unsigned i = 0; i < 2 * CHANGES_BYTES_MAX / ROOT_CGROUP_MAX; i++) {
		rig_put_record(&rig,
			       record_of(500, i % 2 ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_PAUSED, 1, false, 0,
					 ROOT_CGROUP_MAX),
			       rig.alive);
		if (life.waiting)
			take_in_life();
	}
	life.stale = model.after || model.until;
	life.overtaken++;
}

/* Changes of all kinds, and a watcher that looks at them in bursts of all lengths, in both phases, waiting or not. */
static void random_lives_against_a_model(void **state)
{
	(void)state;
	memset(&life, 0, sizeof(life));
	life.seed = 20261201;
	begin(&model, rig.client);
	for (unsigned round = 0; round < 3000; round++) {
		if (!life.waiting && quiet(&model) && dice(2)) {
			ask(&model);
			client_expect_nothing(rig.client);
			life.waiting = true;
		}
		for (unsigned changes = dice(12); changes; changes--)
			random_change();
		if (dice(100) == 0)
			begin_anew();
		if (dice(300) == 0)
			overtake();
		if (life.waiting)
			continue;
		if (!quiet(&model))
			ask_in_life();
		if (dice(8))
			continue;
		while (!quiet(&model))
			ask_in_life();
		assert_knows_all(&model);
		if (dice(4) == 0)
			begin(&model, rig.client);
	}
	/* That is what it was for. */
	assert_true(life.interleaved > 100);
	assert_true(life.anew > 5 && life.overtaken > 2);
	assert_true(model.resyncs <= life.anew + life.overtaken);
	if (!life.waiting)
		return;
	random_record(900);
	if (life.waiting)
		take_in_life();
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
		TEST(a_burst_is_told_at_its_end),
		TEST(who_does_not_read_loses_only_himself),
		TEST(what_is_dead_is_present_as_stopped_and_goes_as_it_was),
		TEST(who_comes_while_there_is_no_index_waits_for_it),
		TEST(a_later_frontend_knows_no_position_of_an_earlier_one),
		TEST(it_needs_the_right),
		TEST(random_lives_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
