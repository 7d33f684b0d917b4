/* SPDX-License-Identifier: MIT */
/*
 * The joiner, the real binary, confined as in service: it discloses the hostname of the process that it is given, comes
 * home, survives what may happen, and ends at the first word that is out of place.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/ipc.h"
#include "../../server/common/procfd.h"
#include "../../server/joiner/policy.h"
#include "../../server/monitor/privilege.h"
#include "sub.h"

#define UID 64103
#define TIMEOUT_MS 20000
#define EX_NO_HOME 71
#define EX_PROTOCOL 76
#define HOME_FD 4 /* what the joiner opens first is the next free number */

static int binary = -1; /* of the joiner, beside the directory of this test */

/* --- A joiner, and the two ends that belong to the monitor and the frontend */

struct joiner {
	pid_t pid;
	int monitor, frontend;
	bool lost; /* its way home is cut */
};

static void cut_the_way_home(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(setns), 1, SCMP_A0(SCMP_CMP_EQ, HOME_FD)) < 0 ||
	    seccomp_load(f) < 0)
		_exit(91);
	/* The joiner's own filter says yes; of two filters the stricter counts. */
}

static void become_joiner(int channel, bool lost)
{
	struct privilege p = {.uid = UID, .gid = UID, .caps = joiner_sandbox.caps, .no_new_privs = true};
	char *const argv[] = {(char[]){"rootbroker-joiner"}, (char[]){"--log-level"}, (char[]){"error"}, NULL};
	char *const envp[] = {NULL};
	const char *step = "?";

	if (dup2(channel, 3) < 0)
		_exit(92);
	if (privilege_drop(&p, &step) < 0)
		_exit(93);
	if (lost)
		cut_the_way_home();
	(void)fcntl(binary, F_SETFD, FD_CLOEXEC);
	/* By descriptor: the build directory may be below one that only root can enter. */
	(void)syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
	_exit(94);
}

static int recv_record(int fd, struct ipc_in *in)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	return ipc_recv(fd, in, MSG_DONTWAIT);
}

static void send_fd(int fd, struct wire_wr *w, int passed)
{
	assert_int_equal(ipc_send(fd, w, &passed, passed >= 0 ? 1 : 0, 0), 0);
}

static void send_peer(struct joiner *j, uint32_t who)
{
	struct ipc_peer_msg m = {.peer = who};
	struct wire_wr w;
	uint8_t buf[64];
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PEER, 0);
	put_ipc_peer(&w, &m);
	send_fd(j->monitor, &w, fds[1]);
	(void)close(fds[1]);
	j->frontend = fds[0];
}

static void start(struct joiner *j)
{
	static struct ipc_in in;
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	j->pid = fork();
	if (j->pid == 0)
		become_joiner(fds[1], j->lost);
	assert_true(j->pid > 0);
	(void)close(fds[1]);
	j->monitor = fds[0];
	assert_int_equal(recv_record(j->monitor, &in), 1);
	assert_int_equal(in.type, IPC_READY);
	send_peer(j, IPC_PEER_FRONTEND);
}

/* Its wait(2) word, when it has been given its reason to end. */
static int ended(struct joiner *j)
{
	int status;

	assert_int_equal(waitpid(j->pid, &status, 0), j->pid);
	j->pid = 0;
	return status;
}

static int setup(void **state)
{
	struct joiner *j = calloc(1, sizeof(*j));

	*state = j;
	if (!j)
		return -1;
	j->monitor = j->frontend = -1;
	if (geteuid() == 0)
		start(j);
	return 0;
}

static int setup_lost(void **state)
{
	struct joiner *j = calloc(1, sizeof(*j));

	*state = j;
	if (!j)
		return -1;
	j->monitor = j->frontend = -1;
	j->lost = true;
	if (geteuid() == 0)
		start(j);
	return 0;
}

static int teardown(void **state)
{
	struct joiner *j = *state;
	int status;

	if (j->pid > 0) {
		(void)kill(j->pid, SIGKILL);
		(void)waitpid(j->pid, &status, 0);
	}
	close_fd(&j->monitor);
	close_fd(&j->frontend);
	free(j);
	return 0;
}

/* --- A process in a UTS namespace of its own, which takes the names that it is told */

struct box {
	pid_t pid;
	int pidfd;
	int talk; /* a name goes in, a byte comes back */
};

static void in_the_box(int talk, int flags)
{
	char name[128];
	ssize_t n;

	if (unshare(flags) < 0)
		_exit(1);
	while ((n = recv(talk, name, sizeof(name), 0)) > 0)
		if (sethostname(name, (size_t)n) < 0 || send(talk, "", 1, 0) != 1)
			_exit(2);
	_exit(0);
}

