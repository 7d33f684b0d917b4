/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../proto/proto.h"
#include "../common/cleanup.h"
#include "monitor.h"

#define ACCEPT_BURST 16
#define RETRY_MS 100
#define LOG_PER_SECOND 20
#define RECORD_VERSION 1

static struct session **bucket(struct monitor *m, uint64_t number)
{
	return &m->sessions.buckets[number % SESSION_BUCKETS];
}

struct session *session_find(struct monitor *m, uint64_t number)
{
	struct session *s = *bucket(m, number);

	while (s && s->number != number)
		s = s->next;
	return s;
}

void session_owner(const struct session *s, struct program_owner *ret)
{
	*ret = (struct program_owner){.session = s->number, .roles = s->roles, .peer = &s->peer};
}

/* --- For the next monitor ---------------------------------------------------------------------------------------- */

/* The groups are not in it: the kernel keeps them with the socket, at any number. */
static void put_session(const struct session *s, int fd, bool handed)
{
	struct ipc_item item = {.key = s->number, .kind = IPC_KIND_SESSION};
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_u16(&w, RECORD_VERSION);
	wire_put_u16(&w, handed);
	wire_put_u32(&w, s->peer.uid);
	wire_put_u32(&w, s->peer.gid);
	wire_put_u32(&w, (uint32_t)s->peer.pid);
	wire_put_u16(&w, s->peer.host);
	item.record = (struct str){(const char *)buf, w.len};
	keeper_put(&s->monitor->keeper, &item, fd);
}

struct record {
	uint16_t version, handed, host;
	uint32_t uid, gid, pid;
};

static int get_record(struct str bytes, struct record *r)
{
	struct wire_rd rd;

	wire_rd_init(&rd, bytes.p, bytes.len);
	r->version = wire_get_u16(&rd);
	r->handed = wire_get_u16(&rd);
	r->uid = wire_get_u32(&rd);
	r->gid = wire_get_u32(&rd);
	r->pid = wire_get_u32(&rd);
	r->host = wire_get_u16(&rd);
	return wire_rd_done(&rd) < 0 || r->version != RECORD_VERSION ? -EBADMSG : 0;
}

/* --- Handing over ------------------------------------------------------------------------------------------------ */

static int hand(struct session *s)
{
	struct monitor *m = s->monitor;
	struct ipc_session msg = {
		.session = s->number,
		.rights = s->rights,
		.resumed = s->resumed,
		.prefix_min = m->config->prefix_min,
	};
	uint8_t buf[64];
	struct wire_wr w;
	int r;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_SESSION, 0);
	(void)put_ipc_session(&w, &msg);
	r = confined_try(&m->confined[CONFINED_FRONTEND], &w, &s->source.fd, 1);
	if (r < 0)
		return r;
	s->state = SESSION_HANDED;
	return 0;
}

void sessions_hand(struct monitor *m)
{
	for (int i = 0; i < SESSION_BUCKETS; i++) {
		for (struct session *s = m->sessions.buckets[i]; s; s = s->next) {
			if (s->state != SESSION_WAITING)
				continue;
			if (hand(s) < 0)
				return;
			if (!s->resumed)
				put_session(s, -1, true);
		}
	}
}

void sessions_take_back(struct monitor *m)
{
	for (int i = 0; i < SESSION_BUCKETS; i++) {
		for (struct session *s = m->sessions.buckets[i]; s; s = s->next) {
			if (s->state == SESSION_HANDED) {
				s->state = SESSION_WAITING;
				s->resumed = true;
			}
		}
	}
}

/* --- Their end --------------------------------------------------------------------------------------------------- */

static void listen_again(struct monitor *m)
{
	struct sessions *all = &m->sessions;

	if (all->listener.fd >= 0 && all->count < all->max && !m->ending) {
		timer_cancel(&m->loop, &all->retry);
		(void)loop_mod(&m->loop, &all->listener, EPOLLIN);
	}
}

