/* SPDX-License-Identifier: MIT */
/* A server that is broken, slow or gone, and a process that is disturbed: every call ends in time, with an error of its list,
 * nothing stored and nothing left open. */
#include "fake_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
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

/* --- Every answer, cut at every length, and one byte longer */

static int build_nothing(struct wire_wr *w)
{
	return w->bad;
}

static int build_welcome(struct wire_wr *w)
{
	struct welcome m = {.version = PROTO_VERSION_MAX};

	return (int)put_welcome(w, &m);
}

static int build_error(struct wire_wr *w)
{
	struct error_reply m = {.status = STATUS_NOT_FOUND, .detail = STR("why")};

	return (int)put_error_reply(w, &m);
}

static int build_hostname(struct wire_wr *w)
{
	struct hostname_reply m = {.hostname = STR("host")};

	return (int)put_hostname_reply(w, &m);
}

static int build_pid(struct wire_wr *w)
{
	struct pid_reply m = {.pid = 5};

	return (int)put_pid_reply(w, &m);
}

static int build_cgroup(struct wire_wr *w)
{
	struct cgroup_reply m = {.cgroup = STR("/c")};

	return (int)put_cgroup_reply(w, &m);
}

static const struct container_record record = {
	.rid = 9, .pid = 5, .engine = {"e", 1}, .id = {"i", 1}, .name = {"n", 1}, .cgroup = {"/c", 2}};

static int build_container(struct wire_wr *w)
{
	return (int)put_container_record(w, &record);
}

static int build_containers(struct wire_wr *w)
{
	struct page_wr page;

	page_begin(&page, w);
	(void)page_add_container(&page, &record);
	return (int)page_end(&page, 0);
}

static int build_facts(struct wire_wr *w)
{
	struct fact_record m = {.key = STR("k"), .value = STR("v"), .source = STR("s")};
	struct page_wr page;

	page_begin(&page, w);
	(void)page_add_fact(&page, &m);
	return (int)page_end(&page, 0);
}

static int build_events(struct wire_wr *w)
{
	struct event_record m = {.kind = EVENT_PRESENT, .container = record};
	struct events_head head = {.after = 7};
	struct page_wr page;

	m.container.generation = 6;
	put_events_head(w, &head);
	page_begin(&page, w);
	(void)page_add_event(&page, &m);
	return (int)page_end(&page, 7);
}

static int build_programs(struct wire_wr *w)
{
	struct program_record m = {.usable = 1, .name = STR("p"), .description = STR("d")};
	struct page_wr page;

	page_begin(&page, w);
	(void)page_add_program(&page, &m);
	return (int)page_end(&page, 0);
}

static int build_started(struct wire_wr *w)
{
	struct started_reply m = {.pid = 5, .instance = 77};

	return (int)put_started_reply(w, &m);
}

static int build_waited(struct wire_wr *w)
{
	struct waited_reply m = {.pid = 5, .instance = 77};

	return (int)put_waited_reply(w, &m);
}

/* What a caller passes; it must be as it was after a failure. */
struct output {
	char text[16];
	int a, b, c;
	uint64_t cursor;
	union {
		struct root_container container;
		struct root_program program;
		struct root_event event;
		struct root_fact fact;
	} record;
	struct root_watch watch;
};

static int ask_hostname(int fd, struct output *o)
{
	return rootContainerHostName(fd, "web", 3, o->text, sizeof(o->text));
}

static int ask_pid(int fd, struct output *o)
{
	(void)o;
	return rootContainerProcessID(fd, "web", 3);
}

static int ask_cgroup(int fd, struct output *o)
{
	return rootContainerCGroupName(fd, "web", 3, o->text, sizeof(o->text));
}

static int ask_container(int fd, struct output *o)
{
	return rootContainerGet(fd, "web", 3, &o->record.container, sizeof(o->record.container));
}

static int ask_containers(int fd, struct output *o)
{
	return rootContainerList(fd, 0, &o->cursor, &o->record.container, sizeof(o->record.container), 1);
}

static int ask_pidfd(int fd, struct output *o)
{
	return rootContainerGetPidFD(fd, "web", 3, &o->record.container, sizeof(o->record.container), &o->b);
}

static int ask_of_process(int fd, struct output *o)
{
	return rootContainerOfProcess(fd, 5, &o->record.container, sizeof(o->record.container));
}

static int ask_of_cgroup(int fd, struct output *o)
{
	return rootContainerOfCGroup(fd, "/c", 2, &o->record.container, sizeof(o->record.container));
}

static int ask_facts(int fd, struct output *o)
{
	return rootContainerFacts(fd, "web", 3, &o->record.fact, sizeof(o->record.fact), 1);
}

static int ask_events(int fd, struct output *o)
{
	return rootContainerWatch(fd, &o->watch, &o->record.event, sizeof(o->record.event), 1, -1);
}

