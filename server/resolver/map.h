/* SPDX-License-Identifier: MIT */
/*
 * A hash table of structures that embed their node. Runs in: resolver.
 *
 * Keys are the owner's: it walks the nodes with the right hash and compares. The hash is seeded by the kernel
 * at each start, so that nobody can choose names that collide.
 */
#ifndef RESOLVER_MAP_H
#define RESOLVER_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	struct map_node **buckets;
	size_t nbuckets, count;
};

uint64_t map_hash(const void *bytes, size_t len);
uint64_t map_hash_text(const char *text);
uint64_t map_hash_number(uint64_t n);

void map_insert(struct map *m, struct map_node *n, uint64_t hash);
void map_remove(struct map *m, struct map_node *n);
/* The first node with this hash, or the one after @n; NULL when there is none. */
struct map_node *map_find(const struct map *m, uint64_t hash);
struct map_node *map_find_next(const struct map_node *n);
/* Any node, or NULL: for emptying. */
struct map_node *map_any(const struct map *m);
/* The nodes are their owners'. */
void map_fini(struct map *m);

/* All nodes, in no order; nothing may be inserted or removed meanwhile. */
#define MAP_EACH(m, i, n)                          \
	for (size_t i = 0; i < (m)->nbuckets; i++) \
		for (struct map_node *n = (m)->buckets[i]; n; n = n->next)

#endif
