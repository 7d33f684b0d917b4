/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <string.h>

#include "monitor.h"

static void begin(struct wire_wr *w, void *buf, size_t size, uint16_t type, uint32_t serial)
{
	wire_wr_init(w, buf, size);
	wire_put_header(w, type, serial);
}

static void send_reply(struct monitor *m, uint64_t session, const struct wire_wr *w, const int *fds, int nfds)
{
	const struct session *s = session_find(m, session);

	if (s && s->state == SESSION_HANDED)
		confined_send(&m->confined[CONFINED_FRONTEND], w, fds, nfds);
}

void reply_error(struct monitor *m, uint64_t session, uint32_t serial, enum status status, const char *detail)
{
	struct ipc_error msg = {.session = session, .m = {.status = (uint16_t)status}};
	uint8_t buf[512];
	struct wire_wr w;

	/* Cut rather than lost: the reason may name a long path. */
	msg.m.detail = (struct str){detail, strnlen(detail, ROOT_DETAIL_MAX)};
	begin(&w, buf, sizeof(buf), IPC_REPLY_ERROR, serial);
	(void)put_ipc_error(&w, &msg);
	send_reply(m, session, &w, NULL, 0);
}

void reply_programs(struct monitor *m, const struct program_owner *owner, uint32_t serial, const struct list_request *q)
{
	struct ipc_session_id msg = {.session = owner->session};
	static uint8_t buf[IPC_RECORD_MAX];
	struct wire_wr w;

	/* The envelope of 8 bytes goes, the header stays: the client's record has its own limit. */
	begin(&w, buf, WIRE_RECORD_MAX + sizeof(uint64_t), IPC_PROGRAMS_REPLY, serial);
	(void)put_ipc_session_id(&w, &msg);
	if (programs_list(m->programs, owner, q, &w) < 0)
		reply_error(m, owner->session, serial, STATUS_INVALID, "unknown flags");
	else
		send_reply(m, owner->session, &w, NULL, 0);
}

static void on_started(void *data, uint64_t session, uint32_t serial, const struct started_reply *m, const int *fds,
		       int nfds)
{
	struct ipc_started msg = {.session = session, .m = *m};
	uint8_t buf[64];
	struct wire_wr w;

	begin(&w, buf, sizeof(buf), IPC_STARTED_REPLY, serial);
	(void)put_ipc_started(&w, &msg);
	send_reply(data, session, &w, fds, nfds);
}

static void on_failed(void *data, uint64_t session, uint32_t serial, uint16_t status, const char *detail)
{
	reply_error(data, session, serial, (enum status)status, detail ? detail : "");
}

static void on_waited(void *data, uint64_t session, uint32_t serial, const struct waited_reply *m)
{
	struct ipc_waited msg = {.session = session, .m = *m};
	uint8_t buf[64];
	struct wire_wr w;

	begin(&w, buf, sizeof(buf), IPC_WAITED_REPLY, serial);
	(void)put_ipc_waited(&w, &msg);
	send_reply(data, session, &w, NULL, 0);
}

static void on_terminated(void *data, uint64_t session, uint32_t serial)
{
	struct ipc_session_id msg = {.session = session};
	uint8_t buf[64];
	struct wire_wr w;

	begin(&w, buf, sizeof(buf), IPC_TERMINATED_REPLY, serial);
	(void)put_ipc_session_id(&w, &msg);
	send_reply(data, session, &w, NULL, 0);
}

const struct program_replies reply_programs_callbacks = {
	.started = on_started,
	.failed = on_failed,
	.waited = on_waited,
	.terminated = on_terminated,
};
