/* SPDX-License-Identifier: MIT */
/*
 * A cgroup of its own for each program, in a subtree of cgroup v2 that is ours. Runs in: monitor. Trusts: the kernel's files.
 *
 * Each is made for one start and never used for another: after one cgroup.kill, some kernels kill whatever is cloned into
 * that cgroup later. Everything in that file system is root's, so that being uid 0 suffices for
 * all but cgroups_prepare().
 */
#ifndef MONITOR_CGROUP_H
#define MONITOR_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_BASE_MAX 200 /* of the subtree's path */
#define CGROUP_NAME_MAX 255 /* of a program's */

struct cgroups {
	int mount; /* of cgroup v2; -1: there is none */
	char base[CGROUP_BASE_MAX + 1]; /* below it, without the first slash; "": no subtree is ours */
};

/* A path below the mount: without a first slash, and without empty and dotted components. */
bool cgroup_valid_name(const char *name);
/* One that a configuration may name: the same with a first slash, and no longer than it may be. */
bool cgroup_valid(const char *path);
/*
 * @setting: none, auto, or such a path. The first makes the subtree if it is missing, while all capabilities are there: the
 * top of the hierarchy is writable to nobody. The second logs what cannot be used.
 */
void cgroups_prepare(const char *setting);
void cgroups_open(struct cgroups *c, const char *setting);
void cgroups_close(struct cgroups *c);

/* A fresh one; its path below the mount in @name, CGROUP_NAME_MAX + 1 bytes. 0, or -errno and "". */
int cgroup_make(const struct cgroups *c, uint64_t key, char *name);
/* @pid is a child that has not been reaped. */
int cgroup_join(const struct cgroups *c, const char *name, pid_t pid);
int cgroup_kill(const struct cgroups *c, const char *name);
/* A descriptor that tells by EPOLLPRI that cgroup_is_empty() may have changed; -ENOENT: it is gone. */
int cgroup_events(const struct cgroups *c, const char *name);
bool cgroup_is_empty(int events);
/* Stays if there are still processes in it: cgroups_sweep() removes it when there are not. */
void cgroup_remove(const struct cgroups *c, const char *name);
void cgroups_sweep(const struct cgroups *c);

#endif
