/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

#define WATCH_RECORD 32 /* longer than CONTAINER_WATCH */

static int send_watch(struct conn *c, int64_t deadline)
{
	struct watch_request m = {.after = c->watch.after, .until = c->watch.until};
	uint8_t buf[WATCH_RECORD];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, MSG_CONTAINER_WATCH, c->watch.serial);
	return call_send(c, buf, (size_t)put_watch_request(&w, &m), deadline);
}

int watch_ask(struct conn *c, uint64_t after, uint64_t until, int64_t deadline)
{
	struct pending_watch *p = &c->watch;
	int r;

	if (p->serial && p->after == after && p->until == until)
		return 0;
	if (!p->record)
		p->record = malloc(WIRE_RECORD_MAX);
	if (!p->record)
		return -ENOMEM;
	p->serial = conn_next_serial(c);
	p->after = after;
	p->until = until;
	p->len = 0;
	r = send_watch(c, deadline);
	if (!r || r == -EPIPE)
		return 0;
	p->serial = 0;
	return r;
}

int watch_await(struct conn *c, int64_t deadline)
{
	for (int i = 0; !c->watch.len; i++) {
		struct incoming in;
		int r;

		/* Whatever is there already is looked at; one that talks without end is not. */
		if (i >= PROTO_INFLIGHT_MAX && call_expired(deadline))
			return -ETIMEDOUT;
		r = call_poll(c, POLLIN, deadline);
		if (!r)
			r = call_receive(c, 0, 0, &in);
		if (r < 0)
			return r;
	}
	return 0;
}

int watch_take(struct conn *c, struct wire_rd *ret_body)
{
	uint32_t serial;
	uint16_t type;

	wire_rd_init(ret_body, c->watch.record, c->watch.len);
	c->watch.serial = 0;
	c->watch.len = 0;
	if (wire_get_header(ret_body, &type, &serial))
		return conn_break(c, -EPROTO);
	return type == MSG_ERROR ? call_error(c, ret_body, CALL_COMMON) : 0;
}

void watch_answered(struct conn *c, uint16_t type, uint32_t serial, const struct wire_rd *body)
{
	struct pending_watch *p = &c->watch;

	if (p->serial != serial || p->len)
		return;
	if (type != MSG_EVENTS && type != MSG_ERROR) {
		(void)conn_break(c, -EPROTO);
		return;
	}
	memcpy(p->record, body->buf, body->len);
	p->len = body->len;
}

void watch_resume(struct conn *c)
{
	if (c->watch.serial && !c->watch.len)
		(void)send_watch(c, call_deadline(c));
}
