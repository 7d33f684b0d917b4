/* SPDX-License-Identifier: MIT */
/* Watching: every event once and in order, whatever the sizes of page and array, whatever other calls come between, and whatever part
 * of the server is replaced; a server that tells nonsense is found out. */
#include "fake_server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = open_descriptors();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return open_descriptors() == fds_before ? 0 : -1;
}

/* --- Words for scripts */

static uint32_t expect_watch(int fd, uint64_t after, uint64_t until)
{
	struct watch_request m;
	struct fake_in in;

	fake_expect(fd, MSG_CONTAINER_WATCH, &in);
	FAKE_CHECK(!get_watch_request(&in.body, &m) && !m.flags);
	if (m.after != after || m.until != until)
		(void)fprintf(stderr, "# %d, %d is asked\n", (int)m.after, (int)m.until);
	FAKE_CHECK(m.after == after && m.until == until);
	return in.serial;
}

struct one {
	uint32_t kind;
	uint64_t generation;
};

static bool add_event(struct page_wr *page, const struct one *one)
{
	struct event_record m = {.kind = one->kind,
				 .container = {.rid = one->generation,
					       .generation = one->generation,
					       .state = ROOT_CONTAINER_RUNNING,
					       .pid = 5,
					       .engine = STR("crun")}};
	char id[16];

	(void)snprintf(id, sizeof(id), "id%d", (int)one->generation);
	m.container.id = str_of(id);
	return page_add_event(page, &m);
}

/* @n events, or as many as there are before one of kind 0. */
static void send_events(int fd, uint32_t serial, uint32_t flags, const struct one *ones, int n, uint64_t after,
			uint64_t until)
{
	struct events_head head = {.flags = flags, .after = after};
	struct page_wr page;
	struct wire_wr w;

	fake_begin(&w, MSG_EVENTS, serial);
	put_events_head(&w, &head);
	page_begin(&page, &w);
	for (int i = 0; i < n && ones[i].generation; i++)
		FAKE_CHECK(add_event(&page, &ones[i]));
	FAKE_CHECK(page_end(&page, until) > 0);
	fake_send(fd, &w);
}

/* An empty host, which has nothing to tell after generation 3. */
static void tell_empty(int fd)
{
	send_events(fd, expect_watch(fd, 0, 0), 0, NULL, 0, 3, 3);
}

/* --- A server with a present state and a past, in pages of some size */

#define PRESENT 7
#define LIVE 8
#define UNTIL 1000

static const struct one past[PRESENT + LIVE] = {{EVENT_PRESENT, 10},   {EVENT_PRESENT, 20},   {EVENT_PRESENT, 30},
						{EVENT_PRESENT, 40},   {EVENT_PRESENT, 50},   {EVENT_PRESENT, 60},
						{EVENT_PRESENT, 1000}, {EVENT_ADDED, 1001},   {EVENT_CHANGED, 1002},
						{EVENT_EXITED, 1003},  {EVENT_CHANGED, 1007}, {EVENT_REMOVED, 1008},
						{EVENT_ADDED, 1009},   {EVENT_REMOVED, 1010}, {EVENT_CHANGED, 2000}};

static int page_size;

static void answer_page(int fd, uint32_t serial, const struct watch_request *m)
{
	bool present = m->after < m->until || (!m->after && !m->until);
	const struct one *ones = present ? past : past + PRESENT;
	int have = present ? PRESENT : LIVE, from = 0, n;
	uint64_t after;

	while (from < have && ones[from].generation <= m->after)
		from++;
	n = have - from < page_size ? have - from : page_size;
	if (!present && !n)
		return; /* until something happens, which is never */
	after = n ? ones[from + n - 1].generation : UNTIL;
	send_events(fd, serial, 0, ones + from, n, after, present ? UNTIL : after);
}

static void serve_past(int fd)
{
	uint8_t buf[64];
	struct watch_request m;
	struct wire_rd body;
	uint32_t serial;
	uint16_t type;
	ssize_t n;

	fake_hello(fd);
	while ((n = chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, 0)) > 0) {
		wire_rd_init(&body, buf, (size_t)n);
		FAKE_CHECK(!wire_get_header(&body, &type, &serial) && type == MSG_CONTAINER_WATCH);
		FAKE_CHECK(!get_watch_request(&body, &m) && !m.flags);
		answer_page(fd, serial, &m);
	}
	FAKE_CHECK(!n);
}

