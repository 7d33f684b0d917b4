/* SPDX-License-Identifier: MIT */
/*
 * What the weak side may ask of root. Every message type, from each process, in every state of a session: what is not in the table below
 * must be refused, and nothing done.
 */
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

#include "../../server/monitor/lxc_fifo.h"
#include "../../server/monitor/lxc_gate.h"
#include "../../server/monitor/ops.h"
#include "../../server/monitor/reply.h"
#include "monitor_rig.h"

#define KNOWN 7 /* the number of the session that exists */
#define UNKNOWN 8
#define SERIAL 4711

static struct session session;
static int lxc_asks;
static int lxc_result;

int lxc_gate_ask(struct monitor *m, const struct ipc_lxc_ask *q)
{
	(void)m;
	(void)q;
	lxc_asks++;
	return lxc_result;
}

int lxc_fifo_ask(struct monitor *m, const struct ipc_lxc_fifo *q)
{
	(void)m;
	(void)q;
	lxc_asks++; /* any gate's */
	return lxc_result;
}

int rootless_gate_moved(struct monitor *m, const struct ipc_moved *q)
{
	(void)m;
	(void)q;
	lxc_asks++;
	return lxc_result;
}

static int start(void **state)
{
	(void)state;
	rig_start();
	session = (struct session){
		.monitor = &rig.m,
		.number = KNOWN,
		.source.fd = -1,
		.state = SESSION_HANDED,
		.rights = RIGHT_ALL,
		.roles = 1,
		.peer.uid = 1000,
	};
	rig.m.sessions.buckets[KNOWN % SESSION_BUCKETS] = &session;
	rig.m.sessions.count = 1;
	lxc_asks = lxc_result = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_end();
	return 0;
}

/* --- Records ----------------------------------------------------------------------------------------------------- */

/* A well-formed body for each type that is decoded here; for the others, something that many would take. */
static void put_body(struct wire_wr *w, uint16_t type, uint64_t number)
{
	struct ipc_start s = {number, {0, 0, STR("true"), {"1\0002", 4}}};

	switch (type) {
	case IPC_START:
		(void)put_ipc_start(w, &s);
		break;
	case IPC_WAIT:
		(void)put_ipc_wait(w, &(struct ipc_wait){number, {12, 0, 0}});
		break;
	case IPC_ACK:
		(void)put_ipc_ack(w, &(struct ipc_ack){number, {13}});
		break;
	case IPC_TERMINATE:
		(void)put_ipc_terminate(w, &(struct ipc_terminate){number, {14}});
		break;
	case IPC_CANCEL:
		(void)put_ipc_cancel(w, &(struct ipc_cancel){number, {16}});
		break;
	case IPC_PROGRAM_LIST_REQ:
		(void)put_ipc_program_list(w, &(struct ipc_program_list){number, {15, 0}});
		break;
	case IPC_LXC_ASK:
		(void)put_ipc_lxc_ask(w, &(struct ipc_lxc_ask){1, 0, IPC_LXC_STATE, STR("web")});
		break;
	case IPC_LXC_FIFO:
		(void)put_ipc_lxc_fifo(w, &(struct ipc_lxc_fifo){0});
		break;
	case IPC_MOVED:
		(void)put_ipc_moved(w, &(struct ipc_moved){1000, 0});
		break;
	case IPC_READY:
	case IPC_INDEX_BEGIN:
		break;
	default:
		(void)put_ipc_session_id(w, &(struct ipc_session_id){number});
	}
}

/* Dispatches @len bytes as if they had been received; a copy of their own size, so that reading on is noticed. */
static int dispatch(enum confined_kind from, const uint8_t *record, size_t len)
{
	static struct ipc_in in;
	uint8_t *copy = malloc(len);
	int r;

	assert_non_null(copy);
	memcpy(copy, record, len);
	in.nfds = 0;
	wire_rd_init(&in.body, copy, len);
	assert_int_equal(wire_get_header(&in.body, &in.type, &in.serial), 0);
	r = ops_dispatch(&rig.m, from, &in);
	free(copy);
	return r;
}

