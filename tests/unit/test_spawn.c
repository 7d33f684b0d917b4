/* SPDX-License-Identifier: MIT */
/* A start: the program finds the same world whatever its parent looked like, and each failure comes back with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "../../include/rootbroker.h"
#include "../../server/common/caps.h"
#include "../../server/monitor/spawn.h"
#include "world.h"
#include "tree.h"

#define SETUID 7
#define NET_RAW 13

#ifdef ROOTBROKER_SANITIZE
/* Else its run-time would have handlers of its own in what the dump shows. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0";
}
#endif

/* --- Helpers ------------------------------------------------------------------------------------------------------ */

static char *const no_env[] = {NULL};
static char *const dump_argv[] = {(char[]){"dump"}, (char[]){"a b"}, NULL};
static const gid_t groups[] = {4001, 4003};

static struct spawn_plan plan_for(const char *path, char *const *argv)
{
	return (struct spawn_plan){
		.path = path,
		.argv = argv,
		.environment = no_env,
		.directory = "/",
		.umask = 022,
		.ipc = ROOT_IPC_NONE,
		.privilege = {64000, 64001, groups, 2, 0, true},
	};
}

static void await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
}

static enum spawn_outcome outcome_of(struct spawn *s, char *detail, int size)
{
	await(s->control);
	return spawn_outcome(s, detail, size);
}

static int reap(const struct spawn *s)
{
	int word = -1;

	assert_int_equal(waitpid(s->pid, &word, 0), s->pid);
	return word;
}

static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int make(void **state)
{
	int r = tree_make(state);

	if (r == 0 && tree_ready())
		tree_copy_self("self");
	return r;
}

/* --- What the program finds -------------------------------------------------------------------------------------- */

/* Runs the plan in a child that has made itself such a parent; the program's output comes back in @text. */
static void run_under(void (*parent)(bool close_std), const struct spawn_plan *plan, bool close_std, char *text,
		      size_t size)
{
	char detail[256] = "";
	struct spawn s;
	int out[2], word;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		char buf[16384];

		parent(close_std);
		if (spawn_gated(plan, &s) < 0 || spawn_go(&s) < 0)
			_exit(1);
		read_all(s.fds[0], buf, sizeof(buf));
		(void)!write(out[1], buf, strlen(buf));
		if (spawn_outcome(&s, detail, (int)sizeof(detail)) != SPAWN_RUNS) {
			(void)!write(out[1], detail, strlen(detail));
			_exit(2);
		}
		_exit(0);
	}
	(void)close(out[1]);
	read_all(out[0], text, size);
	(void)close(out[0]);
	assert_int_equal(waitpid(pid, &word, 0), pid);
	if (word != 0)
		fail_msg("status %x: %s", (unsigned)word, text);
}

static void the_program_finds_a_clean_world(void **state)
{
	char *const env[] = {(char[]){"A=1"}, (char[]){"PATH=/bin"}, NULL};
	struct spawn_plan plan = plan_for(tree_path("self"), dump_argv);
	char text[16384];
	int closed;

	(void)state;
	NEEDS_TREE();
	plan.environment = env;
	plan.umask = 027;
	plan.directory = "/usr";
	plan.ipc = ROOT_IPC_PIPES;
	plan.wants_stderr = true;
	plan.privilege.caps = CAPS_BIT(CAP_NET_RAW);
	for (closed = 0; closed < 2; closed++) {
		run_under(be_hostile, &plan, closed != 0, text, sizeof(text));
		assert_string_equal(text, "fds 0 1 2\nblocked 0\nnot default\n"
					  "uid 64000 64000 64000 gid 64001 64001 64001 groups 4001 4003\n"
					  "caps 2000 2000 2000 2000 2000 nnp 1\n"
					  "umask 027 cwd /usr\n"
					  "leader 1 nice 0 files 1024 core 0 0 oom 0\n"
					  "argv [dump] [a b]\nenv [A=1] [PATH=/bin]\n");
	}
}

static void the_monitors_capabilities_are_enough(void **state)
{
	struct spawn_plan plan = plan_for(tree_path("self"), dump_argv);
	char text[16384];

	(void)state;
	NEEDS_TREE();
	plan.ipc = ROOT_IPC_PIPES;
	plan.privilege.caps = CAPS_BIT(CAP_NET_RAW);
	run_under(be_the_monitor, &plan, false, text, sizeof(text));
	assert_non_null(strstr(text, "uid 64000 64000 64000 gid 64001 64001 64001 groups 4001 4003\n"
				     "caps 2000 2000 2000 2000 2000 nnp 1\n"));
}

