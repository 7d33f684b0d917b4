/* SPDX-License-Identifier: MIT */
/* What a program finds when it starts, in text; and parents that it may have. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <stdbool.h>

/* Prints descriptors, signals, ids, capabilities, limits, arguments and environment of this process. Returns 0. */
int dump(char **argv);

/* Everything that passes over fork and exec is set to what a program must not find; @close_std: also without 0 to 2. */
void be_hostile(bool close_std);
/* The monitor in service: what it keeps for itself, and may give to programs (CAP_NET_RAW). */
void be_the_monitor(bool close_std);

#endif
