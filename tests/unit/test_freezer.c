/* SPDX-License-Identifier: MIT */
/* What is defended: what the cgroups say is what is told, before and after it changes, and paths lead nowhere else. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/resolver/freezer.h"
#include "resolver_rig.h"

static struct freezers all;
static struct freezer one;

static void begin(struct rig *g)
{
	all = (struct freezers){.watch = &g->watch, .root = open(g->tmp, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	one = (struct freezer){0};
}

static void end(void)
{
	freezer_stop(&one);
	assert_null(all.dirty);
	(void)close(all.root);
}

static void start(char *freezer, size_t freezer_own, char *unified, size_t unified_own)
{
	struct init init = {.freezer = {freezer, freezer_own}, .unified = {unified, unified_own}};

	freezer_start(&all, &one, &init);
}

static void set(const struct rig *g, const char *file, const char *text)
{
	rig_scribble(g, file, text, strlen(text));
}

/* True: there was a change. */
static bool changes(struct rig *g)
{
	assert_int_equal(watch_drain(&g->watch), 0);
	return freezers_next(&all) == &one;
}

static void version_1(void **state)
{
	struct rig *g = *state;
	char path[] = "/a";

	begin(g);
	rig_mkdir(g, "freezer");
	rig_mkdir(g, "freezer/a");
	set(g, "freezer/a/freezer.state", "FROZEN\n");
	start(path, 2, NULL, 0);
	assert_true(one.frozen); /* it was before we came */
	set(g, "freezer/a/freezer.state", "THAWED\n");
	assert_true(changes(g));
	assert_false(one.frozen);
	assert_false(changes(g));
	set(g, "freezer/a/freezer.state", "FREEZING\n");
	assert_true(changes(g));
	assert_true(one.frozen);
	set(g, "freezer/a/cgroup.procs", "1\n");
	assert_false(changes(g));
	end();
}

static void version_2_below_the_containers_own(void **state)
{
	struct rig *g = *state;
	char path[] = "/a/init.scope";

	begin(g);
	rig_mkdir(g, "a");
	rig_mkdir(g, "a/init.scope");
	set(g, "a/init.scope/cgroup.events", "populated 1\nfrozen 0\n");
	set(g, "a/cgroup.freeze", "0\n");
	start(NULL, 0, path, 2);
	assert_false(one.frozen);
	set(g, "a/init.scope/cgroup.events", "populated 1\nfrozen 1\n");
	assert_true(changes(g));
	assert_true(one.frozen);
	/* What an engine writes is written in the container's own. */
	set(g, "a/cgroup.freeze", "0\n");
	assert_false(changes(g));
	assert_true(one.frozen);
	set(g, "a/init.scope/cgroup.events", "populated 0\nfrozen 0\n");
	assert_true(changes(g));
	set(g, "a/cgroup.freeze", "1\n"); /* its processes have not stopped yet */
	assert_true(changes(g));
	assert_true(one.frozen);
	end();
}

static void what_is_lost_is_looked_at_when_marked(void **state)
{
	struct rig *g = *state;
	char path[] = "/a";

	begin(g);
	rig_mkdir(g, "unified");
	rig_mkdir(g, "unified/a");
	set(g, "unified/a/cgroup.events", "populated 1\nfrozen 1\n");
	start(NULL, 0, path, 2);
	assert_true(one.frozen);
	rig_rmtree(g, "unified/a");
	assert_false(changes(g));
	freezer_mark(&one);
	freezer_mark(&one);
	assert_true(changes(g)); /* nothing there: not frozen */
	assert_false(one.frozen);
	freezer_mark(&one);
	end(); /* while it is marked */
}

static void paths_lead_nowhere_else(void **state)
{
	struct rig *g = *state;
	char link[] = "/link", up[] = "/../../outside", odd[] = "/\x01\xff:b (deleted)", deep[ROOT_CGROUP_MAX + 1];

	begin(g);
	rig_mkdir(g, "freezer");
	rig_mkdir(g, "other");
	set(g, "other/freezer.state", "FROZEN\n");
	assert_int_equal(symlink("../other", rig_path(g, "freezer/link")), 0);
	start(link, strlen(link), NULL, 0);
	assert_false(one.frozen);
	assert_null(one.sides[0].path);
	freezer_stop(&one);
	start(up, strlen(up), up, strlen(up));
	assert_null(one.sides[0].path);
	assert_null(one.sides[1].path);
	freezer_stop(&one);
	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	deep[ROOT_CGROUP_MAX] = '\0';
	start(deep, ROOT_CGROUP_MAX, deep, 1);
	assert_null(one.sides[0].path);
	freezer_stop(&one);
	rig_mkdir(g, "freezer/\x01\xff:b (deleted)");
	set(g, "freezer/\x01\xff:b (deleted)/freezer.state", "FROZEN\n");
	start(odd, strlen(odd), NULL, 0);
	assert_true(one.frozen);
	end();
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(version_1),
		T(version_2_below_the_containers_own),
		T(what_is_lost_is_looked_at_when_marked),
		T(paths_lead_nowhere_else),
	};

	return cmocka_run_group_tests_name("freezer", tests, NULL, NULL);
}
