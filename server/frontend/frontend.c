/* SPDX-License-Identifier: MIT */
#include "frontend.h"

#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#include "../common/log.h"

int frontend_init(struct frontend *f, int monitor_fd)
{
	int r;

	index_init(&f->index);
	changes_init(&f->changes);
	watchers_init(f);
	sessions_init(f);
	park_init(f);
	resolver_link_init(f);
	joiner_link_init(f);
	f->status = 0;
	f->in.nfds = 0;
	r = loop_init(&f->loop);
	if (r < 0) {
		(void)close(monitor_fd);
		return r;
	}
	r = monitor_link_init(f, monitor_fd);
	if (r < 0)
		loop_fini(&f->loop);
	return r;
}

void frontend_fini(struct frontend *f)
{
	sessions_fini(f);
	joiner_link_fini(f);
	resolver_link_fini(f);
	monitor_link_fini(f);
	index_fini(&f->index);
	changes_fini(&f->changes);
	loop_fini(&f->loop);
}

void frontend_stop(struct frontend *f, int status)
{
	f->status = status;
	loop_stop(&f->loop);
}

void frontend_nonsense(struct frontend *f, const char *who, const char *what)
{
	log_error("the %s sent nonsense (%s): ending", who, what);
	frontend_stop(f, EX_PROTOCOL);
}

void frontend_begin(struct frontend *f, struct wire_wr *w, size_t size, uint16_t type, uint32_t serial)
{
	wire_wr_init(w, f->out, size);
	wire_put_header(w, type, serial);
}

int frontend_copy_page(struct frontend *f, struct wire_wr *w, uint16_t type, uint32_t serial)
{
	struct wire_rd *body = &f->in.body;
	size_t page = body->len - body->pos;

	if (body->bad || body->pos < WIRE_HEADER || page + WIRE_HEADER > WIRE_RECORD_MAX)
		return -EBADMSG;
	/* The page stays where it is: the client's header takes the place of what was before it. */
	wire_wr_init(w, f->in.buf + body->pos - WIRE_HEADER, WIRE_HEADER + page);
	wire_put_header(w, type, serial);
	w->len += page;
	return 0;
}
