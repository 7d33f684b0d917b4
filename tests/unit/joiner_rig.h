/* SPDX-License-Identifier: MIT */
/*
 * The real joiner, confined as in service, with the test at the other ends of its channels; and processes for it to ask
 * about. Needs root.
 */
#ifndef UNIT_JOINER_RIG_H
#define UNIT_JOINER_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../server/common/ipc.h"

#define JOINER_UID 64103
#define JOINER_HOME_FD 4 /* what the joiner opens first is the next free number */

/* A joiner, and the two ends that belong to the monitor and the frontend. */
struct joiner {
	pid_t pid;
	int monitor, frontend;
	bool lost; /* its way home is cut */
};

extern int joiner_binary; /* open; beside the directory of this test */

int joiner_find_binary(void **state);
/* Nothing is started without root. The second: with its way home cut. */
int joiner_setup(void **state);
int joiner_setup_lost(void **state);
int joiner_teardown(void **state);
void joiner_start(struct joiner *j);
/* Its wait(2) word, when it has been given its reason to end. */
int joiner_ended(struct joiner *j);
void joiner_send_fd(int fd, struct wire_wr *w, int passed);
void joiner_send_peer(struct joiner *j, uint32_t who);
void joiner_send_join(struct joiner *j, uint64_t token, int fd);
/* The errno of the answer; the name as it came, and a NUL. */
uint32_t joiner_ask(struct joiner *j, int fd, char *name, size_t *len);

/* A process in a UTS namespace of its own, which takes the names that it is told. */
struct box {
	pid_t pid;
	int pidfd;
	int talk; /* a name goes in, a byte comes back */
};

void box_start(struct box *b, const char *name, int flags);
void box_name(struct box *b, const char *name, size_t len);
void box_end(struct box *b);

#endif
