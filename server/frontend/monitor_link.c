/* SPDX-License-Identifier: MIT */
#include "monitor_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../proto/chan.h"
#include "../../proto/proto.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "frontend.h"

static int op_peer(struct frontend *f)
{
	struct ipc_peer_msg m;
	int fd, r;

	if (get_ipc_peer(&f->in.body, &m) < 0)
		return -EBADMSG;
	fd = ipc_take_fd(&f->in);
	if (fd < 0)
		return -EBADMSG;
	if (m.peer == IPC_PEER_RESOLVER) {
		r = resolver_link_set(f, fd);
	} else if (m.peer == IPC_PEER_JOINER) {
		r = joiner_link_set(f, fd);
	} else {
		close_fd(&fd);
		r = -EBADMSG;
	}
	return r;
}

static int op_session(struct frontend *f)
{
	struct ipc_session m;
	int fd, r;

	if (get_ipc_session(&f->in.body, &m) < 0)
		return -EBADMSG;
	fd = ipc_take_fd(&f->in);
	r = session_new(f, &m, fd);
	if (r == -EEXIST || r == -EBADMSG)
		return -EBADMSG;
	if (r < 0)
		log_warning("session %llu cannot be served: %s", (unsigned long long)m.session, strerror(-r));
	return 0;
}

static int op_session_end(struct frontend *f)
{
	struct ipc_session_id m;
	struct session *s;

	if (get_ipc_session_id(&f->in.body, &m) < 0)
		return -EBADMSG;
	s = session_find(f, m.session);
	if (s)
		session_end(s, "the monitor says so");
	return 0;
}

/* Answers. A session that is not there has ended: the monitor is about to learn it. */

static int op_error(struct frontend *f)
{
	struct session *s;
	struct ipc_error m;
	struct wire_wr w;

	if (get_ipc_error(&f->in.body, &m) < 0)
		return -EBADMSG;
	s = session_find(f, m.session);
	if (!s)
		return 0;
	frontend_begin(f, &w, WIRE_RECORD_MAX, MSG_ERROR, f->in.serial);
	(void)put_error_reply(&w, &m.m);
	(void)session_answer(s, &w, NULL, 0);
	return 0;
}

static int op_started(struct frontend *f)
{
	struct session *s;
	struct ipc_started m;
	struct wire_wr w;

	if (get_ipc_started(&f->in.body, &m) < 0)
		return -EBADMSG;
	s = session_find(f, m.session);
	if (!s)
		return 0;
	frontend_begin(f, &w, WIRE_RECORD_MAX, MSG_STARTED, f->in.serial);
	(void)put_started_reply(&w, &m.m);
	(void)session_answer(s, &w, f->in.fds, f->in.nfds);
	return 0;
}

static int op_waited(struct frontend *f)
{
	struct session *s;
	struct ipc_waited m;
	struct wire_wr w;

	if (get_ipc_waited(&f->in.body, &m) < 0)
		return -EBADMSG;
	s = session_find(f, m.session);
	if (!s)
		return 0;
	frontend_begin(f, &w, WIRE_RECORD_MAX, MSG_WAITED, f->in.serial);
	(void)put_waited_reply(&w, &m.m);
	(void)session_answer(s, &w, NULL, 0);
	return 0;
}

static int op_terminated(struct frontend *f)
{
	struct ipc_session_id m;
	struct session *s;
	struct wire_wr w;

	if (get_ipc_session_id(&f->in.body, &m) < 0)
		return -EBADMSG;
	s = session_find(f, m.session);
	if (!s)
		return 0;
	frontend_begin(f, &w, WIRE_RECORD_MAX, MSG_TERMINATED, f->in.serial);
	(void)session_answer(s, &w, NULL, 0);
	return 0;
}

static int op_programs(struct frontend *f)
{
	struct session *s = session_find(f, wire_get_u64(&f->in.body));
	struct wire_wr w;

	if (frontend_copy_page(f, &w, MSG_PROGRAMS, f->in.serial) < 0)
		return -EBADMSG;
	if (!s)
		return 0;
	(void)session_answer(s, &w, NULL, 0);
	return 0;
}

