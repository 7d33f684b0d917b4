/* SPDX-License-Identifier: MIT */
/* Whatever a program has started is gone when it is terminated: in a cgroup of its own, and by its mark where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "../../server/monitor/cgroup.h"
#include "../../server/monitor/program_table.h"
#include "program_rig.h"

static char subtree[64];
static char self[1024];

/* --- What is started ---------------------------------------------------------------------------------------------- */

/* Says who it is, to a file that all of a test append to. */
static void say(const char *file)
{
	autoclose int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)dprintf(fd, "%d\n", getpid());
}

/* One process in a session of its own, whose parent is gone; stopped if @stop. */
static void escape(const char *file, bool stop)
{
	int word;
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		(void)setsid();
		(void)signal(SIGTERM, SIG_IGN);
		say(file);
		if (stop)
			(void)raise(SIGSTOP);
		for (;;)
			(void)pause();
	}
	(void)waitpid(pid, &word, 0);
}

/* "tree FILE N": N escapees, every third of them stopped. Ends by itself as "leave". */
static int be_a_tree(char **argv)
{
	int i, n = atoi(argv[3]);

	(void)umask(0);
	for (i = 0; i < n; i++)
		escape(argv[2], i % 3 == 2);
	if (strcmp(argv[1], "leave") == 0)
		return 7;
	say(argv[2]);
	for (;;)
		(void)pause();
}

static int pids_of(pid_t *pids, int max)
{
	FILE *f = fopen(tree_path("said"), "re");
	int n = 0;

	assert_non_null(f);
	while (n < max && fscanf(f, "%d", &pids[n]) == 1)
		n++;
	(void)fclose(f);
	return n;
}

/* Awaits @n processes that said that they are there. */
static void await_said(pid_t *pids, int n)
{
	uint64_t until = loop_now_ms() + 20000;

	while (pids_of(pids, n) < n && loop_now_ms() < until)
		turn(5);
	assert_int_equal(pids_of(pids, n), n);
}

/* Dead, though perhaps not reaped by whoever inherited it. */
static bool lives(pid_t pid)
{
	autoclose int pidfd = procfd_open(pid);

	return procfd_alive(pidfd);
}

static int count_alive(const pid_t *pids, int n)
{
	int i, alive = 0;

	for (i = 0; i < n; i++)
		alive += lives(pids[i]);
	return alive;
}

/* --- Around a test ------------------------------------------------------------------------------------------------- */

