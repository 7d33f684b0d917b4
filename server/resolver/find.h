/* SPDX-License-Identifier: MIT */
/*
 * In which container is a process? Runs in: resolver. Trusts: the kernel.
 */
#ifndef RESOLVER_FIND_H
#define RESOLVER_FIND_H

#include "published.h"

#define FIND_STEPS_MAX 64 /* ancestors, and components of a cgroup's path, that are looked at */

/*
 * The one whose init it is; or whose cgroup is its own or the nearest above; or whose init is its ancestor. A cgroup that containers
 * share, with each other or with the process that started them, tells nothing.
 *
 * 0 and the record's rid, or 0: in none, as kernel threads and zombies are; -ESRCH: there is no such process; -ENOTUNIQ: there is
 * nothing but a cgroup that several share; -errno.
 */
int find_process(const struct published *p, int proc, pid_t pid, uint64_t *ret_rid);

#endif
