/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"

static void empty_names(struct names *n)
{
	sorted_empty(&n->ids);
	sorted_empty(&n->names);
	sorted_empty(&n->prefixes);
}

const struct engine_index *index_find_engine(const struct index *ix, struct str name)
{
	for (unsigned i = 0; i < ix->nengines; i++)
		if (str_eq(str_of(ix->engines[i].name), name))
			return &ix->engines[i];
	return NULL;
}

static void init_names(struct names *n, bool of_owner)
{
	n->ids = n->prefixes = (struct sorted){.by = INDEX_BY_ID, .of_owner = of_owner};
	n->names = (struct sorted){.by = INDEX_BY_NAME, .of_owner = of_owner};
}

static struct engine_index *add_engine(struct index *ix, struct str name)
{
	struct engine_index *e;

	if (ix->nengines == INDEX_ENGINES_MAX)
		return NULL;
	e = &ix->engines[ix->nengines];
	if (!str_copy(e->name, sizeof(e->name), name))
		return NULL;
	init_names(&e->owned, true);
	init_names(&e->users, false);
	ix->nengines++;
	return e;
}

void index_init(struct index *ix)
{
	static const char *const known[] = {"podman", "crun",        "runc",  "lxc", "docker", "containerd", "cri-o",
					    "nspawn", "libvirt-lxc", "youki", "lxd", "incus",  "apptainer"};

	memset(ix, 0, sizeof(*ix));
	ix->rids.by = INDEX_BY_RID;
	ix->users.by = INDEX_BY_USER;
	ix->cgroups.by = INDEX_BY_CGROUP;
	ix->generations.by = INDEX_BY_GENERATION;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		(void)add_engine(ix, str_of(known[i]));
}

void index_clear(struct index *ix)
{
	for (size_t i = 0; i < ix->rids.n; i++)
		record_unref(ix->rids.v[i]);
	sorted_empty(&ix->rids);
	sorted_empty(&ix->users);
	sorted_empty(&ix->cgroups);
	sorted_empty(&ix->generations);
	for (unsigned i = 0; i < ix->nengines; i++) {
		empty_names(&ix->engines[i].owned);
		empty_names(&ix->engines[i].users);
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
	*r = (struct record){.rid = m->rid,
			     .generation = m->generation,
			     .state = m->state,
			     .pid = m->pid,
			     .owner = m->owner,
			     .engine = e};
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

/* 0 and the largest rid are the ends of a search. A ':' or '@' in an engine's name would make "engine:name" a riddle. */
bool index_plausible(const struct container_record *m)
{
	return m->rid && m->rid != UINT64_MAX && m->state < ROOT_CONTAINER_STATES && !(m->flags & ~RECORD_EXITED) &&
	       m->pid <= INT_MAX && m->engine.len && m->id.len && !memchr(m->engine.p, ':', m->engine.len) &&
	       !memchr(m->engine.p, '@', m->engine.len);
}

struct record *index_find_rid(const struct index *ix, uint64_t rid)
{
	struct probe p = {.key = STR(""), .rid = rid};
	size_t at = sorted_search(&ix->rids, &p);

	return at < ix->rids.n && ix->rids.v[at]->rid == rid ? ix->rids.v[at] : NULL;
}

bool index_has_room(const struct index *ix, uint64_t rid)
{
	return ix->rids.n < INDEX_RECORDS_MAX || index_find_rid(ix, rid);
}

/* Somebody chose this id as a name, and a name has no prefixes: "web", or "NAMESPACE/web" where it is one of several. */
static bool named_by_id(const struct record *r)
{
	size_t before = r->name.len - r->id.len;

	if (r->name.len <= r->id.len)
		return str_eq(r->id, r->name);
	return r->name.p[before - 1] == '/' && str_eq(r->id, (struct str){r->name.p + before, r->id.len});
}

/*
 * A cgroup that stands for its container. A user's engine that was given none leaves its containers in one that they share with others,
 * even with everybody; what is below "user-UID.slice" was given to him.
 */
static bool has_own_cgroup(const struct record *r)
{
	char slice[32];
	size_t n = (size_t)snprintf(slice, sizeof(slice), "/user-%u.slice/", r->owner);

	if (r->pidfd < 0 || r->cgroup.len <= 1)
		return false;
	return !r->user.len || memmem(r->cgroup.p, r->cgroup.len, slice, n);
}

#define PLACES_MAX (4 + 2 * 3)

/* The arrays that have, or are to have, @r. */
static size_t places_of(struct index *ix, const struct record *r, struct sorted *ret[PLACES_MAX])
{
	struct engine_index *e = &ix->engines[r->engine - ix->engines];
	struct names *sets[] = {&e->owned, &e->users};
	size_t n = 0;

	ret[n++] = &ix->rids;
	ret[n++] = &ix->generations;
	if (r->owner)
		ret[n++] = &ix->users;
	if (has_own_cgroup(r))
		ret[n++] = &ix->cgroups;
	for (size_t i = 0; i < (r->owner ? 2 : 1); i++) {
		ret[n++] = &sets[i]->ids;
		if (r->name.len)
			ret[n++] = &sets[i]->names;
		if (!named_by_id(r))
			ret[n++] = &sets[i]->prefixes;
	}
	return n;
}

int index_put(struct index *ix, const struct container_record *m, int pidfd)
{
	struct sorted *places[PLACES_MAX];
	autoclose int fd = pidfd;
	const struct engine_index *e;
	struct record *r;
	size_t n;

	if (!index_plausible(m))
		return -EBADMSG;
	e = index_find_engine(ix, m->engine);
	if (!e)
		e = add_engine(ix, m->engine);
	if (!e)
		return -EBADMSG;
	if (!index_has_room(ix, m->rid))
		return -ENOSPC;
	(void)index_remove(ix, m->rid); /* an old version is gone in any case: no answer is better than a wrong one */
	r = record_new(m, e, fd);
	if (!r)
		return -ENOMEM;
	(void)take_fd(&fd);
	n = places_of(ix, r, places);
	for (size_t i = 0; i < n; i++) {
		if (sorted_make_room(places[i]) < 0) {
			record_unref(r);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < n; i++)
		sorted_insert(places[i], r);
	return 0;
}

int index_remove(struct index *ix, uint64_t rid)
{
	struct record *r = index_find_rid(ix, rid);
	struct sorted *places[PLACES_MAX];

	if (!r)
		return -ENOENT;
	for (size_t i = 0, n = places_of(ix, r, places); i < n; i++)
		sorted_take_out(places[i], r);
	record_unref(r);
	return 0;
}

const char *index_engine(const struct index *ix, unsigned i)
{
	return i < ix->nengines ? ix->engines[i].name : NULL;
}

/* The first that comes after all that have @number. */
static struct record *after(const struct sorted *s, uint64_t number)
{
	struct probe p = {.key = STR(""), .generation = number + 1, .rid = s->by == INDEX_BY_RID ? number + 1 : 0};
	size_t at;

	if (number == UINT64_MAX)
		return NULL;
	at = sorted_search(s, &p);
	return at < s->n ? s->v[at] : NULL;
}

struct record *index_after(const struct index *ix, uint64_t rid)
{
	return after(&ix->rids, rid);
}

struct record *index_after_generation(const struct index *ix, uint64_t generation)
{
	return after(&ix->generations, generation);
}
