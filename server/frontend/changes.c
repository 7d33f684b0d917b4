/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

#include "../common/loop.h"
#include "index.h"

struct change {
	struct event_record event;
	size_t size;
	char text[]; /* of its strings */
};

static struct change **slot(struct changes *c, uint64_t number)
{
	return &c->ring[number % CHANGES_MAX];
}

void changes_init(struct changes *c)
{
	memset(c, 0, sizeof(*c));
	c->last = c->floor = loop_now_ms() << 20;
}

static void drop_first(struct changes *c)
{
	struct change *oldest = *slot(c, c->first);

	c->floor = oldest->event.container.generation;
	c->bytes -= oldest->size;
	free(oldest);
	c->first++;
}

void changes_fini(struct changes *c)
{
	while (c->first != c->next)
		drop_first(c);
}

void changes_begin_anew(struct changes *c)
{
	changes_fini(c);
	/* Above every position that was ever given out. */
	c->floor = ++c->last;
}

uint64_t changes_number(struct changes *c)
{
	return ++c->last;
}

static struct str keep(char **at, struct str s)
{
	struct str kept = {*at, s.len};

	if (s.len)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return kept;
}

static void add(struct changes *c, enum event_kind kind, struct container_record *m)
{
	struct str *strings[] = {&m->engine, &m->id, &m->name, &m->user, &m->cgroup, &m->init_cgroup};
	size_t size = sizeof(struct change);
	struct change *n;
	char *at;

	m->generation = ++c->last;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		size += strings[i]->len;
	n = malloc(size);
	if (!n) {
		/* A gap would be silent: rather nobody can be told what was before. */
		changes_fini(c);
		c->floor = c->last;
		return;
	}
	*n = (struct change){.event = {.kind = kind, .container = *m}, .size = size};
	at = n->text;
	n->event.container.engine = keep(&at, m->engine);
	n->event.container.id = keep(&at, m->id);
	n->event.container.name = keep(&at, m->name);
	n->event.container.user = keep(&at, m->user);
	n->event.container.cgroup = keep(&at, m->cgroup);
	n->event.container.init_cgroup = keep(&at, m->init_cgroup);
	n->event.container.hostname = STR("");
	while (c->first != c->next && (c->next - c->first == CHANGES_MAX || c->bytes + size > CHANGES_BYTES_MAX))
		drop_first(c);
	*slot(c, c->next++) = n;
	c->bytes += size;
}

static bool exit_is_news(const struct record *old, const struct container_record *m)
{
	return (m->flags & RECORD_EXITED) && (!(old->flags & RECORD_EXITED) || old->exit != m->exit);
}

/* In anything but how it ended. */
static bool differs(const struct record *old, const struct container_record *m)
{
	return old->state != m->state || old->pid != m->pid || old->owner != m->owner || !str_eq(old->id, m->id) ||
	       !str_eq(old->name, m->name) || !str_eq(old->user, m->user) || !str_eq(old->cgroup, m->cgroup) ||
	       !str_eq(old->init_cgroup, m->init_cgroup) || !str_eq(str_of(old->engine->name), m->engine) ||
	       (old->flags & ~m->flags);
}

bool changes_put(struct changes *c, const struct record *old, struct container_record *m, bool same_process)
{
	bool exited = old && exit_is_news(old, m), changed = old && (differs(old, m) || !same_process);

	if (!old) {
		add(c, EVENT_ADDED, m);
		return true;
	}
	if (changed) {
		struct container_record before = *m;

		/* One thing after the other: first what it is now, then how it got there. */
		if (exited)
			before.flags &= ~RECORD_EXITED;
		add(c, EVENT_CHANGED, &before);
		m->generation = before.generation;
	}
	if (exited)
		add(c, EVENT_EXITED, m);
	return changed || exited;
}

void changes_remove(struct changes *c, struct container_record *m)
{
	add(c, EVENT_REMOVED, m);
}

bool changes_reach(const struct changes *c, uint64_t generation)
{
	return generation >= c->floor && generation <= c->last;
}

/* The number of the first change after @generation. */
static uint64_t first_after(const struct changes *c, uint64_t generation)
{
	uint64_t low = c->first, high = c->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (c->ring[middle % CHANGES_MAX]->event.container.generation <= generation)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t changes_tell(const struct changes *c, uint64_t after, struct page_wr *page)
{
	for (uint64_t i = first_after(c, after); i != c->next; i++) {
		const struct change *n = c->ring[i % CHANGES_MAX];

		if (!page_add_event(page, &n->event))
			break;
		after = n->event.container.generation;
	}
	return after;
}
