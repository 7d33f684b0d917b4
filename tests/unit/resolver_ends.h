/* SPDX-License-Identifier: MIT */
/* The two ends of the resolver's channels that belong to the monitor and the frontend, and the frontend's index. For tests. */
#ifndef TESTS_RESOLVER_ENDS_H
#define TESTS_RESOLVER_ENDS_H

#include "../../server/resolver/resolver.h"
#include "resolver_rig.h"

struct ends {
	int monitor, frontend;
	struct resolver *r; /* NULL: another process */
	struct ipc_in in; /* the last record that ends_read_until() read */
};
struct ends_index {
	struct rig_record records[64];
	int pidfds[64];
	size_t n;
	bool begun, whole;
};
extern struct ends ends;
extern struct ends_index ix;
extern struct rig rig; /* its scratch tree alone */

void ends_tree_make(void);
void ends_tree_remove(void);
/* The next record, the resolver working meanwhile if it is in this process. */
int ends_recv_record(int fd, struct ipc_in *in);
void ends_send(int fd, const struct wire_wr *w, int passed);
void ends_send_peer(uint32_t who);
void ends_send_token(int fd, uint16_t type, uint64_t token);
/* Reads what the resolver tells, up to a record of @type; its token if it is SYNCED. */
uint64_t ends_read_until(uint16_t type);
void ends_sync_index(void);
/* All zero if there is none. */
const struct rig_record *ends_lookup(const char *engine, const char *id);

#endif
