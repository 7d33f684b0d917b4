/* SPDX-License-Identifier: MIT */
#include "ipc.h"

#include <errno.h>
#include <unistd.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"

static const struct {
	uint16_t type;
	int fds;
	const char *name;
} rows[] = {
#define IPC(name, number, from, to, fds) {number, fds, #name},
#include "ipc.def"
#undef IPC
};

const char *ipc_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].type == type)
			return rows[i].name;
	}
	return "unknown";
}

int ipc_max_fds(uint16_t type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].type == type)
			return rows[i].fds;
	}
	return -1;
}

int ipc_recv(int fd, struct ipc_in *in, int flags)
{
	ssize_t n;

	ipc_drop(in);
	n = chan_recv(fd, in->buf, sizeof(in->buf), in->fds, IPC_FDS_MAX, &in->nfds, flags);
	if (n <= 0)
		return (int)n;
	wire_rd_init(&in->body, in->buf, (size_t)n);
	if (wire_get_header(&in->body, &in->type, &in->serial) < 0 || in->nfds > ipc_max_fds(in->type)) {
		ipc_drop(in);
		return -EBADMSG;
	}
	return 1;
}

int ipc_take_fd(struct ipc_in *in)
{
	int fd;

	if (in->nfds == 0)
		return -1;
	fd = in->fds[0];
	in->nfds--;
	for (int i = 0; i < in->nfds; i++)
		in->fds[i] = in->fds[i + 1];
	return fd;
}

void ipc_drop(struct ipc_in *in)
{
	while (in->nfds > 0)
		(void)close(in->fds[--in->nfds]);
}

int ipc_send(int fd, const struct wire_wr *w, const int *fds, int nfds, int flags)
{
	ssize_t len = wire_wr_done(w);

	if (len < 0)
		return (int)len;
	return chan_send(fd, w->buf, (size_t)len, fds, nfds, flags);
}

ssize_t put_ipc_peer(struct wire_wr *w, const struct ipc_peer_msg *m)
{
	wire_put_u32(w, m->peer);
	return wire_wr_done(w);
}

int get_ipc_peer(struct wire_rd *r, struct ipc_peer_msg *m)
{
	m->peer = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_bind(struct wire_wr *w, const struct ipc_bind *m)
{
	wire_put_str(w, m->path, IPC_PATH_MAX);
	return wire_wr_done(w);
}

int get_ipc_bind(struct wire_rd *r, struct ipc_bind *m)
{
	wire_get_str(r, &m->path, IPC_PATH_MAX);
	return wire_rd_done(r);
}

ssize_t put_ipc_listener(struct wire_wr *w, const struct ipc_listener *m)
{
	wire_put_u32(w, m->error);
	wire_put_str(w, m->text, ROOT_DETAIL_MAX);
	return wire_wr_done(w);
}

int get_ipc_listener(struct wire_rd *r, struct ipc_listener *m)
{
	m->error = wire_get_u32(r);
	wire_get_str(r, &m->text, ROOT_DETAIL_MAX);
	return wire_rd_done(r);
}

ssize_t put_ipc_item(struct wire_wr *w, const struct ipc_item *m)
{
	wire_put_u64(w, m->key);
	wire_put_u32(w, m->kind);
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->exited);
	wire_put_u32(w, m->status);
	wire_put_bytes(w, m->record, IPC_OPAQUE_MAX);
	return wire_wr_done(w);
}

int get_ipc_item(struct wire_rd *r, struct ipc_item *m)
{
	m->key = wire_get_u64(r);
	m->kind = wire_get_u32(r);
	m->pid = wire_get_u32(r);
	m->exited = wire_get_u32(r);
	m->status = wire_get_u32(r);
	wire_get_bytes(r, &m->record, IPC_OPAQUE_MAX);
	return wire_rd_done(r);
}

ssize_t put_ipc_key(struct wire_wr *w, const struct ipc_key *m)
{
	wire_put_u64(w, m->key);
	return wire_wr_done(w);
}

