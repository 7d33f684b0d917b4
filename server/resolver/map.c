/* SPDX-License-Identifier: MIT */
/* A hash table. Runs in: resolver. See map.h. */
#include "map.h"

#include <string.h>
#include <sys/auxv.h>

#include "mem.h"

#define FIRST_BUCKETS 64

/* The kernel hands 16 random bytes to every program that it starts. */
static uint64_t seed(void)
{
	static uint64_t v;
	unsigned long at;

	if (v != 0)
		return v;
	at = getauxval(AT_RANDOM);
	if (at != 0)
		memcpy(&v, (const void *)at, sizeof(v)); /* NOLINT: an address from the kernel */
	v |= 1;
	return v;
}

uint64_t map_hash_number(uint64_t n)
{
	uint64_t h = n ^ seed();

	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

uint64_t map_hash(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t secret = seed(), h = secret ^ len;

	/* The seed goes into each round: without it a collision once found would hold for every seed. */
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i] ^ (secret >> (i % 57))) * UINT64_C(0x100000001b3);
	return map_hash_number(h);
}

uint64_t map_hash_text(const char *text)
{
	return map_hash(text, strlen(text));
}

static struct map_node **bucket(const struct map *m, uint64_t hash)
{
	return &m->buckets[hash & (m->nbuckets - 1)];
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->nbuckets = old.nbuckets ? old.nbuckets * 2 : FIRST_BUCKETS;
	m->buckets = mem_new(m->nbuckets * sizeof(*m->buckets));
	for (size_t i = 0; i < old.nbuckets; i++) {
		struct map_node *n = old.buckets[i], *next;

		for (; n; n = next) {
			struct map_node **b = bucket(m, n->hash);

			next = n->next;
			n->next = *b;
			*b = n;
		}
	}
	free(old.buckets);
}

void map_insert(struct map *m, struct map_node *n, uint64_t hash)
{
	struct map_node **b;

	if (m->count >= m->nbuckets)
		grow(m);
	b = bucket(m, hash);
	n->hash = hash;
	n->next = *b;
	*b = n;
	m->count++;
}

void map_remove(struct map *m, struct map_node *n)
{
	for (struct map_node **at = bucket(m, n->hash); *at; at = &(*at)->next) {
		if (*at == n) {
			*at = n->next;
			m->count--;
			return;
		}
	}
}

static struct map_node *same_hash(struct map_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct map_node *map_find(const struct map *m, uint64_t hash)
{
	return m->nbuckets ? same_hash(*bucket(m, hash), hash) : NULL;
}

struct map_node *map_find_next(const struct map_node *n)
{
	return same_hash(n->next, n->hash);
}

struct map_node *map_any(const struct map *m)
{
	MAP_EACH(m, i, n)
	return n;
	return NULL;
}

void map_fini(struct map *m)
{
	free(m->buckets);
	*m = (struct map){0};
}