static const struct op {
	uint16_t type;
	int (*run)(struct frontend *f);
} ops[] = {
	{IPC_PEER, op_peer},
	{IPC_SESSION, op_session},
	{IPC_SESSION_END, op_session_end},
	{IPC_REPLY_ERROR, op_error},
	{IPC_STARTED_REPLY, op_started},
	{IPC_WAITED_REPLY, op_waited},
	{IPC_TERMINATED_REPLY, op_terminated},
	{IPC_PROGRAMS_REPLY, op_programs},
};

static int dispatch(struct frontend *f)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].type == f->in.type)
			return ops[i].run(f);
	return -EBADMSG;
}

static int wait_for_room(struct frontend *f, bool wait)
{
	return loop_mod(&f->loop, &f->monitor.source, wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void flush(struct frontend *f)
{
	while (!list_empty(&f->monitor.outgoing)) {
		struct outgoing *o = container_of(f->monitor.outgoing.next, struct outgoing, node);
		struct session *s = o->session;

		/* A monitor that is gone is noticed by reading. */
		if (chan_send(f->monitor.source.fd, o->record, o->len, NULL, 0, MSG_DONTWAIT) == -EAGAIN)
			return;
		list_remove(&o->node);
		free(o);
		s->outgoing = NULL;
		session_update(s);
	}
	(void)wait_for_room(f, false);
}

static void ready(struct source *source, uint32_t events)
{
	struct frontend *f = container_of(source, struct frontend, monitor.source);
	int r;

	if (events & EPOLLOUT)
		flush(f);
	for (int i = 0; i < FRONTEND_BURST; i++) {
		r = ipc_recv(source->fd, &f->in, MSG_DONTWAIT);
		if (r == -EAGAIN)
			return;
		if (r == 0 || (r < 0 && r != -EBADMSG)) {
			log_debug("the monitor is gone: ending");
			frontend_stop(f, 0);
			return;
		}
		if (r > 0)
			r = dispatch(f);
		ipc_drop(&f->in);
		if (r < 0) {
			frontend_nonsense(f, "monitor", r == -EBADMSG ? ipc_name(f->in.type) : strerror(-r));
			return;
		}
	}
}

int monitor_link_init(struct frontend *f, int fd)
{
	int r;

	list_init(&f->monitor.outgoing);
	f->monitor.source = (struct source){.fd = fd, .ready = ready};
	r = loop_add(&f->loop, &f->monitor.source, EPOLLIN);
	if (r < 0)
		close_fd(&f->monitor.source.fd);
	return r;
}

void monitor_link_fini(struct frontend *f)
{
	loop_del(&f->loop, &f->monitor.source);
	close_fd(&f->monitor.source.fd);
}

int monitor_ready(struct frontend *f)
{
	struct wire_wr w;

	frontend_begin(f, &w, IPC_RECORD_MAX, IPC_READY, 0);
	return ipc_send(f->monitor.source.fd, &w, NULL, 0, 0);
}

int monitor_forward(struct session *s, const struct wire_wr *w)
{
	struct frontend *f = s->frontend;
	struct outgoing *o;
	int r = wire_wr_done(w) < 0 ? -ENOSPC : -EAGAIN;

	/* Whoever waits already comes first. */
	if (r == -EAGAIN && list_empty(&f->monitor.outgoing))
		r = ipc_send(f->monitor.source.fd, w, NULL, 0, MSG_DONTWAIT);
	if (r == 0 || r == -ENOSPC)
		return r;
	if (r != -EAGAIN)
		return 0; /* it is gone, and the end of file that comes next ends this process */
	o = malloc(sizeof(*o) + w->len);
	if (!o)
		return -ENOMEM;
	o->session = s;
	o->len = w->len;
	memcpy(o->record, w->buf, w->len);
	list_init(&o->node);
	list_move(&f->monitor.outgoing, &o->node);
	s->outgoing = o;
	session_update(s);
	(void)wait_for_room(f, true);
	return 0;
}

void monitor_forget(struct session *s)
{
	if (!s->outgoing)
		return;
	list_remove(&s->outgoing->node);
	free(s->outgoing);
	s->outgoing = NULL;
}
