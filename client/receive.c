/* SPDX-License-Identifier: MIT */
#include "receive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cancel.h"
#include "waits.h"
#include "watch.h"

void answer_close(struct answer *a)
{
	for (int i = 0; i < a->nfds; i++)
		(void)close(a->fds[i]);
	a->nfds = 0;
}

static bool out_of_descriptors(int like)
{
	int fds[ANSWER_FDS_MAX], n = 0;
	bool out = false;

	while (n < ANSWER_FDS_MAX && !out) {
		fds[n] = fcntl(like, F_DUPFD_CLOEXEC, 0);
		if (fds[n] < 0)
			out = true;
		else
			n++;
	}
	while (n)
		(void)close(fds[--n]);
	return out;
}

/*
 * A record whose descriptors did not all arrive. If that is because this process has no room for them, the call fails, and a start
 * that nobody waits for is to be cancelled: the record itself was looked at before, in @c->in.
 */
static int lost_descriptors(struct conn *c, ssize_t len, uint32_t serial)
{
	struct container_record container;
	struct started_reply started;
	struct wire_rd rd;
	uint32_t its;
	uint16_t type;
	bool good;

	wire_rd_init(&rd, c->in, len > 0 ? (size_t)len : 0);
	good = !wire_get_header(&rd, &type, &its) &&
	       ((type == MSG_STARTED && !get_started_reply(&rd, &started)) ||
		(type == MSG_CONTAINER && !get_container_record(&rd, &container)));
	if (!good || !out_of_descriptors(c->fd))
		return conn_break(c, -EPROTO);
	if (its == serial)
		return -EMFILE;
	if (type == MSG_STARTED)
		cancel_started(c, its, started.instance);
	return c->broken ? c->broken : CALL_OTHER;
}

/* An answer that came too late, or one to a wait or a watch. */
static int not_mine(struct conn *c, uint32_t serial, struct incoming *in)
{
	struct started_reply m;

	answer_close(&in->answer);
	if (!serial && in->type == MSG_ERROR)
		return CALL_OTHER; /* the connection's end follows, and says enough */
	/* The serial of a request that was never sent. */
	if (!serial || (int32_t)(serial - c->serial) > 0)
		return conn_break(c, -EPROTO);
	if (in->type == MSG_STARTED) {
		if (get_started_reply(&in->answer.body, &m))
			return conn_break(c, -EPROTO);
		cancel_started(c, serial, m.instance);
	} else {
		cancel_answered(c, in->type, serial);
		watch_answered(c, in->type, serial, &in->answer.body);
		waits_answered(c, in->type, serial, &in->answer.body);
	}
	return c->broken ? c->broken : CALL_OTHER;
}

static int dispatch(struct conn *c, uint32_t serial, struct incoming *in)
{
	const struct msg_info *info;
	uint32_t its;

	if (wire_get_header(&in->answer.body, &in->type, &its))
		return call_nonsense(c, &in->answer);
	info = msg_info(in->type);
	if (!info || info->sender != MSG_FROM_SERVER || in->answer.nfds > info->fds)
		return call_nonsense(c, &in->answer);
	if (in->type == MSG_RESUMED) {
		if (its || get_nothing(&in->answer.body))
			return conn_break(c, -EPROTO);
		waits_resume(c);
		watch_resume(c);
		cancel_send(c, true);
		return c->broken ? c->broken : CALL_RESUMED;
	}
	/* An error without a serial is about the connection: it answers whatever is asked now. */
	if (serial && (its == serial || (!its && in->type == MSG_ERROR)))
		return CALL_MINE;
	return not_mine(c, its, in);
}

/* A server that closes with our request unread leaves a reset in front of its last words, which say why. */
static bool said_more(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

int call_receive(struct conn *c, uint32_t serial, unsigned flags, struct incoming *ret)
{
	struct answer *a = &ret->answer;
	int maxfds = flags & CALL_FDS ? ANSWER_FDS_MAX : 0;
	ssize_t peeked = 0, n;

	/* Descriptors that find no room take their record with them, and with it the name of the program to end. */
	if (maxfds)
		peeked = recv(c->fd, c->in, sizeof(c->in), MSG_PEEK | MSG_DONTWAIT);
	a->nfds = 0;
	n = chan_recv(c->fd, c->in, sizeof(c->in), a->fds, maxfds, &a->nfds, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return CALL_OTHER;
	if (n == -EBADMSG)
		return maxfds ? lost_descriptors(c, peeked, serial) : conn_break(c, -EPROTO);
	if (!n && said_more(c->fd))
		return CALL_OTHER;
	if (n <= 0)
		return conn_break(c, -ENOTCONN);
	wire_rd_init(&a->body, c->in, (size_t)n);
	return dispatch(c, serial, ret);
}
