/* SPDX-License-Identifier: MIT */
/*
 * The three confined processes: started, checked, supervised. Runs in: monitor. Trusts: nothing they say, and that they
 * are confined only because the kernel shows it.
 *
 * One that ends is started again, for ever; one that talks nonsense, or stops taking its messages, was taken over or is broken, and is
 * killed. No byte is sent to one before /proc/PID/status has shown what it may do.
 */
#ifndef MONITOR_CONFINED_H
#define MONITOR_CONFINED_H

#include "../common/ipc.h"
#include "../common/loop.h"
#include "../common/procfd.h"
#include "config.h"
#include "keeper_link.h"
#include "outbox.h"

#define CONFINED_READY_MS 15000 /* to lock itself in */
#define CONFINED_STUCK_MS 5000 /* to take a message */
#define CONFINED_STEADY_MS 10000 /* after so long, an end is not the last one's sequel */
#define CONFINED_DELAY_MIN_MS 50
#define CONFINED_DELAY_MAX_MS 5000

#define CONFINED_EXIT_RELOAD 75 /* resolver: its rules name directories that were replaced */

enum confined_state {
	CONFINED_NONE, /* not running; perhaps to be started at a time */
	CONFINED_STARTING, /* executed, not READY yet: nothing is sent */
	CONFINED_RUNNING,
	CONFINED_ENDING, /* killed, or its channel closed: not gone yet */
};

struct confined;

struct confined_events {
	void (*ready)(struct confined *c);
	/* A record. 0, or negative: nonsense. */
	int (*record)(struct confined *c, struct ipc_in *in);
	void (*drained)(struct confined *c); /* all that waited was sent */
	void (*ended)(struct confined *c); /* reaped; it will be started again */
};

/* What they have in common. */
struct confined_env {
	struct loop *loop;
	struct keeper_link *keeper;
	const struct config *config;
	const char *libexec; /* directory of the binaries */
	int proc; /* /proc */
	uint32_t ready_ms, stuck_ms; /* the deadlines above */
	const struct confined_events *events;
	struct ipc_in in;
};

struct confined {
	struct confined_env *env;
	enum confined_kind kind;
	enum confined_state state;
	pid_t pid;
	uint64_t key; /* with the keeper */
	struct source channel, process;
	struct timer timer; /* STARTING: the deadline; NONE: the next start */
	struct timer stuck;
	struct outbox out;
	uint64_t started_ms;
	uint64_t delay_ms; /* before the next restart but one */
	uint32_t failures; /* ends in a row before READY */
	bool refused; /* by confined_try(): drained() is owed */
	bool excused; /* its end is expected: no delay, no alarm */
	bool stopped; /* not to be started again */
};

void confined_init(struct confined *c, struct confined_env *env, enum confined_kind kind);
const char *confined_name(const struct confined *c);
void confined_start(struct confined *c);
/* Sends now or later; what is sent to one that is not RUNNING is lost with it. */
void confined_send(struct confined *c, const struct wire_wr *w, const int *fds, int nfds);
/* Sends now or not at all: -EAGAIN, and drained() will be called; -ENOTCONN when it is not RUNNING. */
int confined_try(struct confined *c, const struct wire_wr *w, const int *fds, int nfds);
void confined_kill(struct confined *c, const char *why);
/* Kills it and waits for its end; it is not started again. */
void confined_stop(struct confined *c);

/* --- parts, in their own files --- */

/* What a process of this kind is granted; also what its status must show. */
uint64_t confined_caps(enum confined_kind kind);
const char *confined_binary(enum confined_kind kind);
/* In the child: confines itself and executes. Does not return. */
void confined_exec(const struct confined_env *env, enum confined_kind kind, int channel) __attribute__((noreturn));
/* NULL, or what of @s a process of @kind must not have. */
const char *confined_judge(const struct config_user *user, enum confined_kind kind, const struct proc_status *s);

#endif
