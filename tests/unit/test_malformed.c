/* SPDX-License-Identifier: MIT */
/*
 * What a client may send, and when: every message in every state, cut at every length, with flags that do not
 * exist, and bytes that are nothing at all. It ends its own session, and nobody else's.
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

/* --- Every message in every state -------------------------------------------------------------------------------- */

static const uint16_t client_types[] = {
	MSG_HELLO,
	MSG_CONTAINER_HOSTNAME,
	MSG_CONTAINER_PID,
	MSG_CONTAINER_CGROUP,
	MSG_CONTAINER_GET,
	MSG_CONTAINER_LIST,
	MSG_PROCESS_START,
	MSG_PROCESS_WAIT,
	MSG_PROCESS_ACK,
	MSG_PROCESS_TERMINATE,
	MSG_PROGRAM_LIST,
	MSG_PROCESS_CANCEL,
	MSG_CONTAINER_OF_PROCESS,
	MSG_CONTAINER_OF_CGROUP,
	MSG_CONTAINER_FACTS,
	MSG_CONTAINER_WATCH,
};
#define NTYPES (sizeof(client_types) / sizeof(client_types[0]))

static bool allowed(uint16_t type, int state)
{
	return type == MSG_HELLO ? state != OPEN : state != NEW;
}

static void test_every_type_in_every_state(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < NTYPES; i++) {
		for (int state = 0; state < STATES; state++) {
			int fd = rig_client_in(&rig, state);
			unsigned before = rig.f.sessions.count;

			(void)rig_begin_valid(client_types[i]);
			rig_send(&rig, fd, NULL, 0);
			assert_int_equal(rig.f.sessions.count, before - !allowed(client_types[i], state));
			if (allowed(client_types[i], state))
				rig_client_drop(&rig, fd);
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
			int fd = rig_client_in(&rig, state);

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
	int fd = rig_client_in(&rig, state);

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
		struct wire_wr *w = rig_begin_valid(client_types[i]);
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
					 MSG_CONTAINER_FACTS, MSG_CONTAINER_GET};
	uint8_t record[256];
	struct wire_wr w;

	(void)unused;
	for (uint32_t flag = 1; flag; flag <<= 1) {
		for (size_t i = 0; i < (flag == GET_PIDFD ? 4 : 5); i++) {
			wire_wr_init(&w, record, sizeof(record));
			wire_put_header(&w, named[i], 1);
			(void)put_name_request(&w, &(struct name_request){.flags = flag, .name = STR("web")});
			expect_refused(OPEN, record, w.len);
		}
		for (size_t i = 0; i < (flag == LIST_HOSTNAMES ? 1 : 2); i++) {
			wire_wr_init(&w, record, sizeof(record));
			wire_put_header(&w, i ? MSG_CONTAINER_LIST : MSG_PROGRAM_LIST, 1);
			(void)put_list_request(&w, &(struct list_request){.flags = flag});
			expect_refused(OPEN, record, w.len);
		}
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_CONTAINER_OF_PROCESS, 1);
		(void)put_process_request(&w, &(struct process_request){.pid = 1, .flags = flag});
		expect_refused(OPEN, record, w.len);
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_CONTAINER_OF_CGROUP, 1);
		(void)put_cgroup_request(&w, &(struct cgroup_request){.flags = flag, .cgroup = STR("/x")});
		expect_refused(OPEN, record, w.len);
		wire_wr_init(&w, record, sizeof(record));
		wire_put_header(&w, MSG_CONTAINER_WATCH, 1);
		(void)put_watch_request(&w, &(struct watch_request){.flags = flag});
		expect_refused(OPEN, record, w.len);
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
	int fd = rig_client_in(&rig, OPEN);

	(void)unused;
	assert_int_equal(send(fd, "", 0, MSG_DONTWAIT), 0);
	(void)rig_begin_valid(MSG_CONTAINER_PID);
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
		int fd = rig_client_in(&rig, i % STATES);

		for (size_t at = 0; at < len; at++)
			record[at] = (uint8_t)(rand() % 4 ? rand() % 64 : rand());
		if (rand() % 4)
			record[1] = record[2] = record[3] = 0;
		assert_int_equal(chan_send(fd, record, len, NULL, 0, MSG_DONTWAIT), 0);
		rig_run(&rig);
		rig_client_drop(&rig, fd);
	}
}

/* --- Descriptors ------------------------------------------------------------------------------------------------- */

/* The teardown counts: none was installed. The record itself is as good as without. */
static void test_descriptors_are_dropped(void **unused)
{
	int fd = rig_client_in(&rig, OPEN), three[3] = {0, 1, 2};

	(void)unused;
	for (int i = 0; i < 50; i++) {
		(void)rig_begin_valid(MSG_CONTAINER_PID);
		rig_send(&rig, fd, three, 3);
		client_expect_pid(fd, 7, 4711);
	}
	rig_client_drop(&rig, fd);
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
	};

	return cmocka_run_group_tests_name("malformed", tests, NULL, NULL);
}
