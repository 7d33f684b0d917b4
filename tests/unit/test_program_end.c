/* SPDX-License-Identifier: MIT */
/* The ends of programs: terminated, left by their session, handed to a new monitor. None is lost, none is anybody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "../../server/common/cleanup.h"
#include "program_rig.h"

/* --- Terminating --------------------------------------------------------------------------------------------------- */

static void terminate_asks_first(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "polite");
	await_file("polite.d");
	wait_for(SESSION, 3, pid, 0);
	terminate(SESSION, 2, pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(answer_to(SESSION, 3)->status, 9 << 8);
	/* One that has ended is terminated. */
	terminate(SESSION, 4, pid);
	assert_int_equal(answer_to(SESSION, 4)->answer, TERMINATED);
	ack(SESSION, answer_to(SESSION, 3)->instance);
	terminate(SESSION, 5, pid);
	expect_failure(SESSION, 5, STATUS_NO_CHILD, "");
}

static void a_stopped_program_is_woken_to_end(void **state)
{
	uint32_t pid;
	int word;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "polite");
	await_file("polite.d");
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	assert_int_equal(waitpid((pid_t)pid, &word, WUNTRACED), (pid_t)pid);
	terminate(SESSION, 2, pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(finished(3, pid), 9 << 8);
}

static pid_t pid_in(const char *name)
{
	char text[32] = "";
	int fd;

	await_file(name);
	fd = open(tree_path(name), O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	return (pid_t)atoi(text);
}

/* It is not our child: whoever inherits it may take its time to reap it. */
static bool is_dead(pid_t pid)
{
	char path[64], text[256];
	uint64_t until = loop_now_ms() + 10000;
	FILE *f;

	while (loop_now_ms() < until) {
		char *p = NULL;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		if (f == NULL)
			return true;
		if (fgets(text, sizeof(text), f) != NULL)
			p = strrchr(text, ')');
		(void)fclose(f);
		if (p == NULL || p[2] == 'Z' || p[2] == 'X')
			return true;
		(void)usleep(5000);
	}
	return false;
}

static void one_that_ignores_the_signal_is_killed_with_its_group(void **state)
{
	uint32_t pid;
	pid_t child;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "stubborn");
	child = pid_in("stubborn.d");
	assert_true(process_exists(child));
	terminate(SESSION, 2, pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(finished(3, pid), SIGKILL);
	assert_true(is_dead(child));
}

static void what_a_polite_program_leaves_behind_is_killed(void **state)
{
	uint32_t pid;
	pid_t child;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "parent");
	child = pid_in("parent.d");
	terminate(SESSION, 2, pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(finished(3, pid), SIGTERM);
	assert_true(is_dead(child));
}

static void several_terminations_are_all_answered(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "stubborn");
	await_file("stubborn.d");
	terminate(SESSION, 2, pid);
	terminate(SESSION, 3, pid);
	terminate(SESSION, 3, pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_int_equal(nnotes, 3);
}

/* --- Sessions end -------------------------------------------------------------------------------------------------- */

static void a_session_takes_its_programs_along(void **state)
{
	uint32_t running, ended;

	(void)state;
	NEEDS_TREE();
	running = started(1, "sleep");
	ended = started(2, "true");
	wait_for(SESSION, 3, running, 0);
	wait_for(SESSION, 5, ended, 0);
	(void)answer_to(SESSION, 5);
	start(4, "sleep");
	start_as(1000, SESSION + 1, 1, "true", (struct str){NULL, 0}, ROOT_IPC_NONE, 0);
	(void)answer_to(SESSION + 1, 1);
	nnotes = 0;
	programs_session_end(programs, SESSION);
	turn(100);
	/* Another session's programs are untouched, and nobody answers to the one that is gone. */
	while (programs_count(programs) > 1)
		turn(10);
	assert_int_equal(nnotes, 0);
	assert_int_equal(nkept, 1);
	assert_false(process_exists((pid_t)running));
	assert_false(process_exists((pid_t)ended));
	programs_session_end(programs, SESSION);
	programs_session_end(programs, 999);
}

static bool all_exist(void *data, uint64_t session);

/* --- A start whose answer was lost --------------------------------------------------------------------------------- */

static void a_cancelled_start_leaves_nothing(void **state)
{
	uint32_t pid, other;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	other = started(2, "sleep");
	cancel(SESSION, 3, 1);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	while (programs_count(programs) > 1)
		turn(10);
	assert_false(process_exists((pid_t)pid));
	assert_true(process_exists((pid_t)other));
	/* Nobody's status any more, and nothing else to cancel: not another's start with the same number either. */
	cancel(SESSION, 4, 1);
	cancel(SESSION + 1, 5, 2);
	cancel(SESSION, 6, 99);
	assert_int_equal(answer_to(SESSION, 4)->answer, TERMINATED);
	assert_int_equal(answer_to(SESSION + 1, 5)->answer, TERMINATED);
	assert_int_equal(answer_to(SESSION, 6)->answer, TERMINATED);
	turn(50);
	assert_true(process_exists((pid_t)other));
	programs_session_end(programs, SESSION);
	while (programs_count(programs) > 0)
		turn(10);
}

static void a_start_can_be_cancelled_before_it_is_answered_and_under_a_new_monitor(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	start(1, "sleep");
	cancel(SESSION, 2, 1);
	/* Each request has its answer: the frontend counts those that wait for one. */
	expect_failure(SESSION, 1, STATUS_TRY_AGAIN, "cancelled");
	while (programs_count(programs) > 0)
		turn(10);
	assert_int_equal(nnotes, 2);
	pid = started(3, "sleep");
	rig_replace(all_exist);
	cancel(SESSION, 4, 3);
	rig_keeper_reaps((pid_t)pid);
	while (programs_count(programs) > 0)
		turn(10);
	assert_false(process_exists((pid_t)pid));
}

/* --- A new monitor ------------------------------------------------------------------------------------------------- */

static bool all_exist(void *data, uint64_t session)
{
	(void)data;
	(void)session;
	return true;
}

static bool none_exists(void *data, uint64_t session)
{
	(void)data;
	(void)session;
	return false;
}

static void a_program_is_known_to_the_keeper_from_before_it_runs(void **state)
{
	(void)state;
	NEEDS_TREE();
	start(1, "sleep");
	assert_int_equal(nkept, 1);
	assert_int_equal(kept[0].puts, 1);
	(void)answer_to(SESSION, 1);
	assert_int_equal(kept[0].puts, 2);
	assert_int_equal(kept[0].item.pid, answer_to(SESSION, 1)->pid);
}

static void a_new_monitor_goes_on_where_the_old_one_was(void **state)
{
	uint32_t pid, first;
	uint64_t instance;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "polite");
	instance = answer_to(SESSION, 1)->instance;
	await_file("polite.d");
	wait_for(SESSION, 2, pid, 0);
	rig_replace(all_exist);
	/* The client sends its wait again. */
	wait_for(SESSION, 2, pid, 0);
	wait_for(SESSION + 1, 2, pid, 0);
	expect_failure(SESSION + 1, 2, STATUS_NO_CHILD, "");
	assert_null(note_of(SESSION, 2));
	terminate(SESSION, 3, pid);
	turn(20);
	rig_keeper_reaps((pid_t)pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_int_equal(answer_to(SESSION, 2)->status, 9 << 8);
	assert_true(answer_to(SESSION, 2)->instance == instance);
	ack(SESSION, instance);
	assert_int_equal(nkept, 0);
	/* Counted as before, too. */
	first = started(4, "one");
	rig_replace(all_exist);
	start(5, "one");
	expect_failure(SESSION, 5, STATUS_TOO_MANY, "");
	assert_int_equal(kill((pid_t)first, SIGKILL), 0);
	rig_keeper_reaps((pid_t)first);
	(void)started(6, "one");
}

/* It ended while no monitor was there. */
static void a_status_survives_the_monitor(void **state)
{
	struct kept *k;
	uint32_t pid;
	int word;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "true");
	wait_for(SESSION, 2, pid, 0);
	(void)answer_to(SESSION, 2);
	k = kept_of(pid);
	assert_int_equal(waitpid((pid_t)pid, &word, 0), (pid_t)pid);
	k->item.exited = 1;
	k->item.status = 3 << 8;
	rig_replace(all_exist);
	nnotes = 0;
	/* Delivered by the old one or not: asked for again, it comes again, and an acknowledgement of that time counts. */
	wait_for(SESSION, 2, pid, 0);
	assert_int_equal(answer_to(SESSION, 2)->status, 3 << 8);
	rig_replace(all_exist);
	ack(SESSION, answer_to(SESSION, 2)->instance);
	assert_int_equal(programs_count(programs), 0);
}

