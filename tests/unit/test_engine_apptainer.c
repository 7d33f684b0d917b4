/* SPDX-License-Identifier: MIT */
/* What is defended: an instance's file counts only on the host that it is about, and for a process that may be the one it means. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver_rig.h"

/* Below app/HOST. */
#define FILE_OF_SMP "ctest/smp/smp.json"

static const char *here(const char *below)
{
	static char path[300];
	struct utsname u;

	assert_int_equal(uname(&u), 0);
	(void)snprintf(path, sizeof(path), "app/%s%s%s", u.nodename, *below ? "/" : "", below);
	return path;
}

/* As apptainer writes it: in place. */
static void put(const struct rig *g, const char *path, pid_t pid, pid_t parent)
{
	json_t *root = rig_fixture("apptainer/smp.json");
	char *text;

	assert_int_equal(json_object_set_new(root, "pid", json_integer(pid)), 0);
	assert_int_equal(json_object_set_new(root, "ppid", json_integer(parent)), 0);
	text = json_dumps(root, 0);
	assert_non_null(text);
	rig_scribble(g, path, text, strlen(text));
	free(text);
	json_decref(root);
}

static void open_engine(struct rig *g)
{
	(void)rig_engine(g, "apptainer", "app");
	rig_mkdir(g, here(""));
	rig_mkdir(g, here("ctest"));
	rig_mkdir(g, here("ctest/smp"));
}

static void assert_state(const struct rig *g, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "apptainer", "smp");

	assert_non_null(r);
	assert_string_equal(r->name, "smp");
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
}

static void an_instance_is_found_wherever_it_appears(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "apptainer", "app");
	rig_round(g);
	rig_mkdir(g, here(""));
	rig_round(g);
	rig_mkdir(g, here("ctest"));
	rig_round(g);
	rig_mkdir(g, here("ctest/smp"));
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	put(g, here(FILE_OF_SMP), c.pid, getpid());
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	assert_string_equal(rig_find(g, "apptainer", "smp")->cgroup, c.cgroup);
	child_end(&c);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0); /* the file stays when all were killed */
	rig_rmtree(g, here("ctest/smp"));
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void another_hosts_instances_are_not_here(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "apptainer", "app");
	rig_mkdir(g, "app/elsewhere");
	rig_mkdir(g, "app/elsewhere/ctest");
	rig_mkdir(g, "app/elsewhere/ctest/smp");
	put(g, "app/elsewhere/" FILE_OF_SMP, c.pid, getpid());
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	child_end(&c);
}

static void another_process_is_not_it(void **state)
{
	struct timespec hour_ago[2] = {{.tv_nsec = UTIME_OMIT}};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	put(g, here(FILE_OF_SMP), c.pid, getpid() + 1);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0); /* another's child */
	put(g, here(FILE_OF_SMP), c.pid, getpid());
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &hour_ago[1]), 0);
	hour_ago[1].tv_sec -= 3600;
	assert_int_equal(utimensat(AT_FDCWD, rig_path(g, here(FILE_OF_SMP)), hour_ago, 0), 0);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_STOPPED, 0); /* younger than the file */
	put(g, here(FILE_OF_SMP), c.pid, getpid());
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

static void what_is_no_instance_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[1]",
		"{\"name\":\"smp\",\"pid\":7}",
		"{\"name\":\"smp\",\"ppid\":7}",
		"{\"name\":\"other\",\"pid\":7,\"ppid\":6}",
		"{\"name\":\"smp\",\"pid\":-7,\"ppid\":6}",
		"{\"name\":\"smp\",\"pid\":7,\"ppid\":2147483648}",
		"{\"name\":\"smp\",\"pid\":7,\"pid\":8,\"ppid\":6}",
	};
	char target[300];
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	open_engine(g);
	put(g, here(FILE_OF_SMP), c.pid, getpid());
	rig_round(g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_scribble(g, here(FILE_OF_SMP), bad[i], strlen(bad[i]));
		rig_round(g);
		assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	}
	/* A link leads wherever the user likes: it is not followed, and what is at its end is not read. */
	(void)snprintf(target, sizeof(target), "%s", rig_path(g, "elsewhere.json"));
	put(g, "elsewhere.json", c.pid + 1, getpid());
	assert_int_equal(unlink(rig_path(g, here(FILE_OF_SMP))), 0);
	assert_int_equal(symlink(target, rig_path(g, here(FILE_OF_SMP))), 0);
	rig_round(g);
	assert_state(g, ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_instance_is_found_wherever_it_appears),
		T(another_hosts_instances_are_not_here),
		T(another_process_is_not_it),
		T(what_is_no_instance_changes_nothing),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("apptainer", tests, NULL, NULL);
}
