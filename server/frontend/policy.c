/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#define CALL(name)                   \
	{                            \
		.nr = SCMP_SYS(name) \
	}

/* No call here opens, creates, connects or starts anything. */
static const struct sandbox_call calls[] = {
	/* records in and out of sockets that it was given */
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(shutdown),
	CALL(close),
	{SCMP_SYS(ioctl), true, SIOCOUTQ}, /* what a client has not read yet */
	/* waiting, and asking pidfds */
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_ctl),
	CALL(poll),
	CALL(ppoll),
	CALL(restart_syscall), /* a wait that was stopped and continued */
	CALL(clock_gettime),
	/* malloc */
	CALL(brk),
	CALL(mmap),
	CALL(mremap),
	CALL(munmap),
	CALL(madvise),
	/* the log: there is no other descriptor that write() is good for */
	CALL(write),
	CALL(exit_group),
	CALL(rt_sigreturn),
};

const struct sandbox frontend_sandbox = {
	.caps = 0,
	.landlock = true, /* with no path at all */
	.calls = calls,
	.ncalls = sizeof(calls) / sizeof(calls[0]),
};
