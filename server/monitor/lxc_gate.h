/* SPDX-License-Identifier: MIT */
/*
 * Connections to LXC's command sockets, which answer only root or the owner. Runs in: monitor. Trusts: nothing; it
 * sends one of three fixed requests and reads nothing.
 */
#ifndef MONITOR_LXC_GATE_H
#define MONITOR_LXC_GATE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "../common/ipc.h"
#include "config.h"

struct monitor;

/* Answers LXC_ASK to the resolver. 0, or -EBADMSG: the resolver never asks such a thing. */
int lxc_gate_ask(struct monitor *m, const struct ipc_lxc_ask *q);

/* The @index-th of the configured directories if it is an lxcpath, or NULL. */
const char *lxc_gate_path(const struct config *c, uint32_t index);
/* One path component, and not one of those that lead elsewhere. */
bool lxc_gate_name_ok(struct str name);
/* The command socket's address; returns its length. */
socklen_t lxc_gate_address(const char *lxcpath, struct str name, struct sockaddr_un *ret);
/* A connected descriptor, non-blocking, whose other end is the owner of @lxcpath, with the request sent; or -errno: ECONNREFUSED when
 * nobody listens, EPERM when somebody else does. */
int lxc_gate_open(const char *lxcpath, struct str name, enum ipc_lxc_command command);

#endif
