/* SPDX-License-Identifier: MIT */
/*
 * The lock-in, in both directions: what is forbidden dies or is denied, what is permitted still works; and a process
 * that is not what it should be does not get past the reading back.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "../../server/common/sandbox.h"
#include "../../server/monitor/privilege.h"
#include "sub.h"

#define UID 64103
#define CAPS (CAPS_BIT(CAP_DAC_READ_SEARCH) | CAPS_BIT(CAP_KILL))

static const struct sandbox_call calls[] = {
	{SCMP_SYS(exit_group), false, 0},
	{SCMP_SYS(write), false, 0},
	{SCMP_SYS(uname), false, 0},
	{SCMP_SYS(setns), true, CLONE_NEWUTS},
};
static const struct sandbox sandbox = {
	.caps = CAPS, .landlock = true, .calls = calls, .ncalls = sizeof(calls) / sizeof(calls[0])};

/* For what Landlock denies: the filter lets it through. */
static const struct sandbox_call wide_calls[] = {
	{SCMP_SYS(exit_group), false, 0}, {SCMP_SYS(write), false, 0},    {SCMP_SYS(openat), false, 0},
	{SCMP_SYS(open), false, 0},       {SCMP_SYS(close), false, 0},    {SCMP_SYS(kill), false, 0},
	{SCMP_SYS(socket), false, 0},     {SCMP_SYS(bind), false, 0},     {SCMP_SYS(truncate), false, 0},
	{SCMP_SYS(unlink), false, 0},     {SCMP_SYS(unlinkat), false, 0},
};
static const struct sandbox wide = {
	.caps = CAPS, .landlock = true, .calls = wide_calls, .ncalls = sizeof(wide_calls) / sizeof(wide_calls[0])};

static const struct privilege right = {.uid = UID, .gid = UID, .caps = CAPS, .no_new_privs = true};

static char dir[] = "/tmp/test_sandbox.XXXXXX";
static char inside[64], outside[64], sub[64];

static int group_setup(void **state)
{
	char *const names[] = {inside, outside};

	(void)state;
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	(void)snprintf(sub, sizeof(sub), "%s/sub", dir);
	(void)snprintf(inside, sizeof(inside), "%s/sub/inside", dir);
	(void)snprintf(outside, sizeof(outside), "%s/outside", dir);
	if (mkdir(sub, 0755) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		int fd = open(names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0666);

		if (fd < 0 || fchmod(fd, 0666) < 0)
			return -1;
		(void)close(fd);
	}
	return chmod(sub, 0777);
}

static int group_teardown(void **state)
{
	(void)state;
	(void)unlink(inside);
	(void)unlink(outside);
	(void)rmdir(sub);
	return rmdir(dir);
}

/* What stands between a child and its body. */
struct entry {
	const struct privilege *privilege;
	const struct sandbox *sandbox;
	const char *path;
	int (*body)(void);
};

static int enter(const void *arg)
{
	const struct entry *e = arg;
	const char *step = "?", *const paths[] = {e->path};
	int r = privilege_drop(e->privilege, &step);

	if (r == 0)
		r = sandbox_enter(e->sandbox, paths, e->path ? 1 : 0, &step);
	if (r < 0) {
		(void)dprintf(STDERR_FILENO, "# %s: %s\n", step, strerror(-r));
		return 90;
	}
	return e->body();
}

static int run_in(const struct sandbox *s, const char *path, int (*body)(void))
{
	struct entry e = {&right, s, path, body};

	return sub_run(enter, &e);
}

#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

/* --- The filter */

static int permitted(void)
{
	char buf[400];

	EXPECT_QUIET(syscall(SYS_uname, buf) == 0, 1);
	EXPECT_QUIET(write(STDERR_FILENO, "", 0) == 0, 2);
	/* The filter lets it through: the kernel answers. */
	EXPECT_QUIET(syscall(SYS_setns, -1L, (long)CLONE_NEWUTS) < 0 && errno == EBADF, 3);
	return 0;
}