static void box_name(struct box *b, const char *name, size_t len)
{
	char byte;

	assert_int_equal(send(b->talk, name, len, 0), (ssize_t)len);
	assert_int_equal(recv(b->talk, &byte, 1, 0), 1);
}

static void box_start(struct box *b, const char *name, int flags)
{
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	b->pid = fork();
	if (b->pid == 0) {
		(void)close(fds[0]);
		in_the_box(fds[1], flags);
	}
	(void)close(fds[1]);
	b->talk = fds[0];
	box_name(b, name, strlen(name));
	b->pidfd = procfd_open(b->pid);
	assert_true(b->pidfd >= 0);
}

static void box_end(struct box *b)
{
	int status;

	close_fd(&b->talk);
	(void)kill(b->pid, SIGKILL);
	(void)waitpid(b->pid, &status, 0);
}

/* --- Questions */

static void send_join(struct joiner *j, uint64_t token, int fd)
{
	struct ipc_token m = {.token = token};
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOIN, 0);
	put_ipc_token(&w, &m);
	send_fd(j->frontend, &w, fd);
}

/* The errno of the answer; the name as it came, and a NUL. */
static uint32_t recv_joined(struct joiner *j, uint64_t token, char *name, size_t *len)
{
	static struct ipc_in in;
	struct ipc_joined m;

	assert_int_equal(recv_record(j->frontend, &in), 1);
	assert_int_equal(in.type, IPC_JOINED);
	assert_int_equal(in.nfds, 0);
	assert_int_equal(get_ipc_joined(&in.body, &m), 0);
	assert_true(m.token == token);
	assert_true(m.hostname.len <= ROOT_HOSTNAME_MAX);
	if (m.hostname.len > 0)
		memcpy(name, m.hostname.p, m.hostname.len);
	name[m.hostname.len] = '\0';
	*len = m.hostname.len;
	return m.error;
}

static uint32_t ask(struct joiner *j, int fd, char *name, size_t *len)
{
	static uint64_t token = UINT64_C(0x1122334455667788);

	send_join(j, ++token, fd);
	return recv_joined(j, token, name, len);
}

#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

static void assert_name(struct joiner *j, int pidfd, const char *want, size_t want_len)
{
	char name[ROOT_HOSTNAME_MAX + 1];
	size_t len;

	assert_int_equal(ask(j, pidfd, name, &len), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(name, want, len);
}

static void the_name_is_the_one_of_this_moment(void **state)
{
	struct joiner *j = *state;
	struct box b;

	NEEDS_ROOT;
	box_start(&b, "before", CLONE_NEWUTS);
	assert_name(j, b.pidfd, "before", 6);
	box_name(&b, "after", 5);
	assert_name(j, b.pidfd, "after", 5);
	box_end(&b);
	(void)close(b.pidfd);
}

static void targets_do_not_mix(void **state)
{
	struct joiner *j = *state;
	struct utsname host;
	struct box a, b;
	int self;

	NEEDS_ROOT;
	assert_int_equal(uname(&host), 0);
	self = procfd_open(getpid());
	assert_true(self >= 0);
	box_start(&a, "box-a", CLONE_NEWUTS);
	box_start(&b, "box-b", CLONE_NEWUTS);
	for (int i = 0; i < 50; i++) {
		assert_name(j, a.pidfd, "box-a", 5);
		assert_name(j, self, host.nodename, strlen(host.nodename));
		assert_name(j, b.pidfd, "box-b", 5);
	}
	box_end(&a);
	box_end(&b);
	(void)close(a.pidfd);
	(void)close(b.pidfd);
	(void)close(self);
}

static void a_user_namespace_is_no_obstacle(void **state)
{
	struct joiner *j = *state;
	struct box b;

	NEEDS_ROOT;
	SKIP_IF(access("/proc/self/ns/user", F_OK) < 0, "this kernel has no user namespaces");
	box_start(&b, "rootless", CLONE_NEWUSER | CLONE_NEWUTS);
	assert_name(j, b.pidfd, "rootless", 8);
	box_end(&b);
	(void)close(b.pidfd);
}

static void a_name_is_bytes_up_to_the_first_nul(void **state)
{
	struct joiner *j = *state;
	char longest[ROOT_HOSTNAME_MAX];
	struct box b;

	NEEDS_ROOT;
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = (char)(0xff - 3 * i);
	longest[5] = '\n';
	box_start(&b, "x", CLONE_NEWUTS);
	box_name(&b, longest, sizeof(longest));
	assert_name(j, b.pidfd, longest, sizeof(longest));
	box_name(&b, "short\0hidden", 12);
	assert_name(j, b.pidfd, "short", 5);
	box_name(&b, "\0hidden", 7);
	assert_name(j, b.pidfd, "", 0);
	box_end(&b);
	(void)close(b.pidfd);
}

static void what_is_no_living_process_is_an_error_and_no_name(void **state)
{
	struct joiner *j = *state;
	char name[ROOT_HOSTNAME_MAX + 1];
	size_t len;
	struct box b;
	int null;

	NEEDS_ROOT;
	box_start(&b, "dead", CLONE_NEWUTS);
	box_end(&b);
	assert_int_equal(ask(j, b.pidfd, name, &len), ESRCH);
	assert_int_equal(len, 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ask(j, null, name, &len), EINVAL);
	assert_int_equal(len, 0);
	(void)close(null);
	(void)close(b.pidfd);
	/* And it serves on. */
	box_start(&b, "alive", CLONE_NEWUTS);
	assert_name(j, b.pidfd, "alive", 5);
	box_end(&b);
	(void)close(b.pidfd);
}

/* --- What it is */

static void its_privileges_are_what_the_design_says(void **state)
{
	struct joiner *j = *state;
	struct proc_status s;
	int proc;

	NEEDS_ROOT;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(proc_read_status(proc, j->pid, &s), 0);
	(void)close(proc);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(s.uid[i], UID);
		assert_int_equal(s.gid[i], UID);
	}
	assert_int_equal(s.ngroups, 0);
	assert_true(s.effective == (CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_PTRACE)));
	assert_true(s.permitted == s.effective);
	assert_true((s.bounding & ~s.effective) == 0);
	assert_true(s.inheritable == 0 && s.ambient == 0);
	assert_int_equal(s.no_new_privs, 1);
	assert_int_equal(s.seccomp, 2);
}

