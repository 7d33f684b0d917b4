/* SPDX-License-Identifier: MIT */
/* For tests of the LXC engine: our monitor's side, and an LXC monitor's answers. */
#ifndef TESTS_LXC_RIG_H
#define TESTS_LXC_RIG_H

#include "../../server/resolver/lxc_fifo.h"
#include "resolver_rig.h"

#define ASKS_MAX 1024

/* As LXC sends it. */
struct reply {
	int32_t ret, datalen;
	uint64_t data;
};

struct message {
	int32_t type;
	char name[256];
	int32_t value;
};
#define SAYS_STATE 0
#define SAYS_EXIT 2

/* What the resolver asked of our monitor, and has not got yet. */
struct lxc_asked {
	struct ipc_lxc_ask m;
	char name[ROOT_ID_MAX + 1];
};
extern struct lxc_asked asks[ASKS_MAX];
extern unsigned nasks, total, fifo_asks;

int lxc_rig_setup(void **state); /* cmocka; *state is a struct rig with an LXC engine */
int lxc_rig_teardown(void **state);
void lxc_make_container(const struct rig *g, const char *name);
uint64_t lxc_asked(const char *name, enum ipc_lxc_command command);
void lxc_refuse(struct rig *g, uint64_t token, int error);
int lxc_connected(struct rig *g, uint64_t token);
void lxc_send_bytes(int fd, const void *bytes, size_t len, const int *passed, int n);
void lxc_turn(struct rig *g);
void lxc_say(struct rig *g, uint64_t token, const void *bytes, size_t len, const int *passed, int n);
void lxc_say_state(struct rig *g, uint64_t token, enum lxc_state state);
void lxc_say_init(struct rig *g, uint64_t token, const struct rig_child *c);
int lxc_say_watched(struct rig *g, uint64_t token);
int lxc_run_container(struct rig *g, const char *name, const struct rig_child *c);
void lxc_assert_state(const struct rig *g, const char *name, uint32_t state, pid_t pid);
void lxc_wait_for_ask(struct rig *g);

/* The fifo of the @dir-th directory of the rig: made and given to the resolver, which asked for it, or not; and what LXC writes. */
const char *lxc_fifo_path(const struct rig *g, unsigned dir);
void lxc_give_fifo(struct rig *g, unsigned dir);
void lxc_refuse_fifo(struct rig *g, unsigned dir, int error);
void lxc_write_fifo(const struct rig *g, unsigned dir, const void *bytes, size_t len);
void lxc_fifo_says(const struct rig *g, const char *name, int type, int value); /* of the first directory */

#endif
