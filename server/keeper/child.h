/* SPDX-License-Identifier: MIT */
/*
 * The keeper's own process, and the monitor's: a clean start, and starting again. Runs in: keeper. Trusts: nothing that
 * it inherited.
 */
#ifndef KEEPER_CHILD_H
#define KEEPER_CHILD_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_DELAY_MIN_MS 50
#define CHILD_DELAY_MAX_MS 5000
#define CHILD_STEADY_MS 10000 /* served this long: the next failure is the first one */
#define CHILD_RELOAD_STATUS 75 /* a monitor that wants to be replaced at once */

/* The time between an unexpected end and the next start. Not for CHILD_RELOAD_STATUS. */
struct backoff {
	uint64_t delay_ms;
};
/* @served_ms: how long the monitor that ended had served. */
uint64_t backoff_next(struct backoff *b, uint64_t served_ms);

/*
 * What a parent may have left odd: signals, mask, descriptors, umask, directory, environment, limits. And makes this process
 * subreaper and not dumpable. 0, or -errno with @ret_step.
 */
int child_clean_start(const char **ret_step);

/* Starts @argv[0] with one end of a new channel as its descriptor 3, default signals (SIGHUP is blocked until it is ready for one), no
 * environment. @ret_pid, and the other end, or -errno. What keeps the program from being executed ends it with status 127, logged. */
int child_start(char *const argv[], pid_t *ret_pid);

#endif
