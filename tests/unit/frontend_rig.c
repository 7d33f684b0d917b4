/* SPDX-License-Identifier: MIT */
#include "frontend_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"

static uint8_t buffer[IPC_RECORD_MAX];
static struct wire_wr out;

static int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

void rig_setup_bare(struct rig *r)
{
	int pair[2];

	memset(r, 0, sizeof(*r));
	r->descriptors = count_descriptors();
	r->resolver = r->joiner = r->alive = r->client = -1;
	r->next_session = 1000;
	assert_int_equal(chan_pair(pair), 0);
	r->monitor = pair[0];
	assert_int_equal(frontend_init(&r->f, pair[1]), 0);
}

void rig_setup(struct rig *r)
{
	rig_setup_bare(r);
	rig_peer(r, IPC_PEER_RESOLVER, &r->resolver);
	rig_peer(r, IPC_PEER_JOINER, &r->joiner);
	rig_index_begin(r);
	rig_index_end(r);
}

void rig_setup_served(struct rig *r)
{
	rig_setup(r);
	r->alive = rig_pidfd();
	rig_put(r, 10, "podman", "abcdef0123", "web", 4711, r->alive);
	rig_put(r, 20, "lxc", "old", "old", 0, -1);
	r->client = rig_client(r, RIGHT_ALL);
}

void rig_teardown_served(struct rig *r)
{
	assert_int_equal(r->f.park.count, 0);
	client_expect_nothing(r->client);
	close_fd(&r->client);
	close_fd(&r->alive);
	rig_teardown(r);
}

void rig_teardown(struct rig *r)
{
	ipc_drop(&r->in);
	frontend_fini(&r->f);
	assert_int_equal(r->f.park.count, 0);
	assert_int_equal(r->f.sessions.count, 0);
	close_fd(&r->monitor);
	close_fd(&r->resolver);
	close_fd(&r->joiner);
	assert_int_equal(count_descriptors(), r->descriptors);
}

void rig_run(struct rig *r)
{
	struct pollfd p = {.fd = r->f.loop.epoll_fd, .events = POLLIN};

	do
		assert_int_equal(loop_once(&r->f.loop, 0), 0);
	while (!r->f.loop.stop && poll(&p, 1, 0) == 1);
	r->stopped = r->f.loop.stop;
}

struct wire_wr *rig_begin(uint16_t type, uint32_t serial)
{
	wire_wr_init(&out, buffer, sizeof(buffer));
	wire_put_header(&out, type, serial);
	return &out;
}

void rig_send(struct rig *r, int fd, const int *fds, int nfds)
{
	assert_int_equal(ipc_send(fd, &out, fds, nfds, MSG_DONTWAIT), 0);
	rig_run(r);
}

void rig_expect(struct rig *r, int fd, uint16_t type)
{
	assert_int_equal(ipc_recv(fd, &r->in, MSG_DONTWAIT), 1);
	assert_string_equal(ipc_name(r->in.type), ipc_name(type));
}

void rig_expect_nothing(struct rig *r, int fd)
{
	assert_int_equal(ipc_recv(fd, &r->in, MSG_DONTWAIT), -EAGAIN);
}

void rig_peer(struct rig *r, uint32_t peer, int *ours)
{
	int pair[2];

	close_fd(ours);
	assert_int_equal(chan_pair(pair), 0);
	(void)put_ipc_peer(rig_begin(IPC_PEER, 0), &(struct ipc_peer_msg){.peer = peer});
	rig_send(r, r->monitor, &pair[1], 1);
	(void)close(pair[1]);
	*ours = pair[0];
}

int rig_session(struct rig *r, uint32_t rights, bool resumed)
{
	struct ipc_session m = {.session = r->next_session++, .rights = rights, .resumed = resumed, .prefix_min = 4};
	int pair[2];

	assert_int_equal(chan_pair(pair), 0);
	(void)put_ipc_session(rig_begin(IPC_SESSION, 0), &m);
	rig_send(r, r->monitor, &pair[1], 1);
	(void)close(pair[1]);
	return pair[0];
}

int rig_client(struct rig *r, uint32_t rights)
{
	int fd = rig_session(r, rights, false);

	client_hello(r, fd);
	return fd;
}

struct wire_wr *rig_begin_valid(uint16_t type)
{
	struct wire_wr *w = rig_begin(type, 7);

