/* SPDX-License-Identifier: MIT */
/*
 * Sessions under attack: whatever a client sends, or does not read, ends its own session at most, and nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "frontend_rig.h"

static struct rig rig;
static int bystander;
static int alive; /* a pidfd */
static struct reply reply;

static int setup(void **state)
{
	(void)state;
	rig_setup(&rig);
	alive = rig_pidfd();
	rig_put(&rig, 1, "podman", "abcdef0123", "web", 4711, alive);
	bystander = rig_client(&rig, RIGHT_ALL);
	return 0;
}

/* Each test ends with the proof that the frontend still serves the others, and has kept nothing. */
static int teardown(void **state)
{
	(void)state;
	client_ask(&rig, bystander, MSG_CONTAINER_PID, 99, "web");
	client_expect_pid(bystander, 99, 4711);
	assert_false(rig.stopped);
	assert_int_equal(rig.f.sessions.count, 1);
	close_fd(&bystander);
	close_fd(&alive);
	rig_run(&rig);
	assert_int_equal(rig.f.sessions.count, 0);
	rig_teardown(&rig);
	return 0;
}

/* --- Every message in every state -------------------------------------------------------------------------------- */

static const uint16_t client_types[] = {
	MSG_HELLO,         MSG_CONTAINER_HOSTNAME, MSG_CONTAINER_PID, MSG_CONTAINER_CGROUP,
	MSG_CONTAINER_GET, MSG_CONTAINER_LIST,     MSG_PROCESS_START, MSG_PROCESS_WAIT,
	MSG_PROCESS_ACK,   MSG_PROCESS_TERMINATE,  MSG_PROGRAM_LIST,
};
#define NTYPES (sizeof(client_types) / sizeof(client_types[0]))

enum { NEW, OPEN, RESUMED, STATES };

static struct wire_wr *begin_valid(uint16_t type)
{
	struct wire_wr *w = rig_begin(type, 7);

	switch (type) {
	case MSG_HELLO:
		(void)put_hello(w, &(struct hello){.version_min = 1, .version_max = 3, .client = STR("x")});
		break;
	case MSG_CONTAINER_LIST:
	case MSG_PROGRAM_LIST:
		(void)put_list_request(w, &(struct list_request){.cursor = 5});
		break;
	case MSG_PROCESS_START:
		(void)put_start_request(w, &(struct start_request){.label = STR("backup"), .args = {"a\0b", 4}});
		break;
	case MSG_PROCESS_WAIT:
		(void)put_wait_request(w, &(struct wait_request){.pid = 12, .ack = 3});
		break;
	case MSG_PROCESS_ACK:
		(void)put_ack_request(w, &(struct ack_request){.instance = 3});
		break;
	case MSG_PROCESS_TERMINATE:
		(void)put_terminate_request(w, &(struct terminate_request){.pid = 12});
		break;
	default:
		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
	}
	assert_true(wire_wr_done(w) > 0);
	return w;
}

static int client_in(int state)
{
	int fd;

	if (state == OPEN)
		return rig_client(&rig, RIGHT_ALL);
	fd = rig_session(&rig, RIGHT_ALL, state == RESUMED);
	if (state == RESUMED)
		client_expect(fd, &reply, MSG_RESUMED, 0);
	return fd;
}

static void drop_client(int fd)
{
	(void)close(fd);
	rig_run(&rig);
	while (ipc_recv(rig.monitor, &rig.in, MSG_DONTWAIT) == 1)
		;
	while (ipc_recv(rig.joiner, &rig.in, MSG_DONTWAIT) == 1)
		;
}

static bool allowed(uint16_t type, int state)
{
	return type == MSG_HELLO ? state != OPEN : state != NEW;
}

static void test_every_type_in_every_state(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < NTYPES; i++) {
		for (int state = 0; state < STATES; state++) {
			int fd = client_in(state);
			unsigned before = rig.f.sessions.count;

			(void)begin_valid(client_types[i]);
			rig_send(&rig, fd, NULL, 0);
			assert_int_equal(rig.f.sessions.count, before - !allowed(client_types[i], state));
			if (allowed(client_types[i], state))
				drop_client(fd);
			else
				client_expect_end(fd);
		}
	}
}

