/* SPDX-License-Identifier: MIT */
/*
 * Clients' connections: accepted, judged, handed to the frontend, ended. Runs in: monitor. Trusts: the kernel's word
 * about a peer; reads no byte of a client's.
 *
 * The frontend serves a session; the monitor keeps a duplicate of its socket, which says when the client left or the frontend
 * shut it down, and the keeper another one, for the next monitor. Only the monitor decides that a session has ended.
 */
#ifndef MONITOR_SESSION_H
#define MONITOR_SESSION_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "policy.h"
#include "refusal.h"

#define SESSION_BUCKETS 1024

struct monitor;

/* Bits, so that a table can name several. */
enum session_state {
	SESSION_WAITING = 1, /* there is no frontend that knows it */
	SESSION_HANDED = 2,
};

struct session {
	struct session *next; /* of its bucket */
	struct monitor *monitor;
	uint64_t number; /* also its key with the keeper */
	struct source source;
	enum session_state state;
	bool resumed; /* an earlier frontend had it */
	struct peer peer;
	uint32_t rights;
	uint64_t roles;
};

struct sessions {
	struct session *buckets[SESSION_BUCKETS];
	uint32_t count, max;
	struct source listener;
	struct timer retry; /* the listener is paused for want of descriptors */
	struct refusals refusals;
	uint64_t log_window_ms; /* refusals are logged so many a second */
	uint32_t logged;
};

void sessions_init(struct monitor *m, uint32_t max);
/* Takes the listener @fd and begins to accept. 0 or -errno. */
int sessions_listen(struct monitor *m, int fd);
/* Accepts no more. */
void sessions_close(struct monitor *m);
struct session *session_find(struct monitor *m, uint64_t number);
/* The frontend can take sessions: hands all that wait, as far as it takes them. */
void sessions_hand(struct monitor *m);
/* The frontend is gone: all wait for the next one. */
void sessions_take_back(struct monitor *m);
/* What an earlier monitor put; takes @fd. */
void sessions_restore(struct monitor *m, const struct ipc_item *item, int fd);
/* The client is gone, or must go: tells everybody, and frees @s. */
void session_end(struct session *s);
/* Each session ends. */
void sessions_end_all(struct monitor *m);

/* A program request's owner, as the programs module wants it. */
struct program_owner;
void session_owner(const struct session *s, struct program_owner *ret);

#endif
