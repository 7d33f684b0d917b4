/* SPDX-License-Identifier: MIT */
/*
 * Starting programs, and the list of them. Runs in: monitor.
 */
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "args.h"
#include "program_table.h"

#define PID_TRIES 4
#define SWEEP_STARTS 1024 /* starts after which cgroups that outlived their programs are looked for */

int programs_new(struct programs **ret, struct loop *loop, struct keeper_link *keeper, const struct config *config,
		 struct catalogue *catalogue, const struct program_replies *replies, void *data)
{
	struct programs *p = calloc(1, sizeof(*p));
	int i;

	if (p == NULL)
		return -ENOMEM;
	p->instances = calloc((size_t)catalogue->nentries + 1, sizeof(*p->instances));
	if (p->instances == NULL) {
		free(p);
		return -ENOMEM;
	}
	p->loop = loop;
	p->keeper = keeper;
	p->config = config;
	p->catalogue = catalogue;
	p->replies = *replies;
	p->data = data;
	cgroups_open(&p->cgroups, config->programs_cgroup);
	walk_init(&p->walk, loop);
	for (i = 0; i < PROGRAM_BUCKETS; i++) {
		list_init(&p->by_key[i]);
		list_init(&p->by_pid[i]);
		list_init(&p->clients[i]);
		list_init(&p->users[i]);
	}
	*ret = p;
	return 0;
}

void programs_free(struct programs *p)
{
	int i;

	if (p == NULL)
		return;
	for (i = 0; i < PROGRAM_BUCKETS; i++) {
		while (!list_empty(&p->clients[i])) {
			struct client *c = container_of(p->clients[i].next, struct client, by_session);

			/* First the waits, so that nobody is told that the programs are gone. */
			while (!list_empty(&c->waits))
				pending_free(c, container_of(c->waits.next, struct pending, link));
			if (list_empty(&c->programs))
				client_put(c);
			else
				program_orphan(container_of(c->programs.next, struct program, of_client));
		}
	}
	for (i = 0; i < PROGRAM_BUCKETS; i++) {
		while (!list_empty(&p->by_key[i]))
			program_free(container_of(p->by_key[i].next, struct program, by_key));
	}
	walk_fini(&p->walk);
	cgroups_close(&p->cgroups);
	free(p->instances);
	free(p);
}

uint32_t programs_count(const struct programs *p)
{
	return p->count;
}

void program_failed(struct programs *p, uint64_t session, uint32_t serial, uint16_t status, const char *format, ...)
{
	char detail[ROOT_DETAIL_MAX + 1], *c;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	/* Parts of it may be a client's or a file's. */
	for (c = detail; *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	}
	p->replies.failed(p->data, session, serial, status, detail);
}

/* Root of a container without a user namespace has the host's uid 0: only roles, which know that, count for it. */
static bool allowed(const struct entry *e, const struct program_owner *o)
{
	const struct peer *peer = o->peer;

	if (peer->uid == 0 && !peer->host)
		return (e->allow_roles & o->roles) != 0;
	return entry_allows(e, peer->uid, peer->gid, peer->groups, peer->ngroups, o->roles);
}

/* A file that could not be read says nothing about who may know why. */
static bool says_nobody(const struct entry *e)
{
	return e->refused != NULL && !e->exec_refused && e->nallow_uids + e->nallow_gids == 0 && e->allow_roles == 0;
}

