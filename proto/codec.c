/* SPDX-License-Identifier: MIT */
#include "codec.h"

#include "../include/rootbroker.h"

#define CLIENT_NAME_MAX 63

ssize_t put_hello(struct wire_wr *w, const struct hello *m)
{
	wire_put_u16(w, m->version_min);
	wire_put_u16(w, m->version_max);
	wire_put_str(w, m->client, CLIENT_NAME_MAX);
	return wire_wr_done(w);
}

int get_hello(struct wire_rd *r, struct hello *m)
{
	m->version_min = wire_get_u16(r);
	m->version_max = wire_get_u16(r);
	wire_get_str(r, &m->client, CLIENT_NAME_MAX);
	return wire_rd_done(r);
}

ssize_t put_welcome(struct wire_wr *w, const struct welcome *m)
{
	wire_put_u16(w, m->version);
	wire_put_u64(w, m->session);
	return wire_wr_done(w);
}

int get_welcome(struct wire_rd *r, struct welcome *m)
{
	m->version = wire_get_u16(r);
	m->session = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_error_reply(struct wire_wr *w, const struct error_reply *m)
{
	wire_put_u16(w, m->status);
	wire_put_str(w, m->detail, ROOT_DETAIL_MAX);
	return wire_wr_done(w);
}

int get_error_reply(struct wire_rd *r, struct error_reply *m)
{
	m->status = wire_get_u16(r);
	wire_get_str(r, &m->detail, ROOT_DETAIL_MAX);
	if (m->status == 0)
		r->bad = true;
	return wire_rd_done(r);
}

/* A field that must not be empty. */
static void get_name(struct wire_rd *r, struct str *s, size_t max)
{
	wire_get_str(r, s, max);
	if (s->len == 0)
		r->bad = true;
}

ssize_t put_name_request(struct wire_wr *w, const struct name_request *m)
{
	wire_put_u32(w, m->flags);
	wire_put_str(w, m->name, ROOT_NAME_MAX);
	return wire_wr_done(w);
}

int get_name_request(struct wire_rd *r, struct name_request *m)
{
	m->flags = wire_get_u32(r);
	get_name(r, &m->name, ROOT_NAME_MAX);
	return wire_rd_done(r);
}

ssize_t put_hostname_reply(struct wire_wr *w, const struct hostname_reply *m)
{
	wire_put_str(w, m->hostname, ROOT_HOSTNAME_MAX);
	return wire_wr_done(w);
}

int get_hostname_reply(struct wire_rd *r, struct hostname_reply *m)
{
	wire_get_str(r, &m->hostname, ROOT_HOSTNAME_MAX);
	return wire_rd_done(r);
}

ssize_t put_pid_reply(struct wire_wr *w, const struct pid_reply *m)
{
	wire_put_u32(w, m->pid);
	return wire_wr_done(w);
}

int get_pid_reply(struct wire_rd *r, struct pid_reply *m)
{
	m->pid = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_cgroup_reply(struct wire_wr *w, const struct cgroup_reply *m)
{
	wire_put_str(w, m->cgroup, ROOT_CGROUP_MAX);
	return wire_wr_done(w);
}

int get_cgroup_reply(struct wire_rd *r, struct cgroup_reply *m)
{
	wire_get_str(r, &m->cgroup, ROOT_CGROUP_MAX);
	return wire_rd_done(r);
}

ssize_t put_container_record(struct wire_wr *w, const struct container_record *m)
{
	wire_put_u64(w, m->rid);
	wire_put_u64(w, m->generation);
	wire_put_u32(w, m->state);
	wire_put_u32(w, m->flags);
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->owner);
	wire_put_u32(w, m->exit);
	wire_put_str(w, m->engine, ROOT_ENGINE_MAX);
	wire_put_str(w, m->id, ROOT_ID_MAX);
	wire_put_str(w, m->name, ROOT_NAME_MAX);
	wire_put_str(w, m->user, ROOT_USER_MAX);
	wire_put_str(w, m->cgroup, ROOT_CGROUP_MAX);
	wire_put_str(w, m->init_cgroup, ROOT_CGROUP_MAX);
	wire_put_str(w, m->hostname, ROOT_HOSTNAME_MAX);
	return wire_wr_done(w);
}

void page_next_container(struct wire_rd *r, struct container_record *m)
{
	m->rid = wire_get_u64(r);
	m->generation = wire_get_u64(r);
	m->state = wire_get_u32(r);
	m->flags = wire_get_u32(r);
	m->pid = wire_get_u32(r);
	m->owner = wire_get_u32(r);
	m->exit = wire_get_u32(r);
	get_name(r, &m->engine, ROOT_ENGINE_MAX);
	get_name(r, &m->id, ROOT_ID_MAX);
	wire_get_str(r, &m->name, ROOT_NAME_MAX);
	wire_get_str(r, &m->user, ROOT_USER_MAX);
	wire_get_str(r, &m->cgroup, ROOT_CGROUP_MAX);
	wire_get_str(r, &m->init_cgroup, ROOT_CGROUP_MAX);
	wire_get_str(r, &m->hostname, ROOT_HOSTNAME_MAX);
}

int get_container_record(struct wire_rd *r, struct container_record *m)
{
	page_next_container(r, m);
	return wire_rd_done(r);
}

ssize_t put_list_request(struct wire_wr *w, const struct list_request *m)
{
	wire_put_u64(w, m->cursor);
	wire_put_u32(w, m->flags);
	return wire_wr_done(w);
}

int get_list_request(struct wire_rd *r, struct list_request *m)
{
	m->cursor = wire_get_u64(r);
	m->flags = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_process_request(struct wire_wr *w, const struct process_request *m)
{
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->flags);
	return wire_wr_done(w);
}

int get_process_request(struct wire_rd *r, struct process_request *m)
{
	m->pid = wire_get_u32(r);
	m->flags = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_cgroup_request(struct wire_wr *w, const struct cgroup_request *m)
{
	wire_put_u32(w, m->flags);
	wire_put_str(w, m->cgroup, ROOT_CGROUP_MAX);
	return wire_wr_done(w);
}

int get_cgroup_request(struct wire_rd *r, struct cgroup_request *m)
{
	m->flags = wire_get_u32(r);
	get_name(r, &m->cgroup, ROOT_CGROUP_MAX);
	return wire_rd_done(r);
}

ssize_t put_watch_request(struct wire_wr *w, const struct watch_request *m)
{
	wire_put_u64(w, m->after);
	wire_put_u64(w, m->until);
	wire_put_u32(w, m->flags);
	return wire_wr_done(w);
}

int get_watch_request(struct wire_rd *r, struct watch_request *m)
{
	m->after = wire_get_u64(r);
	m->until = wire_get_u64(r);
	m->flags = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_start_request(struct wire_wr *w, const struct start_request *m)
{
	wire_put_u32(w, m->ipc);
	wire_put_u32(w, m->flags);
	wire_put_str(w, m->label, ROOT_PROGRAM_MAX);
	wire_put_bytes(w, m->args, ROOT_ARGS_MAX);
	return wire_wr_done(w);
}

int get_start_request(struct wire_rd *r, struct start_request *m)
{
	m->ipc = wire_get_u32(r);
	m->flags = wire_get_u32(r);
	get_name(r, &m->label, ROOT_PROGRAM_MAX);
	wire_get_bytes(r, &m->args, ROOT_ARGS_MAX);
	if (m->args.len > 0 && m->args.p[m->args.len - 1] != '\0')
		r->bad = true;
	return wire_rd_done(r);
}

ssize_t put_started_reply(struct wire_wr *w, const struct started_reply *m)
{
	wire_put_u32(w, m->pid);
	wire_put_u64(w, m->instance);
	return wire_wr_done(w);
}

int get_started_reply(struct wire_rd *r, struct started_reply *m)
{
	m->pid = wire_get_u32(r);
	m->instance = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_wait_request(struct wire_wr *w, const struct wait_request *m)
{
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->flags);
	wire_put_u64(w, m->ack);
	return wire_wr_done(w);
}

int get_wait_request(struct wire_rd *r, struct wait_request *m)
{
	m->pid = wire_get_u32(r);
	m->flags = wire_get_u32(r);
	m->ack = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_waited_reply(struct wire_wr *w, const struct waited_reply *m)
{
	wire_put_u32(w, m->pid);
	wire_put_u32(w, m->status);
	wire_put_u64(w, m->instance);
	return wire_wr_done(w);
}

int get_waited_reply(struct wire_rd *r, struct waited_reply *m)
{
	m->pid = wire_get_u32(r);
	m->status = wire_get_u32(r);
	m->instance = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_ack_request(struct wire_wr *w, const struct ack_request *m)
{
	wire_put_u64(w, m->instance);
	return wire_wr_done(w);
}

int get_ack_request(struct wire_rd *r, struct ack_request *m)
{
	m->instance = wire_get_u64(r);
	return wire_rd_done(r);
}

ssize_t put_terminate_request(struct wire_wr *w, const struct terminate_request *m)
{
	wire_put_u32(w, m->pid);
	return wire_wr_done(w);
}

int get_terminate_request(struct wire_rd *r, struct terminate_request *m)
{
	m->pid = wire_get_u32(r);
	return wire_rd_done(r);
}

ssize_t put_cancel_request(struct wire_wr *w, const struct cancel_request *m)
{
	wire_put_u32(w, m->start);
	return wire_wr_done(w);
}

int get_cancel_request(struct wire_rd *r, struct cancel_request *m)
{
	m->start = wire_get_u32(r);
	return wire_rd_done(r);
}

int get_nothing(struct wire_rd *r)
{
	return wire_rd_done(r);
}

static void put_program_record(struct wire_wr *w, const struct program_record *m)
{
	wire_put_u32(w, m->usable);
	wire_put_str(w, m->name, ROOT_PROGRAM_MAX);
	wire_put_str(w, m->description, ROOT_DETAIL_MAX);
}

void page_next_program(struct wire_rd *r, struct program_record *m)
{
	m->usable = wire_get_u32(r);
	get_name(r, &m->name, ROOT_PROGRAM_MAX);
	wire_get_str(r, &m->description, ROOT_DETAIL_MAX);
}

static void put_fact_record(struct wire_wr *w, const struct fact_record *m)
{
	wire_put_str(w, m->key, FACT_KEY_MAX);
	wire_put_str(w, m->value, ROOT_CGROUP_MAX);
	wire_put_str(w, m->source, FACT_SOURCE_MAX);
}

void page_next_fact(struct wire_rd *r, struct fact_record *m)
{
	get_name(r, &m->key, FACT_KEY_MAX);
	wire_get_str(r, &m->value, ROOT_CGROUP_MAX);
	wire_get_str(r, &m->source, FACT_SOURCE_MAX);
}

static void put_event_record(struct wire_wr *w, const struct event_record *m)
{
	wire_put_u32(w, m->kind);
	(void)put_container_record(w, &m->container);
}

void page_next_event(struct wire_rd *r, struct event_record *m)
{
	m->kind = wire_get_u32(r);
	page_next_container(r, &m->container);
}

void put_events_head(struct wire_wr *w, const struct events_head *m)
{
	wire_put_u32(w, m->flags);
	wire_put_u64(w, m->after);
}

void get_events_head(struct wire_rd *r, struct events_head *m)
{
	m->flags = wire_get_u32(r);
	m->after = wire_get_u64(r);
}

void page_begin(struct page_wr *p, struct wire_wr *w)
{
	*p = (struct page_wr){.w = w, .at = w->len};
	wire_put_u64(w, 0);
	wire_put_u16(w, 0);
}

/* Keeps the record that was just written behind @before, or takes it back. */
static bool page_keep(struct page_wr *p, const struct wire_wr *before)
{
	if (p->w->bad || p->count == UINT16_MAX) {
		*p->w = *before;
		return false;
	}
	p->count++;
	return true;
}

/* One function for each kind of record: writes it, or leaves the page as it was. */
#define PAGE_ADD(name, put)                                                    \
	bool page_add_##name(struct page_wr *p, const struct name##_record *m) \
	{                                                                      \
		struct wire_wr before = *p->w;                                 \
                                                                               \
		if (before.bad)                                                \
			return false;                                          \
		(void)put(p->w, m);                                            \
		return page_keep(p, &before);                                  \
	}
PAGE_ADD(container, put_container_record)
PAGE_ADD(program, put_program_record)
PAGE_ADD(fact, put_fact_record)
PAGE_ADD(event, put_event_record)
#undef PAGE_ADD

ssize_t page_end(struct page_wr *p, uint64_t next)
{
	struct wire_wr front;

	if (p->w->bad)
		return wire_wr_done(p->w);
	wire_wr_init(&front, p->w->buf + p->at, p->w->len - p->at);
	wire_put_u64(&front, next);
	wire_put_u16(&front, p->count);
	return wire_wr_done(p->w);
}

void get_page(struct wire_rd *r, uint64_t *next, uint16_t *count)
{
	*next = wire_get_u64(r);
	*count = wire_get_u16(r);
}