static void read_uts(pid_t pid, char *buffer, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/uts", (int)pid);
	n = readlink(path, buffer, size - 1);
	assert_true(n > 0);
	buffer[n] = '\0';
}

static void it_comes_home_and_keeps_nothing(void **state)
{
	struct joiner *j = *state;
	char own[64], its[64], path[64];
	struct stat st;
	struct box b;

	NEEDS_ROOT;
	box_start(&b, "elsewhere", CLONE_NEWUTS);
	for (int i = 0; i < 20; i++)
		assert_name(j, b.pidfd, "elsewhere", 9);
	read_uts(getpid(), own, sizeof(own));
	read_uts(j->pid, its, sizeof(its));
	assert_string_equal(its, own);
	/* 0 to 3, the way home, the frontend: no pidfd is left. */
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)j->pid, HOME_FD + 2);
	assert_int_equal(lstat(path, &st), -1);
	box_end(&b);
	(void)close(b.pidfd);
}

static void without_a_way_home_it_ends(void **state)
{
	struct joiner *j = *state;
	struct box b;

	NEEDS_ROOT;
	box_start(&b, "trap", CLONE_NEWUTS);
	send_join(j, 1, b.pidfd);
	assert_exit(ended(j), EX_NO_HOME);
	box_end(&b);
	(void)close(b.pidfd);
}

