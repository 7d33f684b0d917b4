/* SPDX-License-Identifier: MIT */
/*
 * Sessions: hello, handing over, their end; and clients that flood, stall or do not read, which cost only themselves.
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
static struct reply reply;

static int setup(void **state)
{
	(void)state;
	rig_setup_served(&rig);
	return 0;
}

/* Each test ends with the proof that the frontend still serves the others, and has kept nothing. */
static int teardown(void **state)
{
	(void)state;
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 99, "web");
	client_expect_pid(rig.client, 99, 4711);
	assert_false(rig.stopped);
	assert_int_equal(rig.f.sessions.count, 1);
	rig_teardown_served(&rig);
	return 0;
}

/* --- Hello ------------------------------------------------------------------------------------------------------- */

static void test_hello_negotiates(void **unused)
{
	int fd = rig_client_in(&rig, NEW);
	struct welcome m;

	(void)unused;
	(void)put_hello(rig_begin(MSG_HELLO, 5),
			&(struct hello){.version_min = 0, .version_max = 9, .client = STR("a\x1b[2J")});
	rig_send(&rig, fd, NULL, 0);
	client_expect(fd, &reply, MSG_WELCOME, 5);
	assert_int_equal(get_welcome(&reply.body, &m), 0);
	assert_int_equal(m.version, PROTO_VERSION_MAX);
	assert_int_equal(m.session, rig.next_session - 1);
	rig_client_drop(&rig, fd);

	fd = rig_client_in(&rig, NEW);
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
	silent = rig_client_in(&rig, NEW);
	prompt = rig_client_in(&rig, OPEN);
	(void)nanosleep(&pause, NULL);
	late = rig_client_in(&rig, NEW);
	rig.f.sessions.hello_timeout_ms = 50000;
	rig_run(&rig);
	client_expect_end(silent);
	client_hello(&rig, late);
	(void)nanosleep(&pause, NULL);
	rig_run(&rig);
	assert_int_equal(rig.f.sessions.count, 3);
	rig_client_drop(&rig, prompt);
	rig_client_drop(&rig, late);
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
	(void)rig_begin_valid(MSG_HELLO);
	rig_send(&rig, fd, NULL, 0);
	client_expect_end(fd);
	/* the earlier frontend may have died with the hello in its hands */
	fd = rig_session(&rig, RIGHT_ALL, true);
	client_expect(fd, &reply, MSG_RESUMED, 0);
	client_hello(&rig, fd);
	rig_client_drop(&rig, fd);
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
	rig_client_drop(&rig, pair[0]);
}

/* --- Ends -------------------------------------------------------------------------------------------------------- */

static void test_monitor_ends_session(void **unused)
{
	int fd = rig_client_in(&rig, OPEN);
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
	int fd = rig_client_in(&rig, OPEN), duplicate;
	struct session *s = session_find(&rig.f, rig.next_session - 1);

	(void)unused;
	assert_non_null(s);
	duplicate = dup(s->source.fd);
	(void)rig_begin_valid(MSG_HELLO);
	rig_send(&rig, fd, NULL, 0);
	client_expect_end(fd);
	assert_int_equal(recv(duplicate, (char[1]){0}, 1, MSG_DONTWAIT), 0);
	(void)close(duplicate);
}

/* A frontend that ends lets go of its clients: the monitor, or the keeper, holds them for the next one. */
static void test_sessions_outlive_the_frontend(void **unused)
{
	struct ipc_session m = {.session = 5, .rights = RIGHT_ALL, .prefix_min = 4};
	static struct rig next;
	int pair[2];

	(void)unused;
	assert_int_equal(chan_pair(pair), 0); /* pair[1] stays open here, as the monitor's duplicate does */
	rig_setup(&next);
	(void)put_ipc_session(rig_begin(IPC_SESSION, 0), &m);
	rig_send(&next, next.monitor, &pair[1], 1);
	client_hello(&next, pair[0]);
	client_ask(&next, pair[0], MSG_CONTAINER_PID, 2, "web");
	assert_int_equal(next.f.park.count, 1);
	(void)rig_expect_sync(&next);
	rig_teardown(&next);
	client_expect_nothing(pair[0]);
	m.resumed = 1;
	(void)put_ipc_session(rig_begin(IPC_SESSION, 0), &m);
	rig_send(&rig, rig.monitor, &pair[1], 1);
	(void)close(pair[1]);
	client_expect(pair[0], &reply, MSG_RESUMED, 0);
	client_ask(&rig, pair[0], MSG_CONTAINER_PID, 2, "web");
	client_expect_pid(pair[0], 2, 4711);
	rig_client_drop(&rig, pair[0]);
}

