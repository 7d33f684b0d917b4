/* SPDX-License-Identifier: MIT */
/*
 * The resolver's parts put together, and its two channels. Runs in: resolver. Trusts: that monitor and frontend send
 * well-formed records, and ends when one is not.
 */
#ifndef RESOLVER_RESOLVER_H
#define RESOLVER_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/ipc.h"
#include "engine.h"
#include "lxc_ask.h"
#include "mounts.h"
#include "published.h"
#include "walk.h"

#define RESOLVER_ROOTS_MAX 4096
#define RESOLVER_CGROUPS "/sys/fs/cgroup"
#define RESOLVER_SYNCS_MAX 256 /* in flight; the frontend has one */
#define RESOLVER_QUESTIONS_MAX 256 /* likewise; the frontend has a few */
#define EX_ROOTS 75 /* the engines' directories are not those of the start: start me again */
#define EX_PROTOCOL 76

/* A configured directory, and whether it is still the one that we may read. */
struct root {
	struct engine_dir dir;
	struct chain chain;
	struct resolver *resolver;
	bool open;
	/* Of a user: */
	struct walk walk; /* how to go there */
	int fd; /* O_PATH, from before the lock-in; -1: there was none */
	uint64_t mounts; /* what is mounted on the way, as of the last look */
	bool left; /* it has changed: the next resolver may read what is there now */
};

/* FIND_PROCESS, FACTS_REQ */
struct question {
	uint16_t type;
	uint64_t token;
	uint32_t pid;
	uint64_t rid;
};

struct resolver {
	struct loop loop;
	struct watcher watch;
	struct watcher
		users_watch; /* a user who floods it makes the users' directories be looked at again, not the system's */
	struct table table;
	struct table_sink sink;
	struct published published;
	struct lxc_asker asker;
	struct engine_ctx ctx, users_ctx;
	struct root **roots;
	unsigned nroots;
	struct owner **owners;
	unsigned nowners;
	struct mounts mounts;
	struct timer mounts_due, users_later, users_rescan_due;
	uint64_t users_rescanned_ms;
	struct source inotify, users_inotify, mountinfo, ends, monitor, frontend;
	struct ipc_in in;

	struct timer rest; /* runs: no changes are read unless somebody asks */

	/* What waits until everything that has happened is known. */
	bool fresh; /* something of it came in this round: read events before it is answered */
	bool end_due; /* INDEX_END */
	uint64_t syncs[RESOLVER_SYNCS_MAX];
	unsigned nsyncs;
	struct question questions[RESOLVER_QUESTIONS_MAX];
	unsigned nquestions;
	struct timer deadline;
	bool late; /* the deadline has passed */
	int status; /* exit status once the loop has stopped */
};

/* Before the lock-in: everything that takes calls which are forbidden later. The monitor's channel is @monitor_fd.
 * 0 or -errno. */
int resolver_init(struct resolver *r, int monitor_fd);
/* An argument: "podman=/var/lib/containers/storage"; or a user, as "@" and what owner_parse() takes, and after it his directories,
 * "podman@1000=/home/alice/.local/share/containers/storage". False: no such engine or user, not absolute, or too many. */
bool resolver_add(struct resolver *r, const char *argument);
/* After the lock-in: opens the directories that there were before it. */
void resolver_open(struct resolver *r);
/* Until something ends it; the exit status. */
int resolver_run(struct resolver *r);
/* One round, for resolver_run() and for tests. 0 or -errno. */
int resolver_once(struct resolver *r, int timeout_ms);
/*
 * A look at what changed took so long: changes wait that long, and are looked at together, for some files list all containers and
 * change with each of them. Events stay in the kernel, in their order, so that no engine gets ahead of another; who asks does not
 * wait.
 */
void resolver_rest(struct resolver *r, uint64_t took_ms);
void resolver_stop(struct resolver *r, int status);
void resolver_fini(struct resolver *r);

/* roots.c. What changed in the roots, in the parts of one round. */
void roots_settle(struct resolver *r);
void roots_rescan(struct resolver *r, bool users);
void roots_fini(struct resolver *r);
/* What Landlock is to let us read of @root; @buffer is for the case that it is a descriptor. NULL: nothing. */
const char *root_readable(const struct root *root, char buffer[32]);
/* The monitor's answer: whether to start again for the user @uid. */
bool roots_answered(struct resolver *r, uint32_t uid, bool now);
/* May no answer be given yet, because a user's directory has just appeared, and the monitor has not said what of it? */
bool roots_asking(const struct resolver *r);
/* Mounts have changed. */
void roots_remounted(struct resolver *r);

/* frontend_link.c. Sends block: the frontend reads always. When it is gone the next one gets everything anew. */
void frontend_init(struct resolver *r);
int frontend_connect(struct resolver *r, int fd); /* takes @fd */
void frontend_lose(struct resolver *r);
void frontend_tell_end(struct resolver *r);
void frontend_tell_synced(struct resolver *r, uint64_t token);
void frontend_answer(struct resolver *r, const struct question *q);

/* monitor_link.c */
void monitor_tell_moved(struct resolver *r, uint32_t uid);
void monitor_ready(struct source *s, uint32_t events);
void monitor_ask(struct lxc_asker *k, const struct ipc_lxc_ask *m);
void monitor_ask_fifo(struct lxc_asker *k, const struct ipc_lxc_fifo *m);

#endif
