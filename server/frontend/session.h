/* SPDX-License-Identifier: MIT */
/*
 * Clients' connections. Runs in: frontend. Trusts: nothing that a client sends.
 *
 * A session costs only itself: one record is read at a time; nothing is read while PROTO_INFLIGHT_MAX requests, or
 * a record that the monitor has no room for, are outstanding; a reply is sent at once or the session ends, and so
 * it does at a malformed record.
 */
#ifndef FRONTEND_SESSION_H
#define FRONTEND_SESSION_H

#include "../../proto/proto.h"
#include "../common/ipc.h"
#include "../common/loop.h"
#include "../common/list.h"
#include "watchers.h"

#define SESSION_BUCKETS 4096
#define SESSION_HELLO_TIMEOUT_MS 10000
/* Descriptors in flight count against our uid, whoever does not take them out: without a limit, none would be left for the joiner. */
#define SESSION_PIDFDS_MAX 4

struct frontend;
struct outgoing;

/* Bits, so that a table can name several. */
enum session_state {
	SESSION_NEW = 1, /* only hello is allowed */
	SESSION_RESUMED = 2, /* came from an earlier frontend: may say hello again, if that one took it along */
	SESSION_OPEN = 4,
};

struct session {
	struct frontend *frontend;
	struct source source;
	uint64_t number;
	uint32_t rights, prefix_min;
	enum session_state state;
	unsigned in_flight;
	unsigned pidfds; /* sent since it had last read everything */
	bool paused;
	struct outgoing *outgoing; /* a record that waits for room towards the monitor, or NULL */
	uint64_t hello_deadline_ms;
	struct list hello; /* in sessions.hello until hello */
	struct list parked; /* head of its requests in park */
	struct watcher watcher;
	struct session *next; /* of its bucket */
};

struct sessions {
	struct session *bucket[SESSION_BUCKETS];
	struct list hello; /* by deadline */
	struct timer hello_timer;
	uint32_t hello_timeout_ms;
	unsigned count;
};

void sessions_init(struct frontend *f);
void sessions_fini(struct frontend *f);

/* Takes @fd in every case. 0, -EEXIST, -EBADMSG (values out of range), -errno. */
int session_new(struct frontend *f, const struct ipc_session *m, int fd);
struct session *session_find(struct frontend *f, uint64_t number);
/* Shuts the connection down, for the monitor's duplicate too, and frees @s. @why goes to the debug log. */
void session_end(struct session *s, const char *why);
/* The hello is done. */
void session_open(struct session *s);
/* Reads on, or not, after in_flight or outgoing changed. */
void session_update(struct session *s);

/*
 * Sends, and false if that was the session's end: @s is gone. An answer makes room for one request more.
 * Descriptors stay the caller's.
 */
bool session_send(struct session *s, const struct wire_wr *w, const int *fds, int nfds);
bool session_answer(struct session *s, const struct wire_wr *w, const int *fds, int nfds);
/* May it be sent a descriptor? Not while it has unread ones. True counts. */
bool session_take_pidfd(struct session *s);
/* The request that was read last is not waited for like others: it makes room for another at once. */
void session_unasked(struct session *s);
/* MSG_ERROR as the answer; what is not printable in the detail becomes '?'. */
bool session_error(struct session *s, uint32_t serial, enum status status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