static void every_ipc_type_works_with_all_descriptors_closed(void **state)
{
	static const uint32_t types[] = {ROOT_IPC_PIPES, ROOT_IPC_SOCKETPAIR};
	struct spawn_plan plan = plan_for(tree_path("self"), dump_argv);
	char text[16384];
	size_t i;

	(void)state;
	NEEDS_TREE();
	for (i = 0; i < 2; i++) {
		plan.ipc = types[i];
		plan.wants_stderr = i == 0;
		run_under(be_hostile, &plan, true, text, sizeof(text));
		assert_int_equal(strncmp(text, "fds 0 1 2\n", 10), 0);
	}
}

/* --- Descriptors --------------------------------------------------------------------------------------------------- */

static void run_shell(struct spawn *s, uint32_t ipc, bool wants_stderr, const char *script)
{
	static char text[512];
	char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, text, NULL};
	struct spawn_plan plan = plan_for("/bin/sh", argv);
	char detail[256] = "";

	(void)snprintf(text, sizeof(text), "%s", script);
	plan.ipc = ipc;
	plan.wants_stderr = wants_stderr;
	assert_int_equal(spawn_gated(&plan, s), 0);
	assert_int_equal(spawn_go(s), 0);
	if (outcome_of(s, detail, (int)sizeof(detail)) != SPAWN_RUNS)
		fail_msg("%s", detail);
}

static void none_is_the_null_device(void **state)
{
	struct spawn s;

	(void)state;
	NEEDS_TREE();
	run_shell(&s, ROOT_IPC_NONE, false, "for i in 0 1 2; do test /proc/$$/fd/$i -ef /dev/null || exit 1; done");
	assert_int_equal(s.nfds, 0);
	assert_int_equal(reap(&s), 0);
	spawn_close(&s);
}

static void pipes_come_as_output_input_error(void **state)
{
	struct spawn s;
	char text[64];

	(void)state;
	NEEDS_TREE();
	/* By name too: the pipes are the program's own, not root's. */
	run_shell(&s, ROOT_IPC_PIPES, true, "read x; echo out $x >/dev/stdout; echo err >/dev/stderr");
	assert_int_equal(s.nfds, 3);
	assert_int_equal(write(s.fds[1], "hi\n", 3), 3);
	read_all(s.fds[0], text, sizeof(text));
	assert_string_equal(text, "out hi\n");
	read_all(s.fds[2], text, sizeof(text));
	assert_string_equal(text, "err\n");
	assert_int_equal(reap(&s), 0);
	spawn_close(&s);
}

static void a_socketpair_goes_both_ways(void **state)
{
	struct spawn s;
	char text[64];

	(void)state;
	NEEDS_TREE();
	run_shell(&s, ROOT_IPC_SOCKETPAIR, false, "read x; echo out $x; echo lost >&2");
	assert_int_equal(s.nfds, 1);
	assert_int_equal(write(s.fds[0], "hi\n", 3), 3);
	read_all(s.fds[0], text, sizeof(text));
	assert_string_equal(text, "out hi\n");
	assert_int_equal(reap(&s), 0);
	spawn_close(&s);
}

/* --- The gate ------------------------------------------------------------------------------------------------------ */

static void nothing_runs_before_the_gate_opens(void **state)
{
	char *const argv[] = {(char[]){"touch"}, (char[]){""}, NULL};
	struct spawn_plan plan = plan_for("/bin/touch", argv);
	char *const real[] = {argv[0], strdup(tree_path("touched")), NULL};
	struct spawn s;
	int pid;

	(void)state;
	NEEDS_TREE();
	plan.argv = real;
	plan.privilege.uid = 0;
	assert_int_equal(spawn_gated(&plan, &s), 0);
	pid = s.pid;
	/* Thought better of it: the child goes without a trace. */
	spawn_close(&s);
	s.pid = pid;
	assert_int_equal(WEXITSTATUS(reap(&s)), 125);
	assert_int_equal(access(tree_path("touched"), F_OK), -1);
	free(real[1]);
}

static void a_child_killed_at_the_gate_has_not_started(void **state)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	struct spawn_plan plan = plan_for("/bin/true", argv);
	char detail[256] = "";
	struct spawn s;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(spawn_gated(&plan, &s), 0);
	assert_int_equal(spawn_outcome(&s, detail, (int)sizeof(detail)), SPAWN_PENDING);
	assert_int_equal(kill(s.pid, SIGKILL), 0);
	assert_int_equal(outcome_of(&s, detail, (int)sizeof(detail)), SPAWN_SETUP_FAILED);
	assert_string_equal(detail, "it was killed before it ran");
	(void)reap(&s);
	spawn_close(&s);
}

