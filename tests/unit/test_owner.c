/* SPDX-License-Identifier: MIT */
/* What is defended: only processes that are made of a user's own uids are his, and what he costs has an end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/common/procfd.h"
#include "resolver_rig.h"

static struct owner alice(void)
{
	static const char text[] = "1000:alice:100000+65536,165536+10,300000+1";
	struct owner o = {0};

	assert_true(owner_parse(text, strlen(text), &o));
	return o;
}

static void arguments_are_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"1000",
		"1000:",
		"1000:alice",
		"1000::",
		":alice:",
		"0:root:",
		"-1:alice:",
		"4294967295:alice:",
		"4294967296:alice:",
		"99999999999999999999:alice:",
		"1000:alice:100000",
		"1000:alice:100000+",
		"1000:alice:100000+0",
		"1000:alice:0+5",
		"1000:alice:4294967295+2",
		"1000:alice:100000+65536;",
		"1000:alice:100000+65536,x",
		"1000:alice:100000+65536+1",
		"1000:alice: 100000+65536",
	};
	struct owner o = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *copy = strdup(bad[i]); /* of its own size: reading on is noticed */

		assert_non_null(copy);
		if (owner_parse(copy, strlen(copy), &o))
			fail_msg("taken: \"%s\"", bad[i]);
		assert_null(o.name);
		free(copy);
	}
	assert_true(owner_parse("7:b:", 4, &o)); /* no subordinate uids */
	assert_int_equal(o.nranges, 0);
	assert_string_equal(o.name, "b");
	owner_fini(&o);
	o = alice();
	assert_int_equal(o.uid, 1000);
	assert_int_equal(o.nranges, 3);
	owner_fini(&o);
}

static void ranges_end_where_they_end(void **state)
{
	struct owner o = alice();

	(void)state;
	assert_true(owner_has(&o, 1000, 1));
	assert_false(owner_has(&o, 1000, 2));
	assert_false(owner_has(&o, 999, 2));
	assert_false(owner_has(&o, 0, 1));
	assert_false(owner_has(&o, 0, UINT32_MAX));
	assert_true(owner_has(&o, 100000, 65536));
	assert_true(owner_has(&o, 100000, 65546)); /* two that adjoin */
	assert_false(owner_has(&o, 100000, 65547));
	assert_false(owner_has(&o, 99999, 1));
	assert_true(owner_has(&o, 165545, 1));
	assert_false(owner_has(&o, 165546, 1));
	assert_true(owner_has(&o, 300000, 1));
	owner_fini(&o);
}

/* --- Processes, in a /proc of our own ------------------------------------------------------------------------------ */

#define STATUS                                                                                                     \
	"Name:\tx\nUid:\t%u\t%u\t%u\t%u\nGid:\t0\t0\t0\t0\nGroups:\t\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:" \
	"\t0\nCapAmb:\t0\nNoNewPrivs:\t0\nSeccomp:\t0\n"

static void put_process(struct rig *g, pid_t pid, const uint32_t uid[4], const char *map)
{
	struct rig_process p = {.pid = pid, .ppid = 1, .comm = "x", .cgroups = "0::/x\n"};
	char name[64], text[512];

	rig_process(g, &p);
	(void)snprintf(name, sizeof(name), "proc/%d/uid_map", (int)pid);
	rig_put(g, name, map, strlen(map));
	(void)snprintf(name, sizeof(name), "proc/%d/status", (int)pid);
	(void)snprintf(text, sizeof(text), STATUS, uid[0], uid[1], uid[2], uid[3]);
	rig_put(g, name, text, strlen(text));
}

static int judge(struct rig *g, pid_t pid, pid_t ppid)
{
	struct owner o = alice();
	int r = owner_check(&o, g->ctx.proc, pid, &(struct proc_stat){.state = 'S', .ppid = ppid});

	owner_fini(&o);
	return r;
}

