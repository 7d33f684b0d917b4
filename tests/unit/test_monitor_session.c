/* SPDX-License-Identifier: MIT */
/* Sessions in the monitor: who gets in, who is told, and that nobody is lost when a process is replaced. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../proto/proto.h"
#include "../../server/common/cleanup.h"
#include "monitor_rig.h"

static struct sockaddr_un address;
static socklen_t address_len;
static struct ipc_in in;

static int start(void **state)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)state;
	rig_start();
	/* The kernel chooses an abstract name. */
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	address_len = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(fd, 64), 0);
	sessions_init(&rig.m, 4);
	assert_int_equal(sessions_listen(&rig.m, fd), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	sessions_end_all(&rig.m);
	sessions_close(&rig.m);
	ipc_drop(&in);
	rig_end();
	return 0;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

static void expect_session(int i, uint32_t resumed, uint64_t *ret_number)
{
	struct ipc_session m;

	assert_in_range(i, 0, rig.nsent - 1);
	assert_int_equal(rig.sent[i].to, CONFINED_FRONTEND);
	assert_int_equal(rig.sent[i].type, IPC_SESSION);
	assert_int_equal(rig.sent[i].in.nfds, 1);
	assert_int_equal(get_ipc_session(&rig.sent[i].in.body, &m), 0);
	assert_int_equal(m.resumed, resumed);
	assert_int_equal(m.rights, RIGHT_ALL);
	assert_int_equal(m.prefix_min, 4);
	*ret_number = m.session;
}

static void expect_refusal(int fd, enum status status)
{
	uint8_t buf[1024];
	struct error_reply m;
	struct wire_rd r;
	uint16_t type;
	uint32_t serial;
	ssize_t n = chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, MSG_DONTWAIT);

	assert_true(n > 0);
	wire_rd_init(&r, buf, (size_t)n);
	assert_int_equal(wire_get_header(&r, &type, &serial), 0);
	assert_int_equal(type, MSG_ERROR);
	assert_int_equal(serial, 0);
	assert_int_equal(get_error_reply(&r, &m), 0);
	assert_int_equal(m.status, status);
	assert_int_equal(chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, MSG_DONTWAIT), 0);
}

static void a_client_is_handed_to_the_frontend_with_its_rights(void **state)
{
	int fd = client();
	uint64_t number;

	(void)state;
	rig_settle();
	assert_int_equal(rig.nsent, 1);
	expect_session(0, 0, &number);
	assert_non_null(session_find(&rig.m, number));
	assert_null(session_find(&rig.m, number + 1));
	/* What the frontend got is the client's socket. */
	assert_int_equal(send(rig.sent[0].in.fds[0], "x", 1, 0), 1);
	assert_int_equal(recv(fd, &(char){0}, 1, MSG_DONTWAIT), 1);
	(void)close(fd);
}

static void who_has_no_role_is_told_and_closed(void **state)
{
	int fd;

	(void)state;
	rig.config.nroles = 0;
	fd = client();
	/* Its hello lies unread when it is refused: it must see the reason, not a reset. */
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	rig_settle();
	expect_refusal(fd, STATUS_DENIED);
	assert_int_equal(rig.nsent, 0);
	assert_int_equal(rig.m.sessions.count, 0);
	(void)close(fd);
}

/* Whoever looks for the reason only after its hello must find it, whichever of the two is faster. */
static void the_reason_waits_for_the_hello(void **state)
{
	int fds[REFUSALS_MAX + 1];
	char byte;

	(void)state;
	rig.config.nroles = 0;
	for (int i = 0; i <= REFUSALS_MAX; i++) {
		fds[i] = client();
		rig_settle();
	}
	for (int i = 0; i < REFUSALS_MAX; i++)
		assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
	/* So many can wait, and one more is told at once. */
	expect_refusal(fds[REFUSALS_MAX], STATUS_DENIED);
	assert_int_equal(send(fds[0], "hello", 5, 0), 5);
	rig_settle();
	expect_refusal(fds[0], STATUS_DENIED);
	/* One that says nothing is not kept for long. */
	timer_set(&rig.m.loop, &rig.m.sessions.refusals.all[1].timer, 0);
	rig_settle();
	expect_refusal(fds[1], STATUS_DENIED);
	(void)close(fds[2]);
	rig_settle();
	assert_int_equal(rig.m.sessions.refusals.all[2].source.fd, -1);
	for (int i = 0; i <= REFUSALS_MAX; i++) {
		if (i != 2)
			(void)close(fds[i]);
	}
}