/* What is told, in order: the past with SYNCED in between. */
static void check_told(const struct root_event *e, int i)
{
	const struct one *one = &past[i < PRESENT ? i : i - 1];
	char id[16];

	if (i == PRESENT) {
		assert_int_equal(e->kind, ROOT_EVENT_SYNCED);
		assert_string_equal(e->container.id, "");
		return;
	}
	(void)snprintf(id, sizeof(id), "id%d", (int)one->generation);
	assert_int_equal(e->kind, one->kind);
	assert_int_equal(e->container.generation, one->generation);
	assert_string_equal(e->container.id, id);
	assert_int_equal(e->reserved, 0);
}

static void test_every_event_once(void **state)
{
	static struct root_event events[64];
	static const int counts[] = {1, 2, 3, PRESENT, PRESENT + 1, 64};
	struct fake f;

	(void)state;
	for (page_size = 1; page_size <= PRESENT + 2; page_size++) {
		fake_start(&f, (int)(sizeof(counts) / sizeof(counts[0])), serve_past);
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			struct root_watch w = {0};
			int fd = fake_connect(&f), seen = 0, n;

			while ((n = rootContainerWatch(fd, &w, events, sizeof(events[0]), counts[k],
						       seen < PRESENT + 1 + LIVE ? -1 : 10)) > 0) {
				assert_true(n <= counts[k]);
				for (int i = 0; i < n; i++)
					check_told(&events[i], seen + i);
				seen += n;
			}
			assert_int_equal(n, 0);
			assert_int_equal(seen, PRESENT + 1 + LIVE);
			assert_int_equal(w.after, 2000);
			rootShutdown(fd);
		}
		fake_stop(&f);
	}
}

/* The caller may have been built with a structure that is larger, or smaller, than the library's. */
static void test_event_sizes(void **state)
{
	static struct {
		struct root_event e;
		char newer[8];
	} larger[3];
	uint32_t kinds[3];
	struct root_watch w = {0};
	struct fake f;
	int fd;

	(void)state;
	page_size = 64;
	memset(larger, 'x', sizeof(larger));
	fake_start(&f, 1, serve_past);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &larger[0].e, sizeof(larger[0]), 3, -1), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(larger[i].e.container.generation, past[i].generation);
		assert_int_equal(larger[i].newer[0] | larger[i].newer[7], 0);
	}
	assert_int_equal(rootContainerWatch(fd, &w, (struct root_event *)(void *)kinds, sizeof(kinds[0]), 3, -1), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kinds[i], ROOT_EVENT_PRESENT);
	assert_int_equal(w.after, past[5].generation);
	rootShutdown(fd);
	fake_stop(&f);
}

static void hello_only(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

static void test_bad_arguments(void **state)
{
	static const struct root_watch bad[] = {{.state = 3},
						{.reserved = 1},
						{.state = 1},
						{.state = 2},
						{.after = 5, .until = 4, .state = 0},
						{.after = 5, .until = 6, .state = 2}};
	struct root_watch w = {0};
	struct root_event e;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, NULL, &e, sizeof(e), 1, 0), -EINVAL);
	assert_int_equal(rootContainerWatch(fd, &w, NULL, sizeof(e), 1, 0), -EINVAL);
	assert_int_equal(rootContainerWatch(fd, &w, &e, 0, 1, 0), -EINVAL);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 0, 0), -EINVAL);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), -1, 0), -EINVAL);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -2), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w = bad[i];
		assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 0), -EINVAL);
	}
	rootShutdown(fd);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 0), -EBADF);
	fake_stop(&f);
}

static const struct {
	uint16_t status;
	int error;
} errors[] = {{STATUS_INVALID, -EINVAL},
	      {STATUS_DENIED, -EACCES},
	      {STATUS_TRY_AGAIN, -EAGAIN},
	      {STATUS_TIMED_OUT, -EPROTO},
	      {STATUS_NOT_FOUND, -EPROTO}};
