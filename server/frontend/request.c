/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <limits.h>

#include "../../include/rootbroker.h"
#include "../../proto/proto.h"
#include "../common/log.h"
#include "frontend.h"

/* A decoded body. */
union body {
	struct hello hello;
	struct name_request name;
	struct list_request list;
	struct process_request process;
	struct cgroup_request cgroup;
	struct watch_request watch;
	struct start_request start;
	struct wait_request wait;
	struct ack_request ack;
	struct terminate_request terminate;
	struct cancel_request cancel;
};

struct request {
	struct session *session;
	const struct op *op;
	uint32_t serial;
	union body body;
};

struct op {
	uint16_t type;
	uint8_t states; /* enum session_state */
	uint8_t right; /* RIGHT_*; for programs the monitor asks its own table again */
	bool one_way;
	/* NULL, or why the body is malformed. Knows nothing but the bytes. */
	const char *(*decode)(struct wire_rd *r, union body *b);
	/* Answers, parks or passes on. The session may be gone afterwards. */
	void (*run)(struct request *q);
};

static const char undecodable[] = "malformed: its body does not decode";
static const char reserved[] = "malformed: reserved flags are set";

static const char *decode_hello(struct wire_rd *r, union body *b)
{
	if (get_hello(r, &b->hello) < 0)
		return undecodable;
	return b->hello.version_min > b->hello.version_max ? "malformed: its versions are the wrong way round" : NULL;
}

static const char *decode_name(struct wire_rd *r, union body *b)
{
	if (get_name_request(r, &b->name) < 0)
		return undecodable;
	return b->name.flags ? reserved : NULL;
}

static const char *decode_get(struct wire_rd *r, union body *b)
{
	if (get_name_request(r, &b->name) < 0)
		return undecodable;
	return b->name.flags & ~GET_PIDFD ? reserved : NULL;
}

static const char *decode_process(struct wire_rd *r, union body *b)
{
	if (get_process_request(r, &b->process) < 0)
		return undecodable;
	return b->process.flags ? reserved : NULL;
}

static const char *decode_cgroup(struct wire_rd *r, union body *b)
{
	if (get_cgroup_request(r, &b->cgroup) < 0)
		return undecodable;
	return b->cgroup.flags ? reserved : NULL;
}

static const char *decode_list(struct wire_rd *r, union body *b)
{
	if (get_list_request(r, &b->list) < 0)
		return undecodable;
	return b->list.flags ? reserved : NULL;
}

static const char *decode_containers(struct wire_rd *r, union body *b)
{
	if (get_list_request(r, &b->list) < 0)
		return undecodable;
	return b->list.flags & ~LIST_HOSTNAMES ? reserved : NULL;
}

static const char *decode_watch(struct wire_rd *r, union body *b)
{
	if (get_watch_request(r, &b->watch) < 0)
		return undecodable;
	return b->watch.flags ? reserved : NULL;
}

static const char *decode_start(struct wire_rd *r, union body *b)
{
	if (get_start_request(r, &b->start) < 0)
		return undecodable;
	return b->start.flags & ~START_STDERR ? reserved : NULL;
}

static const char *decode_wait(struct wire_rd *r, union body *b)
{
	if (get_wait_request(r, &b->wait) < 0)
		return undecodable;
	return b->wait.flags ? reserved : NULL;
}

static const char *decode_ack(struct wire_rd *r, union body *b)
{
	return get_ack_request(r, &b->ack) < 0 ? undecodable : NULL;
}

static const char *decode_terminate(struct wire_rd *r, union body *b)
{
	return get_terminate_request(r, &b->terminate) < 0 ? undecodable : NULL;
}

static const char *decode_cancel(struct wire_rd *r, union body *b)
{
	return get_cancel_request(r, &b->cancel) < 0 ? undecodable : NULL;
}

static void op_hello(struct request *q)
{
	const struct hello *m = &q->body.hello;
	struct session *s = q->session;
	struct welcome welcome = {.session = s->number};
	struct wire_wr w;

	if (m->version_max < PROTO_VERSION_MIN || m->version_min > PROTO_VERSION_MAX) {
		if (session_error(s, q->serial, STATUS_VERSION,
				  "this server speaks version %d to %d, the client %u to %u", PROTO_VERSION_MIN,
				  PROTO_VERSION_MAX, m->version_min, m->version_max))
			session_end(s, "no version in common");
		return;
	}
	welcome.version = m->version_max < PROTO_VERSION_MAX ? m->version_max : PROTO_VERSION_MAX;
	log_debug("session %llu is %.*s", (unsigned long long)s->number, (int)m->client.len, m->client.p);
	frontend_begin(s->frontend, &w, WIRE_RECORD_MAX, MSG_WELCOME, q->serial);
	(void)put_welcome(&w, &welcome);
	(void)session_answer(s, &w, NULL, 0);
}

