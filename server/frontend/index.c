/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"

/* What a binary search looks for: the first record that is not below (key, rid). With @prefix, records whose key begins
 * with @key count as equal to it. */
struct probe {
	struct str key;
	uint64_t rid;
	bool prefix;
};

static struct str key_of(const struct record *r, enum index_key by)
{
	switch (by) {
	case INDEX_BY_ID:
		return r->id;
	case INDEX_BY_NAME:
		return r->name;
	case INDEX_BY_RID:
		break;
	}
	return STR("");
}

static bool below(const struct record *r, enum index_key by, const struct probe *p)
{
	struct str key = key_of(r, by);
	size_t common = key.len < p->key.len ? key.len : p->key.len;
	int c = common ? memcmp(key.p, p->key.p, common) : 0;

	if (c)
		return c < 0;
	if (key.len < p->key.len)
		return true;
	if (key.len > p->key.len && !p->prefix)
		return false;
	return r->rid < p->rid;
}

static size_t search(const struct sorted *s, const struct probe *p)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (below(s->v[middle], s->by, p))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t place_of(const struct sorted *s, const struct record *r)
{
	struct probe p = {.key = key_of(r, s->by), .rid = r->rid};

	return search(s, &p);
}

static int make_room(struct sorted *s)
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

/* There is room. */
static void insert(struct sorted *s, struct record *r)
{
	size_t at = place_of(s, r);

	memmove(&s->v[at + 1], &s->v[at], (s->n - at) * sizeof(*s->v));
	s->v[at] = r;
	s->n++;
}

static void take_out(struct sorted *s, const struct record *r)
{
	size_t at = place_of(s, r);

	if (at >= s->n || s->v[at] != r)
		return;
	s->n--;
	memmove(&s->v[at], &s->v[at + 1], (s->n - at) * sizeof(*s->v));
}

static void empty(struct sorted *s)
{
	free(s->v);
	s->v = NULL;
	s->n = s->room = 0;
}

static struct engine_index *find_engine(struct index *ix, struct str name)
{
	for (unsigned i = 0; i < ix->nengines; i++)
		if (str_eq(str_of(ix->engines[i].name), name))
			return &ix->engines[i];
	return NULL;
}

static struct engine_index *add_engine(struct index *ix, struct str name)
{
	struct engine_index *e;

	if (ix->nengines == INDEX_ENGINES_MAX)
		return NULL;
	e = &ix->engines[ix->nengines];
	if (!str_copy(e->name, sizeof(e->name), name))
		return NULL;
	e->ids.by = INDEX_BY_ID;
	e->names.by = INDEX_BY_NAME;
	e->prefixes.by = INDEX_BY_ID;
	ix->nengines++;
	return e;
}

void index_init(struct index *ix)
{
	static const char *const known[] = {"podman",     "crun",  "runc",   "lxc",        "docker",
					    "containerd", "cri-o", "nspawn", "libvirt-lxc"};

	memset(ix, 0, sizeof(*ix));
	ix->rids.by = INDEX_BY_RID;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		(void)add_engine(ix, str_of(known[i]));
}

void index_clear(struct index *ix)
{
	for (size_t i = 0; i < ix->rids.n; i++)
		record_unref(ix->rids.v[i]);
	empty(&ix->rids);
	for (unsigned i = 0; i < ix->nengines; i++) {
		empty(&ix->engines[i].ids);
		empty(&ix->engines[i].names);
		empty(&ix->engines[i].prefixes);
	}
}

void index_fini(struct index *ix)
{
	index_clear(ix);
}

struct record *record_ref(struct record *r)
{
	r->refs++;
	return r;
}

void record_unref(struct record *r)
{
	if (--r->refs)
		return;
	close_fd(&r->pidfd);
	free(r);
}

bool record_alive(const struct record *r)
{
	struct pollfd p = {.fd = r->pidfd, .events = POLLIN};

	if (r->pidfd < 0)
		return false;
	/* Readable: it has exited. A poll that fails is no proof of life either. */
	return poll(&p, 1, 0) == 0;
}

static struct str keep_text(char **at, struct str s)
{
	struct str kept = {*at, s.len};

	if (s.len)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return kept;
}

static struct record *record_new(const struct container_record *m, const struct engine_index *e, int pidfd)
{
	struct record *r =
		malloc(sizeof(*r) + m->id.len + m->name.len + m->user.len + m->cgroup.len + m->init_cgroup.len);
	char *at;

	if (!r)
		return NULL;
	at = r->text;
	*r = (struct record){.rid = m->rid, .state = m->state, .pid = m->pid, .owner = m->owner, .engine = e};
	r->flags = m->flags;
	r->exit = m->exit;
	r->refs = 1;
	r->pidfd = pidfd;
	r->id = keep_text(&at, m->id);
	r->name = keep_text(&at, m->name);
	r->user = keep_text(&at, m->user);
	r->cgroup = keep_text(&at, m->cgroup);
	r->init_cgroup = keep_text(&at, m->init_cgroup);
	return r;
}

/* 0 and the largest rid are the ends of a search. A ':' in an engine's name would make "engine:name" a riddle. */
static bool plausible(const struct container_record *m)
{
	return m->rid && m->rid != UINT64_MAX && m->state < ROOT_CONTAINER_STATES && !(m->flags & ~RECORD_EXITED) &&
	       m->pid <= INT_MAX && m->engine.len && m->id.len && !memchr(m->engine.p, ':', m->engine.len);
}

