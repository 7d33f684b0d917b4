/* SPDX-License-Identifier: MIT */
/*
 * Events. The caller's array and the server's page need not be of one size: what of a page does not fit is asked for again, after
 * the generation of the last event that did.
 */
#include <errno.h>

#include "call.h"
#include "record.h"
#include "watch.h"

/* struct root_watch's state */
enum {
	STATE_PRESENT = 0, /* the present state is being told */
	STATE_TOLD = 1, /* and is told, but the caller's array had no room to say so */
	STATE_LIVE = 2,
};

/* Answers in a row that tell nothing and move nothing. One is what a request gets that is there twice, after the server was
 * resumed; a server that goes on like that would have us ask for ever. */
#define FRUITLESS_MAX 8

/* What becomes of a page: NULL @events only looks whether it makes sense. */
struct told {
	struct root_watch at;
	char *events;
	size_t eventsize;
	int count, filled;
};

static bool full(const struct told *t)
{
	return t->filled == t->count;
}

static void tell(struct told *t, const struct root_event *e)
{
	if (t->events)
		record_give(t->events + (size_t)t->filled * t->eventsize, t->eventsize, e, sizeof(*e));
	t->filled++;
}

static void tell_mark(struct told *t, uint32_t kind)
{
	struct root_event e = {.kind = kind};

	tell(t, &e);
}

/* An event of a page whose present state ends with @until, after the one of generation @last. */
static bool event(struct root_event *dst, const struct event_record *src, bool present, uint64_t last, uint64_t until)
{
	uint64_t generation = src->container.generation;

	if (!src->kind || present != (src->kind == EVENT_PRESENT) || generation <= last ||
	    (present && generation > until))
		return false;
	/* A newer server may know more kinds; the record says what is so now. */
	dst->kind = src->kind > EVENT_REMOVED ? ROOT_EVENT_CHANGED : src->kind;
	dst->reserved = 0;
	return record_container(&dst->container, &src->container);
}

/* A position that can be asked for: below its end while the present state is told, and not below it from then on. 0 is the
 * beginning. */
static bool position(bool present, uint64_t after, uint64_t until)
{
	return after && (present ? after <= until : after >= until);
}

/* How many events the page gave, or -EPROTO. */
static int read_page(struct wire_rd rd, struct told *t)
{
	struct events_head head;
	uint64_t until, last;
	uint16_t n, given = 0;
	bool present;

	get_events_head(&rd, &head);
	get_page(&rd, &until, &n);
	if (rd.bad || head.flags & ~EVENTS_RESYNC)
		return -EPROTO;
	if (head.flags & EVENTS_RESYNC) {
		t->at = (struct root_watch){.state = STATE_PRESENT};
		tell_mark(t, ROOT_EVENT_RESYNC);
	}
	present = t->at.state == STATE_PRESENT;
	last = t->at.after;
	if (present && until < t->at.until)
		return -EPROTO;
	for (uint16_t i = 0; i < n && !rd.bad; i++) {
		struct event_record m;
		struct root_event e;

		page_next_event(&rd, &m);
		if (rd.bad || !event(&e, &m, present, last, until))
			return -EPROTO;
		last = e.container.generation;
		if (full(t))
			continue;
		tell(t, &e);
		given++;
		t->at.after = last;
		t->at.until = present ? until : last;
	}
	if (wire_rd_done(&rd))
		return -EPROTO;
	/* A request that another took the place of: its own position, which may be the beginning. */
	if (!n && !head.flags && head.after == t->at.after && until == t->at.until)
		return 0;
	if (head.after < last || !position(present, head.after, until))
		return -EPROTO;
	if (given < n)
		return t->filled;
	t->at.after = head.after;
	t->at.until = until;
	if (present && head.after == until) {
		t->at.state = full(t) ? STATE_TOLD : STATE_LIVE;
		if (!full(t))
			tell_mark(t, ROOT_EVENT_SYNCED);
	}
	return t->filled;
}

/* One answer of the server. The number of events, 0 if it had none; or a negative errno, -ETIMEDOUT if it is not there in time. */
static int step(struct conn *c, struct told *t, int64_t deadline)
{
	struct told check;
	struct wire_rd body;
	int r;

	if (t->at.state == STATE_TOLD) {
		t->at.state = STATE_LIVE;
		tell_mark(t, ROOT_EVENT_SYNCED);
		return t->filled;
	}
	r = watch_ask(c, t->at.after, t->at.until, deadline);
	if (r)
		return r == -ETIMEDOUT ? -EAGAIN : r;
	r = watch_await(c, deadline);
	if (!r)
		r = watch_take(c, &body);
	if (r)
		return r;
	check = *t;
	check.events = NULL;
	if (read_page(body, &check) < 0)
		return conn_break(c, -EPROTO);
	return read_page(body, t);
}

static bool moved(const struct root_watch *a, const struct root_watch *b)
{
	return a->after != b->after || a->until != b->until || a->state != b->state;
}

static int watch_events(struct conn *c, struct told *t, int64_t deadline)
{
	int fruitless = 0, r;

	do {
		struct root_watch before = t->at;

		r = step(c, t, deadline);
		if (r == -ETIMEDOUT)
			return 0;
		if (r)
			return r;
		fruitless = moved(&before, &t->at) ? 0 : fruitless + 1;
		if (fruitless == FRUITLESS_MAX)
			return conn_break(c, -EPROTO);
	} while (!call_expired(deadline));
	/* The next answer must find its way here, or the descriptor would never become readable. */
	r = watch_ask(c, t->at.after, t->at.until, deadline);
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

static bool valid(const struct root_watch *w)
{
	if (w->reserved || w->state > STATE_LIVE)
		return false;
	if (w->state == STATE_PRESENT && !w->after)
		return true;
	return position(w->state != STATE_LIVE, w->after, w->until);
}

int rootContainerWatch(int fd, struct root_watch *watch, struct root_event *events, size_t eventsize, int count,
		       int timeout_ms)
{
	struct told t = {.events = (char *)events, .eventsize = eventsize, .count = count};
	int64_t deadline = 0;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (r)
		return r;
	if (!watch || !valid(watch) || !events || !eventsize || count < 1 || timeout_ms < -1)
		return -EINVAL;
	if (timeout_ms >= 0)
		deadline = timeout_ms ? call_now() + timeout_ms + 1 : CALL_AT_ONCE;
	t.at = *watch;
	r = watch_events(c, &t, deadline);
	if (r >= 0)
		*watch = t.at;
	return r;
}
