/* SPDX-License-Identifier: MIT */
/* What the frontend was told. Runs in: resolver. See published.h. */
#include "published.h"

#include "../common/cleanup.h"
#include "../common/loop.h"
#include "../common/procfd.h"
#include "mem.h"

static bool has_cgroup(const struct known *k)
{
	return k->pidfd >= 0 && k->m.cgroup.len > 1;
}

static void drop(struct published *p, struct known *k)
{
	map_remove(&p->by_rid, &k->by_rid);
	if (k->pidfd >= 0)
		map_remove(&p->by_pid, &k->by_pid);
	if (has_cgroup(k))
		map_remove(&p->by_cgroup, &k->by_cgroup);
	free(k);
}

static struct known *find(const struct published *p, uint64_t rid)
{
	for (struct map_node *n = map_find(&p->by_rid, map_hash_number(rid)); n; n = map_find_next(n)) {
		struct known *k = container_of(n, struct known, by_rid);

		if (k->m.rid == rid)
			return k;
	}
	return NULL;
}

const struct known *published_rid(const struct published *p, uint64_t rid)
{
	return find(p, rid);
}

void published_remove(struct published *p, uint64_t rid)
{
	struct known *k = find(p, rid);

	if (k)
		drop(p, k);
}

void published_put(struct published *p, const struct container_record *m, int pidfd)
{
	struct known *k = mem_new(sizeof(*k) + m->engine.len + m->id.len + m->name.len + m->user.len + m->cgroup.len +
				  m->init_cgroup.len);
	struct str *texts[] = {&k->m.engine, &k->m.id, &k->m.name, &k->m.user, &k->m.cgroup, &k->m.init_cgroup};
	char *at = k->text;

	published_remove(p, m->rid);
	k->m = *m;
	k->m.hostname = STR("");
	k->pidfd = pidfd;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i]->len)
			memcpy(at, texts[i]->p, texts[i]->len);
		texts[i]->p = at;
		at += texts[i]->len;
	}
	map_insert(&p->by_rid, &k->by_rid, map_hash_number(m->rid));
	if (k->pidfd >= 0)
		map_insert(&p->by_pid, &k->by_pid, map_hash_number(m->pid));
	if (has_cgroup(k))
		map_insert(&p->by_cgroup, &k->by_cgroup, map_hash(k->m.cgroup.p, k->m.cgroup.len));
}

void published_fini(struct published *p)
{
	struct map_node *n;

	while ((n = map_any(&p->by_rid)))
		drop(p, container_of(n, struct known, by_rid));
	map_fini(&p->by_rid);
	map_fini(&p->by_pid);
	map_fini(&p->by_cgroup);
}

const struct known *published_init(const struct published *p, pid_t pid)
{
	for (struct map_node *n = map_find(&p->by_pid, map_hash_number((uint64_t)pid)); n; n = map_find_next(n)) {
		const struct known *k = container_of(n, struct known, by_pid);

		/* While it lives the number is its own. */
		if (k->m.pid == (uint32_t)pid && procfd_alive(k->pidfd))
			return k;
	}
	return NULL;
}

const struct known *published_cgroup(const struct published *p, struct str path, bool *ret_shared)
{
	const struct known *found = NULL;

	*ret_shared = false;
	for (struct map_node *n = map_find(&p->by_cgroup, map_hash(path.p, path.len)); n; n = map_find_next(n)) {
		const struct known *k = container_of(n, struct known, by_cgroup);

		if (!str_eq(k->m.cgroup, path) || !procfd_alive(k->pidfd))
			continue;
		if (found) {
			*ret_shared = true;
			break;
		}
		found = k;
	}
	return found;
}
