/* SPDX-License-Identifier: MIT */
/*
 * Engine files that are JSON, within bounds. Runs in: resolver. Trusts: nothing.
 *
 * jansson itself bounds the depth (2048) and refuses what is not UTF-8; keys that come twice are refused because readers differ
 * on which one counts.
 */
#ifndef RESOLVER_JSON_H
#define RESOLVER_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A regular file in the directory @dir, not through a link. 0; -ENOENT; -EBADMSG (not JSON, or half of it); -EFBIG; -EINVAL (no
 * regular file); -errno. */
int json_load(int dir, const char *file, size_t max, json_t **ret_root);

/* The same of an open file, in which arrays and objects open no more than @max_brackets times; -E2BIG otherwise. */
int json_load_fd(int fd, size_t max, size_t max_brackets, json_t **ret_root);

/* NULL when it is absent, no string, or longer than @max bytes. */
const char *json_text(const json_t *object, const char *key, size_t max);
/* False when it is absent, no integer or negative. */
bool json_number(const json_t *object, const char *key, uint64_t *ret);

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define autojson __attribute__((cleanup(cleanup_json)))

#endif
