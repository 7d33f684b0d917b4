/* SPDX-License-Identifier: MIT */
/* Engines whose directory is one of members, and nothing else. Runs in: resolver. Functions for their struct engine. */
#ifndef RESOLVER_PLAIN_H
#define RESOLVER_PLAIN_H

#include "members.h"

int plain_open(struct engine_dir *d, const struct member_ops *ops);
void plain_settle(struct engine_dir *d);
void plain_rescan(struct engine_dir *d);
/* Looks at the member again. */
void plain_ended(struct engine_dir *d, struct entry *e);
void plain_close(struct engine_dir *d);

#endif
