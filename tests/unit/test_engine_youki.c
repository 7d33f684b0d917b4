/* SPDX-License-Identifier: MIT */
/* What is defended: a youki state without a start time counts only for a process in its cgroup that is older than the file. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver_rig.h"

#define STATE "youki/smp/state.json"
#define CONFIG "youki/smp/youki_config.json"
#define STARTED 1000 /* ticks */

static void put_config(const struct rig *g, const char *cgroup)
{
	json_t *root = rig_fixture("youki/youki_config.json");

	assert_int_equal(json_object_set_new(root, "cgroup_path", json_string(cgroup)), 0);
	rig_put_json(g, CONFIG, root);
	json_decref(root);
}

/* As youki writes it: in place. @pid 0: without one. */
static void put_state(const struct rig *g, const char *status, pid_t pid)
{
	json_t *root = rig_fixture("youki/state.json");
	char *text;

	assert_int_equal(json_object_set_new(root, "status", json_string(status)), 0);
	if (pid)
		assert_int_equal(json_object_set_new(root, "pid", json_integer(pid)), 0);
	else
		assert_int_equal(json_object_del(root, "pid"), 0);
	text = json_dumps(root, JSON_COMPACT);
	assert_non_null(text);
	rig_scribble(g, STATE, text, strlen(text));
	free(text);
	json_decref(root);
}

static void assert_state(const struct rig *g, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "youki", "smp");

	assert_non_null(r);
	assert_string_equal(r->name, "smp");
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
}

static void open_engine(struct rig *g)
{
	(void)rig_engine(g, "youki", "youki");
	rig_mkdir(g, "youki/smp");
}

static void a_life(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	rig_round(g);
	put_state(g, "creating", 0);
	put_config(g, c.cgroup);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0);
	put_state(g, "created", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_CREATED, c.pid);
	put_state(g, "running", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	assert_string_equal(rig_find(g, "youki", "smp")->cgroup, c.cgroup);
	put_state(g, "paused", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_PAUSED, c.pid);
	put_state(g, "running", c.pid);
	rig_round(g);
	child_end(&c);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0); /* and the file says what it said */
	rig_rmtree(g, "youki/smp");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void a_younger_process_is_another(void **state)
{
	struct timespec hour_ago[2] = {{.tv_nsec = UTIME_OMIT}};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	put_config(g, c.cgroup);
	put_state(g, "running", c.pid);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &hour_ago[1]), 0);
	hour_ago[1].tv_sec -= 3600;
	assert_int_equal(utimensat(AT_FDCWD, rig_path(g, STATE), hour_ago, 0), 0);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0);
	/* Before the last boot, even. */
	hour_ago[1].tv_sec = 1;
	assert_int_equal(utimensat(AT_FDCWD, rig_path(g, STATE), hour_ago, 0), 0);
	put_config(g, c.cgroup);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0);
	put_state(g, "running", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

static void a_process_elsewhere_is_another(void **state)
{
	static const struct {
		const char *configured, *real, *own; /* NULL: another process */
	} cases[] = {
		{"/youki/smp", "0::/youki/smp\n", "/youki/smp"},
		{"youki/smp", "4:memory:/youki/smp\n0::/\n", "/youki/smp"},
		{"/youki/smp", "0::/youki/smp/inner\n", "/youki/smp/inner"},
		{"/youki/smp", "0::/youki/smp2\n", NULL},
		{"/youki/smp", "0::/\n", NULL},
		/* SLICE:PREFIX:NAME is a unit of systemd */
		{"machine.slice:libpod:smp", "0::/machine.slice/libpod-smp.scope\n", "/machine.slice/libpod-smp.scope"},
		{"machine.slice:libpod:smp", "0::/machine.slice/libpod-smp.scope/container\n",
		 "/machine.slice/libpod-smp.scope"},
		{":youki:smp", "0::/system.slice/youki-smp.scope\n", "/system.slice/youki-smp.scope"},
		{"youki:smp", "0::/user.slice/youki-smp.scope/a/b\n", "/user.slice/youki-smp.scope"},
		{":youki:smp/sub", "0::/system.slice/youki-smp.scope/sub\n", "/system.slice/youki-smp.scope"},
		{"a.slice:x:a-b.slice", "0::/a.slice/a-b.slice\n", "/a.slice/a-b.slice"},
		{":youki:smp", "0::/:youki:smp\n", "/:youki:smp"}, /* without systemd */
		{":youki:smp", "0::/system.slice/youki-smp2.scope\n", NULL},
		{":youki:smp", "0::/system.slice/xyouki-smp.scope\n", NULL},
		{":youki:", "0::/system.slice/youki-.scope\n", NULL},
	};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", cases[i].real});
		put_config(g, cases[i].configured);
		put_state(g, "running", c.pid);
		rig_round(g);
		if (!cases[i].own) {
			assert_state(g, ROOT_CONTAINER_STOPPED, 0);
			continue;
		}
		assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
		assert_string_equal(rig_find(g, "youki", "smp")->cgroup, cases[i].own);
	}
	child_end(&c);
}

static void what_is_no_state_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"id\":\"smp\"}",
		"{\"id\":\"smp\",\"status\":7,\"pid\":7}",
		"{\"id\":\"other\",\"status\":\"running\",\"pid\":7}",
		"{\"id\":\"smp\",\"status\":\"running\",\"pid\":-7}",
		"{\"id\":\"smp\",\"status\":\"running\",\"pid\":\"7\"}",
		"{\"id\":\"smp\",\"status\":\"running\",\"pid\":2147483648}",
	};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	put_config(g, c.cgroup);
	put_state(g, "running", c.pid);
	rig_round(g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_scribble(g, STATE, bad[i], strlen(bad[i]));
		rig_round(g);
		assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	}
	/* Nor does a configuration that is none, or is not there. */
	put_state(g, "paused", c.pid);
	rig_put(g, CONFIG, "{}", 2);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	assert_int_equal(unlink(rig_path(g, CONFIG)), 0);
	put_state(g, "paused", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	/* These say that there is no process. */
	put_config(g, c.cgroup);
	put_state(g, "stopped", c.pid);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0);
	put_state(g, "running", 1);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0);
	child_end(&c);
}

static void podman_names_what_youki_runs(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	const struct rig_record *r;
	static const char list[] = "[{\"id\":\"smp\",\"names\":[\"web\"]}]";

	child_start(&c);
	open_engine(g);
	(void)rig_engine(g, "podman", "storage");
	put_config(g, c.cgroup);
	put_state(g, "running", c.pid);
	rig_mkdir(g, "storage/overlay-containers");
	rig_put(g, "storage/overlay-containers/containers.json", list, strlen(list));
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	r = rig_find(g, "podman", "smp");
	assert_non_null(r);
	assert_string_equal(r->name, "web");
	assert_int_equal(r->pid, c.pid);
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_life),
		T(a_younger_process_is_another),
		T(a_process_elsewhere_is_another),
		T(what_is_no_state_changes_nothing),
		T(podman_names_what_youki_runs),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("youki", tests, NULL, NULL);
}
