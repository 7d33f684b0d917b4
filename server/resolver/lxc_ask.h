/* SPDX-License-Identifier: MIT */
/*
 * Questions to the monitors of LXC containers. Runs in: resolver. Trusts: of an answer, nothing.
 *
 * An LXC container's state is behind a socket that answers only root or the owner. Our monitor connects, checks who listens, sends
 * one of three fixed requests and hands the socket over; here the answer is read, without waiting. There is no limit to the
 * time that an answer may take: a container that is being started answers when it has started, and one whose monitor ends closes
 * the socket. What takes longer than a moment is no longer waited for by anybody, and counts no longer against the limit.
 */
#ifndef RESOLVER_LXC_ASK_H
#define RESOLVER_LXC_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/ipc.h"
#include "../common/loop.h"
#include "map.h"

/* LXC's own numbers. */
enum lxc_state {
	LXC_STOPPED,
	LXC_STARTING,
	LXC_RUNNING,
	LXC_STOPPING,
	LXC_ABORTING,
	LXC_FREEZING,
	LXC_FROZEN,
	LXC_THAWED,
	LXC_STATES,
};

struct lxc_answer {
	int error; /* 0, or -errno: -ECONNREFUSED not running, -EPIPE its monitor ended before it answered,
				 * -EPERM somebody else's socket, or of a container, -EPROTO nonsense */
	enum lxc_state state; /* STATE; and WATCH: the state that it has got to */
	int pidfd; /* INIT_PIDFD: the asker's; else -1 */
};

struct lxc_asker;

struct lxc_ask {
	void (*answered)(struct lxc_ask *a, const struct lxc_answer *answer);
	/* The rest is the asker's. */
	struct lxc_asker *asker;
	uint64_t token; /* 0: not asking */
	uint32_t path;
	enum ipc_lxc_command command;
	const char *name;
	bool sent, waited_for, registered;
	struct source source;
	struct timer slow;
	struct map_node node;
	struct lxc_ask *next, *prev;
};

struct lxc_asker {
	struct loop *loop;
	int proc; /* /proc */
	/* Sends the question on to the monitor. */
	void (*send)(struct lxc_asker *k, const struct ipc_lxc_ask *m);
	/* The same for a fifo: lxc_fifo.h. */
	void (*send_fifo)(struct lxc_asker *k, const struct ipc_lxc_fifo *m);
	struct lxc_fifo *fifos;
	struct map by_token;
	struct lxc_ask *first, *last; /* not sent yet */
	unsigned waited_for; /* sent, and not slow */
	uint64_t last_token;
};

/* @a->answered is set. @name stays the caller's, and there, until the answer. */
void lxc_ask(struct lxc_asker *k, struct lxc_ask *a, uint32_t path, const char *name, enum ipc_lxc_command command);
bool lxc_asking(const struct lxc_ask *a);
void lxc_ask_cancel(struct lxc_ask *a);

/* What the monitor says; takes @fd (or -1). 0, or -EPROTO if it is no answer to what was asked. */
int lxc_asker_socket(struct lxc_asker *k, const struct ipc_lxc_socket *m, int fd);
/* Some question's answer is to be had in a moment. */
bool lxc_asker_busy(const struct lxc_asker *k);
void lxc_asker_fini(struct lxc_asker *k);

#endif
