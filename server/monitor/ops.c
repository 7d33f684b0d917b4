/* SPDX-License-Identifier: MIT */
#include "ops.h"

#include <errno.h>

#include "../../proto/proto.h"
#include "lxc_fifo.h"
#include "lxc_gate.h"
#include "monitor.h"
#include "reply.h"

/* A decoded request. Those of sessions begin with the session's number. */
union request {
	uint64_t session;
	struct ipc_start start;
	struct ipc_wait wait;
	struct ipc_ack ack;
	struct ipc_terminate terminate;
	struct ipc_cancel cancel;
	struct ipc_program_list program_list;
	struct ipc_lxc_ask lxc_ask;
	struct ipc_lxc_fifo lxc_fifo;
	struct ipc_moved moved;
};

static int read_start(struct wire_rd *r, union request *q)
{
	return get_ipc_start(r, &q->start);
}

static int read_wait(struct wire_rd *r, union request *q)
{
	return get_ipc_wait(r, &q->wait);
}

static int read_ack(struct wire_rd *r, union request *q)
{
	return get_ipc_ack(r, &q->ack);
}

static int read_terminate(struct wire_rd *r, union request *q)
{
	return get_ipc_terminate(r, &q->terminate);
}

static int read_cancel(struct wire_rd *r, union request *q)
{
	return get_ipc_cancel(r, &q->cancel);
}

static int read_program_list(struct wire_rd *r, union request *q)
{
	return get_ipc_program_list(r, &q->program_list);
}

static int read_lxc_ask(struct wire_rd *r, union request *q)
{
	return get_ipc_lxc_ask(r, &q->lxc_ask);
}

static int read_lxc_fifo(struct wire_rd *r, union request *q)
{
	return get_ipc_lxc_fifo(r, &q->lxc_fifo);
}

static int read_moved(struct wire_rd *r, union request *q)
{
	return get_ipc_moved(r, &q->moved);
}

static int op_start(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	struct program_owner owner;

	session_owner(s, &owner);
	programs_start(m->programs, &owner, serial, &q->start.m);
	return 0;
}

static int op_wait(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	programs_wait(m->programs, s->number, serial, &q->wait.m);
	return 0;
}

static int op_ack(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	(void)serial;
	programs_ack(m->programs, s->number, &q->ack.m);
	return 0;
}

static int op_terminate(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	programs_terminate(m->programs, s->number, serial, &q->terminate.m);
	return 0;
}

static int op_cancel(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	programs_cancel(m->programs, s->number, serial, &q->cancel.m);
	return 0;
}

static int op_program_list(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	struct program_owner owner;

	session_owner(s, &owner);
	reply_programs(m, &owner, serial, &q->program_list.m);
	return 0;
}

static int op_lxc_ask(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	(void)s;
	(void)serial;
	return lxc_gate_ask(m, &q->lxc_ask);
}

static int op_lxc_fifo(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	(void)s;
	(void)serial;
	return lxc_fifo_ask(m, &q->lxc_fifo);
}

static int op_moved(struct monitor *m, const struct session *s, uint32_t serial, const union request *q)
{
	(void)s;
	(void)serial;
	return rootless_gate_moved(m, &q->moved);
}

/* All of it. What is not here is forbidden; so is a session's request in another state, for a session is named only by a frontend
 * that it was handed to. */
static const struct op {
	enum confined_kind from;
	uint16_t type;
	uint32_t states; /* of the session; 0: it is no request of a session */
	uint32_t right; /* that the session must have */
	int (*read)(struct wire_rd *r, union request *q);
	int (*run)(struct monitor *m, const struct session *s, uint32_t serial, const union request *q);
} ops[] = {
	{CONFINED_FRONTEND, IPC_START, SESSION_HANDED, RIGHT_PROGRAMS, read_start, op_start},
	{CONFINED_FRONTEND, IPC_WAIT, SESSION_HANDED, RIGHT_PROGRAMS, read_wait, op_wait},
	{CONFINED_FRONTEND, IPC_ACK, SESSION_HANDED, RIGHT_PROGRAMS, read_ack, op_ack},
	{CONFINED_FRONTEND, IPC_TERMINATE, SESSION_HANDED, RIGHT_PROGRAMS, read_terminate, op_terminate},
	{CONFINED_FRONTEND, IPC_CANCEL, SESSION_HANDED, RIGHT_PROGRAMS, read_cancel, op_cancel},
	{CONFINED_FRONTEND, IPC_PROGRAM_LIST_REQ, SESSION_HANDED, RIGHT_PROGRAMS, read_program_list, op_program_list},
	{CONFINED_RESOLVER, IPC_LXC_ASK, 0, 0, read_lxc_ask, op_lxc_ask},
	{CONFINED_RESOLVER, IPC_LXC_FIFO, 0, 0, read_lxc_fifo, op_lxc_fifo},
	{CONFINED_RESOLVER, IPC_MOVED, 0, 0, read_moved, op_moved},
};

static const struct op *find_op(enum confined_kind from, uint16_t type)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (ops[i].from == from && ops[i].type == type)
			return &ops[i];
	}
	return NULL;
}

int ops_dispatch(struct monitor *m, enum confined_kind from, struct ipc_in *in)
{
	const struct op *op = find_op(from, in->type);
	const struct session *s = NULL;
	union request q;

	if (!op || op->read(&in->body, &q) < 0)
		return -EBADMSG;
	if (op->states) {
		s = session_find(m, q.session);
		/* The client left while the request was on its way. */
		if (!s)
			return 0;
		if (!(s->state & op->states))
			return -EBADMSG;
	}
	if (s && op->right & ~s->rights) {
		/* An acknowledgement has no answer. */
		if (in->type != IPC_ACK)
			reply_error(m, s->number, in->serial, STATUS_DENIED, "no role of yours may use programs");
		return 0;
	}
	return op->run(m, s, in->serial, &q);
}
