/* SPDX-License-Identifier: MIT */
/*
 * Capability sets as 64-bit masks, over libcap. Runs in: monitor, and each confined process at its start.
 *
 * All functions act on the calling thread. 0 or -errno.
 */
#ifndef COMMON_CAPS_H
#define COMMON_CAPS_H

#include <stdint.h>

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

struct caps {
	uint64_t effective, permitted, inheritable, bounding, ambient;
};

int caps_read(struct caps *ret_caps);
/* Drops from the bounding set what is not in @keep. Needs CAP_SETPCAP. */
int caps_limit_bounding(uint64_t keep);
/* Permitted = effective = inheritable = @mask, within what is permitted now. */
int caps_set(uint64_t mask);
/* Permitted = effective = @mask, inheritable and ambient empty. */
int caps_set_final(uint64_t mask);
/* Raises each of @mask, which must be permitted and inheritable, in the ambient set. */
int caps_raise_ambient(uint64_t mask);
/* "cap_net_raw cap_sys_rawio" (libcap's names, any case, separated by space or comma; "none" or empty is 0) to a mask.
 * -EINVAL: @ret_bad (of @size bytes) receives the word that is not a capability. */
int caps_parse(const char *words, uint64_t *ret_mask, char *ret_bad, int size);
/* The mask as such words; @buffer is cut and NUL-terminated. Returns @buffer. */
char *caps_format(uint64_t mask, char *buffer, int size);

#endif