static bool is_client_type(unsigned type)
{
	for (size_t i = 0; i < NTYPES; i++)
		if (client_types[i] == type)
			return true;
	return false;
}

static void test_every_other_number(void **unused)
{
	(void)unused;
	for (unsigned type = 0; type < 200; type++) {
		for (int state = 0; state < STATES && !is_client_type(type); state++) {
			int fd = client_in(state);

			(void)rig_begin((uint16_t)(type == 199 ? UINT16_MAX : type), 7);
			rig_send(&rig, fd, NULL, 0);
			client_expect_end(fd);
		}
	}
}

/* --- Every message, cut and continued ---------------------------------------------------------------------------- */

static void expect_refused(int state, const uint8_t *record, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1); /* an exact copy: an over-read is seen by the sanitizer */
	int fd = client_in(state);

	assert_non_null(exact);
	memcpy(exact, record, len);
	assert_int_equal(chan_send(fd, exact, len, NULL, 0, MSG_DONTWAIT), 0);
	free(exact);
	rig_run(&rig);
	client_expect_end(fd);
	rig_expect_nothing(&rig, rig.monitor);
}

static void test_cut_at_every_length(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < NTYPES; i++) {
		int state = client_types[i] == MSG_HELLO ? NEW : OPEN;
		uint8_t record[512] = {0};
		struct wire_wr *w = begin_valid(client_types[i]);
		size_t len = w->len;

		assert_true(len < sizeof(record));
		memcpy(record, w->buf, len);
		for (size_t cut = 0; cut <= len + 1; cut++)
			if (cut != len)
				expect_refused(state, record, cut);
		record[2] = 1; /* the header's reserved field */
		expect_refused(state, record, len);
		record[2] = 0;
		record[3] = 0x80;
		expect_refused(state, record, len);
	}
}

static void test_reserved_flags(void **unused)
{
	static const uint16_t named[] = {MSG_CONTAINER_HOSTNAME, MSG_CONTAINER_PID, MSG_CONTAINER_CGROUP,
					 MSG_CONTAINER_GET};
	uint8_t record[256];
	struct wire_wr w;

	(void)unused;
	for (uint32_t flag = 1; flag; flag <<= 1) {
		for (size_t i = 0; i < 4; i++) {
			wire_wr_init(&w, record, sizeof(record));
			wire_put_header(&w, named[i], 1);
			(void)put_name_request(&w, &(struct name_request){.flags = flag, .name = STR("web")});
			expect_refused(OPEN, record, w.len);
		}
		for (size_t i = 0; i < 2; i++) {
			wire_wr_init(&w, record, sizeof(record));
			wire_put_header(&w, i ? MSG_CONTAINER_LIST : MSG_PROGRAM_LIST, 1);
			(void)put_list_request(&w, &(struct list_request){.flags = flag});
			expect_refused(OPEN, record, w.len);
		}
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_PROCESS_WAIT, 1);
		(void)put_wait_request(&w, &(struct wait_request){.flags = flag});
		expect_refused(OPEN, record, w.len);
		if (flag == START_STDERR)
			continue;
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_PROCESS_START, 1);
		(void)put_start_request(&w, &(struct start_request){.flags = flag, .label = STR("x"), .args = STR("")});
		expect_refused(OPEN, record, w.len);
	}
}

