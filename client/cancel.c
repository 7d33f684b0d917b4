/* SPDX-License-Identifier: MIT */
#include "cancel.h"

#include <errno.h>

#include "call.h"

#define CANCEL_RECORD 16

static struct pending_cancel *find_start(struct conn *c, uint32_t start)
{
	for (int i = 0; i < CONN_CANCELS_MAX; i++) {
		if (c->cancels[i].start == start)
			return &c->cancels[i];
	}
	return NULL;
}

void cancel_send(struct conn *c, bool resumed)
{
	for (int i = 0; i < CONN_CANCELS_MAX; i++) {
		struct pending_cancel *p = &c->cancels[i];
		struct cancel_request m = {.start = p->start};
		uint8_t buf[CANCEL_RECORD];
		struct wire_wr w;

		if (!p->start || (p->sent && !resumed))
			continue;
		wire_wr_init(&w, buf, sizeof(buf));
		wire_put_header(&w, MSG_PROCESS_CANCEL, p->serial);
		p->sent = !call_send(c, buf, (size_t)put_cancel_request(&w, &m), CALL_AT_ONCE);
	}
}

void cancel_start(struct conn *c, uint32_t start)
{
	struct pending_cancel *p = find_start(c, 0);

	if (!p) {
		(void)conn_break(c, -ENOTCONN);
		return;
	}
	*p = (struct pending_cancel){.start = start, .serial = conn_next_serial(c)};
	cancel_send(c, false);
}

void cancel_started(struct conn *c, uint32_t start, uint64_t instance)
{
	struct pending_cancel *p = find_start(c, start);

	if (!p) {
		cancel_start(c, start);
		p = find_start(c, start);
	}
	if (p)
		p->instance = instance;
}

void cancel_answered(struct conn *c, uint16_t type, uint32_t serial)
{
	for (int i = 0; i < CONN_CANCELS_MAX; i++) {
		struct pending_cancel *p = &c->cancels[i];

		if (!p->start || p->serial != serial)
			continue;
		if (type == MSG_TERMINATED)
			p->start = 0;
		else
			p->sent = false;
	}
}

bool cancel_knows(const struct conn *c, uint64_t instance)
{
	for (int i = 0; i < CONN_CANCELS_MAX; i++) {
		if (c->cancels[i].start && c->cancels[i].instance == instance)
			return true;
	}
	return false;
}
