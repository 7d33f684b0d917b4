/* SPDX-License-Identifier: MIT */
#include "confined.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../common/cleanup.h"

#define BURST 32 /* records of one process before another source has its turn */
#define QUICK_MS 200
#define QUICK_DELAY_MS 20
#define STOP_MS 10000

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static const char *const names[CONFINED_COUNT] = {
	[CONFINED_FRONTEND] = "frontend",
	[CONFINED_RESOLVER] = "resolver",
	[CONFINED_JOINER] = "joiner",
};

const char *confined_name(const struct confined *c)
{
	return names[c->kind];
}

/* No more is heard of it, nor said to it; what is left is its end. */
static void hang_up(struct confined *c)
{
	loop_del(c->env->loop, &c->channel);
	close_fd(&c->channel.fd);
	outbox_clear(&c->out);
	c->refused = false;
	timer_cancel(c->env->loop, &c->stuck);
	timer_cancel(c->env->loop, &c->timer);
	c->state = CONFINED_ENDING;
}

static void end_it(struct confined *c)
{
	if (c->state != CONFINED_STARTING && c->state != CONFINED_RUNNING)
		return;
	/* One that is ending by itself keeps its own status. */
	(void)procfd_signal(c->process.fd, SIGKILL);
	hang_up(c);
}

void confined_kill(struct confined *c, const char *why)
{
	if (c->state != CONFINED_STARTING && c->state != CONFINED_RUNNING)
		return;
	log_error("the %s (pid %d) %s: killing it", confined_name(c), c->pid, why);
	end_it(c);
}

/* --- Its end, and the next start --------------------------------------------------------------------------------- */

static uint64_t restart_delay(struct confined *c, bool ran, const siginfo_t *info)
{
	uint64_t lived = loop_now_ms() - c->started_ms, delay;

	if (c->excused)
		return 0;
	if (ran && info->si_code == CLD_EXITED && info->si_status == CONFINED_EXIT_RELOAD)
		return lived < QUICK_MS ? QUICK_DELAY_MS : 0;
	if (lived >= CONFINED_STEADY_MS)
		c->delay_ms = 0;
	delay = c->delay_ms;
	c->delay_ms = delay == 0 ? CONFINED_DELAY_MIN_MS : 2 * delay;
	if (c->delay_ms > CONFINED_DELAY_MAX_MS)
		c->delay_ms = CONFINED_DELAY_MAX_MS;
	return delay;
}

static void log_end(const struct confined *c, bool expected, const siginfo_t *info, uint64_t delay)
{
	const char *how = info->si_code == CLD_EXITED ? "status" : "signal";

	if (c->stopped)
		return;
	if (expected)
		log_debug("the %s ended with %s %d: starting it again", confined_name(c), how, info->si_status);
	else
		log_error("the %s (pid %d) ended with %s %d: starting it again in %llu ms", confined_name(c), c->pid,
			  how, info->si_status, (unsigned long long)delay);
}

