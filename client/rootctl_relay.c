/* SPDX-License-Identifier: MIT */
#include "rootctl_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

void relay_init(struct relay *r, int from, int to, int own)
{
	int flags = fcntl(own, F_GETFL);

	(void)fcntl(own, F_SETFL, flags | O_NONBLOCK);
	r->from = from;
	r->to = to;
	r->own = own;
	r->ended = r->last = false;
	r->left = r->at = r->len = 0;
}

void relay_end(struct relay *r)
{
	if (r->ended)
		return;
	r->ended = true;
	(void)close(r->own);
}

void relay_poll(const struct relay *r, struct pollfd *p)
{
	p[0] = (struct pollfd){.fd = r->ended || r->len ? -1 : r->from, .events = POLLIN};
	/* Also without anything to write: that nobody reads it any more is told as POLLERR. */
	p[1] = (struct pollfd){.fd = r->ended ? -1 : r->to, .events = r->len ? POLLOUT : 0};
}

static bool transient(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void read_some(struct relay *r)
{
	size_t want = r->last && r->left < sizeof(r->buf) ? r->left : sizeof(r->buf);
	ssize_t n = read(r->from, r->buf, want);

	if (n < 0 && transient() && !r->last)
		return;
	if (n <= 0) {
		relay_end(r);
		return;
	}
	r->at = 0;
	r->len = (size_t)n;
	if (r->last)
		r->left -= (size_t)n;
}

static void write_some(struct relay *r)
{
	ssize_t n = write(r->to, r->buf + r->at, r->len < PIPE_BUF ? r->len : PIPE_BUF);

	if (n < 0 && transient())
		return;
	if (n < 0) {
		relay_end(r);
		return;
	}
	r->at += (size_t)n;
	r->len -= (size_t)n;
	if (!r->len && r->last && !r->left)
		relay_end(r);
}

void relay_run(struct relay *r, const struct pollfd *p)
{
	if (r->ended)
		return;
	if (p[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		relay_end(r);
	else if (p[1].revents & POLLOUT)
		write_some(r);
	else if (p[0].revents)
		read_some(r);
}

void relay_finish(struct relay *r)
{
	int n = 0;

	if (r->ended)
		return;
	r->last = true;
	if (ioctl(r->from, FIONREAD, &n) || n < 0)
		n = 0;
	r->left = (size_t)n;
	if (!r->left && !r->len)
		relay_end(r);
}
