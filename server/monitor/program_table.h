/* SPDX-License-Identifier: MIT */
/*
 * The programs and their owners, and how they are found. Private to program*.c. Runs in: monitor.
 */
#ifndef MONITOR_PROGRAM_TABLE_H
#define MONITOR_PROGRAM_TABLE_H

#include "../../proto/proto.h"
#include "../common/list.h"
#include "cgroup.h"
#include "marked.h"
#include "program.h"
#include "spawn.h"

#define PROGRAM_BUCKETS 1024
#define PROGRAM_LAST_WORD_MS 1000 /* from SIGKILL to the answer that it is still there */

/* As the keeper's records have it: numbers are for ever. */
enum program_state { PROGRAM_STARTING = 1, PROGRAM_RUNNING = 2, PROGRAM_TERMINATING = 3 };
/* How far its termination is. */
enum program_phase { PHASE_NONE, PHASE_GRACE, PHASE_KILLED, PHASE_STILL_THERE };

/* A request that waits for its answer. */
struct pending {
	struct list link; /* client.waits, or program.enders */
	uint32_t serial;
	uint32_t pid; /* of a wait; 0: any */
};

/* A session, as long as it has a program or a wait here. */
struct client {
	struct list by_session;
	uint64_t session;
	struct list programs; /* all of them */
	struct list ended; /* those whose status has not been delivered, the oldest first */
	struct list delivered; /* and those whose has, but was not acknowledged */
	struct list waits;
	uint32_t npending; /* waits and terminations */
};

struct program {
	struct programs *all;
	struct list by_key, by_pid, of_client, of_status;
	uint64_t key; /* of the keeper's item; also its instance */
	struct client *client; /* NULL: nobody's any more, ended and forgotten as soon as can be */
	uid_t uid; /* whose session it was started by */
	char name[ROOT_PROGRAM_MAX + 1];
	int entry; /* in the catalogue; -1: not there any more */
	enum program_state state;
	bool child; /* of this process; else the keeper reaps it */
	bool dead; /* has ended; what it has started may still have to */
	bool exited, delivered; /* its status is there; has been told */
	uint32_t status; /* its wait(2) word */
	uint32_t start_serial, wait_serial; /* of the start; of the wait that its status was delivered to */
	uint32_t grace_ms;
	int stop_signal;
	enum program_phase phase;
	struct timer timer;
	struct list enders;
	char cgroup[CGROUP_NAME_MAX + 1]; /* below the mount; "": by its mark */
	struct marked tree; /* mark 0: by its cgroup */
	bool tree_gone; /* none of its processes is left, since it was killed */
	struct spawn spawn;
	struct source control, exit, events;
};

struct user_count {
	struct list by_uid;
	uid_t uid;
	uint32_t n;
};

struct programs {
	struct loop *loop;
	struct keeper_link *keeper;
	const struct config *config;
	struct catalogue *catalogue;
	struct program_replies replies;
	void *data;
	struct cgroups cgroups;
	struct walk walk;
	uint32_t count;
	uint32_t *instances; /* of each entry, not exited */
	struct list by_key[PROGRAM_BUCKETS], by_pid[PROGRAM_BUCKETS];
	struct list clients[PROGRAM_BUCKETS], users[PROGRAM_BUCKETS];
};

/* program_table.c: finding, adding, removing */
struct program *program_by_key(struct programs *p, uint64_t key);
struct program *program_by_pid(struct programs *p, pid_t pid);
/* One that the session may wait for or terminate; NULL if it is none of its own, or does not run yet. */
struct program *program_of(struct programs *p, uint64_t session, uint32_t pid);
struct client *client_find(struct programs *p, uint64_t session);
struct client *client_get(struct programs *p, uint64_t session); /* made if need be; NULL: out of memory */
void client_put(struct client *c); /* freed if it has nothing left */
uint32_t programs_of_uid(struct programs *p, uid_t uid);
/* Unlinked, without descriptors; NULL: out of memory. */
struct program *program_new(struct programs *p);
/* Enters @pr, whose key, pid, uid and entry are set. 0 or -ENOMEM. */
int program_add(struct program *pr, struct client *c);
/* Takes it from its client, which is told if it waits for what is gone. */
void program_orphan(struct program *pr);
/* It has exited, and nobody will ask for it again: the keeper forgets it, it is reaped, @pr is freed. */
void program_remove(struct program *pr);
void program_free(struct program *pr);

/* program_wait.c */
struct pending *pending_find(struct list *head, uint32_t serial);
int pending_add(struct client *c, struct list *head, uint32_t serial,
		uint32_t pid); /* 0, -EAGAIN (too many), -ENOMEM */
void pending_free(struct client *c, struct pending *w);
void wait_program_ended(struct program *pr); /* its status is there: whoever waits gets it */
void wait_program_gone(struct programs *p, struct client *c,
		       uint32_t pid); /* whoever still waits for it waits in vain */

/* program_end.c */
int program_watch(struct program *pr); /* for its exit. 0 or -errno */
void program_end(struct program *pr); /* stop signal, grace, SIGKILL */
void program_kill(struct program *pr); /* SIGKILL at once, to all that it has started too; may free it if it is dead */
void program_ended(struct program *pr, uint32_t status);
void program_answer_enders(struct program *pr, uint16_t status);

/* program_keep.c */
void program_keep(struct program *pr, int pidfd); /* puts its record; @pidfd -1: a new record for an old key */

/* program.c */
void program_failed(struct programs *p, uint64_t session, uint32_t serial, uint16_t status, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