#define ERRORS ((int)(sizeof(errors) / sizeof(errors[0])))

static void serve_errors(int fd)
{
	fake_hello(fd);
	for (int i = 0; i < ERRORS; i++)
		fake_error(fd, expect_watch(fd, 0, 0), errors[i].status, "why");
	tell_empty(fd);
	fake_expect_end(fd);
}

static void test_errors(void **state)
{
	struct root_watch w = {0};
	struct root_event e = {.kind = 77};
	char why[4];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_errors);
	fd = fake_connect(&f);
	for (int i = 0; i < ERRORS; i++) {
		assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), errors[i].error);
		assert_int_equal(rootErrDetail(fd, why, sizeof(why)), 3);
		assert_int_equal(w.after | w.until | w.state, 0);
		assert_int_equal(e.kind, 77);
	}
	/* None of them is the connection's end. */
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(e.kind, ROOT_EVENT_SYNCED);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- An event loop, and other calls */

static const struct one news[] = {{EVENT_ADDED, 4}, {EVENT_CHANGED, 5}};

static void serve_between(int fd)
{
	struct fake_in in;
	uint32_t serial;

	fake_hello(fd);
	tell_empty(fd);
	serial = expect_watch(fd, 3, 3);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_pid(fd, in.serial, 5);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	send_events(fd, serial, 0, news, 2, 5, 5);
	fake_pid(fd, in.serial, 6);
	serial = expect_watch(fd, 5, 5);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_error(fd, serial, STATUS_TRY_AGAIN, "later"); /* it is no answer to that call */
	fake_pid(fd, in.serial, 7);
	fake_expect_end(fd);
}

static void test_other_calls_between(void **state)
{
	struct root_watch w = {0};
	struct root_event e[4];
	struct pollfd p;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_between);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 5);
	/* It is asked once. */
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 6);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0); /* that call took the answer, and kept it */
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), 2);
	assert_int_equal(e[0].container.generation, 4);
	assert_int_equal(e[1].container.generation, 5);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 7);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), -EAGAIN);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_news(int fd)
{
	fake_hello(fd);
	tell_empty(fd);
	send_events(fd, expect_watch(fd, 3, 3), 0, news, 2, 5, 5);
	(void)expect_watch(fd, 5, 5);
	fake_expect_end(fd);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Not once does it block, and poll(2) says when to call. */
static void test_event_loop(void **state)
{
	struct root_watch w = {0};
	struct root_event e[4];
	int fd, n, calls = 0, seen = 0;
	struct fake f;
	int64_t begun;

	(void)state;
	fake_start(&f, 1, serve_news);
	fd = fake_connect(&f);
	while (seen < 3) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		n = rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0);
		assert_true(n >= 0);
		seen += n;
		if (!n)
			assert_int_equal(poll(&p, 1, 20000), 1);
		assert_true(++calls < 10);
	}
	begun = now_ms();
	/* The connection's timeout is not this call's. */
	assert_int_equal(rootSetTimeout(fd, 1), 0);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 100), 0);
	assert_true(now_ms() - begun >= 100 && now_ms() - begun < 20000);
	rootShutdown(fd);
	fake_stop(&f);
}

/* One that talks without end and never answers. */
static void serve_chatter(int fd)
{
	struct fake_in in;
	struct pid_reply m = {.pid = 5};
	struct wire_wr w;

	fake_hello(fd);
	tell_empty(fd);
	fake_expect(fd, MSG_CONTAINER_WATCH, &in);
	fake_begin(&w, MSG_PID, in.serial - 1);
	(void)put_pid_reply(&w, &m);
	while (!chan_send(fd, w.buf, w.len, NULL, 0, 0))
		;
}

static void test_chatter_ends_in_time(void **state)
{
	struct root_watch w = {0};
	struct root_event e;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_chatter);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 50), 0);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 0), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Positions */

