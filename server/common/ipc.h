/* SPDX-License-Identifier: MIT */
/*
 * The internal protocol: types, bodies, codec. Runs in: every server process.
 *
 * Records have the same form and header as the client protocol's; the serial of the header is 0 except in the answers and
 * requests of sessions, where it is the client's. A record that does not decode means that the sender was taken over
 * or is broken: the monitor kills it, the others end.
 */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <sys/types.h>

#include "../../proto/codec.h"

#define IPC_RECORD_MAX (WIRE_RECORD_MAX + 64) /* a whole client record, and its envelope */
#define IPC_FDS_MAX 64
#define IPC_JOIN_MAX IPC_FDS_MAX /* processes of one JOIN */
#define IPC_OPAQUE_MAX 1024 /* what the keeper keeps with a descriptor */
#define IPC_PATH_MAX 4095

enum ipc_type {
#define IPC(name, number, from, to, fds) IPC_##name = (number),
#include "ipc.def"
#undef IPC
};

const char *ipc_name(uint16_t type); /* "START", or "unknown" */
int ipc_max_fds(uint16_t type); /* of the row; -1 for an unknown type */

/* Bodies. Those without fields have no structure. */

enum ipc_peer { IPC_PEER_FRONTEND = 1, IPC_PEER_RESOLVER, IPC_PEER_JOINER };
struct ipc_peer_msg { /* PEER: who is at the other end of the descriptor */
	uint32_t peer;
};

struct ipc_bind { /* BIND */
	struct str path;
};
struct ipc_listener { /* LISTENER: no descriptor if @error (an errno value) is not 0 */
	uint32_t error;
	struct str text; /* what failed, for the log; at most ROOT_DETAIL_MAX */
};

enum ipc_kind { IPC_KIND_SESSION = 1, IPC_KIND_PROGRAM = 2, IPC_KIND_CONFINED = 3 };
struct ipc_item { /* PUT, ITEM. PUT without a descriptor replaces the record of a key that is there */
	uint64_t key;
	uint32_t kind; /* opaque to the keeper */
	uint32_t pid; /* of the process behind the pidfd, or 0: what the keeper looks for when it reaps */
	uint32_t exited; /* ITEM: the keeper reaped it, and @status is its wait(2) word */
	uint32_t status;
	struct str record; /* opaque; at most IPC_OPAQUE_MAX */
};
struct ipc_key { /* DROP */
	uint64_t key;
};
struct ipc_exited { /* EXITED */
	uint64_t key;
	uint32_t status;
};

/* What a session may do: bits of its rights. The frontend answers container requests by them; for programs the monitor
 * has its own copy. */
#define RIGHT_HOSTNAME 1u
#define RIGHT_PID 2u
#define RIGHT_CGROUP 4u
#define RIGHT_INSPECT 8u /* whole records, and the list */
#define RIGHT_PROGRAMS 16u /* start what the entries allow, wait, terminate, list */
#define RIGHT_ALL 31u

struct ipc_session { /* SESSION, with the client's socket */
	uint64_t session;
	uint32_t rights;
	uint32_t resumed; /* the client had said hello to an earlier frontend: tell it RESUMED */
	uint32_t prefix_min; /* shortest id prefix that counts */
};
struct ipc_session_id { /* SESSION_END, and PROGRAM requests without further fields */
	uint64_t session;
};
/* The bodies of session requests and answers: the session, then the client protocol's body. */
struct ipc_error { /* REPLY_ERROR */
	uint64_t session;
	struct error_reply m;
};
struct ipc_start { /* START */
	uint64_t session;
	struct start_request m;
};
struct ipc_started { /* STARTED_REPLY: descriptors as in STARTED */
	uint64_t session;
	struct started_reply m;
};
struct ipc_wait { /* WAIT */
	uint64_t session;
	struct wait_request m;
};
struct ipc_waited { /* WAITED_REPLY */
	uint64_t session;
	struct waited_reply m;
};
struct ipc_ack { /* ACK */
	uint64_t session;
	struct ack_request m;
};
struct ipc_terminate { /* TERMINATE */
	uint64_t session;
	struct terminate_request m;
};
struct ipc_cancel { /* CANCEL */
	uint64_t session;
	struct cancel_request m;
};
/* TERMINATED_REPLY is struct ipc_session_id. */
struct ipc_program_list { /* PROGRAM_LIST_REQ */
	uint64_t session;
	struct list_request m;
};
/* PROGRAMS_REPLY: put_ipc_session_id(), then a page as of PROGRAMS, which the frontend copies as it is. */

