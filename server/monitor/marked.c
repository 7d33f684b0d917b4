/* SPDX-License-Identifier: MIT */
/* Processes of a program that has no cgroup. Runs in: monitor. See marked.h. */
#include "marked.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "privilege.h"

#define SLICE 256 /* processes looked at before others are served */
#define PAUSE_MS 2 /* between two passes: the killed need a moment to go */
/* A child may get a number that the pass is beyond, from a parent that ends before the pass comes to it. */
#define EMPTY_PASSES 2
#define GROUPS_MAX (PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX)

gid_t mark_of(uint64_t key)
{
	return MARK_FIRST + (gid_t)(key % MARK_COUNT);
}

static struct marked *find(struct walk *w, int proc, pid_t pid)
{
	gid_t groups[GROUPS_MAX];
	int n = proc_read_groups(proc, pid, groups, GROUPS_MAX);

	/* The kernel sorts them, so a mark is among the last. */
	while (n-- > 0 && groups[n] >= MARK_FIRST) {
		for (struct list *l = w->all.next; l != &w->all; l = l->next) {
			struct marked *m = container_of(l, struct marked, link);

			if (m->mark == groups[n])
				return m;
		}
	}
	return NULL;
}

static void look_at(struct walk *w, pid_t pid)
{
	autoclose int pidfd = -1;
	struct marked *m;

	if (find(w, dirfd(w->proc), pid) == NULL)
		return;
	/* Pinned, then asked again: the number may be another's by now. */
	pidfd = procfd_open(pid);
	m = pidfd >= 0 ? find(w, dirfd(w->proc), pid) : NULL;
	if (m == NULL || !procfd_alive(pidfd))
		return;
	m->seen = true;
	(void)procfd_signal(pidfd, SIGKILL);
}

static void pass_ended(struct walk *w)
{
	struct list *l, *next;

	(void)closedir(w->proc);
	w->proc = NULL;
	for (l = w->all.next; l != &w->all; l = next) {
		struct marked *m = container_of(l, struct marked, link);

		next = l->next;
		m->empty = m->seen || m->fresh ? 0 : m->empty + 1;
		m->seen = false;
		if (m->empty < EMPTY_PASSES)
			continue;
		list_remove(&m->link);
		m->gone(m);
	}
}

static void on_timer(struct timer *t)
{
	struct walk *w = container_of(t, struct walk, timer);
	struct dirent *e = NULL;
	int n;

	if (w->proc == NULL) {
		w->proc = opendir("/proc");
		for (struct list *l = w->all.next; w->proc != NULL && l != &w->all; l = l->next)
			container_of(l, struct marked, link)->fresh = false;
	}
	for (n = 0; w->proc != NULL && n < SLICE && (e = readdir(w->proc)) != NULL; n++) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			look_at(w, (pid_t)strtol(e->d_name, NULL, 10));
	}
	if (w->proc != NULL && e == NULL)
		pass_ended(w);
	if (!list_empty(&w->all))
		timer_set(w->loop, t, w->proc != NULL ? 0 : PAUSE_MS);
}

void walk_init(struct walk *w, struct loop *loop)
{
	*w = (struct walk){.loop = loop, .timer = {.expired = on_timer}};
	list_init(&w->all);
}

void walk_fini(struct walk *w)
{
	timer_cancel(w->loop, &w->timer);
	if (w->proc != NULL)
		(void)closedir(w->proc);
	w->proc = NULL;
}

void walk_add(struct walk *w, struct marked *m)
{
	if (list_empty(&w->all))
		timer_set(w->loop, &w->timer, 0);
	m->fresh = true;
	m->seen = false;
	m->empty = 0;
	list_append(&w->all, &m->link);
}

void walk_remove(struct walk *w, struct marked *m)
{
	list_remove(&m->link);
	if (list_empty(&w->all))
		walk_fini(w);
}
