/* SPDX-License-Identifier: MIT */
/* One LXC container. Runs in: resolver. See lxc_container.h. */
#include "lxc_container.h"

#include <errno.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "../common/procfd.h"

#define FIRST_TRY_MS 20
#define CALM_MS 250
#define CALM_HINTS 4 /* in that time */

/* What clients are told. */
static const uint32_t shown[LXC_STATES] = {
	[LXC_STOPPED] = ROOT_CONTAINER_STOPPED,   [LXC_STARTING] = ROOT_CONTAINER_STARTING,
	[LXC_RUNNING] = ROOT_CONTAINER_RUNNING,   [LXC_STOPPING] = ROOT_CONTAINER_STOPPING,
	[LXC_ABORTING] = ROOT_CONTAINER_ABORTING, [LXC_FREEZING] = ROOT_CONTAINER_FREEZING,
	[LXC_FROZEN] = ROOT_CONTAINER_PAUSED,     [LXC_THAWED] = ROOT_CONTAINER_THAWED,
};

static struct table *table_of(const struct lxc_container *c)
{
	return c->member.of->dir->ctx->table;
}

static bool has_init(const struct lxc_container *c)
{
	return c->member.entry.init.pidfd >= 0;
}

/* --- Asking ------------------------------------------------------------------------------------------------------ */

static bool asking(const struct lxc_container *c)
{
	return lxc_asking(&c->ask) || c->answered;
}

static void put_question(struct lxc_container *c, enum ipc_lxc_command command)
{
	struct engine_dir *d = c->member.of->dir;

	lxc_ask(d->ctx->asker, &c->ask, d->index, c->member.id, command);
}

static void inquire_from(struct lxc_container *c, enum ipc_lxc_command command)
{
	c->again = c->stated = false;
	c->asked_at = c->heard;
	put_question(c, command);
}

static void inquire(struct lxc_container *c)
{
	/* What waits for the init says what it does; and one that is starting answers when there is an init. */
	bool known = c->nwaiting > 0 || (c->answers->told && c->heard && c->state == LXC_STARTING);

	inquire_from(c, known ? IPC_LXC_INIT_PIDFD : IPC_LXC_STATE);
}

static void inquire_again(struct lxc_container *c)
{
	if (asking(c))
		c->again = true;
	else
		inquire(c);
}

void lxc_container_hint(struct lxc_container *c, int tries)
{
	if (!table_has(&c->member.entry))
		return;
	c->tries = tries;
	timer_cancel(c->member.of->dir->ctx->loop, &c->retry);
	inquire_again(c);
}

static void hint_later(struct lxc_container *c)
{
	c->tries = LXC_HINTED;
	if (!asking(c)) /* otherwise the answer is followed by more questions, unless it is sure */
		timer_set(c->member.of->dir->ctx->loop, &c->retry, CALM_MS);
}

void lxc_container_hint_calmly(struct lxc_container *c)
{
	uint64_t now = loop_now_ms();

	if (now - c->hinted_ms >= CALM_MS) {
		c->hinted_ms = now;
		c->hints = 0;
	}
	if (asking(c) || ++c->hints > CALM_HINTS) {
		hint_later(c);
		return;
	}
	lxc_container_hint(c, LXC_HINTED);
}

static void on_retry(struct timer *t)
{
	inquire_again(container_of(t, struct lxc_container, retry));
}

/* Nothing was heard since the question was asked. */
static bool is_fresh(const struct lxc_container *c)
{
	return c->asked_at == c->heard;
}

/* The question is answered; @sure: and nothing is on its way that would change it. */
static void conclude(struct lxc_container *c, bool sure)
{
	uint64_t delay = FIRST_TRY_MS;

	if (asking(c))
		return;
	if (c->again) {
		inquire(c);
		return;
	}
	if (sure || c->tries == 0)
		return;
	for (int i = c->tries; i < LXC_HINTED; i++)
		delay *= 4;
	c->tries--;
	timer_set(c->member.of->dir->ctx->loop, &c->retry, delay);
}

/* --- What the fifo says ------------------------------------------------------------------------------------------ */

static bool needs_init(const struct lxc_message *m)
{
	return !m->exited && (m->state == LXC_RUNNING || m->state == LXC_FREEZING || m->state == LXC_FROZEN ||
			      m->state == LXC_THAWED);
}

