/* SPDX-License-Identifier: MIT */
/* What is defended: crun's and runc's state files are claims, however old, broken or odd; only a process that is there counts. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver_rig.h"

static const char *const crun_fixtures[] = {"debian12-v1/crun-status.json", "debian12-v2/crun-status.json",
					    "debian13-v2/crun-status.json", "sid-v1/crun-status.json"};
static const char *const runc_fixtures[] = {"debian12-v1/runc-state.json", "debian12-v2/runc-state.json",
					    "debian13-v2/runc-state.json", "sid-v1/runc-state.json"};

static void assert_running(const struct rig *g, const char *engine, const char *id, const struct rig_child *c)
{
	const struct rig_record *r = rig_find(g, engine, id);

	assert_non_null(r);
	assert_int_equal(r->state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(r->pid, c->pid);
	assert_string_equal(r->cgroup, c->cgroup);
	assert_string_equal(r->name, id);
	assert_int_equal(r->owner, 77);
}

static void assert_stopped(const struct rig *g, const char *engine, const char *id)
{
	const struct rig_record *r = rig_find(g, engine, id);

	assert_non_null(r);
	assert_int_equal(r->state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(r->pid, 0);
}

static void every_version_of_the_files_is_understood(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char name[64];

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "runc", "runc");
	for (int i = 0; i < 3; i++) {
		json_t *crun = crun_status(crun_fixtures[i], &c, NULL), *runc = runc_state(runc_fixtures[i], &c, NULL);

		(void)snprintf(name, sizeof(name), "crun/c%d", i);
		rig_mkdir(g, name);
		(void)snprintf(name, sizeof(name), "crun/c%d/status", i);
		rig_put_json(g, name, crun);
		(void)snprintf(name, sizeof(name), "runc/r%d", i);
		rig_mkdir(g, name);
		(void)snprintf(name, sizeof(name), "runc/r%d/state.json", i);
		rig_put_json(g, name, runc);
		json_decref(crun);
		json_decref(runc);
	}
	rig_round(g);
	assert_int_equal(g->nrecords, 6);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		assert_running(g, "crun", name, &c);
		(void)snprintf(name, sizeof(name), "r%d", i);
		assert_running(g, "runc", name, &c);
	}
	rig_round(g);
	assert_int_equal(g->puts + g->removes, 0); /* nothing changed, nothing is said */
	child_end(&c);
}

static void what_was_there_before_is_found(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	rig_mkdir(g, "crun");
	rig_crun(g, "old", &c);
	(void)rig_engine(g, "crun", "crun");
	rig_round(g);
	assert_running(g, "crun", "old", &c);
	child_end(&c);
}

static void an_end_is_seen_though_the_file_still_says_running(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;

	child_start(&c);
	child_start(&d);
	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "reaped", &c);
	rig_crun(g, "zombie", &d);
	rig_round(g);
	child_end(&c);
	child_zombie(&d);
	rig_round(g);
	assert_stopped(g, "crun", "reaped");
	assert_stopped(g, "crun", "zombie");
	rig_crun(g, "zombie", &d); /* written again: still a zombie */
	rig_round(g);
	assert_stopped(g, "crun", "zombie");
	child_end(&d);
}

static void another_process_with_that_pid_is_not_it(void **state)
{
	struct rig *g = *state;
	struct rig_child c, stale;

	child_start(&c);
	stale = c;
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "runc", "runc");
	stale.start_ticks = c.start_ticks - 1;
	rig_crun(g, "earlier", &stale);
	stale.start_ticks = c.start_ticks + 1;
	rig_crun(g, "later", &stale);
	rig_mkdir(g, "runc/earlier2");
	{
		json_t *root = runc_state(runc_fixtures[0], &stale, NULL);

		rig_put_json(g, "runc/earlier2/state.json", root);
		json_decref(root);
	}
	rig_round(g);
	assert_stopped(g, "crun", "earlier");
	assert_stopped(g, "crun", "later");
	assert_stopped(g, "runc", "earlier2");
	child_end(&c);
}

static void a_process_that_is_elsewhere_is_not_it(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "runc", "runc");
	rig_mkdir(g, "crun/a");
	root = crun_status(crun_fixtures[0], &c, "/engines/nowhere");
	rig_put_json(g, "crun/a/status", root);
	json_decref(root);
	for (int i = 0; i < 3; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "runc/b%d", i);
		rig_mkdir(g, name);
		(void)snprintf(name, sizeof(name), "runc/b%d/state.json", i);
		root = runc_state(runc_fixtures[i], &c, "/engines/nowhere");
		rig_put_json(g, name, root);
		json_decref(root);
	}
	rig_round(g);
	assert_stopped(g, "crun", "a");
	assert_stopped(g, "runc", "b0");
	assert_stopped(g, "runc", "b1");
	assert_stopped(g, "runc", "b2");
	child_end(&c);
}

