/* SPDX-License-Identifier: MIT */
/*
 * The end of programs: their exit, and how they are brought to it. Runs in: monitor.
 */
#include "program_table.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../common/procfd.h"

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2) /* Linux 6.9 */
#endif

/*
 * Each program leads a group of its own number. Through the pidfd the kernel finds that group and no other, even when the
 * leader is gone; by number only while the leader, alive or not yet reaped, keeps the number from being used again.
 */
static void kill_group(const struct program *pr)
{
	if (syscall(SYS_pidfd_send_signal, pr->spawn.pidfd, SIGKILL, NULL, PIDFD_SIGNAL_PROCESS_GROUP) == 0)
		return;
	if (errno == EINVAL && (pr->child || procfd_alive(pr->spawn.pidfd)))
		(void)kill(-pr->spawn.pid, SIGKILL);
}

void program_kill(struct program *pr)
{
	(void)procfd_signal(pr->spawn.pidfd, SIGKILL);
	kill_group(pr);
}

static void answer_enders(struct program *pr, uint16_t status)
{
	struct programs *p = pr->all;

	while (!list_empty(&pr->enders)) {
		struct pending *w = container_of(pr->enders.next, struct pending, link);
		uint32_t serial = w->serial;

		pending_free(pr->client, w);
		if (status == STATUS_OK)
			p->replies.terminated(p->data, pr->client->session, serial);
		else
			program_failed(p, pr->client->session, serial, status,
				       "program %s (pid %d) was killed and is still there", pr->name, pr->spawn.pid);
	}
}

static void on_timer(struct timer *t)
{
	struct program *pr = container_of(t, struct program, timer);

	if (pr->phase == PHASE_KILLED) {
		pr->phase = PHASE_STILL_THERE;
		log_warning("program %s: pid %d does not end although it was killed", pr->name, pr->spawn.pid);
		answer_enders(pr, STATUS_STILL_THERE);
		return;
	}
	pr->phase = PHASE_KILLED;
	program_kill(pr);
	timer_set(pr->all->loop, t, PROGRAM_LAST_WORD_MS);
}

void program_end(struct program *pr)
{
	if (pr->phase == PHASE_GRACE || pr->phase == PHASE_KILLED)
		return;
	pr->timer.expired = on_timer;
	if (pr->phase == PHASE_STILL_THERE) {
		on_timer(&pr->timer);
		return;
	}
	pr->phase = PHASE_GRACE;
	if (pr->state == PROGRAM_RUNNING) {
		pr->state = PROGRAM_TERMINATING;
		program_keep(pr, -1);
	}
	if (pr->grace_ms == 0 || pr->stop_signal == SIGKILL) {
		on_timer(&pr->timer);
		return;
	}
	(void)procfd_signal(pr->spawn.pidfd, pr->stop_signal);
	/* A stopped program would not notice the other. */
	(void)procfd_signal(pr->spawn.pidfd, SIGCONT);
	timer_set(pr->all->loop, &pr->timer, pr->grace_ms);
}

void program_ended(struct program *pr, uint32_t status)
{
	if (pr->exited)
		return;
	log_debug("program %s: pid %d ended with status 0x%x", pr->name, pr->spawn.pid, status);
	loop_del(pr->all->loop, &pr->exit);
	timer_cancel(pr->all->loop, &pr->timer);
	pr->exited = true;
	pr->status = status;
	if (pr->entry >= 0)
		pr->all->instances[pr->entry]--;
	/* What was to end, ends with all that it has started. */
	if (pr->phase != PHASE_NONE)
		kill_group(pr);
	if (pr->client == NULL) {
		program_remove(pr);
		return;
	}
	answer_enders(pr, STATUS_OK);
	wait_program_ended(pr);
}

static uint32_t wait_word(const siginfo_t *info)
{
	uint32_t code = (uint32_t)info->si_status;

	if (info->si_code == CLD_EXITED)
		return (code & 0xff) << 8;
	return (code & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80u : 0);
}

static void on_exit_ready(struct source *s, uint32_t events)
{
	struct program *pr = container_of(s, struct program, exit);
	siginfo_t info = {.si_pid = 0};

	(void)events;
	/* Left unreaped until it is acknowledged, so that its number stays its own. */
	if (waitid((idtype_t)P_PIDFD, (id_t)pr->spawn.pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
		/* Nobody else reaps children of this process: without a status there is nothing that could be answered. */
		log_error("program %s: the status of pid %d is lost", pr->name, pr->spawn.pid);
		answer_enders(pr, STATUS_OK);
		program_remove(pr);
		return;
	}
	if (info.si_pid == 0)
		return;
	/* Its exec, or what kept it from that, came before. */
	if (pr->state == PROGRAM_STARTING && pr->client != NULL)
		pr->control.ready(&pr->control, EPOLLIN);
	program_ended(pr, wait_word(&info));
}

int program_watch(struct program *pr)
{
	pr->exit = (struct source){.fd = pr->spawn.pidfd, .ready = on_exit_ready};
	return loop_add(pr->all->loop, &pr->exit, EPOLLIN);
}

void programs_terminate(struct programs *p, uint64_t session, uint32_t serial, const struct terminate_request *m)
{
	struct program *pr = program_of(p, session, m->pid);

	if (pr == NULL) {
		program_failed(p, session, serial, STATUS_NO_CHILD, "pid %u is not a program of this connection",
			       m->pid);
		return;
	}
	if (pr->exited) {
		p->replies.terminated(p->data, session, serial);
		return;
	}
	if (pending_find(&pr->enders, serial) != NULL)
		return;
	if (pending_add(pr->client, &pr->enders, serial, m->pid) < 0) {
		program_failed(p, session, serial, STATUS_TRY_AGAIN, "too many requests of this connection at once");
		return;
	}
	program_end(pr);
}

/* Nobody is left to answer to. One that has not run yet is not asked to stop: it is killed. */
static void end_orphan(struct program *pr)
{
	program_orphan(pr);
	if (pr->exited)
		program_remove(pr);
	else if (pr->state == PROGRAM_STARTING)
		program_kill(pr);
	else
		program_end(pr);
}

void programs_cancel(struct programs *p, uint64_t session, uint32_t serial, const struct cancel_request *m)
{
	struct client *c = client_find(p, session);
	struct list *l = c != NULL ? c->programs.next : NULL;

	while (l != NULL && l != &c->programs) {
		struct program *pr = container_of(l, struct program, of_client);

		l = l->next;
		if (pr->start_serial != m->start)
			continue;
		log_info("program %s: pid %d is ended: its client never learnt of it", pr->name, pr->spawn.pid);
		/* Nobody listens, but the frontend counts the requests that wait for an answer. */
		if (pr->state == PROGRAM_STARTING)
			program_failed(p, session, pr->start_serial, STATUS_TRY_AGAIN, "the start was cancelled");
		end_orphan(pr);
		break; /* with its last program the client is freed */
	}
	p->replies.terminated(p->data, session, serial);
}

void programs_session_end(struct programs *p, uint64_t session)
{
	struct client *c = client_find(p, session);

	while (c != NULL) {
		while (!list_empty(&c->waits))
			pending_free(c, container_of(c->waits.next, struct pending, link));
		if (list_empty(&c->programs)) {
			client_put(c);
			return;
		}
		/* With its last program the client is freed. */
		end_orphan(container_of(c->programs.next, struct program, of_client));
		c = client_find(p, session);
	}
}