/* A second watcher of the connection takes the place of the first, whose answer is nobody's. */
static void serve_replaced(int fd)
{
	uint32_t first, second;

	fake_hello(fd);
	tell_empty(fd);
	first = expect_watch(fd, 3, 3);
	second = expect_watch(fd, 0, 0);
	send_events(fd, first, 0, NULL, 0, 3, 3);
	send_events(fd, second, 0, (struct one[]){{EVENT_PRESENT, 2}}, 1, 4, 4);
	send_events(fd, expect_watch(fd, 3, 3), 0, news, 2, 5, 5);
	fake_expect_end(fd);
}

static void test_second_watcher(void **state)
{
	struct root_watch a = {0}, b = {0};
	struct root_event e[4];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_replaced);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &a, e, sizeof(e[0]), 4, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &a, e, sizeof(e[0]), 4, 0), 0);
	assert_int_equal(rootContainerWatch(fd, &b, e, sizeof(e[0]), 4, -1), 2);
	assert_int_equal(e[0].kind, ROOT_EVENT_PRESENT);
	assert_int_equal(e[1].kind, ROOT_EVENT_SYNCED);
	assert_int_equal(rootContainerWatch(fd, &a, e, sizeof(e[0]), 4, -1), 2);
	assert_int_equal(e[1].container.generation, 5);
	rootShutdown(fd);
	fake_stop(&f);
}

/* A part of the server is replaced, which has forgotten the request, or finds it twice. */
static void serve_resumed(int fd)
{
	struct fake_in in;
	uint32_t serial;

	fake_hello(fd);
	serial = expect_watch(fd, 0, 0);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_watch(fd, 0, 0) == serial);
	send_events(fd, serial, 0, NULL, 0, 0, 0); /* that it is there twice is no present state */
	FAKE_CHECK(expect_watch(fd, 0, 0) == serial + 1);
	send_events(fd, serial + 1, 0, NULL, 0, 3, 3);
	serial = expect_watch(fd, 3, 3);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_watch(fd, 3, 3) == serial);
	send_events(fd, serial, 0, NULL, 0, 3, 3); /* the second has the first answered */
	FAKE_CHECK(expect_watch(fd, 3, 3) != serial);
	send_events(fd, serial, 0, NULL, 0, 3, 3); /* and the third the second: nobody's any more */
	send_events(fd, serial + 1, EVENTS_RESYNC, (struct one[]){{EVENT_PRESENT, 1}, {EVENT_PRESENT, 2}}, 2, 2, 2);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_nothing(fd, MSG_RESUMED, 0);
	fake_expect(fd, MSG_CONTAINER_PID, &in); /* no watch is asked again: the last one was answered */
	fake_pid(fd, in.serial, 5);
	fake_expect_end(fd);
}

static void test_resumed(void **state)
{
	struct root_watch w = {0};
	struct root_event e[8];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_resumed);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 8, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 8, -1), 4);
	assert_int_equal(e[0].kind, ROOT_EVENT_RESYNC);
	assert_int_equal(e[0].container.generation, 0);
	assert_int_equal(e[1].kind, ROOT_EVENT_PRESENT);
	assert_int_equal(e[2].container.generation, 2);
	assert_int_equal(e[3].kind, ROOT_EVENT_SYNCED);
	assert_int_equal(w.after, 2); /* behind where it was */
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 5);
	rootShutdown(fd);
	fake_stop(&f);
}

/* A marker takes a place in the array, and nothing of its page is lost for it. */
static void serve_resync(int fd)
{
	static const struct one present[] = {{EVENT_PRESENT, 8}, {EVENT_PRESENT, 9}};

	fake_hello(fd);
	tell_empty(fd);
	send_events(fd, expect_watch(fd, 3, 3), EVENTS_RESYNC, present, 2, 9, 9);
	send_events(fd, expect_watch(fd, 0, 0), 0, present, 2, 9, 9);
	send_events(fd, expect_watch(fd, 8, 9), 0, present + 1, 1, 9, 9);
	(void)expect_watch(fd, 9, 9);
	fake_expect_end(fd);
}

static void test_resync_one_at_a_time(void **state)
{
	static const uint32_t kinds[] = {ROOT_EVENT_SYNCED, ROOT_EVENT_RESYNC, ROOT_EVENT_PRESENT, ROOT_EVENT_PRESENT,
					 ROOT_EVENT_SYNCED};
	struct root_watch w = {0};
	struct root_event e;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_resync);
	fd = fake_connect(&f);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
		assert_int_equal(e.kind, kinds[i]);
	}
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 0), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

