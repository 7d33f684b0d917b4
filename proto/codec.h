/* SPDX-License-Identifier: MIT */
/*
 * The bodies of the client protocol. Runs in: frontend, and the library. Trusts: nothing.
 *
 * put_x() writes the body of a message after its header, get_x() reads it and refuses what is left over. The
 * sizes and lengths are checked here and nowhere else; what a value means is for the reader. Views (struct str) of a read
 * message point into the record.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "wire.h"

/* HELLO */
struct hello {
	uint16_t version_min, version_max;
	struct str client; /* who says so, for the log; at most 63 bytes */
};
/* WELCOME */
struct welcome {
	uint16_t version;
	uint64_t session; /* this connection's number, as the log shows it */
};
/* ERROR */
struct error_reply {
	uint16_t status; /* enum status, not OK */
	struct str detail; /* printable, at most ROOT_DETAIL_MAX bytes; may be empty */
};
/* CONTAINER_HOSTNAME, CONTAINER_PID, CONTAINER_CGROUP, CONTAINER_GET */
#define GET_PIDFD 1u /* flags of CONTAINER_GET: the init's pidfd comes with the answer, if it is alive */
struct name_request {
	uint32_t flags; /* 0 but for CONTAINER_GET */
	struct str name; /* 1 to ROOT_NAME_MAX bytes */
};
/* HOSTNAME */
struct hostname_reply {
	struct str hostname; /* at most ROOT_HOSTNAME_MAX bytes */
};
/* PID */
struct pid_reply {
	uint32_t pid;
};
/* CGROUP */
struct cgroup_reply {
	struct str cgroup; /* at most ROOT_CGROUP_MAX bytes */
};
/* CONTAINER, and each of CONTAINERS */
#define RECORD_EXITED 1u /* flags: @exit is known */
struct container_record {
	uint64_t rid; /* the record's number, ascending, never used again: the cursor of a listing */
	uint64_t generation; /* of its last change, ascending over all records; 0 between resolver and frontend */
	uint32_t state; /* enum root_container_state */
	uint32_t flags;
	uint32_t pid; /* 0: not running */
	uint32_t owner;
	uint32_t exit; /* the wait(2) word of its init's last end */
	struct str engine, id, name;
	struct str user; /* the owner's name; empty for the system's engines */
	struct str cgroup; /* the container's own; empty: not running, or it has none */
	struct str init_cgroup; /* of its init where that is deeper; else empty */
	struct str hostname; /* only in a list, if it was asked for; else empty */
};
/* CONTAINER_LIST, PROGRAM_LIST */
#define LIST_HOSTNAMES 1u /* flags of CONTAINER_LIST */
struct list_request {
	uint64_t cursor; /* 0 to begin with */
	uint32_t flags; /* 0 but for CONTAINER_LIST */
};
/* CONTAINER_OF_PROCESS */
struct process_request {
	uint32_t pid;
	uint32_t flags; /* 0 */
};
/* CONTAINER_OF_CGROUP */
struct cgroup_request {
	uint32_t flags; /* 0 */
	struct str cgroup; /* 1 to ROOT_CGROUP_MAX bytes */
};
/*
 * CONTAINER_WATCH: where the watcher is. While @after is below @until the present state is told, the records whose last change lies
 * between the two; then every change after @after. Both 0: from the beginning. The answer's two are those of the next request, and
 * @after is not 0, also on a host without containers: until they are equal its events are EVENT_PRESENT, and from then on others.
 * Their generations ascend. A session has one watch at a time: a second one has the first answered at once, with no event and the
 * position that it had.
 */
struct watch_request {
	uint64_t after, until; /* generations */
	uint32_t flags; /* 0 */
};
/* each of EVENTS */
enum event_kind {
	EVENT_PRESENT = 1, /* part of the present state */
	EVENT_ADDED = 2,
	EVENT_CHANGED = 3,
	EVENT_EXITED = 4, /* the status of its end has become known */
	EVENT_REMOVED = 5,
};
struct event_record {
	uint32_t kind;
	struct container_record container; /* as it was after the change; what is removed, as it was before */
};
#define FACT_KEY_MAX 31
#define FACT_SOURCE_MAX 1023
/* each of FACTS: what is known, and from where */
struct fact_record {
	struct str key, value, source; /* at most FACT_KEY_MAX, ROOT_CGROUP_MAX, FACT_SOURCE_MAX bytes */
};
/* PROCESS_START */
#define START_STDERR 1u /* flags: the client wants the program's standard error */
struct start_request {
	uint32_t ipc; /* enum root_ipc */
	uint32_t flags;
	struct str label; /* 1 to ROOT_PROGRAM_MAX bytes */
	struct str args; /* at most ROOT_ARGS_MAX bytes; empty, or ends in NUL */
};
/* STARTED; descriptors: PIPES output, input; SOCKETPAIR one; then standard error if asked for */
struct started_reply {
	uint32_t pid;
	uint64_t instance; /* what PROCESS_ACK names; never used again */
};
/* PROCESS_WAIT */
struct wait_request {
	uint32_t pid; /* 0: any */
	uint32_t flags; /* 0 */
	uint64_t ack; /* the last status that arrived, 0: none. The same as a PROCESS_ACK before it */
};
/* WAITED */
struct waited_reply {
	uint32_t pid;
	uint32_t status; /* the wait(2) word */
	uint64_t instance;
};
/* PROCESS_ACK */
struct ack_request {
	uint64_t instance;
};
/* PROCESS_TERMINATE */
struct terminate_request {
	uint32_t pid;
};
/* PROCESS_CANCEL */
struct cancel_request {
	uint32_t start; /* the serial of the PROCESS_START */
};
/* each of PROGRAMS */
struct program_record {
	uint32_t usable;
	struct str name, description;
};