static const char *mount_point(void)
{
	return access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

static const char *in_subtree(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s%s/%s", mount_point(), subtree, name);
	return path;
}

static int count_cgroups(void)
{
	DIR *d = opendir(in_subtree(""));
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_type == DT_DIR && e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static int make(void **state)
{
	int r = rig_make(state);

	(void)snprintf(subtree, sizeof(subtree), "/rootbroker-test-%d", getpid());
	return r;
}

static int unmake(void **state)
{
	(void)rmdir(in_subtree(""));
	return rig_remove(state);
}

static void tree_entry(const char *name, const char *kind, int n, const char *more)
{
	char file[64], text[4096];

	(void)snprintf(file, sizeof(file), "d/%s.conf", name);
	(void)snprintf(
		text, sizeof(text),
		"[program]\nexec = %s\nuser = 64000\nargument = %s\nargument = %s\nargument = %d\n%sallow = user:1000",
		self, kind, tree_path("said"), n, more);
	tree_file(file, 0644, text);
}

static int begin(void **state, char *setting)
{
	if (!tree_ready())
		return 0;
	tree_copy_self("self");
	(void)snprintf(self, sizeof(self), "%s", tree_path("self"));
	tree_file("said", 0666, "");
	tree_entry("tree", "tree", 30, "grace_ms = 50\n");
	tree_entry("leave", "leave", 3, "");
	config.programs_cgroup = setting;
	cgroups_prepare(setting);
	return rig_new(state);
}

static int with_cgroup(void **state)
{
	return begin(state, subtree);
}

static int without_cgroup(void **state)
{
	return begin(state, NULL);
}

static int finish_test(void **state)
{
	int r = rig_free(state);

	config.programs_cgroup = NULL;
	return r;
}

static bool has_cgroups(void)
{
	return config.programs_cgroup != NULL;
}

static struct program *program_with(uint32_t pid)
{
	struct program *pr = program_by_pid(programs, (pid_t)pid);

	assert_non_null(pr);
	return pr;
}

static bool all_exist(void *data, uint64_t session)
{
	(void)data;
	(void)session;
	return true;
}

/* --- Tests --------------------------------------------------------------------------------------------------------- */

static void it_has_a_tree_of_its_own(void **state)
{
	uint32_t pid, other;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	other = started(2, "sleep");
	if (has_cgroups()) {
		assert_int_equal(count_cgroups(), 2);
		assert_string_not_equal(program_with(pid)->cgroup, program_with(other)->cgroup);
		assert_int_equal(program_with(pid)->tree.mark, 0);
	} else {
		autoclose int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
		gid_t group[2] = {0};

		assert_string_equal(program_with(pid)->cgroup, "");
		assert_int_equal(proc_read_groups(proc, (pid_t)pid, group, 2), 1);
		assert_true(group[0] == program_with(pid)->tree.mark);
		assert_true(program_with(pid)->tree.mark >= MARK_FIRST);
		assert_int_not_equal(program_with(pid)->tree.mark, program_with(other)->tree.mark);
	}
	terminate(SESSION, 3, pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_true(lives((pid_t)other));
	if (has_cgroups())
		assert_int_equal(count_cgroups(), 1);
	assert_int_equal(finished(4, pid), SIGTERM);
}

static void escapees_and_stopped_ones_end_with_it(void **state)
{
	uint32_t pid, other;
	pid_t pids[31];

	(void)state;
	NEEDS_TREE();
	other = started(2, "sleep");
	pid = started(1, "tree");
	await_said(pids, 31);
	assert_int_equal(count_alive(pids, 31), 31);
	terminate(SESSION, 3, pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	/* Not soon: by the time of the answer. */
	assert_int_equal(count_alive(pids, 31), 0);
	assert_true(lives((pid_t)other));
	assert_int_equal(finished(4, pid), SIGTERM);
}

static void they_end_with_the_session(void **state)
{
	pid_t pids[31];

	(void)state;
	NEEDS_TREE();
	(void)started(1, "tree");
	await_said(pids, 31);
	programs_session_end(programs, SESSION);
	rig_until_none();
	assert_int_equal(count_alive(pids, 31), 0);
	if (has_cgroups())
		assert_int_equal(count_cgroups(), 0);
}

static void they_end_under_a_new_monitor(void **state)
{
	uint32_t pid;
	pid_t pids[31];

	(void)state;
	NEEDS_TREE();
	pid = started(1, "tree");
	await_said(pids, 31);
	rig_replace(all_exist);
	terminate(SESSION, 3, pid);
	turn(20);
	rig_keeper_reaps((pid_t)pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_int_equal(count_alive(pids, 31), 0);
	assert_int_equal(finished(4, pid), SIGTERM);
}

/* The program itself is gone, and its monitor, before what it started could be killed. */
static void they_end_although_the_program_was_reaped_between_two_monitors(void **state)
{
	uint32_t pid;
	pid_t pids[31];
	int word;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "tree");
	await_said(pids, 31);
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	terminate(SESSION, 3, pid);
	assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
	assert_int_equal(waitpid((pid_t)pid, &word, 0), (pid_t)pid);
	kept_of(pid)->item.exited = 1;
	kept_of(pid)->item.status = (uint32_t)word;
	assert_true(count_alive(pids, 31) > 0);
	rig_replace(all_exist);
	(void)finished(4, pid);
	assert_int_equal(count_alive(pids, 31), 0);
}

static void what_a_program_leaves_when_it_ends_by_itself_stays(void **state)
{
	uint32_t pid;
	pid_t pids[3];
	int i;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "leave");
	assert_int_equal(finished(2, pid), 7 << 8);
	await_said(pids, 3);
	assert_int_equal(count_alive(pids, 3), 3);
	if (has_cgroups())
		assert_int_equal(count_cgroups(), 1);
	for (i = 0; i < 3; i++)
		assert_int_equal(kill(pids[i], SIGKILL), 0);
	while (count_alive(pids, 3) > 0)
		turn(5);
	/* The next monitor removes what nobody is in any more. */
	rig_replace(all_exist);
	if (has_cgroups())
		assert_int_equal(count_cgroups(), 0);
}

static void frozen_ones_end(void **state)
{
	uint32_t pid, status;
	pid_t pids[31];
	char name[64];
	int fd;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "tree");
	await_said(pids, 31);
	(void)snprintf(name, sizeof(name), "%s/cgroup.freeze", strrchr(program_with(pid)->cgroup, '/') + 1);
	fd = open(in_subtree(name), O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "1", 1), 1);
	(void)close(fd);
	terminate(SESSION, 3, pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_int_equal(count_alive(pids, 31), 0);
	/* Whichever came first. */
	status = finished(4, pid);
	assert_true(status == SIGTERM || status == SIGKILL);
}

#define FREEZER "/sys/fs/cgroup/freezer"

static void put(const char *dir, const char *file, const char *text)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* What the first version has frozen ends when it is thawed, and not before. */
static void what_cannot_end_is_still_there(void **state)
{
	char dir[128], text[16];
	uint32_t pid;
	pid_t pids[31];

	(void)state;
	NEEDS_TREE();
	if (access(FREEZER "/cgroup.procs", W_OK) < 0)
		skip();
	(void)snprintf(dir, sizeof(dir), FREEZER "%s", subtree);
	assert_int_equal(mkdir(dir, 0755), 0);
	pid = started(1, "tree");
	await_said(pids, 31);
	(void)snprintf(text, sizeof(text), "%d", pids[0]);
	put(dir, "cgroup.procs", text);
	put(dir, "freezer.state", "FROZEN");
	terminate(SESSION, 3, pid);
	expect_failure(SESSION, 3, STATUS_STILL_THERE, "a process that it started is still there");
	assert_int_equal(count_alive(pids, 31), 1);
	/* Its status does not wait for ever. */
	wait_for(SESSION, 4, pid, 0);
	assert_int_equal(answer_to(SESSION, 4)->answer, WAITED);
	terminate(SESSION, 5, pid);
	turn(20);
	assert_null(note_of(SESSION, 5));
	put(dir, "freezer.state", "THAWED");
	assert_int_equal(answer_to(SESSION, 5)->answer, TERMINATED);
	assert_int_equal(count_alive(pids, 31), 0);
	terminate(SESSION, 6, pid);
	assert_int_equal(answer_to(SESSION, 6)->answer, TERMINATED);
	ack(SESSION, answer_to(SESSION, 4)->instance);
	assert_int_equal(rmdir(dir), 0);
}

/* As one that the service manager put into @below of the subtree: where its programs go, or "". */
static void auto_from(const char *below, char *ret, size_t size)
{
	char name[128];
	int out[2], word;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		autoclose int fd = -1;
		struct cgroups c;

		(void)snprintf(name, sizeof(name), "%s/cgroup.procs", below);
		fd = open(in_subtree(name), O_WRONLY | O_CLOEXEC);
		if (write(fd, "0", 1) != 1)
			_exit(1);
		cgroups_prepare("auto");
		cgroups_open(&c, "auto");
		(void)!write(out[1], c.base, strlen(c.base));
		if (c.base[0] != '\0')
			(void)unlinkat(c.mount, c.base, AT_REMOVEDIR);
		_exit(0);
	}
	(void)close(out[1]);
	n = read(out[0], ret, size - 1);
	(void)close(out[0]);
	assert_int_equal(waitpid(pid, &word, 0), pid);
	assert_int_equal(word, 0);
	ret[n] = '\0';
}

static void auto_is_what_was_delegated(void **state)
{
	char got[256], want[256];

	(void)state;
	NEEDS_TREE();
	assert_int_equal(mkdir(in_subtree("unit"), 0755), 0);
	assert_int_equal(mkdir(in_subtree("unit/broker"), 0755), 0);
	assert_int_equal(mkdir(in_subtree("unit/other"), 0755), 0);
	auto_from("unit", got, sizeof(got));
	assert_string_equal(got, "");
	auto_from("unit/broker", got, sizeof(got));
	assert_string_equal(got, "");
	assert_int_equal(setxattr(in_subtree("unit"), "trusted.delegate", "1", 1, 0), 0);
	(void)snprintf(want, sizeof(want), "%s/unit/programs", subtree + 1);
	auto_from("unit", got, sizeof(got));
	assert_string_equal(got, want);
	auto_from("unit/broker", got, sizeof(got));
	assert_string_equal(got, want);
	auto_from("unit/other", got, sizeof(got));
	assert_string_equal(got, "");
	assert_int_equal(rmdir(in_subtree("unit/other")), 0);
	assert_int_equal(rmdir(in_subtree("unit/broker")), 0);
	assert_int_equal(rmdir(in_subtree("unit")), 0);
}

static void only_paths_that_stay_below_the_mount_are_taken(void **state)
{
	static const char *const bad[] = {"", "/", "x", "x/y", "//", "/a//b", "/a/", "/..", "/a/../b", "/a/./b", "/.x"};
	char longer[CGROUP_BASE_MAX + 2] = "/";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cgroup_valid(bad[i]));
	assert_true(cgroup_valid("/a"));
	assert_true(cgroup_valid("/system.slice/a..b/c"));
	memset(longer + 1, 'a', CGROUP_BASE_MAX - 1);
	assert_true(cgroup_valid(longer));
	longer[CGROUP_BASE_MAX] = 'a';
	assert_false(cgroup_valid(longer));
}

#define BOTH(test)                                                       \
	{#test " (cgroup)", test, with_cgroup, finish_test, NULL},       \
	{                                                                \
#test " (mark)", test, without_cgroup, finish_test, NULL \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(it_has_a_tree_of_its_own),
		BOTH(escapees_and_stopped_ones_end_with_it),
		BOTH(they_end_with_the_session),
		BOTH(they_end_under_a_new_monitor),
		BOTH(they_end_although_the_program_was_reaped_between_two_monitors),
		BOTH(what_a_program_leaves_when_it_ends_by_itself_stays),
		BOTH(what_cannot_end_is_still_there),
		cmocka_unit_test_setup_teardown(frozen_ones_end, with_cgroup, finish_test),
		cmocka_unit_test_setup_teardown(auto_is_what_was_delegated, with_cgroup, finish_test),
		cmocka_unit_test(only_paths_that_stay_below_the_mount_are_taken),
	};

	if (argc == 4)
		return be_a_tree(argv);
	return cmocka_run_group_tests(tests, make, unmake);
}
