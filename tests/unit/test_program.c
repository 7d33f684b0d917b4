/* SPDX-License-Identifier: MIT */
/* Programs: real children, from start to acknowledgement. Each status arrives, exactly once, and only where it belongs. */
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

static struct str no_args = {NULL, 0};

/* --- Start and status ---------------------------------------------------------------------------------------------- */

static void exit_codes_arrive(void **state)
{
	uint32_t pid;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(finished(2, started(1, "true")), 0);
	start_as(1000, SESSION, 3, "exit", STR("7\0"), ROOT_IPC_NONE, 0);
	pid = answer_to(SESSION, 3)->pid;
	assert_int_equal(finished(4, pid), 7 << 8);
	start_as(1000, SESSION, 5, "exit", STR("255\0"), ROOT_IPC_NONE, 0);
	assert_int_equal(finished(6, 0), 255 << 8);
}

static void signals_arrive(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(finished(2, started(1, "suicide")), SIGKILL);
}

static void the_program_talks_through_its_descriptors(void **state)
{
	struct note *n;
	char text[32];

	(void)state;
	NEEDS_TREE();
	start_as(1000, SESSION, 1, "cat", no_args, ROOT_IPC_PIPES, START_STDERR);
	n = answer_to(SESSION, 1);
	assert_int_equal(n->answer, STARTED);
	assert_int_equal(n->nfds, 3);
	assert_int_equal(write(n->fds[1], "hello\n", 6), 6);
	(void)close(n->fds[1]);
	n->fds[1] = dup(n->fds[0]);
	assert_int_equal(read(n->fds[0], text, sizeof(text)), 6);
	assert_int_equal(read(n->fds[2], text, sizeof(text)), 4);
	assert_int_equal(finished(2, n->pid), 0);
	start_as(1000, SESSION, 3, "cat", no_args, ROOT_IPC_SOCKETPAIR, 0);
	n = answer_to(SESSION, 3);
	assert_int_equal(n->nfds, 1);
	(void)close(n->fds[0]);
	n->nfds = 0;
	assert_int_equal(finished(4, n->pid), 0);
}

/* --- Refusals ------------------------------------------------------------------------------------------------------ */

static void what_cannot_be_executed_says_why(void **state)
{
	(void)state;
	NEEDS_TREE();
	start(1, "missing");
	expect_failure(SESSION, 1, STATUS_NOT_EXECUTABLE, "does not exist");
	assert_int_equal(unlink(tree_path("vanishing")), 0);
	start(2, "vanishing");
	expect_failure(SESSION, 2, STATUS_NOT_EXECUTABLE, "does not exist");
	tree_file("vanishing", 0644, "#!/bin/sh\n");
	start(3, "vanishing");
	expect_failure(SESSION, 3, STATUS_NOT_EXECUTABLE, "not executable");
	tree_file("vanishing", 0755, "#!/bin/sh\nexit 0\n");
	start(4, "nonsense");
	expect_failure(SESSION, 4, STATUS_NOT_EXECUTABLE, "Exec format error");
	/* Root may read it, its user may not: the kernel says so at the exec. */
	tree_file("vanishing", 0700, "#!/bin/sh\nexit 0\n");
	start(5, "vanishing");
	expect_failure(SESSION, 5, STATUS_NOT_EXECUTABLE, "Permission denied");
	tree_file("vanishing", 0755, "#!/bin/sh\nexit 0\n");
}

static void what_is_not_safe_is_refused(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(chmod(tree_path("loose"), 0775), 0);
	start(1, "loose");
	expect_failure(SESSION, 1, STATUS_REFUSED, "chmod go-w");
	assert_int_equal(chmod(tree_path("loose"), 0755), 0);
	assert_int_equal(chown(tree_path("loose"), 64000, 0), 0);
	start(2, "loose");
	expect_failure(SESSION, 2, STATUS_REFUSED, "chown it to root");
	assert_int_equal(chown(tree_path("loose"), 0, 0), 0);
	start(3, "viaenv");
	expect_failure(SESSION, 3, STATUS_REFUSED, "name the interpreter's own path");
	start(4, "broken");
	expect_failure(SESSION, 4, STATUS_REFUSED, "broken.conf:2: no key frobnicate");
	assert_int_equal(finished(6, started(5, "loose")), 0);
}

