/* SPDX-License-Identifier: MIT */
/*
 * What the monitor tells the keeper. Runs in: monitor.
 *
 * Messages to the keeper are sent blocking and in order: whatever was put before the monitor dies, the keeper has.
 */
#ifndef MONITOR_KEEPER_LINK_H
#define MONITOR_KEEPER_LINK_H

#include "../common/ipc.h"

struct keeper_link {
	int fd; /* -1 in unit tests: everything succeeds and nothing is sent */
	uint64_t next_key;
};

void keeper_link_init(struct keeper_link *k, int fd);
uint64_t keeper_new_key(struct keeper_link *k); /* never 0, never used before, not even by an earlier monitor */
/* Keep @item (key, kind, pid, record) and @fd; @fd < 0 replaces the record of a key that is there. Fatal on failure. */
void keeper_put(struct keeper_link *k, const struct ipc_item *item, int fd);
void keeper_drop(struct keeper_link *k, uint64_t key);
/* Asks for the listener at @path; it comes as LISTENER. */
void keeper_bind(struct keeper_link *k, const char *path);
void keeper_serving(struct keeper_link *k);

#endif