static void what_is_permitted_works(void **state)
{
	(void)state;
	NEEDS_ROOT;
	assert_exit(run_in(&sandbox, NULL, permitted), 0);
}

static int call_getppid(void)
{
	return syscall(SYS_getppid) < 0;
}
static int call_socket(void)
{
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) < 0;
}
static int call_execve(void)
{
	return syscall(SYS_execve, "/bin/true", NULL, NULL) < 0;
}
static int call_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0;
}
static int call_unknown(void)
{
	return syscall(9999) < 0;
}
#ifdef __x86_64__
/* The x32 twin of write(): another table behind the same architecture. */
static int call_x32(void)
{
	return syscall(0x40000000 + 1, STDERR_FILENO, "", 0) < 0;
}
#endif

static void what_is_forbidden_dies(void **state)
{
	static int (*const forbidden[])(void) = {
		call_getppid, call_socket, call_execve, call_fork, call_unknown,
#ifdef __x86_64__
		call_x32,
#endif
	};

	(void)state;
	NEEDS_ROOT;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		assert_signal(run_in(&sandbox, NULL, forbidden[i]), SIGSYS);
}

static int call_open(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY) < 0;
}
static int call_mmap(void)
{
	return syscall(SYS_mmap, NULL, 4096, 0, 0x22, -1, 0) == -1;
}

static void the_plain_build_forbids_what_sanitizers_need(void **state)
{
	(void)state;
	NEEDS_ROOT;
	SKIP_IF(SANITIZED, "the sanitizer build permits these calls");
	assert_int_equal(sandbox_sanitizer_ncalls, 0);
	assert_signal(run_in(&sandbox, NULL, call_open), SIGSYS);
	assert_signal(run_in(&sandbox, NULL, call_mmap), SIGSYS);
}

static int setns_any(void)
{
	return syscall(SYS_setns, -1L, 0L) < 0;
}
static int setns_net(void)
{
	return syscall(SYS_setns, -1L, (long)CLONE_NEWNET) < 0;
}
static int setns_more(void)
{
	return syscall(SYS_setns, -1L, (long)(CLONE_NEWUTS | CLONE_NEWNS)) < 0;
}
static int setns_upper(void)
{
	return syscall(SYS_setns, -1L, (long)CLONE_NEWUTS | (1L << 32)) < 0;
}

static void an_argument_is_checked_in_all_its_bits(void **state)
{
	static int (*const forbidden[])(void) = {setns_any, setns_net, setns_more, setns_upper};

	(void)state;
	NEEDS_ROOT;
	SKIP_IF(sizeof(long) < 8, "arguments of 32 bits have no upper half");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		assert_signal(run_in(&sandbox, NULL, forbidden[i]), SIGSYS);
}

/* --- Landlock */

