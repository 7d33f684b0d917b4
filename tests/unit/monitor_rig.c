/* SPDX-License-Identifier: MIT */
#include "monitor_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"

struct rig rig;

void rig_start(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.uid = geteuid();
	rig.roles[0] = (struct role){.uids = &rig.uid, .nuids = 1, .rights = RIGHT_ALL};
	rig.config.roles = rig.roles;
	rig.config.nroles = 1;
	rig.config.prefix_min = 4;
	rig.config.max_sessions_per_uid = 100;
	rig.keeper = rig.m.keeper.fd = -1;
	rig.m.keeper.next_key = 1000;
	rig.m.config = &rig.config;
	assert_int_equal(loop_init(&rig.m.loop), 0);
	for (int i = 0; i < CONFINED_COUNT; i++) {
		rig.m.confined[i].kind = (enum confined_kind)i;
		rig.m.confined[i].state = CONFINED_RUNNING;
	}
}

void rig_end(void)
{
	rig_reset();
	close_fd(&rig.keeper);
	close_fd(&rig.m.keeper.fd);
	loop_fini(&rig.m.loop);
}

void rig_reset(void)
{
	for (int i = 0; i < rig.nsent; i++)
		ipc_drop(&rig.sent[i].in);
	rig.nsent = rig.ncalls = 0;
}

void rig_with_keeper(void)
{
	int pair[2];

	assert_int_equal(chan_pair(pair), 0);
	rig.m.keeper.fd = pair[0];
	rig.keeper = pair[1];
}

uint16_t rig_keeper_hears(struct ipc_in *in)
{
	return ipc_recv(rig.keeper, in, MSG_DONTWAIT) == 1 ? in->type : 0;
}

void rig_settle(void)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_once(&rig.m.loop, 0), 0);
}

/* --- The fakes --------------------------------------------------------------------------------------------------- */

static void note(const char *what, uint64_t session, uint32_t serial, uint64_t value)
{
	assert_in_range(rig.ncalls, 0, RIG_CALLS_MAX - 1);
	rig.calls[rig.ncalls++] = (struct rig_call){what, session, serial, value};
}

static void note_sent(const struct confined *c, const struct wire_wr *w, const int *fds, int nfds)
{
	struct rig_sent *s = &rig.sent[rig.nsent++];
	int pair[2];

	assert_in_range(rig.nsent, 1, RIG_CALLS_MAX);
	/* Through a socket, so that a record that does not decode, or has descriptors too many, is noticed. */
	assert_int_equal(chan_pair(pair), 0);
	assert_int_equal(ipc_send(pair[0], w, fds, nfds, 0), 0);
	s->in.nfds = 0;
	assert_int_equal(ipc_recv(pair[1], &s->in, 0), 1);
	s->to = c->kind;
	s->type = s->in.type;
	s->serial = s->in.serial;
	(void)close(pair[0]);
	(void)close(pair[1]);
}

void confined_send(struct confined *c, const struct wire_wr *w, const int *fds, int nfds)
{
	if (c->state == CONFINED_RUNNING)
		note_sent(c, w, fds, nfds);
}

int confined_try(struct confined *c, const struct wire_wr *w, const int *fds, int nfds)
{
	if (c->state != CONFINED_RUNNING)
		return -ENOTCONN;
	if (rig.try_result)
		return rig.try_result;
	note_sent(c, w, fds, nfds);
	return 0;
}

void programs_start(struct programs *p, const struct program_owner *owner, uint32_t serial,
		    const struct start_request *m)
{
	(void)p;
	note("start", owner->session, serial, m->label.len);
}

void programs_wait(struct programs *p, uint64_t session, uint32_t serial, const struct wait_request *m)
{
	(void)p;
	note("wait", session, serial, m->pid);
}

void programs_ack(struct programs *p, uint64_t session, const struct ack_request *m)
{
	(void)p;
	note("ack", session, 0, m->instance);
}

void programs_terminate(struct programs *p, uint64_t session, uint32_t serial, const struct terminate_request *m)
{
	(void)p;
	note("terminate", session, serial, m->pid);
}

void programs_cancel(struct programs *p, uint64_t session, uint32_t serial, const struct cancel_request *m)
{
	(void)p;
	note("cancel", session, serial, m->start);
}

ssize_t programs_list(struct programs *p, const struct program_owner *owner, const struct list_request *m,
		      struct wire_wr *w)
{
	struct page_wr page;

	(void)p;
	note("list", owner->session, 0, m->cursor);
	if (rig.list_result < 0)
		return rig.list_result;
	page_begin(&page, w);
	return page_end(&page, 0);
}

void programs_session_end(struct programs *p, uint64_t session)
{
	(void)p;
	note("session_end", session, 0, 0);
}
