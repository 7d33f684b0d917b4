/* SPDX-License-Identifier: MIT */
/*
 * Programs over a change of monitors: what the keeper keeps of them, and how it comes back. Runs in: monitor.
 *
 * The record holds what ending a program needs, so that a monitor whose catalogue has no such entry any more can do that.
 */
#include "program_table.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define RECORD_VERSION 2 /* 1 had neither cgroup nor mark */
#define RECORD_MAX (40 + ROOT_PROGRAM_MAX + CGROUP_NAME_MAX)
#define SIGNAL_MAX 64

struct record {
	uint64_t session;
	uint32_t uid;
	uint32_t start_serial;
	uint16_t state;
	uint16_t stop_signal;
	uint32_t grace_ms;
	struct str name;
	struct str cgroup;
	uint32_t mark;
};

static void put_record(struct wire_wr *w, const struct record *r)
{
	wire_put_u16(w, RECORD_VERSION);
	wire_put_u64(w, r->session);
	wire_put_u32(w, r->uid);
	wire_put_u32(w, r->start_serial);
	wire_put_u16(w, r->state);
	wire_put_u16(w, r->stop_signal);
	wire_put_u32(w, r->grace_ms);
	wire_put_str(w, r->name, ROOT_PROGRAM_MAX);
	wire_put_str(w, r->cgroup, CGROUP_NAME_MAX);
	wire_put_u32(w, r->mark);
}

/* What is killed by it has to be a cgroup that is no one else's. */
static bool cgroup_is_right(struct str s)
{
	char name[CGROUP_NAME_MAX + 1];

	if (s.len == 0)
		return true;
	return str_copy(name, sizeof(name), s) && cgroup_valid_name(name) && strchr(name, '/') != NULL;
}

/* It is our own, but an older or a newer monitor's. */
static bool get_record(struct str bytes, struct record *r)
{
	struct wire_rd rd;
	uint16_t version;

	wire_rd_init(&rd, bytes.p, bytes.len);
	version = wire_get_u16(&rd);
	r->session = wire_get_u64(&rd);
	r->uid = wire_get_u32(&rd);
	r->start_serial = wire_get_u32(&rd);
	r->state = wire_get_u16(&rd);
	r->stop_signal = wire_get_u16(&rd);
	r->grace_ms = wire_get_u32(&rd);
	wire_get_str(&rd, &r->name, ROOT_PROGRAM_MAX);
	r->cgroup = (struct str){"", 0};
	r->mark = 0;
	if (version > 1) {
		wire_get_str(&rd, &r->cgroup, CGROUP_NAME_MAX);
		r->mark = wire_get_u32(&rd);
	}
	return wire_rd_done(&rd) == 0 && version >= 1 && version <= RECORD_VERSION && r->state >= PROGRAM_STARTING &&
	       r->state <= PROGRAM_TERMINATING && r->stop_signal >= 1 && r->stop_signal <= SIGNAL_MAX &&
	       r->grace_ms <= ENTRY_GRACE_MS_MAX && (r->mark == 0 || r->mark >= MARK_FIRST) &&
	       cgroup_is_right(r->cgroup);
}

void program_keep(struct program *pr, int pidfd)
{
	struct record r = {
		.session = pr->client != NULL ? pr->client->session : 0,
		.uid = pr->uid,
		.start_serial = pr->start_serial,
		.state = (uint16_t)pr->state,
		.stop_signal = (uint16_t)pr->stop_signal,
		.grace_ms = pr->grace_ms,
		.name = str_of(pr->name),
		.cgroup = str_of(pr->cgroup),
		.mark = pr->tree.mark,
	};
	struct ipc_item item = {.key = pr->key, .kind = IPC_KIND_PROGRAM, .pid = (uint32_t)pr->spawn.pid};
	uint8_t bytes[RECORD_MAX];
	struct wire_wr w;

	wire_wr_init(&w, bytes, sizeof(bytes));
	put_record(&w, &r);
	item.record = (struct str){(const char *)bytes, w.len};
	keeper_put(pr->all->keeper, &item, pidfd);
}

static struct program *program_from(struct programs *p, const struct ipc_item *item, const struct record *r, int pidfd)
{
	struct program *pr = program_new(p);
	struct entry *e = r != NULL ? catalogue_find(p->catalogue, r->name) : NULL;

	if (pr == NULL)
		return NULL;
	pr->key = item->key;
	pr->entry = e != NULL ? (int)(e - p->catalogue->entries) : -1;
	pr->spawn = (struct spawn){.pid = (pid_t)item->pid, .pidfd = pidfd, .control = -1};
	if (r == NULL)
		return pr;
	pr->uid = r->uid;
	pr->start_serial = r->start_serial;
	pr->state = (enum program_state)r->state;
	pr->stop_signal = r->stop_signal;
	pr->grace_ms = r->grace_ms;
	(void)str_copy(pr->name, sizeof(pr->name), r->name);
	(void)str_copy(pr->cgroup, sizeof(pr->cgroup), r->cgroup);
	pr->tree.mark = r->mark;
	return pr;
}

void programs_restore(struct programs *p, const struct ipc_item *item, int pidfd)
{
	struct record r;
	bool understood = get_record(item->record, &r), ran = understood && r.state != PROGRAM_STARTING;
	struct program *pr = program_from(p, item, understood ? &r : NULL, pidfd);
	struct client *c = pr != NULL && ran && r.session != 0 ? client_get(p, r.session) : NULL;

	if (pr == NULL || program_add(pr, c) < 0)
		fatal("out of memory: the running programs cannot be taken over");
	if (!ran) {
		log_warning("program %s: pid %d is ended: %s", pr->name, pr->spawn.pid,
			    understood ? "its start was not complete" : "its record is not understood");
		program_kill(pr);
	} else if (c == NULL || pr->state == PROGRAM_TERMINATING) {
		/* Also one that has ended: what it has started may not have. */
		program_end(pr);
	}
	if (item->exited)
		program_ended(pr, item->status);
}

void programs_restored(struct programs *p, bool (*session_exists)(void *data, uint64_t session))
{
	struct list *l, *next;
	int i;

	for (i = 0; i < PROGRAM_BUCKETS; i++) {
		for (l = p->clients[i].next; l != &p->clients[i]; l = next) {
			struct client *c = container_of(l, struct client, by_session);

			next = l->next;
			if (!session_exists(p->data, c->session))
				programs_session_end(p, c->session);
		}
	}
}

void programs_exited(struct programs *p, uint64_t key, uint32_t status)
{
	struct program *pr = program_by_key(p, key);

	if (pr != NULL && !pr->child)
		program_ended(pr, status);
}
