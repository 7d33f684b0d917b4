/* SPDX-License-Identifier: MIT */
/* From claims to facts. Runs in: resolver. See claim.h. */
#include "claim.h"

#include <errno.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "mem.h"
#include "owner.h"

void init_clear(struct init *i)
{
	close_fd(&i->pidfd);
	free(i->cgroup);
	*i = INIT_NONE;
}

bool claim_cgroup_agrees(const char *text, size_t len, const char *hint)
{
	struct cgroup_line line;
	size_t n;

	while (*hint == '/')
		hint++;
	n = strlen(hint);
	while (n > 0 && hint[n - 1] == '/')
		n--;
	if (n == 0)
		return true;
	while (proc_next_cgroup(&text, &len, &line)) {
		const char *path = line.path + 1;
		size_t left = line.path_len - 1;

		/* Init may have gone on into a cgroup of its own below; "/x" says nothing of "/xy". */
		if (left >= n && memcmp(path, hint, n) == 0 && (left == n || path[n] == '/'))
			return true;
	}
	return false;
}

/* Everything is read between the opening of @pidfd and the question whether it is alive still: so all of it is about one process. */
static int check(int proc, int pidfd, const struct claim *claim, struct init *ret)
{
	static char text[CGROUP_TEXT_MAX];
	char cgroup[ROOT_CGROUP_MAX + 1];
	struct proc_stat st;
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
	len = cgroup[0] ? 0 : proc_select_cgroup(text, (size_t)len, cgroup, sizeof(cgroup));
	if (len < 0)
		return (int)len;
	if (!procfd_alive(pidfd))
		return -ESRCH;
	*ret = (struct init){.pidfd = pidfd, .pid = claim->pid, .start_ticks = st.start_ticks};
	ret->cgroup = mem_strdup(cgroup);
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