static bool is_without_init(const struct lxc_message *m)
{
	return !m->exited && (m->state == LXC_STARTING || m->state == LXC_STOPPED);
}

static void set_without_init(struct lxc_container *c, enum lxc_state state)
{
	struct entry *e = &c->member.entry;

	c->state = state;
	lxc_ask_cancel(&c->watch);
	if (!has_init(c) && e->state == shown[state])
		return;
	table_set_stopped(table_of(c), e);
	table_set_state(table_of(c), e, shown[state]);
}

/* Everything but what needs an init that there is not. */
static void apply(struct lxc_container *c, const struct lxc_message *m)
{
	struct entry *e = &c->member.entry;
	bool ends = !m->exited && (m->state == LXC_STOPPING || m->state == LXC_ABORTING);

	/* Its socket was gone sooner than these words were there: what never started again does not end again. */
	if (ends && !has_init(c) && e->state == ROOT_CONTAINER_STOPPED)
		return;
	table_tell(table_of(c), e);
	if (m->exited) {
		if (!has_init(c))
			table_set_exit(table_of(c), e, m->status);
	} else if (!is_without_init(m)) {
		c->state = m->state;
		table_set_state(table_of(c), e, shown[m->state]);
	} else if (!has_init(c)) {
		set_without_init(c, m->state);
	} else {
		lxc_container_hint(c, LXC_HINTED);
	}
	/* On its way somewhere: if LXC's monitor is killed meanwhile, nobody says so. */
	if (!m->exited && m->state != LXC_STOPPED && !has_init(c))
		inquire_again(c);
}

/* What waited for the init, which is @init, or is not to be had. It is that of the last run: an earlier one's is not known any more. */
static void release(struct lxc_container *c, struct init *init)
{
	unsigned n = c->nwaiting, run = 0;

	c->nwaiting = 0;
	for (unsigned i = 0; i < n; i++) {
		if (is_without_init(&c->waiting[i]))
			run = i + 1;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct lxc_message *m = &c->waiting[i];

		if (!needs_init(m) || has_init(c)) {
			apply(c, m);
		} else if (i >= run && init && init->pidfd >= 0) {
			c->state = m->state;
			table_tell(table_of(c), &c->member.entry);
			table_set_running(table_of(c), &c->member.entry, shown[m->state], init);
		}
	}
}

static void wait_for_init(struct lxc_container *c, const struct lxc_message *m)
{
	c->waiting[c->nwaiting++] = *m;
	if (!asking(c))
		inquire(c);
}

void lxc_container_ended(struct lxc_container *c)
{
	if (c->answers->told)
		table_set_state(table_of(c), &c->member.entry, ROOT_CONTAINER_STOPPING);
	lxc_container_hint(c, LXC_HINTED);
}

static void log_heard(const struct lxc_container *c, const struct lxc_message *m)
{
	/* As lxc-monitor(1) calls them. */
	static const char *const words[LXC_STATES] = {"STOPPED",  "STARTING", "RUNNING", "STOPPING",
						      "ABORTING", "FREEZING", "FROZEN",  "THAWED"};
	const char *engine = c->member.of->scope.engine;

	if (m->exited)
		log_debug("%s %s: heard that its init ended: 0x%x", engine, c->member.id, m->status);
	else
		log_debug("%s %s: heard %s", engine, c->member.id, words[m->state]);
}

void lxc_container_heard(struct lxc_container *c, const struct lxc_message *m)
{
	struct entry *e = &c->member.entry;

	if (!table_has(e))
		return;
	log_heard(c, m);
	c->heard++;
	/* LXC has reaped it before it says a word of its end. */
	if (has_init(c) && !procfd_alive(e->init.pidfd)) {
		table_set_stopped(table_of(c), e);
		lxc_container_ended(c);
	}
	if (c->nwaiting == LXC_WAITING_MAX) /* nobody answers while so much happens */
		release(c, NULL);
	if (c->nwaiting > 0 || (needs_init(m) && !has_init(c)))
		wait_for_init(c, m);
	else
		apply(c, m);
}

/* --- What is answered -------------------------------------------------------------------------------------------- */

static void not_running(struct lxc_container *c, enum lxc_state state)
{
	if (is_fresh(c)) {
		release(c, NULL);
		set_without_init(c, state);
	} else {
		c->again = true;
	}
	conclude(c, false);
}

