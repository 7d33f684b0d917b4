/* SPDX-License-Identifier: MIT */
/*
 * The fifo to which LXC's monitors write each change of state and each exit status, /run/lxc/LXCPATH/monitor-fifo. Runs in: monitor.
 * Trusts: directories that only root can change; it reads nothing.
 *
 * LXC writes when somebody has the fifo open for reading, and else loses the message without a word. It is made for lxc-monitord, which
 * lxc-monitor(1) starts; there is none most of the time. Only root's own LXC uses this one: each other user's is where that user's
 * environment says.
 */
#ifndef MONITOR_LXC_FIFO_H
#define MONITOR_LXC_FIFO_H

#include "../common/ipc.h"

struct monitor;

/* Answers LXC_FIFO to the resolver. 0, or -EBADMSG: the resolver never asks such a thing. */
int lxc_fifo_ask(struct monitor *m, const struct ipc_lxc_fifo *q);

/* The read end for @lxcpath, non-blocking, of the fifo below the directory @run ("/run"), which is made as LXC would make it if it is not
 * there. -EPERM: @lxcpath is not root's, or others can change what leads to the fifo; -EBUSY: an lxc-monitord reads it; -errno. */
int lxc_fifo_open(const char *run, const char *lxcpath);

#endif
