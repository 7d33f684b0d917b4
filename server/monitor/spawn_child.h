/* SPDX-License-Identifier: MIT */
/*
 * One start of a program: the child's half, until the exec. Runs in: a child of the monitor, with all its privilege at first.
 */
#ifndef MONITOR_SPAWN_CHILD_H
#define MONITOR_SPAWN_CHILD_H

#include "spawn.h"

struct spawn_child {
	const struct spawn_plan *plan;
	int control;
	int fds[3]; /* standard input, output, error; -1: /dev/null */
	bool same; /* standard output is standard input's socket */
};

/* What goes back if a step fails: one record. Both ends are the same executable. */
struct spawn_failure {
	int32_t error; /* errno value */
	uint32_t exec; /* the execve() itself */
	char step[56];
};

void spawn_child(struct spawn_child *c) __attribute__((noreturn));

#endif
