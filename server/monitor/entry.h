/* SPDX-License-Identifier: MIT */
/*
 * One file of programs.d. Runs in: monitor. Trusts: a file that config_check_owned() passed.
 */
#ifndef MONITOR_ENTRY_H
#define MONITOR_ENTRY_H

#include "catalogue.h"

/* Fills @e, whose name is set, from the file at @path. Every problem is logged; the first becomes @e->refused. 0, or -EINVAL if
 * there was one. */
int entry_read(const struct config *config, const char *path, struct entry *e);
void entry_fini(struct entry *e);

#endif