static int ask(enum confined_kind from, uint16_t type, uint64_t number)
{
	uint8_t buf[512];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, SERIAL);
	put_body(&w, type, number);
	assert_true(wire_wr_done(&w) > 0);
	return dispatch(from, buf, w.len);
}

static const struct allowed {
	enum confined_kind from;
	uint16_t type;
	const char *calls; /* of the programs module */
} allowed[] = {
	{CONFINED_FRONTEND, IPC_START, "start"},   {CONFINED_FRONTEND, IPC_WAIT, "wait"},
	{CONFINED_FRONTEND, IPC_ACK, "ack"},       {CONFINED_FRONTEND, IPC_TERMINATE, "terminate"},
	{CONFINED_FRONTEND, IPC_CANCEL, "cancel"}, {CONFINED_FRONTEND, IPC_PROGRAM_LIST_REQ, "list"},
	{CONFINED_RESOLVER, IPC_LXC_ASK, NULL},    {CONFINED_RESOLVER, IPC_LXC_FIFO, NULL},
	{CONFINED_RESOLVER, IPC_MOVED, NULL},
};
#define ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

static const struct allowed *find(enum confined_kind from, uint16_t type)
{
	for (size_t i = 0; i < ALLOWED; i++) {
		if (allowed[i].from == from && allowed[i].type == type)
			return &allowed[i];
	}
	return NULL;
}

static bool nothing_happened(void)
{
	return rig.ncalls == 0 && rig.nsent == 0 && lxc_asks == 0;
}

/* --- Tests ------------------------------------------------------------------------------------------------------- */

static void every_type_in_every_state(void **state)
{
	static const enum session_state states[] = {SESSION_WAITING, SESSION_HANDED};
	int done = 0;

	(void)state;
	for (int from = 0; from < CONFINED_COUNT; from++) {
		for (unsigned type = 0; type <= UINT16_MAX; type++) {
			const struct allowed *a = find((enum confined_kind)from, (uint16_t)type);

			for (size_t i = 0; i < 2; i++) {
				bool may = a && (!a->calls || states[i] == SESSION_HANDED);
				int r;

				session.state = states[i];
				r = ask((enum confined_kind)from, (uint16_t)type, KNOWN);
				assert_int_equal(r, may ? 0 : -EBADMSG);
				if (may) {
					assert_int_equal(lxc_asks, !a->calls);
					assert_int_equal(rig.ncalls, !!a->calls);
					if (a->calls)
						assert_string_equal(rig.calls[0].what, a->calls);
					done++;
				} else {
					assert_true(nothing_happened());
				}
				rig_reset();
				lxc_asks = 0;
			}
		}
	}
	/* Six in one state, three that have nothing to do with sessions in both: the test did not look past them. */
	assert_int_equal(done, 12);
}

static void what_comes_for_a_session_that_left_is_ignored(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALLOWED; i++) {
		if (!allowed[i].calls)
			continue;
		assert_int_equal(ask(allowed[i].from, allowed[i].type, UNKNOWN), 0);
		/* Another one of the same bucket. */
		assert_int_equal(ask(allowed[i].from, allowed[i].type, KNOWN + SESSION_BUCKETS), 0);
		assert_true(nothing_happened());
	}
	/* But not a type that is forbidden. */
	assert_int_equal(ask(CONFINED_FRONTEND, IPC_SESSION_END, UNKNOWN), -EBADMSG);
}