static void set_up_failures_name_the_step(void **state)
{
	(void)state;
	NEEDS_TREE();
	start(1, "private");
	expect_failure(SESSION, 1, STATUS_SETUP_FAILED, "entering its directory: No such file");
}

static void requests_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	NEEDS_TREE();
	start(1, "no-such-program");
	expect_failure(SESSION, 1, STATUS_NOT_FOUND, "no-such-program");
	start(2, "../d/true");
	expect_failure(SESSION, 2, STATUS_NOT_FOUND, "");
	start(3, "tr\033]ue");
	expect_failure(SESSION, 3, STATUS_NOT_FOUND, "tr?]ue");
	start(4, "exit");
	expect_failure(SESSION, 4, STATUS_BAD_ARGUMENTS, "0 arguments given, expected 1");
	start_as(1000, SESSION, 5, "exit", STR("256\0"), ROOT_IPC_NONE, 0);
	expect_failure(SESSION, 5, STATUS_BAD_ARGUMENTS, "argument 1: expected a whole number from 0 to 255");
	start_as(1000, SESSION, 6, "true", STR("x\0"), ROOT_IPC_NONE, 0);
	expect_failure(SESSION, 6, STATUS_BAD_ARGUMENTS, "1 argument given, expected 0");
	start_as(1000, SESSION, 7, "true", no_args, 9, 0);
	expect_failure(SESSION, 7, STATUS_INVALID, "");
	start_as(1000, SESSION, 8, "true", no_args, ROOT_IPC_NONE, 2);
	expect_failure(SESSION, 8, STATUS_INVALID, "");
}

static void only_who_is_allowed_starts(void **state)
{
	struct peer inside = {.uid = 0, .gid = 0, .host = false};
	struct program_owner owner = {.session = SESSION, .peer = &inside};
	struct start_request m = {.label = STR("forroot")};

	(void)state;
	NEEDS_TREE();
	start(1, "others");
	expect_failure(SESSION, 1, STATUS_DENIED, "uid 1000");
	start_as(0, SESSION, 2, "others", no_args, ROOT_IPC_NONE, 0);
	expect_failure(SESSION, 2, STATUS_DENIED, "uid 0");
	/* Root of a container that shares the host's user namespace is no root here. */
	programs_start(programs, &owner, 3, &m);
	expect_failure(SESSION, 3, STATUS_DENIED, "uid 0");
	start_as(0, SESSION, 4, "forroot", no_args, ROOT_IPC_NONE, 0);
	assert_int_equal(answer_to(SESSION, 4)->answer, STARTED);
	assert_int_equal(finished(5, 0), 0);
}

static void limits_hold_and_are_given_back(void **state)
{
	uint32_t pid, other;

	(void)state;
	NEEDS_TREE();
	pid = started(1, "one");
	start(2, "one");
	expect_failure(SESSION, 2, STATUS_TOO_MANY, "1 at once of this program");
	terminate(SESSION, 3, pid);
	assert_int_equal(answer_to(SESSION, 3)->answer, TERMINATED);
	/* An instance is one that runs; of a user's it counts until it is acknowledged. */
	other = started(4, "one");
	config.max_programs_per_uid = 2;
	start(5, "true");
	expect_failure(SESSION, 5, STATUS_TOO_MANY, "2 at once of this user");
	assert_int_equal(finished(6, pid), SIGTERM);
	assert_int_equal(finished(8, started(7, "true")), 0);
	config.max_programs = 1;
	start_as(2000, SESSION, 9, "others", no_args, ROOT_IPC_NONE, 0);
	expect_failure(SESSION, 9, STATUS_TOO_MANY, "1 at once in all");
	terminate(SESSION, 10, other);
	(void)answer_to(SESSION, 10);
	assert_int_equal(finished(11, other), SIGTERM);
	start_as(2000, SESSION, 12, "others", no_args, ROOT_IPC_NONE, 0);
	assert_int_equal(answer_to(SESSION, 12)->answer, STARTED);
	assert_int_equal(finished(13, 0), 0);
}

/* --- Numbers ------------------------------------------------------------------------------------------------------- */

