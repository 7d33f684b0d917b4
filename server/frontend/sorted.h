/* SPDX-License-Identifier: MIT */
/*
 * Records in an order. Runs in: frontend. A search is binary; an insertion moves what comes after it.
 */
#ifndef FRONTEND_SORTED_H
#define FRONTEND_SORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../proto/wire.h"

struct record;

enum index_key { INDEX_BY_RID, INDEX_BY_ID, INDEX_BY_NAME, INDEX_BY_USER, INDEX_BY_CGROUP, INDEX_BY_GENERATION };

struct sorted {
	enum index_key by; /* then, but for rids and generations, by owner; then by rid */
	bool of_owner; /* by owner before all */
	struct record **v;
	size_t n, room;
};

/* What a search is for. With @prefix, records whose key begins with @key count as equal to it. */
struct probe {
	struct str key;
	uint32_t owner;
	uint64_t generation; /* by generation alone */
	uint64_t rid;
	bool prefix;
};

/* The place of the first record that is not below @p. */
size_t sorted_search(const struct sorted *s, const struct probe *p);
/* Room for one more. 0 or -ENOMEM. */
int sorted_make_room(struct sorted *s);
/* There is room. */
void sorted_insert(struct sorted *s, struct record *r);
/* If it is there. */
void sorted_take_out(struct sorted *s, const struct record *r);
/* The records are their owner's. */
void sorted_empty(struct sorted *s);

#endif