static void test_bad_bodies(void **unused)
{
	uint8_t record[WIRE_RECORD_MAX + 1] = {0};
	char longest[ROOT_NAME_MAX + 1];
	struct wire_wr w;

	(void)unused;
	memset(longest, 'n', sizeof(longest));
	/* a name that is empty, one that is too long by one, one with a NUL */
	for (int i = 0; i < 3; i++) {
		static const size_t lengths[] = {0, ROOT_NAME_MAX + 1, 3};

		longest[1] = i == 2 ? '\0' : 'n';
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_CONTAINER_PID, 1);
		wire_put_u32(&w, 0);
		wire_put_bytes(&w, (struct str){longest, lengths[i]}, sizeof(longest));
		expect_refused(OPEN, record, w.len);
	}
	/* an argument without its end */
	wire_wr_init(&w, record, sizeof(record));
	wire_put_header(&w, MSG_PROCESS_START, 1);
	(void)put_start_request(&w, &(struct start_request){.label = STR("x"), .args = STR("open end")});
	expect_refused(OPEN, record, w.len);
	/* versions that cannot be */
	wire_wr_init(&w, record, sizeof(record));
	wire_put_header(&w, MSG_HELLO, 1);
	(void)put_hello(&w, &(struct hello){.version_min = 2, .version_max = 1, .client = STR("x")});
	expect_refused(NEW, record, w.len);
	/* the largest record, and one byte more */
	expect_refused(OPEN, record, WIRE_RECORD_MAX);
	expect_refused(OPEN, record, WIRE_RECORD_MAX + 1);
}

/* After an empty record the kernel would deliver what follows: nothing of it may be heard. */
static void test_empty_record_ends(void **unused)
{
	int fd = client_in(OPEN);

	(void)unused;
	assert_int_equal(send(fd, "", 0, MSG_DONTWAIT), 0);
	(void)begin_valid(MSG_CONTAINER_PID);
	rig_send(&rig, fd, NULL, 0);
	client_expect_end(fd);
}

static void test_random_bytes(void **unused)
{
	uint8_t record[64];

	(void)unused;
	srand(4);
	for (int i = 0; i < 5000; i++) {
		size_t len = 1 + (size_t)rand() % sizeof(record);
		int fd = client_in(i % STATES);

		for (size_t at = 0; at < len; at++)
			record[at] = (uint8_t)(rand() % 4 ? rand() % 64 : rand());
		if (rand() % 4)
			record[1] = record[2] = record[3] = 0;
		assert_int_equal(chan_send(fd, record, len, NULL, 0, MSG_DONTWAIT), 0);
		rig_run(&rig);
		drop_client(fd);
	}
}

/* --- Descriptors ------------------------------------------------------------------------------------------------- */

/* The teardown counts: none was installed. The record itself is as good as without. */
static void test_descriptors_are_dropped(void **unused)
{
	int fd = client_in(OPEN), three[3] = {0, 1, 2};

	(void)unused;
	for (int i = 0; i < 50; i++) {
		(void)begin_valid(MSG_CONTAINER_PID);
		rig_send(&rig, fd, three, 3);
		client_expect_pid(fd, 7, 4711);
	}
	drop_client(fd);
}

/* --- Hello ------------------------------------------------------------------------------------------------------- */

static void test_hello_negotiates(void **unused)
{
	int fd = client_in(NEW);
	struct welcome m;

	(void)unused;
	(void)put_hello(rig_begin(MSG_HELLO, 5),
			&(struct hello){.version_min = 0, .version_max = 9, .client = STR("a\x1b[2J")});
	rig_send(&rig, fd, NULL, 0);
	client_expect(fd, &reply, MSG_WELCOME, 5);
	assert_int_equal(get_welcome(&reply.body, &m), 0);
	assert_int_equal(m.version, PROTO_VERSION_MAX);
	assert_int_equal(m.session, rig.next_session - 1);
	drop_client(fd);

	fd = client_in(NEW);
	(void)put_hello(rig_begin(MSG_HELLO, 6),
			&(struct hello){.version_min = 2, .version_max = 9, .client = STR("")});
	rig_send(&rig, fd, NULL, 0);
	client_expect_error(fd, 6, STATUS_VERSION, "1 to 1");
	client_expect_end(fd);
}

static void test_hello_in_time(void **unused)
{
	struct timespec pause = {.tv_nsec = 80 * 1000000};
	int silent, late, prompt;

	(void)unused;
	rig.f.sessions.hello_timeout_ms = 50;
	silent = client_in(NEW);
	prompt = client_in(OPEN);
	(void)nanosleep(&pause, NULL);
	late = client_in(NEW);
	rig.f.sessions.hello_timeout_ms = 50000;
	rig_run(&rig);
	client_expect_end(silent);
	client_hello(&rig, late);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	assert_int_equal(rig.f.sessions.count, 3);
	drop_client(prompt);
	drop_client(late);
}

