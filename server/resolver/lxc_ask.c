/* SPDX-License-Identifier: MIT */
/* Questions to the monitors of LXC containers. Runs in: resolver. See lxc_ask.h. */
#include "lxc_ask.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "../common/procfd.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5 */
#endif

#define MOMENT_MS 1000
#define AT_ONCE 64 /* questions: what the monitor's channel surely has room for */

/* LXC's answers, as its own programs exchange them on one machine. */
struct reply {
	int32_t ret, datalen;
	uint64_t data;
};
struct message {
	int32_t type;
	char name[256];
	int32_t value;
};
#define MESSAGE_STATE 0

static void pump(struct lxc_asker *k);

bool lxc_asking(const struct lxc_ask *a)
{
	return a->token != 0;
}

bool lxc_asker_busy(const struct lxc_asker *k)
{
	return k->waited_for > 0 || k->first;
}

static void wait_no_more(struct lxc_ask *a)
{
	timer_cancel(a->asker->loop, &a->slow);
	if (a->waited_for)
		a->asker->waited_for--;
	a->waited_for = false;
}

static void unqueue(struct lxc_asker *k, struct lxc_ask *a)
{
	*(a->prev ? &a->prev->next : &k->first) = a->next;
	*(a->next ? &a->next->prev : &k->last) = a->prev;
	a->next = a->prev = NULL;
}

void lxc_ask_cancel(struct lxc_ask *a)
{
	struct lxc_asker *k = a->asker;

	if (!lxc_asking(a))
		return;
	if (a->sent) {
		wait_no_more(a);
		map_remove(&k->by_token, &a->node);
	} else {
		unqueue(k, a);
	}
	if (a->source.fd >= 0) {
		loop_del(k->loop, &a->source);
		close_fd(&a->source.fd);
	}
	a->token = 0;
	a->sent = false;
}

static void answer(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct lxc_asker *k = a->asker;

	lxc_ask_cancel(a);
	a->answered(a, said); /* may ask anew, or free @a */
	pump(k);
}

static void fail(struct lxc_ask *a, int error)
{
	struct lxc_answer said = {.error = error, .pidfd = -1};

	answer(a, &said);
}

/* What the kernel says of who sent it, and what was sent along. */
struct passed {
	int fd, n; /* of @n descriptors the first */
	pid_t pid;
	int pidfd;
};

static void take_control(struct msghdr *h, struct passed *p)
{
	struct ucred cred;
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(cred))) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			p->pid = cred.pid;
		} else if (c->cmsg_type == SCM_PIDFD && c->cmsg_len == CMSG_LEN(sizeof(int))) {
			memcpy(&p->pidfd, CMSG_DATA(c), sizeof(int));
		} else if (c->cmsg_type == SCM_RIGHTS) {
			for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
				memcpy(&fd, (char *)c + at, sizeof(int));
				if (p->n++ == 0)
					p->fd = fd;
				else
					(void)close(fd);
			}
		}
	}
}

/* Who answers must be of the host. Root of a container may pass for root before our monitor, and may name another process as the
 * sender, but none outside of its own PID namespace. Before Linux 6.5 the process is not pinned: its number could be another's by now, only
 * if all of them went round since. */
static int check_sender(const struct lxc_asker *k, const struct passed *p)
{
	autoclose int pidfd = p->pidfd < 0 && p->pid > 0 ? procfd_open(p->pid) : -1;
	int r = p->pid > 0 ? procfd_outermost(k->proc, p->pidfd >= 0 ? p->pidfd : pidfd) : -EPERM;

	return r == 0 || r == -EPERM ? r : -EPIPE; /* what has ended says nothing, either */
}

/* One answer of exactly @size bytes: the length, -EAGAIN, -errno, -EPROTO, -EPIPE: the end. */
static ssize_t take(const struct lxc_asker *k, int fd, void *buf, size_t size, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred)) + 2 * CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct passed p = {.fd = -1, .pidfd = -1};
	ssize_t n;
	int r;

	do
		n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_control(&h, &p);
	*ret_fd = p.fd;
	r = n == 0 ? -EPIPE : check_sender(k, &p);
	if (p.pidfd >= 0)
		(void)close(p.pidfd);
	if (r < 0)
		return r;
	return (size_t)n == size && p.n <= 1 && !(h.msg_flags & MSG_CTRUNC) ? n : -EPROTO;
}

static bool good_state(uint64_t v)
{
	return v < LXC_STATES;
}

static int read_state(const struct reply *r, struct lxc_answer *said)
{
	if (r->ret != 0 || r->datalen != 0 || !good_state(r->data))
		return -EPROTO;
	said->state = (enum lxc_state)r->data;
	return 0;
}

static int read_pidfd(const struct reply *r, struct lxc_answer *said)
{
	return r->ret == 0 && r->datalen == 0 && said->pidfd >= 0 ? 0 : -EPROTO;
}

