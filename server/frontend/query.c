/* SPDX-License-Identifier: MIT */
/*
 * Container requests, answered from the index and by the joiner. Runs in: frontend.
 *
 * "No" is only said after the resolver has read everything that happened before the question; "yes" only while the
 * kernel says that the init process lives.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../../proto/proto.h"
#include "../common/log.h"
#include "frontend.h"

/* What of a name goes into an error's detail. */
#define SHOWN_MAX 40
#define SHOWN(s) ((s).len > SHOWN_MAX ? SHOWN_MAX : (int)(s).len), (s).p, (s).len > SHOWN_MAX ? "..." : ""

/* @q is done with: nothing may look at it afterwards, because an answer can end the session with all that it has
 * parked. */
static struct session *let_go(struct query *q)
{
	struct session *s = q->session;

	if (q->parked)
		park_free(s->frontend, q->parked);
	return s;
}

static void answer(struct query *q, const struct wire_wr *w)
{
	(void)session_answer(let_go(q), w, NULL, 0);
}

static void refuse(struct query *q, enum status status, const char *detail)
{
	uint32_t serial = q->serial;

	(void)session_error(let_go(q), serial, status, "%s", detail);
}

static void begin(struct frontend *f, const struct query *q, struct wire_wr *w, uint16_t type)
{
	frontend_begin(f, w, WIRE_RECORD_MAX, type, q->serial);
}

static void engines_of(const struct index *ix, uint32_t engines, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < INDEX_ENGINES_MAX && at < size; i++) {
		int n;

		if (!(engines & (1u << i)))
			continue;
		n = snprintf(text + at, size - at, "%s%s", at ? ", " : "", index_engine(ix, i));
		at += n > 0 ? (size_t)n : 0;
	}
}

/* "podman@alice" */
#define WHOSE_MAX (ROOT_ENGINE_MAX + ROOT_USER_MAX + 2)
static void say_whose(const struct record *r, char text[WHOSE_MAX])
{
	char user[ROOT_USER_MAX + 1];

	if (!r->user.len || !str_copy(user, sizeof(user), r->user))
		(void)snprintf(user, sizeof(user), "%u", r->owner);
	(void)snprintf(text, WHOSE_MAX, "%s@%s", r->engine->name, user);
}

/* Of several users, or of several engines of theirs. */
static void refuse_ambiguous_users(struct query *q, const struct index_match *m)
{
	char detail[ROOT_DETAIL_MAX + 1], one[WHOSE_MAX], other[WHOSE_MAX];

	say_whose(m->record, one);
	say_whose(m->other, other);
	(void)snprintf(detail, sizeof(detail), "%zu containers of users answer to it: say %s:name or %s:name", m->count,
		       one, other);
	refuse(q, STATUS_AMBIGUOUS, detail);
}

static void refuse_ambiguous(struct frontend *f, struct query *q, const struct index_match *m)
{
	bool one_engine = !(m->engines & (m->engines - 1));
	char detail[ROOT_DETAIL_MAX + 1], engines[100];

	if (!m->by_prefix && m->record->owner && (!one_engine || m->record->owner != m->other->owner)) {
		refuse_ambiguous_users(q, m);
		return;
	}
	engines_of(&f->index, m->engines, engines, sizeof(engines));
	(void)snprintf(detail, sizeof(detail), "%zu containers of %s answer to %s%.*s%s: say %s", m->count, engines,
		       m->by_prefix ? "the id prefix " : "", SHOWN(q->name),
		       m->by_prefix ? "more of the id"
		       : one_engine ? "the full id"
				    : "engine:name, or the full id");
	refuse(q, STATUS_AMBIGUOUS, detail);
}

static void refuse_missing(struct query *q)
{
	char detail[ROOT_DETAIL_MAX + 1];

	if (q->name.len < q->session->prefix_min)
		(void)snprintf(detail, sizeof(detail),
			       "no container is called %.*s%s, and an id's prefix counts from %u bytes on",
			       SHOWN(q->name), q->session->prefix_min);
	else
		(void)snprintf(detail, sizeof(detail), "no container is called %.*s%s, and no id begins with it",
			       SHOWN(q->name));
	refuse(q, STATUS_NOT_FOUND, detail);
}

static void refuse_stopped(struct query *q, const struct record *r)
{
	char detail[ROOT_DETAIL_MAX + 1];

	(void)snprintf(detail, sizeof(detail), "%s has the container %.*s%s, but it has no live init process",
		       r->engine->name, SHOWN(r->name.len ? r->name : r->id));
	refuse(q, STATUS_NOT_RUNNING, detail);
}

struct container_record query_describe(const struct record *r, bool alive)
{
	struct container_record m = {.rid = r->rid, .generation = r->generation, .state = r->state, .owner = r->owner};