static void cut_or_longer_records_are_nonsense(void **state)
{
	uint8_t buf[513];
	struct wire_wr w;

	(void)state;
	for (size_t i = 0; i < ALLOWED; i++) {
		wire_wr_init(&w, buf, sizeof(buf) - 1);
		wire_put_header(&w, allowed[i].type, SERIAL);
		put_body(&w, allowed[i].type, KNOWN);
		for (size_t len = WIRE_HEADER; len < w.len; len++) {
			assert_int_equal(dispatch(allowed[i].from, buf, len), -EBADMSG);
			assert_true(nothing_happened());
		}
		buf[w.len] = 0;
		assert_int_equal(dispatch(allowed[i].from, buf, w.len + 1), -EBADMSG);
		assert_true(nothing_happened());
		assert_int_equal(dispatch(allowed[i].from, buf, w.len), 0);
		assert_false(nothing_happened());
		rig_reset();
		lxc_asks = 0;
	}
}

/* A cut record is nonsense even if its session is unknown: who sends it cannot be trusted with the known ones. */
static void nonsense_for_an_unknown_session_is_nonsense(void **state)
{
	uint8_t buf[64];
	struct wire_wr w;

	(void)state;
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_WAIT, SERIAL);
	put_body(&w, IPC_WAIT, UNKNOWN);
	assert_int_equal(dispatch(CONFINED_FRONTEND, buf, w.len - 1), -EBADMSG);
}

static void without_the_right_programs_are_denied(void **state)
{
	struct ipc_error m;

	(void)state;
	session.rights = RIGHT_ALL & ~RIGHT_PROGRAMS;
	for (size_t i = 0; i < ALLOWED; i++) {
		if (!allowed[i].calls)
			continue;
		assert_int_equal(ask(allowed[i].from, allowed[i].type, KNOWN), 0);
		assert_int_equal(rig.ncalls, 0);
		if (allowed[i].type == IPC_ACK) {
			assert_int_equal(rig.nsent, 0);
			continue;
		}
		assert_int_equal(rig.nsent, 1);
		assert_int_equal(rig.sent[0].to, CONFINED_FRONTEND);
		assert_int_equal(rig.sent[0].type, IPC_REPLY_ERROR);
		assert_int_equal(rig.sent[0].serial, SERIAL);
		assert_int_equal(get_ipc_error(&rig.sent[0].in.body, &m), 0);
		assert_int_equal(m.session, KNOWN);
		assert_int_equal(m.m.status, STATUS_DENIED);
		rig_reset();
	}
}

static void requests_arrive_as_they_were_sent(void **state)
{
	static const uint64_t values[] = {4, 12, 13, 14, 16, 15};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(ask(CONFINED_FRONTEND, allowed[i].type, KNOWN), 0);
		assert_int_equal(rig.calls[0].session, KNOWN);
		assert_int_equal(rig.calls[0].value, values[i]);
		if (allowed[i].type != IPC_ACK && allowed[i].type != IPC_PROGRAM_LIST_REQ)
			assert_int_equal(rig.calls[0].serial, SERIAL);
		rig_reset();
	}
}

static void what_the_gate_refuses_is_nonsense(void **state)
{
	(void)state;
	lxc_result = -EBADMSG;
	assert_int_equal(ask(CONFINED_RESOLVER, IPC_LXC_ASK, KNOWN), -EBADMSG);
	assert_int_equal(ask(CONFINED_RESOLVER, IPC_LXC_FIFO, KNOWN), -EBADMSG);
	assert_int_equal(ask(CONFINED_RESOLVER, IPC_MOVED, KNOWN), -EBADMSG);
}

/* --- Answers ----------------------------------------------------------------------------------------------------- */