static void programs_of_sessions_that_are_gone_are_ended(void **state)
{
	uint32_t pid, other;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "polite");
	other = started(2, "sleep");
	await_file("polite.d");
	rig_replace(none_exists);
	rig_keeper_reaps((pid_t)pid);
	rig_keeper_reaps((pid_t)other);
	rig_until_none();
	assert_int_equal(nkept, 0);
}

static void a_termination_goes_on_under_a_new_monitor(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "stubborn");
	await_file("stubborn.d");
	terminate(SESSION, 2, pid);
	assert_null(note_of(SESSION, 2));
	/* Of an entry that is gone: the record has what it takes. */
	assert_int_equal(rename(tree_path("d/stubborn.conf"), tree_path("d/stubborn.off")), 0);
	rig_replace(all_exist);
	assert_int_equal(rename(tree_path("d/stubborn.off"), tree_path("d/stubborn.conf")), 0);
	terminate(SESSION, 2, pid);
	turn(100);
	rig_keeper_reaps((pid_t)pid);
	assert_int_equal(answer_to(SESSION, 2)->answer, TERMINATED);
	assert_int_equal(finished(3, pid), SIGKILL);
}

static void a_start_that_was_not_answered_is_undone(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	start(1, "sleep");
	pid = kept[0].item.pid;
	rig_replace(all_exist);
	rig_keeper_reaps((pid_t)pid);
	assert_null(note_of(SESSION, 1));
	rig_until_none();
	assert_int_equal(nkept, 0);
}