static void test_resumed(void **unused)
{
	int fd = rig_session(&rig, RIGHT_ALL, true);

	(void)unused;
	client_expect(fd, &reply, MSG_RESUMED, 0);
	assert_int_equal(wire_rd_done(&reply.body), 0);
	/* it needs no hello, and has no deadline for one */
	assert_int_equal(list_empty(&rig.f.sessions.hello), 1);
	client_ask(&rig, fd, MSG_CONTAINER_PID, 3, "web");
	client_expect_pid(fd, 3, 4711);
	/* now it is too late for it */
	(void)begin_valid(MSG_HELLO);
	rig_send(&rig, fd, NULL, 0);
	client_expect_end(fd);
	/* the earlier frontend may have died with the hello in its hands */
	fd = rig_session(&rig, RIGHT_ALL, true);
	client_expect(fd, &reply, MSG_RESUMED, 0);
	client_hello(&rig, fd);
	drop_client(fd);
}

/* What waited in the socket while the frontend was replaced is answered too. */
static void test_resumed_with_waiting_requests(void **unused)
{
	struct ipc_session m = {.session = 5, .rights = RIGHT_ALL, .resumed = 1, .prefix_min = 4};
	int pair[2];

	(void)unused;
	assert_int_equal(chan_pair(pair), 0);
	for (uint32_t serial = 1; serial <= 3; serial++) {
		struct wire_wr *w = rig_begin(MSG_CONTAINER_PID, serial);

		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
		assert_int_equal(ipc_send(pair[0], w, NULL, 0, 0), 0);
	}
	(void)put_ipc_session(rig_begin(IPC_SESSION, 0), &m);
	rig_send(&rig, rig.monitor, &pair[1], 1);
	(void)close(pair[1]);
	client_expect(pair[0], &reply, MSG_RESUMED, 0);
	for (uint32_t serial = 1; serial <= 3; serial++)
		client_expect_pid(pair[0], serial, 4711);
	drop_client(pair[0]);
}

/* --- Ends -------------------------------------------------------------------------------------------------------- */

static void test_monitor_ends_session(void **unused)
{
	int fd = client_in(OPEN);
	struct ipc_session_id m = {.session = rig.next_session - 1};

	(void)unused;
	client_ask(&rig, fd, MSG_CONTAINER_PID, 1, "nobody");
	assert_int_equal(rig.f.park.count, 1);
	(void)put_ipc_session_id(rig_begin(IPC_SESSION_END, 0), &m);
	rig_send(&rig, rig.monitor, NULL, 0);
	client_expect_end(fd);
	assert_int_equal(rig.f.park.count, 0);
	/* it may cross with our own end of it */
	(void)put_ipc_session_id(rig_begin(IPC_SESSION_END, 0), &m);
	rig_send(&rig, rig.monitor, NULL, 0);
	assert_false(rig.stopped);
	rig_synced(&rig, rig_expect_sync(&rig));
}

/* The monitor holds a duplicate: it must see the end, so closing is not enough. */
static void test_end_is_a_shutdown(void **unused)
{
	int fd = client_in(OPEN), duplicate;
	struct session *s = session_find(&rig.f, rig.next_session - 1);

	(void)unused;
	assert_non_null(s);
	duplicate = dup(s->source.fd);
	(void)begin_valid(MSG_HELLO);
	rig_send(&rig, fd, NULL, 0);
	client_expect_end(fd);
	assert_int_equal(recv(duplicate, (char[1]){0}, 1, MSG_DONTWAIT), 0);
	(void)close(duplicate);
}