static void test_client_leaves_with_requests_parked(void **unused)
{
	int fd = rig_client_in(&rig, OPEN);

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
	int fd = rig_client_in(&rig, OPEN);

	(void)unused;
	for (uint32_t serial = 1; serial <= 40; serial++) {
		struct wire_wr *w = rig_begin(MSG_CONTAINER_PID, serial);

		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
		assert_int_equal(ipc_send(fd, w, NULL, 0, MSG_DONTWAIT), 0);
	}
	rig_run(&rig);
	for (uint32_t serial = 1; serial <= 40; serial++)
		client_expect_pid(fd, serial, 4711);
	rig_client_drop(&rig, fd);
}

/* Whoever does not read is closed as soon as his own socket is full, not queued for. */
static void test_client_that_does_not_read(void **unused)
{
	int fd = rig_client_in(&rig, OPEN), sent = 0;
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
	int fd = rig_client_in(&rig, OPEN);
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
	int fd = rig_client_in(&rig, OPEN);

	(void)unused;
	for (uint32_t serial = 1; serial <= 100; serial++)
		client_ask(&rig, fd, MSG_CONTAINER_PID, serial, "missing");
	assert_int_equal(rig.f.park.count, PROTO_INFLIGHT_MAX);
	/* One question to the resolver for the first, one for the other 63, one for the 65th, which was read
	 * once the first was answered, one for the rest. */
	for (int i = 0; i < 4; i++)
		rig_synced(&rig, rig_expect_sync(&rig));
	rig_expect_nothing(&rig, rig.resolver);
	for (uint32_t serial = 1; serial <= 100; serial++)
		client_expect_error(fd, serial, STATUS_NOT_FOUND, "missing");
	rig_client_drop(&rig, fd);
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
		fd[i] = rig_client_in(&rig, OPEN);
	for (uint32_t serial = 1; serial <= 2; serial++) {
		for (int i = 0; i < CLIENTS; i++) {
			(void)put_start_request(rig_begin(MSG_PROCESS_START, serial), &start);
			rig_send(&rig, fd[i], NULL, 0);
		}
	}
	for (struct list *n = rig.f.monitor.outgoing.next; n != &rig.f.monitor.outgoing; n = n->next)
		held++;
	assert_in_range(held, CLIENTS / 2, CLIENTS); /* one each */
	client_ask(&rig, rig.client, MSG_CONTAINER_PID, 1, "web");
	client_expect_pid(rig.client, 1, 4711);
	/* one of those who wait goes away */
	(void)close(fd[CLIENTS - 1]);
	fd[CLIENTS - 1] = -1;
	rig_run(&rig);
	/* The monitor reads: everything arrives, for each client in its order. */
	for (;;) {
		static uint32_t last[CLIENTS];
		struct ipc_start m;
		size_t from;

		if (ipc_recv(rig.monitor, &rig.in, MSG_DONTWAIT) != 1)
			break;
		assert_int_equal(rig.in.type, IPC_START);
		assert_int_equal(get_ipc_start(&rig.in.body, &m), 0);
		from = (size_t)(m.session - (rig.next_session - CLIENTS));
		assert_in_range(from, 0, CLIENTS - 1);
		assert_int_equal(rig.in.serial, ++last[from]);
		arrived++;
		rig_run(&rig);
	}
	assert_in_range(arrived, 2 * CLIENTS - 2, 2 * CLIENTS);
	assert_true(list_empty(&rig.f.monitor.outgoing));
	for (int i = 0; i < CLIENTS - 1; i++)
		rig_client_drop(&rig, fd[i]);
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
		rig_send(&rig, rig.monitor, &rig.alive, !without);
		assert_true(rig.stopped);
		assert_int_equal(rig.f.status, EX_PROTOCOL);
		rig.f.loop.stop = rig.stopped = false;
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_hello_negotiates),
		T(test_hello_in_time),
		T(test_resumed),
		T(test_resumed_with_waiting_requests),
		T(test_monitor_ends_session),
		T(test_end_is_a_shutdown),
		T(test_sessions_outlive_the_frontend),
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
