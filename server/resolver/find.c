/* SPDX-License-Identifier: MIT */
/* In which container is a process? Runs in: resolver. See find.h. */
#include "find.h"

#include <errno.h>

#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "claim.h"
#include "owner.h"

/* A process that keeps its number while we look. */
struct pinned {
	int pidfd;
	pid_t pid;
	struct proc_stat stat;
};

static int pin(int proc, pid_t pid, struct pinned *ret)
{
	autoclose int fd = procfd_open(pid);
	int r;

	if (fd < 0)
		return fd == -EINVAL ? -ESRCH : fd; /* a thread */
	r = proc_read_stat(proc, pid, &ret->stat);
	if (r < 0)
		return r;
	ret->pid = pid;
	ret->pidfd = take_fd(&fd);
	return 0;
}

/* --- By cgroup --------------------------------------------------------------------------------------------------- */

/* Cuts the last component off; at "/x" nothing is left. */
static struct str above(struct str path)
{
	do
		path.len--;
	while (path.len > 0 && path.p[path.len] != '/');
	return path;
}

/* Nobody's containers are deeper, and deeper paths are their owner's to make. */
static struct str first_components(struct str path)
{
	unsigned slashes = 0;

	for (size_t i = 0; i < path.len; i++) {
		if (path.p[i] == '/' && ++slashes > FIND_STEPS_MAX)
			path.len = i;
	}
	return path;
}

/* The longest over all hierarchies. */
static const struct known *by_cgroup(const struct published *p, const char *text, size_t len, bool *ret_shared)
{
	const struct known *best = NULL, *k;
	struct cgroup_line line;
	bool shared;

	*ret_shared = false;
	while (proc_next_cgroup(&text, &len, &line)) {
		struct str path = first_components((struct str){line.path, line.path_len});

		if (!proc_selects_cgroup(&line))
			continue;
		for (; path.len > 1 && (!best || path.len > best->m.cgroup.len); path = above(path)) {
			k = published_cgroup(p, path, &shared);
			if (!k)
				continue;
			best = k;
			*ret_shared = shared;
			break;
		}
	}
	return best;
}

/* Whoever started it is in its cgroup, too: then so is the rest of his session. Of a user's that can be hidden, by another parent:
 * but he makes cgroups only in those that are his, and one that all users are in is root's. */
static bool is_shared_by_parent(const struct known *k, int proc, char *text, size_t size)
{
	char cgroup[4096 + 1];
	struct proc_stat st;
	ssize_t len;

	if (k->m.user.len && !owner_has_cgroup(&(struct owner){.uid = k->m.owner}, k->m.cgroup.p, k->m.cgroup.len))
		return true;
	if (!str_copy(cgroup, sizeof(cgroup), k->m.cgroup) || proc_read_stat(proc, (pid_t)k->m.pid, &st) < 0)
		return true;
	len = proc_read_cgroup_text(proc, st.ppid, text, size);
	return len > 0 && claim_cgroup_agrees(text, (size_t)len, cgroup);
}

/* --- By ancestor ------------------------------------------------------------------------------------------------- */

/* The parent of @c, pinned. */
static int pin_parent(int proc, const struct pinned *c, struct pinned *ret)
{
	struct proc_stat st;
	int r = pin(proc, c->stat.ppid, ret);

	if (r < 0)
		return r;
	/* Who loses its parent gets another one for good: with the same one still, what was pinned in between is that. */
	r = proc_read_stat(proc, c->pid, &st);
	if (r == 0 && (st.ppid != ret->pid || !procfd_alive(c->pidfd)))
		r = -ESRCH;
	if (r < 0)
		close_fd(&ret->pidfd);
	return r;
}

static const struct known *by_ancestor(const struct published *p, int proc, const struct pinned *process)
{
	struct pinned at = *process, next;
	const struct known *k = NULL;
	autoclose int fd = -1; /* of @at, but for the process itself */

	for (int i = 0; i < FIND_STEPS_MAX && !k && at.stat.ppid > 1; i++) {
		if (pin_parent(proc, &at, &next) < 0)
			return NULL;
		close_fd(&fd);
		at = next;
		fd = at.pidfd;
		k = published_init(p, at.pid);
	}
	return k;
}

/* --- All of it --------------------------------------------------------------------------------------------------- */

static int look(const struct published *p, int proc, const struct pinned *process, uint64_t *ret_rid)
{
	static char text[CGROUP_TEXT_MAX];
	const struct known *k = published_init(p, process->pid), *near = NULL;
	bool shared = false;
	ssize_t len;

	if (!k) {
		len = proc_read_cgroup_text(proc, process->pid, text, sizeof(text));
		if (len < 0)
			return (int)len;
		near = by_cgroup(p, text, (size_t)len, &shared);
		if (near && !shared && !is_shared_by_parent(near, proc, text, sizeof(text)))
			k = near;
	}
	if (!k)
		k = by_ancestor(p, proc, process);
	if (!k && shared)
		return -ENOTUNIQ;
	*ret_rid = k ? k->m.rid : 0;
	return 0;
}

int find_process(const struct published *p, int proc, pid_t pid, uint64_t *ret_rid)
{
	struct pinned process = {.pidfd = -1};
	autoclose int fd = -1;
	char state;
	int r = pin(proc, pid, &process);

	if (r < 0)
		return r;
	fd = process.pidfd;
	state = process.stat.state;
	*ret_rid = 0;
	if (state == 'Z' || state == 'X' || state == 'x' || process.stat.is_kernel)
		return 0;
	r = look(p, proc, &process, ret_rid);
	/* All of it was about one process only if that is there still. */
	return procfd_alive(fd) ? r : -ESRCH;
}
