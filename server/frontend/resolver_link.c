/* SPDX-License-Identifier: MIT */
#include "resolver_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "frontend.h"

static void lost(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;

	if (l->source.fd < 0)
		return;
	loop_del(&f->loop, &l->source);
	close_fd(&l->source.fd);
	l->loading = l->complete = false;
	l->answered = l->asked; /* nobody will answer it */
	park_index_lost(f);
	index_clear(&f->index);
}

static void ask(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;
	struct ipc_token m = {.token = l->asked + 1};
	struct wire_wr w;
	int r;

	frontend_begin(f, &w, IPC_RECORD_MAX, IPC_SYNC, 0);
	(void)put_ipc_token(&w, &m);
	r = ipc_send(l->source.fd, &w, NULL, 0, MSG_DONTWAIT);
	l->asked++;
	/* With one under way it cannot be full: it is gone, and its end of file is about to be read. */
	if (r < 0)
		log_debug("the resolver cannot be asked: %s", strerror(-r));
}

uint64_t resolver_sync(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;

	/* One that is under way may have looked before this request came: the next one counts. */
	if (l->asked != l->answered)
		return l->asked + 1;
	ask(f);
	return l->asked;
}

static int op_begin(struct frontend *f)
{
	if (get_nothing(&f->in.body) < 0)
		return -EBADMSG;
	park_index_lost(f);
	index_clear(&f->index);
	f->resolver.loading = true;
	f->resolver.complete = false;
	return 0;
}

static int op_put(struct frontend *f)
{
	struct container_record m;
	int r;

	if (get_container_record(&f->in.body, &m) < 0)
		return -EBADMSG;
	r = index_put(&f->index, &m, ipc_take_fd(&f->in));
	if (r == -ENOSPC) {
		if (!f->resolver.full_logged)
			log_warning("more than %d containers: those beyond are not found", INDEX_RECORDS_MAX);
		f->resolver.full_logged = true;
		return 0;
	}
	return r;
}

static int op_remove(struct frontend *f)
{
	struct ipc_rid m;

	if (get_ipc_rid(&f->in.body, &m) < 0)
		return -EBADMSG;
	(void)index_remove(&f->index, m.rid); /* one that did not fit is not there */
	return 0;
}

static int op_end(struct frontend *f)
{
	if (get_nothing(&f->in.body) < 0)
		return -EBADMSG;
	f->resolver.loading = false;
	f->resolver.complete = true;
	log_debug("the index is complete: %zu containers", f->index.rids.n);
	park_index_complete(f);
	return 0;
}

static int op_synced(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;
	struct ipc_token m;

	if (get_ipc_token(&f->in.body, &m) < 0 || l->asked == l->answered || m.token != l->asked)
		return -EBADMSG;
	l->answered = m.token;
	park_synced(f, m.token);
	/* What came meanwhile waits for the next one; none of it did if one was sent just now. */
	if (!list_empty(&f->park.for_sync) && l->asked == l->answered)
		ask(f);
	return 0;
}

enum { LOADING = 1, COMPLETE = 2, IDLE = 4 };

static const struct op {
	uint16_t type;
	unsigned when;
	int (*run)(struct frontend *f);
} ops[] = {
	{IPC_INDEX_BEGIN, IDLE | LOADING | COMPLETE, op_begin},
	{IPC_INDEX_PUT, LOADING | COMPLETE, op_put},
	{IPC_INDEX_REMOVE, LOADING | COMPLETE, op_remove},
	{IPC_INDEX_END, LOADING, op_end},
	{IPC_SYNCED, LOADING | COMPLETE, op_synced},
};

static int dispatch(struct frontend *f)
{
	unsigned now = f->resolver.loading ? LOADING : f->resolver.complete ? COMPLETE : IDLE;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].type == f->in.type)
			return ops[i].when & now ? ops[i].run(f) : -EBADMSG;
	return -EBADMSG;
}

static void ready(struct source *source, uint32_t events)
{
	struct frontend *f = container_of(source, struct frontend, resolver.source);
	int r;

	(void)events;
	for (int i = 0; i < FRONTEND_BURST && source->fd >= 0; i++) {
		r = ipc_recv(source->fd, &f->in, MSG_DONTWAIT);
		if (r == -EAGAIN)
			return;
		if (r == 0 || (r < 0 && r != -EBADMSG)) {
			log_debug("the resolver is gone");
			lost(f);
			return;
		}
		if (r > 0)
			r = dispatch(f);
		ipc_drop(&f->in);
		if (r < 0) {
			frontend_nonsense(f, "resolver", r == -ENOMEM ? "no memory for it" : ipc_name(f->in.type));
			return;
		}
	}
}

void resolver_link_init(struct frontend *f)
{
	memset(&f->resolver, 0, sizeof(f->resolver));
	f->resolver.source = (struct source){.fd = -1, .ready = ready};
}

void resolver_link_fini(struct frontend *f)
{
	lost(f);
}

int resolver_link_set(struct frontend *f, int fd)
{
	int r;

	lost(f);
	f->resolver.source.fd = fd;
	r = loop_add(&f->loop, &f->resolver.source, EPOLLIN);
	if (r < 0)
		close_fd(&f->resolver.source.fd);
	return r;
}
