/* SPDX-License-Identifier: MIT */
/*
 * One start of a program, from fork to exec. Runs in: monitor, and its child until the exec.
 *
 * The child waits at a gate, a socket, until spawn_go(): by then the keeper knows it. The same socket, close-on-exec, tells
 * what went wrong after that: its end without a word means that the program runs. So nothing here ever waits for the child.
 */
#ifndef MONITOR_SPAWN_H
#define MONITOR_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "privilege.h"

#define SPAWN_FDS_MAX 3

struct spawn_plan {
	const char *path; /* what is executed */
	char *const *argv;
	char *const *environment; /* exactly this */
	const char *directory;
	mode_t umask;
	uint32_t ipc; /* enum root_ipc */
	bool wants_stderr;
	struct privilege privilege;
};

struct spawn {
	pid_t pid;
	int pidfd;
	int control;
	int fds[SPAWN_FDS_MAX]; /* the starter's ends: pipes: output, input; socketpair: one; then standard error */
	int nfds;
};

/* A gated child, its descriptors all close-on-exec. 0 or -errno; -EINVAL for an unknown @plan->ipc. */
int spawn_gated(const struct spawn_plan *plan, struct spawn *ret);
/* Opens the gate. 0 or -errno: then the child is as good as dead. */
int spawn_go(const struct spawn *s);

/* What the control socket says when it is readable. */
enum spawn_outcome { SPAWN_PENDING, SPAWN_RUNS, SPAWN_NOT_EXECUTABLE, SPAWN_SETUP_FAILED };
/* @ret_detail says for the last two what failed and why. */
enum spawn_outcome spawn_outcome(const struct spawn *s, char *ret_detail, int size);
/* Closes all of the monitor's ends; at a gate that is not open yet the child ends by this. */
void spawn_close(struct spawn *s);

#endif
