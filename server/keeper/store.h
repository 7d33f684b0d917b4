/* SPDX-License-Identifier: MIT */
/*
 * Labelled descriptors that outlive the monitor. Runs in: keeper. Trusts: the monitor, and bounds what it says.
 *
 * Kinds and records are opaque here. Items stay in the order in which they came.
 */
#ifndef KEEPER_STORE_H
#define KEEPER_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "../common/ipc.h"

#define STORE_MAX 65536 /* items; far above what a configuration may ask for */

struct item {
	uint64_t key;
	uint32_t kind, pid, exited, status;
	int fd;
	char *record;
	size_t record_len;
	bool known; /* to the monitor that lives now */
	bool told; /* it knows of the exit, too */
};

struct store {
	struct item *items;
	size_t n, size;
	size_t max; /* 0: STORE_MAX */
};

/*
 * Keeps @fd (taken, also on failure) and the record; @fd < 0 replaces the record of a key that is there. The item counts as known.
 * What the keeper knows about an exit stays, unless a new descriptor comes. 0, -ENOENT (no descriptor, no such key), -ENOSPC (full), -ENOMEM.
 */
int store_put(struct store *s, const struct ipc_item *m, int fd);
void store_drop(struct store *s, uint64_t key); /* harmless when there is no such key */
struct item *store_find(struct store *s, uint64_t key);
/* The process was reaped. The item that waited for it, or NULL. */
struct item *store_exited(struct store *s, uint32_t pid, uint32_t status);
/* A new monitor: nothing is known to it. */
void store_forget_known(struct store *s);
void store_fini(struct store *s);

#endif