	m.engine = str_of(r->engine->name);
	m.id = r->id;
	m.name = r->name;
	m.user = r->user;
	m.flags = r->flags;
	m.exit = r->exit;
	if (alive) {
		m.pid = r->pid;
		m.cgroup = r->cgroup;
		m.init_cgroup = r->init_cgroup;
	} else if (r->pid) {
		m.state = ROOT_CONTAINER_STOPPED;
	}
	return m;
}

/* @names: of those that have a process; NULL if none has. */
static void tell_hostnames(struct frontend *f, struct query *q, const struct host_page *p,
			   const struct ipc_joined_name *names)
{
	struct page_wr page;
	uint64_t last = 0;
	struct wire_wr w;

	begin(f, q, &w, MSG_CONTAINERS);
	page_begin(&page, &w);
	for (unsigned i = 0; i < p->n; i++) {
		const struct record *r = p->records[i];
		const struct ipc_joined_name *name = r->pidfd >= 0 ? names++ : NULL;
		struct container_record m = query_describe(r, record_alive(r));

		/* Of one that died meanwhile the namespace may be there still, and has a name. */
		if (name && m.pid && !name->error)
			m.hostname = name->hostname;
		(void)page_add_container(&page, &m); /* fits, even with the longest hostname */
		last = r->rid;
	}
	(void)page_end(&page, p->more ? last : 0);
	answer(q, &w);
}

static void list_with_hostnames(struct frontend *f, struct query *q)
{
	char longest[ROOT_HOSTNAME_MAX];
	struct host_page p = {0};
	uint64_t last = q->cursor;
	bool running = false;
	struct page_wr page;
	struct record *r;
	struct wire_wr w;

	/* Only to see what fits. */
	memset(longest, 'h', sizeof(longest));
	begin(f, q, &w, MSG_CONTAINERS);
	page_begin(&page, &w);
	while ((r = index_after(&f->index, last)) && p.n < IPC_JOIN_MAX) {
		struct container_record m = query_describe(r, r->pidfd >= 0);

		m.hostname = (struct str){longest, sizeof(longest)};
		if (!page_add_container(&page, &m))
			break;
		running |= r->pidfd >= 0;
		p.records[p.n++] = r;
		last = r->rid;
	}
	p.more = r != NULL;
	if (running)
		park_for_hostnames(f, q, &p);
	else
		tell_hostnames(f, q, &p, NULL);
}

static void list(struct frontend *f, struct query *q)
{
	uint64_t last = q->cursor;
	struct page_wr page;
	struct record *r;
	struct wire_wr w;

	begin(f, q, &w, MSG_CONTAINERS);
	page_begin(&page, &w);
	while ((r = index_after(&f->index, last))) {
		struct container_record m = query_describe(r, record_alive(r));

		if (!page_add_container(&page, &m))
			break;
		last = r->rid;
	}
	(void)page_end(&page, r ? last : 0);
	answer(q, &w);
}

static void tell_record(struct frontend *f, struct query *q, const struct record *r, bool alive)
{
	struct container_record m = query_describe(r, alive);
	bool with_pidfd = alive && (q->flags & GET_PIDFD);
	struct wire_wr w;

	if (with_pidfd && !session_take_pidfd(q->session)) {
		refuse(q, STATUS_TRY_AGAIN, "earlier answers with descriptors are not read yet");
		return;
	}
	begin(f, q, &w, MSG_CONTAINER);
	(void)put_container_record(&w, &m);
	/* The index has it still: what is let go is the question. */
	(void)session_answer(let_go(q), &w, &r->pidfd, with_pidfd);
}

/* @r, whose init lives unless this is CONTAINER_GET or CONTAINER_FACTS. */
static void tell(struct frontend *f, struct query *q, struct record *r, bool alive)
{
	struct wire_wr w;

	switch (q->type) {
	case MSG_CONTAINER_PID:
		begin(f, q, &w, MSG_PID);
		(void)put_pid_reply(&w, &(struct pid_reply){.pid = r->pid});
		break;
	case MSG_CONTAINER_CGROUP:
		begin(f, q, &w, MSG_CGROUP);
		(void)put_cgroup_reply(&w, &(struct cgroup_reply){.cgroup = r->cgroup});
		break;
	case MSG_CONTAINER_GET:
		tell_record(f, q, r, alive);
		return;
	case MSG_CONTAINER_FACTS:
		park_for_resolver(f, q, r);
		return;
	default:
		park_for_joiner(f, q, r);
		return;
	}
	answer(q, &w);
}