static void test_client_leaves_with_requests_parked(void **unused)
{
	int fd = client_in(OPEN);

	(void)unused;
	for (uint32_t serial = 1; serial <= 10; serial++)
		client_ask(&rig, fd, serial % 2 ? MSG_CONTAINER_PID : MSG_CONTAINER_HOSTNAME, serial,
			   serial % 2 ? "no" : "web");
	assert_int_equal(rig.f.park.count, 10);
	(void)close(fd);
	rig_run(&rig);
	assert_int_equal(rig.f.park.count, 0);
	/* answers to what nobody asks any more */
	rig_synced(&rig, rig_expect_sync(&rig));
	for (int i = 0; i < 5; i++)
		rig_joined(&rig, rig_expect_join(&rig, NULL), 0, "name");
}

/* --- Floods ------------------------------------------------------------------------------------------------------ */

static void test_pipelining(void **unused)
{
	int fd = client_in(OPEN);

	(void)unused;
	for (uint32_t serial = 1; serial <= 40; serial++) {
		struct wire_wr *w = rig_begin(MSG_CONTAINER_PID, serial);

		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
		assert_int_equal(ipc_send(fd, w, NULL, 0, MSG_DONTWAIT), 0);
	}
	rig_run(&rig);
	for (uint32_t serial = 1; serial <= 40; serial++)
		client_expect_pid(fd, serial, 4711);
	drop_client(fd);
}

/* Whoever does not read is closed as soon as his own socket is full, not queued for. */
static void test_client_that_does_not_read(void **unused)
{
	int fd = client_in(OPEN), sent = 0;
	unsigned before = rig.f.sessions.count;

	(void)unused;
	while (rig.f.sessions.count == before && sent < 100000) {
		struct wire_wr *w = rig_begin(MSG_CONTAINER_PID, 1);

		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
		if (ipc_send(fd, w, NULL, 0, MSG_DONTWAIT) == 0)
			sent++;
		rig_run(&rig);
	}
	assert_int_equal(rig.f.sessions.count, before - 1);
	assert_in_range(sent, 10, 5000);
	(void)close(fd);
}

static unsigned waits_at_monitor(void)
{
	unsigned n = 0;

	while (ipc_recv(rig.monitor, &rig.in, MSG_DONTWAIT) == 1)
		n += rig.in.type == IPC_WAIT;
	return n;
}

static void test_in_flight_is_bounded(void **unused)
{
	int fd = client_in(OPEN);
	struct ipc_waited m = {.session = rig.next_session - 1, .m = {.pid = 1}};

	(void)unused;
	for (uint32_t serial = 1; serial <= 70; serial++)
		client_wait(&rig, fd, serial, 0);
	assert_int_equal(waits_at_monitor(), PROTO_INFLIGHT_MAX);
	client_expect_nothing(fd);
	/* for each answer, one more is read */
	for (uint32_t serial = 1; serial <= 6; serial++) {
		(void)put_ipc_waited(rig_begin(IPC_WAITED_REPLY, serial), &m);
		rig_send(&rig, rig.monitor, NULL, 0);
		client_expect(fd, &reply, MSG_WAITED, serial);
		assert_int_equal(waits_at_monitor(), 1);
	}
	/* while it is not read, it is still noticed when it goes */
	client_wait(&rig, fd, 71, 0);
	(void)close(fd);
	rig_run(&rig);
	assert_int_equal(rig.f.sessions.count, 1);
}

static void test_parked_requests_are_bounded(void **unused)
{
	int fd = client_in(OPEN);

	(void)unused;
	for (uint32_t serial = 1; serial <= 100; serial++)
		client_ask(&rig, fd, MSG_CONTAINER_PID, serial, "missing");
	assert_int_equal(rig.f.park.count, PROTO_INFLIGHT_MAX);
	/* One question to the resolver for the first, one for the other 63, one for the 65th, which was read once the first was
	 * answered, one for the rest. */
	for (int i = 0; i < 4; i++)
		rig_synced(&rig, rig_expect_sync(&rig));
	rig_expect_nothing(&rig, rig.resolver);
	for (uint32_t serial = 1; serial <= 100; serial++)
		client_expect_error(fd, serial, STATUS_NOT_FOUND, "missing");
	drop_client(fd);
}