static int ask_programs(int fd, struct output *o)
{
	return rootProgramList(fd, 0, &o->cursor, &o->record.program, sizeof(o->record.program), 1);
}

static int ask_start(int fd, struct output *o)
{
	return rootProcessStart(fd, ROOT_IPC_PIPES, "p", 1, NULL, 0, &o->a, &o->b, &o->c);
}

static int ask_wait(int fd, struct output *o)
{
	return rootProcessWait(fd, 5, &o->a);
}

static int ask_terminate(int fd, struct output *o)
{
	(void)o;
	return rootProcessTerminate(fd, 5);
}

static const struct answer_case {
	uint16_t type;
	int (*build)(struct wire_wr *w);
	int (*ask)(int fd, struct output *o); /* NULL: the hello */
	int expected; /* with the whole record: >= 0, or this error */
	int nfds;
} answers[] = {
	{MSG_WELCOME, build_welcome, NULL, 0, 0},
	{MSG_ERROR, build_error, ask_pid, -ENOENT, 0},
	{MSG_ERROR, build_error, ask_wait, -EPROTO, 0},
	{MSG_HOSTNAME, build_hostname, ask_hostname, 4, 0},
	{MSG_PID, build_pid, ask_pid, 5, 0},
	{MSG_CGROUP, build_cgroup, ask_cgroup, 2, 0},
	{MSG_CONTAINER, build_container, ask_container, 0, 0},
	{MSG_CONTAINERS, build_containers, ask_containers, 1, 0},
	{MSG_CONTAINER, build_container, ask_pidfd, 0, 1},
	{MSG_CONTAINER, build_container, ask_of_process, 0, 0},
	{MSG_CONTAINER, build_container, ask_of_cgroup, 0, 0},
	{MSG_FACTS, build_facts, ask_facts, 1, 0},
	{MSG_EVENTS, build_events, ask_events, 1, 0},
	{MSG_ERROR, build_error, ask_events, -EPROTO, 0},
	{MSG_PROGRAMS, build_programs, ask_programs, 1, 0},
	{MSG_STARTED, build_started, ask_start, 0, 2},
	{MSG_WAITED, build_waited, ask_wait, 5, 0},
	{MSG_TERMINATED, build_nothing, ask_terminate, 0, 0},
	{MSG_RESUMED, build_nothing, ask_start, -ECONNRESET, 0},
};

static const struct answer_case *current;
static int whole; /* its length */

static void serve_cut(int fd)
{
	int cut = fake_connection + 1; /* an empty record is another matter */
	uint8_t request[WIRE_RECORD_MAX], reply[WIRE_RECORD_MAX] = {0};
	struct wire_rd rd;
	struct wire_wr w;
	uint32_t serial;
	uint16_t type;
	ssize_t n;

	if (current->ask)
		fake_hello(fd);
	n = chan_recv(fd, request, sizeof(request), NULL, 0, NULL, 0);
	FAKE_CHECK(n > 0);
	wire_rd_init(&rd, request, (size_t)n);
	FAKE_CHECK(!wire_get_header(&rd, &type, &serial));
	wire_wr_init(&w, reply, sizeof(reply));
	wire_put_header(&w, current->type, current->type == MSG_RESUMED ? 0 : serial);
	FAKE_CHECK(current->build(&w) >= 0);
	FAKE_CHECK(!chan_send(fd, reply, (size_t)cut, (int[]){0, 1}, current->nfds, 0));
	/* To its end: the library may acknowledge, and must close. */
	while (chan_recv(fd, request, sizeof(request), NULL, 0, NULL, 0) > 0)
		;
}

static void check_cut(const struct fake *f, int cut)
{
	struct output o, before;
	int fd = rootConnectTo(f->path), r = fd;

	if (!current->ask) {
		assert_true(cut == whole ? fd >= 0 : fd == -EPROTO);
	} else {
		assert_return_code(fd, -fd);
		memset(&o, 0x55, sizeof(o));
		o.cursor = 0;
		o.watch = (struct root_watch){0};
		before = o;
		r = current->ask(fd, &o);
		if (cut != whole)
			assert_int_equal(r, -EPROTO);
		else
			assert_int_equal(r, current->expected);
		if (r < 0)
			assert_memory_equal(&o, &before, sizeof(o));
		if (!r && current->nfds) {
			(void)close(o.b);
			if (current->nfds > 1)
				(void)close(o.c);
		}
	}
	rootShutdown(fd);
	assert_int_equal(open_descriptors(), fds_before);
}

static void test_answers_cut_at_every_length(void **state)
{
	uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;
	struct fake f;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		current = &answers[i];
		wire_wr_init(&w, buf, sizeof(buf));
		wire_put_header(&w, current->type, 1);
		assert_true(current->build(&w) >= 0);
		whole = (int)w.len;
		fake_start(&f, whole + 1, serve_cut);
		for (int cut = 1; cut <= whole + 1; cut++)
			check_cut(&f, cut);
		fake_stop(&f);
	}
}