static void only_what_is_made_of_his_uids_is_his(void **state)
{
	static const uint32_t own[4] = {1000, 1000, 1000, 1000}, sub[4] = {100000, 100000, 100000, 100000};
	static const struct {
		const char *map;
		uint32_t uid[4];
		int result;
	} t[] = {
		{"         0       1000          1\n         1     100000      65536\n", {1000, 1000, 1000, 1000}, 0},
		{"0 1000 1\n1 100000 65536\n", {100005, 100005, 100005, 100005}, 0},
		{"0 100000 1000\n1000 1000 1\n1001 101000 64536\n", {1000, 1000, 1000, 1000}, 0}, /* keep-id */
		/* Another's, root's, the host's. */
		{"0 1001 1\n1 100000 65536\n", {1000, 1000, 1000, 1000}, -EPERM},
		{"0 1000 1\n1 200000 65536\n", {1000, 1000, 1000, 1000}, -EPERM},
		{"0 1000 1\n1 100000 65547\n", {1000, 1000, 1000, 1000}, -EPERM},
		{"0 1000 2\n", {1000, 1000, 1000, 1000}, -EPERM},
		{"0 0 4294967295\n", {1000, 1000, 1000, 1000}, -EPERM},
		{"0 0 1\n", {0, 0, 0, 0}, -EPERM},
		{"", {65534, 65534, 65534, 65534}, -EPERM},
		/* His user namespace, but a process in it that is not his: each of the four counts. */
		{"0 1000 1\n", {0, 1000, 1000, 1000}, -EPERM},
		{"0 1000 1\n", {1000, 0, 1000, 1000}, -EPERM},
		{"0 1000 1\n", {1000, 1000, 1001, 1000}, -EPERM},
		{"0 1000 1\n", {1000, 1000, 1000, 99999}, -EPERM},
		/* No uid_map of any kernel. */
		{"0 1000\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 1000 1", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 1000 0\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 1000 -1\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 4294967296 1\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 4294967295 2\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"0 1000 1 1\n", {1000, 1000, 1000, 1000}, -EBADMSG},
		{"nonsense\n", {1000, 1000, 1000, 1000}, -EBADMSG},
	};
	struct rig *g = *state;

	put_process(g, 50, sub, "0 1000 1\n1 100000 65536\n"); /* his engine's */
	put_process(g, 51, own, "0 0 4294967295\n"); /* his shell */
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		put_process(g, 60, t[i].uid, t[i].map);
		if (judge(g, 60, 51) != t[i].result)
			fail_msg("row %zu: %d", i, judge(g, 60, 51));
	}
	/* Of subordinate uids alone: his where his engine started it; root's container may be made of the same. */
	put_process(g, 61, sub, "0 100000 65536\n");
	assert_int_equal(judge(g, 61, 50), 0);
	assert_int_equal(judge(g, 61, 51), -EPERM);
	assert_int_equal(judge(g, 61, 99), -ESRCH);
	assert_int_equal(judge(g, 99, 50), -ESRCH);
}

static void a_map_is_as_long_as_the_kernels_at_most(void **state)
{
	static struct proc_uid_range map[PROC_UID_RANGES_MAX];
	static const uint32_t own[4] = {1000, 1000, 1000, 1000};
	char text[(PROC_UID_RANGES_MAX + 1) * 33 + 1] = "";
	struct rig *g = *state;
	size_t at = 0;

	for (int i = 0; i < PROC_UID_RANGES_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%10d %10d %10d\n", i, i + 1, 1);
	put_process(g, 60, own, text);
	assert_int_equal(proc_read_uid_map(g->ctx.proc, 60, map, PROC_UID_RANGES_MAX), PROC_UID_RANGES_MAX);
	assert_int_equal(map[PROC_UID_RANGES_MAX - 1].outside, PROC_UID_RANGES_MAX);
	assert_int_equal(proc_read_uid_map(g->ctx.proc, 60, map, 3), -E2BIG);
	(void)snprintf(text + at, sizeof(text) - at, "%10d %10d %10d\n", 1, 2, 3);
	put_process(g, 60, own, text);
	assert_int_equal(proc_read_uid_map(g->ctx.proc, 60, map, PROC_UID_RANGES_MAX), -EFBIG);
}

/* --- What he costs ------------------------------------------------------------------------------------------------ */

static void containers_are_counted(void **state)
{
	struct owner o = alice();

	(void)state;
	for (int i = 0; i < 2 * OWNER_CONTAINERS_MAX; i++)
		assert_true(owner_take(&o));
	assert_false(owner_take(&o));
	assert_false(owner_take(&o)); /* and no second line */
	assert_true(o.full);
	owner_give(&o);
	assert_true(owner_take(&o));
	assert_false(owner_take(&o));
	for (int i = 0; i < 2 * OWNER_CONTAINERS_MAX; i++)
		owner_give(&o);
	assert_int_equal(o.containers, 0);
	assert_true(o.full); /* not to be said again */
	owner_fini(&o);
}

static void time_and_lines_come_in_slices(void **state)
{
	struct owner o = alice();
	int lines = 0;

	(void)state;
	assert_true(owner_may_read(&o, 1000000));
	owner_has_read(&o, OWNER_SLICE_BYTES - 1);
	assert_true(owner_may_read(&o, 1000001));
	owner_has_read(&o, OWNER_FILE_MAX);
	assert_false(owner_may_read(&o, 2000000)); /* however long that took */
	assert_false(owner_may_read(&o, 2000000 + OWNER_SLICE_MS - 1));
	assert_true(owner_may_read(&o, 2000000 + OWNER_SLICE_MS));
	for (int i = 0; i < 1000; i++)
		lines += owner_may_log(&o, 5000);
	assert_int_equal(lines, OWNER_LINES);
	assert_true(owner_may_log(&o, 5000 + OWNER_LINES_MS));
	owner_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(ranges_end_where_they_end),
		cmocka_unit_test_setup_teardown(only_what_is_made_of_his_uids_is_his, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_map_is_as_long_as_the_kernels_at_most, rig_setup, rig_teardown),
		cmocka_unit_test(containers_are_counted),
		cmocka_unit_test(time_and_lines_come_in_slices),
	};

	return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
