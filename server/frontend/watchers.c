/* SPDX-License-Identifier: MIT */
#include "watchers.h"

#include "../../proto/proto.h"
#include "frontend.h"

void watchers_init(struct frontend *f)
{
	list_init(&f->watchers.waiting);
}

/* Records whose last change lies between the two; where that leaves the watcher. */
static uint64_t tell_present(struct frontend *f, uint64_t after, uint64_t until, struct page_wr *page)
{
	struct record *r;

	while ((r = index_after_generation(&f->index, after)) && r->generation <= until) {
		struct event_record e = {.kind = EVENT_PRESENT, .container = query_describe(r, record_alive(r))};

		if (!page_add_event(page, &e))
			return after;
		after = r->generation;
	}
	return until;
}

/* The answer in @w, and where the watcher is after it. False: there is nothing to tell. */
static bool tell(struct frontend *f, struct watcher *v, struct wire_wr *w)
{
	struct watch_request *at = &v->at;
	uint64_t known = at->after > at->until ? at->after : at->until;
	struct events_head head = {0};
	struct page_wr page;
	struct wire_wr front;

	if (!f->resolver.complete)
		return false;
	if (!known || !changes_reach(&f->changes, known)) {
		head.flags = known ? EVENTS_RESYNC : 0;
		*at = (struct watch_request){.until = f->changes.last};
	} else if (at->after >= at->until && at->after == f->changes.last) {
		return false;
	}
	frontend_begin(f, w, WIRE_RECORD_MAX, MSG_EVENTS, v->serial);
	front = *w;
	put_events_head(w, &head);
	page_begin(&page, w);
	if (at->after < at->until)
		at->after = tell_present(f, at->after, at->until, &page);
	else
		at->after = changes_tell(&f->changes, at->after, &page);
	/* The head stands before the page, and is known after it. */
	head.after = at->after;
	put_events_head(&front, &head);
	(void)page_end(&page, at->until);
	return true;
}

/* Only where it is. */
static bool answer_empty(struct session *s)
{
	struct events_head head = {.after = s->watcher.at.after};
	struct page_wr page;
	struct wire_wr w;

	frontend_begin(s->frontend, &w, WIRE_RECORD_MAX, MSG_EVENTS, s->watcher.serial);
	put_events_head(&w, &head);
	page_begin(&page, &w);
	(void)page_end(&page, s->watcher.at.until);
	return session_send(s, &w, NULL, 0);
}

void watcher_forget(struct session *s)
{
	list_remove(&s->watcher.waiting);
}

void watcher_ask(struct session *s, uint32_t serial, const struct watch_request *at)
{
	struct frontend *f = s->frontend;
	struct watcher *v = &s->watcher;
	bool another = !list_empty(&v->waiting);
	struct wire_wr w;

	list_remove(&v->waiting);
	if (another && !answer_empty(s))
		return;
	v->serial = serial;
	v->at = *at;
	if (tell(f, v, &w)) {
		(void)session_answer(s, &w, NULL, 0);
		return;
	}
	list_append(&f->watchers.waiting, &v->waiting);
	session_unasked(s);
}

void watchers_wake(struct frontend *f)
{
	struct list now;
	struct wire_wr w;

	list_init(&now);
	list_move_all(&now, &f->watchers.waiting);
	/* An answer may end a session: only the head of the list is sure. */
	while (!list_empty(&now)) {
		struct watcher *v = container_of(now.next, struct watcher, waiting);

		list_remove(&v->waiting);
		if (tell(f, v, &w))
			(void)session_send(container_of(v, struct session, watcher), &w, NULL, 0);
		else
			list_append(&f->watchers.waiting, &v->waiting);
	}
}