static int landlocked(void)
{
	EXPECT_QUIET(open(inside, O_RDONLY) >= 0, 1);
	EXPECT_QUIET(open(sub, O_RDONLY | O_DIRECTORY) >= 0, 2);
	/* Everything is readable by its mode, and the process may pass over modes besides. */
	EXPECT_QUIET(open(outside, O_RDONLY) < 0 && errno == EACCES, 3);
	EXPECT_QUIET(open(dir, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES, 4);
	EXPECT_QUIET(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES, 5);
	EXPECT_QUIET(open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES, 6);
	/* Read-only, where writing is everybody's right. */
	EXPECT_QUIET(open(inside, O_WRONLY) < 0 && errno == EACCES, 7);
	EXPECT_QUIET(open(inside, O_RDONLY | O_TRUNC) < 0 && errno == EACCES, 8);
	EXPECT_QUIET(unlink(inside) < 0 && errno == EACCES, 9);
	return 0;
}

static int only_a_file(void)
{
	EXPECT_QUIET(open(inside, O_RDONLY) >= 0, 1);
	EXPECT_QUIET(open(sub, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES, 2);
	return 0;
}

static int nothing_at_all(void)
{
	EXPECT_QUIET(open(inside, O_RDONLY) < 0 && errno == EACCES, 1);
	EXPECT_QUIET(open("/dev/null", O_RDONLY) < 0 && errno == EACCES, 2);
	return 0;
}

static void landlock_leaves_only_the_paths_and_only_to_read(void **state)
{
	(void)state;
	NEEDS_ROOT;
	assert_exit(run_in(&wide, sub, landlocked), 0);
	assert_exit(run_in(&wide, inside, only_a_file), 0);
	assert_exit(run_in(&wide, NULL, nothing_at_all), 0);
}

static int network_and_signals(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT_QUIET(fd >= 0, 1);
	EXPECT_QUIET(bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == EACCES, 2);
	/* In spite of CAP_KILL. */
	EXPECT_QUIET(kill(1, 0) < 0 && errno == EPERM, 3);
	return 0;
}

static void landlock_denies_network_and_signals(void **state)
{
	(void)state;
	NEEDS_ROOT;
	SKIP_IF(syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 6, "this kernel's Landlock knows no signals");
	assert_exit(run_in(&wide, NULL, network_and_signals), 0);
}

static int missing_path(const void *arg)
{
	const char *step = "?", *const paths[] = {sub, "/nonexistent/x"};

	(void)arg;
	EXPECT(privilege_drop(&right, &step) == 0);
	EXPECT(sandbox_enter(&wide, paths, 2, &step) == -ENOENT);
	EXPECT(strstr(step, "/nonexistent/x"));
	return 0;
}

static void a_path_that_is_not_there_is_named(void **state)
{
	(void)state;
	NEEDS_ROOT;
	assert_exit(sub_run(missing_path, NULL), 0);
}

/* A kernel without Landlock, to this process and its children. */
static int no_landlock(const void *arg)
{
	const int *error = arg;
	const char *step = "?";
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	EXPECT(seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)*error), SYS_landlock_create_ruleset, 0) == 0);
	EXPECT(privilege_drop(&right, &step) == 0);
	EXPECT(seccomp_load(f) == 0);
	EXPECT(sandbox_enter(&wide, NULL, 0, &step) == -*error);
	EXPECT(strcmp(step, "Landlock") == 0);
	return 0;
}

static void without_landlock_there_is_no_going_on(void **state)
{
	/* Not built in; not switched on at boot; denied by a container's own filter. */
	static const int errors[] = {ENOSYS, EOPNOTSUPP, EPERM};

	(void)state;
	NEEDS_ROOT;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		assert_exit(sub_run(no_landlock, &errors[i]), 0);
}

/* --- Reading back */

static const struct sandbox_facts good = {
	.uid = {UID, UID, UID, UID},
	.gid = {UID, UID, UID, UID},
	.caps = {.effective = CAPS, .permitted = CAPS, .bounding = CAPS},
	.no_new_privs = 1,
	.death_signal = SIGKILL,
};

#define WRONG(change)                                         \
	do {                                                  \
		struct sandbox_facts f = good;                \
		change;                                       \
		assert_non_null(sandbox_judge(&sandbox, &f)); \
	} while (0)