static void watch_running(struct lxc_container *c)
{
	struct engine_dir *d = c->member.of->dir;

	if (c->state != LXC_RUNNING || !has_init(c) || lxc_asking(&c->watch))
		return;
	c->watch_began_ms = loop_now_ms();
	lxc_ask(d->ctx->asker, &c->watch, d->index, c->member.id, IPC_LXC_WATCH);
}

static void take_init(struct lxc_container *c, struct init *init)
{
	if (c->nwaiting > 0)
		release(c, init);
	else if (c->stated && is_fresh(c))
		table_set_running(table_of(c), &c->member.entry, shown[c->state], init);
	else if (!has_init(c) && !asking(c))
		inquire_from(c, IPC_LXC_STATE); /* what it does with it is not known */
	init_clear(init);
	watch_running(c);
	conclude(c, has_init(c) && c->state == LXC_RUNNING);
}

static void on_init(struct lxc_container *c, const struct lxc_answer *said)
{
	struct init init = INIT_NONE;
	int r = said->error;

	if (r == 0)
		r = claim_check_pidfd(c->member.of->dir->ctx->proc, said->pidfd, &init);
	if (r == 0) {
		take_init(c, &init);
		return;
	}
	log_debug("%s %s: no init: %s", c->member.of->scope.engine, c->member.id, strerror(-r));
	not_running(c, LXC_STOPPED);
}

static void on_state(struct lxc_container *c, const struct lxc_answer *said)
{
	if (said->error == -EPERM)
		log_warning("%s %s: its socket is somebody else's, who does not own %s or is in a container",
			    c->member.of->scope.engine, c->member.id, c->member.of->dir->path);
	if (said->error || said->state == LXC_STOPPED || said->state == LXC_STARTING) {
		not_running(c, said->error ? LXC_STOPPED : said->state);
		return;
	}
	if (is_fresh(c))
		c->state = said->state;
	c->stated = true;
	put_question(c, IPC_LXC_INIT_PIDFD);
}

void lxc_answers_settle(struct lxc_answers *answers)
{
	struct lxc_container *c;

	while ((c = answers->first)) {
		struct lxc_answer said = c->said;

		answers->first = c->next_answered;
		if (!answers->first)
			answers->last = NULL;
		c->answered = false;
		c->said.pidfd = -1;
		if (c->ask.command == IPC_LXC_STATE)
			on_state(c, &said);
		else
			on_init(c, &said);
	}
}

/* The fifo comes first. */
static void on_answer(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct lxc_container *c = container_of(a, struct lxc_container, ask);

	c->said = *said;
	c->answered = true;
	c->next_answered = NULL;
	*(c->answers->last ? &c->answers->last->next_answered : &c->answers->first) = c;
	c->answers->last = c;
}

static void on_change(struct lxc_ask *a, const struct lxc_answer *said)
{
	struct lxc_container *c = container_of(a, struct lxc_container, watch);

	/* Not understood: an LXC that does not know the question. The other hints remain. */
	if (said->error && said->error != -EPIPE)
		return;
	if (loop_now_ms() - c->watch_began_ms >= CALM_MS)
		lxc_container_hint(c, LXC_HINTED);
	else /* one that always answers at once must not keep us busy */
		hint_later(c);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

void lxc_container_init(struct lxc_container *c, struct lxc_answers *answers)
{
	c->answers = answers;
	c->ask.answered = on_answer;
	c->watch.answered = on_change;
	c->retry.expired = on_retry;
	c->said.pidfd = -1;
}

static void forget_answer(struct lxc_container *c)
{
	struct lxc_container **at = &c->answers->first, *before = NULL;

	if (!c->answered)
		return;
	for (; *at != c; at = &(*at)->next_answered)
		before = *at;
	*at = c->next_answered;
	if (c->answers->last == c)
		c->answers->last = before;
	c->answered = false;
	close_fd(&c->said.pidfd);
}

void lxc_container_fini(struct lxc_container *c)
{
	lxc_ask_cancel(&c->ask);
	lxc_ask_cancel(&c->watch);
	timer_cancel(c->member.of->dir->ctx->loop, &c->retry);
	forget_answer(c);
	c->nwaiting = 0;
	c->again = false;
}
