/* SPDX-License-Identifier: MIT */
/*
 * What is true of each container of a farm, at every moment: the oracle. The farm alone writes; clients in other processes read
 * it from shared memory, and judge by it what they are told.
 *
 * A slot is a container id. Its truths are numbered; a change leads from one to the next, and until it is complete either may be
 * told, and what lies between. No clock is involved: what was complete before a question was sent is no excuse.
 */
#ifndef BENCH_TRUTH_H
#define BENCH_TRUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rootbroker.h"

#define TRUTHS_KEPT 16
#define RECENT_KEPT 64

/* Ids that look random: the first word of podman's is the slot's number times the one; times the other it is the number. */
#define ID_MULTIPLIER 2654435761U
#define ID_INVERSE 244002641U

enum kind { ABSENT, STOPPED, RUNNING };
enum via { VIA_ABSENT = 1, VIA_STOPPED = 2 };
enum engine { CRUN, RUNC, PODMAN, ENGINES };
extern const char *const engine_names[ENGINES];

struct truth {
	uint32_t kind, via; /* via: what may be told while it comes about, besides it and the one before */
	int32_t pid;
	char name[48], hostname[48], cgroup[96];
	double since; /* when the change to it was complete */
};

struct slot {
	_Atomic uint32_t
		seq; /* twice the number of the truth that holds; odd while a change to the next one is under way */
	enum engine engine;
	char id[72];
	struct truth truths[TRUTHS_KEPT];
};

struct oracle {
	unsigned nslots;
	_Atomic uint32_t changing; /* the slot that is being changed, or was last */
	_Atomic uint32_t nrecent;
	_Atomic uint32_t recent[RECENT_KEPT]; /* slots that were changed a moment ago */
	struct slot slots[];
};

/* Shared with every process that is forked later; all slots are absent, and of no engine yet. */
struct oracle *oracle_new(unsigned nslots);

/* The writer. The truth to be filled: so far a copy of the one that holds. */
struct truth *truth_next(struct slot *s);
void truth_begin(struct oracle *o, struct slot *s); /* from here on it may be told */
void truth_end(struct oracle *o, struct slot *s); /* from here on it must be told */
const struct truth *truth_now(const struct slot *s);

/* The reader. All that may be told of a slot for a question that was asked between two moments. */
struct window {
	uint32_t from, to; /* numbers of truths */
	unsigned via;
	struct truth truths[TRUTHS_KEPT]; /* number n is in n % TRUTHS_KEPT; some from before @from, too */
	uint32_t oldest;
};

uint32_t window_open(const struct slot *s); /* before the question is sent */
/* After the answer came. False: more changes than are kept, and nothing can be said. */
bool window_close(const struct slot *s, uint32_t opened, struct window *ret);

double now(void); /* seconds */

#endif