static void find_cgroup(struct frontend *f, struct query *q)
{
	struct index_match m;
	char detail[ROOT_DETAIL_MAX + 1];

	index_find_cgroup(&f->index, q->name, &m);
	if (m.count == 1 && record_alive(m.record)) {
		tell_record(f, q, m.record, true);
	} else if (!q->synced) {
		park_for_sync(f, q);
	} else if (m.count > 1) {
		(void)snprintf(detail, sizeof(detail), "%zu containers are in that cgroup", m.count);
		refuse(q, STATUS_AMBIGUOUS, detail);
	} else {
		refuse(q, STATUS_NOT_FOUND, "it is no running container's cgroup, nor below one");
	}
}

void query_run(struct frontend *f, struct query *q)
{
	struct index_match m;
	bool alive;

	if (!f->resolver.complete) {
		park_for_index(f, q);
		return;
	}
	if (q->type == MSG_CONTAINER_OF_PROCESS) {
		park_for_resolver(f, q, NULL);
		return;
	}
	if (q->type == MSG_CONTAINER_OF_CGROUP) {
		find_cgroup(f, q);
		return;
	}
	if (q->type == MSG_CONTAINER_LIST) {
		/* Its first page shows what was started before the question. */
		if (!q->synced && !q->cursor)
			park_for_sync(f, q);
		else if (q->hostnames)
			list_with_hostnames(f, q);
		else
			list(f, q);
		return;
	}
	index_find(&f->index, q->name, q->session->prefix_min, &m);
	alive = m.count == 1 && record_alive(m.record) && m.record->pid;
	if (!alive && !q->synced)
		park_for_sync(f, q);
	else if (!m.count)
		refuse_missing(q);
	else if (m.count > 1)
		refuse_ambiguous(f, q, &m);
	else if (!alive && q->type != MSG_CONTAINER_GET && q->type != MSG_CONTAINER_FACTS)
		refuse_stopped(q, m.record);
	else
		tell(f, q, m.record, alive);
}

void query_joined(struct frontend *f, struct parked *p, const struct ipc_joined_name *names)
{
	uint32_t error = names->error;
	struct query *q = &p->q;
	char detail[ROOT_DETAIL_MAX + 1];
	struct wire_wr w;

	if (p->page) {
		tell_hostnames(f, q, p->page, names);
		return;
	}
	/* It may have died while its name was read: a UTS namespace outlives its processes, and still has its name. */
	if (error == ESRCH || !record_alive(p->record)) {
		if (q->synced) {
			refuse_stopped(q, p->record);
			return;
		}
		park_forget_record(p);
		if (f->resolver.complete)
			park_for_sync(f, q);
		else
			park_for_index(f, q);
		return;
	}
	if (error) {
		(void)snprintf(detail, sizeof(detail), "the container's UTS namespace cannot be entered: %s",
			       strerror((int)error));
		refuse(q, STATUS_TRY_AGAIN, detail);
		return;
	}
	begin(f, q, &w, MSG_HOSTNAME);
	(void)put_hostname_reply(&w, &(struct hostname_reply){.hostname = names->hostname});
	answer(q, &w);
}

void query_found(struct frontend *f, struct parked *p, uint32_t error, uint64_t rid)
{
	const struct record *r = rid ? index_find_rid(&f->index, rid) : NULL;
	struct query *q = &p->q;
	char detail[ROOT_DETAIL_MAX + 1];

	if (!error && r) {
		tell_record(f, q, r, record_alive(r));
		return;
	}
	if (error == ESRCH) {
		(void)snprintf(detail, sizeof(detail), "there is no process %u", q->pid);
		refuse(q, STATUS_NOT_RUNNING, detail);
	} else if (error == ENOTUNIQ) {
		(void)snprintf(detail, sizeof(detail), "several containers share the cgroup of process %u", q->pid);
		refuse(q, STATUS_AMBIGUOUS, detail);
	} else if (error) {
		(void)snprintf(detail, sizeof(detail), "process %u cannot be looked at: %s", q->pid,
			       strerror((int)error));
		refuse(q, STATUS_TRY_AGAIN, detail);
	} else {
		(void)snprintf(detail, sizeof(detail), "process %u is in no container", q->pid);
		refuse(q, STATUS_NOT_FOUND, detail);
	}
}

int query_facts(struct frontend *f, struct parked *p, uint32_t error)
{
	struct query *q = &p->q;
	struct wire_wr w;

	if (!error) {
		if (frontend_copy_page(f, &w, MSG_FACTS, q->serial) < 0)
			return -EBADMSG;
		answer(q, &w);
	} else if (q->synced) {
		refuse_missing(q);
	} else {
		/* It is gone, and another one under the same name may be there by now. */
		park_forget_record(p);
		park_for_sync(f, q);
	}
	return 0;
}

void query_timed_out(struct parked *p)
{
	refuse(&p->q, STATUS_TIMED_OUT, p->waits_for);
}

void query_refused(struct query *q)
{
	refuse(q, STATUS_TRY_AGAIN, "the server is short of memory");
}