ssize_t put_hello(struct wire_wr *w, const struct hello *m);
int get_hello(struct wire_rd *r, struct hello *m);
ssize_t put_welcome(struct wire_wr *w, const struct welcome *m);
int get_welcome(struct wire_rd *r, struct welcome *m);
ssize_t put_error_reply(struct wire_wr *w, const struct error_reply *m);
int get_error_reply(struct wire_rd *r, struct error_reply *m);
ssize_t put_name_request(struct wire_wr *w, const struct name_request *m);
int get_name_request(struct wire_rd *r, struct name_request *m);
ssize_t put_hostname_reply(struct wire_wr *w, const struct hostname_reply *m);
int get_hostname_reply(struct wire_rd *r, struct hostname_reply *m);
ssize_t put_pid_reply(struct wire_wr *w, const struct pid_reply *m);
int get_pid_reply(struct wire_rd *r, struct pid_reply *m);
ssize_t put_cgroup_reply(struct wire_wr *w, const struct cgroup_reply *m);
int get_cgroup_reply(struct wire_rd *r, struct cgroup_reply *m);
ssize_t put_container_record(struct wire_wr *w, const struct container_record *m);
int get_container_record(struct wire_rd *r, struct container_record *m);
ssize_t put_list_request(struct wire_wr *w, const struct list_request *m);
int get_list_request(struct wire_rd *r, struct list_request *m);
ssize_t put_process_request(struct wire_wr *w, const struct process_request *m);
int get_process_request(struct wire_rd *r, struct process_request *m);
ssize_t put_cgroup_request(struct wire_wr *w, const struct cgroup_request *m);
int get_cgroup_request(struct wire_rd *r, struct cgroup_request *m);
ssize_t put_watch_request(struct wire_wr *w, const struct watch_request *m);
int get_watch_request(struct wire_rd *r, struct watch_request *m);
ssize_t put_start_request(struct wire_wr *w, const struct start_request *m);
int get_start_request(struct wire_rd *r, struct start_request *m);
ssize_t put_started_reply(struct wire_wr *w, const struct started_reply *m);
int get_started_reply(struct wire_rd *r, struct started_reply *m);
ssize_t put_wait_request(struct wire_wr *w, const struct wait_request *m);
int get_wait_request(struct wire_rd *r, struct wait_request *m);
ssize_t put_waited_reply(struct wire_wr *w, const struct waited_reply *m);
int get_waited_reply(struct wire_rd *r, struct waited_reply *m);
ssize_t put_ack_request(struct wire_wr *w, const struct ack_request *m);
int get_ack_request(struct wire_rd *r, struct ack_request *m);
ssize_t put_terminate_request(struct wire_wr *w, const struct terminate_request *m);
int get_terminate_request(struct wire_rd *r, struct terminate_request *m);
ssize_t put_cancel_request(struct wire_wr *w, const struct cancel_request *m);
int get_cancel_request(struct wire_rd *r, struct cancel_request *m);
/* TERMINATED, RESUMED: no body */
int get_nothing(struct wire_rd *r);

/*
 * Pages: CONTAINERS, FACTS and PROGRAMS. u64 next cursor (0: this was the last page), u16 count, the records.
 * page_begin() comes after the header; page_add_*() is false, and the page unchanged, when the record has no room left.
 */
struct page_wr {
	struct wire_wr *w;
	size_t at;
	uint16_t count;
};
void page_begin(struct page_wr *p, struct wire_wr *w);
bool page_add_container(struct page_wr *p, const struct container_record *m);
bool page_add_program(struct page_wr *p, const struct program_record *m);
bool page_add_fact(struct page_wr *p, const struct fact_record *m);
ssize_t page_end(struct page_wr *p, uint64_t next);

/* get_page() reads next and count; then count times page_next_*(); then wire_rd_done(). */
void get_page(struct wire_rd *r, uint64_t *next, uint16_t *count);
void page_next_container(struct wire_rd *r, struct container_record *m);
void page_next_program(struct wire_rd *r, struct program_record *m);
void page_next_fact(struct wire_rd *r, struct fact_record *m);

/*
 * EVENTS: u32 flags, u64 after, then a page as above, whose next cursor is the next request's until.
 */
#define EVENTS_RESYNC 1u /* what came after the request's @after is no longer known: the present state follows */
struct events_head {
	uint32_t flags;
	uint64_t after;
};
void put_events_head(struct wire_wr *w, const struct events_head *m);
void get_events_head(struct wire_rd *r, struct events_head *m);
bool page_add_event(struct page_wr *p, const struct event_record *m);
void page_next_event(struct wire_rd *r, struct event_record *m);

#endif
