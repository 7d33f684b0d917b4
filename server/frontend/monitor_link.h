/* SPDX-License-Identifier: MIT */
/*
 * Sessions, peers and answers from the monitor, requests to it. Runs in: frontend. Trusts: the monitor.
 *
 * The frontend never waits for the monitor, which may be waiting for the frontend: a record that finds no room is
 * kept, one for each session at most, and the session is not read until it is gone.
 */
#ifndef FRONTEND_MONITOR_LINK_H
#define FRONTEND_MONITOR_LINK_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "../common/list.h"

struct frontend;
struct session;

struct outgoing {
	struct list node;
	struct session *session;
	size_t len;
	uint8_t record[];
};

struct monitor_link {
	struct source source;
	struct list outgoing;
};

/* Takes @fd. 0 or -errno. */
int monitor_link_init(struct frontend *f, int fd);
void monitor_link_fini(struct frontend *f);
/* READY. 0 or -errno. */
int monitor_ready(struct frontend *f);
/* Passes a session's request on, now or later. 0, -ENOMEM, -ENOSPC. */
int monitor_forward(struct session *s, const struct wire_wr *w);
/* @s goes away. */
void monitor_forget(struct session *s);

#endif
