/* SPDX-License-Identifier: MIT */
/* systemd's units, as they show in the paths of cgroups. Runs in: resolver. */
#ifndef RESOLVER_UNIT_H
#define RESOLVER_UNIT_H

#include <stddef.h>

/* How much of the path @path leads to the directory of @unit; 0: none does. systemd puts a '_' before names that the kernel could take
 * for its own files. */
size_t unit_prefix(const char *path, size_t len, const char *unit);

#endif
