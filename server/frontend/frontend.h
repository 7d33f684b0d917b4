/* SPDX-License-Identifier: MIT */
/*
 * The frontend as a whole. Runs in: frontend. It has no privilege: no capability, no file, no way to get one. All
 * that it can do is answer over the descriptors that it is given.
 */
#ifndef FRONTEND_FRONTEND_H
#define FRONTEND_FRONTEND_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "changes.h"
#include "index.h"
#include "joiner_link.h"
#include "monitor_link.h"
#include "park.h"
#include "request.h"
#include "resolver_link.h"
#include "session.h"
#include "watchers.h"

/* Records of one of our own processes that are handled before somebody else has his turn. */
#define FRONTEND_BURST 16

struct frontend {
	struct loop loop;
	struct index index;
	struct changes changes;
	struct watchers watchers;
	struct sessions sessions;
	struct park park;
	struct monitor_link monitor;
	struct resolver_link resolver;
	struct joiner_link joiner;
	int status; /* what the process exits with, once the loop has stopped */
	struct ipc_in in; /* from our own processes */
	uint8_t record[WIRE_RECORD_MAX]; /* from clients */
	uint8_t out[IPC_RECORD_MAX]; /* whatever is sent */
};

/* @monitor_fd is the frontend's from now on. 0 or -errno. */
int frontend_init(struct frontend *f, int monitor_fd);
void frontend_fini(struct frontend *f);
/* Stops the loop. */
void frontend_stop(struct frontend *f, int status);
/* One of our own processes talks nonsense: logs it and stops with EX_PROTOCOL. */
void frontend_nonsense(struct frontend *f, const char *who, const char *what);

/* Begins a record in f->out. @size: WIRE_RECORD_MAX to clients, IPC_RECORD_MAX to our own. */
void frontend_begin(struct frontend *f, struct wire_wr *w, size_t size, uint16_t type, uint32_t serial);
/* What is left of @f->in, a page, as the body of a client's record. 0, or -EBADMSG: it does not fit. */
int frontend_copy_page(struct frontend *f, struct wire_wr *w, uint16_t type, uint32_t serial);

#endif