int get_ipc_key(struct wire_rd *r, struct ipc_key *m)
{
	m->key = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_exited(struct wire_wr *w, const struct ipc_exited *m)
{
	wire_put_u64(w, m->key);
	wire_put_u32(w, m->status);
	return wire_wr_done(w);
}

int get_ipc_exited(struct wire_rd *r, struct ipc_exited *m)
{
	m->key = wire_get_u64(r);
	m->status = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_session(struct wire_wr *w, const struct ipc_session *m)
{
	wire_put_u64(w, m->session);
	wire_put_u32(w, m->rights);
	wire_put_u32(w, m->resumed);
	wire_put_u32(w, m->prefix_min);
	return wire_wr_done(w);
}

int get_ipc_session(struct wire_rd *r, struct ipc_session *m)
{
	m->session = wire_get_u64(r);
	m->rights = wire_get_u32(r);
	m->resumed = wire_get_u32(r);
	m->prefix_min = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_session_id(struct wire_wr *w, const struct ipc_session_id *m)
{
	wire_put_u64(w, m->session);
	return wire_wr_done(w);
}

int get_ipc_session_id(struct wire_rd *r, struct ipc_session_id *m)
{
	m->session = wire_get_u64(r);
	return wire_rd_done(r);
}

/* Session envelopes: the session, then the client protocol's own body. */
#define ENVELOPE(name, type, body)                                      \
	ssize_t put_ipc_##name(struct wire_wr *w, const struct type *m) \
	{                                                               \
		wire_put_u64(w, m->session);                            \
		return put_##body(w, &m->m);                            \
	}                                                               \
	int get_ipc_##name(struct wire_rd *r, struct type *m)           \
	{                                                               \
		m->session = wire_get_u64(r);                           \
		return get_##body(r, &m->m);                            \
	}
ENVELOPE(error, ipc_error, error_reply)
ENVELOPE(start, ipc_start, start_request)
ENVELOPE(started, ipc_started, started_reply)
ENVELOPE(wait, ipc_wait, wait_request)
ENVELOPE(waited, ipc_waited, waited_reply)
ENVELOPE(ack, ipc_ack, ack_request)
ENVELOPE(terminate, ipc_terminate, terminate_request)
ENVELOPE(cancel, ipc_cancel, cancel_request)
ENVELOPE(program_list, ipc_program_list, list_request)
#undef ENVELOPE

ssize_t put_ipc_rid(struct wire_wr *w, const struct ipc_rid *m)
{
	wire_put_u64(w, m->rid);
	return wire_wr_done(w);
}

int get_ipc_rid(struct wire_rd *r, struct ipc_rid *m)
{
	m->rid = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_token(struct wire_wr *w, const struct ipc_token *m)
{
	wire_put_u64(w, m->token);
	return wire_wr_done(w);
}

int get_ipc_token(struct wire_rd *r, struct ipc_token *m)
{
	m->token = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_find_process(struct wire_wr *w, const struct ipc_find_process *m)
{
	wire_put_u64(w, m->token);
	wire_put_u32(w, m->pid);
	return wire_wr_done(w);
}

int get_ipc_find_process(struct wire_rd *r, struct ipc_find_process *m)
{
	m->token = wire_get_u64(r);
	m->pid = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_found(struct wire_wr *w, const struct ipc_found *m)
{
	wire_put_u64(w, m->token);
	wire_put_u32(w, m->error);
	wire_put_u64(w, m->rid);
	return wire_wr_done(w);
}

int get_ipc_found(struct wire_rd *r, struct ipc_found *m)
{
	m->token = wire_get_u64(r);
	m->error = wire_get_u32(r);
	m->rid = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_facts(struct wire_wr *w, const struct ipc_facts *m)
{
	wire_put_u64(w, m->token);
	wire_put_u32(w, m->error);
	wire_put_u64(w, m->rid);
	return wire_wr_done(w);
}

int get_ipc_facts(struct wire_rd *r, struct ipc_facts *m)
{
	m->token = wire_get_u64(r);
	m->error = wire_get_u32(r);
	m->rid = wire_get_u64(r);
	return r->bad ? -EBADMSG : 0;
}

ssize_t put_ipc_joined(struct wire_wr *w, const struct ipc_joined *m)
{
	wire_put_u64(w, m->token);
	wire_put_u16(w, m->count);
	for (uint16_t i = 0; i < m->count && i < IPC_JOIN_MAX; i++) {
		wire_put_u32(w, m->names[i].error);
		wire_put_str(w, m->names[i].hostname, ROOT_HOSTNAME_MAX);
	}
	return wire_wr_done(w);
}

int get_ipc_joined(struct wire_rd *r, struct ipc_joined *m)
{
	m->token = wire_get_u64(r);
	m->count = wire_get_u16(r);
	if (m->count == 0 || m->count > IPC_JOIN_MAX) {
		r->bad = true;
		m->count = 0;
	}
	for (uint16_t i = 0; i < m->count; i++) {
		m->names[i].error = wire_get_u32(r);
		wire_get_str(r, &m->names[i].hostname, ROOT_HOSTNAME_MAX);
	}
	return wire_rd_done(r);
}

ssize_t put_ipc_moved(struct wire_wr *w, const struct ipc_moved *m)
{
	wire_put_u32(w, m->uid);
	wire_put_u32(w, m->now);
	return wire_wr_done(w);
}

int get_ipc_moved(struct wire_rd *r, struct ipc_moved *m)
{
	m->uid = wire_get_u32(r);
	m->now = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_lxc_ask(struct wire_wr *w, const struct ipc_lxc_ask *m)
{
	wire_put_u64(w, m->token);
	wire_put_u32(w, m->path);
	wire_put_u32(w, m->command);
	wire_put_str(w, m->name, ROOT_ID_MAX);
	return wire_wr_done(w);
}

int get_ipc_lxc_ask(struct wire_rd *r, struct ipc_lxc_ask *m)
{
	m->token = wire_get_u64(r);
	m->path = wire_get_u32(r);
	m->command = wire_get_u32(r);
	wire_get_str(r, &m->name, ROOT_ID_MAX);
	return wire_rd_done(r);
}

ssize_t put_ipc_lxc_socket(struct wire_wr *w, const struct ipc_lxc_socket *m)
{
	wire_put_u64(w, m->token);
	wire_put_u32(w, m->error);
	return wire_wr_done(w);
}

int get_ipc_lxc_socket(struct wire_rd *r, struct ipc_lxc_socket *m)
{
	m->token = wire_get_u64(r);
	m->error = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_lxc_fifo(struct wire_wr *w, const struct ipc_lxc_fifo *m)
{
	wire_put_u32(w, m->path);
	return wire_wr_done(w);
}

int get_ipc_lxc_fifo(struct wire_rd *r, struct ipc_lxc_fifo *m)
{
	m->path = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_ipc_lxc_fifo_end(struct wire_wr *w, const struct ipc_lxc_fifo_end *m)
{
	wire_put_u32(w, m->path);
	wire_put_u32(w, m->error);
	return wire_wr_done(w);
}

int get_ipc_lxc_fifo_end(struct wire_rd *r, struct ipc_lxc_fifo_end *m)
{
	m->path = wire_get_u32(r);
	m->error = wire_get_u32(r);
	return wire_rd_done(r);
}