static void free_session(struct session *s)
{
	close_fd(&s->source.fd);
	policy_peer_free(&s->peer);
	free(s);
}

void session_end(struct session *s)
{
	struct monitor *m = s->monitor;
	struct session **at = bucket(m, s->number);
	struct ipc_session_id msg = {.session = s->number};
	uint8_t buf[32];
	struct wire_wr w;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	m->sessions.count--;
	loop_del(&m->loop, &s->source);
	log_debug("session %llu ends", (unsigned long long)s->number);
	if (s->state == SESSION_HANDED) {
		wire_wr_init(&w, buf, sizeof(buf));
		wire_put_header(&w, IPC_SESSION_END, 0);
		(void)put_ipc_session_id(&w, &msg);
		confined_send(&m->confined[CONFINED_FRONTEND], &w, NULL, 0);
	}
	/* Before the keeper forgets the session: a monitor that dies in between ends the programs of a session that nobody has. */
	programs_session_end(m->programs, s->number);
	keeper_drop(&m->keeper, s->number);
	free_session(s);
	listen_again(m);
}

void sessions_end_all(struct monitor *m)
{
	for (int i = 0; i < SESSION_BUCKETS; i++) {
		while (m->sessions.buckets[i]) {
			(void)shutdown(m->sessions.buckets[i]->source.fd, SHUT_RDWR);
			session_end(m->sessions.buckets[i]);
		}
	}
}

/* Only hang-ups are asked for: the bytes are the frontend's. */
static void client_gone(struct source *source, uint32_t events)
{
	struct session *s = container_of(source, struct session, source);

	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		session_end(s);
}

/* --- Their beginning --------------------------------------------------------------------------------------------- */

/* Takes @fd and @peer in every case. */
static struct session *new_session(struct monitor *m, uint64_t number, int fd, struct peer *peer, int *ret_error)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		(void)close(fd);
		policy_peer_free(peer);
		*ret_error = -ENOMEM;
		return NULL;
	}
	s->monitor = m;
	s->number = number;
	s->state = SESSION_WAITING;
	s->peer = *peer;
	s->source = (struct source){.fd = fd, .ready = client_gone};
	policy_rights(m->config, &s->peer, &s->rights, &s->roles);
	*ret_error = s->rights ? loop_add(&m->loop, &s->source, EPOLLRDHUP) : -EACCES;
	if (*ret_error < 0) {
		free_session(s);
		return NULL;
	}
	s->next = *bucket(m, number);
	*bucket(m, number) = s;
	m->sessions.count++;
	return s;
}

static uint32_t count_uid(const struct monitor *m, uid_t uid)
{
	uint32_t n = 0;

	for (int i = 0; i < SESSION_BUCKETS; i++) {
		for (const struct session *s = m->sessions.buckets[i]; s; s = s->next)
			n += s->peer.uid == uid;
	}
	return n;
}

/* Whoever connects in a loop must not fill the log. */
static bool may_log(struct monitor *m)
{
	uint64_t now = loop_now_ms();

	if (now - m->sessions.log_window_ms >= 1000) {
		m->sessions.log_window_ms = now;
		m->sessions.logged = 0;
	}
	return m->sessions.logged++ < LOG_PER_SECOND;
}

static void log_refusal(struct monitor *m, const struct peer *p, const char *why)
{
	if (!may_log(m))
		return;
	log_info("refused: uid %u gid %u pid %d: %s", p->uid, p->gid, p->pid, why);
}

