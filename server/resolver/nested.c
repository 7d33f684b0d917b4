/* SPDX-License-Identifier: MIT */
/* Members that are directories of members. Runs in: resolver. See nested.h. */
#include "nested.h"

#include <stdio.h>

#include "../common/cleanup.h"
#include "mem.h"

static struct nested *nested_of(struct member *m)
{
	return container_of(m, struct nested, member);
}

void nested_init(struct member *m)
{
	struct nested *n = nested_of(m);

	size_t size = strlen(m->of->path) + strlen(m->id) + 2;

	n->fd = -1;
	n->path = mem_new(size);
	(void)snprintf(n->path, size, "%s/%s", m->of->path, m->id);
}

void nested_look(struct member *m, int dir, const struct member_ops *ops)
{
	struct nested *n = nested_of(m);
	int fd = engine_enter(m->of->dir, dir, "."), r;

	if (fd < 0) {
		log_error("cannot open %s: %s", n->path, strerror(-fd));
		return;
	}
	if (n->fd < 0) {
		r = members_open_at(&n->inner, m->of->dir, fd, n->path, ops);
	} else {
		/* Events were lost: it may have been replaced by another of the same name. */
		r = members_move(&n->inner, fd);
		close_fd(&n->fd);
	}
	n->fd = fd;
	if (r < 0)
		log_error("cannot watch %s: %s", n->path, strerror(-r));
}

void nested_fini(struct member *m)
{
	struct nested *n = nested_of(m);

	if (n->fd >= 0)
		members_close(&n->inner);
	close_fd(&n->fd);
	free(n->path);
}

void nested_rescanned(struct member *m)
{
	struct nested *n = nested_of(m);

	if (n->fd >= 0)
		members_rescan(&n->inner);
}

void nested_settle(struct member *m)
{
	struct nested *n = nested_of(m);

	if (n->fd >= 0)
		members_settle(&n->inner);
}

bool nested_matters(const struct member *m, const char *file)
{
	/* Its members have their own watch. */
	(void)m;
	(void)file;
	return false;
}
