/* SPDX-License-Identifier: MIT */
/*
 * Members that are directories of members: DIRECTORY/NAMESPACE/CONTAINER. Runs in: resolver.
 *
 * They have no entries of their own. The functions are for an engine's struct member_ops; look() is its own, and calls
 * nested_look().
 */
#ifndef RESOLVER_NESTED_H
#define RESOLVER_NESTED_H

#include "members.h"

struct nested {
	struct member member;
	struct members inner;
	int fd; /* -1: not looked at yet */
	char *path;
};

void nested_init(struct member *m);
/* Opens @m, whose members are @ops', or looks at it anew. */
void nested_look(struct member *m, int dir, const struct member_ops *ops);
void nested_fini(struct member *m);
void nested_rescanned(struct member *m);
void nested_settle(struct member *m);
bool nested_matters(const struct member *m, const char *file);

#endif
