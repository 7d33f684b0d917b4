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
	l->answered = l->last_sync; /* nobody will answer it */
	l->last_answer = l->last_question;
	park_index_lost(f);
	index_clear(&f->index);
	changes_begin_anew(&f->changes);
}

static void ask(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;
	struct ipc_token m = {.token = l->last_sync + 1};
	struct wire_wr w;
	int r;

	frontend_begin(f, &w, IPC_RECORD_MAX, IPC_SYNC, 0);
	(void)put_ipc_token(&w, &m);
	r = ipc_send(l->source.fd, &w, NULL, 0, MSG_DONTWAIT);
	l->last_sync++;
	/* With one under way it cannot be full: it is gone, and its end of file is about to be read. */
	if (r < 0)
		log_debug("the resolver cannot be asked: %s", strerror(-r));
}

uint64_t resolver_sync(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;

	/* One that is under way may have looked before this request came: the next one counts. */
	if (l->last_sync != l->answered)
		return l->last_sync + 1;
	ask(f);
	return l->last_sync;
}

static int send_question(struct frontend *f, const struct parked *p, uint64_t token)
{
	struct ipc_find_process find = {.token = token, .pid = p->q.pid};
	struct ipc_facts facts = {.token = token, .rid = p->record ? p->record->rid : 0};
	struct wire_wr w;

	frontend_begin(f, &w, IPC_RECORD_MAX, p->record ? IPC_FACTS_REQ : IPC_FIND_PROCESS, 0);
	if (p->record)
		(void)put_ipc_facts(&w, &facts);
	else
		(void)put_ipc_find_process(&w, &find);
	return ipc_send(f->resolver.source.fd, &w, NULL, 0, MSG_DONTWAIT);
}

/* Asks what may be asked now. */
static void pump(struct frontend *f)
{
	struct resolver_link *l = &f->resolver;

	while (!list_empty(&l->unasked) && l->last_question - l->last_answer < RESOLVER_WINDOW) {
		struct parked *p = container_of(l->unasked.next, struct parked, queue);
		int r = send_question(f, p, l->last_question + 1);

		if (r <
		    0) /* with so few under way it cannot be full: it is gone, and its end of file is about to be read */
			log_debug("the resolver cannot be asked: %s", strerror(-r));
		p->question = ++l->last_question;
		list_move(&l->asked, &p->queue);
	}
}

void resolver_ask(struct frontend *f, struct parked *p)
{
	list_move(&f->resolver.unasked, &p->queue);
	pump(f);
}

/* Whose answer it is: NULL if nobody wants it any more. */
static int take_answer(struct frontend *f, uint64_t token, struct parked **ret)
{
	struct resolver_link *l = &f->resolver;
	struct parked *p = list_empty(&l->asked) ? NULL : container_of(l->asked.next, struct parked, queue);

	if (l->last_answer == l->last_question || token != l->last_answer + 1)
		return -EBADMSG;
	l->last_answer = token;
	*ret = p && p->question == token ? p : NULL;
	if (*ret)
		list_remove(&p->queue);
	return 0;
}

static int op_begin(struct frontend *f)
{
	if (get_nothing(&f->in.body) < 0)
		return -EBADMSG;
	park_index_lost(f);
	index_clear(&f->index);
	changes_begin_anew(&f->changes);
	f->resolver.loading = true;
	f->resolver.complete = false;
	return 0;
}

/* Sets the generation. False: it says what is known already. */
static bool log_put(struct frontend *f, struct container_record *m, bool alive)
{
	const struct record *old = index_find_rid(&f->index, m->rid);

	if (f->resolver.loading) {
		m->generation = changes_number(&f->changes);
		return true;
	}
	/* With the same number, it is another process only if the one that we know is dead. */
	return changes_put(&f->changes, old, m, old && alive == record_alive(old));
}

static void warn_full(struct resolver_link *l)
{
	if (!l->full_logged)
		log_warning("more than %d containers: those beyond are not found", INDEX_RECORDS_MAX);
	l->full_logged = true;
}

static int op_put(struct frontend *f)
{
	struct container_record m;

	if (get_container_record(&f->in.body, &m) < 0)
		return -EBADMSG;
	if (!index_plausible(&m))
		return -EBADMSG;
	/* Before it is told as a change: who watches must not know of what is not there. */
	if (!index_has_room(&f->index, m.rid)) {
		warn_full(&f->resolver);
		return 0;
	}
	if (!log_put(f, &m, f->in.nfds > 0))
		return 0;
	return index_put(&f->index, &m, ipc_take_fd(&f->in));
}

static int op_remove(struct frontend *f)
{
	const struct record *old;
	struct ipc_rid m;

	if (get_ipc_rid(&f->in.body, &m) < 0)
		return -EBADMSG;
	old = index_find_rid(&f->index, m.rid);
	if (!old) /* one that did not fit is not there */
		return 0;
	if (f->resolver.complete) {
		struct container_record gone = query_describe(old, old->pidfd >= 0);

		changes_remove(&f->changes, &gone);
	}
	(void)index_remove(&f->index, m.rid);
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

	if (get_ipc_token(&f->in.body, &m) < 0 || l->last_sync == l->answered || m.token != l->last_sync)
		return -EBADMSG;
	l->answered = m.token;
	park_synced(f, m.token);
	/* What came meanwhile waits for the next one; none of it did if one was sent just now. */
	if (!list_empty(&f->park.for_sync) && l->last_sync == l->answered)
		ask(f);
	return 0;
}

static int op_found(struct frontend *f)
{
	struct ipc_found m;
	struct parked *p;

	if (get_ipc_found(&f->in.body, &m) < 0 || take_answer(f, m.token, &p) < 0)
		return -EBADMSG;
	if (p && p->record) /* the answer to another question */
		return -EBADMSG;
	if (p)
		query_found(f, p, m.error, m.rid);
	pump(f);
	return 0;
}

static int op_facts(struct frontend *f)
{
	struct ipc_facts m;
	struct parked *p;
	int r = 0;

	if (get_ipc_facts(&f->in.body, &m) < 0 || take_answer(f, m.token, &p) < 0)
		return -EBADMSG;
	if (p && (!p->record || p->record->rid != m.rid)) /* the answer to another question */
		r = -EBADMSG;
	else if (p)
		r = query_facts(f, p, m.error);
	pump(f);
	return r;
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
	{IPC_FOUND, LOADING | COMPLETE, op_found},
	{IPC_FACTS_REPLY, LOADING | COMPLETE, op_facts},
};

static int dispatch(struct frontend *f)
{
	unsigned now = f->resolver.loading ? LOADING : f->resolver.complete ? COMPLETE : IDLE;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (ops[i].type == f->in.type)
			return ops[i].when & now ? ops[i].run(f) : -EBADMSG;
	return -EBADMSG;
}

static void burst(struct source *source, struct frontend *f)
{
	int r;

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

static void ready(struct source *source, uint32_t events)
{
	struct frontend *f = container_of(source, struct frontend, resolver.source);
	uint64_t before = f->changes.last;
	bool complete = f->resolver.complete;

	(void)events;
	burst(source, f);
	/* Once for all that came together. */
	if (f->changes.last != before || f->resolver.complete != complete)
		watchers_wake(f);
}

void resolver_link_init(struct frontend *f)
{
	memset(&f->resolver, 0, sizeof(f->resolver));
	f->resolver.source = (struct source){.fd = -1, .ready = ready};
	list_init(&f->resolver.unasked);
	list_init(&f->resolver.asked);
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
