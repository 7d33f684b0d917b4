/* SPDX-License-Identifier: MIT */
/*
 * Whether a process is older than what was written about it. Runs in: resolver.
 *
 * A pid without a start time may be another process's by now; one that began after the file was written is not meant by it.
 */
#ifndef RESOLVER_BEGAN_H
#define RESOLVER_BEGAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* @start_ticks is field 22 of /proc/PID/stat, @monotonic_us of CLOCK_MONOTONIC. Without knowing: true. */
bool began_after(uint64_t start_ticks, uint64_t monotonic_us);
/* The same, and when a file was written last, for which there is the wall clock only: a few seconds do not count, as when it
 * was set meanwhile. Set forward by more, it makes older processes look younger. */
bool began_after_file(uint64_t start_ticks, const struct stat *file);

#endif
