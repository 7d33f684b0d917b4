/* SPDX-License-Identifier: MIT */
#include "refusal.h"

#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../../proto/codec.h"
#include "../common/cleanup.h"

/* The one record that the monitor itself says to a client. */
static void answer(int fd, enum status status, const char *detail)
{
	struct error_reply m = {.status = (uint16_t)status, .detail = str_of(detail)};
	uint8_t buf[512];
	struct wire_wr w;
	char drop[1];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, MSG_ERROR, 0);
	(void)put_error_reply(&w, &m);
	(void)chan_send(fd, buf, w.len, NULL, 0, MSG_DONTWAIT);
	/* Closed with a hello unread, the kernel would show the client a reset instead of the record. */
	(void)shutdown(fd, SHUT_RD);
	while (recv(fd, drop, sizeof(drop), MSG_DONTWAIT) > 0)
		;
	(void)close(fd);
}

static void finish(struct refusal *r)
{
	timer_cancel(r->loop, &r->timer);
	loop_del(r->loop, &r->source);
	answer(take_fd(&r->source.fd), r->status, r->detail);
}

static void client_spoke(struct source *source, uint32_t events)
{
	(void)events;
	finish(container_of(source, struct refusal, source));
}

static void client_is_silent(struct timer *t)
{
	finish(container_of(t, struct refusal, timer));
}

void refusals_init(struct refusals *r, struct loop *loop)
{
	for (int i = 0; i < REFUSALS_MAX; i++) {
		r->all[i] = (struct refusal){
			.loop = loop,
			.source = {.fd = -1, .ready = client_spoke},
			.timer = {.expired = client_is_silent},
		};
	}
}

void refuse(struct refusals *all, int fd, enum status status, const char *detail)
{
	for (int i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *r = &all->all[i];

		if (r->source.fd >= 0)
			continue;
		r->source.fd = fd;
		r->status = status;
		r->detail = detail;
		if (loop_add(r->loop, &r->source, EPOLLIN | EPOLLRDHUP) < 0)
			finish(r);
		else
			timer_set(r->loop, &r->timer, REFUSAL_MS);
		return;
	}
	answer(fd, status, detail);
}

void refusals_end(struct refusals *all)
{
	for (int i = 0; i < REFUSALS_MAX; i++) {
		if (all->all[i].source.fd >= 0)
			finish(&all->all[i]);
	}
}
