/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

const char *const engine_names[ENGINES] = {"crun", "runc", "podman"};

double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct oracle *oracle_new(unsigned nslots)
{
	size_t size = sizeof(struct oracle) + nslots * sizeof(struct slot);
	struct oracle *o = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (o == MAP_FAILED)
		return NULL;
	o->nslots = nslots;
	return o;
}

const struct truth *truth_now(const struct slot *s)
{
	return &s->truths[atomic_load(&s->seq) / 2 % TRUTHS_KEPT];
}

struct truth *truth_next(struct slot *s)
{
	struct truth *next = &s->truths[(atomic_load(&s->seq) / 2 + 1) % TRUTHS_KEPT];

	*next = *truth_now(s);
	next->via = 0;
	return next;
}

void truth_begin(struct oracle *o, struct slot *s)
{
	atomic_store(&o->changing, (uint32_t)(s - o->slots));
	atomic_fetch_add(&s->seq, 1);
}

void truth_end(struct oracle *o, struct slot *s)
{
	uint32_t n = atomic_load(&o->nrecent);

	s->truths[(atomic_load(&s->seq) / 2 + 1) % TRUTHS_KEPT].since = now();
	atomic_fetch_add(&s->seq, 1);
	atomic_store(&o->recent[n % RECENT_KEPT], (uint32_t)(s - o->slots));
	atomic_store(&o->nrecent, n + 1);
}

uint32_t window_open(const struct slot *s)
{
	return atomic_load(&s->seq);
}

bool window_close(const struct slot *s, uint32_t opened, struct window *ret)
{
	uint32_t closed = atomic_load(&s->seq), after;

	ret->from = opened / 2;
	ret->to = (closed + 1) / 2;
	memcpy(ret->truths, s->truths, sizeof(ret->truths));
	atomic_thread_fence(memory_order_seq_cst);
	/* The writer fills the next one before it says that it changes: that one, too, may be half written. */
	after = atomic_load(&s->seq) / 2 + 1;
	ret->oldest = after + 1 < TRUTHS_KEPT ? 0 : after + 1 - TRUTHS_KEPT;
	if (ret->from < ret->oldest)
		return false;
	ret->via = 0;
	for (uint32_t n = ret->from + 1; n <= ret->to; n++)
		ret->via |= ret->truths[n % TRUTHS_KEPT].via;
	return true;
}
