/* SPDX-License-Identifier: MIT */
/*
 * PIDFD_GET_INFO as Linux 6.13 brought it, for C libraries that are older. Runs in: resolver.
 *
 * The number of the request has the size of the structure in it: later ones are longer, and every kernel takes this one.
 */
#ifndef RESOLVER_PIDFD_INFO_H
#define RESOLVER_PIDFD_INFO_H

#include <linux/ioctl.h>
#include <stdint.h>

struct pidfd_info_v0 {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

#define PIDFD_GET_INFO_V0 _IOWR(0xff, 11, struct pidfd_info_v0)
#define PIDFD_INFO_EXIT_V0 (UINT64_C(1) << 3)

#endif