static void stopping_and_continuing_does_it_no_harm(void **state)
{
	struct joiner *j = *state;
	struct box b;
	int status;

	NEEDS_ROOT;
	box_start(&b, "patient", CLONE_NEWUTS);
	assert_name(j, b.pidfd, "patient", 7);
	assert_int_equal(kill(j->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(j->pid, &status, WUNTRACED), j->pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(kill(j->pid, SIGCONT), 0);
	assert_name(j, b.pidfd, "patient", 7);
	box_end(&b);
	(void)close(b.pidfd);
}

static void a_new_frontend_takes_the_place_of_the_old(void **state)
{
	struct joiner *j = *state;
	struct box b;
	int old;

	NEEDS_ROOT;
	box_start(&b, "again", CLONE_NEWUTS);
	old = j->frontend;
	send_peer(j, IPC_PEER_FRONTEND);
	assert_name(j, b.pidfd, "again", 5);
	(void)close(old);
	assert_name(j, b.pidfd, "again", 5);
	box_end(&b);
	(void)close(b.pidfd);
}

/* --- How it ends */

static void the_end_of_a_channel_is_its_end(void **state)
{
	struct joiner *j = *state;

	NEEDS_ROOT;
	close_fd(&j->frontend);
	assert_exit(ended(j), 0);
	close_fd(&j->monitor);
	start(j);
	close_fd(&j->monitor);
	assert_exit(ended(j), 0);
}

static void send_raw(int fd, uint16_t type, size_t body, int passed)
{
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	for (size_t i = 0; i < body; i++)
		buf[w.len++] = 1;
	send_fd(fd, &w, passed);
}

static void nonsense_is_its_end(void **state)
{
	/* From the frontend; the last with the monitor's channel instead. */
	static const struct {
		uint16_t type;
		size_t body;
		bool fd, monitor;
	} nonsense[] = {
		{IPC_JOIN, 8, false, false}, /* no descriptor */
		{IPC_JOIN, 7, true, false},   {IPC_JOIN, 9, true, false},
		{IPC_JOIN, 0, true, false},   {IPC_PEER, 4, true, false},
		{IPC_READY, 0, false, false}, {IPC_JOINED, 8, false, false},
		{9999, 8, false, false},      {IPC_JOIN, 8, true, true},
		{IPC_PEER, 4, false, true},   {IPC_PEER, 3, true, true},
		{IPC_PEER, 5, true, true},    {IPC_PEER, 4, true, true}, /* of an unknown peer */
	};
	struct joiner *j = *state;
	int self;

	NEEDS_ROOT;
	self = procfd_open(getpid());
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		send_raw(nonsense[i].monitor ? j->monitor : j->frontend, nonsense[i].type, nonsense[i].body,
			 nonsense[i].fd ? self : -1);
		assert_exit(ended(j), EX_PROTOCOL);
		close_fd(&j->monitor);
		close_fd(&j->frontend);
		start(j);
	}
	send_peer(j, IPC_PEER_RESOLVER);
	assert_exit(ended(j), EX_PROTOCOL);
	(void)close(self);
}

static void a_broken_record_is_its_end(void **state)
{
	struct joiner *j = *state;
	int twice[2] = {j->monitor, j->monitor};
	struct ipc_token m = {.token = 1};
	struct wire_wr w;
	uint8_t buf[64];

	NEEDS_ROOT;
	assert_int_equal(send(j->frontend, "\x3c\0\0", 3, 0), 3);
	assert_exit(ended(j), EX_PROTOCOL);
	close_fd(&j->monitor);
	close_fd(&j->frontend);
	start(j);
	/* Two descriptors where one belongs. */
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOIN, 0);
	put_ipc_token(&w, &m);
	twice[0] = twice[1] = j->monitor;
	assert_int_equal(ipc_send(j->frontend, &w, twice, 2, 0), 0);
	assert_exit(ended(j), EX_PROTOCOL);
}

/* --- Starts that are refused */

static int start_plainly(const void *arg)
{
	char *const *argv = (char *const *)(uintptr_t)arg;
	char *const envp[] = {NULL};

	(void)syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
	return 94;
}

static void it_does_not_serve_as_root_nor_by_hand(void **state)
{
	char *const right[] = {(char[]){"joiner"}, (char[]){"--log-level"}, (char[]){"error"}, NULL};
	char *const wrong[] = {(char[]){"joiner"}, (char[]){"--log-level"}, (char[]){"loud"}, NULL};
	char *const none[] = {(char[]){"joiner"}, NULL};

	(void)state;
	assert_exit(sub_run(start_plainly, right), 1);
	assert_exit(sub_run(start_plainly, wrong), 2);
	assert_exit(sub_run(start_plainly, none), 2);
}

static int find_binary(void **state)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	(void)state;
	if (n <= 0)
		return -1;
	path[n] = '\0';
	(void)snprintf(strrchr(path, '/'), 32, "/../rootbroker-joiner");
	/* Out of the way of the numbers that the joiner will use. */
	n = open(path, O_PATH | O_CLOEXEC);
	binary = n >= 0 ? fcntl((int)n, F_DUPFD_CLOEXEC, 100) : -1;
	if (binary < 0)
		print_message("# %s: %s\n", path, strerror(errno));
	return binary < 0 ? -1 : 0;
}

#define JOINER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JOINER_TEST(the_name_is_the_one_of_this_moment),
		JOINER_TEST(targets_do_not_mix),
		JOINER_TEST(a_user_namespace_is_no_obstacle),
		JOINER_TEST(a_name_is_bytes_up_to_the_first_nul),
		JOINER_TEST(what_is_no_living_process_is_an_error_and_no_name),
		JOINER_TEST(its_privileges_are_what_the_design_says),
		JOINER_TEST(it_comes_home_and_keeps_nothing),
		cmocka_unit_test_setup_teardown(without_a_way_home_it_ends, setup_lost, teardown),
		JOINER_TEST(stopping_and_continuing_does_it_no_harm),
		JOINER_TEST(a_new_frontend_takes_the_place_of_the_old),
		JOINER_TEST(the_end_of_a_channel_is_its_end),
		JOINER_TEST(nonsense_is_its_end),
		JOINER_TEST(a_broken_record_is_its_end),
		cmocka_unit_test(it_does_not_serve_as_root_nor_by_hand),
	};

	return cmocka_run_group_tests(tests, find_binary, NULL);
}
