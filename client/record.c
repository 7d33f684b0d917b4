/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <limits.h>
#include <string.h>

bool record_container(struct root_container *dst, const struct container_record *src)
{
	memset(dst, 0, sizeof(*dst));
	if (src->pid > INT_MAX || !str_copy(dst->engine, sizeof(dst->engine), src->engine) ||
	    !str_copy(dst->id, sizeof(dst->id), src->id) || !str_copy(dst->name, sizeof(dst->name), src->name) ||
	    !str_copy(dst->cgroup, sizeof(dst->cgroup), src->cgroup) ||
	    !str_copy(dst->user, sizeof(dst->user), src->user) ||
	    !str_copy(dst->init_cgroup, sizeof(dst->init_cgroup), src->init_cgroup) ||
	    !str_copy(dst->hostname, sizeof(dst->hostname), src->hostname))
		return false;
	/* A newer server may know more states. */
	dst->state = src->state >= ROOT_CONTAINER_STATES ? ROOT_CONTAINER_UNKNOWN : src->state;
	dst->pid = (int32_t)src->pid;
	dst->owner = src->owner;
	dst->exit_status = src->flags & RECORD_EXITED ? (int32_t)(src->exit & INT32_MAX) : ROOT_EXIT_UNKNOWN;
	dst->generation = src->generation;
	return true;
}

bool record_fact(struct root_fact *dst, const struct fact_record *src)
{
	memset(dst, 0, sizeof(*dst));
	return str_copy(dst->key, sizeof(dst->key), src->key) && str_copy(dst->value, sizeof(dst->value), src->value) &&
	       str_copy(dst->source, sizeof(dst->source), src->source);
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