static void one_uid_cannot_take_all_sessions(void **state)
{
	int a, b, c;

	(void)state;
	rig.config.max_sessions_per_uid = 2;
	a = client();
	b = client();
	c = client();
	rig_settle();
	assert_int_equal(rig.nsent, 2);
	assert_int_equal(send(c, "hello", 5, 0), 5);
	rig_settle();
	expect_refusal(c, STATUS_TRY_AGAIN);
	(void)close(a);
	(void)close(b);
	(void)close(c);
}

static void a_full_server_accepts_again_when_a_session_ends(void **state)
{
	int fds[6];

	(void)state;
	for (int i = 0; i < 6; i++)
		fds[i] = client();
	rig_settle();
	assert_int_equal(rig.m.sessions.count, 4);
	/* Paused, not spinning on a listener that stays ready. */
	assert_int_equal(rig.m.sessions.listener.events, 0);
	(void)close(fds[0]);
	rig_settle();
	assert_int_equal(rig.m.sessions.count, 4);
	(void)close(fds[1]);
	(void)close(fds[2]);
	rig_settle();
	assert_int_equal(rig.m.sessions.count, 3);
	assert_int_equal(rig.m.sessions.listener.events, EPOLLIN);
	for (int i = 3; i < 6; i++)
		(void)close(fds[i]);
}

static void expect_ended(uint64_t number)
{
	struct ipc_session_id m;
	struct rig_sent *last = &rig.sent[rig.nsent - 1];

	assert_null(session_find(&rig.m, number));
	assert_int_equal(last->type, IPC_SESSION_END);
	assert_int_equal(get_ipc_session_id(&last->in.body, &m), 0);
	assert_int_equal(m.session, number);
	assert_int_equal(rig.ncalls, 1);
	assert_string_equal(rig.calls[0].what, "session_end");
	assert_int_equal(rig.calls[0].session, number);
}

static void a_client_that_left_is_gone_for_everybody(void **state)
{
	int fd = client();
	struct ipc_key key;
	uint64_t number;

	(void)state;
	rig_with_keeper();
	rig_settle();
	expect_session(0, 0, &number);
	assert_int_equal(rig_keeper_hears(&in), IPC_PUT);
	(void)close(fd);
	rig_settle();
	expect_ended(number);
	assert_int_equal(rig_keeper_hears(&in), IPC_DROP);
	assert_int_equal(get_ipc_key(&in.body, &key), 0);
	assert_int_equal(key.key, number);
}

static void a_client_that_only_stops_writing_has_left(void **state)
{
	int fd = client();
	uint64_t number;

	(void)state;
	rig_settle();
	expect_session(0, 0, &number);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	rig_settle();
	expect_ended(number);
	(void)close(fd);
}

static void the_frontends_shutdown_is_noticed(void **state)
{
	int fd = client();
	uint64_t number;

	(void)state;
	rig_settle();
	expect_session(0, 0, &number);
	assert_int_equal(shutdown(rig.sent[0].in.fds[0], SHUT_RDWR), 0);
	rig_settle();
	expect_ended(number);
	(void)close(fd);
}

static void clients_bytes_do_not_wake_the_monitor(void **state)
{
	int fd = client();

	(void)state;
	rig_settle();
	rig_reset();
	assert_int_equal(send(fd, "x", 1, 0), 1);
	rig_settle();
	assert_int_equal(rig.m.sessions.count, 1);
	assert_int_equal(rig.nsent + rig.ncalls, 0);
	(void)close(fd);
}

