/* SPDX-License-Identifier: MIT */
/*
 * Sessions that wait for changes. Runs in: frontend.
 *
 * A session has one watch at a time, and it waits as long as it likes: it does not count among the requests that are in flight. Nothing
 * is kept for a watcher but where it is; an answer is one page.
 */
#ifndef FRONTEND_WATCHERS_H
#define FRONTEND_WATCHERS_H

#include "../../proto/codec.h"
#include "../common/list.h"

struct frontend;
struct session;

/* Of a session. */
struct watcher {
	struct list waiting; /* in watchers.waiting, while there is nothing to tell */
	uint32_t serial;
	struct watch_request at;
};

struct watchers {
	struct list waiting;
};

void watchers_init(struct frontend *f);
/* CONTAINER_WATCH. The session may be gone afterwards. */
void watcher_ask(struct session *s, uint32_t serial, const struct watch_request *at);
void watcher_forget(struct session *s);
/* Tells those who wait what there is to tell by now. */
void watchers_wake(struct frontend *f);

#endif
