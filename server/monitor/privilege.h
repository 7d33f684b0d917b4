/* SPDX-License-Identifier: MIT */
/*
 * Giving up privilege between fork and exec. Runs in: a child of the monitor. One implementation for programs and for the
 * confined processes.
 */
#ifndef MONITOR_PRIVILEGE_H
#define MONITOR_PRIVILEGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIVILEGE_GROUPS_MAX 64 /* supplementary, of an entry */
#define PRIVILEGE_MARKS_MAX 1 /* and of the start itself */

struct privilege {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary, exactly these */
	int ngroups;
	uint64_t caps; /* kept over exec as ambient capabilities; also the bounding set */
	bool no_new_privs;
};

/*
 * Groups, bounding set, securebits (NOROOT and no fix-ups, locked), gid, uid, capabilities, ambient set, no_new_privs; then reads all of it back.
 * The order is the point: each step needs what a later one gives up. 0, or -errno with @ret_step naming the step.
 */
int privilege_drop(const struct privilege *p, const char **ret_step);

#endif