static struct record *find_rid(const struct index *ix, uint64_t rid)
{
	struct probe p = {.key = STR(""), .rid = rid};
	size_t at = search(&ix->rids, &p);

	return at < ix->rids.n && ix->rids.v[at]->rid == rid ? ix->rids.v[at] : NULL;
}

/* Somebody chose this id as a name, and a name has no prefixes: "web", or "NAMESPACE/web" where it is one of several. */
static bool named_by_id(const struct record *r)
{
	size_t before = r->name.len - r->id.len;

	if (r->name.len <= r->id.len)
		return str_eq(r->id, r->name);
	return r->name.p[before - 1] == '/' && str_eq(r->id, (struct str){r->name.p + before, r->id.len});
}

int index_put(struct index *ix, const struct container_record *m, int pidfd)
{
	autoclose int fd = pidfd;
	struct engine_index *e;
	struct record *r;

	if (!plausible(m))
		return -EBADMSG;
	e = find_engine(ix, m->engine);
	if (!e)
		e = add_engine(ix, m->engine);
	if (!e)
		return -EBADMSG;
	(void)index_remove(ix, m->rid); /* an old version is gone in any case: no answer is better than a wrong one */
	if (ix->rids.n >= INDEX_RECORDS_MAX)
		return -ENOSPC;
	if (make_room(&ix->rids) < 0 || make_room(&e->ids) < 0 || make_room(&e->names) < 0 ||
	    make_room(&e->prefixes) < 0)
		return -ENOMEM;
	r = record_new(m, e, fd);
	if (!r)
		return -ENOMEM;
	(void)take_fd(&fd);
	r->generation = ++ix->generation;
	insert(&ix->rids, r);
	insert(&e->ids, r);
	if (r->name.len)
		insert(&e->names, r);
	if (!named_by_id(r))
		insert(&e->prefixes, r);
	return 0;
}

int index_remove(struct index *ix, uint64_t rid)
{
	struct record *r = find_rid(ix, rid);

	if (!r)
		return -ENOENT;
	for (unsigned i = 0; i < ix->nengines; i++) {
		if (&ix->engines[i] != r->engine)
			continue;
		take_out(&ix->engines[i].ids, r);
		take_out(&ix->engines[i].names, r);
		take_out(&ix->engines[i].prefixes, r);
	}
	take_out(&ix->rids, r);
	record_unref(r);
	return 0;
}

/* Adds all records of @s that fit. */
static void collect(const struct index *ix, const struct engine_index *e, const struct sorted *s, struct probe p,
		    struct index_match *m)
{
	size_t first, past;

	p.rid = 0;
	first = search(s, &p);
	/* A prefix and every key that begins with it compare equal: the end of their range is one more search. */
	p.rid = UINT64_MAX;
	past = search(s, &p);
	if (past <= first)
		return;
	m->record = s->v[first];
	m->count += past - first;
	m->engines |= 1u << (unsigned)(e - ix->engines);
}

/* @only: this engine, or NULL for all. */
static struct index_match resolve(const struct index *ix, const struct engine_index *only, struct str key,
				  size_t prefix_min)
{
	enum { BY_ID, BY_NAME, BY_PREFIX, STEPS };
	struct index_match m = {0};

	for (int step = BY_ID; step < STEPS && !m.count; step++) {
		m.by_prefix = step == BY_PREFIX;
		if (!key.len || (m.by_prefix && key.len < prefix_min))
			break;
		for (unsigned n = 0; n < ix->nengines; n++) {
			const struct engine_index *e = &ix->engines[n];
			const struct sorted *s = step == BY_ID ? &e->ids : step == BY_NAME ? &e->names : &e->prefixes;
			struct probe p = {.key = key, .prefix = m.by_prefix};

			if (!only || only == e)
				collect(ix, e, s, p, &m);
		}
	}
	return m;
}

void index_find(const struct index *ix, struct str name, uint32_t prefix_min, struct index_match *ret)
{
	const char *colon = name.len ? memchr(name.p, ':', name.len) : NULL;
	const struct engine_index *e = NULL;
	struct index_match whole;
	struct str rest;

	for (unsigned i = 0; colon && i < ix->nengines; i++)
		if (str_eq(str_of(ix->engines[i].name), (struct str){name.p, (size_t)(colon - name.p)}))
			e = &ix->engines[i];
	if (!e) {
		*ret = resolve(ix, NULL, name, prefix_min);
		return;
	}
	/* Whoever names his container "podman:web" must not get the answers that are for web of podman. */
	rest = (struct str){colon + 1, name.len - (size_t)(colon + 1 - name.p)};
	whole = resolve(ix, NULL, name, SIZE_MAX);
	*ret = resolve(ix, e, rest, prefix_min);
	if (!whole.count || (whole.count == 1 && ret->count == 1 && whole.record == ret->record))
		return;
	if (ret->count) {
		whole.count += ret->count;
		whole.engines |= ret->engines;
	}
	*ret = whole;
}

const char *index_engine(const struct index *ix, unsigned i)
{
	return i < ix->nengines ? ix->engines[i].name : NULL;
}

struct record *index_after(const struct index *ix, uint64_t rid)
{
	struct probe p = {.key = STR(""), .rid = rid};
	size_t at;

	if (rid == UINT64_MAX)
		return NULL;
	p.rid++;
	at = search(&ix->rids, &p);
	return at < ix->rids.n ? ix->rids.v[at] : NULL;
}
