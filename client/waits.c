/* SPDX-License-Identifier: MIT */
#include "waits.h"

#include <errno.h>
#include <limits.h>

#include "call.h"
#include "cancel.h"

#define SMALL_RECORD 64 /* longer than WAIT and ACK */
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

int waits_ask(struct conn *c, uint32_t pid, int64_t deadline, struct pending_wait **ret_wait)
{
	struct pending_wait *w;
	int r;

	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		w = &c->waits[i];
		if (w->serial && w->pid == pid) {
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
	c->acked[c->nacked++ % CONN_WAITS_MAX] = m.instance;
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

static bool collected(const struct conn *c, uint64_t instance)
{
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		if (instance && c->acked[i] == instance)
			return true;
	}
	return false;
}

/* The caller must not see a status that it has had already, nor that of a program which it was told does not run. */
static bool swallow(struct conn *c, const struct waited_reply *m)
{
	if (!cancel_knows(c, m->instance) && !collected(c, m->instance))
		return false;
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
		w->done = true;
		return;
	}
	if (type != MSG_WAITED || get_waited_reply(body, &m)) {
		(void)conn_break(c, -EPROTO);
		return;
	}
	if (swallow(c, &m)) {
		w->serial = conn_next_serial(c);
		(void)send_wait(c, w, CALL_AT_ONCE);
		return;
	}
	w->reply = m;
	w->done = true;
}

void waits_resume(struct conn *c)
{
	/* The waits say the last one only, and statuses of waits that were sent together are acknowledged without another. */
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		if (c->acked[i])
			send_ack(c, c->acked[i]);
	}
	for (int i = 0; i < CONN_WAITS_MAX; i++) {
		struct pending_wait *w = &c->waits[i];

		if (w->serial && !w->done)
			(void)send_wait(c, w, call_deadline(c));
	}
}
