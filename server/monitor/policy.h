/* SPDX-License-Identifier: MIT */
/*
 * Who a client is, and what it may do. Runs in: monitor. Trusts: the kernel's word about the socket's peer, only.
 */
#ifndef MONITOR_POLICY_H
#define MONITOR_POLICY_H

#include "config.h"

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* at connect; for the log only */
	bool host; /* its pid, user and UTS namespaces are the broker's own */
	gid_t *groups; /* supplementary */
	int ngroups;
};

/* Takes the credentials of the connected socket @fd. Any error refuses the connection. 0 or -errno. */
int policy_peer(int fd, struct peer *ret_peer);
void policy_peer_free(struct peer *p);

/* The rights of all roles that fit, and the roles as a bit mask (bit i: config.roles[i]). uid 0 fits a role only if it is
 * of the host. No role: both 0. */
void policy_rights(const struct config *c, const struct peer *p, uint32_t *ret_rights, uint64_t *ret_roles);

#endif
