/* SPDX-License-Identifier: MIT */
/*
 * The joiner, the real binary, confined as in service: it discloses the hostname of the process that it is given, comes
 * home, survives what may happen, and ends at the first word that is out of place.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "../../server/joiner/policy.h"
#include "joiner_rig.h"
#include "sub.h"

#define EX_NO_HOME 71
#define EX_PROTOCOL 76

#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

static void assert_name(struct joiner *j, int pidfd, const char *want, size_t want_len)
{
	char name[ROOT_HOSTNAME_MAX + 1];
	size_t len;

	assert_int_equal(joiner_ask(j, pidfd, name, &len), 0);
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
	assert_int_equal(joiner_ask(j, b.pidfd, name, &len), ESRCH);
	assert_int_equal(len, 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(joiner_ask(j, null, name, &len), EINVAL);
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
		assert_int_equal(s.uid[i], JOINER_UID);
		assert_int_equal(s.gid[i], JOINER_UID);
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
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)j->pid, JOINER_HOME_FD + 2);
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
	joiner_send_join(j, 1, b.pidfd);
	assert_exit(joiner_ended(j), EX_NO_HOME);
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
	joiner_send_peer(j, IPC_PEER_FRONTEND);
	assert_name(j, b.pidfd, "again", 5);
	(void)close(old);
	assert_name(j, b.pidfd, "again", 5);
	box_end(&b);
	(void)close(b.pidfd);
}

static void its_table_is_these_seven_calls(void **state)
{
	static const int want[] = {SCMP_SYS(ppoll), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),   SCMP_SYS(setns),
				   SCMP_SYS(uname), SCMP_SYS(close),   SCMP_SYS(exit_group)};

	(void)state;
	assert_int_equal(joiner_sandbox.ncalls, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < joiner_sandbox.ncalls; i++) {
		const struct sandbox_call *c = &joiner_sandbox.calls[i];

		assert_int_equal(c->nr, want[i]);
		assert_int_equal(c->has_arg1, c->nr == SCMP_SYS(setns));
		assert_true(!c->has_arg1 || c->arg1 == CLONE_NEWUTS);
	}
}

/* --- How it ends */

static void the_end_of_a_channel_is_its_end(void **state)
{
	struct joiner *j = *state;

	NEEDS_ROOT;
	close_fd(&j->frontend);
	assert_exit(joiner_ended(j), 0);
	close_fd(&j->monitor);
	joiner_start(j);
	close_fd(&j->monitor);
	assert_exit(joiner_ended(j), 0);
}

static void send_raw(int fd, uint16_t type, size_t body, int passed)
{
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	for (size_t i = 0; i < body; i++)
		buf[w.len++] = 1;
	joiner_send_fd(fd, &w, passed);
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
		assert_exit(joiner_ended(j), EX_PROTOCOL);
		close_fd(&j->monitor);
		close_fd(&j->frontend);
		joiner_start(j);
	}
	joiner_send_peer(j, IPC_PEER_RESOLVER);
	assert_exit(joiner_ended(j), EX_PROTOCOL);
	(void)close(self);
}

static void a_broken_record_is_its_end(void **state)
{
	struct joiner *j = *state;
	struct ipc_token m = {.token = 1};
	struct wire_wr w;
	uint8_t buf[64];

	NEEDS_ROOT;
	assert_int_equal(send(j->frontend, "\x3c\0\0", 3, 0), 3);
	assert_exit(joiner_ended(j), EX_PROTOCOL);
	close_fd(&j->monitor);
	close_fd(&j->frontend);
	joiner_start(j);
	/* No descriptor where one belongs. */
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOIN, 0);
	put_ipc_token(&w, &m);
	assert_int_equal(ipc_send(j->frontend, &w, NULL, 0, 0), 0);
	assert_exit(joiner_ended(j), EX_PROTOCOL);
}

static void many_processes_in_one_record_are_answered_in_their_order(void **state)
{
	struct joiner *j = *state;
	static struct ipc_in in;
	static struct ipc_joined m;
	struct box a, b;
	struct ipc_token token = {.token = 77};
	int fds[IPC_JOIN_MAX];
	struct wire_wr w;
	uint8_t buf[64];

	NEEDS_ROOT;
	box_start(&a, "first", CLONE_NEWUTS);
	box_start(&b, "second", CLONE_NEWUTS);
	for (int i = 0; i < IPC_JOIN_MAX; i++)
		fds[i] = i % 2 ? b.pidfd : a.pidfd;
	fds[2] = j->monitor; /* no process at all */
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOIN, 0);
	put_ipc_token(&w, &token);
	assert_int_equal(ipc_send(j->frontend, &w, fds, IPC_JOIN_MAX, 0), 0);
	assert_int_equal(ipc_recv(j->frontend, &in, 0), 1);
	assert_int_equal(in.type, IPC_JOINED);
	assert_int_equal(get_ipc_joined(&in.body, &m), 0);
	assert_int_equal(m.token, 77);
	assert_int_equal(m.count, IPC_JOIN_MAX);
	for (int i = 0; i < IPC_JOIN_MAX; i++) {
		if (i == 2)
			assert_int_not_equal(m.names[i].error, 0);
		else
			assert_true(str_eq(m.names[i].hostname, str_of(i % 2 ? "second" : "first")));
	}
	ipc_drop(&in);
	box_end(&a);
	box_end(&b);
	(void)close(a.pidfd);
	(void)close(b.pidfd);
}

/* --- Starts that are refused */

static int start_plainly(const void *arg)
{
	char *const *argv = (char *const *)(uintptr_t)arg;
	char *const envp[] = {NULL};

	(void)syscall(SYS_execveat, joiner_binary, "", argv, envp, AT_EMPTY_PATH);
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

#define JOINER_TEST(f) cmocka_unit_test_setup_teardown(f, joiner_setup, joiner_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JOINER_TEST(the_name_is_the_one_of_this_moment),
		JOINER_TEST(targets_do_not_mix),
		JOINER_TEST(a_user_namespace_is_no_obstacle),
		JOINER_TEST(a_name_is_bytes_up_to_the_first_nul),
		JOINER_TEST(what_is_no_living_process_is_an_error_and_no_name),
		JOINER_TEST(its_privileges_are_what_the_design_says),
		cmocka_unit_test(its_table_is_these_seven_calls),
		JOINER_TEST(it_comes_home_and_keeps_nothing),
		cmocka_unit_test_setup_teardown(without_a_way_home_it_ends, joiner_setup_lost, joiner_teardown),
		JOINER_TEST(stopping_and_continuing_does_it_no_harm),
		JOINER_TEST(a_new_frontend_takes_the_place_of_the_old),
		JOINER_TEST(the_end_of_a_channel_is_its_end),
		JOINER_TEST(nonsense_is_its_end),
		JOINER_TEST(a_broken_record_is_its_end),
		JOINER_TEST(many_processes_in_one_record_are_answered_in_their_order),
		cmocka_unit_test(it_does_not_serve_as_root_nor_by_hand),
	};

	return cmocka_run_group_tests(tests, joiner_find_binary, NULL);
}
