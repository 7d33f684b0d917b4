/* SPDX-License-Identifier: MIT */
/*
 * Memory that is there, or the process ends. Runs in: resolver.
 *
 * Everything that the resolver knows can be read again: being started afresh is better than an index with holes.
 */
#ifndef RESOLVER_MEM_H
#define RESOLVER_MEM_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/log.h"

static inline void *mem_checked(void *p)
{
	if (!p) {
		log_error("out of memory");
		_exit(EXIT_FAILURE);
	}
	return p;
}

/* Zeroed. */
static inline void *mem_new(size_t size)
{
	return mem_checked(calloc(1, size));
}

static inline char *mem_strdup(const char *s)
{
	return mem_checked(strdup(s));
}

/* @p with room for @count elements of @size bytes. */
static inline void *mem_resize(void *p, size_t count, size_t size)
{
	return mem_checked(reallocarray(p, count, size));
}

#endif
