/* SPDX-License-Identifier: MIT */
#include "park.h"

#include <stdlib.h>
#include <string.h>

#include "frontend.h"

static void arm(struct frontend *f)
{
	uint64_t now = loop_now_ms(), due;

	if (list_empty(&f->park.ages)) {
		timer_cancel(&f->loop, &f->park.timer);
		return;
	}
	due = container_of(f->park.ages.next, struct parked, age)->deadline_ms;
	timer_set(&f->loop, &f->park.timer, due > now ? due - now : 0);
}

static void expired(struct timer *t)
{
	struct frontend *f = container_of(t, struct frontend, park.timer);
	uint64_t now = loop_now_ms();

	while (!list_empty(&f->park.ages)) {
		struct parked *p = container_of(f->park.ages.next, struct parked, age);

		if (p->deadline_ms > now)
			break;
		query_timed_out(p);
	}
	arm(f);
}

void park_init(struct frontend *f)
{
	memset(&f->park, 0, sizeof(f->park));
	list_init(&f->park.ages);
	list_init(&f->park.for_index);
	list_init(&f->park.for_sync);
	f->park.timer.expired = expired;
	f->park.timeout_ms = PARK_TIMEOUT_MS;
}

/* Parks @q if it is not yet, and has it wait for nothing. NULL: no memory, and it was answered. */
static struct parked *park(struct frontend *f, struct query *q, const char *waits_for)
{
	struct parked *p = q->parked;

	if (!p) {
		p = malloc(sizeof(*p) + q->name.len);
		if (!p) {
			query_refused(q);
			return NULL;
		}
		*p = (struct parked){.q = *q, .slot = -1};
		if (q->name.len)
			memcpy(p->name, q->name.p, q->name.len);
		p->q.name.p = p->name;
		p->q.parked = p;
		p->deadline_ms = loop_now_ms() + f->park.timeout_ms;
		list_init(&p->age);
		list_init(&p->session);
		list_init(&p->queue);
		/* All wait equally long: the order of arrival is the order of the deadlines. */
		list_move(&f->park.ages, &p->age);
		list_move(&q->session->parked, &p->session);
		f->park.count++;
		if (f->park.ages.next == &p->age)
			arm(f);
	}
	list_remove(&p->queue);
	p->waits_for = waits_for;
	return p;
}

void park_for_index(struct frontend *f, struct query *q)
{
	struct parked *p = park(f, q, "the list of containers is not read in yet");

	if (p)
		list_move(&f->park.for_index, &p->queue);
}

void park_for_sync(struct frontend *f, struct query *q)
{
	struct parked *p = park(f, q, "the engines' files could not be read in time");

	if (!p)
		return;
	list_move(&f->park.for_sync, &p->queue);
	p->sync = resolver_sync(f);
}

void park_for_joiner(struct frontend *f, struct query *q, struct record *r)
{
	struct parked *p = park(f, q, "the container's hostname could not be read in time");

	if (!p)
		return;
	p->record = record_ref(r);
	joiner_ask(f, p);
}

void park_for_resolver(struct frontend *f, struct query *q, struct record *r)
{
	struct parked *p = park(f, q, "the resolver did not answer in time");

	if (!p)
		return;
	p->record = r ? record_ref(r) : NULL;
	resolver_ask(f, p);
}

void park_for_hostnames(struct frontend *f, struct query *q, const struct host_page *page)
{
	struct parked *p = park(f, q, "the containers' hostnames could not be read in time");

	if (!p)
		return;
	p->page = malloc(sizeof(*p->page));
	if (!p->page) {
		query_refused(&p->q);
		return;
	}
	*p->page = *page;
	for (unsigned i = 0; i < page->n; i++)
		(void)record_ref(page->records[i]);
	joiner_ask(f, p);
}

void park_index_complete(struct frontend *f)
{
	struct list ready;

	list_init(&ready);
	list_move_all(&ready, &f->park.for_index);
	/* An answer may end a session, and take others out of the list: only its head is sure. */
	while (!list_empty(&ready)) {
		struct parked *p = container_of(ready.next, struct parked, queue);

		list_remove(&p->queue);
		query_run(f, &p->q);
	}
}

void park_synced(struct frontend *f, uint64_t token)
{
	while (!list_empty(&f->park.for_sync)) {
		struct parked *p = container_of(f->park.for_sync.next, struct parked, queue);

		if (p->sync > token)
			break;
		list_remove(&p->queue);
		p->q.synced = true;
		query_run(f, &p->q);
	}
}

void park_index_lost(struct frontend *f)
{
	struct list *questions[] = {&f->resolver.asked, &f->resolver.unasked};

	list_move_all(&f->park.for_index, &f->park.for_sync);
	for (size_t i = 0; i < 2; i++) {
		while (!list_empty(questions[i])) {
			struct parked *p = container_of(questions[i]->next, struct parked, queue);

			park_forget_record(p);
			list_move(&f->park.for_index, &p->queue);
		}
	}
}

void park_forget_record(struct parked *p)
{
	if (p->record)
		record_unref(p->record);
	p->record = NULL;
	for (unsigned i = 0; p->page && i < p->page->n; i++)
		record_unref(p->page->records[i]);
	free(p->page);
	p->page = NULL;
}

void park_free(struct frontend *f, struct parked *p)
{
	joiner_forget(f, p);
	park_forget_record(p);
	list_remove(&p->queue);
	list_remove(&p->session);
	list_remove(&p->age);
	f->park.count--;
	free(p);
}

void park_session_end(struct frontend *f, struct session *s)
{
	while (!list_empty(&s->parked))
		park_free(f, container_of(s->parked.next, struct parked, session));
}