/* As a pid_t it would be negative. */
static bool pid_fits(struct request *q, uint32_t pid)
{
	if (pid <= INT_MAX)
		return true;
	(void)session_error(q->session, q->serial, STATUS_INVALID, "%u is not a PID", pid);
	return false;
}

static const char *right_name(uint32_t right)
{
	switch (right) {
	case RIGHT_HOSTNAME:
		return "hostname";
	case RIGHT_PID:
		return "pid";
	case RIGHT_CGROUP:
		return "cgroup";
	case RIGHT_INSPECT:
		return "inspect";
	default:
		return "programs";
	}
}

static void refuse_right(struct request *q, uint32_t right)
{
	(void)session_error(q->session, q->serial, STATUS_DENIED,
			    "none of your roles has the right \"%s\": add it to a role's may in rootbroker.conf",
			    right_name(right));
}

static void op_container(struct request *q)
{
	struct query query = {.session = q->session, .serial = q->serial, .type = q->op->type};

	query.name = q->body.name.name;
	query_run(q->session->frontend, &query);
}

static void op_get(struct request *q)
{
	struct query query = {.session = q->session, .serial = q->serial, .type = q->op->type};

	query.flags = q->body.name.flags;
	query.name = q->body.name.name;
	if ((query.flags & GET_PIDFD) && !(q->session->rights & RIGHT_PID))
		refuse_right(q, RIGHT_PID);
	else
		query_run(q->session->frontend, &query);
}

static void op_of_process(struct request *q)
{
	struct query query = {.session = q->session, .serial = q->serial, .type = q->op->type, .name = STR("")};

	query.pid = q->body.process.pid;
	if (!pid_fits(q, query.pid))
		return;
	if (query.pid)
		query_run(q->session->frontend, &query);
	else
		(void)session_error(q->session, q->serial, STATUS_INVALID, "0 is not a PID");
}

static void op_of_cgroup(struct request *q)
{
	struct query query = {.session = q->session, .serial = q->serial, .type = q->op->type};
	struct str path = query.name = q->body.cgroup.cgroup;
	const char *why = path.p[0] != '/' ? "a cgroup's path begins with /" : NULL;

	for (size_t i = 0; i < path.len && path.len > 1 && !why; i++)
		if (path.p[i] == '/' && (i + 1 == path.len || path.p[i + 1] == '/'))
			why = "a component of the cgroup's path is empty";
	if (why)
		(void)session_error(q->session, q->serial, STATUS_INVALID, "%s", why);
	else
		query_run(q->session->frontend, &query);
}

static void op_list(struct request *q)
{
	struct query query = {.session = q->session, .serial = q->serial, .type = q->op->type, .name = STR("")};

	query.cursor = q->body.list.cursor;
	query.hostnames = q->body.list.flags & LIST_HOSTNAMES;
	if (query.hostnames && !(q->session->rights & RIGHT_HOSTNAME))
		refuse_right(q, RIGHT_HOSTNAME);
	else
		query_run(q->session->frontend, &query);
}

static void op_watch(struct request *q)
{
	watcher_ask(q->session, q->serial, &q->body.watch);
}

static void begin_forward(struct request *q, struct wire_wr *w, uint16_t type)
{
	frontend_begin(q->session->frontend, w, IPC_RECORD_MAX, type, q->serial);
}

static void forward(struct request *q, const struct wire_wr *w)
{
	if (monitor_forward(q->session, w) < 0 && !q->op->one_way)
		(void)session_error(q->session, q->serial, STATUS_TRY_AGAIN, "the server is short of memory");
}

static void op_start(struct request *q)
{
	struct ipc_start m = {.session = q->session->number, .m = q->body.start};
	struct wire_wr w;

	if (m.m.ipc > ROOT_IPC_SOCKETPAIR) {
		(void)session_error(q->session, q->serial, STATUS_INVALID, "there is no ipc type %u", m.m.ipc);
		return;
	}
	begin_forward(q, &w, IPC_START);
	(void)put_ipc_start(&w, &m);
	forward(q, &w);
}

static void op_wait(struct request *q)
{
	struct ipc_wait m = {.session = q->session->number, .m = q->body.wait};
	struct wire_wr w;

	if (!pid_fits(q, m.m.pid))
		return;
	begin_forward(q, &w, IPC_WAIT);
	(void)put_ipc_wait(&w, &m);
	forward(q, &w);
}

static void op_ack(struct request *q)
{
	struct ipc_ack m = {.session = q->session->number, .m = q->body.ack};
	struct wire_wr w;

	begin_forward(q, &w, IPC_ACK);
	(void)put_ipc_ack(&w, &m);
	forward(q, &w);
}

