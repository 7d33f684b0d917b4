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

#include "../common/cleanup.h"
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

void program_answer_enders(struct program *pr, uint16_t status)
{
	struct programs *p = pr->all;

	while (!list_empty(&pr->enders)) {
		struct pending *w = container_of(pr->enders.next, struct pending, link);
		uint32_t serial = w->serial;

		pending_free(pr->client, w);
		if (status == STATUS_OK)
			p->replies.terminated(p->data, pr->client->session, serial);
		else
			program_failed(
				p, pr->client->session, serial, status,
				pr->dead ? "program %s (pid %d) has ended, but a process that it started is still there"
					 : "program %s (pid %d) was killed and is still there",
				pr->name, pr->spawn.pid);
	}
}

/* Its status may be told. */
static void finish(struct program *pr)
{
	pr->exited = true;
	if (pr->entry >= 0)
		pr->all->instances[pr->entry]--;
	/* What it left behind when it ended by itself keeps the cgroup. */
	cgroup_remove(&pr->all->cgroups, pr->cgroup);
	if (pr->client == NULL) {
		program_remove(pr);
		return;
	}
	program_answer_enders(pr, STATUS_OK);
	wait_program_ended(pr);
}

static void stop_watching(struct program *pr)
{
	loop_del(pr->all->loop, &pr->events);
	close_fd(&pr->events.fd);
	walk_remove(&pr->all->walk, &pr->tree);
}

/* If all of what was killed has ended. The last thing done with @pr: that may have been the end of it. */
static void settle(struct program *pr)
{
	if (!pr->dead || !pr->tree_gone)
		return;
	timer_cancel(pr->all->loop, &pr->timer);
	pr->phase = PHASE_NONE;
	if (!pr->exited) {
		finish(pr);
		return;
	}
	cgroup_remove(&pr->all->cgroups, pr->cgroup);
	program_answer_enders(pr, STATUS_OK);
}

static void check_cgroup(struct program *pr)
{
	if (!cgroup_is_empty(pr->events.fd))
		return;
	stop_watching(pr);
	pr->tree_gone = true;
}

static void on_events(struct source *s, uint32_t events)
{
	struct program *pr = container_of(s, struct program, events);

	(void)events;
	check_cgroup(pr);
	settle(pr);
}

static void on_marked_gone(struct marked *m)
{
	struct program *pr = container_of(m, struct program, tree);

	pr->tree_gone = true;
	settle(pr);
}

static void watch_cgroup(struct program *pr)
{
	int fd = cgroup_events(&pr->all->cgroups, pr->cgroup);

	if (fd >= 0) {
		pr->events = (struct source){.fd = fd, .ready = on_events};
		(void)loop_add(pr->all->loop, &pr->events, EPOLLPRI);
		check_cgroup(pr);
	} else if (fd == -ENOENT) {
		/* Only an empty one can be removed. */
		pr->tree_gone = true;
	}
}

/* Where nothing can be watched, the deadline comes. */
static void watch_tree(struct program *pr)
{
	stop_watching(pr);
	pr->tree_gone = false;
	if (pr->cgroup[0] != '\0') {
		watch_cgroup(pr);
	} else if (pr->tree.mark != 0) {
		pr->tree.gone = on_marked_gone;
		walk_add(&pr->all->walk, &pr->tree);
	} else {
		pr->tree_gone = true;
	}
}

static void on_timer(struct timer *t)
{
	struct program *pr = container_of(t, struct program, timer);

	if (pr->phase != PHASE_KILLED) {
		program_kill(pr);
		return;
	}
	pr->phase = PHASE_STILL_THERE;
	log_warning("program %s: pid %d: %s although it was killed", pr->name, pr->spawn.pid,
		    pr->dead ? "a process that it started does not end" : "it does not end");
	/* Whoever terminates it again has it looked for again. */
	stop_watching(pr);
	program_answer_enders(pr, STATUS_STILL_THERE);
	if (pr->dead && !pr->exited)
		finish(pr);
}

void program_kill(struct program *pr)
{
	pr->phase = PHASE_KILLED;
	pr->timer.expired = on_timer;
	timer_set(pr->all->loop, &pr->timer, PROGRAM_LAST_WORD_MS);
	(void)procfd_signal(pr->spawn.pidfd, SIGKILL);
	kill_group(pr);
	if (pr->cgroup[0] != '\0')
		(void)cgroup_kill(&pr->all->cgroups, pr->cgroup);
	watch_tree(pr);
	settle(pr);
}

void program_end(struct program *pr)
{
	if (pr->phase == PHASE_GRACE || pr->phase == PHASE_KILLED)
		return;
	if (pr->phase == PHASE_STILL_THERE) {
		program_kill(pr);
		return;
	}
	if (pr->state == PROGRAM_RUNNING) {
		pr->state = PROGRAM_TERMINATING;
		program_keep(pr, -1);
	}
	if (pr->grace_ms == 0 || pr->stop_signal == SIGKILL) {
		program_kill(pr);
		return;
	}
	pr->phase = PHASE_GRACE;
	pr->timer.expired = on_timer;
	(void)procfd_signal(pr->spawn.pidfd, pr->stop_signal);
	/* A stopped program would not notice the other. */
	(void)procfd_signal(pr->spawn.pidfd, SIGCONT);
	timer_set(pr->all->loop, &pr->timer, pr->grace_ms);
}

void program_ended(struct program *pr, uint32_t status)
{
	if (pr->dead)
		return;
	log_debug("program %s: pid %d ended with status 0x%x", pr->name, pr->spawn.pid, status);
	loop_del(pr->all->loop, &pr->exit);
	pr->dead = true;
	pr->status = status;
	/* What was to end, ends with all that it has started: its status waits for that, a little. */
	if (pr->phase == PHASE_NONE)
		finish(pr);
	else if (pr->phase == PHASE_KILLED)
		settle(pr);
	else
		program_kill(pr);
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
		program_answer_enders(pr, STATUS_OK);
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
	if (pr->exited && pr->phase == PHASE_NONE) {
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
