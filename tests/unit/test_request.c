/* SPDX-License-Identifier: MIT */
/*
 * Requests that are refused or passed on, and the monitor's answers to them.
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

static void test_rights(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t right;
		const char *name;
	} needs[] = {
		{MSG_CONTAINER_HOSTNAME, RIGHT_HOSTNAME, "\"hostname\""},
		{MSG_CONTAINER_PID, RIGHT_PID, "\"pid\""},
		{MSG_CONTAINER_CGROUP, RIGHT_CGROUP, "\"cgroup\""},
		{MSG_CONTAINER_GET, RIGHT_INSPECT, "\"inspect\""},
		{MSG_CONTAINER_LIST, RIGHT_INSPECT, "\"inspect\""},
		{MSG_CONTAINER_OF_PROCESS, RIGHT_INSPECT, "\"inspect\""},
		{MSG_CONTAINER_OF_CGROUP, RIGHT_INSPECT, "\"inspect\""},
		{MSG_CONTAINER_FACTS, RIGHT_INSPECT, "\"inspect\""},
		{MSG_PROGRAM_LIST, RIGHT_PROGRAMS, "\"programs\""},
		{MSG_PROCESS_WAIT, RIGHT_PROGRAMS, "\"programs\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		int fd = rig_client(&rig, RIGHT_ALL & ~needs[i].right);

		if (needs[i].type == MSG_CONTAINER_LIST || needs[i].type == MSG_PROGRAM_LIST)
			client_list(&rig, fd, needs[i].type, 3, 0);
		else if (needs[i].type == MSG_PROCESS_WAIT)
			client_wait(&rig, fd, 3, 0);
		else if (needs[i].type == MSG_CONTAINER_OF_PROCESS)
			client_ask_process(&rig, fd, 3, 1);
		else if (needs[i].type == MSG_CONTAINER_OF_CGROUP)
			client_ask_cgroup(&rig, fd, 3, "/the/cgroup");
		else
			client_ask(&rig, fd, needs[i].type, 3, "web");
		client_expect_error(fd, 3, STATUS_DENIED, needs[i].name);
		(void)close(fd);
		rig_run(&rig);
		rig_expect_nothing(&rig, rig.monitor);
		rig_expect_nothing(&rig, rig.joiner);
		rig_expect_nothing(&rig, rig.resolver);
	}
	/* a pidfd takes both */
	for (int i = 0; i < 2; i++) {
		uint32_t right = i ? RIGHT_PID : RIGHT_INSPECT;
		int fd = rig_client(&rig, RIGHT_ALL & ~right);

		(void)put_name_request(rig_begin(MSG_CONTAINER_GET, 3),
				       &(struct name_request){.flags = GET_PIDFD, .name = STR("web")});
		rig_send(&rig, fd, NULL, 0);
		client_expect_error(fd, 3, STATUS_DENIED, i ? "\"pid\"" : "\"inspect\"");
		(void)close(fd);
		rig_run(&rig);
	}
	/* an acknowledgement is not answered, whatever the rights */
	{
		int fd = rig_client(&rig, 0);

		(void)put_ack_request(rig_begin(MSG_PROCESS_ACK, 1), &(struct ack_request){.instance = 1});
		rig_send(&rig, fd, NULL, 0);
		client_expect_nothing(fd);
		rig_expect_nothing(&rig, rig.monitor);
		(void)close(fd);
	}
}

/* --- Programs ---------------------------------------------------------------------------------------------------- */

static uint64_t session_number(void)
{
	return rig.next_session - 1;
}