static void created_until_the_fifo_is_gone(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	rig_mkdir(g, "crun/a");
	assert_int_equal(mkfifo(rig_path(g, "crun/a/exec.fifo"), 0600), 0);
	rig_crun(g, "a", &c);
	rig_round(g);
	assert_int_equal(rig_find(g, "crun", "a")->state, ROOT_CONTAINER_CREATED);
	assert_int_equal(rig_find(g, "crun", "a")->pid, c.pid);
	assert_int_equal(unlink(rig_path(g, "crun/a/exec.fifo")), 0);
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	/* A file of that name says nothing. */
	rig_put(g, "crun/a/exec.fifo", "", 0);
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	child_end(&c);
}

static void half_a_file_changes_nothing(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;
	char *text;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	root = crun_status(crun_fixtures[2], &c, NULL);
	text = json_dumps(root, 0);
	rig_mkdir(g, "crun/a");
	for (size_t n = 0; n < strlen(text); n++) { /* never good yet: not a container */
		rig_scribble(g, "crun/a/status", text, n);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
	rig_put(g, "crun/a/status", text, strlen(text));
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	for (size_t n = 0; n < strlen(text); n += 7) {
		rig_scribble(g, "crun/a/status", text, n);
		rig_round(g);
		assert_int_equal(g->puts + g->removes, 0);
	}
	assert_int_equal(unlink(rig_path(g, "crun/a/status")), 0); /* crun delete begins like that */
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	free(text);
	json_decref(root);
	child_end(&c);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"pid\":%d}",
		"{\"pid\":%d,\"process-start-time\":\"1\"}",
		"{\"pid\":%d,\"process-start-time\":-1}",
		"{\"pid\":%d.0,\"process-start-time\":1}",
		"{\"pid\":\"%d\",\"process-start-time\":1}",
		"{\"pid\":99999999999,\"process-start-time\":1}",
		"{\"pid\":-1,\"process-start-time\":1}",
		"{\"pid\":%d,\"pid\":%d,\"process-start-time\":1}",
		"{\"pid\":%d,\"process-start-time\":1} {}",
		"{\"pid\":%d,\"process-start-time\":1,\"x\":\"\\u0000\"}",
		"{\"pid\":%d,\"process-start-time\":1,\"x\":\"\xff\"}",
		"{\"pid\":%d,\"process-start-time\":99999999999999999999999}",
	};
	struct rig *g = *state;
	struct rig_child c;
	char text[256];

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	rig_mkdir(g, "crun/a");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *at;

		strcpy(text, bad[i]);
		while ((at = strstr(text, "%d"))) { /* the pid of a living process: only the rest is wrong */
			char rest[256], pid[16];

			strcpy(rest, at + 2);
			(void)snprintf(pid, sizeof(pid), "%d", (int)c.pid);
			strcpy(at, pid);
			strcat(at, rest);
		}
		rig_put(g, "crun/a/status", text, strlen(text));
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
	child_end(&c);
}

static void the_hosts_init_is_nobodys_container(void **state)
{
	struct rig *g = *state;
	struct rig_child one = {.pid = 1, .cgroup = "/"}, zero = {.pid = 0, .cgroup = "/"};

	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "one", &one);
	rig_crun(g, "zero", &zero);
	rig_round(g);
	assert_stopped(g, "crun", "one");
	assert_stopped(g, "crun", "zero");
}

static void what_is_no_file_is_not_read(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "a", &c);
	rig_crun(g, "good", &c);
	rig_round(g);
	for (int kind = 0; kind < 4; kind++) {
		const char *path = rig_path(g, "crun/a/status");

		if (remove(path) < 0)
			rig_rmtree(g, "crun/a/status");
		if (kind == 0)
			assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: must not wait */
		else if (kind == 1)
			assert_int_equal(symlink("../good/status", path), 0);
		else if (kind == 2)
			assert_int_equal(mkdir(path, 0700), 0);
		else
			rig_put(g, "crun/a/status", "", 0);
		if (kind == 3)
			assert_int_equal(truncate(path, 2 * 1024 * 1024), 0); /* above the limit */
		rig_round(g);
		assert_int_equal(g->puts + g->removes, 0); /* what was good before stays */
	}
	child_end(&c);
}

static void what_is_too_big_is_not_read(void **state)
{
	static char text[1024 * 1024 + 1];
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;
	char *good;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	rig_mkdir(g, "crun/a");
	root = crun_status(crun_fixtures[0], &c, NULL);
	good = json_dumps(root, 0);
	memset(text, ' ', sizeof(text));
	memcpy(text, good, strlen(good));
	rig_put(g, "crun/a/status", text, sizeof(text)); /* good, but for a byte too many */
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	rig_put(g, "crun/a/status", text, sizeof(text) - 1);
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	free(good);
	json_decref(root);
	child_end(&c);
}

