/* SPDX-License-Identifier: MIT */
/* The channel to the frontend. Runs in: resolver. Trusts: that the frontend sends nothing but SYNC. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "resolver.h"

void frontend_lose(struct resolver *r)
{
	if (r->frontend.fd < 0)
		return;
	loop_del(&r->loop, &r->frontend);
	close_fd(&r->frontend.fd);
	timer_cancel(&r->loop, &r->deadline);
	r->nsyncs = 0;
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

static void on_frontend(struct source *s, uint32_t events)
{
	struct resolver *r = container_of(s, struct resolver, frontend);
	struct ipc_token m;
	int n = ipc_recv(s->fd, &r->in, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == 0 || n == -ECONNRESET) {
		log_debug("the frontend is gone");
		frontend_lose(r);
		return;
	}
	if (n < 0 || r->in.type != IPC_SYNC || get_ipc_token(&r->in.body, &m) < 0 || r->nsyncs == RESOLVER_SYNCS_MAX) {
		log_error("nonsense from the frontend");
		resolver_stop(r, EX_PROTOCOL);
		return;
	}
	r->syncs[r->nsyncs++] = m.token;
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