/* Pages may be empty as long as the position moves: what was there has gone. */
static void serve_empty_pages(int fd)
{
	fake_hello(fd);
	for (uint64_t i = 0; i < 20; i++)
		send_events(fd, expect_watch(fd, i, i ? 50 : 0), 0, NULL, 0, i + 1, 50);
	send_events(fd, expect_watch(fd, 20, 50), 0, NULL, 0, 50, 50);
	send_events(fd, expect_watch(fd, 50, 50), 0, NULL, 0, 51, 51); /* a change that this caller may not see */
	send_events(fd, expect_watch(fd, 51, 51), 0, (struct one[]){{99, 52}}, 1, 52, 52);
	fake_expect_end(fd);
}

static void test_empty_pages(void **state)
{
	struct root_watch w = {0};
	struct root_event e;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_empty_pages);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(e.kind, ROOT_EVENT_SYNCED);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(e.kind, ROOT_EVENT_CHANGED); /* a newer server's kind */
	assert_int_equal(e.container.generation, 52);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Nonsense */

static const struct bad_page {
	struct root_watch at;
	uint32_t flags;
	struct one ones[3];
	uint64_t after, until;
} bad_pages[] = {
	{{0, 0, 0, 0}, 0, {{0, 0}}, 0, 9}, /* where the present state is not told yet, and not from its beginning */
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 0}}, 4, 4}, /* a generation that is none: see below */
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 5}}, 4, 9}, /* the position would go back */
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 5}}, 9, 8}, /* beyond the end */
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 9}}, 9, 8},
	{{0, 0, 0, 0}, 0, {{EVENT_CHANGED, 5}}, 9, 9}, /* not yet */
	{{0, 0, 0, 0}, 0, {{0, 5}}, 9, 9},
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 5}, {EVENT_PRESENT, 5}}, 9, 9}, /* not ascending */
	{{0, 0, 0, 0}, 0, {{EVENT_PRESENT, 5}, {EVENT_PRESENT, 4}}, 9, 9},
	{{0, 0, 0, 0}, 2, {{EVENT_PRESENT, 5}}, 9, 9}, /* a flag of another protocol */
	{{5, 9, 0, 0}, 0, {{EVENT_PRESENT, 5}}, 9, 9}, /* told already */
	{{5, 9, 0, 0}, 0, {{EVENT_PRESENT, 6}}, 8, 8}, /* the end would go back */
	{{5, 5, 2, 0}, 0, {{EVENT_CHANGED, 5}}, 6, 6}, /* told already */
	{{5, 5, 2, 0}, 0, {{EVENT_PRESENT, 6}}, 6, 6}, /* not any more */
	{{5, 5, 2, 0}, 0, {{EVENT_CHANGED, 6}}, 6, 7}, /* the present state anew, without a word */
	{{5, 5, 2, 0}, 0, {{0, 0}}, 4, 4}, /* back */
	{{5, 5, 2, 0}, 0, {{0, 0}}, 0, 0},
	{{5, 5, 2, 0}, 0, {{0, 6}}, 6, 6},
	{{5, 5, 2, 0}, EVENTS_RESYNC, {{EVENT_CHANGED, 6}}, 6, 6}, /* the present state comes first */
	{{5, 5, 2, 0}, EVENTS_RESYNC, {{0, 0}}, 0, 0},
};
#define BAD_PAGES ((int)(sizeof(bad_pages) / sizeof(bad_pages[0])))

static void serve_bad_page(int fd)
{
	const struct bad_page *bad = &bad_pages[fake_connection];
	uint32_t serial;

	fake_hello(fd);
	serial = expect_watch(fd, bad->at.after, bad->at.until);
	/* The row whose generation is 0 has its event nevertheless. */
	if (bad->ones[0].kind && !bad->ones[0].generation) {
		struct event_record m = {.kind = EVENT_PRESENT, .container = {.engine = STR("e"), .id = STR("i")}};
		struct events_head head = {.after = bad->after};
		struct page_wr page;
		struct wire_wr w;

		fake_begin(&w, MSG_EVENTS, serial);
		put_events_head(&w, &head);
		page_begin(&page, &w);
		FAKE_CHECK(page_add_event(&page, &m) && page_end(&page, bad->until) > 0);
		fake_send(fd, &w);
	} else {
		send_events(fd, serial, bad->flags, bad->ones, 3, bad->after, bad->until);
	}
	fake_expect_end(fd);
}

