/* SPDX-License-Identifier: MIT */
/* The programs module between a keeper and a monitor that only take notes. */
#ifndef TESTS_PROGRAM_RIG_H
#define TESTS_PROGRAM_RIG_H

#include "../../proto/proto.h"
#include "../../server/monitor/program.h"
#include "tree.h"

enum answer { NO_ANSWER, STARTED, FAILED, WAITED, TERMINATED };

struct note {
	enum answer answer;
	uint64_t session;
	uint32_t serial, pid, status; /* wait word, or enum status */
	uint64_t instance;
	int fds[3], nfds;
	char detail[ROOT_DETAIL_MAX + 1];
};

/* What the keeper has. */
struct kept {
	struct ipc_item item;
	char record[IPC_OPAQUE_MAX];
	int fd;
	int puts;
	bool orphan; /* of an earlier monitor: the keeper's to reap */
};

#define SESSION 7u

extern struct programs *programs;
extern struct catalogue *catalogue;
extern struct config config;
extern struct note notes[2048];
extern int nnotes;
extern struct kept kept[512];
extern int nkept;

int rig_make(void **state); /* group: the tree, its scripts and entries */
int rig_remove(void **state);
int rig_new(void **state); /* each test */
int rig_free(void **state); /* also checks that nothing is left: no child, no descriptor, no item */
/* A new monitor: takes over what the keeper has, as @exists says of the sessions. */
void rig_replace(bool (*exists)(void *data, uint64_t session));
/* The keeper waits for and reaps a program that is its child by now. */
void rig_keeper_reaps(pid_t pid);

/* Requests, as uid 1000 of the host unless said otherwise. */
void start_as(uid_t uid, uint64_t session, uint32_t serial, const char *label, struct str args, uint32_t ipc,
	      uint32_t flags);
void start(uint32_t serial, const char *label);
void wait_for(uint64_t session, uint32_t serial, uint32_t pid, uint64_t ack);
void ack(uint64_t session, uint64_t instance);
void cancel(uint64_t session, uint32_t serial, uint32_t start);
void terminate(uint64_t session, uint32_t serial, uint32_t pid);

/* The answer to @serial of @session: awaited for 20 seconds at most; the last if there are several. */
struct note *answer_to(uint64_t session, uint32_t serial);
struct note *note_of(uint64_t session, uint32_t serial); /* NULL: not there (yet) */
/* Lets the loop turn for as long as there is something to do, and at least @ms. */
void turn(int ms);
/* Starts and awaits it; the pid. */
uint32_t started(uint32_t serial, const char *label);
/* Waits, acknowledges; the status. */
uint32_t finished(uint32_t serial, uint32_t pid);
void expect_failure(uint64_t session, uint32_t serial, uint16_t status, const char *text);
struct kept *kept_of(uint32_t pid);
/* All programs have been ended and forgotten: awaited for 20 seconds at most. */
void rig_until_none(void);
bool process_exists(pid_t pid);
void await_file(const char *name);

#endif
