/* SPDX-License-Identifier: MIT */
/*
 * The programs and their owners, and how they are found. Runs in: monitor.
 */
#include "program_table.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../common/cleanup.h"

static struct list *bucket(struct list *table, uint64_t n)
{
	return &table[n % PROGRAM_BUCKETS];
}

struct program *program_by_key(struct programs *p, uint64_t key)
{
	struct list *head = bucket(p->by_key, key), *l;

	for (l = head->next; l != head; l = l->next) {
		struct program *pr = container_of(l, struct program, by_key);

		if (pr->key == key)
			return pr;
	}
	return NULL;
}

struct program *program_by_pid(struct programs *p, pid_t pid)
{
	struct list *head = bucket(p->by_pid, (uint64_t)pid), *l;

	for (l = head->next; l != head; l = l->next) {
		struct program *pr = container_of(l, struct program, by_pid);

		if (pr->spawn.pid == pid)
			return pr;
	}
	return NULL;
}

struct program *program_of(struct programs *p, uint64_t session, uint32_t pid)
{
	struct program *pr = pid > 0 && pid <= INT32_MAX ? program_by_pid(p, (pid_t)pid) : NULL;

	if (pr == NULL || pr->client == NULL || pr->client->session != session || pr->state == PROGRAM_STARTING)
		return NULL;
	return pr;
}

struct client *client_find(struct programs *p, uint64_t session)
{
	struct list *head = bucket(p->clients, session), *l;

	for (l = head->next; l != head; l = l->next) {
		struct client *c = container_of(l, struct client, by_session);

		if (c->session == session)
			return c;
	}
	return NULL;
}

struct client *client_get(struct programs *p, uint64_t session)
{
	struct client *c = client_find(p, session);

	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->session = session;
	list_init(&c->programs);
	list_init(&c->ended);
	list_init(&c->delivered);
	list_init(&c->waits);
	list_append(bucket(p->clients, session), &c->by_session);
	return c;
}

void client_put(struct client *c)
{
	if (!list_empty(&c->programs) || !list_empty(&c->waits))
		return;
	list_remove(&c->by_session);
	free(c);
}

static struct user_count *find_user(struct programs *p, uid_t uid)
{
	struct list *head = bucket(p->users, uid), *l;

	for (l = head->next; l != head; l = l->next) {
		struct user_count *u = container_of(l, struct user_count, by_uid);

		if (u->uid == uid)
			return u;
	}
	return NULL;
}

uint32_t programs_of_uid(struct programs *p, uid_t uid)
{
	struct user_count *u = find_user(p, uid);

	return u != NULL ? u->n : 0;
}

static int count_user(struct programs *p, uid_t uid)
{
	struct user_count *u = find_user(p, uid);

	if (u == NULL) {
		u = calloc(1, sizeof(*u));
		if (u == NULL)
			return -ENOMEM;
		u->uid = uid;
		list_append(bucket(p->users, uid), &u->by_uid);
	}
	u->n++;
	return 0;
}

static void uncount_user(struct programs *p, uid_t uid)
{
	struct user_count *u = find_user(p, uid);

	if (u == NULL || --u->n > 0)
		return;
	list_remove(&u->by_uid);
	free(u);
}

struct program *program_new(struct programs *p)
{
	struct program *pr = calloc(1, sizeof(*pr));

	if (pr == NULL)
		return NULL;
	pr->all = p;
	pr->entry = -1;
	pr->state = PROGRAM_STARTING;
	pr->spawn.pid = pr->spawn.pidfd = pr->spawn.control = -1;
	pr->control.fd = pr->exit.fd = pr->events.fd = -1;
	list_init(&pr->by_key);
	list_init(&pr->by_pid);
	list_init(&pr->of_client);
	list_init(&pr->of_status);
	list_init(&pr->enders);
	list_init(&pr->tree.link);
	return pr;
}

int program_add(struct program *pr, struct client *c)
{
	struct programs *p = pr->all;
	int r = count_user(p, pr->uid);

	if (r < 0)
		return r;
	p->count++;
	if (pr->entry >= 0 && !pr->exited)
		p->instances[pr->entry]++;
	list_append(bucket(p->by_key, pr->key), &pr->by_key);
	list_append(bucket(p->by_pid, (uint64_t)pr->spawn.pid), &pr->by_pid);
	pr->client = c;
	if (c != NULL)
		list_append(&c->programs, &pr->of_client);
	return 0;
}

void program_orphan(struct program *pr)
{
	struct client *c = pr->client;

	pr->client = NULL;
	if (c == NULL)
		return;
	while (!list_empty(&pr->enders))
		pending_free(c, container_of(pr->enders.next, struct pending, link));
	list_remove(&pr->of_client);
	list_remove(&pr->of_status);
	wait_program_gone(pr->all, c, (uint32_t)pr->spawn.pid);
	client_put(c);
}

void program_free(struct program *pr)
{
	struct programs *p = pr->all;

	loop_del(p->loop, &pr->control);
	loop_del(p->loop, &pr->exit);
	loop_del(p->loop, &pr->events);
	close_fd(&pr->events.fd);
	walk_remove(&p->walk, &pr->tree);
	timer_cancel(p->loop, &pr->timer);
	list_remove(&pr->by_key);
	list_remove(&pr->by_pid);
	uncount_user(p, pr->uid);
	p->count--;
	if (pr->entry >= 0 && !pr->exited)
		p->instances[pr->entry]--;
	spawn_close(&pr->spawn);
	free(pr);
}

void program_remove(struct program *pr)
{
	siginfo_t info;

	/* In this order: if this monitor died between the two, a reaped program that the keeper has would never exit. */
	keeper_drop(pr->all->keeper, pr->key);
	if (pr->child)
		(void)waitid((idtype_t)P_PIDFD, (id_t)pr->spawn.pidfd, &info, WEXITED | WNOHANG);
	cgroup_remove(&pr->all->cgroups, pr->cgroup);
	program_orphan(pr);
	program_free(pr);
}
