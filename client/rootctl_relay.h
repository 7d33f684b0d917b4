/* SPDX-License-Identifier: MIT */
/*
 * Copies bytes between a program and our own standard descriptors. Runs in: rootctl.
 *
 * The program's side is ours and does not block; standard descriptors may be shared with others, so their flags are left alone:
 * they are read when poll(2) says that there is something, and written PIPE_BUF bytes at a time when it says that
 * there is room.
 */
#ifndef ROOTCTL_RELAY_H
#define ROOTCTL_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct relay {
	int from, to;
	int own; /* the program's one of the two: closed when the relay ends */
	bool ended;
	bool last; /* no more than @left is to be read */
	size_t left;
	size_t at, len; /* what of @buf is to be written */
	char buf[16384];
};

#define RELAY_POLLS 2 /* entries that each relay needs */

void relay_init(struct relay *r, int from, int to, int own);
/* Fills RELAY_POLLS entries, those of an ended relay with descriptor -1. */
void relay_poll(const struct relay *r, struct pollfd *p);
/* Copies what poll(2) found possible. */
void relay_run(struct relay *r, const struct pollfd *p);
/*
 * The program has ended: what it wrote is in the pipe by now, and what others that it left behind may still write is
 * not waited for.
 */
void relay_finish(struct relay *r);
void relay_end(struct relay *r);

#endif
