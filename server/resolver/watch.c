/* SPDX-License-Identifier: MIT */
/* Watched directories. Runs in: resolver. See watch.h. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>

#include "../common/cleanup.h"
#include "../common/loop.h"
#include "mem.h"

#define EVENT_BUFFER (64 * 1024)
#define DRAIN_READS 128 /* more than the kernel keeps: 16384 events of at most 272 bytes, unless its limit was raised */

struct watch {
	struct map_node node;
	int wd;
	struct listener *listeners;
};

int watch_init(struct watcher *w)
{
	*w = (struct watcher){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
	return w->fd < 0 ? -errno : 0;
}

static struct watch *find(const struct watcher *w, int wd)
{
	for (struct map_node *n = map_find(&w->by_wd, map_hash_number((uint64_t)wd)); n; n = map_find_next(n)) {
		struct watch *d = container_of(n, struct watch, node);

		if (d->wd == wd)
			return d;
	}
	return NULL;
}

static void forget(struct watcher *w, struct watch *d)
{
	map_remove(&w->by_wd, &d->node);
	if (w->busy != d)
		free(d); /* else its listeners are being called: dispatch() frees it */
}

int watch_add(struct watcher *w, struct listener *l, int dirfd, uint32_t mask)
{
	char path[64];
	struct watch *d;
	int wd;

	/* By descriptor: the directory that was opened and looked at, whatever its path leads to by now. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	wd = inotify_add_watch(w->fd, path, mask | IN_ONLYDIR | IN_MASK_ADD);
	if (wd < 0) {
		if (errno == ENOSPC && !w->full) {
			log_error("no more directories can be watched: changes may be seen late: "
				  "raise fs.inotify.max_user_watches");
			w->full = true;
		}
		return -errno;
	}
	d = find(w, wd);
	if (l->on && l->on == d) {
		l->mask |= mask;
		return 0;
	}
	watch_remove(w, l);
	d = find(w, wd); /* the removed one may have been the last to listen there */
	if (!d) {
		d = mem_new(sizeof(*d));
		d->wd = wd;
		map_insert(&w->by_wd, &d->node, map_hash_number((uint64_t)wd));
	}
	l->mask = mask;
	l->on = d;
	l->next = d->listeners;
	d->listeners = l;
	return 0;
}

static void unlink_listener(struct watcher *w, struct listener *l)
{
	struct listener **at = &l->on->listeners;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (w->following == l)
		w->following = l->next;
	l->on = NULL;
	l->next = NULL;
}

void watch_remove(struct watcher *w, struct listener *l)
{
	struct watch *d = l->on;

	if (!d)
		return;
	unlink_listener(w, l);
	if (!d->listeners) {
		(void)inotify_rm_watch(w->fd, d->wd);
		forget(w, d);
	}
}

static void dispatch(struct watcher *w, struct watch *d, const struct inotify_event *e)
{
	const char *name = e->len ? e->name : "";
	bool gone = e->mask & IN_IGNORED, kept;

	w->busy = d;
	for (struct listener *l = d->listeners; l; l = w->following) {
		w->following = l->next;
		if (gone)
			unlink_listener(w, l);
		if (gone || (e->mask & (l->mask | IN_UNMOUNT)))
			l->event(l, e->mask, name);
	}
	w->busy = NULL;
	w->following = NULL;
	kept = find(w, e->wd) == d;
	if (kept && gone)
		map_remove(&w->by_wd, &d->node);
	if (!kept || gone)
		free(d);
}

static void one_event(struct watcher *w, const struct inotify_event *e)
{
	struct watch *d;

	if (e->mask & IN_Q_OVERFLOW) {
		w->overflow = true;
		return;
	}
	d = find(w, e->wd); /* NULL: an event of before the watch was removed */
	if (d)
		dispatch(w, d, e);
}

int watch_drain(struct watcher *w)
{
	static char buf[EVENT_BUFFER] __attribute__((aligned(__alignof__(struct inotify_event))));

	/* Who makes events faster than they are read must not keep us here. */
	for (int i = 0; i < DRAIN_READS; i++) {
		ssize_t n = read(w->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			one_event(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	return 0;
}

void watch_fini(struct watcher *w)
{
	struct map_node *n;

	while ((n = map_any(&w->by_wd))) {
		struct watch *d = container_of(n, struct watch, node);

		while (d->listeners)
			unlink_listener(w, d->listeners);
		map_remove(&w->by_wd, n);
		free(d);
	}
	map_fini(&w->by_wd);
	close_fd(&w->fd);
}
