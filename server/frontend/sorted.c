/* SPDX-License-Identifier: MIT */
#include "sorted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"

static struct str key_of(const struct record *r, enum index_key by)
{
	switch (by) {
	case INDEX_BY_ID:
		return r->id;
	case INDEX_BY_NAME:
		return r->name;
	case INDEX_BY_USER:
		return r->user;
	case INDEX_BY_CGROUP:
		return r->cgroup;
	case INDEX_BY_RID:
	case INDEX_BY_GENERATION:
		break;
	}
	return STR("");
}

static bool below(const struct record *r, const struct sorted *s, const struct probe *p)
{
	struct str key = key_of(r, s->by);
	size_t common = key.len < p->key.len ? key.len : p->key.len;
	int c;

	if (s->of_owner && r->owner != p->owner)
		return r->owner < p->owner;
	c = common ? memcmp(key.p, p->key.p, common) : 0;
	if (c)
		return c < 0;
	if (key.len < p->key.len)
		return true;
	if (key.len > p->key.len && !p->prefix)
		return false;
	if (s->by == INDEX_BY_GENERATION && r->generation != p->generation)
		return r->generation < p->generation;
	if (s->by != INDEX_BY_RID && s->by != INDEX_BY_GENERATION && r->owner != p->owner)
		return r->owner < p->owner;
	return r->rid < p->rid;
}

size_t sorted_search(const struct sorted *s, const struct probe *p)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (below(s->v[middle], s, p))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t place_of(const struct sorted *s, const struct record *r)
{
	struct probe p = {.key = key_of(r, s->by), .owner = r->owner, .generation = r->generation, .rid = r->rid};

	return sorted_search(s, &p);
}

int sorted_make_room(struct sorted *s)
{
	size_t room = s->room ? s->room * 2 : 64;
	struct record **v;

	if (s->n < s->room)
		return 0;
	v = realloc(s->v, room * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	s->room = room;
	return 0;
}

void sorted_insert(struct sorted *s, struct record *r)
{
	size_t at = place_of(s, r);

	memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof(*s->v));
	s->v[at] = r;
	s->n++;
}

void sorted_take_out(struct sorted *s, const struct record *r)
{
	size_t at = place_of(s, r);

	if (at >= s->n || s->v[at] != r)
		return;
	s->n--;
	memmove(&s->v[at], &s->v[at + 1], (s->n - at) * sizeof(*s->v));
}

void sorted_empty(struct sorted *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->room = 0;
}
