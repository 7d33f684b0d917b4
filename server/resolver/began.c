/* SPDX-License-Identifier: MIT */
/* Whether a process is older than what was written about it. Runs in: resolver. See began.h. */
#include "began.h"

#include <sys/auxv.h>
#include <time.h>

#define SECOND_US UINT64_C(1000000)
#define SLACK_US (5 * SECOND_US)

static uint64_t us(const struct timespec *t)
{
	return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * SECOND_US + (uint64_t)t->tv_nsec / 1000;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) < 0 ? 0 : us(&t);
}

static bool is_after(uint64_t start_ticks, uint64_t boottime_us)
{
	uint64_t hz = getauxval(AT_CLKTCK);

	return hz == 0 || start_ticks / hz * SECOND_US + start_ticks % hz * SECOND_US / hz > boottime_us;
}

/* Start times of processes count the time that the host was suspended, MONOTONIC does not: all that there was since boot may have been
 * before the moment that is asked about. */
bool began_after(uint64_t start_ticks, uint64_t monotonic_us)
{
	uint64_t monotonic = clock_us(CLOCK_MONOTONIC), suspended = clock_us(CLOCK_BOOTTIME) - monotonic;

	return is_after(start_ticks, monotonic_us + suspended);
}

bool began_after_file(uint64_t start_ticks, const struct stat *file)
{
	uint64_t boottime = clock_us(CLOCK_BOOTTIME), booted = clock_us(CLOCK_REALTIME) - boottime;
	uint64_t written = us(&file->st_mtim) + SLACK_US;

	return written < booted || is_after(start_ticks, written - booted);
}
