/* SPDX-License-Identifier: MIT */
/*
 * The frontend, the real binary, confined as in service: it holds nothing that is worth taking, and everything that it
 * is for works behind its filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../../proto/proto.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/ipc.h"
#include "../../server/common/procfd.h"
#include "../../server/monitor/privilege.h"
#include "sub.h"

#define UID 64101
#define TIMEOUT_MS 20000

static int binary = -1; /* of the frontend, beside the directory of this test */

/* --- A frontend, and the other ends ------------------------------------------------------------------------------ */

static struct frontend {
	pid_t pid;
	int monitor, resolver, joiner;
} f;
static struct ipc_in in;
static uint8_t buffer[IPC_RECORD_MAX];
static struct wire_wr out;

static void become_frontend(int channel)
{
	const struct privilege p = {.uid = UID, .gid = UID, .no_new_privs = true};
	char *const argv[] = {(char[]){"rootbroker-frontend"}, (char[]){"--log-level"}, (char[]){"debug"}, NULL};
	char *const envp[] = {NULL};
	int null = open("/dev/null", O_RDWR);
	const char *step = "?";

	if (dup2(channel, 3) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(91);
	if (close_range(4, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(92);
	if (privilege_drop(&p, &step) < 0)
		_exit(93);
	/* By descriptor: the build directory may be below one that only root can enter. */
	(void)syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
	_exit(94);
}

static void expect(int fd, uint16_t type)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	assert_int_equal(ipc_recv(fd, &in, MSG_DONTWAIT), 1);
	assert_string_equal(ipc_name(in.type), ipc_name(type));
}

static struct wire_wr *begin(uint16_t type, uint32_t serial)
{
	wire_wr_init(&out, buffer, sizeof(buffer));
	wire_put_header(&out, type, serial);
	return &out;
}

static void send_out(int fd, int passed)
{
	assert_int_equal(ipc_send(fd, &out, &passed, passed >= 0, 0), 0);
}

static int send_peer(uint32_t peer)
{
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	(void)put_ipc_peer(begin(IPC_PEER, 0), &(struct ipc_peer_msg){.peer = peer});
	send_out(f.monitor, fds[1]);
	(void)close(fds[1]);
	return fds[0];
}

static int setup(void **state)
{
	int fds[2];

	(void)state;
	f = (struct frontend){.monitor = -1, .resolver = -1, .joiner = -1};
	if (geteuid() != 0)
		return 0;
	assert_int_equal(chan_pair(fds), 0);
	f.pid = fork();
	if (f.pid == 0)
		become_frontend(fds[1]);
	assert_true(f.pid > 0);
	(void)close(fds[1]);
	f.monitor = fds[0];
	expect(f.monitor, IPC_READY);
	f.resolver = send_peer(IPC_PEER_RESOLVER);
	f.joiner = send_peer(IPC_PEER_JOINER);
	return 0;
}

static int teardown(void **state)
{
	int status;

	(void)state;
	if (f.pid > 0) {
		(void)kill(f.pid, SIGKILL);
		(void)waitpid(f.pid, &status, 0);
	}
	close_fd(&f.monitor);
	close_fd(&f.resolver);
	close_fd(&f.joiner);
	return 0;
}

#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

static void put_container(uint64_t rid, const char *id, int pidfd)
{
	struct container_record m = {.rid = rid, .state = ROOT_CONTAINER_RUNNING, .pid = 4711, .engine = STR("crun")};

	m.id = str_of(id);
	m.name = STR("");
	m.cgroup = STR("/a/cgroup");
	(void)put_container_record(begin(IPC_INDEX_PUT, 0), &m);
	send_out(f.resolver, pidfd);
}

static void send_plain(int fd, uint16_t type)
{
	(void)begin(type, 0);
	send_out(fd, -1);
}

static int new_client(uint64_t number)
{
	struct ipc_session m = {.session = number, .rights = RIGHT_ALL, .prefix_min = 4};
	struct hello hello = {.version_min = 1, .version_max = 1, .client = STR("test")};
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	(void)put_ipc_session(begin(IPC_SESSION, 0), &m);
	send_out(f.monitor, fds[1]);
	(void)close(fds[1]);
	(void)put_hello(begin(MSG_HELLO, 1), &hello);
	send_out(fds[0], -1);
	return fds[0];
}

/* The numbers of the client protocol are not those of ours: the type is compared, its name would mislead. */
static void expect_reply(int fd, uint16_t type, uint32_t serial)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	n = chan_recv(fd, in.buf, sizeof(in.buf), NULL, 0, NULL, MSG_DONTWAIT);
	assert_true(n > 0);
	wire_rd_init(&in.body, in.buf, (size_t)n);
	assert_int_equal(wire_get_header(&in.body, &in.type, &in.serial), 0);
	assert_int_equal(in.type, type);
	assert_int_equal(in.serial, serial);
}

static void ask(int fd, uint16_t type, uint32_t serial, const char *name)
{
	(void)put_name_request(begin(type, serial), &(struct name_request){.name = str_of(name)});
	send_out(fd, -1);
}

static void expect_status(int fd, uint32_t serial, uint16_t status)
{
	struct error_reply m;

	expect_reply(fd, MSG_ERROR, serial);
	assert_int_equal(get_error_reply(&in.body, &m), 0);
	assert_int_equal(m.status, status);
}

/* --- What it is -------------------------------------------------------------------------------------------------- */

static void it_holds_no_privilege(void **state)
{
	struct proc_status s;
	int proc;

	(void)state;
	NEEDS_ROOT;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(proc_read_status(proc, f.pid, &s), 0);
	(void)close(proc);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(s.uid[i], UID);
		assert_int_equal(s.gid[i], UID);
	}
	assert_int_equal(s.ngroups, 0);
	assert_true(s.effective == 0 && s.permitted == 0 && s.inheritable == 0 && s.bounding == 0 && s.ambient == 0);
	assert_int_equal(s.no_new_privs, 1);
	assert_int_equal(s.seccomp, 2);
}

