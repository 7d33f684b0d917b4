/* SPDX-License-Identifier: MIT */
/* systemd's units, as they show in the paths of cgroups. Runs in: resolver. See unit.h. */
#include "unit.h"

#include <string.h>

size_t unit_prefix(const char *path, size_t len, const char *unit)
{
	size_t n = strlen(unit);

	for (const char *at = path, *end = path + len; at < end;) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t part = (size_t)((slash ? slash : end) - at);

		if ((part == n && memcmp(at, unit, n) == 0) ||
		    (part == n + 1 && at[0] == '_' && memcmp(at + 1, unit, n) == 0))
			return (size_t)(at - path) + part;
		at += part + 1;
	}
	return 0;
}
