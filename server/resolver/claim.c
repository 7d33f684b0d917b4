/* SPDX-License-Identifier: MIT */
/* From claims to facts. Runs in: resolver. See claim.h. */
#include "claim.h"

#include <errno.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../../proto/wire.h"
#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "mem.h"
#include "unit.h"
#include "owner.h"

void init_clear(struct init *i)
{
	close_fd(&i->pidfd);
	free(i->cgroup);
	free(i->init_cgroup);
	free(i->freezer.path);
	free(i->unified.path);
	*i = INIT_NONE;
}

/* --- Cgroups ----------------------------------------------------------------------------------------------------- */

/* @hint without the slashes around it. */
static struct str trim(const char *hint)
{
	size_t n;

	while (*hint == '/')
		hint++;
	n = strlen(hint);
	while (n > 0 && hint[n - 1] == '/')
		n--;
	return (struct str){hint, n};
}

/* The path is @hint or below it. Init may have gone on into a cgroup of its own; "/x" says nothing of "/xy". */
static bool is_in(const char *path, size_t len, struct str hint)
{
	return len > hint.len && memcmp(path + 1, hint.p, hint.len) == 0 &&
	       (len == hint.len + 1 || path[hint.len + 1] == '/');
}

bool claim_cgroup_agrees(const char *text, size_t len, const char *hint)
{
	struct str wanted = trim(hint);
	struct cgroup_line line;

	if (wanted.len == 0)
		return true;
	while (proc_next_cgroup(&text, &len, &line)) {
		if (is_in(line.path, line.path_len, wanted))
			return true;
	}
	return false;
}

/* How much of a path there is up to LXC's payload; 0: it is in none. */
static size_t up_to_payload(const char *path)
{
	static const char payload[] = "/lxc.payload.";
	const char *at = strstr(path, payload);
	size_t name = at ? strcspn(at + sizeof(payload) - 1, "/") : 0;

	return name ? (size_t)(at - path) + sizeof(payload) - 1 + name : 0;
}

size_t claim_own_cgroup(const struct claim *claim, const char *path)
{
	struct str claimed = trim(claim->cgroup ? claim->cgroup : "");
	size_t len = strlen(path), own = 0;

	if (claim->unit && claim->unit[0])
		own = unit_prefix(path, len, claim->unit);
	else if (claimed.len > 0)
		own = is_in(path, len, claimed) ? claimed.len + 1 : 0;
	else
		own = up_to_payload(path);
	/* What is not his to give away is not his container's either, or he would have all processes in it. */
	if (own && own < len && claim->owner && !owner_has_cgroup(claim->owner, path, own))
		own = 0;
	return own ? own : len;
}

/* --- Processes --------------------------------------------------------------------------------------------------- */

static void note_cgroups(const struct claim *claim, const char *text, size_t len, struct init *i)
{
	struct str freezer = STR("freezer");
	struct cgroup_line line;

	while (proc_next_cgroup(&text, &len, &line)) {
		struct init_cgroup *c = line.controllers_len == 0 ? &i->unified : &i->freezer;

		/* The freezer is mounted alone wherever there is a systemd; elsewhere it is not found under that name. */
		if (line.path_len <= 1 || line.path_len > ROOT_CGROUP_MAX || c->path ||
		    (line.controllers_len != 0 &&
		     (line.controllers_len != freezer.len || memcmp(line.controllers, freezer.p, freezer.len) != 0)))
			continue;
		c->path = mem_checked(strndup(line.path, line.path_len));
		c->own = claim_own_cgroup(claim, c->path);
	}
}

/* Everything is read between the opening of @pidfd and the question whether it is alive still: so all of it is about one process. */
static int check(int proc, int pidfd, const struct claim *claim, struct init *ret)
{
	static char text[CGROUP_TEXT_MAX];
	char cgroup[ROOT_CGROUP_MAX + 1];
	struct proc_stat st;
	size_t own, text_len;
	ssize_t len;
	int r;

	r = proc_read_stat(proc, claim->pid, &st);
	if (r < 0)
		return r;
	if (st.state == 'Z' || st.state == 'X' || st.state == 'x')
		return -ESRCH;
	if (claim->has_start && st.start_ticks != claim->start_ticks)
		return -ESTALE;
	if (claim->owner) {
		r = owner_check(claim->owner, proc, claim->pid, &st);
		if (r < 0)
			return r;
	}
	len = proc_read_cgroup_text(proc, claim->pid, text, sizeof(text));
	if (len < 0)
		return (int)len;
	if (claim->cgroup && !claim_cgroup_agrees(text, (size_t)len, claim->cgroup))
		return -ESTALE;
	cgroup[0] = '\0';
	if (claim->holds) {
		r = claim->holds(claim, &(struct claim_process){.proc = proc,
								.pidfd = pidfd,
								.stat = &st,
								.cgroups = text,
								.cgroups_len = (size_t)len,
								.cgroup = cgroup});
		if (r < 0)
			return r;
	}
	text_len = (size_t)len;
	len = cgroup[0] ? 0 : proc_select_cgroup(text, (size_t)len, cgroup, sizeof(cgroup));
	if (len < 0)
		return (int)len;
	if (!procfd_alive(pidfd))
		return -ESRCH;
	own = claim_own_cgroup(claim, cgroup);
	*ret = (struct init){
		.pidfd = pidfd, .pid = claim->pid, .start_ticks = st.start_ticks, .inode = procfd_inode(pidfd)};
	ret->init_cgroup = cgroup[own] ? mem_strdup(cgroup) : NULL;
	cgroup[own] = '\0';
	ret->cgroup = mem_strdup(cgroup);
	note_cgroups(claim, text, text_len, ret);
	return 0;
}

int claim_check(int proc, const struct claim *claim, struct init *ret)
{
	autoclose int pidfd = -1;
	int r;

	/* The host's own init is nobody's container, whatever a file says. */
	if (claim->pid <= 1)
		return -EINVAL;
	pidfd = procfd_open(claim->pid);
	if (pidfd < 0)
		return pidfd;
	r = check(proc, pidfd, claim, ret);
	if (r == 0)
		(void)take_fd(&pidfd);
	return r;
}

int claim_check_pidfd(int proc, int pidfd, struct init *ret)
{
	autoclose int fd = pidfd;
	struct claim claim = {.pid = procfd_pid(proc, fd)};
	int r;

	if (claim.pid < 0)
		return claim.pid;
	if (claim.pid <= 1)
		return -EINVAL;
	r = check(proc, fd, &claim, ret);
	if (r == 0)
		(void)take_fd(&fd);
	return r;
}
