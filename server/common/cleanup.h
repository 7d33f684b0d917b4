/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and memory that close and free themselves at the end of their scope. Runs in: every server process.
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

#define autoclose __attribute__((cleanup(cleanup_close)))
#define autofree __attribute__((cleanup(cleanup_free)))

/* Moves a descriptor out of a variable: the scope no longer closes it. */
static inline int take_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

static inline void close_fd(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

#endif
