/* SPDX-License-Identifier: MIT */
/* Clients of the broker that ask about a farm's containers, and compare each answer with the oracle. */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include "truth.h"

enum what { ASK_HOSTNAME, ASK_PID, ASK_CGROUP, ASK_RECORD, ASK_MISSING, ASK_LISTING, ASKS };
extern const char *const ask_names[ASKS];

/* Times, within an eighth. */
#define BUCKETS 512
struct times {
	_Atomic uint32_t n[BUCKETS];
};
void times_add(struct times *t, double seconds);
double times_quantile(const struct times *t, double q); /* in microseconds; 0: none */

/* Of all clients together, in shared memory. */
struct score {
	_Atomic uint64_t right, wrong;
	_Atomic uint64_t late; /* true a moment before the question: the name that a live container had */
	_Atomic uint64_t late_us; /* the latest of them: after the change was complete */
	_Atomic uint64_t retry; /* "try again" */
	_Atomic uint64_t unknown; /* too many changes meanwhile to tell */
	_Atomic uint64_t changing; /* right answers that came while their container changed */
	_Atomic bool stop;
	struct times times[ASKS];
};

/* Shared with every process that is forked later. */
struct score *score_new(void);

/*
 * A process of the unprivileged user @uid, with @threads that ask about containers chosen at random, with @pause_us between answer
 * and question, and one that lists all of them. Ends when @score->stop says so. Its pid.
 */
int ask_begin(const char *socket, struct oracle *o, struct score *score, unsigned uid, int threads, unsigned pause_us);
/* Waits for it. */
void ask_end(struct score *score, int pid);

/* Asks over @fd about each container, in every way, and for the listing. */
void ask_all(int fd, struct oracle *o, struct score *score);
/* The PID of the container @s, asked for until it is right; wrong answers are counted. */
void ask_pid(int fd, const struct slot *s, struct score *score);

#endif