static void many_short_programs_leave_nothing(void **state)
{
	uint32_t i;

	(void)state;
	NEEDS_TREE();
	for (i = 0; i < 200; i++) {
		start_as(1000, SESSION, 1000 + i, "exit", i % 2 ? STR("1\0") : STR("0\0"), i % 3,
			 i % 2 ? START_STDERR : 0);
		assert_int_equal(answer_to(SESSION, 1000 + i)->answer, STARTED);
		assert_int_equal(finished(2000 + i, i % 2 ? 0 : answer_to(SESSION, 1000 + i)->pid), (i % 2) << 8);
	}
	/* rig_free() looks for what is left. */
	assert_int_equal(programs_count(programs), 0);
}

static void many_at_once_get_their_own_status(void **state)
{
	uint32_t i, k, sum = 0;
	char args[8];

	(void)state;
	NEEDS_TREE();
	for (i = 0; i < 100; i++) {
		(void)snprintf(args, sizeof(args), "%u", i);
		start_as(1000, 1 + i % 8, 1000 + i, "exit", (struct str){args, strlen(args) + 1}, ROOT_IPC_NONE, 0);
	}
	for (i = 0; i < 100; i++) {
		struct note *n = answer_to(1 + i % 8, 1000 + i);

		assert_int_equal(n->answer, STARTED);
		wait_for(1 + i % 8, 2000 + i, n->pid, 0);
	}
	for (i = 0; i < 100; i++) {
		struct note *n = answer_to(1 + i % 8, 2000 + i);

		assert_int_equal(n->status, i << 8);
		ack(1 + i % 8, n->instance);
		sum++;
	}
	assert_int_equal(sum, 100);
	for (k = 1; k <= 8; k++) {
		wait_for(k, 5000, 0, 0);
		expect_failure(k, 5000, STATUS_NO_CHILD, "");
	}
	assert_int_equal(programs_count(programs), 0);
}

static void the_list_shows_what_the_caller_may_start(void **state)
{
	struct peer peer = {.uid = 1000, .gid = 1000, .host = true};
	struct program_owner owner = {.session = SESSION, .peer = &peer};
	struct list_request m = {0, 0};
	struct program_record record;
	uint8_t buf[256];
	uint64_t next = 0;
	uint16_t count;
	int seen = 0, unusable = 0, pages = 0;

	(void)state;
	NEEDS_TREE();
	do {
		struct wire_wr w;
		struct wire_rd r;

		wire_wr_init(&w, buf, sizeof(buf));
		m.cursor = next;
		assert_true(programs_list(programs, &owner, &m, &w) > 0);
		wire_rd_init(&r, buf, w.len);
		get_page(&r, &next, &count);
		for (; count > 0; count--) {
			page_next_program(&r, &record);
			assert_false(str_eq(record.name, STR("others")) || str_eq(record.name, STR("broken")));
			seen++;
			unusable += record.usable == 0;
			if (str_eq(record.name, STR("true")))
				assert_true(str_eq(record.description, STR("does nothing, well")));
		}
		assert_int_equal(wire_rd_done(&r), 0);
		pages++;
	} while (next != 0 && pages < 100);
	assert_true(pages > 1);
	/* missing and viaenv cannot be run; others, forroot and broken are not for everybody's eyes. */
	assert_int_equal(unusable, 2);
	assert_int_equal(seen, catalogue->nentries - 3);
	m.flags = 1;
	{
		struct wire_wr w;

		wire_wr_init(&w, buf, sizeof(buf));
		assert_int_equal(programs_list(programs, &owner, &m, &w), -EINVAL);
	}
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, rig_new, rig_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(exit_codes_arrive),
		RIGGED(signals_arrive),
		RIGGED(the_program_talks_through_its_descriptors),
		RIGGED(what_cannot_be_executed_says_why),
		RIGGED(what_is_not_safe_is_refused),
		RIGGED(set_up_failures_name_the_step),
		RIGGED(requests_that_do_not_fit_are_refused),
		RIGGED(only_who_is_allowed_starts),
		RIGGED(limits_hold_and_are_given_back),
		RIGGED(many_short_programs_leave_nothing),
		RIGGED(many_at_once_get_their_own_status),
		RIGGED(the_list_shows_what_the_caller_may_start),
	};

	return cmocka_run_group_tests(tests, rig_make, rig_remove);
}