	switch (type) {
	case MSG_HELLO:
		(void)put_hello(w, &(struct hello){.version_min = 1, .version_max = 3, .client = STR("x")});
		break;
	case MSG_CONTAINER_LIST:
	case MSG_PROGRAM_LIST:
		(void)put_list_request(w, &(struct list_request){.cursor = 5});
		break;
	case MSG_CONTAINER_OF_PROCESS:
		(void)put_process_request(w, &(struct process_request){.pid = 12});
		break;
	case MSG_CONTAINER_WATCH:
		(void)put_watch_request(w, &(struct watch_request){.after = 1, .until = 2});
		break;
	case MSG_CONTAINER_OF_CGROUP:
		(void)put_cgroup_request(w, &(struct cgroup_request){.cgroup = STR("/the/cgroup")});
		break;
	case MSG_PROCESS_START:
		(void)put_start_request(w, &(struct start_request){.label = STR("backup"), .args = {"a\0b", 4}});
		break;
	case MSG_PROCESS_WAIT:
		(void)put_wait_request(w, &(struct wait_request){.pid = 12, .ack = 3});
		break;
	case MSG_PROCESS_ACK:
		(void)put_ack_request(w, &(struct ack_request){.instance = 3});
		break;
	case MSG_PROCESS_CANCEL:
		(void)put_cancel_request(w, &(struct cancel_request){.start = 11});
		break;
	case MSG_PROCESS_TERMINATE:
		(void)put_terminate_request(w, &(struct terminate_request){.pid = 12});
		break;
	default:
		(void)put_name_request(w, &(struct name_request){.name = STR("web")});
	}
	assert_true(wire_wr_done(w) > 0);
	return w;
}

int rig_client_in(struct rig *r, enum rig_state state)
{
	struct reply reply;
	int fd;

	if (state == OPEN)
		return rig_client(r, RIGHT_ALL);
	fd = rig_session(r, RIGHT_ALL, state == RESUMED);
	if (state == RESUMED)
		client_expect(fd, &reply, MSG_RESUMED, 0);
	return fd;
}

void rig_client_drop(struct rig *r, int fd)
{
	(void)close(fd);
	rig_run(r);
	while (ipc_recv(r->monitor, &r->in, MSG_DONTWAIT) == 1)
		;
	while (ipc_recv(r->joiner, &r->in, MSG_DONTWAIT) == 1)
		;
}

void rig_put(struct rig *r, uint64_t rid, const char *engine, const char *id, const char *name, uint32_t pid, int pidfd)
{
	struct container_record m = {
		.rid = rid, .state = pid ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_STOPPED, .pid = pid};

	m.engine = str_of(engine);
	m.id = str_of(id);
	m.name = str_of(name);
	m.cgroup = STR("/the/cgroup");
	rig_put_record(r, &m, pidfd);
}

void rig_put_record(struct rig *r, const struct container_record *m, int pidfd)
{
	(void)put_container_record(rig_begin(IPC_INDEX_PUT, 0), m);
	rig_send(r, r->resolver, &pidfd, pidfd >= 0);
}

void rig_index_begin(struct rig *r)
{
	(void)rig_begin(IPC_INDEX_BEGIN, 0);
	rig_send(r, r->resolver, NULL, 0);
}

void rig_index_end(struct rig *r)
{
	(void)rig_begin(IPC_INDEX_END, 0);
	rig_send(r, r->resolver, NULL, 0);
}

void rig_remove(struct rig *r, uint64_t rid)
{
	(void)put_ipc_rid(rig_begin(IPC_INDEX_REMOVE, 0), &(struct ipc_rid){.rid = rid});
	rig_send(r, r->resolver, NULL, 0);
}

uint64_t rig_expect_sync(struct rig *r)
{
	struct ipc_token m;

	rig_expect(r, r->resolver, IPC_SYNC);
	assert_int_equal(get_ipc_token(&r->in.body, &m), 0);
	return m.token;
}

void rig_synced(struct rig *r, uint64_t token)
{
	(void)put_ipc_token(rig_begin(IPC_SYNCED, 0), &(struct ipc_token){.token = token});
	rig_send(r, r->resolver, NULL, 0);
}

uint64_t rig_expect_find(struct rig *r, uint32_t pid)
{
	struct ipc_find_process m;

	rig_expect(r, r->resolver, IPC_FIND_PROCESS);
	assert_int_equal(get_ipc_find_process(&r->in.body, &m), 0);
	assert_int_equal(m.pid, pid);
	return m.token;
}

void rig_found(struct rig *r, uint64_t token, uint32_t error, uint64_t rid)
{
	(void)put_ipc_found(rig_begin(IPC_FOUND, 0), &(struct ipc_found){token, error, rid});
	rig_send(r, r->resolver, NULL, 0);
}

uint64_t rig_expect_facts(struct rig *r, uint64_t rid)
{
	struct ipc_facts m;

	rig_expect(r, r->resolver, IPC_FACTS_REQ);
	assert_int_equal(get_ipc_facts(&r->in.body, &m), 0);
	assert_int_equal(wire_rd_done(&r->in.body), 0);
	assert_int_equal(m.error, 0);
	assert_int_equal(m.rid, rid);
	return m.token;
}

void rig_facts(struct rig *r, uint64_t token, uint64_t rid, uint32_t error, const struct fact_record *fact)
{
	struct wire_wr *w = rig_begin(IPC_FACTS_REPLY, 0);
	struct page_wr page;

	(void)put_ipc_facts(w, &(struct ipc_facts){token, error, rid});
	if (!error) {
		page_begin(&page, w);
		assert_true(page_add_fact(&page, fact));
		(void)page_end(&page, 0);
	}
	rig_send(r, r->resolver, NULL, 0);
}