static void a_program_that_ends_at_once_has_started(void **state)
{
	int i;

	(void)state;
	NEEDS_TREE();
	for (i = 0; i < 20; i++) {
		char *const argv[] = {(char[]){"false"}, NULL};
		struct spawn_plan plan = plan_for("/bin/false", argv);
		char detail[256] = "";
		struct spawn s;

		assert_int_equal(spawn_gated(&plan, &s), 0);
		assert_int_equal(spawn_go(&s), 0);
		await(s.pidfd);
		assert_int_equal(outcome_of(&s, detail, (int)sizeof(detail)), SPAWN_RUNS);
		assert_int_equal(reap(&s), 1 << 8);
		spawn_close(&s);
	}
}

/* --- Failures ------------------------------------------------------------------------------------------------------ */

static void fails(const struct spawn_plan *plan, enum spawn_outcome wanted, const char *text)
{
	int before = count_fds();
	char detail[256] = "";
	struct spawn s;

	assert_int_equal(spawn_gated(plan, &s), 0);
	assert_int_equal(spawn_go(&s), 0);
	assert_int_equal(outcome_of(&s, detail, (int)sizeof(detail)), wanted);
	assert_string_equal(detail, text);
	assert_int_equal(WEXITSTATUS(reap(&s)), 125);
	spawn_close(&s);
	assert_int_equal(count_fds(), before);
}

static void failures_come_back_with_step_and_reason(void **state)
{
	char *const argv[] = {(char[]){"x"}, NULL};
	struct spawn_plan plan = plan_for("/nowhere", argv);

	(void)state;
	NEEDS_TREE();
	fails(&plan, SPAWN_NOT_EXECUTABLE, "executing its file: No such file or directory");
	tree_file("data", 0644, "x");
	plan.path = tree_path("data");
	fails(&plan, SPAWN_NOT_EXECUTABLE, "executing its file: Permission denied");
	tree_file("nonsense", 0755, "x");
	plan.path = tree_path("nonsense");
	fails(&plan, SPAWN_NOT_EXECUTABLE, "executing its file: Exec format error");
	plan.path = "/bin/true";
	plan.directory = "/nowhere";
	fails(&plan, SPAWN_SETUP_FAILED, "entering its directory: No such file or directory");
	/* Root could enter it; the program's user cannot. */
	tree_dir("private", 0700);
	plan.directory = tree_path("private");
	fails(&plan, SPAWN_SETUP_FAILED, "entering its directory: Permission denied");
	plan.directory = "/";
	plan.privilege.ngroups = PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX + 1;
	fails(&plan, SPAWN_SETUP_FAILED, "supplementary groups: Invalid argument");
}

static void an_unknown_ipc_type_leaves_nothing(void **state)
{
	char *const argv[] = {(char[]){"x"}, NULL};
	struct spawn_plan plan = plan_for("/bin/true", argv);
	int before = count_fds();
	struct spawn s;

	(void)state;
	plan.ipc = 3;
	plan.wants_stderr = true;
	assert_int_equal(spawn_gated(&plan, &s), -EINVAL);
	assert_int_equal(count_fds(), before);
}

/* At each number of descriptors that are left: it works, or fails cleanly. */
static void running_out_of_descriptors_leaves_nothing(void **state)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	struct spawn_plan plan = plan_for("/bin/true", argv);
	int before = count_fds(), left, r = -EMFILE, highest = dup(0);
	struct rlimit old, limit;
	struct spawn s;

	(void)state;
	NEEDS_TREE();
	(void)close(highest);
	plan.ipc = ROOT_IPC_PIPES;
	plan.wants_stderr = true;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (left = 0; left < 12 && r < 0; left++) {
		limit = old;
		limit.rlim_cur = (rlim_t)(highest + left);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		r = spawn_gated(&plan, &s);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (r < 0) {
			assert_int_equal(r, -EMFILE);
			assert_int_equal(count_fds(), before);
		}
	}
	assert_int_equal(r, 0);
	assert_int_equal(kill(s.pid, SIGKILL), 0);
	(void)reap(&s);
	spawn_close(&s);
	assert_int_equal(count_fds(), before);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_finds_a_clean_world),
		cmocka_unit_test(the_monitors_capabilities_are_enough),
		cmocka_unit_test(every_ipc_type_works_with_all_descriptors_closed),
		cmocka_unit_test(none_is_the_null_device),
		cmocka_unit_test(pipes_come_as_output_input_error),
		cmocka_unit_test(a_socketpair_goes_both_ways),
		cmocka_unit_test(nothing_runs_before_the_gate_opens),
		cmocka_unit_test(a_child_killed_at_the_gate_has_not_started),
		cmocka_unit_test(a_program_that_ends_at_once_has_started),
		cmocka_unit_test(failures_come_back_with_step_and_reason),
		cmocka_unit_test(an_unknown_ipc_type_leaves_nothing),
		cmocka_unit_test(running_out_of_descriptors_leaves_nothing),
	};

	if (argc > 0 && strcmp(argv[0], "dump") == 0)
		return dump(argv);
	return cmocka_run_group_tests(tests, make, tree_remove);
}