/* Cut at every length, one byte more, and every byte wrong in turn: never a crash, and what is not understood is killed. */
static void records_that_are_not_understood_end_the_program(void **state)
{
	struct kept original;
	size_t len, i;
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	original = *kept_of(pid);
	len = original.item.record.len;
	for (i = 0; i <= len; i++) {
		struct kept *k = kept_of(pid);

		assert_non_null(k);
		memcpy(k->record, original.record, len);
		k->record[len] = 0;
		k->item.record.len = i == len ? len + 1 : i;
		rig_replace(all_exist);
		rig_keeper_reaps((pid_t)pid);
		rig_until_none();
		assert_int_equal(nkept, 0);
		pid = started((uint32_t)(10 + i), "sleep");
	}
	/* A later monitor's record, of a session that is there: what it means is not guessed. */
	kept_of(pid)->record[0]++;
	rig_replace(all_exist);
	rig_keeper_reaps((pid_t)pid);
	rig_until_none();
	pid = started(100, "sleep");
	for (i = 0; i < len; i++) {
		struct kept *k = kept_of(pid);

		k->record[i] = (char)~k->record[i];
		rig_replace(none_exists);
		/* Whatever it was taken for: with its session gone it ends. */
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
		rig_keeper_reaps((pid_t)pid);
		rig_until_none();
		pid = started((uint32_t)(200 + i), "sleep");
	}
}

/* It is not our child any more, and whoever is to reap it does not. */
static void one_that_does_not_end_is_still_there(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "stubborn");
	await_file("stubborn.d");
	rig_replace(all_exist);
	terminate(SESSION, 2, pid);
	expect_failure(SESSION, 2, STATUS_STILL_THERE, "still there");
	terminate(SESSION, 3, pid);
	turn(20);
	assert_null(note_of(SESSION, 3));
	rig_keeper_reaps((pid_t)pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	assert_int_equal(finished(4, pid), SIGKILL);
}

/* In a PID namespace of our own, where the next number can be chosen. */
static int next_pid_is(pid_t pid)
{
	autoclose int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && dprintf(fd, "%d", pid - 1) > 0 ? 0 : -1;
}

static int reuse_a_kept_number(void)
{
	struct kept *k;
	uint32_t pid, other;
	int word;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 77;
	pid = started(1, "true");
	k = kept_of(pid);
	if (k == NULL || waitpid((pid_t)pid, &word, 0) != (pid_t)pid)
		return 1;
	k->item.exited = 1;
	k->item.status = 5 << 8;
	rig_replace(all_exist);
	if (next_pid_is((pid_t)pid) < 0)
		return 77;
	other = started(2, "true");
	if (other == pid || kill((pid_t)pid, 0) == 0 || waitpid((pid_t)pid, &word, WNOHANG) != -1)
		return 2;
	if (finished(3, other) != 0 || finished(4, pid) != 5 << 8)
		return 3;
	/* With its status acknowledged the number is free again. */
	if (next_pid_is((pid_t)pid) < 0 || started(5, "true") != pid || finished(6, pid) != 0)
		return 4;
	return 0;
}

static void a_pid_names_one_program_only(void **state)
{
	int word;
	pid_t pid;

	(void)state;
	NEEDS_TREE();
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
			_exit(77);
		pid = fork();
		if (pid == 0)
			_exit(reuse_a_kept_number());
		_exit(waitpid(pid, &word, 0) == pid && WIFEXITED(word) ? WEXITSTATUS(word) : 99);
	}
	assert_int_equal(waitpid(pid, &word, 0), pid);
	if (word == 77 << 8)
		skip();
	assert_int_equal(word, 0);
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(terminate_asks_first),
		RIGGED(a_stopped_program_is_woken_to_end),
		RIGGED(one_that_ignores_the_signal_is_killed_with_its_group),
		RIGGED(what_a_polite_program_leaves_behind_is_killed),
		RIGGED(several_terminations_are_all_answered),
		RIGGED(a_session_takes_its_programs_along),
		RIGGED(a_cancelled_start_leaves_nothing),
		RIGGED(a_start_can_be_cancelled_before_it_is_answered_and_under_a_new_monitor),
		RIGGED(a_program_is_known_to_the_keeper_from_before_it_runs),
		RIGGED(a_new_monitor_goes_on_where_the_old_one_was),
		RIGGED(a_status_survives_the_monitor),
		RIGGED(programs_of_sessions_that_are_gone_are_ended),
		RIGGED(a_termination_goes_on_under_a_new_monitor),
		RIGGED(a_start_that_was_not_answered_is_undone),
		RIGGED(records_that_are_not_understood_end_the_program),
		RIGGED(one_that_does_not_end_is_still_there),
		RIGGED(a_pid_names_one_program_only),
	};

	return cmocka_run_group_tests(tests, rig_make, rig_remove);
}
