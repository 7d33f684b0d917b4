/* SPDX-License-Identifier: MIT */
/*
 * The event loop: descriptor -> callback, and deadlines. Runs in: monitor, frontend, resolver.
 *
 * Level-triggered epoll. Callbacks may add and remove any source or timer, their own too. With no timer armed the
 * process sleeps until a descriptor is ready.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BATCH 64

/* Embedded in whatever owns the descriptor; the owner closes it, after loop_del(). */
struct source {
	int fd;
	void (*ready)(struct source *s, uint32_t events);
	uint32_t events; /* what is asked for now; 0 when not in a loop */
};

struct timer {
	uint64_t deadline_ms; /* of loop_now_ms(); 0 when not armed */
	void (*expired)(struct timer *t);
	struct timer *next, *prev;
};

struct loop {
	int epoll_fd;
	bool stop;
	int pending;
	struct epoll_event batch[LOOP_BATCH];
	struct timer *timers, *last_timer; /* by deadline */
};

int loop_init(struct loop *l); /* 0 or -errno */
void loop_fini(struct loop *l);
/* @s->fd and @s->ready are set. 0 or -errno. */
int loop_add(struct loop *l, struct source *s, uint32_t events);
/* Changes what is asked for; 0 pauses the source (hang-ups are still reported by the kernel). */
int loop_mod(struct loop *l, struct source *s, uint32_t events);
/* Harmless when @s is not in the loop. Events already fetched for @s are forgotten. */
void loop_del(struct loop *l, struct source *s);

/* Milliseconds of CLOCK_BOOTTIME. */
uint64_t loop_now_ms(void);
/* Arms, or arms anew. @t->expired is set. */
void timer_set(struct loop *l, struct timer *t, uint64_t delay_ms);
void timer_cancel(struct loop *l, struct timer *t);

/* Until loop_stop(). 0, or -errno if waiting itself fails. */
int loop_run(struct loop *l);
/* One round: waits, dispatches what is ready, expires timers. For loop_run() and for tests. */
int loop_once(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l);

/* The structure that embeds a source or a timer. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