uint64_t rig_expect_join(struct rig *r, int *pidfd)
{
	struct ipc_token m;

	rig_expect(r, r->joiner, IPC_JOIN);
	assert_int_equal(get_ipc_token(&r->in.body, &m), 0);
	assert_int_equal(r->in.nfds, 1);
	if (pidfd)
		*pidfd = ipc_take_fd(&r->in);
	else
		ipc_drop(&r->in);
	return m.token;
}

void rig_joined(struct rig *r, uint64_t token, uint32_t error, const char *hostname)
{
	struct ipc_joined m = {.token = token, .count = 1, .names = {{error, str_of(hostname)}}};

	(void)put_ipc_joined(rig_begin(IPC_JOINED, 0), &m);
	rig_send(r, r->joiner, NULL, 0);
}

void client_hello(struct rig *r, int fd)
{
	struct hello m = {.version_min = 1, .version_max = 1, .client = STR("test")};
	struct welcome w;
	struct reply reply;

	(void)put_hello(rig_begin(MSG_HELLO, 1), &m);
	rig_send(r, fd, NULL, 0);
	client_expect(fd, &reply, MSG_WELCOME, 1);
	assert_int_equal(get_welcome(&reply.body, &w), 0);
	assert_int_equal(w.version, 1);
}

void client_ask(struct rig *r, int fd, uint16_t type, uint32_t serial, const char *name)
{
	(void)put_name_request(rig_begin(type, serial), &(struct name_request){.name = str_of(name)});
	rig_send(r, fd, NULL, 0);
}

void client_ask_process(struct rig *r, int fd, uint32_t serial, uint32_t pid)
{
	(void)put_process_request(rig_begin(MSG_CONTAINER_OF_PROCESS, serial), &(struct process_request){.pid = pid});
	rig_send(r, fd, NULL, 0);
}

void client_ask_cgroup(struct rig *r, int fd, uint32_t serial, const char *path)
{
	(void)put_cgroup_request(rig_begin(MSG_CONTAINER_OF_CGROUP, serial),
				 &(struct cgroup_request){.cgroup = str_of(path)});
	rig_send(r, fd, NULL, 0);
}

void client_list(struct rig *r, int fd, uint16_t type, uint32_t serial, uint64_t cursor)
{
	(void)put_list_request(rig_begin(type, serial), &(struct list_request){.cursor = cursor});
	rig_send(r, fd, NULL, 0);
}

void client_wait(struct rig *r, int fd, uint32_t serial, uint32_t pid)
{
	(void)put_wait_request(rig_begin(MSG_PROCESS_WAIT, serial), &(struct wait_request){.pid = pid});
	rig_send(r, fd, NULL, 0);
}

void client_expect(int fd, struct reply *ret, uint16_t type, uint32_t serial)
{
	ssize_t n = chan_recv(fd, ret->buf, sizeof(ret->buf), ret->fds, 3, &ret->nfds, MSG_DONTWAIT);

	assert_true(n > 0);
	wire_rd_init(&ret->body, ret->buf, (size_t)n);
	assert_int_equal(wire_get_header(&ret->body, &ret->type, &ret->serial), 0);
	assert_non_null(msg_info(ret->type));
	assert_string_equal(msg_info(ret->type)->name, msg_info(type)->name);
	assert_int_equal(ret->serial, serial);
}

void client_expect_error(int fd, uint32_t serial, uint16_t status, const char *in_detail)
{
	struct error_reply m;
	struct reply reply;
	char detail[256];

	client_expect(fd, &reply, MSG_ERROR, serial);
	assert_int_equal(get_error_reply(&reply.body, &m), 0);
	assert_int_equal(m.status, status);
	assert_true(str_copy(detail, sizeof(detail), m.detail));
	for (const char *p = detail; *p; p++)
		assert_in_range(*p, ' ', '~');
	if (!strstr(detail, in_detail))
		fail_msg("\"%s\" does not say \"%s\"", detail, in_detail);
}

void client_expect_pid(int fd, uint32_t serial, uint32_t pid)
{
	struct reply reply;
	struct pid_reply m;

	client_expect(fd, &reply, MSG_PID, serial);
	assert_int_equal(get_pid_reply(&reply.body, &m), 0);
	assert_int_equal(m.pid, pid);
}

void client_expect_hostname(int fd, uint32_t serial, const char *hostname)
{
	struct hostname_reply m;
	struct reply reply;

	client_expect(fd, &reply, MSG_HOSTNAME, serial);
	assert_int_equal(get_hostname_reply(&reply.body, &m), 0);
	assert_int_equal(m.hostname.len, strlen(hostname));
	assert_memory_equal(m.hostname.p, hostname, m.hostname.len);
}

void client_expect_nothing(int fd)
{
	uint8_t byte;

	assert_int_equal(chan_recv(fd, &byte, 1, NULL, 0, NULL, MSG_DONTWAIT), -EAGAIN);
}

void client_expect_end(int fd)
{
	uint8_t byte;

	assert_int_equal(chan_recv(fd, &byte, 1, NULL, 0, NULL, MSG_DONTWAIT), 0);
	(void)close(fd);
}

pid_t rig_process(int *pidfd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			(void)pause();
	}
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*pidfd >= 0);
	return pid;
}

void rig_kill(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

int rig_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	assert_true(fd >= 0);
	return fd;
}
