/* SPDX-License-Identifier: MIT */
/* A user whose engines' files are read. Runs in: resolver. See owner.h. */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/log.h"
#include "../common/procfd.h"
#include "mem.h"

#define CGROUPS "/sys/fs/cgroup"

/* --- The monitor's argument -------------------------------------------------------------------------------------- */

/* A number that stands before @end; what follows it, or NULL. */
static const char *take_number(const char *p, const char *end, char stop, uint32_t *ret)
{
	uint64_t v = 0;
	const char *digits = p;

	for (; p < end && *p >= '0' && *p <= '9' && v <= UINT32_MAX; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (p == digits || v > UINT32_MAX || (p < end && *p != stop))
		return NULL;
	*ret = (uint32_t)v;
	return p < end ? p + 1 : p;
}

static bool take_ranges(const char *p, const char *end, struct owner *o)
{
	while (p < end) {
		struct owner_range r = {0, 0};

		p = take_number(p, end, '+', &r.first);
		if (p)
			p = take_number(p, end, ',', &r.count);
		/* Root's uid is nobody's subordinate. */
		if (!p || r.first == 0 || r.count == 0 || r.count > UINT32_MAX - r.first)
			return false;
		o->ranges = mem_resize(o->ranges, o->nranges + 1, sizeof(*o->ranges));
		o->ranges[o->nranges++] = r;
	}
	return true;
}

bool owner_parse(const char *text, size_t len, struct owner *ret)
{
	const char *end = text + len, *name, *colon = NULL;
	struct owner o = {0};

	name = take_number(text, end, ':', &o.uid);
	if (name)
		colon = memchr(name, ':', (size_t)(end - name));
	if (!colon || colon == name || o.uid == 0 || o.uid == UINT32_MAX)
		return false;
	o.name = mem_checked(strndup(name, (size_t)(colon - name)));
	if (!take_ranges(colon + 1, end, &o)) {
		owner_fini(&o);
		return false;
	}
	*ret = o;
	return true;
}

void owner_fini(struct owner *o)
{
	free(o->name);
	free(o->ranges);
	*o = (struct owner){0};
}

/* --- Processes --------------------------------------------------------------------------------------------------- */

bool owner_has(const struct owner *o, uint32_t first, uint32_t count)
{
	/* One range of a process may go on over several of his. */
	while (count > 0) {
		uint32_t n = first == o->uid ? 1 : 0;

		for (unsigned i = 0; n == 0 && i < o->nranges; i++) {
			const struct owner_range *r = &o->ranges[i];

			if (first >= r->first && first - r->first < r->count)
				n = r->count - (first - r->first);
		}
		if (n == 0)
			return false;
		if (n >= count)
			return true;
		first += n;
		count -= n;
	}
	return true;
}

/* @ret_own: his own uid has a place in it. */
static int check_map(const struct owner *o, int proc, pid_t pid, bool *ret_own)
{
	static struct proc_uid_range map[PROC_UID_RANGES_MAX];
	int n = proc_read_uid_map(proc, pid, map, PROC_UID_RANGES_MAX);

	*ret_own = false;
	for (int i = 0; i < n; i++) {
		if (!owner_has(o, map[i].outside, map[i].count))
			return -EPERM;
		*ret_own |= o->uid >= map[i].outside && o->uid - map[i].outside < map[i].count;
	}
	if (n == 0)
		return -EPERM; /* a user namespace without uids: nobody's, as far as anybody can tell */
	return n < 0 ? n : 0;
}

static int check_uids(const struct owner *o, int proc, pid_t pid)
{
	struct proc_status s;
	int r = proc_read_status(proc, pid, &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(s.uid) / sizeof(s.uid[0]); i++) {
		if (!owner_has(o, s.uid[i], 1))
			return -EPERM;
	}
	return 0;
}

int owner_check(const struct owner *o, int proc, pid_t pid, const struct proc_stat *stat)
{
	bool own;
	int r = check_map(o, proc, pid, &own);

	if (r == 0)
		r = check_uids(o, proc, pid);
	if (r < 0 || own)
		return r;
	/* Subordinate uids alone may be those of root's container too, where /etc/subuid gives a range to both. His own is in
	 * the user namespace in which his engine works, and from which it starts containers that have a smaller one. */
	r = check_map(o, proc, stat->ppid, &own);
	return r < 0 || own ? r : -EPERM;
}

bool owner_has_cgroup(const struct owner *o, const char *path, size_t len)
{
	/* Of version 2, alone or beside version 1, and the hierarchies of that from which a cgroup is told. */
	static const char *const mounts[] = {"", "/unified", "/systemd", "/freezer", "/memory", "/devices"};
	char full[sizeof(CGROUPS) + 16 + ROOT_CGROUP_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]) && len <= ROOT_CGROUP_MAX; i++) {
		(void)snprintf(full, sizeof(full), CGROUPS "%s%.*s", mounts[i], (int)len, path);
		if (fstatat(AT_FDCWD, full, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
		    owner_has(o, st.st_uid, 1))
			return true;
	}
	return false;
}

/* --- What he costs ----------------------------------------------------------------------------------------------- */

bool owner_take(struct owner *o)
{
	if (o->containers < 2 * OWNER_CONTAINERS_MAX) {
		o->containers++;
		return true;
	}
	if (!o->full)
		log_warning("user %s has more than %d containers: the others are left out", o->name,
			    OWNER_CONTAINERS_MAX);
	o->full = true;
	return false;
}

void owner_give(struct owner *o)
{
	o->containers--;
}

bool owner_may_read(struct owner *o, uint64_t now_ms)
{
	if (o->bytes < OWNER_SLICE_BYTES)
		return true;
	if (o->pause_ms == 0)
		o->pause_ms = now_ms;
	/* From now, not from when reading began: however long it took, the others have their turn in between. */
	if (now_ms - o->pause_ms < OWNER_SLICE_MS)
		return false;
	o->pause_ms = 0;
	o->bytes = 0;
	return true;
}

void owner_has_read(struct owner *o, size_t bytes)
{
	o->bytes += bytes;
}

bool owner_may_log(struct owner *o, uint64_t now_ms)
{
	if (o->lines == 0 || now_ms - o->lines_ms >= OWNER_LINES_MS) {
		o->lines_ms = now_ms;
		o->lines = 0;
	}
	if (o->lines > OWNER_LINES)
		return false;
	if (o->lines++ < OWNER_LINES)
		return true;
	log_warning("user %s: more of that is not logged for a while", o->name);
	return false;
}