/* The state if it is one that was asked for, or "registered": then a message comes when it is. */
static int read_registration(struct lxc_ask *a, const struct reply *r, struct lxc_answer *said)
{
	if (r->ret == LXC_STATES && r->datalen == 0) {
		a->registered = true;
		return -EAGAIN;
	}
	if (r->ret < 0 || !good_state((uint64_t)r->ret))
		return -EPROTO;
	said->state = (enum lxc_state)r->ret;
	return 0;
}

static int read_message(struct lxc_ask *a, struct lxc_answer *said)
{
	struct message m;
	ssize_t n = take(a->asker, a->source.fd, &m, sizeof(m), &said->pidfd);

	if (n < 0)
		return (int)n;
	if (m.type != MESSAGE_STATE || m.value < 0 || !good_state((uint64_t)m.value))
		return -EPROTO;
	said->state = (enum lxc_state)m.value;
	return 0;
}

static int read_reply(struct lxc_ask *a, struct lxc_answer *said)
{
	struct reply r;
	ssize_t n = take(a->asker, a->source.fd, &r, sizeof(r), &said->pidfd);

	if (n < 0)
		return (int)n;
	switch (a->command) {
	case IPC_LXC_STATE:
		return read_state(&r, said);
	case IPC_LXC_INIT_PIDFD:
		return read_pidfd(&r, said);
	case IPC_LXC_WATCH:
		return read_registration(a, &r, said);
	default:
		return -EPROTO;
	}
}

static void readable(struct source *s, uint32_t events)
{
	struct lxc_ask *a = container_of(s, struct lxc_ask, source);
	struct lxc_answer said = {.pidfd = -1};

	(void)events;
	said.error = a->registered ? read_message(a, &said) : read_reply(a, &said);
	if (said.error == -EAGAIN) {
		if (a->registered)
			wait_no_more(a);
		return;
	}
	if (said.pidfd >= 0 && (said.error || a->command != IPC_LXC_INIT_PIDFD))
		close_fd(&said.pidfd);
	answer(a, &said);
}

static void grown_slow(struct timer *t)
{
	struct lxc_ask *a = container_of(t, struct lxc_ask, slow);

	wait_no_more(a);
	pump(a->asker);
}

static void pump(struct lxc_asker *k)
{
	while (k->first && k->waited_for < AT_ONCE) {
		struct lxc_ask *a = k->first;
		struct ipc_lxc_ask m = {.token = a->token, .path = a->path, .command = (uint32_t)a->command};

		unqueue(k, a);
		a->sent = a->waited_for = true;
		k->waited_for++;
		timer_set(k->loop, &a->slow, MOMENT_MS);
		map_insert(&k->by_token, &a->node, map_hash_number(a->token));
		m.name = str_of(a->name);
		k->send(k, &m);
	}
}

void lxc_ask(struct lxc_asker *k, struct lxc_ask *a, uint32_t path, const char *name, enum ipc_lxc_command command)
{
	a->asker = k;
	a->token = ++k->last_token;
	a->path = path;
	a->name = name;
	a->command = command;
	a->sent = a->waited_for = a->registered = false;
	a->source = (struct source){.fd = -1, .ready = readable};
	a->slow = (struct timer){.expired = grown_slow};
	a->next = NULL;
	a->prev = k->last;
	*(k->last ? &k->last->next : &k->first) = a;
	k->last = a;
	pump(k);
}

int lxc_asker_socket(struct lxc_asker *k, const struct ipc_lxc_socket *m, int fd)
{
	autoclose int socket_fd = fd;
	struct lxc_ask *a = NULL;
	int r;

	if (m->token == 0 || m->token > k->last_token || (m->error == 0) != (fd >= 0) || m->error > INT32_MAX)
		return -EPROTO;
	for (struct map_node *n = map_find(&k->by_token, map_hash_number(m->token)); n && !a; n = map_find_next(n)) {
		a = container_of(n, struct lxc_ask, node);
		if (a->token != m->token)
			a = NULL;
	}
	if (!a)
		return 0; /* cancelled meanwhile */
	if (a->source.fd >= 0)
		return -EPROTO;
	if (m->error) {
		fail(a, -(int)m->error);
		return 0;
	}
	a->source.fd = take_fd(&socket_fd);
	r = loop_add(k->loop, &a->source, EPOLLIN);
	if (r < 0)
		fail(a, r);
	return 0;
}

void lxc_asker_fini(struct lxc_asker *k)
{
	struct map_node *n;

	while ((n = map_any(&k->by_token)))
		lxc_ask_cancel(container_of(n, struct lxc_ask, node));
	while (k->first)
		lxc_ask_cancel(k->first);
	map_fini(&k->by_token);
}
