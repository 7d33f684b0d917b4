/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>

#include "call.h"
#include "waits.h"

static const struct call terminate_call = {
	.request = MSG_PROCESS_TERMINATE,
	.reply = MSG_TERMINATED,
	.flags = CALL_RESEND | CALL_FOREVER,
	.statuses = CALL_COMMON | CALL_STATUS(NO_CHILD) | CALL_STATUS(STILL_THERE),
};

/* Until the wait is answered or the deadline is over. What else comes is dealt with on the way. */
static int await_wait(struct conn *c, struct pending_wait *w, int64_t deadline)
{
	while (!w->done) {
		struct incoming in;
		int r = call_poll(c, POLLIN, deadline);

		if (!r)
			r = call_receive(c, 0, 0, &in);
		if (r < 0)
			return r;
	}
	return 0;
}

static int wait_get(int fd, int pid, const int *status, struct conn **ret_conn)
{
	int r = conn_get(fd, ret_conn);

	if (r)
		return r;
	return !pid || pid < -1 || !status ? -EINVAL : 0;
}

int rootProcessWait(int fd, int pid, int *status)
{
	struct pending_wait *w;
	struct conn *c;
	int r;

	r = wait_get(fd, pid, status, &c);
	if (!r)
		r = waits_ask(c, pid < 0 ? 0 : (uint32_t)pid, 0, &w);
	if (!r)
		r = await_wait(c, w, 0);
	return r ? r : waits_collect(c, w, status);
}

int rootProcessPoll(int fd, int pid, int *status)
{
	struct pending_wait *w;
	struct conn *c;
	int r;

	r = wait_get(fd, pid, status, &c);
	if (!r)
		r = waits_ask(c, pid < 0 ? 0 : (uint32_t)pid, CALL_AT_ONCE, &w);
	if (r)
		return r == -ETIMEDOUT ? -EAGAIN : r;
	r = await_wait(c, w, CALL_AT_ONCE);
	if (r == -ETIMEDOUT)
		return 0;
	return r ? r : waits_collect(c, w, status);
}

int rootProcessTerminate(int fd, int pid)
{
	struct terminate_request m;
	struct answer a;
	struct wire_wr w;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && pid < 1)
		r = -EINVAL;
	if (r)
		return r;
	m.pid = (uint32_t)pid;
	call_begin(c, &terminate_call, &w);
	r = call_run(c, &terminate_call, put_terminate_request(&w, &m), &a);
	if (r)
		return r;
	return get_nothing(&a.body) ? call_nonsense(c, &a) : 0;
}