static void test_program_requests_are_passed_on(void **state)
{
	struct start_request start = {
		.ipc = ROOT_IPC_PIPES, .flags = START_STDERR, .label = STR("backup"), .args = {"a\0", 2}};
	struct ipc_program_list list;
	struct ipc_terminate terminate;
	struct ipc_cancel cancel;
	struct ipc_start started;
	struct ipc_wait wait;
	struct ipc_ack ack;

	(void)state;
	(void)put_start_request(rig_begin(MSG_PROCESS_START, 21), &start);
	rig_send(&rig, rig.client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_START);
	assert_int_equal(rig.in.serial, 21);
	assert_int_equal(get_ipc_start(&rig.in.body, &started), 0);
	assert_int_equal(started.session, session_number());
	assert_int_equal(started.m.ipc, ROOT_IPC_PIPES);
	assert_int_equal(started.m.flags, START_STDERR);
	assert_true(str_eq(started.m.label, STR("backup")));
	assert_true(str_eq(started.m.args, start.args));

	(void)put_wait_request(rig_begin(MSG_PROCESS_WAIT, 22), &(struct wait_request){.pid = 5, .ack = 9});
	rig_send(&rig, rig.client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_WAIT);
	assert_int_equal(get_ipc_wait(&rig.in.body, &wait), 0);
	assert_int_equal(wait.session, session_number());
	assert_int_equal(wait.m.pid, 5);
	assert_int_equal(wait.m.ack, 9);

	(void)put_ack_request(rig_begin(MSG_PROCESS_ACK, 23), &(struct ack_request){.instance = 8});
	rig_send(&rig, rig.client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_ACK);
	assert_int_equal(get_ipc_ack(&rig.in.body, &ack), 0);
	assert_int_equal(ack.m.instance, 8);

	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 24), &(struct terminate_request){.pid = 6});
	rig_send(&rig, rig.client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_TERMINATE);
	assert_int_equal(rig.in.serial, 24);
	assert_int_equal(get_ipc_terminate(&rig.in.body, &terminate), 0);
	assert_int_equal(terminate.m.pid, 6);

	(void)put_cancel_request(rig_begin(MSG_PROCESS_CANCEL, 26), &(struct cancel_request){.start = 21});
	rig_send(&rig, rig.client, NULL, 0);
	rig_expect(&rig, rig.monitor, IPC_CANCEL);
	assert_int_equal(rig.in.serial, 26);
	assert_int_equal(get_ipc_cancel(&rig.in.body, &cancel), 0);
	assert_int_equal(cancel.session, session_number());
	assert_int_equal(cancel.m.start, 21);

	client_list(&rig, rig.client, MSG_PROGRAM_LIST, 25, 3);
	rig_expect(&rig, rig.monitor, IPC_PROGRAM_LIST_REQ);
	assert_int_equal(get_ipc_program_list(&rig.in.body, &list), 0);
	assert_int_equal(list.m.cursor, 3);
	assert_int_equal(session_find(&rig.f, session_number())->in_flight, 5);
}

/* What would be a negative pid_t, or an ipc type that does not exist, does not reach root. */
static void test_values_out_of_range(void **state)
{
	static const char *const paths[] = {"the/cgroup", "/the/cgroup/", "/the//cgroup", "//"};

	(void)state;
	client_wait(&rig, rig.client, 1, 0x80000000u);
	client_expect_error(rig.client, 1, STATUS_INVALID, "not a PID");
	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 2),
				    &(struct terminate_request){.pid = UINT32_MAX});
	rig_send(&rig, rig.client, NULL, 0);
	client_expect_error(rig.client, 2, STATUS_INVALID, "not a PID");
	(void)put_terminate_request(rig_begin(MSG_PROCESS_TERMINATE, 3), &(struct terminate_request){.pid = 0});
	rig_send(&rig, rig.client, NULL, 0);
	client_expect_error(rig.client, 3, STATUS_INVALID, "not a PID");
	(void)put_start_request(rig_begin(MSG_PROCESS_START, 4),
				&(struct start_request){.ipc = 3, .label = STR("x"), .args = STR("")});
	rig_send(&rig, rig.client, NULL, 0);
	client_expect_error(rig.client, 4, STATUS_INVALID, "ipc type 3");
	client_ask_process(&rig, rig.client, 5, 0);
	client_expect_error(rig.client, 5, STATUS_INVALID, "not a PID");
	client_ask_process(&rig, rig.client, 6, 0x80000000u);
	client_expect_error(rig.client, 6, STATUS_INVALID, "not a PID");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		client_ask_cgroup(&rig, rig.client, 7, paths[i]);
		client_expect_error(rig.client, 7, STATUS_INVALID, i ? "component" : "begins with /");
	}
	rig_expect_nothing(&rig, rig.monitor);
	rig_expect_nothing(&rig, rig.resolver);
	assert_int_equal(session_find(&rig.f, session_number())->in_flight, 0);
}