static void only_directories_with_decent_names_are_containers(void **state)
{
	static const char *const odd[] = {"x y", "-rf", "ä", "\x1b[31m\xff", "a:b", "%s%n", "new\nline"};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "good", &c);
	rig_crun(g, ".hidden", &c);
	assert_int_equal(symlink("good", rig_path(g, "crun/link")), 0);
	rig_put(g, "crun/file", "", 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		rig_crun(g, odd[i], &c);
	rig_round(g);
	assert_int_equal(g->nrecords, 1 + sizeof(odd) / sizeof(odd[0]));
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_running(g, "crun", odd[i], &c);
	child_end(&c);
}

static void the_same_name_again_is_another_container(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;
	uint64_t rid;

	child_start(&c);
	child_start(&d);
	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "a", &c);
	rig_round(g);
	rid = rig_find(g, "crun", "a")->rid;
	/* Deleted and made anew between two looks; the new one is not written yet. */
	rig_rmtree(g, "crun/a");
	rig_mkdir(g, "crun/a");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	rig_crun(g, "a", &d);
	rig_round(g);
	assert_running(g, "crun", "a", &d);
	assert_true(rig_find(g, "crun", "a")->rid > rid);
	/* Moved away, another in its place, in one go. */
	assert_int_equal(rename(rig_path(g, "crun/a"), rig_path(g, "crun/b")), 0);
	rig_crun(g, "a", &c);
	rig_round(g);
	assert_running(g, "crun", "a", &c);
	assert_running(g, "crun", "b", &d);
	child_end(&d);
	rig_round(g);
	assert_stopped(g, "crun", "b");
	assert_running(g, "crun", "a", &c);
	rig_rmtree(g, "crun/a");
	rig_rmtree(g, "crun/b");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	child_end(&c);
}

/* A directory is used for one container, but nothing depends on it. */
static void a_new_process_in_the_same_directory(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;
	uint64_t rid;

	child_start(&c);
	child_start(&d);
	(void)rig_engine(g, "crun", "crun");
	rig_crun(g, "a", &c);
	rig_round(g);
	rid = rig_find(g, "crun", "a")->rid;
	rig_crun(g, "a", &d);
	child_end(&c);
	rig_round(g);
	assert_running(g, "crun", "a", &d);
	assert_int_equal(rig_find(g, "crun", "a")->rid, rid);
	child_end(&d);
}

static void lost_events_are_made_up_for(void **state)
{
	struct rig *g = *state;
	struct engine_dir *d = rig_engine(g, "crun", "crun");
	struct rig_child c, e;

	child_start(&c);
	child_start(&e);
	rig_crun(g, "stays", &c);
	rig_crun(g, "goes", &c);
	rig_crun(g, "replaced", &c);
	rig_round(g);
	rig_rmtree(g, "crun/goes");
	rig_rmtree(g, "crun/replaced");
	rig_crun(g, "replaced", &e);
	rig_crun(g, "new", &e);
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0) /* the events are lost */
		;
	d->engine->rescan(d);
	rig_round(g);
	assert_int_equal(g->nrecords, 3);
	assert_running(g, "crun", "stays", &c);
	assert_running(g, "crun", "replaced", &e);
	assert_running(g, "crun", "new", &e);
	/* And all are watched. */
	rig_crun(g, "replaced", &c);
	rig_round(g);
	assert_running(g, "crun", "replaced", &c);
	child_end(&c);
	child_end(&e);
}

/* One event costs one container's look, however many there are: counted in records, not in time. */
static void many_containers(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char name[32];

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		rig_crun(g, name, &c);
		if (i % 500 == 0)
			rig_round(g);
	}
	rig_round(g);
	assert_int_equal(g->nrecords, 2000);
	child_end(&c);
	rig_round(g);
	assert_int_equal(g->puts, 2000);
	assert_stopped(g, "crun", "c1999");
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_version_of_the_files_is_understood),
		T(what_was_there_before_is_found),
		T(an_end_is_seen_though_the_file_still_says_running),
		T(another_process_with_that_pid_is_not_it),
		T(a_process_that_is_elsewhere_is_not_it),
		T(created_until_the_fifo_is_gone),
		T(half_a_file_changes_nothing),
		T(nonsense_is_refused),
		T(the_hosts_init_is_nobodys_container),
		T(what_is_no_file_is_not_read),
		T(what_is_too_big_is_not_read),
		T(only_directories_with_decent_names_are_containers),
		T(the_same_name_again_is_another_container),
		T(a_new_process_in_the_same_directory),
		T(lost_events_are_made_up_for),
		T(many_containers),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_oci", tests, NULL, NULL);
}