static void admit(struct monitor *m, int fd)
{
	struct peer peer;
	struct session *s;
	uint32_t rights;
	uint64_t roles;
	int r = policy_peer(fd, &peer);

	if (r < 0) {
		if (may_log(m))
			log_warning("refused: no credentials: %s", strerror(-r));
		refuse(&m->sessions.refusals, fd, STATUS_DENIED, "your credentials cannot be told");
		return;
	}
	policy_rights(m->config, &peer, &rights, &roles);
	if (!rights) {
		log_refusal(m, &peer, peer.uid || peer.host ? "no role fits" : "root, but not of the host");
		policy_peer_free(&peer);
		refuse(&m->sessions.refusals, fd, STATUS_DENIED, "no role in rootbroker.conf fits you");
		return;
	}
	if (count_uid(m, peer.uid) >= m->config->max_sessions_per_uid) {
		log_refusal(m, &peer, "sessions_per_uid reached");
		policy_peer_free(&peer);
		refuse(&m->sessions.refusals, fd, STATUS_TRY_AGAIN, "too many connections of your uid");
		return;
	}
	s = new_session(m, keeper_new_key(&m->keeper), fd, &peer, &r);
	if (!s) {
		log_warning("refused: %s", strerror(-r));
		return;
	}
	log_debug("session %llu: uid %u gid %u pid %d%s", (unsigned long long)s->number, s->peer.uid, s->peer.gid,
		  s->peer.pid, s->peer.host ? "" : ", not of the host's namespaces");
	/* First, so that the connection outlives this monitor from here on. */
	put_session(s, s->source.fd, m->confined[CONFINED_FRONTEND].state == CONFINED_RUNNING);
	(void)hand(s);
}

static void listener_ready(struct source *source, uint32_t events)
{
	struct monitor *m = container_of(source, struct monitor, sessions.listener);
	struct sessions *all = &m->sessions;

	(void)events;
	for (int i = 0; i < ACCEPT_BURST && all->count < all->max; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(m, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* Accepting on would spin: the client stays in the queue, and the event with it. */
			if (may_log(m))
				log_warning("cannot accept: %s", strerror(errno));
			(void)loop_mod(&m->loop, source, 0);
			timer_set(&m->loop, &all->retry, RETRY_MS);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			break;
		}
	}
	if (all->count >= all->max) {
		if (may_log(m))
			log_warning("%u sessions: no more until one ends", all->count);
		(void)loop_mod(&m->loop, source, 0);
	}
}

static void retry_expired(struct timer *t)
{
	listen_again(container_of(t, struct monitor, sessions.retry));
}

void sessions_init(struct monitor *m, uint32_t max)
{
	m->sessions.max = max;
	m->sessions.listener = (struct source){.fd = -1, .ready = listener_ready};
	refusals_init(&m->sessions.refusals, &m->loop);
	m->sessions.retry = (struct timer){.expired = retry_expired};
}

int sessions_listen(struct monitor *m, int fd)
{
	m->sessions.listener.fd = fd;
	return loop_add(&m->loop, &m->sessions.listener, m->sessions.count < m->sessions.max ? EPOLLIN : 0);
}

void sessions_close(struct monitor *m)
{
	timer_cancel(&m->loop, &m->sessions.retry);
	refusals_end(&m->sessions.refusals);
	loop_del(&m->loop, &m->sessions.listener);
	close_fd(&m->sessions.listener.fd);
}

void sessions_restore(struct monitor *m, const struct ipc_item *item, int fd)
{
	struct record record;
	struct peer peer;
	struct session *s;
	int r = get_record(item->record, &record);

	if (r == 0)
		r = policy_peer(fd, &peer);
	if (r == 0 && (peer.uid != record.uid || peer.gid != record.gid || peer.pid != (pid_t)record.pid)) {
		policy_peer_free(&peer);
		r = -EBADMSG;
	}
	if (r < 0) {
		log_error("session %llu cannot be resumed: %s", (unsigned long long)item->key, strerror(-r));
		(void)shutdown(fd, SHUT_RDWR);
		(void)close(fd);
		keeper_drop(&m->keeper, item->key);
		return;
	}
	/* Its process may have passed the socket on and ended since. */
	peer.host = record.host;
	/* The policy may be another one by now. */
	s = new_session(m, item->key, fd, &peer, &r);
	if (!s) {
		log_info("session %llu is not resumed: %s", (unsigned long long)item->key, strerror(-r));
		keeper_drop(&m->keeper, item->key);
		return;
	}
	s->resumed = record.handed;
}