static void send_answers(uint64_t session)
{
	struct ipc_error error = {.session = session, .m = {.status = STATUS_NO_CHILD, .detail = STR("not yours")}};
	struct ipc_started started = {.session = session, .m = {.pid = 31, .instance = 32}};
	struct ipc_waited waited = {.session = session, .m = {.pid = 41, .status = 256, .instance = 42}};
	struct ipc_session_id id = {.session = session};
	struct program_record program = {.usable = 1, .name = STR("backup"), .description = STR("all of it")};
	int three[3] = {rig.alive, rig.alive, rig.alive};
	struct page_wr page;
	struct wire_wr *w;

	(void)put_ipc_error(rig_begin(IPC_REPLY_ERROR, 1), &error);
	rig_send(&rig, rig.monitor, NULL, 0);
	(void)put_ipc_started(rig_begin(IPC_STARTED_REPLY, 2), &started);
	rig_send(&rig, rig.monitor, three, 3);
	(void)put_ipc_waited(rig_begin(IPC_WAITED_REPLY, 3), &waited);
	rig_send(&rig, rig.monitor, NULL, 0);
	(void)put_ipc_session_id(rig_begin(IPC_TERMINATED_REPLY, 4), &id);
	rig_send(&rig, rig.monitor, NULL, 0);
	w = rig_begin(IPC_PROGRAMS_REPLY, 5);
	(void)put_ipc_session_id(w, &id);
	page_begin(&page, w);
	assert_true(page_add_program(&page, &program));
	(void)page_end(&page, 77);
	rig_send(&rig, rig.monitor, NULL, 0);
}

static void test_program_answers(void **state)
{
	struct program_record program;
	struct started_reply started;
	struct waited_reply waited;
	uint64_t next;
	uint16_t count;

	(void)state;
	send_answers(session_number());
	client_expect_error(rig.client, 1, STATUS_NO_CHILD, "not yours");
	client_expect(rig.client, &reply, MSG_STARTED, 2);
	assert_int_equal(get_started_reply(&reply.body, &started), 0);
	assert_int_equal(started.pid, 31);
	assert_int_equal(started.instance, 32);
	assert_int_equal(reply.nfds, 3);
	for (int i = 0; i < 3; i++)
		(void)close(reply.fds[i]);
	client_expect(rig.client, &reply, MSG_WAITED, 3);
	assert_int_equal(get_waited_reply(&reply.body, &waited), 0);
	assert_int_equal(waited.pid, 41);
	assert_int_equal(waited.status, 256);
	assert_int_equal(waited.instance, 42);
	client_expect(rig.client, &reply, MSG_TERMINATED, 4);
	assert_int_equal(get_nothing(&reply.body), 0);
	client_expect(rig.client, &reply, MSG_PROGRAMS, 5);
	get_page(&reply.body, &next, &count);
	assert_int_equal(next, 77);
	assert_int_equal(count, 1);
	page_next_program(&reply.body, &program);
	assert_int_equal(wire_rd_done(&reply.body), 0);
	assert_true(str_eq(program.name, STR("backup")));

	/* Answers to a session that has just ended: no harm, and the descriptors are closed (the teardown counts). */
	send_answers(session_number() + 1);
	assert_false(rig.stopped);
}

/* A page as large as a client's record may be arrives whole; one more byte is nonsense. */
static void test_largest_program_page(void **state)
{
	struct ipc_session_id id = {.session = session_number()};
	size_t largest = WIRE_RECORD_MAX - WIRE_HEADER;
	struct wire_wr *w;

	(void)state;
	for (int more = 0; more < 2; more++) {
		w = rig_begin(IPC_PROGRAMS_REPLY, 5);
		(void)put_ipc_session_id(w, &id);
		memset(w->buf + w->len, 'p', largest + 1);
		w->len += largest + (size_t)more;
		rig_send(&rig, rig.monitor, NULL, 0);
		assert_int_equal(rig.stopped, more);
	}
	rig.f.loop.stop = rig.stopped = false;
	client_expect(rig.client, &reply, MSG_PROGRAMS, 5);
	assert_int_equal(reply.body.len, WIRE_RECORD_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rights),          T(test_program_requests_are_passed_on), T(test_values_out_of_range),
		T(test_program_answers), T(test_largest_program_page),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