/* /dev/null twice and the log, the monitor, its epoll; then what the test gave it. */
static void it_holds_no_descriptor_of_others(void **state)
{
	char path[64], target[PATH_MAX];
	int open_fds = 0;

	(void)state;
	NEEDS_ROOT;
	for (int fd = 0; fd < 64; fd++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)f.pid, fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		open_fds++;
		if (fd < 3)
			assert_string_equal(target, "/dev/null");
		else
			assert_true(!strncmp(target, "socket:", 7) || !strcmp(target, "anon_inode:[eventpoll]"));
	}
	assert_in_range(open_fds, 5, 7);
}

/* Each session and each running container takes a descriptor. */
static void it_may_have_as_many_as_the_limit_allows(void **state)
{
	char path[64], line[256], soft[32] = "?", hard[32] = "??";
	FILE *limits;

	(void)state;
	NEEDS_ROOT;
	(void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)f.pid);
	limits = fopen(path, "re");
	assert_non_null(limits);
	while (fgets(line, sizeof(line), limits))
		(void)sscanf(line, "Max open files %31s %31s", soft, hard);
	(void)fclose(limits);
	assert_string_equal(soft, hard);
}

/* Nobody but root may look into it: neither a process of its own uid, nor through a core. */
static void its_own_uid_may_not_trace_it(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEEDS_ROOT;
	pid = fork();
	if (pid == 0) {
		const struct privilege p = {.uid = UID, .gid = UID, .no_new_privs = true};
		const char *step;
		char path[64];

		if (privilege_drop(&p, &step) < 0)
			_exit(90);
		(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)f.pid);
		_exit(open(path, O_RDONLY) < 0 && errno == EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 0);
}

/* --- What it does ------------------------------------------------------------------------------------------------ */

static void it_serves_behind_its_filter(void **state)
{
	struct hostname_reply hostname;
	struct ipc_joined joined = {.count = 1, .names = {{0, STR("name")}}};
	struct ipc_token token;
	struct pid_reply pid;
	int fd, pidfd;

	(void)state;
	NEEDS_ROOT;
	pidfd = procfd_open(getpid());
	assert_true(pidfd >= 0);
	send_plain(f.resolver, IPC_INDEX_BEGIN);
	put_container(1, "web", pidfd);
	send_plain(f.resolver, IPC_INDEX_END);
	fd = new_client(7);
	expect_reply(fd, MSG_WELCOME, 1);

	ask(fd, MSG_CONTAINER_PID, 2, "crun:web");
	expect_reply(fd, MSG_PID, 2);
	assert_int_equal(get_pid_reply(&in.body, &pid), 0);
	assert_int_equal(pid.pid, 4711);

	ask(fd, MSG_CONTAINER_HOSTNAME, 3, "web");
	expect(f.joiner, IPC_JOIN);
	assert_int_equal(in.nfds, 1);
	assert_int_equal(get_ipc_token(&in.body, &token), 0);
	joined.token = token.token;
	(void)put_ipc_joined(begin(IPC_JOINED, 0), &joined);
	send_out(f.joiner, -1);
	expect_reply(fd, MSG_HOSTNAME, 3);
	assert_int_equal(get_hostname_reply(&in.body, &hostname), 0);
	assert_true(str_eq(hostname.hostname, STR("name")));

	ask(fd, MSG_CONTAINER_PID, 4, "nobody");
	expect(f.resolver, IPC_SYNC);
	assert_int_equal(get_ipc_token(&in.body, &token), 0);
	(void)put_ipc_token(begin(IPC_SYNCED, 0), &token);
	send_out(f.resolver, -1);
	expect_status(fd, 4, STATUS_NOT_FOUND);

	(void)put_start_request(begin(MSG_PROCESS_START, 5),
				&(struct start_request){.label = STR("x"), .args = STR("")});
	send_out(fd, -1);
	expect(f.monitor, IPC_START);
	(void)put_ipc_started(begin(IPC_STARTED_REPLY, 5), &(struct ipc_started){.session = 7, .m = {.pid = 8}});
	send_out(f.monitor, pidfd);
	expect_reply(fd, MSG_STARTED, 5);
	(void)close(fd);
	(void)close(pidfd);
}

