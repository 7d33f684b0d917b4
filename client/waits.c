/* SPDX-License-Identifier: MIT */
#include "waits.h"

#include <errno.h>
#include <limits.h>

#include "call.h"

#define SMALL_RECORD 64 /* longest of WAIT, ACK, TERMINATE */
#define WAIT_STATUSES (CALL_COMMON | CALL_STATUS(NO_CHILD))

static int send_wait(struct conn *c, const struct pending_wait *w, int64_t deadline)
{
	struct wait_request m = {.pid = w->pid, .ack = c->ack};
	uint8_t buf[SMALL_RECORD];
	struct wire_wr wr;

	wire_wr_init(&wr, buf, sizeof(buf));
	wire_put_header(&wr, MSG_PROCESS_WAIT, w->serial);
	return call_send(c, buf, (size_t)put_wait_request(&wr, &m), deadline);
}

/* An acknowledgement that does not get through is repeated by the next wait, or after the server was resumed. */
static void send_ack(struct conn *c, uint64_t instance)
{
	struct ack_request m = {.instance = instance};
	uint8_t buf[SMALL_RECORD];
	struct wire_wr wr;

	wire_wr_init(&wr, buf, sizeof(buf));
	wire_put_header(&wr, MSG_PROCESS_ACK, conn_next_serial(c));
	(void)call_send(c, buf, (size_t)put_ack_request(&wr, &m), CALL_AT_ONCE);
}

static int send_terminate(struct conn *c, uint32_t pid)
{
	struct terminate_request m = {.pid = pid};
	uint8_t buf[SMALL_RECORD];
	struct wire_wr wr;

	wire_wr_init(&wr, buf, sizeof(buf));
	wire_put_header(&wr, MSG_PROCESS_TERMINATE, conn_next_serial(c));
	return call_send(c, buf, (size_t)put_terminate_request(&wr, &m), CALL_AT_ONCE);
}

static struct pending_wait *free_slot(struct conn *c)
{
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		if (!c->waits[i].serial)
			return &c->waits[i];
	}
	return NULL;
}

static struct pending_wait *find_serial(struct conn *c, uint32_t serial)
{
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		if (c->waits[i].serial == serial && !c->waits[i].done)
			return &c->waits[i];
	}
	return NULL;
}

static struct pending_wait *find_orphan(struct conn *c, uint64_t instance)
{
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		struct pending_wait *w = &c->waits[i];

		if (w->serial && w->orphan && w->instance == instance)
			return w;
	}
	return NULL;
}

int waits_ask(struct conn *c, uint32_t pid, int64_t deadline, struct pending_wait **ret_wait)
{
	struct pending_wait *w;
	int r;

	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		w = &c->waits[i];
		if (w->serial && !w->orphan && w->pid == pid) {
			*ret_wait = w;
			return 0;
		}
	}
	w = free_slot(c);
	if (!w)
		return -EAGAIN;
	*w = (struct pending_wait){.serial = conn_next_serial(c), .pid = pid};
	r = send_wait(c, w, deadline);
	if (r && r != -EPIPE) {
		w->serial = 0;
		return r;
	}
	*ret_wait = w;
	return 0;
}

int waits_collect(struct conn *c, struct pending_wait *w, int *ret_status)
{
	struct waited_reply m = w->reply;

	w->serial = 0;
	if (w->error)
		return w->error;
	if (!m.pid || m.pid > INT_MAX || (w->pid && w->pid != m.pid))
		return conn_break(c, -EPROTO);
	c->ack = m.instance;
	/* Another wait may hold the same status; it has now been delivered. */
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		struct pending_wait *other = &c->waits[i];

		if (other->serial && other->done && !other->error && other->reply.instance == m.instance)
			other->serial = 0;
	}
	send_ack(c, m.instance);
	*ret_status = (int)m.status;
	return (int)m.pid;
}

/* True if the caller must not see this status: it is an orphan's, or was delivered already. */
static bool swallow(struct conn *c, const struct waited_reply *m)
{
	struct pending_wait *orphan = find_orphan(c, m->instance);

	if (!orphan && (!m->instance || m->instance != c->ack))
		return false;
	if (orphan) {
		orphan->serial = 0;
		c->orphan_ack = m->instance;
	}
	send_ack(c, m->instance);
	return true;
}

void waits_answered(struct conn *c, uint16_t type, uint32_t serial, struct wire_rd *body)
{
	struct pending_wait *w = find_serial(c, serial);
	struct waited_reply m;

	if (!w)
		return;
	if (type == MSG_ERROR) {
		w->error = call_error(c, body, WAIT_STATUSES);
		/* An orphan stays known whatever the server says of it, but for "there is none". */
		w->done = !w->orphan;
		if (w->orphan && w->error == -ECHILD)
			w->serial = 0;
		return;
	}
	if (type != MSG_WAITED || get_waited_reply(body, &m)) {
		(void)conn_break(c, -EPROTO);
		return;
	}
	if (swallow(c, &m)) {
		if (!w->serial || w->orphan)
			return;
		w->serial = conn_next_serial(c);
		(void)send_wait(c, w, CALL_AT_ONCE);
		return;
	}
	if (w->orphan) {
		(void)conn_break(c, -EPROTO);
		return;
	}
	w->reply = m;
	w->done = true;
}

void waits_orphan(struct conn *c, const struct started_reply *m)
{
	struct pending_wait *w = free_slot(c);

	if (!w || !m->pid || m->pid > INT_MAX) {
		(void)conn_break(c, w ? -EPROTO : -ENOTCONN);
		return;
	}
	*w = (struct pending_wait){
		.serial = conn_next_serial(c), .pid = m->pid, .orphan = true, .instance = m->instance};
	if (send_terminate(c, m->pid) || send_wait(c, w, CALL_AT_ONCE))
		(void)conn_break(c, -ENOTCONN);
}

void waits_resume(struct conn *c)
{
	if (c->ack)
		send_ack(c, c->ack);
	if (c->orphan_ack)
		send_ack(c, c->orphan_ack);
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		struct pending_wait *w = &c->waits[i];

		if (!w->serial || w->done)
			continue;
		if (w->orphan)
			(void)send_terminate(c, w->pid);
		(void)send_wait(c, w, call_deadline(c));
	}
}
