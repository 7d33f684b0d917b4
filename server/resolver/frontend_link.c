/* SPDX-License-Identifier: MIT */
/* The channel to the frontend. Runs in: resolver. Trusts: that the frontend sends nothing but questions. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "facts.h"
#include "find.h"
#include "resolver.h"

void frontend_lose(struct resolver *r)
{
	if (r->frontend.fd < 0)
		return;
	loop_del(&r->loop, &r->frontend);
	close_fd(&r->frontend.fd);
	timer_cancel(&r->loop, &r->deadline);
	r->nsyncs = r->nquestions = 0;
	r->end_due = r->late = r->fresh = false;
}

static void send_frontend(struct resolver *r, const struct wire_wr *w, int fd)
{
	int e;

	if (r->frontend.fd < 0)
		return;
	e = ipc_send(r->frontend.fd, w, &fd, fd >= 0 ? 1 : 0, 0);
	if (e == 0)
		return;
	if (e != -EPIPE && e != -ECONNRESET)
		log_error("cannot send to the frontend: %s", strerror(-e));
	frontend_lose(r); /* the monitor connects us to the next one, which gets everything anew */
}

static void send_bare(struct resolver *r, uint16_t type)
{
	uint8_t buf[WIRE_HEADER];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	send_frontend(r, &w, -1);
}

static void sink_put(struct table_sink *s, const struct container_record *m, int pidfd)
{
	struct resolver *r = container_of(s, struct resolver, sink);
	static uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;

	published_put(&r->published, m, pidfd);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_INDEX_PUT, 0);
	if (put_container_record(&w, m) < 0) {
		log_error("a record of %.*s does not fit: left out", (int)m->engine.len, m->engine.p);
		return;
	}
	send_frontend(r, &w, pidfd);
}

static void sink_remove(struct table_sink *s, uint64_t rid)
{
	struct resolver *r = container_of(s, struct resolver, sink);
	struct ipc_rid m = {.rid = rid};
	uint8_t buf[64];
	struct wire_wr w;

	published_remove(&r->published, rid);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_INDEX_REMOVE, 0);
	(void)put_ipc_rid(&w, &m);
	send_frontend(r, &w, -1);
}

void frontend_tell_synced(struct resolver *r, uint64_t token)
{
	struct ipc_token m = {.token = token};
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_SYNCED, 0);
	(void)put_ipc_token(&w, &m);
	send_frontend(r, &w, -1);
}

static void answer_find(struct resolver *r, const struct question *q)
{
	struct ipc_found m = {.token = q->token};
	uint8_t buf[64];
	struct wire_wr w;
	int e = find_process(&r->published, r->ctx.proc, (pid_t)q->pid, &m.rid);

	if (e < 0)
		m = (struct ipc_found){.token = q->token, .error = (uint32_t)-e};
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_FOUND, 0);
	(void)put_ipc_found(&w, &m);
	send_frontend(r, &w, -1);
}

static void answer_facts(struct resolver *r, const struct question *q)
{
	const struct known *k = published_rid(&r->published, q->rid);
	struct ipc_facts m = {.token = q->token, .error = k ? 0 : ENOENT, .rid = q->rid};
	/* The page is to fit in a client's record: what is before it here is longer than the header there. */
	static uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_FACTS_REPLY, 0);
	(void)put_ipc_facts(&w, &m);
	if (k)
		facts_write(&r->ctx, k, &w);
	send_frontend(r, &w, -1);
}

void frontend_answer(struct resolver *r, const struct question *q)
{
	if (q->type == IPC_FIND_PROCESS)
		answer_find(r, q);
	else
		answer_facts(r, q);
}

static bool take_sync(struct resolver *r)
{
	struct ipc_token m;

	if (get_ipc_token(&r->in.body, &m) < 0 || r->nsyncs == RESOLVER_SYNCS_MAX)
		return false;
	r->syncs[r->nsyncs++] = m.token;
	return true;
}

static bool take_question(struct resolver *r)
{
	struct question q = {.type = r->in.type};
	struct ipc_find_process find;
	struct ipc_facts facts;

	if (r->nquestions == RESOLVER_QUESTIONS_MAX)
		return false;
	if (q.type == IPC_FIND_PROCESS) {
		if (get_ipc_find_process(&r->in.body, &find) < 0)
			return false;
		q.token = find.token;
		q.pid = find.pid;
	} else {
		if (get_ipc_facts(&r->in.body, &facts) < 0 || wire_rd_done(&r->in.body) < 0 || facts.error)
			return false;
		q.token = facts.token;
		q.rid = facts.rid;
	}
	r->questions[r->nquestions++] = q;
	return true;
}

static bool take(struct resolver *r)
{
	switch (r->in.type) {
	case IPC_SYNC:
		return take_sync(r);
	case IPC_FIND_PROCESS:
	case IPC_FACTS_REQ:
		return take_question(r);
	default:
		return false;
	}
}

static void on_frontend(struct source *s, uint32_t events)
{
	struct resolver *r = container_of(s, struct resolver, frontend);
	int n = ipc_recv(s->fd, &r->in, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == 0 || n == -ECONNRESET) {
		log_debug("the frontend is gone");
		frontend_lose(r);
		return;
	}
	if (n < 0 || !take(r)) {
		log_error("nonsense from the frontend");
		resolver_stop(r, EX_PROTOCOL);
		return;
	}
	r->fresh = true;
}

int frontend_connect(struct resolver *r, int fd)
{
	int e;

	frontend_lose(r);
	r->frontend.fd = fd;
	e = loop_add(&r->loop, &r->frontend, EPOLLIN);
	if (e < 0)
		return e;
	send_bare(r, IPC_INDEX_BEGIN);
	table_tell_all(&r->table);
	r->end_due = r->fresh = r->frontend.fd >= 0;
	return 0;
}

void frontend_tell_end(struct resolver *r)
{
	send_bare(r, IPC_INDEX_END);
}

void frontend_init(struct resolver *r)
{
	r->sink = (struct table_sink){.put = sink_put, .remove = sink_remove};
	r->frontend = (struct source){.fd = -1, .ready = on_frontend};
}