/* --- Records of impossible sizes */

static void serve_too_long(int fd)
{
	static uint8_t reply[WIRE_RECORD_MAX + 1];
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	FAKE_CHECK(!chan_send(fd, reply, sizeof(reply), NULL, 0, 0));
	fake_expect_end(fd);
}

static void serve_empty(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	FAKE_CHECK(!chan_send(fd, "", 0, NULL, 0, 0));
	fake_expect_end(fd);
}

static void test_impossible_records(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_too_long);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -EPROTO);
	rootShutdown(fd);
	fake_stop(&f);
	fake_start(&f, 1, serve_empty);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -ENOTCONN);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Descriptors that nobody asked for */

static void serve_gifts(int fd)
{
	struct pid_reply m = {.pid = 5};
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_begin(&w, MSG_PID, in.serial);
	(void)put_pid_reply(&w, &m);
	fake_send_fds(fd, &w, (int[]){0, 1, 2}, 3);
	fake_expect_end(fd);
}

static void test_gifts_are_not_taken(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_gifts);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 5);
	assert_int_equal(open_descriptors(), fds_before + 1);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- A server that dies */

static void serve_and_die(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	if (!fake_connection)
		return; /* before the request */
	fake_expect(fd, MSG_CONTAINER_PID, &in);
}

static void test_server_death(void **state)
{
	struct output o = {.cursor = 0};
	struct fake f;

	(void)state;
	fake_start(&f, 2, serve_and_die);
	for (int i = 0; i < 2; i++) {
		int fd = fake_connect(&f);

		(void)usleep(50000);
		assert_int_equal(rootContainerProcessID(fd, "web", 3), -ENOTCONN);
		assert_int_equal(ask_hostname(fd, &o), -ENOTCONN);
		assert_int_equal(ask_cgroup(fd, &o), -ENOTCONN);
		assert_int_equal(ask_container(fd, &o), -ENOTCONN);
		assert_int_equal(ask_containers(fd, &o), -ENOTCONN);
		assert_int_equal(ask_pidfd(fd, &o), -ENOTCONN);
		assert_int_equal(ask_of_process(fd, &o), -ENOTCONN);
		assert_int_equal(ask_of_cgroup(fd, &o), -ENOTCONN);
		assert_int_equal(ask_facts(fd, &o), -ENOTCONN);
		assert_int_equal(ask_events(fd, &o), -ENOTCONN);
		assert_int_equal(ask_programs(fd, &o), -ENOTCONN);
		assert_int_equal(ask_start(fd, &o), -ENOTCONN);
		assert_int_equal(ask_wait(fd, &o), -ENOTCONN);
		assert_int_equal(rootProcessPoll(fd, 5, &o.a), -ENOTCONN);
		assert_int_equal(ask_terminate(fd, &o), -ENOTCONN);
		assert_int_equal(rootSetTimeout(fd, 5), 0);
		rootShutdown(fd);
	}
	fake_stop(&f);
}

static void serve_start_and_die(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, fake_connection ? MSG_PROCESS_WAIT : MSG_PROCESS_START, &in);
	if (fake_connection)
		(void)usleep(100000);
}

static void test_server_death_in_start_and_wait(void **state)
{
	struct output o;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 2, serve_start_and_die);
	fd = fake_connect(&f);
	assert_int_equal(ask_start(fd, &o), -ENOTCONN);
	rootShutdown(fd);
	fd = fake_connect(&f);
	assert_int_equal(ask_wait(fd, &o), -ENOTCONN);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Answers that come late */

static void serve_late(int fd)
{
	struct fake_in late, in;

	fake_hello(fd);
	for (uint32_t i = 0; i < 5; i++) {
		fake_expect(fd, MSG_CONTAINER_PID, &late);
		fake_expect(fd, MSG_CONTAINER_PID, &in);
		fake_pid(fd, late.serial, 666);
		fake_error(fd, late.serial, STATUS_NOT_FOUND, "of the one before");
		fake_pid(fd, in.serial, 100 + i);
	}
	fake_expect_end(fd);
}

static void test_late_answers(void **state)
{
	struct fake f;
	char why[64];
	int fd;

	(void)state;
	fake_start(&f, 1, serve_late);
	fd = fake_connect(&f);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rootSetTimeout(fd, 20), 0);
		assert_int_equal(rootContainerProcessID(fd, "old", 3), -ETIMEDOUT);
		assert_int_equal(rootSetTimeout(fd, 0), 0);
		assert_int_equal(rootContainerProcessID(fd, "new", 3), 100 + i);
		assert_int_equal(rootErrDetail(fd, why, sizeof(why)), 0);
	}
	rootShutdown(fd);
	fake_stop(&f);
}

