/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <time.h>

#include "cleanup.h"

int loop_init(struct loop *l)
{
	*l = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	return l->epoll_fd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
	close_fd(&l->epoll_fd);
}

int loop_add(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0)
		return -errno;
	s->events = events;
	return 0;
}

int loop_mod(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (s->events == events)
		return 0;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void loop_del(struct loop *l, struct source *s)
{
	/* A source that is not in the loop is ENOENT or EBADF here, which is fine. */
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	s->events = 0;
	for (int i = 0; i < l->pending; i++) {
		if (l->batch[i].data.ptr == s)
			l->batch[i].data.ptr = NULL;
	}
}

uint64_t loop_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void timer_set(struct loop *l, struct timer *t, uint64_t delay_ms)
{
	struct timer *before;

	timer_cancel(l, t);
	t->deadline_ms = loop_now_ms() + delay_ms;
	/* From the end: most timers of a kind have the same delay, so the place is the last one. */
	before = l->last_timer;
	while (before && before->deadline_ms > t->deadline_ms)
		before = before->prev;
	t->prev = before;
	t->next = before ? before->next : l->timers;
	*(before ? &before->next : &l->timers) = t;
	*(t->next ? &t->next->prev : &l->last_timer) = t;
}

void timer_cancel(struct loop *l, struct timer *t)
{
	if (t->deadline_ms == 0)
		return;
	*(t->prev ? &t->prev->next : &l->timers) = t->next;
	*(t->next ? &t->next->prev : &l->last_timer) = t->prev;
	t->deadline_ms = 0;
	t->next = t->prev = NULL;
}

static void expire_timers(struct loop *l)
{
	uint64_t now = l->timers ? loop_now_ms() : 0;

	while (l->timers && l->timers->deadline_ms <= now) {
		struct timer *t = l->timers;

		timer_cancel(l, t);
		t->expired(t);
	}
}

/* The shorter of @timeout_ms (-1: for ever) and the time to the next deadline. */
static int wait_time(const struct loop *l, int timeout_ms)
{
	uint64_t now, left;

	if (!l->timers)
		return timeout_ms;
	now = loop_now_ms();
	left = l->timers->deadline_ms > now ? l->timers->deadline_ms - now : 0;
	if (timeout_ms >= 0 && left > (uint64_t)timeout_ms)
		return timeout_ms;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int loop_once(struct loop *l, int timeout_ms)
{
	int n = epoll_wait(l->epoll_fd, l->batch, LOOP_BATCH, wait_time(l, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	l->pending = n > 0 ? n : 0;
	for (int i = 0; i < l->pending; i++) {
		struct source *s = l->batch[i].data.ptr;

		/* NULL: a callback before this one removed it, and its memory may be gone. */
		if (s)
			s->ready(s, l->batch[i].events);
	}
	l->pending = 0;
	expire_timers(l);
	return 0;
}

int loop_run(struct loop *l)
{
	while (!l->stop) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
