/* SPDX-License-Identifier: MIT */
#include "joiner_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "frontend.h"

static struct joiner_slot *slot_of(struct joiner_link *j, uint64_t token)
{
	return &j->slots[token % JOINER_WINDOW];
}

/* The joiner is gone: what it had not answered comes first again, in its old order. */
static void lost(struct frontend *f)
{
	struct joiner_link *j = &f->joiner;

	if (j->source.fd < 0)
		return;
	loop_del(&f->loop, &j->source);
	close_fd(&j->source.fd);
	for (uint64_t i = 1; i <= JOINER_WINDOW && i < j->next_token; i++) {
		struct joiner_slot *slot = slot_of(j, j->next_token - i);

		if (slot->parked) {
			slot->parked->slot = -1;
			list_move(j->queue.next, &slot->parked->queue);
		}
		*slot = (struct joiner_slot){0};
	}
}

/* The processes of @p: each of a page that has one, in its order. */
static uint16_t pidfds_of(const struct parked *p, int fds[IPC_JOIN_MAX])
{
	uint16_t n = 0;

	if (p->record)
		fds[n++] = p->record->pidfd;
	for (unsigned i = 0; p->page && i < p->page->n; i++)
		if (p->page->records[i]->pidfd >= 0)
			fds[n++] = p->page->records[i]->pidfd;
	return n;
}

static int send_join(struct frontend *f, struct parked *p, uint16_t *ret_count)
{
	int fds[IPC_JOIN_MAX];
	struct joiner_link *j = &f->joiner;
	struct ipc_token m = {.token = j->next_token};
	struct wire_wr w;

	frontend_begin(f, &w, IPC_RECORD_MAX, IPC_JOIN, 0);
	(void)put_ipc_token(&w, &m);
	*ret_count = pidfds_of(p, fds);
	return ipc_send(j->source.fd, &w, fds, *ret_count, MSG_DONTWAIT);
}

/* Asks what may be asked now. */
static void pump(struct frontend *f)
{
	struct joiner_link *j = &f->joiner;

	while (j->source.fd >= 0 && !list_empty(&j->queue) && !slot_of(j, j->next_token)->token) {
		struct parked *p = container_of(j->queue.next, struct parked, queue);
		struct joiner_slot *slot = slot_of(j, j->next_token);
		uint16_t count;
		int r = send_join(f, p, &count);

		if (r < 0) {
			/* It cannot be full with so few under way. */
			log_debug("the joiner cannot be asked: %s", strerror(-r));
			lost(f);
			return;
		}
		*slot = (struct joiner_slot){.token = j->next_token++, .count = count, .parked = p};
		p->slot = (int)(slot - j->slots);
		list_remove(&p->queue);
	}
}

static bool joined(struct frontend *f, const struct ipc_joined *m)
{
	struct joiner_slot *slot = slot_of(&f->joiner, m->token);
	struct parked *p = slot->parked;

	if (!m->token || slot->token != m->token || m->count != slot->count)
		return false;
	*slot = (struct joiner_slot){0};
	if (p) {
		p->slot = -1;
		query_joined(f, p, m->names);
	}
	return true;
}

static void ready(struct source *source, uint32_t events)
{
	struct frontend *f = container_of(source, struct frontend, joiner.source);
	struct ipc_joined m;
	int r;

	(void)events;
	for (int i = 0; i < FRONTEND_BURST && source->fd >= 0; i++) {
		r = ipc_recv(source->fd, &f->in, MSG_DONTWAIT);
		if (r == -EAGAIN)
			break;
		if (r == 0 || (r < 0 && r != -EBADMSG)) {
			log_debug("the joiner is gone");
			lost(f);
			return;
		}
		if (r < 0 || f->in.type != IPC_JOINED || get_ipc_joined(&f->in.body, &m) < 0 || !joined(f, &m)) {
			ipc_drop(&f->in);
			frontend_nonsense(f, "joiner", ipc_name(f->in.type));
			return;
		}
		ipc_drop(&f->in);
	}
	pump(f);
}

void joiner_link_init(struct frontend *f)
{
	memset(&f->joiner, 0, sizeof(f->joiner));
	f->joiner.source = (struct source){.fd = -1, .ready = ready};
	f->joiner.next_token = 1;
	list_init(&f->joiner.queue);
}

void joiner_link_fini(struct frontend *f)
{
	lost(f);
}

int joiner_link_set(struct frontend *f, int fd)
{
	int r;

	lost(f);
	f->joiner.source.fd = fd;
	r = loop_add(&f->loop, &f->joiner.source, EPOLLIN);
	if (r < 0)
		close_fd(&f->joiner.source.fd);
	else
		pump(f);
	return r;
}

void joiner_ask(struct frontend *f, struct parked *p)
{
	list_move(&f->joiner.queue, &p->queue);
	pump(f);
}

void joiner_forget(struct frontend *f, struct parked *p)
{
	/* The token stays taken until its answer comes. */
	if (p->slot >= 0)
		f->joiner.slots[p->slot].parked = NULL;
	p->slot = -1;
}
