/* SPDX-License-Identifier: MIT */
/* Engines whose directory is one of members. Runs in: resolver. See plain.h. */
#include "plain.h"

#include "mem.h"

int plain_open(struct engine_dir *d, const struct member_ops *ops)
{
	struct members *s = mem_new(sizeof(*s));

	d->own = s;
	return members_open(s, d, ops);
}

void plain_settle(struct engine_dir *d)
{
	members_settle(d->own);
}

void plain_rescan(struct engine_dir *d)
{
	members_rescan(d->own);
}

void plain_ended(struct engine_dir *d, struct entry *e)
{
	(void)d;
	member_mark(container_of(e, struct member, entry));
}

void plain_close(struct engine_dir *d)
{
	members_close(d->own);
	free(d->own);
}
