/* SPDX-License-Identifier: MIT */
/*
 * From what an engine's file claims about a container's init process to facts. Runs in: resolver. Trusts: the kernel.
 *
 * Files go stale, and pids are used again: a claim counts only while the process that it is about is pinned by a pidfd and says the
 * same of itself. What a user's file claims counts for processes of that user alone.
 */
#ifndef RESOLVER_CLAIM_H
#define RESOLVER_CLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct claim;
struct owner;
struct proc_stat;

/* The process that has a claim's pid, pinned. */
struct claim_process {
	int proc, pidfd;
	const struct proc_stat *stat;
	const char *cgroups; /* the text of /proc/PID/cgroup */
	size_t cgroups_len;
	/* ROOT_CGROUP_MAX + 1 bytes, "": which of them is the init's, if that is known better than by proc_select_cgroup(). */
	char *cgroup;
};

struct claim {
	pid_t pid;
	bool has_start;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat */
	const char *cgroup; /* where the engine put it, as a path of a hierarchy; NULL or "": does not say */
	const char *
		unit; /* the systemd unit whose cgroup is the container's, if that is above @cgroup; NULL or "": does not say */
	const struct owner
		*owner; /* whose process it has to be; NULL: a system's engine says so, which may be anybody's */
	/* What else tells whether it is this process, where the file has no start time; asked while it is pinned. 0, -ESTALE, -errno. */
	int (*holds)(const struct claim *claim, const struct claim_process *p);
};

/* Where an init is in one hierarchy. */
struct init_cgroup {
	char *path; /* NULL: in none of its own */
	size_t own; /* how much of it is the container's own */
};

struct init {
	int pidfd; /* -1: no live process */
	pid_t pid;
	uint64_t start_ticks;
	uint64_t inode; /* its pidfd's, where pidfds have numbers of their own; else 0 */
	char *cgroup; /* the container's own: its init's, or one above */
	char *init_cgroup; /* its init's where that is deeper; else NULL */
	struct init_cgroup freezer, unified; /* what may be frozen */
};
#define INIT_NONE ((struct init){.pidfd = -1})

void init_clear(struct init *i);

/* @proc is /proc. 0 and what the kernel says; -ESRCH: not alive; -ESTALE: another process has that pid by now, or it is not where the
 * claim says; -EPERM: it is not the owner's; -EINVAL: no pid that an init can have; -errno. */
int claim_check(int proc, const struct claim *claim, struct init *ret);
/* The same for a process that is known by a descriptor alone. Takes @pidfd in every case; -EBADF if it is none. */
int claim_check_pidfd(int proc, int pidfd, struct init *ret);

/* One of the cgroups in the text of /proc/PID/cgroup is @hint or below it. */
bool claim_cgroup_agrees(const char *text, size_t len, const char *hint);
/* How much of @path, where the init is, is the container's own: what the claim says if it is that or below it; without such a word
 * that of LXC's payload, or all of it. */
size_t claim_own_cgroup(const struct claim *claim, const char *path);

#endif