static void a_new_frontend_gets_every_session_as_resumed(void **state)
{
	int fds[3] = {client(), client(), client()};
	uint64_t number;

	(void)state;
	rig_settle();
	assert_int_equal(rig.nsent, 3);
	rig_reset();
	rig.m.confined[CONFINED_FRONTEND].state = CONFINED_NONE;
	sessions_take_back(&rig.m);
	/* One comes while there is no frontend: it waits, and is not resumed. */
	assert_int_equal(rig.m.sessions.count, 3);
	(void)close(fds[0]);
	fds[0] = client();
	rig_settle();
	assert_int_equal(rig.nsent, 0);
	rig.m.confined[CONFINED_FRONTEND].state = CONFINED_RUNNING;
	sessions_hand(&rig.m);
	assert_int_equal(rig.nsent, 3);
	for (int i = 0, fresh = 0; i < 3; i++) {
		struct ipc_session m;

		assert_int_equal(get_ipc_session(&rig.sent[i].in.body, &m), 0);
		fresh += !m.resumed;
		number = m.session;
		assert_int_equal(session_find(&rig.m, number)->state, SESSION_HANDED);
		if (i == 2)
			assert_int_equal(fresh, 1);
	}
	/* Once is enough. */
	sessions_hand(&rig.m);
	assert_int_equal(rig.nsent, 3);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
}

static void a_frontend_that_is_full_gets_the_rest_later(void **state)
{
	int fd;
	uint64_t number;

	(void)state;
	rig.try_result = -EAGAIN;
	fd = client();
	rig_settle();
	assert_int_equal(rig.nsent, 0);
	assert_int_equal(rig.m.sessions.count, 1);
	rig.try_result = 0;
	sessions_hand(&rig.m);
	assert_int_equal(rig.nsent, 1);
	expect_session(0, 0, &number);
	(void)close(fd);
}

/* --- From one monitor to the next -------------------------------------------------------------------------------- */

/* The item as the keeper would hand it back; the descriptor is the caller's. */
static int kept(struct ipc_item *item)
{
	assert_int_equal(rig_keeper_hears(&in), IPC_PUT);
	assert_int_equal(get_ipc_item(&in.body, item), 0);
	assert_int_equal(item->kind, IPC_KIND_SESSION);
	return ipc_take_fd(&in);
}

static void forget_all(void)
{
	/* As a monitor that dies: nobody is told. */
	for (int i = 0; i < SESSION_BUCKETS; i++) {
		while (rig.m.sessions.buckets[i]) {
			struct session *s = rig.m.sessions.buckets[i];

			rig.m.sessions.buckets[i] = s->next;
			rig.m.sessions.count--;
			loop_del(&rig.m.loop, &s->source);
			(void)close(s->source.fd);
			policy_peer_free(&s->peer);
			free(s);
		}
	}
	rig_reset();
}

static void the_next_monitor_has_the_same_session(void **state)
{
	int fd = client();
	struct ipc_item item;
	uint64_t number;

	(void)state;
	rig_with_keeper();
	rig_settle();
	expect_session(0, 0, &number);
	{
		int copy = kept(&item);

		assert_true(copy >= 0);
		assert_int_equal(item.key, number);
		forget_all();
		sessions_restore(&rig.m, &item, copy);
	}
	assert_int_equal(rig.m.sessions.count, 1);
	assert_int_equal(session_find(&rig.m, number)->peer.uid, geteuid());
	assert_int_equal(session_find(&rig.m, number)->peer.pid, getpid());
	sessions_hand(&rig.m);
	/* The earlier monitor's frontend had it. */
	expect_session(0, 1, &number);
	assert_int_equal(send(rig.sent[0].in.fds[0], "x", 1, 0), 1);
	assert_int_equal(recv(fd, &(char){0}, 1, MSG_DONTWAIT), 1);
	(void)close(fd);
}

