/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <limits.h>
#include <string.h>

bool record_container(struct root_container *dst, const struct container_record *src)
{
	memset(dst, 0, sizeof(*dst));
	if (src->pid > INT_MAX || !str_copy(dst->engine, sizeof(dst->engine), src->engine) ||
	    !str_copy(dst->id, sizeof(dst->id), src->id) || !str_copy(dst->name, sizeof(dst->name), src->name) ||
	    !str_copy(dst->cgroup, sizeof(dst->cgroup), src->cgroup))
		return false;
	/* A newer server may know more states. */
	dst->state = src->state > ROOT_CONTAINER_STOPPED ? ROOT_CONTAINER_UNKNOWN : src->state;
	dst->pid = (int32_t)src->pid;
	dst->owner = src->owner;
	return true;
}

bool record_program(struct root_program *dst, const struct program_record *src)
{
	memset(dst, 0, sizeof(*dst));
	if (!src->name.len || !str_copy(dst->name, sizeof(dst->name), src->name) ||
	    !str_copy(dst->description, sizeof(dst->description), src->description))
		return false;
	dst->usable = src->usable ? 1 : 0;
	return true;
}

void record_give(void *dst, size_t dstsize, const void *src, size_t srcsize)
{
	size_t n = dstsize < srcsize ? dstsize : srcsize;

	memcpy(dst, src, n);
	if (dstsize > n)
		memset((char *)dst + n, 0, dstsize - n);
}
