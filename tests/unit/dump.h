/* SPDX-License-Identifier: MIT */
/* What a program finds when it starts, in text. */
#ifndef TESTS_DUMP_H
#define TESTS_DUMP_H

/* Prints descriptors, signals, ids, capabilities, limits, arguments and environment of this process. Returns 0. */
int dump(char **argv);

#endif
