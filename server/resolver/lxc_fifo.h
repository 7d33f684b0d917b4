/* SPDX-License-Identifier: MIT */
/*
 * LXC's fifo of changes, of one lxcpath. Runs in: resolver. Trusts: that only root can write to it, and no more than that of what it
 * says.
 *
 * The monitors of all containers of an lxcpath write there each state that a container gets to, and how its init ended, in order; if
 * nobody reads, they write nothing. Its usual reader is lxc-monitord, for lxc-monitor(1). That one holds a lock, and comes first:
 * while there is one we read nothing, and try again later. Our monitor makes and opens the fifo.
 */
#ifndef RESOLVER_LXC_FIFO_H
#define RESOLVER_LXC_FIFO_H

#include "engine.h"
#include "lxc_ask.h"

struct lxc_message {
	bool exited; /* the init's end, and @status is its wait(2) word; otherwise @state */
	enum lxc_state state;
	uint32_t status;
};

struct lxc_fifo {
	struct engine_dir *dir;
	/* What is said of the container @name. */
	void (*heard)(struct lxc_fifo *f, const char *name, const struct lxc_message *m);
	/* It is read from now on, or is not read any more, or messages were lost: what happened meanwhile nobody has said. */
	void (*gap)(struct lxc_fifo *f);
	/* The rest is the fifo's. */
	struct source source; /* -1: not read now */
	struct chain chain; /* the directory that it is in */
	struct listener listener;
	struct timer timer; /* to ask for it again, or to go on reading */
	uint64_t delay_ms;
	bool asked, refused, look;
	struct lxc_fifo *next; /* of the asker's */
};

/* @f->heard and @f->gap are set. */
void lxc_fifo_open(struct lxc_fifo *f, struct engine_dir *d);
void lxc_fifo_close(struct lxc_fifo *f);
bool lxc_fifo_reads(const struct lxc_fifo *f);
/* Asks for it if it is not the one that is read. Then reads all that has been said. */
void lxc_fifo_settle(struct lxc_fifo *f);
void lxc_fifo_rescan(struct lxc_fifo *f);

/* What the monitor says; takes @fd (or -1). 0, or -EPROTO if it is no answer to what was asked. */
int lxc_fifo_answer(struct lxc_asker *k, const struct ipc_lxc_fifo_end *m, int fd);

#endif