static void process_ended(struct source *source, uint32_t events)
{
	struct confined *c = container_of(source, struct confined, process);
	bool ran = c->failures == 0, expected;
	siginfo_t info = {0};
	uint64_t delay;

	(void)events;
	if (waitid(P_PIDFD, (id_t)source->fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	if (c->state != CONFINED_ENDING)
		hang_up(c);
	loop_del(c->env->loop, source);
	close_fd(&source->fd);
	keeper_drop(c->env->keeper, c->key);
	expected = c->excused || (ran && info.si_code == CLD_EXITED && info.si_status == CONFINED_EXIT_RELOAD);
	delay = restart_delay(c, ran, &info);
	log_end(c, expected, &info, delay);
	c->state = CONFINED_NONE;
	if (!c->stopped)
		timer_set(c->env->loop, &c->timer, delay);
	c->env->events->ended(c);
}

/* --- What it says ------------------------------------------------------------------------------------------------ */

static void check_and_trust(struct confined *c)
{
	struct proc_status status;
	const char *wrong;
	char why[128];
	int r = proc_read_status(c->env->proc, c->pid, &status);

	/* Not reaped, so that the number is still its own. */
	if (r < 0) {
		confined_kill(c, "cannot be examined");
		return;
	}
	wrong = confined_judge(&c->env->config->user[c->kind], c->kind, &status);
	if (wrong) {
		(void)snprintf(why, sizeof(why), "is not confined as it must be (%s)", wrong);
		confined_kill(c, why);
		return;
	}
	timer_cancel(c->env->loop, &c->timer);
	c->state = CONFINED_RUNNING;
	c->failures = 0;
	log_info("%s ready: pid %d, uid %u", confined_name(c), c->pid, status.uid[0]);
	c->env->events->ready(c);
}

static void take_record(struct confined *c, struct ipc_in *in)
{
	if (c->state == CONFINED_STARTING) {
		if (in->type == IPC_READY && wire_rd_done(&in->body) == 0)
			check_and_trust(c);
		else
			confined_kill(c, "did not begin with READY");
	} else if (c->env->events->record(c, in) < 0) {
		log_error("the %s sent what it must not: %s", confined_name(c), ipc_name(in->type));
		confined_kill(c, "was taken over, or is broken");
	}
}

/* Reads on only while there is room for the answers. */
static void ask_for(struct confined *c)
{
	uint32_t events = outbox_high(&c->out) ? 0 : EPOLLIN;

	if (!outbox_empty(&c->out) || c->refused)
		events |= EPOLLOUT;
	(void)loop_mod(c->env->loop, &c->channel, events);
}

static void flush(struct confined *c)
{
	size_t before = c->out.bytes;
	int r = outbox_flush(&c->out, c->channel.fd);

	if (r < 0 && r != -EAGAIN && r != -EPIPE) {
		log_error("cannot send to the %s: %s", confined_name(c), strerror(-r));
		confined_kill(c, "cannot be reached");
		return;
	}
	if (r == 0) {
		c->refused = false;
		timer_cancel(c->env->loop, &c->stuck);
	} else if (c->out.bytes != before) {
		timer_set(c->env->loop, &c->stuck, c->env->stuck_ms);
	}
	ask_for(c);
	if (r == 0)
		c->env->events->drained(c);
}

static void channel_ready(struct source *source, uint32_t events)
{
	struct confined *c = container_of(source, struct confined, channel);

	if (events & EPOLLOUT)
		flush(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	for (int i = 0; i < BURST && (c->state == CONFINED_STARTING || c->state == CONFINED_RUNNING); i++) {
		int r = ipc_recv(source->fd, &c->env->in, MSG_DONTWAIT);

		if (r == -EAGAIN)
			return;
		if (r > 0) {
			take_record(c, &c->env->in);
			ipc_drop(&c->env->in);
		} else if (r == -EBADMSG) {
			confined_kill(c, "sent what is no record");
		} else {
			/* Its end closes the channel; one that only closed the channel is of no use. */
			end_it(c);
		}
		if (c->state == CONFINED_RUNNING && outbox_high(&c->out))
			return;
	}
}

/* --- What is said to it ------------------------------------------------------------------------------------------ */

void confined_send(struct confined *c, const struct wire_wr *w, const int *fds, int nfds)
{
	bool idle = outbox_empty(&c->out);
	int r;

	if (c->state != CONFINED_RUNNING)
		return;
	r = outbox_send(&c->out, c->channel.fd, w, fds, nfds);
	/* Gone: its end will be seen in its turn. */
	if (r == -EPIPE)
		return;
	if (r < 0) {
		log_error("cannot send to the %s: %s", confined_name(c), strerror(-r));
		confined_kill(c, "cannot be reached");
		return;
	}
	if (idle && !outbox_empty(&c->out))
		timer_set(c->env->loop, &c->stuck, c->env->stuck_ms);
	ask_for(c);
}

int confined_try(struct confined *c, const struct wire_wr *w, const int *fds, int nfds)
{
	int r = -EAGAIN;

	if (c->state != CONFINED_RUNNING)
		return -ENOTCONN;
	if (outbox_empty(&c->out))
		r = ipc_send(c->channel.fd, w, fds, nfds, MSG_DONTWAIT);
	if (r == -EAGAIN) {
		if (!c->stuck.deadline_ms)
			timer_set(c->env->loop, &c->stuck, c->env->stuck_ms);
		c->refused = true;
		ask_for(c);
	}
	return r;
}

/* --- Its start --------------------------------------------------------------------------------------------------- */

static void timer_expired(struct timer *t)
{
	struct confined *c = container_of(t, struct confined, timer);

	if (c->state == CONFINED_STARTING)
		confined_kill(c, "is not ready in time");
	else
		confined_start(c);
}

static void stuck_expired(struct timer *t)
{
	struct confined *c = container_of(t, struct confined, stuck);

	confined_kill(c, "does not take its messages");
}

static int watch(struct confined *c)
{
	int r = loop_add(c->env->loop, &c->process, EPOLLIN);

	return r < 0 ? r : loop_add(c->env->loop, &c->channel, EPOLLIN);
}

/* What was started stays known to the keeper, so that a new monitor can end it. */
static void tell_keeper(struct confined *c)
{
	struct ipc_item item = {.kind = IPC_KIND_CONFINED, .pid = (uint32_t)c->pid};

	item.key = c->key = keeper_new_key(c->env->keeper);
	keeper_put(c->env->keeper, &item, c->process.fd);
}

/* A process of which there is no pidfd, or which cannot be watched. */
static void undo(struct confined *c, pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	loop_del(c->env->loop, &c->process);
	close_fd(&c->process.fd);
	close_fd(&c->channel.fd);
}

static int spawn(struct confined *c)
{
	autoclose int theirs = -1;
	int pair[2], r = chan_pair(pair);
	pid_t pid;

	if (r < 0)
		return r;
	c->channel.fd = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid == 0)
		confined_exec(c->env, c->kind, theirs);
	if (pid < 0) {
		r = -errno;
		close_fd(&c->channel.fd);
		return r;
	}
	r = c->process.fd = procfd_open(pid);
	if (r >= 0)
		r = watch(c);
	if (r < 0) {
		undo(c, pid);
		return r;
	}
	c->pid = pid;
	tell_keeper(c);
	return 0;
}

void confined_start(struct confined *c)
{
	int r;

	if (c->stopped || c->state != CONFINED_NONE)
		return;
	c->started_ms = loop_now_ms();
	c->excused = false;
	c->failures++;
	r = spawn(c);
	if (r < 0) {
		log_error("cannot start the %s: %s: trying again", confined_name(c), strerror(-r));
		timer_set(c->env->loop, &c->timer, CONFINED_DELAY_MAX_MS);
		return;
	}
	c->state = CONFINED_STARTING;
	timer_set(c->env->loop, &c->timer, c->env->ready_ms);
}

void confined_stop(struct confined *c)
{
	struct pollfd end = {.fd = c->process.fd, .events = POLLIN};

	c->stopped = true;
	if (c->state == CONFINED_NONE) {
		timer_cancel(c->env->loop, &c->timer);
		return;
	}
	end_it(c);
	if (poll(&end, 1, STOP_MS) > 0)
		process_ended(&c->process, EPOLLIN);
}

void confined_init(struct confined *c, struct confined_env *env, enum confined_kind kind)
{
	*c = (struct confined){
		.env = env,
		.kind = kind,
		.channel = {.fd = -1, .ready = channel_ready},
		.process = {.fd = -1, .ready = process_ended},
		.timer = {.expired = timer_expired},
		.stuck = {.expired = stuck_expired},
	};
}
