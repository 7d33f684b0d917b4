/* SPDX-License-Identifier: MIT */
/*
 * Waiting for programs, and acknowledging what came. Runs in: monitor.
 *
 * A status is delivered to one wait, and kept until the client says that it has it: the answer may be lost on its way
 * when the frontend is replaced. The client then sends the same wait again, with the same serial, and gets the same answer.
 */
#include "program_table.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct pending *pending_find(struct list *head, uint32_t serial)
{
	struct list *l;

	for (l = head->next; l != head; l = l->next) {
		struct pending *w = container_of(l, struct pending, link);

		if (w->serial == serial)
			return w;
	}
	return NULL;
}

int pending_add(struct client *c, struct list *head, uint32_t serial, uint32_t pid)
{
	struct pending *w;

	if (c->npending >= PROTO_INFLIGHT_MAX)
		return -EAGAIN;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->serial = serial;
	w->pid = pid;
	list_append(head, &w->link);
	c->npending++;
	return 0;
}

void pending_free(struct client *c, struct pending *w)
{
	list_remove(&w->link);
	c->npending--;
	free(w);
}

static void answer(struct program *pr, uint32_t serial)
{
	struct waited_reply m = {.pid = (uint32_t)pr->spawn.pid, .status = pr->status, .instance = pr->key};
	struct programs *p = pr->all;

	p->replies.waited(p->data, pr->client->session, serial, &m);
}

static void deliver(struct program *pr, uint32_t serial)
{
	pr->delivered = true;
	pr->wait_serial = serial;
	list_remove(&pr->of_status);
	list_append(&pr->client->delivered, &pr->of_status);
	answer(pr, serial);
}

/* The wait whose turn it is: the first that named this program or any. */
static struct pending *find_waiter(const struct client *c, uint32_t pid)
{
	struct list *l;

	for (l = c->waits.next; l != &c->waits; l = l->next) {
		struct pending *w = container_of(l, struct pending, link);

		if (w->pid == pid || w->pid == 0)
			return w;
	}
	return NULL;
}

void wait_program_ended(struct program *pr)
{
	struct client *c = pr->client;
	struct pending *w = find_waiter(c, (uint32_t)pr->spawn.pid);
	uint32_t serial;

	list_append(&c->ended, &pr->of_status);
	if (w == NULL)
		return;
	serial = w->serial;
	pending_free(c, w);
	deliver(pr, serial);
}

static void no_child(struct programs *p, uint64_t session, uint32_t serial, uint32_t pid)
{
	if (pid == 0)
		program_failed(p, session, serial, STATUS_NO_CHILD, "this connection has no programs");
	else
		program_failed(p, session, serial, STATUS_NO_CHILD, "pid %u is not a program of this connection", pid);
}

void wait_program_gone(struct programs *p, struct client *c, uint32_t pid)
{
	struct list *l = c->waits.next;

	while (l != &c->waits) {
		struct pending *w = container_of(l, struct pending, link);
		uint32_t serial = w->serial, of = w->pid;

		l = l->next;
		if (of == pid || (of == 0 && list_empty(&c->programs))) {
			pending_free(c, w);
			no_child(p, c->session, serial, of);
		}
	}
}

static struct program *delivered_to(const struct client *c, uint32_t serial)
{
	struct list *l;

	for (l = c->delivered.next; l != &c->delivered; l = l->next) {
		struct program *pr = container_of(l, struct program, of_status);

		if (pr->wait_serial == serial)
			return pr;
	}
	return NULL;
}

/* A status that is there for this wait and has not been given to another. */
static struct program *ready_for(struct programs *p, struct client *c, uint32_t pid)
{
	struct program *pr;

	if (pid == 0)
		return list_empty(&c->ended) ? NULL : container_of(c->ended.next, struct program, of_status);
	pr = program_of(p, c->session, pid);
	return pr != NULL && pr->exited && !pr->delivered ? pr : NULL;
}

static void queue(struct programs *p, struct client *c, uint32_t serial, uint32_t pid)
{
	uint64_t session = c->session;

	if (pending_add(c, &c->waits, serial, pid) < 0)
		program_failed(p, session, serial, STATUS_TRY_AGAIN, "too many requests of this connection at once");
}

void programs_wait(struct programs *p, uint64_t session, uint32_t serial, const struct wait_request *m)
{
	struct ack_request ack = {.instance = m->ack};
	struct client *c;
	struct program *pr;

	if (m->ack != 0)
		programs_ack(p, session, &ack);
	c = client_find(p, session);
	if (m->flags != 0) {
		program_failed(p, session, serial, STATUS_INVALID, "unknown flags");
		return;
	}
	if (c == NULL) {
		no_child(p, session, serial, m->pid);
		return;
	}
	pr = delivered_to(c, serial);
	if (pr != NULL) {
		answer(pr, serial);
		return;
	}
	if (pending_find(&c->waits, serial) != NULL)
		return;
	pr = ready_for(p, c, m->pid);
	if (pr != NULL)
		deliver(pr, serial);
	else if (m->pid == 0 || program_of(p, session, m->pid) != NULL)
		queue(p, c, serial, m->pid);
	else
		no_child(p, session, serial, m->pid);
}

/* Also for a status that this monitor has not delivered: an earlier one may have. */
void programs_ack(struct programs *p, uint64_t session, const struct ack_request *m)
{
	struct program *pr = program_by_key(p, m->instance);

	if (pr == NULL || pr->client == NULL || pr->client->session != session || !pr->exited)
		return;
	program_answer_enders(pr, STATUS_STILL_THERE);
	program_remove(pr);
}
