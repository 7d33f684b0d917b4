/* SPDX-License-Identifier: MIT */
/*
 * The frontend's own modules in this process, and the other ends of all its sockets in a test's hand: monitor,
 * resolver, joiner, clients. Nothing runs but rig_run().
 */
#ifndef TESTS_FRONTEND_RIG_H
#define TESTS_FRONTEND_RIG_H

#include "../../server/frontend/frontend.h"

struct rig {
	struct frontend f;
	int monitor, resolver, joiner; /* our ends */
	struct ipc_in in; /* what one of them got last */
	uint64_t next_session;
	bool stopped; /* the frontend has ended itself */
	int alive; /* a pidfd of this process */
	int client; /* a session with all rights, past hello */
	int descriptors; /* open at the setup */
};

/* With a resolver and a joiner, and an index that is complete and empty; or with nothing but the monitor. */
void rig_setup(struct rig *r);
void rig_setup_bare(struct rig *r);
/* With @alive and @client besides, and two containers: web of podman (rid 10, id abcdef0123, pid 4711), which
 * runs, and old of lxc (rid 20), which does not. */
void rig_setup_served(struct rig *r);
/* Checks that the client got no more than the test saw. */
void rig_teardown_served(struct rig *r);
/* Checks that no descriptor was left open since the setup. */
void rig_teardown(struct rig *r);
/* Lets the frontend do all that it can do now. */
void rig_run(struct rig *r);

/* The monitor's part. */
void rig_peer(struct rig *r, uint32_t peer, int *ours);
/* A client's end of a new session, whose number is @r->next_session - 1 afterwards. */
int rig_session(struct rig *r, uint32_t rights, bool resumed);
/* The same, past hello. */
int rig_client(struct rig *r, uint32_t rights);
/* The same, in a state; and its end, with whatever its requests left in our ends of the channels. */
enum rig_state { NEW, OPEN, RESUMED, STATES };
int rig_client_in(struct rig *r, enum rig_state state);
void rig_client_drop(struct rig *r, int fd);
/* The next record that our end of @fd got, into @r->in; it must be of @type. */
void rig_expect(struct rig *r, int fd, uint16_t type);
void rig_expect_nothing(struct rig *r, int fd);
/* Begins a record in a buffer of its own; rig_send() sends it over @fd and lets the frontend run. */
struct wire_wr *rig_begin(uint16_t type, uint32_t serial);
void rig_send(struct rig *r, int fd, const int *fds, int nfds);
/* A whole request of a client, in the same buffer, with serial 7. */
struct wire_wr *rig_begin_valid(uint16_t type);

/* The resolver's part. @pidfd (or -1) stays the caller's. */
void rig_put(struct rig *r, uint64_t rid, const char *engine, const char *id, const char *name, uint32_t pid,
	     int pidfd);
void rig_put_record(struct rig *r, const struct container_record *m, int pidfd);
void rig_index_begin(struct rig *r);
void rig_index_end(struct rig *r);
void rig_remove(struct rig *r, uint64_t rid);
uint64_t rig_expect_sync(struct rig *r);
void rig_synced(struct rig *r, uint64_t token);
/* The tokens of its questions, and its answers. */
uint64_t rig_expect_find(struct rig *r, uint32_t pid);
void rig_found(struct rig *r, uint64_t token, uint32_t error, uint64_t rid);
uint64_t rig_expect_facts(struct rig *r, uint64_t rid);
void rig_facts(struct rig *r, uint64_t token, uint64_t rid, uint32_t error, const struct fact_record *fact);

/* The joiner's part: the token, and the pidfd, which is the caller's. */
uint64_t rig_expect_join(struct rig *r, int *pidfd);
void rig_joined(struct rig *r, uint64_t token, uint32_t error, const char *hostname);

/* Clients. */
void client_hello(struct rig *r, int fd);
void client_ask(struct rig *r, int fd, uint16_t type, uint32_t serial, const char *name);
void client_ask_process(struct rig *r, int fd, uint32_t serial, uint32_t pid);
void client_ask_cgroup(struct rig *r, int fd, uint32_t serial, const char *path);
void client_list(struct rig *r, int fd, uint16_t type, uint32_t serial, uint64_t cursor);
void client_wait(struct rig *r, int fd, uint32_t serial, uint32_t pid);

/* One record that a client got. */
struct reply {
	uint8_t buf[WIRE_RECORD_MAX];
	uint16_t type;
	uint32_t serial;
	struct wire_rd body;
	int fds[3];
	int nfds;
};
void client_expect(int fd, struct reply *ret, uint16_t type, uint32_t serial);
void client_expect_error(int fd, uint32_t serial, uint16_t status, const char *in_detail);
void client_expect_pid(int fd, uint32_t serial, uint32_t pid);
void client_expect_hostname(int fd, uint32_t serial, const char *hostname);
void client_expect_nothing(int fd);
/* The session has ended; closes @fd. */
void client_expect_end(int fd);

/* A process that lives until rig_kill(). */
pid_t rig_process(int *pidfd);
void rig_kill(pid_t pid);
/* A pidfd of this process: alive. */
int rig_pidfd(void);

#endif
