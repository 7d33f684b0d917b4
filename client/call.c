/* SPDX-License-Identifier: MIT */
#include "call.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "cancel.h"
#include "receive.h"

int64_t call_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t call_deadline(const struct conn *c)
{
	/* One more, since the current millisecond has begun already. */
	return c->timeout_ms ? call_now() + c->timeout_ms + 1 : 0;
}

bool call_expired(int64_t deadline)
{
	return deadline && call_now() >= deadline;
}

int call_poll(struct conn *c, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = {.fd = c->fd, .events = events};
		int64_t left = deadline ? deadline - call_now() : -1;
		int r;

		if (deadline && left < 0)
			left = 0;
		r = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 || p.revents & POLLNVAL)
			return conn_break(c, -ENOTCONN);
		if (!r)
			return -ETIMEDOUT;
		return 0;
	}
}

int call_send(struct conn *c, const void *record, size_t len, int64_t deadline)
{
	for (;;) {
		int r = chan_send(c->fd, record, len, NULL, 0, MSG_DONTWAIT);

		if (!r || r == -EPIPE)
			return r;
		if (r == -ENOBUFS || r == -ENOMEM)
			return -EAGAIN;
		if (r != -EAGAIN)
			return conn_break(c, -ENOTCONN);
		r = call_poll(c, POLLOUT, deadline);
		if (r)
			return r;
	}
}

int call_error(struct conn *c, struct wire_rd *body, uint32_t statuses)
{
	struct error_reply m;

	if (get_error_reply(body, &m))
		return conn_break(c, -EPROTO);
	(void)str_copy(c->detail, sizeof(c->detail), m.detail);
	if (m.status >= 32 || !(statuses & 1u << m.status))
		return -EPROTO;
	return -status_errno(m.status);
}

int call_nonsense(struct conn *c, struct answer *a)
{
	answer_close(a);
	return conn_break(c, -EPROTO);
}

void call_begin(struct conn *c, const struct call *call, struct wire_wr *w)
{
	wire_wr_init(w, c->out, sizeof(c->out));
	wire_put_header(w, call->request, conn_next_serial(c));
}

/* What is left of earlier calls is taken first: a RESUMED among it is not about the request to come. */
static int drain(struct conn *c)
{
	struct incoming in;
	int r;

	for (int i = 0; i < PROTO_INFLIGHT_MAX && !call_poll(c, POLLIN, CALL_AT_ONCE); i++) {
		r = call_receive(c, 0, 0, &in);
		if (r < 0)
			return r;
	}
	return c->broken;
}

/* Receives until the answer to @serial is there. */
static int await(struct conn *c, const struct call *call, uint32_t serial, size_t len, int64_t deadline,
		 struct incoming *in)
{
	for (;;) {
		int r = call_poll(c, POLLIN, deadline);

		if (r)
			return r;
		r = call_receive(c, serial, call->flags, in);
		if (r < 0 || r == CALL_MINE)
			return r;
		if (r == CALL_RESUMED && !(call->flags & CALL_RESEND))
			return -ECONNRESET;
		if (r == CALL_RESUMED) {
			r = call_send(c, c->out, len, deadline);
			if (r && r != -EPIPE)
				return r;
		}
		if (call_expired(deadline))
			return -ETIMEDOUT;
	}
}

int call_run(struct conn *c, const struct call *call, ssize_t len, struct answer *ret)
{
	int64_t deadline = call->flags & CALL_FOREVER ? 0 : call_deadline(c);
	uint32_t serial = c->serial;
	struct incoming in;
	int r;

	if (len < 0)
		return -EINVAL;
	cancel_send(c, false);
	r = call->flags & (CALL_RESEND | CALL_FIRST) ? 0 : drain(c);
	if (!r)
		r = call_send(c, c->out, (size_t)len, deadline);
	if (r && r != -EPIPE)
		return r;
	r = await(c, call, serial, (size_t)len, deadline, &in);
	/* Without an answer that we have, it may run, or begin to. */
	if (r && !c->broken && call->request == MSG_PROCESS_START)
		cancel_start(c, serial);
	if (r)
		return r;
	if (in.type == MSG_ERROR) {
		r = call_error(c, &in.answer.body, call->statuses);
		answer_close(&in.answer);
		return r;
	}
	if (in.type != call->reply)
		return call_nonsense(c, &in.answer);
	*ret = in.answer;
	c->detail[0] = '\0';
	return 0;
}