static void every_field_of_the_facts_counts(void **state)
{
	struct sandbox_facts alone = good;

	(void)state;
	assert_null(sandbox_judge(&sandbox, &good));
	alone.ngroups = 1;
	alone.group = UID;
	assert_null(sandbox_judge(&sandbox, &alone));
	for (int i = 0; i < 4; i++) {
		WRONG(f.uid[i] = 0);
		WRONG(f.gid[i] = 0);
		WRONG(f.uid[i] = UID + 1);
		WRONG(f.gid[i] = UID + 1);
	}
	WRONG(f.uid[0] = f.uid[1] = f.uid[2] = f.uid[3] = 0);
	WRONG(f.gid[0] = f.gid[1] = f.gid[2] = f.gid[3] = 0);
	WRONG(f.ngroups = 1);
	WRONG((f.ngroups = 2, f.group = UID));
	WRONG(f.ngroups = -1);
	WRONG(f.caps.effective |= CAPS_BIT(CAP_SYS_ADMIN));
	WRONG(f.caps.effective = CAPS_BIT(CAP_KILL));
	WRONG(f.caps.permitted |= CAPS_BIT(CAP_SYS_ADMIN));
	WRONG(f.caps.permitted = 0);
	WRONG(f.caps.inheritable = CAPS_BIT(CAP_KILL));
	WRONG(f.caps.ambient = CAPS_BIT(CAP_KILL));
	WRONG(f.caps.bounding |= CAPS_BIT(CAP_SYS_ADMIN));
	WRONG(f.no_new_privs = 0);
	WRONG(f.no_new_privs = -1);
	WRONG(f.dumpable = 1);
	WRONG(f.dumpable = 2);
	WRONG(f.dumpable = -1);
	WRONG(f.death_signal = 0);
}

static int refused(const void *arg)
{
	const struct privilege *p = arg;
	const char *step = "?";

	if (p)
		EXPECT(privilege_drop(p, &step) == 0);
	EXPECT(sandbox_enter(&sandbox, NULL, 0, &step) < 0);
	return 0;
}

static void a_process_that_is_not_what_it_should_be_is_refused(void **state)
{
	static const gid_t wheel = 10;
	struct privilege p;

	(void)state;
	NEEDS_ROOT;
	/* Nothing was dropped. */
	assert_exit(sub_run(refused, NULL), 0);
	p = right;
	p.no_new_privs = false;
	assert_exit(sub_run(refused, &p), 0);
	p = right;
	p.uid = 0;
	assert_exit(sub_run(refused, &p), 0);
	p = right;
	p.gid = 0;
	assert_exit(sub_run(refused, &p), 0);
	p = right;
	p.groups = &wheel;
	p.ngroups = 1;
	assert_exit(sub_run(refused, &p), 0);
	/* Too much in the bounding set; and too little to have what the service needs. */
	p = right;
	p.caps |= CAPS_BIT(CAP_NET_RAW);
	assert_exit(sub_run(refused, &p), 0);
	p = right;
	p.caps = CAPS_BIT(CAP_KILL);
	assert_exit(sub_run(refused, &p), 0);
}

static int facts_are_true(const void *arg)
{
	struct sandbox_facts f;
	const char *step;

	(void)arg;
	EXPECT(privilege_drop(&right, &step) == 0);
	EXPECT(caps_set_final(CAPS) == 0);
	EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
	EXPECT(sandbox_read(&f) == 0);
	EXPECT(memcmp(&f, &good, sizeof(f)) == 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	EXPECT(sandbox_read(&f) == 0);
	EXPECT(f.dumpable == 1);
	return 0;
}

static void the_facts_are_the_kernels(void **state)
{
	(void)state;
	NEEDS_ROOT;
	assert_exit(sub_run(facts_are_true, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_permitted_works),
		cmocka_unit_test(what_is_forbidden_dies),
		cmocka_unit_test(the_plain_build_forbids_what_sanitizers_need),
		cmocka_unit_test(an_argument_is_checked_in_all_its_bits),
		cmocka_unit_test(landlock_leaves_only_the_paths_and_only_to_read),
		cmocka_unit_test(landlock_denies_network_and_signals),
		cmocka_unit_test(a_path_that_is_not_there_is_named),
		cmocka_unit_test(without_landlock_there_is_no_going_on),
		cmocka_unit_test(every_field_of_the_facts_counts),
		cmocka_unit_test(a_process_that_is_not_what_it_should_be_is_refused),
		cmocka_unit_test(the_facts_are_the_kernels),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
