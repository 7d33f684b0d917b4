/* SPDX-License-Identifier: MIT */
/*
 * What the joiner may do, as data. Runs in: joiner.
 *
 * setns(pidfd, CLONE_NEWUTS) takes CAP_SYS_ADMIN and CAP_SYS_PTRACE in every case. Behind these seven calls the two
 * together can disclose hostnames, and nothing else. There is no Landlock domain: it would refuse setns() by pidfd even
 * to root. There is no write(): what ends the joiner is its exit status, which the monitor logs. And no
 * poll(): continued after a stop it becomes restart_syscall(), ppoll() without a timeout does not.
 */
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>

#include "policy.h"

static const struct sandbox_call calls[] = {
	{SCMP_SYS(ppoll), false, 0},           {SCMP_SYS(recvmsg), false, 0}, {SCMP_SYS(sendmsg), false, 0},
	{SCMP_SYS(setns), true, CLONE_NEWUTS}, /* 0 would mean: whatever the descriptor is */
	{SCMP_SYS(uname), false, 0},           {SCMP_SYS(close), false, 0},   {SCMP_SYS(exit_group), false, 0},
};

const struct sandbox joiner_sandbox = {
	.caps = CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_PTRACE),
	.landlock = false,
	.calls = calls,
	.ncalls = sizeof(calls) / sizeof(calls[0]),
};