/* The monitor is busy: nobody waits for it but those who have something for it. */
static void test_monitor_that_does_not_read(void **unused)
{
	enum { CLIENTS = 200 };
	static char args[8000];
	struct start_request start = {.label = STR("x"), .args = {args, sizeof(args)}};
	unsigned held = 0, arrived = 0;
	int fd[CLIENTS];

	(void)unused;
	for (int i = 0; i < CLIENTS; i++)
		fd[i] = client_in(OPEN);
	for (uint32_t serial = 1; serial <= 2; serial++) {
		for (int i = 0; i < CLIENTS; i++) {
			(void)put_start_request(rig_begin(MSG_PROCESS_START, serial), &start);
			rig_send(&rig, fd[i], NULL, 0);
		}
	}
	for (struct node *n = rig.f.monitor.outgoing.next; n != &rig.f.monitor.outgoing; n = n->next)
		held++;
	assert_in_range(held, CLIENTS / 2, CLIENTS); /* one each */
	client_ask(&rig, bystander, MSG_CONTAINER_PID, 1, "web");
	client_expect_pid(bystander, 1, 4711);
	/* one of those who wait goes away */
	(void)close(fd[CLIENTS - 1]);
	fd[CLIENTS - 1] = -1;
	rig_run(&rig);
	/* The monitor reads: everything arrives, for each client in its order. */
	for (;;) {
		static uint32_t last[CLIENTS];
		struct ipc_start m;
		size_t client;

		if (ipc_recv(rig.monitor, &rig.in, MSG_DONTWAIT) != 1)
			break;
		assert_int_equal(rig.in.type, IPC_START);
		assert_int_equal(get_ipc_start(&rig.in.body, &m), 0);
		client = (size_t)(m.session - (rig.next_session - CLIENTS));
		assert_in_range(client, 0, CLIENTS - 1);
		assert_int_equal(rig.in.serial, ++last[client]);
		arrived++;
		rig_run(&rig);
	}
	assert_in_range(arrived, 2 * CLIENTS - 2, 2 * CLIENTS);
	assert_true(list_empty(&rig.f.monitor.outgoing));
	for (int i = 0; i < CLIENTS - 1; i++)
		drop_client(fd[i]);
}

/* --- The monitor ------------------------------------------------------------------------------------------------- */

static void test_bad_sessions_from_monitor(void **unused)
{
	static const struct ipc_session bad[] = {
		{.session = 1000, .rights = 0, .prefix_min = 4}, /* the bystander's number */
		{.session = 1, .rights = RIGHT_ALL + 1, .prefix_min = 4},
		{.session = 1, .rights = 1, .resumed = 2, .prefix_min = 4},
		{.session = 1, .rights = 1, .prefix_min = 0},
	};

	(void)unused;
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		bool without = i == sizeof(bad) / sizeof(bad[0]); /* a descriptor */
		struct ipc_session good = {.session = 1, .prefix_min = 4};

		(void)put_ipc_session(rig_begin(IPC_SESSION, 0), without ? &good : &bad[i]);
		rig_send(&rig, rig.monitor, &alive, !without);
		assert_true(rig.stopped);
		assert_int_equal(rig.f.status, EX_PROTOCOL);
		rig.f.loop.stop = rig.stopped = false;
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_every_type_in_every_state),
		T(test_every_other_number),
		T(test_cut_at_every_length),
		T(test_reserved_flags),
		T(test_bad_bodies),
		T(test_empty_record_ends),
		T(test_random_bytes),
		T(test_descriptors_are_dropped),
		T(test_hello_negotiates),
		T(test_hello_in_time),
		T(test_resumed),
		T(test_resumed_with_waiting_requests),
		T(test_monitor_ends_session),
		T(test_end_is_a_shutdown),
		T(test_client_leaves_with_requests_parked),
		T(test_pipelining),
		T(test_client_that_does_not_read),
		T(test_in_flight_is_bounded),
		T(test_parked_requests_are_bounded),
		T(test_monitor_that_does_not_read),
		T(test_bad_sessions_from_monitor),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
