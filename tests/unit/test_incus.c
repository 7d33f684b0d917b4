/* SPDX-License-Identifier: MIT */
/* What is defended: a container of LXD and of Incus is a link in their lxcpath, and all else is as with LXC itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lxc_rig.h"

static const char *const engines[] = {"lxd", "incus"};
#define NENGINES (sizeof(engines) / sizeof(engines[0]))

/* As both make it: a link to where there may be nothing yet, or nothing mounted. */
static void make_link(const struct rig *g, const char *engine, const char *name)
{
	char path[300], to[300];

	(void)snprintf(path, sizeof(path), "%s/%s", engine, name);
	(void)snprintf(to, sizeof(to), "/storage-pools/default/containers/%s", name);
	assert_int_equal(symlink(to, rig_path(g, path)), 0);
}

static void assert_container(const struct rig *g, const char *engine, const char *id, const char *name, uint32_t state,
			     pid_t pid)
{
	const struct rig_record *r = rig_find(g, engine, id);

	assert_non_null(r);
	assert_string_equal(r->name, name);
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
}

static void a_container_is_a_link(void **state)
{
	struct rig *g = *state;

	for (size_t i = 0; i < NENGINES; i++) {
		(void)rig_engine(g, engines[i], engines[i]);
		make_link(g, engines[i], "before");
	}
	rig_round(g);
	assert_int_equal(g->nrecords, NENGINES);
	for (size_t i = 0; i < NENGINES; i++) {
		assert_int_equal(asks[0].m.path, i + 1); /* its place among all directories: LXC's own is the first */
		lxc_refuse(g, lxc_asked("before", IPC_LXC_STATE), ECONNREFUSED);
	}
	for (size_t i = 0; i < NENGINES; i++) {
		char path[64];

		assert_container(g, engines[i], "before", "before", ROOT_CONTAINER_STOPPED, 0);
		make_link(g, engines[i], "after");
		(void)snprintf(path, sizeof(path), "%s/file", engines[i]);
		rig_put(g, path, "", 0);
		(void)snprintf(path, sizeof(path), "%s/directory", engines[i]);
		rig_mkdir(g, path);
		(void)snprintf(path, sizeof(path), "%s/directory/config", engines[i]);
		rig_put(g, path, "", 0);
		rig_round(g);
		lxc_refuse(g, lxc_asked("after", IPC_LXC_STATE), ECONNREFUSED);
		assert_container(g, engines[i], "after", "after", ROOT_CONTAINER_STOPPED, 0);
		(void)snprintf(path, sizeof(path), "%s/before", engines[i]);
		assert_int_equal(unlink(rig_path(g, path)), 0);
		rig_round(g);
		assert_null(rig_find(g, engines[i], "before"));
	}
	assert_int_equal(g->nrecords, NENGINES);
	assert_int_equal(nasks, 0);
}

static void a_project_is_a_part_of_the_name(void **state)
{
	struct rig *g = *state;

	(void)rig_engine(g, "incus", "incus");
	make_link(g, "incus", "web");
	make_link(g, "incus", "shop_web");
	make_link(g, "incus", "user_1_web"); /* a project's name may have one */
	rig_round(g);
	assert_int_equal(g->nrecords, 3);
	assert_container(g, "incus", "web", "web", ROOT_CONTAINER_STOPPED, 0);
	assert_container(g, "incus", "shop_web", "shop/web", ROOT_CONTAINER_STOPPED, 0);
	assert_container(g, "incus", "user_1_web", "user_1/web", ROOT_CONTAINER_STOPPED, 0);
	nasks = 0;
}

static void its_monitor_is_asked_as_lxcs(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	int watch;

	child_start(&c);
	(void)rig_engine(g, "lxd", "lxd");
	make_link(g, "lxd", "shop_web");
	rig_round(g);
	lxc_refuse(g, lxc_asked("shop_web", IPC_LXC_STATE), ECONNREFUSED);
	/* Its cgroup is called as LXC itself calls it. */
	rig_mkdir(g, "cgroup/lxc.monitor.shop_web");
	rig_round(g);
	watch = lxc_run_container(g, "shop_web", &c);
	assert_container(g, "lxd", "shop_web", "shop/web", ROOT_CONTAINER_RUNNING, c.pid);
	/* All is looked at again: nothing changes. */
	g->dirs[1].engine->rescan(&g->dirs[1]);
	rig_round(g);
	assert_container(g, "lxd", "shop_web", "shop/web", ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
	rig_round(g);
	assert_container(g, "lxd", "shop_web", "shop/web", ROOT_CONTAINER_STOPPED, 0);
	(void)close(watch);
	nasks = 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, lxc_rig_setup, lxc_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_container_is_a_link),
		T(a_project_is_a_part_of_the_name),
		T(its_monitor_is_asked_as_lxcs),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("incus", tests, NULL, NULL);
}
