/* SPDX-License-Identifier: MIT */
/*
 * A monitor without processes around it: programs and confined processes are fakes that write down what they are asked.
 */
#ifndef TESTS_MONITOR_RIG_H
#define TESTS_MONITOR_RIG_H

#include "../../server/monitor/monitor.h"

#define RIG_CALLS_MAX 64

/* What the programs module was asked. */
struct rig_call {
	const char *what;
	uint64_t session;
	uint32_t serial;
	uint64_t value; /* the ack's instance, the pid, the cursor, the label's length */
};

/* A record to a confined process. */
struct rig_sent {
	enum confined_kind to;
	uint16_t type;
	uint32_t serial;
	struct ipc_in in; /* descriptors are copies, closed by rig_reset() */
};

struct rig {
	struct monitor m;
	struct config config;
	struct role roles[2];
	uid_t uid;
	struct rig_call calls[RIG_CALLS_MAX];
	int ncalls;
	struct rig_sent sent[RIG_CALLS_MAX];
	int nsent;
	int try_result; /* of confined_try(), if not 0 */
	int list_result; /* of programs_list() */
	int keeper; /* the keeper's end of the channel, or -1 */
};

extern struct rig rig;

/* Role 0 fits this process's uid and may do everything; the frontend runs. */
void rig_start(void);
void rig_end(void);
/* Forgets what was written down. */
void rig_reset(void);
/* The keeper hears what it is told from now on. */
void rig_with_keeper(void);
/* The next record to the keeper: its type, or 0. */
uint16_t rig_keeper_hears(struct ipc_in *in);
/* Until nothing is ready any more. */
void rig_settle(void);

#endif
