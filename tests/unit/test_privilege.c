/* SPDX-License-Identifier: MIT */
/* Privilege given up is gone, all of it and for good; what was asked for survives an exec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "../../server/common/caps.h"
#include "../../server/monitor/privilege.h"

#define NET_BIND 10
#define NET_RAW 13
#define SETUID 7

#define NEEDS_ROOT()                \
	do {                        \
		if (geteuid() != 0) \
			skip();     \
	} while (0)

static char status[8192];

/* Drops in a child, executes cat, and keeps /proc/self/status of that. 0, or what the child said went wrong. */
static int drop_and_exec(const struct privilege *p)
{
	char *const argv[] = {(char[]){"cat"}, (char[]){"/proc/self/status"}, NULL};
	const char *step = "";
	int out[2], word, r;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		r = privilege_drop(p, &step);
		if (r < 0) {
			(void)dprintf(out[1], "%s", step);
			_exit(-r);
		}
		(void)dup2(out[1], 1);
		(void)execv("/bin/cat", argv);
		_exit(255);
	}
	(void)close(out[1]);
	while ((n = read(out[0], status + len, sizeof(status) - 1 - len)) > 0)
		len += (size_t)n;
	status[len] = '\0';
	(void)close(out[0]);
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_true(WIFEXITED(word));
	return WEXITSTATUS(word);
}

static void shows(const char *name, const char *value)
{
	char line[256], *at = strstr(status, name);
	size_t i, k = 0;

	if (at == NULL)
		fail_msg("no %s in the status", name);
	at += strlen(name);
	at += strspn(at, " \t");
	for (i = 0; at[i] != '\n' && at[i] != '\0' && k < sizeof(line) - 1; i++)
		line[k++] = at[i] == '\t' ? ' ' : at[i];
	while (k > 0 && line[k - 1] == ' ')
		k--;
	line[k] = '\0';
	assert_string_equal(line, value);
}

static void all_caps_are(uint64_t mask)
{
	static const char *const names[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	char hex[32];
	size_t i;

	(void)snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)mask);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		shows(names[i], hex);
}

static void nothing_is_left_without_capabilities(void **state)
{
	const gid_t groups[] = {4003, 4001};
	const struct privilege p = {64000, 64001, groups, 2, 0, true};

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(drop_and_exec(&p), 0);
	shows("Uid:", "64000 64000 64000 64000");
	shows("Gid:", "64001 64001 64001 64001");
	shows("Groups:", "4001 4003");
	shows("NoNewPrivs:", "1");
	all_caps_are(0);
}

static void the_named_capabilities_survive_the_exec(void **state)
{
	const uint64_t mask = CAPS_BIT(NET_BIND) | CAPS_BIT(NET_RAW);
	const struct privilege p = {64000, 64000, NULL, 0, mask, true};

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(drop_and_exec(&p), 0);
	shows("Uid:", "64000 64000 64000 64000");
	shows("Groups:", "");
	all_caps_are(mask);
}

/* Without NOROOT the exec would give uid 0 everything that is bounding. */
static void uid_0_has_no_more_than_the_named_capabilities(void **state)
{
	const struct privilege none = {0, 0, NULL, 0, 0, false};
	const struct privilege one = {0, 0, NULL, 0, CAPS_BIT(NET_RAW), false};

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(drop_and_exec(&none), 0);
	shows("Uid:", "0 0 0 0");
	shows("NoNewPrivs:", "0");
	all_caps_are(0);
	assert_int_equal(drop_and_exec(&one), 0);
	all_caps_are(CAPS_BIT(NET_RAW));
}

