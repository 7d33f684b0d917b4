/* SPDX-License-Identifier: MIT */
/*
 * Records as text and as JSON. Runs in: rootctl. Trusts: not what containers chose themselves.
 */
#ifndef ROOTCTL_RECORD_H
#define ROOTCTL_RECORD_H

#include <stdbool.h>
#include <stdio.h>

#include "../include/rootbroker.h"

/* The members of an object, without its braces: always all of them, null where there is none; @hostname: that, too. */
void record_json(FILE *out, const struct root_container *c, bool hostname);
/* "key": and the value, which is null if it is empty. */
void member_json(FILE *out, const char *key, const char *value);

/* What names it in another command: ENGINE:NAME, ENGINE@USER:NAME of a rootless engine; the id where it has no name. Allocated, and
 * escaped unless @raw. */
char *record_name(const struct root_container *c, bool raw);

#define RECORD_EXIT_SIZE 24
/* "7", "signal 9", or "" if it is not known. */
const char *record_exit(const struct root_container *c, char *buffer);
/* As a shell has it: the code, or 128 + the signal. */
int record_exit_number(const struct root_container *c);

const char *state_name(uint32_t state);

#endif
