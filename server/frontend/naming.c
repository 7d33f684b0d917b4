/* SPDX-License-Identifier: MIT */
/* Which container is meant. Runs in: frontend. See index.h. */
#include <string.h>

#include "index.h"

/* --- Names ------------------------------------------------------------------------------------------------------- */

/* Whose containers are looked at. */
struct whose {
	bool users; /* any but the system's; else @owner's, of which 0 is the system */
	uint32_t owner;
};

/* What stands before the first colon of a name, if that is an engine's. */
struct address {
	const struct engine_index *engine; /* NULL: it is not */
	struct str user; /* behind the '@' */
	bool of_user;
	struct str rest;
};

/* Adds all records of @s that fit. */
static void collect(const struct index *ix, const struct engine_index *e, const struct sorted *s, struct probe p,
		    struct index_match *m)
{
	size_t first, past;

	p.rid = 0;
	first = sorted_search(s, &p);
	/* A prefix and every key that begins with it compare equal: the end of their range is one more search. */
	p.rid = UINT64_MAX;
	if (!s->of_owner)
		p.owner = UINT32_MAX;
	past = sorted_search(s, &p);
	if (past <= first)
		return;
	if (!m->record)
		m->record = s->v[first];
	m->other = s->v[past - 1];
	m->count += past - first;
	m->engines |= 1u << (unsigned)(e - ix->engines);
}

/* @only: this engine, or NULL for all. */
static struct index_match resolve(const struct index *ix, const struct engine_index *only, struct whose whose,
				  struct str key, size_t prefix_min)
{
	enum { BY_ID, BY_NAME, BY_PREFIX, STEPS };
	struct index_match m = {0};

	for (int step = BY_ID; step < STEPS && !m.count; step++) {
		m.by_prefix = step == BY_PREFIX;
		if (!key.len || (m.by_prefix && key.len < prefix_min))
			break;
		for (unsigned n = 0; n < ix->nengines; n++) {
			const struct engine_index *e = &ix->engines[n];
			const struct names *set = whose.users ? &e->users : &e->owned;
			const struct sorted *s = step == BY_ID     ? &set->ids
						 : step == BY_NAME ? &set->names
								   : &set->prefixes;
			struct probe p = {.key = key, .owner = whose.owner, .prefix = m.by_prefix};

			if (s->n && (!only || only == e))
				collect(ix, e, s, p, &m);
		}
	}
	return m;
}

static struct address address_of(const struct index *ix, struct str name)
{
	const char *colon = name.len ? memchr(name.p, ':', name.len) : NULL;
	struct str engine = {name.p, colon ? (size_t)(colon - name.p) : 0};
	const char *at = engine.len ? memchr(engine.p, '@', engine.len) : NULL;
	struct address a = {0};

	if (!colon)
		return a;
	if (at) {
		a.of_user = true;
		a.user = (struct str){at + 1, (size_t)(colon - at - 1)};
		engine.len = (size_t)(at - engine.p);
	}
	a.engine = index_find_engine(ix, engine);
	a.rest = (struct str){colon + 1, name.len - (size_t)(colon + 1 - name.p)};
	return a;
}

static bool parse_uid(struct str digits, uint32_t *ret)
{
	uint64_t uid = 0;

	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		uid = uid * 10 + (uint64_t)(digits.p[i] - '0');
		if (uid > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)uid;
	return digits.len > 0;
}

/* Of a user who has containers. Digits are the uid itself, whoever may be called so. */
static bool uid_of(const struct index *ix, struct str user, uint32_t *ret)
{
	struct probe p = {.key = user};
	size_t at = sorted_search(&ix->users, &p);

	if (parse_uid(user, ret))
		return true;
	if (!user.len || at >= ix->users.n || !str_eq(ix->users.v[at]->user, user))
		return false;
	*ret = ix->users.v[at]->owner;
	return true;
}

/* @name as a whole, and as @a has it: whoever names his container "podman:web" must not get the answers that are for web of
 * podman. */
static struct index_match resolve_both(const struct index *ix, const struct address *a, struct whose whose,
				       struct str name, uint32_t prefix_min)
{
	struct index_match whole = resolve(ix, NULL, whose, name, SIZE_MAX);
	struct index_match part = resolve(ix, a->engine, whose, a->rest, prefix_min);

	if (!whole.count || (whole.count == 1 && part.count == 1 && whole.record == part.record))
		return part;
	if (part.count) {
		whole.count += part.count;
		whole.engines |= part.engines;
		whole.other = part.record;
	}
	return whole;
}

void index_find(const struct index *ix, struct str name, uint32_t prefix_min, struct index_match *ret)
{
	const struct whose system = {.owner = 0};
	struct whose others = {.users = true};
	struct address a = address_of(ix, name);

	if (!a.engine) {
		*ret = resolve(ix, NULL, system, name, prefix_min);
		if (!ret->count)
			*ret = resolve(ix, NULL, others, name, prefix_min);
		return;
	}
	if (!a.of_user) {
		*ret = resolve_both(ix, &a, system, name, prefix_min);
		if (!ret->count)
			*ret = resolve_both(ix, &a, others, name, prefix_min);
		return;
	}
	/* The system's that is called so; else what this user has. Another user's of that name is not what was asked for. */
	*ret = resolve(ix, NULL, system, name, SIZE_MAX);
	others.users = false;
	if (!ret->count && uid_of(ix, a.user, &others.owner))
		*ret = resolve_both(ix, &a, others, name, prefix_min);
}

/* --- Cgroups ----------------------------------------------------------------------------------------------------- */

/* The length of the longest path that is @path or above it, as far as @other goes the same way. */
static size_t common_path(struct str path, struct str other)
{
	size_t above = 0;

	if (str_eq(path, other))
		return path.len;
	for (size_t n = 1; n < path.len; n++) {
		if (n > other.len || path.p[n - 1] != other.p[n - 1])
			break;
		if (path.p[n] == '/')
			above = n;
	}
	return above;
}

void index_find_cgroup(const struct index *ix, struct str path, struct index_match *ret)
{
	const struct sorted *s = &ix->cgroups;

	*ret = (struct index_match){0};
	/* Whatever is above @path sorts before it, and what lies between the two begins with it: so the last that is not behind @path
	 * tells how far up to go at least. */
	while (path.len > 1) {
		struct probe p = {.key = path, .owner = UINT32_MAX, .rid = UINT64_MAX};
		size_t past = sorted_search(s, &p), first, common;

		if (!past)
			return;
		common = common_path(path, s->v[past - 1]->cgroup);
		if (common < path.len) {
			path.len = common;
			continue;
		}
		p.owner = 0;
		p.rid = 0;
		first = sorted_search(s, &p);
		*ret = (struct index_match){.count = past - first, .record = s->v[first], .other = s->v[past - 1]};
		return;
	}
}
