/* SPDX-License-Identifier: MIT */
/* The engines of users: how often the resolver is started again for one. Runs in: monitor. See rootless.h. */
#include <errno.h>

#include "monitor.h"

/* Each restart is paid for with an interval; credit is given for a burst of them. How long until the next one can be paid. */
static uint64_t wait_ms(const struct rootless_rate *rate, uint64_t now, uint64_t interval, uint64_t burst)
{
	uint64_t from = rate->paid_ms > now ? rate->paid_ms : now, due = from + interval;

	return due > now + burst * interval ? due - now - burst * interval : 0;
}

static void pay(struct rootless_rate *rate, uint64_t now, uint64_t interval)
{
	rate->paid_ms = (rate->paid_ms > now ? rate->paid_ms : now) + interval;
	rate->waits = false;
}

static void answer(struct monitor *m, uint32_t uid, bool now)
{
	struct ipc_moved a = {.uid = uid, .now = now};
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_MOVED_REPLY, 0);
	(void)put_ipc_moved(&w, &a);
	confined_send(&m->confined[CONFINED_RESOLVER], &w, NULL, 0);
}

static uint64_t wait_of(const struct monitor *m, int user, uint64_t now)
{
	const struct rootless_gate *g = &m->rootless;
	uint64_t own = wait_ms(&g->users[user], now, ROOTLESS_USER_MS, ROOTLESS_USER_BURST),
		 all = wait_ms(&g->all, now, ROOTLESS_ALL_MS, ROOTLESS_ALL_BURST);

	return own > all ? own : all;
}

static void restart(struct monitor *m, int user, uint64_t now)
{
	pay(&m->rootless.users[user], now, ROOTLESS_USER_MS);
	pay(&m->rootless.all, now, ROOTLESS_ALL_MS);
	answer(m, m->config->rootless[user].uid, true);
}

/* For the one who has waited longest for his turn; the others are served by the same. */
static void on_timer(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, rootless.timer);
	uint64_t now = loop_now_ms(), soonest = 0;

	for (int i = 0; i < m->config->nrootless; i++) {
		uint64_t wait;

		if (!m->rootless.users[i].waits)
			continue;
		wait = wait_of(m, i, now);
		if (wait == 0) {
			restart(m, i, now);
			return;
		}
		if (soonest == 0 || wait < soonest)
			soonest = wait;
	}
	if (soonest > 0)
		timer_set(&m->loop, t, soonest);
}

static void make_wait(struct monitor *m, int user, uint64_t wait)
{
	struct rootless_rate *rate = &m->rootless.users[user];
	struct timer *t = &m->rootless.timer;

	/* Nothing is said of one who waits because of all the others. */
	if (!rate->said && wait_ms(rate, loop_now_ms(), ROOTLESS_USER_MS, ROOTLESS_USER_BURST) > 0) {
		rate->said = true;
		log_warning("the directories of user %s's engines come and go all the time: the next look is in %llu s",
			    m->config->rootless[user].name, (unsigned long long)(wait + 999) / 1000);
	}
	rate->waits = true;
	answer(m, m->config->rootless[user].uid, false);
	if (t->deadline_ms == 0 || t->deadline_ms > loop_now_ms() + wait)
		timer_set(&m->loop, t, wait);
}

int rootless_gate_moved(struct monitor *m, const struct ipc_moved *q)
{
	uint64_t now = loop_now_ms();

	for (int i = 0; i < m->config->nrootless; i++) {
		uint64_t wait;

		if (m->config->rootless[i].uid != q->uid)
			continue;
		if (m->rootless.users[i].paid_ms <= now)
			m->rootless.users[i].said = false; /* calm since long */
		wait = wait_of(m, i, now);
		if (wait == 0)
			restart(m, i, now);
		else
			make_wait(m, i, wait);
		return 0;
	}
	return -EBADMSG;
}

void rootless_gate_ended(struct monitor *m)
{
	timer_cancel(&m->loop, &m->rootless.timer);
	for (int i = 0; i < m->config->nrootless; i++)
		m->rootless.users[i].waits = false;
}

void rootless_gate_init(struct monitor *m)
{
	m->rootless = (struct rootless_gate){.timer.expired = on_timer};
}
