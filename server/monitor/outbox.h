/* SPDX-License-Identifier: MIT */
/*
 * Records for one confined process that does not take them at once. Runs in: monitor.
 *
 * The monitor never waits for a process that it does not trust. What is queued keeps duplicates of its descriptors.
 */
#ifndef MONITOR_OUTBOX_H
#define MONITOR_OUTBOX_H

#include "../common/ipc.h"

#define OUTBOX_BYTES_MAX (64u << 20) /* beyond: the process is of no use any more */
#define OUTBOX_BYTES_HIGH (1u << 20) /* beyond: ask it for nothing until it has read this */
#define OUTBOX_FDS_HIGH 64

struct outbox_record;

struct outbox {
	struct outbox_record *first, *last;
	size_t bytes;
	int fds;
};

/* Sends the record, or queues it behind those that wait. 0, -ENOBUFS (full), -errno. Descriptors stay the caller's. */
int outbox_send(struct outbox *o, int fd, const struct wire_wr *w, const int *fds, int nfds);
/* Sends what waits. 0: nothing waits any more; -EAGAIN: something does; -errno. */
int outbox_flush(struct outbox *o, int fd);
bool outbox_empty(const struct outbox *o);
bool outbox_high(const struct outbox *o);
void outbox_clear(struct outbox *o);

#endif