/* The entry of the request if it may be started by @o, else NULL and answered. */
static struct entry *admit(struct programs *p, const struct program_owner *o, uint32_t serial,
			   const struct start_request *m)
{
	struct entry *e = catalogue_find(p->catalogue, m->label);

	if (m->ipc > ROOT_IPC_SOCKETPAIR || (m->flags & ~START_STDERR) != 0) {
		program_failed(p, o->session, serial, STATUS_INVALID, "unknown ipc type or flags");
		return NULL;
	}
	if (e == NULL) {
		program_failed(p, o->session, serial, STATUS_NOT_FOUND, "no program \"%.*s\" in the catalogue",
			       (int)m->label.len, m->label.p);
		return NULL;
	}
	if (!allowed(e, o) && !says_nobody(e)) {
		log_info("program %s: refused to uid %u", e->name, o->peer->uid);
		program_failed(p, o->session, serial, STATUS_DENIED, "program %s does not allow uid %u to start it",
			       e->name, o->peer->uid);
		return NULL;
	}
	if (e->refused != NULL && !e->exec_refused) {
		program_failed(p, o->session, serial, STATUS_REFUSED, "%s", e->refused);
		return NULL;
	}
	return e;
}

static bool within_limits(struct programs *p, const struct program_owner *o, uint32_t serial, const struct entry *e)
{
	const char *what = NULL;
	uint32_t limit = 0;

	if (e->instances != 0 && p->instances[e - p->catalogue->entries] >= e->instances) {
		what = "of this program";
		limit = e->instances;
	} else if (programs_of_uid(p, o->peer->uid) >= p->config->max_programs_per_uid) {
		what = "of this user";
		limit = p->config->max_programs_per_uid;
	} else if (p->count >= p->config->max_programs) {
		what = "in all";
		limit = p->config->max_programs;
	}
	if (what == NULL)
		return true;
	program_failed(p, o->session, serial, STATUS_TOO_MANY, "the limit of %u at once %s is reached", limit, what);
	return false;
}

static bool executable(struct programs *p, const struct program_owner *o, uint32_t serial, struct entry *e)
{
	char why[ROOT_DETAIL_MAX + 1];
	int r = entry_check_exec(e, why, (int)sizeof(why));

	if (r == 0)
		return true;
	program_failed(p, o->session, serial,
		       r == -EPERM    ? STATUS_REFUSED
		       : r == -ENOMEM ? STATUS_TRY_AGAIN
				      : STATUS_NOT_EXECUTABLE,
		       "%s", why);
	return false;
}

/* It waits at its gate and is killed there, so this does not block. */
static void discard(struct spawn *s)
{
	siginfo_t info;

	(void)procfd_signal(s->pidfd, SIGKILL);
	(void)waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, &info, WEXITED);
	spawn_close(s);
}

/*
 * A gated child whose number no program here has. Two can have the same only after the keeper reaped one whose status is
 * still to be fetched; the client must not mistake one for the other.
 */
static int spawn_distinct(struct programs *p, const struct spawn_plan *plan, struct spawn *ret)
{
	struct spawn tries[PID_TRIES];
	int n = 0, r = -EAGAIN;

	while (n < PID_TRIES) {
		r = spawn_gated(plan, &tries[n]);
		if (r < 0 || program_by_pid(p, tries[n].pid) == NULL)
			break;
		log_debug("pid %d still names a program that has ended: another is taken", tries[n].pid);
		n++;
		r = -EAGAIN;
	}
	if (r == 0)
		*ret = tries[n];
	/* Not before: as long as they live, their numbers are not given out. */
	while (n > 0)
		discard(&tries[--n]);
	return r;
}

