/* SPDX-License-Identifier: MIT */
/*
 * What the resolver may do, as data. Runs in: resolver.
 *
 * CAP_DAC_READ_SEARCH opens what root alone may read; Landlock confines that to the engines' directories, /proc and the cgroups, for reading.
 * Watching and stat() are not Landlock's business: a directory's parents are watched though nothing in them can be read. There is
 * no socket(), no connect() and no execve(): its descriptors are what it was given and what it opens to read.
 */
#include <linux/capability.h>
#include <seccomp.h>

#include "pidfd_info.h"
#include "policy.h"

static const struct sandbox_call calls[] = {
	/* files, to read */
	{SCMP_SYS(openat), false, 0},
	{SCMP_SYS(openat2), false,
	 0}, /* cgroups, and users' directories: not through links, nor into what they mount */
	{SCMP_SYS(readlinkat), false, 0}, /* where root's own link on the way to them leads */
	{SCMP_SYS(read), false, 0},
	{SCMP_SYS(close), false, 0},
	{SCMP_SYS(newfstatat), false, 0},
	{SCMP_SYS(fstat), false, 0},
	{SCMP_SYS(getdents64), false, 0},
	{SCMP_SYS(fcntl), false, 0}, /* whose a lock is, too */
	{SCMP_SYS(fstatfs), false, 0}, /* whether pidfds have numbers of their own */
	/* what changes */
	{SCMP_SYS(inotify_add_watch), false, 0},
	{SCMP_SYS(inotify_rm_watch), false, 0},
	{SCMP_SYS(epoll_wait), false, 0},
	{SCMP_SYS(epoll_pwait), false, 0},
	{SCMP_SYS(epoll_ctl), false, 0},
	/* processes, to look at */
	{SCMP_SYS(pidfd_open), false, 0},
	{SCMP_SYS(ioctl), true, PIDFD_GET_INFO_V0}, /* how one ended */
	{SCMP_SYS(poll), false, 0},
	{SCMP_SYS(ppoll), false, 0},
	{SCMP_SYS(restart_syscall), false, 0},
	/* the channels, and LXC's answers; the log */
	{SCMP_SYS(recvmsg), false, 0},
	{SCMP_SYS(sendmsg), false, 0},
	{SCMP_SYS(write), false, 0},
	/* memory and time */
	{SCMP_SYS(brk), false, 0},
	{SCMP_SYS(mmap), false, 0},
	{SCMP_SYS(munmap), false, 0},
	{SCMP_SYS(mremap), false, 0},
	{SCMP_SYS(madvise), false, 0},
	{SCMP_SYS(clock_gettime), false, 0},
	{SCMP_SYS(exit_group), false, 0},
};

const struct sandbox resolver_sandbox = {
	.caps = CAPS_BIT(CAP_DAC_READ_SEARCH),
	.landlock = true,
	.calls = calls,
	.ncalls = sizeof(calls) / sizeof(calls[0]),
};