static void op_terminate(struct request *q)
{
	struct ipc_terminate m = {.session = q->session->number, .m = q->body.terminate};
	struct wire_wr w;

	if (!pid_fits(q, m.m.pid))
		return;
	if (!m.m.pid) {
		(void)session_error(q->session, q->serial, STATUS_INVALID, "0 is not a PID");
		return;
	}
	begin_forward(q, &w, IPC_TERMINATE);
	(void)put_ipc_terminate(&w, &m);
	forward(q, &w);
}

static void op_cancel(struct request *q)
{
	struct ipc_cancel m = {.session = q->session->number, .m = q->body.cancel};
	struct wire_wr w;

	begin_forward(q, &w, IPC_CANCEL);
	(void)put_ipc_cancel(&w, &m);
	forward(q, &w);
}

static void op_program_list(struct request *q)
{
	struct ipc_program_list m = {.session = q->session->number, .m = q->body.list};
	struct wire_wr w;

	begin_forward(q, &w, IPC_PROGRAM_LIST_REQ);
	(void)put_ipc_program_list(&w, &m);
	forward(q, &w);
}

#define HELLO_STATES (SESSION_NEW | SESSION_RESUMED)
#define OPEN_STATES (SESSION_OPEN | SESSION_RESUMED)

/* What a client may send, when, and with which right. What is not here does not exist. */
static const struct op ops[] = {
	{MSG_HELLO, HELLO_STATES, 0, false, decode_hello, op_hello},
	{MSG_CONTAINER_HOSTNAME, OPEN_STATES, RIGHT_HOSTNAME, false, decode_name, op_container},
	{MSG_CONTAINER_PID, OPEN_STATES, RIGHT_PID, false, decode_name, op_container},
	{MSG_CONTAINER_CGROUP, OPEN_STATES, RIGHT_CGROUP, false, decode_name, op_container},
	{MSG_CONTAINER_GET, OPEN_STATES, RIGHT_INSPECT, false, decode_get, op_get},
	{MSG_CONTAINER_OF_PROCESS, OPEN_STATES, RIGHT_INSPECT, false, decode_process, op_of_process},
	{MSG_CONTAINER_OF_CGROUP, OPEN_STATES, RIGHT_INSPECT, false, decode_cgroup, op_of_cgroup},
	{MSG_CONTAINER_FACTS, OPEN_STATES, RIGHT_INSPECT, false, decode_name, op_container},
	{MSG_CONTAINER_LIST, OPEN_STATES, RIGHT_INSPECT, false, decode_containers, op_list},
	{MSG_CONTAINER_WATCH, OPEN_STATES, RIGHT_INSPECT, false, decode_watch, op_watch},
	{MSG_PROCESS_START, OPEN_STATES, RIGHT_PROGRAMS, false, decode_start, op_start},
	{MSG_PROCESS_WAIT, OPEN_STATES, RIGHT_PROGRAMS, false, decode_wait, op_wait},
	{MSG_PROCESS_ACK, OPEN_STATES, RIGHT_PROGRAMS, true, decode_ack, op_ack},
	{MSG_PROCESS_TERMINATE, OPEN_STATES, RIGHT_PROGRAMS, false, decode_terminate, op_terminate},
	{MSG_PROGRAM_LIST, OPEN_STATES, RIGHT_PROGRAMS, false, decode_list, op_program_list},
	{MSG_PROCESS_CANCEL, OPEN_STATES, RIGHT_PROGRAMS, false, decode_cancel, op_cancel},
};

static const struct op *find_op(uint16_t type)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].type == type)
			return &ops[i];
	return NULL;
}

const char *request_received(struct session *s, const void *record, size_t len)
{
	struct request q = {.session = s};
	struct wire_rd r;
	const char *why;
	uint16_t type;

	wire_rd_init(&r, record, len);
	if (wire_get_header(&r, &type, &q.serial) < 0)
		return "malformed: bad header";
	q.op = find_op(type);
	if (!q.op)
		return msg_info(type) ? "malformed: a message that only the server sends"
				      : "malformed: unknown message";
	if (!(q.op->states & (unsigned)s->state))
		return s->state == SESSION_NEW ? "malformed: a request before hello" : "malformed: hello again";
	why = q.op->decode(&r, &q.body);
	if (why)
		return why;
	/* Its first good record: a hello, or what comes next in a session that said hello to an earlier frontend. */
	session_open(s);
	if (!q.op->one_way)
		s->in_flight++;
	session_update(s);
	if (q.op->right && !(s->rights & q.op->right)) {
		if (!q.op->one_way)
			refuse_right(&q, q.op->right);
		return NULL;
	}
	q.op->run(&q);
	return NULL;
}