/* One that talks without end and never answers must not hold a call longer than its timeout. */
static void serve_chatter(int fd)
{
	uint8_t buf[64];
	struct fake_in late;
	struct pid_reply m = {.pid = 5};
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &late);
	fake_begin(&w, MSG_PID, late.serial);
	(void)put_pid_reply(&w, &m);
	FAKE_CHECK(chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, 0) > 0);
	while (!chan_send(fd, w.buf, w.len, NULL, 0, 0))
		;
}

static void test_chatter_ends_in_time(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_chatter);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 50), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -ETIMEDOUT);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -ETIMEDOUT);
	rootShutdown(fd);
	fake_stop(&f);
}

/* One that does not read: when the socket is full, calls time out as ever, and those that must not block do not. */
static void serve_nothing(int fd)
{
	struct pollfd p = {.fd = fd, .events = 0};

	fake_hello(fd);
	FAKE_CHECK(poll(&p, 1, -1) == 1 && p.revents & POLLHUP);
}

static void test_full_socket(void **state)
{
	struct fake f;
	int fd, r, status;

	(void)state;
	fake_start(&f, 1, serve_nothing);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 1), 0);
	for (int i = 0; i < 2000; i++) {
		r = rootContainerProcessID(fd, "web", 3);
		assert_int_equal(r, -ETIMEDOUT);
	}
	r = rootProcessPoll(fd, -1, &status);
	assert_int_equal(r, -EAGAIN);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- A process that is disturbed */

static volatile sig_atomic_t interrupts;

static void on_alarm(int signo)
{
	(void)signo;
	interrupts++;
}

static void serve_slowly(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	for (int i = 0; i < 2; i++) {
		fake_expect(fd, i ? MSG_PROCESS_WAIT : MSG_CONTAINER_PID, &in);
		(void)usleep(200000);
		if (i)
			fake_waited(fd, in.serial, 5, 77, 0);
		else
			fake_pid(fd, in.serial, 5);
	}
	fake_expect(fd, MSG_PROCESS_ACK, &in);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_expect_end(fd);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void test_interrupts(void **state)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval storm = {{0, 1000}, {0, 1000}}, calm = {{0, 0}, {0, 0}};
	struct fake f;
	int64_t begun;
	int fd, status;

	(void)state;
	fake_start(&f, 1, serve_slowly);
	assert_return_code(sigaction(SIGALRM, &sa, NULL), errno);
	assert_return_code(setitimer(ITIMER_REAL, &storm, NULL), errno);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 5);
	assert_int_equal(rootProcessWait(fd, 5, &status), 5);
	/* An interruption must not begin the timeout anew. */
	assert_int_equal(rootSetTimeout(fd, 100), 0);
	begun = now_ms();
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -ETIMEDOUT);
	assert_true(now_ms() - begun >= 100 && now_ms() - begun < 20000);
	rootShutdown(fd);
	assert_return_code(setitimer(ITIMER_REAL, &calm, NULL), errno);
	/* The handler stays: the last one may still be on its way. */
	assert_true(interrupts > 50);
	fake_stop(&f);
}

/* --- Threads, each with its connection */

#define ROUNDS 100
#define THREADS 4

static void serve_thread(int fd)
{
	struct name_request m;
	struct fake_in in;

	fake_hello(fd);
	for (int i = 0; i < ROUNDS; i++) {
		fake_expect(fd, MSG_CONTAINER_PID, &in);
		FAKE_CHECK(!get_name_request(&in.body, &m) && m.name.len == 1);
		fake_pid(fd, in.serial, (uint32_t)m.name.p[0]);
	}
	fake_expect_end(fd);
}

static struct fake threads_fake;

static void *run_thread(void *data)
{
	const char *name = data;
	int fd = rootConnectTo(threads_fake.path), bad = fd < 0;

	for (int i = 0; i < ROUNDS && !bad; i++)
		bad = rootContainerProcessID(fd, name, 1) != name[0];
	rootShutdown(fd);
	return bad ? data : NULL;
}

static void test_threads(void **state)
{
	static char names[] = "abcd";
	pthread_t threads[THREADS];

	(void)state;
	fake_start(&threads_fake, THREADS, serve_thread);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &names[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		void *bad;

		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	fake_stop(&threads_fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_cut_at_every_length),
		TEST(test_impossible_records),
		TEST(test_gifts_are_not_taken),
		TEST(test_server_death),
		TEST(test_server_death_in_start_and_wait),
		TEST(test_late_answers),
		TEST(test_chatter_ends_in_time),
		TEST(test_full_socket),
		TEST(test_interrupts),
		TEST(test_threads),
	};

	return cmocka_run_group_tests_name("client against a hostile server", tests, NULL, NULL);
}
