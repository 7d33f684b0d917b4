/* SPDX-License-Identifier: MIT */
/* Waiting for programs: a status arrives once, where it belongs, and stays until the client has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "program_rig.h"

static void a_wait_is_answered_when_the_program_ends(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	wait_for(SESSION, 2, pid, 0);
	turn(30);
	assert_null(note_of(SESSION, 2));
	assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
	assert_int_equal(answer_to(SESSION, 2)->status, SIGTERM);
	ack(SESSION, answer_to(SESSION, 2)->instance);
	assert_int_equal(programs_count(programs), 0);
}

/* The status stays, and with it the number, until the client has it. */
static void a_status_is_kept_until_it_is_acknowledged(void **state)
{
	struct note *n;
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "true");
	wait_for(SESSION, 2, pid, 0);
	n = answer_to(SESSION, 2);
	turn(20);
	assert_true(process_exists((pid_t)pid));
	assert_non_null(kept_of(pid));
	/* Of another's, of none, of another instance. */
	ack(SESSION + 1, n->instance);
	ack(SESSION, n->instance + 1);
	ack(SESSION, 0);
	assert_true(process_exists((pid_t)pid));
	ack(SESSION, n->instance);
	assert_false(process_exists((pid_t)pid));
	assert_null(kept_of(pid));
	ack(SESSION, n->instance);
	wait_for(SESSION, 3, pid, 0);
	expect_failure(SESSION, 3, STATUS_NO_CHILD, "");
}

static void a_running_program_cannot_be_acknowledged(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	ack(SESSION, answer_to(SESSION, 1)->instance);
	assert_true(process_exists((pid_t)pid));
	assert_int_equal(programs_count(programs), 1);
}

static void a_wait_sent_again_gets_the_same_answer(void **state)
{
	uint32_t pid, other;
	int before;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "true");
	wait_for(SESSION, 2, 0, 0);
	(void)answer_to(SESSION, 2);
	other = started(3, "true");
	turn(50);
	/* The answer was lost with a frontend: the same program again, not the other that has ended meanwhile. */
	before = nnotes;
	wait_for(SESSION, 2, 0, 0);
	assert_int_equal(nnotes, before + 1);
	assert_int_equal(answer_to(SESSION, 2)->pid, pid);
	/* One that is still pending is not queued twice. */
	ack(SESSION, answer_to(SESSION, 2)->instance);
	assert_int_equal(finished(4, other), 0);
	pid = started(5, "sleep");
	wait_for(SESSION, 6, pid, 0);
	wait_for(SESSION, 6, pid, 0);
	before = nnotes;
	assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
	(void)answer_to(SESSION, 6);
	turn(20);
	assert_int_equal(nnotes, before + 1);
}

static void a_second_waiter_gets_nothing_that_was_given_away(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	wait_for(SESSION, 2, pid, 0);
	wait_for(SESSION, 3, pid, 0);
	wait_for(SESSION, 4, 0, 0);
	assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
	assert_int_equal(answer_to(SESSION, 2)->answer, WAITED);
	turn(20);
	assert_null(note_of(SESSION, 3));
	assert_null(note_of(SESSION, 4));
	ack(SESSION, answer_to(SESSION, 2)->instance);
	expect_failure(SESSION, 3, STATUS_NO_CHILD, "");
	expect_failure(SESSION, 4, STATUS_NO_CHILD, "");
}

static void any_waits_get_each_program_once(void **state)
{
	uint32_t a, b, first;

	(void)state;
	NEEDS_TREE();
	wait_for(SESSION, 1, 0, 0);
	expect_failure(SESSION, 1, STATUS_NO_CHILD, "no programs");
	a = started(2, "sleep");
	b = started(3, "sleep");
	wait_for(SESSION, 4, 0, 0);
	wait_for(SESSION, 5, 0, 0);
	assert_int_equal(kill((pid_t)b, SIGTERM), 0);
	first = answer_to(SESSION, 4)->pid;
	assert_int_equal(first, b);
	assert_null(note_of(SESSION, 5));
	assert_int_equal(kill((pid_t)a, SIGTERM), 0);
	assert_int_equal(answer_to(SESSION, 5)->pid, a);
	/* The acknowledgement may come with the next wait. */
	wait_for(SESSION, 6, 0, answer_to(SESSION, 4)->instance);
	assert_false(process_exists((pid_t)b));
	assert_null(note_of(SESSION, 6));
	ack(SESSION, answer_to(SESSION, 5)->instance);
	expect_failure(SESSION, 6, STATUS_NO_CHILD, "no programs");
}

/* A client that pipelines may wait before the start is answered. */
static void an_any_wait_may_come_before_the_start_is_answered(void **state)
{
	(void)state;
	NEEDS_TREE();
	start(1, "true");
	wait_for(SESSION, 2, 0, 0);
	assert_int_equal(answer_to(SESSION, 2)->answer, WAITED);
	assert_int_equal(answer_to(SESSION, 1)->answer, STARTED);
	start(3, "nonsense");
	wait_for(SESSION, 4, 0, answer_to(SESSION, 2)->instance);
	expect_failure(SESSION, 4, STATUS_NO_CHILD, "");
	expect_failure(SESSION, 3, STATUS_NOT_EXECUTABLE, "");
}

static void waits_are_bounded(void **state)
{
	uint32_t i;

	(void)state;
	NEEDS_TREE();
	(void)started(1, "sleep");
	for (i = 0; i < PROTO_INFLIGHT_MAX; i++)
		wait_for(SESSION, 100 + i, 0, 0);
	assert_null(note_of(SESSION, 100 + i - 1));
	wait_for(SESSION, 100 + i, 0, 0);
	expect_failure(SESSION, 100 + i, STATUS_TRY_AGAIN, "");
}

static void a_pid_that_is_not_the_callers_is_refused(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "sleep");
	wait_for(SESSION + 1, 1, pid, 0);
	expect_failure(SESSION + 1, 1, STATUS_NO_CHILD, "");
	terminate(SESSION + 1, 2, pid);
	expect_failure(SESSION + 1, 2, STATUS_NO_CHILD, "");
	/* Nor anything else that runs here. */
	terminate(SESSION, 3, (uint32_t)getpid());
	expect_failure(SESSION, 3, STATUS_NO_CHILD, "");
	terminate(SESSION, 4, 1);
	expect_failure(SESSION, 4, STATUS_NO_CHILD, "");
	terminate(SESSION, 5, 0);
	expect_failure(SESSION, 5, STATUS_NO_CHILD, "");
	terminate(SESSION, 6, UINT32_MAX);
	expect_failure(SESSION, 6, STATUS_NO_CHILD, "");
	wait_for(SESSION, 7, UINT32_MAX, 0);
	expect_failure(SESSION, 7, STATUS_NO_CHILD, "");
	assert_true(process_exists((pid_t)pid));
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(a_wait_is_answered_when_the_program_ends),
		RIGGED(a_status_is_kept_until_it_is_acknowledged),
		RIGGED(a_running_program_cannot_be_acknowledged),
		RIGGED(a_wait_sent_again_gets_the_same_answer),
		RIGGED(a_second_waiter_gets_nothing_that_was_given_away),
		RIGGED(any_waits_get_each_program_once),
		RIGGED(an_any_wait_may_come_before_the_start_is_answered),
		RIGGED(waits_are_bounded),
		RIGGED(a_pid_that_is_not_the_callers_is_refused),
	};

	return cmocka_run_group_tests(tests, rig_make, rig_remove);
}