static void answers_reach_the_frontend(void **state)
{
	const struct program_replies *r = &reply_programs_callbacks;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = {null, null, null};
	struct ipc_started started;
	struct ipc_waited waited;
	struct ipc_session_id id;
	struct ipc_error error;
	char text[1000];

	(void)state;
	r->started(&rig.m, KNOWN, SERIAL, &(struct started_reply){5, 6}, fds, 3);
	r->waited(&rig.m, KNOWN, SERIAL + 1, &(struct waited_reply){5, 256, 6});
	r->terminated(&rig.m, KNOWN, SERIAL + 2);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	r->failed(&rig.m, KNOWN, SERIAL + 3, STATUS_REFUSED, text);
	r->failed(&rig.m, KNOWN, SERIAL + 4, STATUS_REFUSED, NULL);
	assert_int_equal(rig.nsent, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(rig.sent[i].to, CONFINED_FRONTEND);
		assert_int_equal(rig.sent[i].serial, SERIAL + i);
	}
	assert_int_equal(rig.sent[0].type, IPC_STARTED_REPLY);
	assert_int_equal(rig.sent[0].in.nfds, 3);
	assert_int_equal(get_ipc_started(&rig.sent[0].in.body, &started), 0);
	assert_int_equal(started.session, KNOWN);
	assert_int_equal(started.m.instance, 6);
	assert_int_equal(rig.sent[1].type, IPC_WAITED_REPLY);
	assert_int_equal(get_ipc_waited(&rig.sent[1].in.body, &waited), 0);
	assert_int_equal(waited.m.status, 256);
	assert_int_equal(rig.sent[2].type, IPC_TERMINATED_REPLY);
	assert_int_equal(get_ipc_session_id(&rig.sent[2].in.body, &id), 0);
	/* A reason that is too long is cut, not lost. */
	assert_int_equal(rig.sent[3].type, IPC_REPLY_ERROR);
	assert_int_equal(get_ipc_error(&rig.sent[3].in.body, &error), 0);
	assert_int_equal(error.m.detail.len, ROOT_DETAIL_MAX);
	assert_int_equal(get_ipc_error(&rig.sent[4].in.body, &error), 0);
	assert_int_equal(error.m.detail.len, 0);
	(void)close(null);
}

static void answers_for_a_session_that_no_frontend_has_are_dropped(void **state)
{
	const struct program_replies *r = &reply_programs_callbacks;

	(void)state;
	r->terminated(&rig.m, UNKNOWN, SERIAL);
	session.state = SESSION_WAITING;
	r->terminated(&rig.m, KNOWN, SERIAL);
	assert_int_equal(rig.nsent, 0);
}

static void the_list_of_programs_is_a_page(void **state)
{
	struct ipc_error error;
	struct wire_rd *body;
	uint64_t next;
	uint16_t count;

	(void)state;
	assert_int_equal(ask(CONFINED_FRONTEND, IPC_PROGRAM_LIST_REQ, KNOWN), 0);
	assert_int_equal(rig.nsent, 1);
	assert_int_equal(rig.sent[0].type, IPC_PROGRAMS_REPLY);
	body = &rig.sent[0].in.body;
	assert_int_equal(wire_get_u64(body), KNOWN);
	get_page(body, &next, &count);
	assert_int_equal(wire_rd_done(body), 0);
	assert_int_equal(count, 0);
	rig_reset();
	rig.list_result = -EINVAL;
	assert_int_equal(ask(CONFINED_FRONTEND, IPC_PROGRAM_LIST_REQ, KNOWN), 0);
	assert_int_equal(rig.sent[0].type, IPC_REPLY_ERROR);
	assert_int_equal(get_ipc_error(&rig.sent[0].in.body, &error), 0);
	assert_int_equal(error.m.status, STATUS_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_in_every_state),
		TEST(what_comes_for_a_session_that_left_is_ignored),
		TEST(cut_or_longer_records_are_nonsense),
		TEST(nonsense_for_an_unknown_session_is_nonsense),
		TEST(without_the_right_programs_are_denied),
		TEST(requests_arrive_as_they_were_sent),
		TEST(what_the_gate_refuses_is_nonsense),
		TEST(answers_reach_the_frontend),
		TEST(answers_for_a_session_that_no_frontend_has_are_dropped),
		TEST(the_list_of_programs_is_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