static void answer_started(struct program *pr)
{
	struct started_reply m = {.pid = (uint32_t)pr->spawn.pid, .instance = pr->key};
	struct programs *p = pr->all;
	int fds[SPAWN_FDS_MAX], nfds = pr->spawn.nfds, i;

	memcpy(fds, pr->spawn.fds, sizeof(fds));
	pr->spawn.nfds = 0;
	p->replies.started(p->data, pr->client->session, pr->start_serial, &m, fds, nfds);
	for (i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

/* Whatever is left of it is ended; the answer is the last thing done with it on behalf of its session. */
static void start_failed(struct program *pr, uint16_t status, const char *detail)
{
	struct programs *p = pr->all;
	uint64_t session = pr->client->session;
	uint32_t serial = pr->start_serial;
	char name[sizeof(pr->name)];

	memcpy(name, pr->name, sizeof(name));
	log_warning("program %s: start for uid %u failed: %s", name, pr->uid, detail);
	program_orphan(pr);
	program_kill(pr);
	program_failed(p, session, serial, status, "%s", detail);
}

static void on_control(struct source *s, uint32_t events)
{
	struct program *pr = container_of(s, struct program, control);
	struct programs *p = pr->all;
	char detail[ROOT_DETAIL_MAX + 1];
	enum spawn_outcome outcome = spawn_outcome(&pr->spawn, detail, (int)sizeof(detail));

	(void)events;
	if (outcome == SPAWN_PENDING)
		return;
	loop_del(p->loop, s);
	close_fd(&pr->spawn.control);
	s->fd = -1;
	if (pr->client == NULL)
		return; /* its session ended meanwhile: it is being killed */
	if (outcome != SPAWN_RUNS) {
		start_failed(pr, outcome == SPAWN_NOT_EXECUTABLE ? STATUS_NOT_EXECUTABLE : STATUS_SETUP_FAILED, detail);
		return;
	}
	pr->state = PROGRAM_RUNNING;
	program_keep(pr, -1);
	log_info("program %s: pid %d started for uid %u", pr->name, pr->spawn.pid, pr->uid);
	answer_started(pr);
}

static struct program *program_for(struct programs *p, const struct program_owner *o, const struct entry *e,
				   uint32_t serial)
{
	struct program *pr = program_new(p);

	if (pr == NULL)
		return NULL;
	pr->uid = o->peer->uid;
	memcpy(pr->name, e->name, sizeof(pr->name));
	pr->entry = (int)(e - p->catalogue->entries);
	pr->child = true;
	pr->start_serial = serial;
	pr->grace_ms = e->grace_ms;
	pr->stop_signal = e->stop_signal;
	return pr;
}

/* By which its processes are found when they are to end. The key is its own. */
static void choose_tree(struct program *pr)
{
	struct cgroups *c = &pr->all->cgroups;
	int r;

	if (pr->key % SWEEP_STARTS == 0)
		cgroups_sweep(c);
	r = cgroup_make(c, pr->key, pr->cgroup);
	if (r < 0)
		pr->tree.mark = mark_of(pr->key);
	if (r < 0 && r != -ENOENT)
		log_warning("program %s: no cgroup could be made: %s", pr->name, strerror(-r));
}

static int spawn_entry(struct program *pr, const struct entry *e, const struct start_request *m, char **argv)
{
	gid_t groups[PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX];
	struct spawn_plan plan = {
		.path = e->path,
		.argv = argv,
		.environment = e->environment,
		.directory = e->directory,
		.umask = e->umask,
		.ipc = m->ipc,
		.wants_stderr = (m->flags & START_STDERR) != 0,
		.privilege =
			{
				.uid = e->uid,
				.gid = e->gid,
				.groups = groups,
				.ngroups = e->ngroups,
				.caps = e->caps,
				.no_new_privs = e->no_new_privs,
			},
	};
	int r;

	if (e->ngroups > 0)
		memcpy(groups, e->groups, (size_t)e->ngroups * sizeof(*groups));
	if (pr->tree.mark != 0)
		groups[plan.privilege.ngroups++] = pr->tree.mark;
	r = spawn_distinct(pr->all, &plan, &pr->spawn);
	if (r < 0 || pr->cgroup[0] == '\0')
		return r;
	/* It waits at its gate, and no one has reaped it: the number is its own. */
	r = cgroup_join(&pr->all->cgroups, pr->cgroup, pr->spawn.pid);
	if (r < 0)
		discard(&pr->spawn);
	return r;
}

/* Known to the keeper first, then watched, then let go: a monitor that dies in between leaves a child that never ran. */
static int release(struct program *pr)
{
	struct programs *p = pr->all;
	int r;

	program_keep(pr, pr->spawn.pidfd);
	pr->control = (struct source){.fd = pr->spawn.control, .ready = on_control};
	r = loop_add(p->loop, &pr->control, EPOLLIN);
	if (r == 0)
		r = program_watch(pr);
	return r < 0 ? r : spawn_go(&pr->spawn);
}

/* 0: the answer comes later. */
static int start(struct programs *p, const struct program_owner *o, uint32_t serial, const struct entry *e,
		 const struct start_request *m, char **argv)
{
	struct program *pr = program_for(p, o, e, serial);
	struct client *c;
	siginfo_t info;
	int r;

	if (pr == NULL)
		return -ENOMEM;
	pr->key = keeper_new_key(p->keeper);
	choose_tree(pr);
	r = spawn_entry(pr, e, m, argv);
	if (r < 0) {
		cgroup_remove(&p->cgroups, pr->cgroup);
		free(pr);
		return r;
	}
	c = client_get(p, o->session);
	r = c != NULL ? program_add(pr, c) : -ENOMEM;
	if (r < 0) {
		if (c != NULL)
			client_put(c);
		discard(&pr->spawn);
		cgroup_remove(&p->cgroups, pr->cgroup);
		free(pr);
		return r;
	}
	r = release(pr);
	if (r < 0) {
		(void)procfd_signal(pr->spawn.pidfd, SIGKILL);
		(void)waitid((idtype_t)P_PIDFD, (id_t)pr->spawn.pidfd, &info, WEXITED | WNOWAIT);
		program_remove(pr);
	}
	return r;
}

void programs_start(struct programs *p, const struct program_owner *owner, uint32_t serial,
		    const struct start_request *m)
{
	struct entry *e = admit(p, owner, serial, m);
	char why[ROOT_DETAIL_MAX + 1];
	char **argv;
	int r;

	if (e == NULL || !within_limits(p, owner, serial, e))
		return;
	r = args_build(e->exec, e->arguments, m->args, &argv, why, (int)sizeof(why));
	if (r < 0) {
		program_failed(p, owner->session, serial, r == -ENOMEM ? STATUS_TRY_AGAIN : STATUS_BAD_ARGUMENTS, "%s",
			       r == -ENOMEM ? "out of memory" : why);
		return;
	}
	if (executable(p, owner, serial, e)) {
		r = start(p, owner, serial, e, m, argv);
		if (r < 0) {
			log_warning("program %s: start for uid %u failed: %s", e->name, owner->peer->uid, strerror(-r));
			program_failed(p, owner->session, serial, STATUS_TRY_AGAIN, "no process could be made: %s",
				       strerror(-r));
		}
	}
	free(argv);
}

/* Those that nobody may start, because their file could not even be read, are shown to root. */
static bool listed(const struct entry *e, const struct program_owner *o)
{
	return allowed(e, o) || (says_nobody(e) && o->peer->uid == 0 && o->peer->host);
}

ssize_t programs_list(struct programs *p, const struct program_owner *owner, const struct list_request *m,
		      struct wire_wr *w)
{
	const struct catalogue *c = p->catalogue;
	char text[ROOT_DETAIL_MAX + 1];
	struct page_wr page;
	uint64_t i;

	if (m->flags != 0)
		return -EINVAL;
	page_begin(&page, w);
	for (i = m->cursor; i < (uint64_t)c->nentries; i++) {
		const struct entry *e = &c->entries[i];
		struct program_record record = {.usable = e->refused == NULL, .name = str_of(e->name)};

		if (!listed(e, owner))
			continue;
		(void)snprintf(text, sizeof(text), "%s", e->refused != NULL ? e->refused : e->description);
		record.description = str_of(text);
		if (!page_add_program(&page, &record))
			break;
	}
	return page_end(&page, i < (uint64_t)c->nentries ? i : 0);
}
