/* SPDX-License-Identifier: MIT */
/*
 * Programs that run on behalf of sessions: start, wait, acknowledge, terminate. Runs in: monitor.
 *
 * A program belongs to the session that started it. Its status is delivered in answer to a wait, kept until the
 * client acknowledged it, and only then is the process reaped. When the session ends, its programs are terminated.
 * Each is known to the keeper from before its exec until it is reaped, so that a new monitor goes on where this one
 * was (programs_restore()).
 */
#ifndef MONITOR_PROGRAM_H
#define MONITOR_PROGRAM_H

#include "../common/loop.h"
#include "catalogue.h"
#include "keeper_link.h"
#include "policy.h"

struct programs;

/* Answers. Each request gets exactly one, now or later, unless its session ends first. Descriptors in @fds are
 * the programs module's and closed after the call. They must not call back into this module. */
struct program_replies {
	void (*started)(void *data, uint64_t session, uint32_t serial, const struct started_reply *m, const int *fds,
			int nfds);
	void (*failed)(void *data, uint64_t session, uint32_t serial, uint16_t status, const char *detail);
	void (*waited)(void *data, uint64_t session, uint32_t serial, const struct waited_reply *m);
	void (*terminated)(void *data, uint64_t session, uint32_t serial);
};

/* Who asks. */
struct program_owner {
	uint64_t session;
	uint64_t roles; /* as policy_rights() gave them */
	const struct peer *peer;
};

/* 0 or -errno. @replies and @config are kept. */
int programs_new(struct programs **ret, struct loop *loop, struct keeper_link *keeper, const struct config *config,
		 struct catalogue *catalogue, const struct program_replies *replies, void *data);
/* Lets go of everything without signalling any program. */
void programs_free(struct programs *p);

void programs_start(struct programs *p, const struct program_owner *owner, uint32_t serial,
		    const struct start_request *m);
/* A wait that is pending already (same session and serial: it was sent again after a restart) is not queued twice. */
void programs_wait(struct programs *p, uint64_t session, uint32_t serial, const struct wait_request *m);
void programs_ack(struct programs *p, uint64_t session, const struct ack_request *m);
void programs_terminate(struct programs *p, uint64_t session, uint32_t serial, const struct terminate_request *m);
/*
 * The answer to that start was lost: whatever it started is ended and forgotten, as when a session ends. Answered at once.
 */
void programs_cancel(struct programs *p, uint64_t session, uint32_t serial, const struct cancel_request *m);
/* Fills a page with the entries that the owner may start. */
ssize_t programs_list(struct programs *p, const struct program_owner *owner, const struct list_request *m,
		      struct wire_wr *w);
/* The client is gone: its waits are forgotten, its programs terminated and reaped. */
void programs_session_end(struct programs *p, uint64_t session);

/*
 * What an earlier monitor put and the keeper gave back; takes @pidfd. A program whose start had not been answered yet, or whose
 * record is not understood, is killed. After the last one programs_restored() ends those whose session is gone:
 * @session_exists tells.
 */
void programs_restore(struct programs *p, const struct ipc_item *item, int pidfd);
void programs_restored(struct programs *p, bool (*session_exists)(void *data, uint64_t session));
/* The keeper reaped an orphan. */
void programs_exited(struct programs *p, uint64_t key, uint32_t status);

/* How many there are, and how many of a uid. */
uint32_t programs_count(const struct programs *p);

#endif
