/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../../proto/proto.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "frontend.h"

static struct session **bucket(struct frontend *f, uint64_t number)
{
	return &f->sessions.bucket[number % SESSION_BUCKETS];
}

struct session *session_find(struct frontend *f, uint64_t number)
{
	struct session *s = *bucket(f, number);

	while (s && s->number != number)
		s = s->next;
	return s;
}

/* One timer for all: the first of the list is the next to be due. */
static void arm_hello(struct frontend *f)
{
	struct sessions *all = &f->sessions;
	uint64_t now = loop_now_ms(), due;

	if (list_empty(&all->hello)) {
		timer_cancel(&f->loop, &all->hello_timer);
		return;
	}
	due = container_of(all->hello.next, struct session, hello)->hello_deadline_ms;
	timer_set(&f->loop, &all->hello_timer, due > now ? due - now : 0);
}

static void hello_expired(struct timer *t)
{
	struct frontend *f = container_of(t, struct frontend, sessions.hello_timer);
	uint64_t now = loop_now_ms();

	while (!list_empty(&f->sessions.hello)) {
		struct session *s = container_of(f->sessions.hello.next, struct session, hello);

		if (s->hello_deadline_ms > now)
			break;
		session_end(s, "no hello in time");
	}
	arm_hello(f);
}

static void session_ready(struct source *source, uint32_t events)
{
	struct session *s = container_of(source, struct session, source);
	struct frontend *f = s->frontend;
	const char *why;
	int nfds = 0;
	ssize_t n;

	/* Nothing was asked for, and still it is reported: a hang-up. */
	if (!(events & EPOLLIN)) {
		session_end(s, "the client is gone");
		return;
	}
	/* Clients have no business with descriptors: without room for any, the kernel drops them. */
	n = chan_recv(source->fd, f->record, sizeof(f->record), NULL, 0, &nfds, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return;
	if (n == 0)
		why = "the client closed it, or sent an empty record";
	else if (n == -EBADMSG)
		why = "malformed: longer than a record may be";
	else if (n < 0)
		why = "it cannot be read";
	else
		why = request_received(s, f->record, (size_t)n);
	if (why)
		session_end(s, why);
}

void sessions_init(struct frontend *f)
{
	memset(&f->sessions, 0, sizeof(f->sessions));
	list_init(&f->sessions.hello);
	f->sessions.hello_timer.expired = hello_expired;
	f->sessions.hello_timeout_ms = SESSION_HELLO_TIMEOUT_MS;
}

static void session_free(struct session *s)
{
	struct frontend *f = s->frontend;
	struct session **at = bucket(f, s->number);

	loop_del(&f->loop, &s->source);
	close_fd(&s->source.fd);
	park_session_end(f, s);
	watcher_forget(s);
	monitor_forget(s);
	list_remove(&s->hello);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	f->sessions.count--;
	free(s);
}

/* Lets go of them: the connections themselves live on, in the hands of the monitor, or of the keeper if it is
 * the monitor that is gone, and come back to the next frontend. */
void sessions_fini(struct frontend *f)
{
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		while (f->sessions.bucket[i])
			session_free(f->sessions.bucket[i]);
}

static int say_resumed(struct session *s)
{
	struct wire_wr w;

	frontend_begin(s->frontend, &w, WIRE_RECORD_MAX, MSG_RESUMED, 0);
	return session_send(s, &w, NULL, 0) ? 0 : -EPIPE;
}

int session_new(struct frontend *f, const struct ipc_session *m, int client)
{
	autoclose int fd = client;
	struct session *s;
	int r;

	if (fd < 0 || m->resumed > 1 || (m->rights & ~RIGHT_ALL) || !m->prefix_min)
		return -EBADMSG;
	if (session_find(f, m->session))
		return -EEXIST;
	s = calloc(1, sizeof(*s));
	if (!s) {
		(void)shutdown(fd, SHUT_RDWR); /* so that the monitor, too, learns that nobody serves it */
		return -ENOMEM;
	}
	*s = (struct session){.frontend = f, .number = m->session, .rights = m->rights, .prefix_min = m->prefix_min};
	s->state = m->resumed ? SESSION_RESUMED : SESSION_NEW;
	s->source = (struct source){.fd = fd, .ready = session_ready};
	list_init(&s->hello);
	list_init(&s->parked);
	list_init(&s->watcher.waiting);
	r = loop_add(&f->loop, &s->source, EPOLLIN);
	if (r < 0) {
		(void)shutdown(fd, SHUT_RDWR);
		free(s);
		return r;
	}
	(void)take_fd(&fd);
	s->next = *bucket(f, s->number);
	*bucket(f, s->number) = s;
	f->sessions.count++;
	if (m->resumed) {
		(void)say_resumed(s);
		return 0;
	}
	s->hello_deadline_ms = loop_now_ms() + f->sessions.hello_timeout_ms;
	list_move(&f->sessions.hello, &s->hello);
	if (f->sessions.hello.next == &s->hello)
		arm_hello(f);
	return 0;
}

void session_open(struct session *s)
{
	s->state = SESSION_OPEN;
	list_remove(&s->hello);
}

void session_end(struct session *s, const char *why)
{
	log_debug("session %llu ends: %s", (unsigned long long)s->number, why);
	/* The monitor holds a duplicate: only a shutdown tells it, and the client. */
	(void)shutdown(s->source.fd, SHUT_RDWR);
	session_free(s);
}

void session_update(struct session *s)
{
	bool pause = s->in_flight >= PROTO_INFLIGHT_MAX || s->outgoing;

	if (pause == s->paused)
		return;
	s->paused = pause;
	(void)loop_mod(&s->frontend->loop, &s->source, pause ? 0 : EPOLLIN);
}

bool session_send(struct session *s, const struct wire_wr *w, const int *fds, int nfds)
{
	int r = ipc_send(s->source.fd, w, fds, nfds, MSG_DONTWAIT);

	if (r == 0)
		return true;
	if (r == -EAGAIN)
		session_end(s, "the client does not read its answers");
	else if (r == -EPIPE)
		session_end(s, "the client is gone");
	else
		session_end(s, strerror(-r));
	return false;
}

bool session_take_pidfd(struct session *s)
{
	int unread = 0;

	if (ioctl(s->source.fd, SIOCOUTQ, &unread) == 0 && unread == 0)
		s->pidfds = 0;
	if (s->pidfds == SESSION_PIDFDS_MAX)
		return false;
	s->pidfds++;
	return true;
}

void session_unasked(struct session *s)
{
	s->in_flight--;
	session_update(s);
}

bool session_answer(struct session *s, const struct wire_wr *w, const int *fds, int nfds)
{
	/* None are counted for what an earlier frontend passed to the monitor. */
	if (s->in_flight)
		s->in_flight--;
	session_update(s);
	return session_send(s, w, fds, nfds);
}

bool session_error(struct session *s, uint32_t serial, enum status status, const char *format, ...)
{
	char detail[ROOT_DETAIL_MAX + 1];
	struct error_reply m = {.status = (uint16_t)status};
	struct wire_wr w;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	for (char *p = detail; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	m.detail = str_of(detail);
	frontend_begin(s->frontend, &w, WIRE_RECORD_MAX, MSG_ERROR, serial);
	(void)put_error_reply(&w, &m);
	return session_answer(s, &w, NULL, 0);
}