static void test_bad_pages(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, BAD_PAGES, serve_bad_page);
	for (int i = 0; i < BAD_PAGES; i++) {
		struct root_watch w = bad_pages[i].at;
		struct root_event e[4], before[4];
		int fd = fake_connect(&f), r;

		memset(e, 0x55, sizeof(e));
		memcpy(before, e, sizeof(e));
		r = rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 5000);
		if (r != -EPROTO)
			(void)fprintf(stderr, "# bad page %d gave %d\n", i, r);
		assert_int_equal(r, -EPROTO);
		assert_memory_equal(&w, &bad_pages[i].at, sizeof(w));
		assert_memory_equal(e, before, sizeof(e));
		assert_int_equal(rootContainerWatch(fd, &w, e, sizeof(e[0]), 4, 0), -EPROTO);
		rootShutdown(fd);
	}
	fake_stop(&f);
}

/* Answers that tell nothing and move nothing, without end. */
static void serve_fruitless(int fd)
{
	struct fake_in in;
	uint8_t buf[64];
	ssize_t n;

	fake_hello(fd);
	if (!fake_connection)
		tell_empty(fd);
	while ((n = chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, 0)) > 0) {
		uint16_t type;

		wire_rd_init(&in.body, buf, (size_t)n);
		FAKE_CHECK(!wire_get_header(&in.body, &type, &in.serial) && type == MSG_CONTAINER_WATCH);
		send_events(fd, in.serial, 0, NULL, 0, fake_connection ? 0 : 3, fake_connection ? 0 : 3);
	}
}

static void serve_wrong_type(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_WATCH, &in);
	fake_pid(fd, in.serial, 5);
	fake_expect_end(fd);
}

static void serve_gift(int fd)
{
	struct events_head head = {.after = 3};
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_WATCH, &in);
	fake_begin(&w, MSG_EVENTS, in.serial);
	put_events_head(&w, &head);
	page_begin(&page, &w);
	FAKE_CHECK(page_end(&page, 3) > 0);
	fake_send_fds(fd, &w, (int[]){0, 1}, 2);
	fake_expect_end(fd);
}

static void serve_death(int fd)
{
	fake_hello(fd);
	tell_empty(fd);
	(void)expect_watch(fd, 3, 3);
}

static void test_hostile(void **state)
{
	struct root_watch w = {0};
	struct root_event e;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 2, serve_fruitless);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), -EPROTO);
	rootShutdown(fd);
	w = (struct root_watch){0};
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), -EPROTO);
	rootShutdown(fd);
	fake_stop(&f);

	w = (struct root_watch){0};
	fake_start(&f, 1, serve_wrong_type);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), -EPROTO);
	rootShutdown(fd);
	fake_stop(&f);

	fake_start(&f, 1, serve_gift);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(open_descriptors(), fds_before + 1);
	rootShutdown(fd);
	fake_stop(&f);

	w = (struct root_watch){0};
	fake_start(&f, 1, serve_death);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), 1);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, -1), -ENOTCONN);
	assert_int_equal(rootContainerWatch(fd, &w, &e, sizeof(e), 1, 0), -ENOTCONN);
	rootShutdown(fd);
	fake_stop(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_event_once),
		TEST(test_event_sizes),
		TEST(test_bad_arguments),
		TEST(test_errors),
		TEST(test_other_calls_between),
		TEST(test_event_loop),
		TEST(test_chatter_ends_in_time),
		TEST(test_second_watcher),
		TEST(test_resumed),
		TEST(test_resync_one_at_a_time),
		TEST(test_empty_pages),
		TEST(test_bad_pages),
		TEST(test_hostile),
	};

	return cmocka_run_group_tests_name("client watch", tests, NULL, NULL);
}