struct ipc_rid { /* INDEX_REMOVE */
	uint64_t rid;
};
/* INDEX_PUT is struct container_record. */
struct ipc_token { /* SYNC, SYNCED, JOIN */
	uint64_t token;
};
struct ipc_find_process { /* FIND_PROCESS */
	uint64_t token;
	uint32_t pid;
};
struct ipc_found { /* FOUND */
	uint64_t token;
	uint32_t error; /* ESRCH: no such process; 0: @rid */
	uint64_t rid; /* 0: it is in no container */
};
struct ipc_facts { /* FACTS_REQ (@error is 0), FACTS_REPLY, which goes on with a page as of FACTS if @error is 0 */
	uint64_t token;
	uint32_t error; /* ENOENT: no such record */
	uint64_t rid;
};
struct ipc_joined_name {
	uint32_t error; /* errno of the joiner's setns(); 0: @hostname is valid */
	struct str hostname;
};
struct ipc_joined { /* JOINED: an answer for each descriptor of the JOIN, in their order */
	uint64_t token;
	uint16_t count; /* 1 to IPC_JOIN_MAX */
	struct ipc_joined_name names[IPC_JOIN_MAX];
};

enum ipc_lxc_command { IPC_LXC_STATE = 1, IPC_LXC_INIT_PIDFD = 2, IPC_LXC_WATCH = 3 };
struct ipc_lxc_ask { /* LXC_ASK */
	uint64_t token;
	uint32_t path; /* of the lxcpath: index into the configured directories, of all engines */
	uint32_t command; /* enum ipc_lxc_command */
	struct str name; /* of the container: one path component */
};
struct ipc_lxc_socket { /* LXC_SOCKET: no descriptor if @error is not 0 */
	uint64_t token;
	uint32_t error; /* errno value; ECONNREFUSED: not running; EPERM: who listens is not the owner */
};
struct ipc_lxc_fifo { /* LXC_FIFO */
	uint32_t path; /* as in LXC_ASK */
};
struct ipc_lxc_fifo_end { /* LXC_FIFO_END: no descriptor if @error is not 0 */
	uint32_t path;
	uint32_t error; /* errno value; EBUSY: an lxc-monitord reads it */
};

struct ipc_moved { /* MOVED, MOVED_REPLY */
	uint32_t uid; /* of the user */
	uint32_t now; /* MOVED_REPLY: 1: end, to be started again; 0: go on for now */
};

#define IPC_CODEC(name, type)                                            \
	ssize_t put_ipc_##name(struct wire_wr *w, const struct type *m); \
	int get_ipc_##name(struct wire_rd *r, struct type *m)
IPC_CODEC(peer, ipc_peer_msg);
IPC_CODEC(bind, ipc_bind);
IPC_CODEC(listener, ipc_listener);
IPC_CODEC(item, ipc_item);
IPC_CODEC(key, ipc_key);
IPC_CODEC(exited, ipc_exited);
IPC_CODEC(session, ipc_session);
IPC_CODEC(session_id, ipc_session_id);
IPC_CODEC(error, ipc_error);
IPC_CODEC(start, ipc_start);
IPC_CODEC(started, ipc_started);
IPC_CODEC(wait, ipc_wait);
IPC_CODEC(waited, ipc_waited);
IPC_CODEC(ack, ipc_ack);
IPC_CODEC(terminate, ipc_terminate);
IPC_CODEC(cancel, ipc_cancel);
IPC_CODEC(program_list, ipc_program_list);
IPC_CODEC(rid, ipc_rid);
IPC_CODEC(token, ipc_token);
IPC_CODEC(find_process, ipc_find_process);
IPC_CODEC(found, ipc_found);
IPC_CODEC(facts, ipc_facts); /* the getter does not look for the end: the page does */
IPC_CODEC(joined, ipc_joined);
IPC_CODEC(lxc_ask, ipc_lxc_ask);
IPC_CODEC(lxc_socket, ipc_lxc_socket);
IPC_CODEC(lxc_fifo, ipc_lxc_fifo);
IPC_CODEC(lxc_fifo_end, ipc_lxc_fifo_end);
IPC_CODEC(moved, ipc_moved);
#undef IPC_CODEC

/*
 * One received record: what chan_recv() gave, its header decoded, its row looked up. Descriptors belong to the
 * record until ipc_take_fd(); ipc_recv() and ipc_drop() close what is left.
 */
struct ipc_in {
	uint8_t buf[IPC_RECORD_MAX];
	uint16_t type;
	uint32_t serial;
	struct wire_rd body;
	int fds[IPC_FDS_MAX];
	int nfds;
};

/* 1: a record; 0: the peer is gone; -EAGAIN; -EBADMSG: nonsense (unknown type, more descriptors than its row says); -errno.
 * @in->nfds is 0 before the first use. */
int ipc_recv(int fd, struct ipc_in *in, int flags);
int ipc_take_fd(struct ipc_in *in); /* the first that is left, or -1 */
void ipc_drop(struct ipc_in *in);

/* Sends what @w holds (a header, a body). 0 or -errno as chan_send(); -ENOSPC if @w is bad. */
int ipc_send(int fd, const struct wire_wr *w, const int *fds, int nfds, int flags);

#endif
