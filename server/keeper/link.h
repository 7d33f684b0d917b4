/* SPDX-License-Identifier: MIT */
/*
 * The monitor's records. Runs in: keeper. Trusts: the monitor to be root's; a record that does not decode ends it.
 *
 * Nothing here waits: the keeper must hear its signals and children whatever the monitor does.
 */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include "listen.h"
#include "store.h"

struct link {
	int fd; /* the channel; -1: no monitor */
	struct store store;
	struct listener listener;
	bool due; /* there may be something to say */
	bool handed_over; /* ITEMS_END was sent */
	bool answer_bind;
	struct ipc_listener answer; /* if it failed, its text is in @trouble */
	char trouble[256];
	bool serving; /* the monitor said so */
};
#define LINK_NONE                                   \
	{                                           \
		.fd = -1, .listener = LISTENER_NONE \
	}

/* A new monitor: takes @fd; everything in the store is to be handed over. */
void link_open(struct link *l, int fd);
void link_close(struct link *l);
/* Reads and does all that has arrived. 0; -EPIPE: the monitor has closed its end; -EBADMSG: nonsense; -errno. */
int link_drain(struct link *l);
#define LINK_FULL 1
#define LINK_LATER 2
/* Says what is due. 0: all of it; LINK_FULL: go on when the channel has room; LINK_LATER: in a while; -errno. */
int link_pump(struct link *l);
/* A child was reaped. */
void link_exited(struct link *l, uint32_t pid, uint32_t status);

#endif