/* What an ancestor raised, or left inheritable, is not passed on. */
static void inherited_sets_do_not_leak(void **state)
{
	const struct privilege p = {64000, 64000, NULL, 0, CAPS_BIT(NET_BIND), true};
	const gid_t extra[] = {1, 2, 3};
	int word;
	pid_t pid;

	(void)state;
	NEEDS_ROOT();
	pid = fork();
	if (pid == 0) {
		if (caps_set(CAPS_BIT(NET_RAW) | CAPS_BIT(NET_BIND) | CAPS_BIT(6) | CAPS_BIT(SETUID) | CAPS_BIT(8)) <
			    0 ||
		    caps_raise_ambient(CAPS_BIT(NET_RAW)) < 0 || setgroups(3, extra) < 0 || drop_and_exec(&p) != 0)
			_exit(1);
		shows("Groups:", "");
		all_caps_are(CAPS_BIT(NET_BIND));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_int_equal(word, 0);
}

/* With CAP_SETUID among them a program may change its uid; that must not bring anything back. */
static void a_later_change_of_uid_brings_nothing_back(void **state)
{
	const struct privilege p = {64000, 64000, NULL, 0, CAPS_BIT(SETUID), true};
	const char *step;
	struct caps c;
	int word;
	pid_t pid;

	(void)state;
	NEEDS_ROOT();
	pid = fork();
	if (pid == 0) {
		if (privilege_drop(&p, &step) < 0 || setresuid(0, 0, 0) < 0 || caps_read(&c) < 0)
			_exit(1);
		if (c.effective != CAPS_BIT(SETUID) || c.permitted != CAPS_BIT(SETUID))
			_exit(2);
		/* And the securebits are locked. */
		_exit(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_int_equal(word, 0);
}

static void a_failing_step_is_named(void **state)
{
	const struct privilege p = {64000, 64000, NULL, 0, 0, true};
	const struct privilege many = {64000, 64000, NULL, PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX + 1, 0, true};
	const struct privilege beyond = {64000, 64000, NULL, 0, CAPS_BIT(NET_RAW), true};
	const char *step = NULL;
	int word;
	pid_t pid;

	(void)state;
	NEEDS_ROOT();
	assert_int_equal(drop_and_exec(&many), EINVAL);
	assert_string_equal(status, "supplementary groups");
	pid = fork();
	if (pid == 0) {
		/* Each lacks what the step needs. */
		if (caps_set(CAPS_BIT(SETUID)) < 0 || privilege_drop(&p, &step) != -EPERM)
			_exit(1);
		_exit(strcmp(step, "supplementary groups") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_int_equal(word, 0);
	pid = fork();
	if (pid == 0) {
		/* Asked for a capability that is not there to give. */
		if (caps_set(CAPS_BIT(6) | CAPS_BIT(SETUID) | CAPS_BIT(8)) < 0 ||
		    privilege_drop(&beyond, &step) != -EPERM)
			_exit(1);
		_exit(strcmp(step, "capabilities") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_int_equal(word, 0);
}

/* From now on the call does nothing and answers 0. */
static int make_call_lie(uint32_t nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* A kernel or a filter that only says that it did it must not be believed. */
static void what_was_not_really_done_is_noticed(void **state)
{
	static const uint32_t calls[] = {SYS_setgroups, SYS_setresgid, SYS_setresuid, SYS_capset};
	const struct privilege p = {64000, 64000, NULL, 0, CAPS_BIT(NET_RAW), true};
	const char *step = NULL;
	const gid_t extra = 4;
	size_t i;
	int word;
	pid_t pid;

	(void)state;
	NEEDS_ROOT();
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		pid = fork();
		if (pid == 0) {
			if (setgroups(1, &extra) < 0 || make_call_lie(calls[i]) < 0)
				_exit(1);
			if (privilege_drop(&p, &step) == 0)
				_exit(2);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &word, 0), pid);
		assert_int_equal(word, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_without_capabilities),
		cmocka_unit_test(the_named_capabilities_survive_the_exec),
		cmocka_unit_test(uid_0_has_no_more_than_the_named_capabilities),
		cmocka_unit_test(inherited_sets_do_not_leak),
		cmocka_unit_test(a_later_change_of_uid_brings_nothing_back),
		cmocka_unit_test(a_failing_step_is_named),
		cmocka_unit_test(what_was_not_really_done_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