/* Whatever malloc does with many, and with large ones: the filter must know it. */
static void memory_grows_and_shrinks_behind_the_filter(void **state)
{
	enum { SESSIONS = 300, RECORDS = 5000 };
	int fd[SESSIONS], pidfd;
	char id[ROOT_ID_MAX + 1];

	(void)state;
	NEEDS_ROOT;
	pidfd = procfd_open(getpid());
	for (int round = 0; round < 2; round++) {
		send_plain(f.resolver, IPC_INDEX_BEGIN);
		for (uint64_t rid = 1; rid <= RECORDS; rid++) {
			(void)snprintf(id, sizeof(id), "%0*d", 10 + (int)(rid % 240), (int)rid);
			put_container(rid, id, rid % 100 ? -1 : pidfd);
		}
		send_plain(f.resolver, IPC_INDEX_END);
		for (int i = 0; i < SESSIONS; i++) {
			fd[i] = new_client((uint64_t)(round * SESSIONS + i));
			expect_reply(fd[i], MSG_WELCOME, 1);
		}
		/* all of them parked at once */
		close_fd(&f.resolver);
		for (int i = 0; i < SESSIONS; i++)
			for (uint32_t serial = 1; serial <= 20; serial++)
				ask(fd[i], MSG_CONTAINER_PID, serial, "nobody");
		for (int i = 0; i < SESSIONS; i += 2)
			close_fd(&fd[i]);
		f.resolver = send_peer(IPC_PEER_RESOLVER);
		send_plain(f.resolver, IPC_INDEX_BEGIN);
		put_container(1, "nobody", pidfd);
		send_plain(f.resolver, IPC_INDEX_END);
		for (int i = 1; i < SESSIONS; i += 2) {
			for (uint32_t serial = 1; serial <= 20; serial++)
				expect_reply(fd[i], MSG_PID, serial);
			close_fd(&fd[i]);
		}
	}
	(void)close(pidfd);
}

/* --- Its end ----------------------------------------------------------------------------------------------------- */

static int ended(void)
{
	int status;

	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	f.pid = 0;
	return status;
}

static void it_ends_with_the_monitor(void **state)
{
	(void)state;
	NEEDS_ROOT;
	close_fd(&f.monitor);
	assert_exit(ended(), 0);
}

static void it_ends_at_nonsense(void **state)
{
	(void)state;
	NEEDS_ROOT;
	send_plain(f.resolver, IPC_INDEX_END);
	assert_exit(ended(), EX_PROTOCOL);
}

/* Without the monitor's preparation it would be root that serves clients: it does not come to that. */
static int exec_unprepared(const void *arg)
{
	char *const argv[] = {(char[]){"rootbroker-frontend"}, NULL};
	char *const envp[] = {NULL};
	const int *fds = arg;

	if (dup2(fds[1], 3) < 0 || !freopen("/dev/null", "w", stderr))
		return 91;
	(void)syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
	return 94;
}

static void it_does_not_serve_as_root(void **state)
{
	int fds[2];

	(void)state;
	NEEDS_ROOT;
	assert_int_equal(chan_pair(fds), 0);
	assert_exit(sub_run(exec_unprepared, fds), 1);
	(void)close(fds[1]);
	/* no READY */
	assert_int_equal(ipc_recv(fds[0], &in, MSG_DONTWAIT), 0);
	(void)close(fds[0]);
}

static int group_setup(void **state)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/rootbroker-frontend"));

	(void)state;
	if (n < 0)
		return -1;
	path[n] = '\0';
	(void)strcpy(strrchr(path, '/'), ""); /* the test */
	(void)strcpy(strrchr(path, '/'), "/rootbroker-frontend");
	n = open(path, O_PATH | O_CLOEXEC);
	if (n < 0) {
		print_error("%s is not built\n", path);
		return -1;
	}
	/* out of the way of what becomes descriptor 3 */
	binary = fcntl((int)n, F_DUPFD_CLOEXEC, 20);
	(void)close((int)n);
	return binary < 0 ? -1 : 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_holds_no_privilege),
		T(it_holds_no_descriptor_of_others),
		T(it_may_have_as_many_as_the_limit_allows),
		T(its_own_uid_may_not_trace_it),
		T(it_serves_behind_its_filter),
		T(memory_grows_and_shrinks_behind_the_filter),
		T(it_ends_with_the_monitor),
		T(it_ends_at_nonsense),
		T(it_does_not_serve_as_root),
	};

	return cmocka_run_group_tests_name("frontend", tests, group_setup, NULL);
}
