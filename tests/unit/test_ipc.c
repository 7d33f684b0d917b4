/* SPDX-License-Identifier: MIT */
/* The internal protocol: a record that is not of a known row, or cut, or with too many descriptors, is nonsense. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/ipc.h"

static int pair[2];
static struct ipc_in in;

static int setup(void **state)
{
	(void)state;
	return chan_pair(pair);
}

static int teardown(void **state)
{
	(void)state;
	ipc_drop(&in);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

static void send_header(uint16_t type, int nfds)
{
	int fds[IPC_FDS_MAX] = {0, 1, 2};
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 3);
	assert_int_equal(ipc_send(pair[0], &w, fds, nfds, 0), 0);
}

static void descriptors_belong_to_the_record_until_taken(void **state)
{
	int fd;

	(void)state;
	send_header(IPC_STARTED_REPLY, 3);
	assert_int_equal(ipc_recv(pair[1], &in, 0), 1);
	assert_int_equal(in.type, IPC_STARTED_REPLY);
	assert_int_equal(in.serial, 3);
	assert_int_equal(in.nfds, 3);
	fd = ipc_take_fd(&in);
	assert_true(fd >= 0);
	assert_int_equal(in.nfds, 2);
	ipc_drop(&in);
	assert_int_equal(ipc_take_fd(&in), -1);
	assert_true(fcntl(fd, F_GETFD) >= 0); /* the taken one is ours */
	(void)close(fd);
}

static void more_descriptors_than_the_row_says_are_nonsense(void **state)
{
	(void)state;
	send_header(IPC_READY, 1);
	assert_int_equal(ipc_recv(pair[1], &in, 0), -EBADMSG);
	assert_int_equal(in.nfds, 0);
}

static void unknown_types_are_nonsense(void **state)
{
	(void)state;
	send_header(999, 0);
	assert_int_equal(ipc_recv(pair[1], &in, 0), -EBADMSG);
	assert_string_equal(ipc_name(999), "unknown");
	assert_string_equal(ipc_name(IPC_JOIN), "JOIN");
}

static void the_end_and_nothing_yet_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(ipc_recv(pair[1], &in, MSG_DONTWAIT), -EAGAIN);
	(void)close(pair[0]);
	pair[0] = -1;
	assert_int_equal(ipc_recv(pair[1], &in, MSG_DONTWAIT), 0);
}

/* Each body, filled, encoded, and decoded from every shorter and one longer length. */
#define ROUND_TRIP(name, type, ...)                                                               \
	do {                                                                                      \
		const struct type out = {__VA_ARGS__};                                            \
		struct type back;                                                                 \
		uint8_t buf[WIRE_RECORD_MAX], *copy;                                              \
		struct wire_wr w;                                                                 \
		struct wire_rd r;                                                                 \
		wire_wr_init(&w, buf, sizeof(buf));                                               \
		assert_true(put_ipc_##name(&w, &out) > 0);                                        \
		for (size_t len = 0; len <= w.len + 1; len++) {                                   \
			copy = calloc(1, len + 1);                                                \
			assert_non_null(copy);                                                    \
			memcpy(copy, buf, len < w.len ? len : w.len);                             \
			wire_rd_init(&r, copy, len);                                              \
			assert_int_equal(get_ipc_##name(&r, &back), len == w.len ? 0 : -EBADMSG); \
			if (len == w.len) {                                                       \
				uint8_t again[WIRE_RECORD_MAX];                                   \
				struct wire_wr a;                                                 \
				wire_wr_init(&a, again, sizeof(again));                           \
				assert_int_equal(put_ipc_##name(&a, &back), (ssize_t)w.len);      \
				assert_memory_equal(again, buf, w.len);                           \
			}                                                                         \
			free(copy);                                                               \
		}                                                                                 \
	} while (0)

static void bodies_round_trip_and_are_exact(void **state)
{
	(void)state;
	ROUND_TRIP(peer, ipc_peer_msg, IPC_PEER_JOINER);
	ROUND_TRIP(bind, ipc_bind, STR("/run/rootbroker/socket"));
	ROUND_TRIP(listener, ipc_listener, EADDRINUSE, STR("a server is running"));
	ROUND_TRIP(item, ipc_item, 7, IPC_KIND_PROGRAM, 4242, 1, 256, {"a\0b", 3});
	ROUND_TRIP(key, ipc_key, UINT64_MAX);
	ROUND_TRIP(exited, ipc_exited, 7, 9);
	ROUND_TRIP(session, ipc_session, 1, RIGHT_ALL, 1, 4);
	ROUND_TRIP(session_id, ipc_session_id, 1);
	ROUND_TRIP(error, ipc_error, 1, {2, STR("why")});
	ROUND_TRIP(start, ipc_start, 1, {1, 1, STR("label"), {"a\0", 2}});
	ROUND_TRIP(started, ipc_started, 1, {4242, 5});
	ROUND_TRIP(wait, ipc_wait, 1, {4242, 0, 5});
	ROUND_TRIP(waited, ipc_waited, 1, {4242, 256, 5});
	ROUND_TRIP(ack, ipc_ack, 1, {5});
	ROUND_TRIP(terminate, ipc_terminate, 1, {4242});
	ROUND_TRIP(cancel, ipc_cancel, 1, {4});
	ROUND_TRIP(program_list, ipc_program_list, 1, {0, 0});
	ROUND_TRIP(rid, ipc_rid, 9);
	ROUND_TRIP(token, ipc_token, 9);
	ROUND_TRIP(find_process, ipc_find_process, 9, 4242);
	ROUND_TRIP(found, ipc_found, 9, 0, 7);
	ROUND_TRIP(joined, ipc_joined, 9, 2, {{0, STR("host")}, {ESRCH, STR("")}});
	ROUND_TRIP(lxc_ask, ipc_lxc_ask, 9, 0, IPC_LXC_STATE, STR("web"));
	ROUND_TRIP(lxc_socket, ipc_lxc_socket, 9, ECONNREFUSED);
	ROUND_TRIP(lxc_fifo, ipc_lxc_fifo, 1);
	ROUND_TRIP(lxc_fifo_end, ipc_lxc_fifo_end, 1, EBUSY);
	ROUND_TRIP(moved, ipc_moved, 1000, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descriptors_belong_to_the_record_until_taken),
		TEST(more_descriptors_than_the_row_says_are_nonsense),
		TEST(unknown_types_are_nonsense),
		TEST(the_end_and_nothing_yet_are_told_apart),
		TEST(bodies_round_trip_and_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