static void a_session_that_no_frontend_had_is_not_resumed(void **state)
{
	struct ipc_item item;
	uint64_t number;
	int fd, copy;

	(void)state;
	rig.m.confined[CONFINED_FRONTEND].state = CONFINED_NONE;
	rig_with_keeper();
	fd = client();
	rig_settle();
	copy = kept(&item);
	forget_all();
	rig.m.confined[CONFINED_FRONTEND].state = CONFINED_RUNNING;
	sessions_restore(&rig.m, &item, copy);
	sessions_hand(&rig.m);
	expect_session(0, 0, &number);
	(void)close(fd);
}

/* Restores with a record that was changed at @at; says whether the session exists then. */
static bool restored_with(int fd, struct ipc_item item, size_t at, uint8_t change)
{
	uint8_t record[IPC_OPAQUE_MAX];
	bool exists;

	memcpy(record, item.record.p, item.record.len);
	record[at] ^= change;
	item.record.p = (const char *)record;
	sessions_restore(&rig.m, &item, dup(fd));
	exists = session_find(&rig.m, item.key) != NULL;
	forget_all();
	return exists;
}

static void a_record_that_does_not_fit_its_socket_is_refused(void **state)
{
	struct ipc_item item, cut;
	int fd = client(), copy;

	(void)state;
	rig_with_keeper();
	rig_settle();
	copy = kept(&item);
	forget_all();
	assert_true(restored_with(copy, item, 0, 0));
	/* Version, uid, gid, pid. */
	assert_false(restored_with(copy, item, 0, 1));
	assert_false(restored_with(copy, item, 4, 1));
	assert_false(restored_with(copy, item, 8, 1));
	assert_false(restored_with(copy, item, 12, 1));
	for (size_t len = 0; len < item.record.len; len++) {
		cut = item;
		cut.record.len = len;
		sessions_restore(&rig.m, &cut, dup(copy));
		assert_null(session_find(&rig.m, item.key));
	}
	(void)close(copy);
	(void)close(fd);
}

static void a_role_that_was_taken_away_is_gone_after_a_restart(void **state)
{
	struct ipc_item item;
	int fd = client(), copy;

	(void)state;
	rig_with_keeper();
	rig_settle();
	copy = kept(&item);
	forget_all();
	rig.config.nroles = 0;
	sessions_restore(&rig.m, &item, copy);
	assert_int_equal(rig.m.sessions.count, 0);
	assert_int_equal(rig_keeper_hears(&in), IPC_DROP);
	(void)close(fd);
}

static void root_of_a_container_stays_that_after_a_restart(void **state)
{
	struct ipc_item item;
	int fd = client(), copy;

	(void)state;
	if (geteuid() != 0)
		skip();
	rig_with_keeper();
	rig_settle();
	copy = kept(&item);
	forget_all();
	/* The last field: whether the peer was of the host. */
	assert_false(restored_with(copy, item, item.record.len - 2, 1));
	(void)close(copy);
	(void)close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_is_handed_to_the_frontend_with_its_rights),
		TEST(who_has_no_role_is_told_and_closed),
		TEST(the_reason_waits_for_the_hello),
		TEST(one_uid_cannot_take_all_sessions),
		TEST(a_full_server_accepts_again_when_a_session_ends),
		TEST(a_client_that_left_is_gone_for_everybody),
		TEST(a_client_that_only_stops_writing_has_left),
		TEST(the_frontends_shutdown_is_noticed),
		TEST(clients_bytes_do_not_wake_the_monitor),
		TEST(a_new_frontend_gets_every_session_as_resumed),
		TEST(a_frontend_that_is_full_gets_the_rest_later),
		TEST(the_next_monitor_has_the_same_session),
		TEST(a_session_that_no_frontend_had_is_not_resumed),
		TEST(a_record_that_does_not_fit_its_socket_is_refused),
		TEST(a_role_that_was_taken_away_is_gone_after_a_restart),
		TEST(root_of_a_container_stays_that_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
