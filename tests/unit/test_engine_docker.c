/* SPDX-License-Identifier: MIT */
/* What is defended: a docker container is one record with its name and state, whatever docker's file and runc's say. */
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

static void assert_record(const struct rig *g, const char *engine, const char *id, const char *name, uint32_t state)
{
	const struct rig_record *r = rig_find(g, engine, id);

	assert_non_null(r);
	assert_string_equal(r->name, name);
	assert_int_equal(r->state, state);
}

#define ID12 "a7c65b2c10bba1d0b2200e847de3f0a100b506ffa2f04c2df50371cb6bb045f1" /* "smp" */
#define HOME "docker/containers/" ID12
#define CONFIG HOME "/config.v2.json"
#define RUN "moby/" ID12

static void open_both(struct rig *g)
{
	(void)rig_engine(g, "docker", "docker");
	(void)rig_engine(g, "runc", "moby");
	rig_mkdir(g, "docker/containers");
	rig_mkdir(g, HOME);
}

/* The file with another name and state. @c NULL: of a process that is not. */
static void put_config(const struct rig *g, const char *name, const struct rig_child *c, const char *what)
{
	json_t *root = rig_fixture("debian12-v1/docker-config.v2.json"), *st = json_object_get(root, "State");

	assert_int_equal(json_object_set_new(root, "Name", json_string(name)), 0);
	assert_int_equal(json_object_set_new(st, "Running", json_boolean(c != NULL)), 0);
	assert_int_equal(json_object_set_new(st, "Pid", json_integer(c ? c->pid : 0)), 0);
	if (what)
		assert_int_equal(json_object_set_new(st, what, json_true()), 0);
	rig_put_json(g, CONFIG, root);
	json_decref(root);
}

static void put_run(const struct rig *g, const struct rig_child *c)
{
	json_t *root = runc_state("debian12-v1/docker-runc-state.json", c, NULL);

	if (access(rig_path(g, RUN), F_OK) < 0)
		rig_mkdir(g, RUN);
	rig_put_json(g, RUN "/state.json", root);
	json_decref(root);
}

static void every_version_is_understood(void **state)
{
	static const char *const versions[] = {"debian12-v1", "debian12-v2", "debian13-v2", "sid-v1"};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "docker", "docker");
	(void)rig_engine(g, "runc", "moby");
	rig_mkdir(g, "docker/containers");
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		char path[300];
		const char *id;
		json_t *config, *run;

		(void)snprintf(path, sizeof(path), "%s/docker-config.v2.json", versions[i]);
		config = rig_fixture(path);
		id = json_string_value(json_object_get(config, "ID"));
		(void)snprintf(path, sizeof(path), "docker/containers/%s", id);
		rig_mkdir(g, path);
		(void)snprintf(path, sizeof(path), "docker/containers/%s/config.v2.json", id);
		rig_put_json(g, path, config);
		rig_round(g);
		/* It says that it runs, and has a pid; without runc's word that is nothing. */
		assert_record(g, "docker", id, "smp", ROOT_CONTAINER_STOPPED);
		(void)snprintf(path, sizeof(path), "%s/docker-runc-state.json", versions[i]);
		run = runc_state(path, &c, NULL);
		(void)snprintf(path, sizeof(path), "moby/%s", id);
		rig_mkdir(g, path);
		(void)snprintf(path, sizeof(path), "moby/%s/state.json", id);
		rig_put_json(g, path, run);
		rig_round(g);
		assert_record(g, "docker", id, "smp", ROOT_CONTAINER_RUNNING);
		assert_int_equal(rig_find(g, "docker", id)->pid, c.pid);
		assert_string_equal(rig_find(g, "docker", id)->cgroup, c.cgroup);
		assert_int_equal(g->nrecords, i + 1);
		json_decref(config);
		json_decref(run);
	}
	child_end(&c);
}

static void a_container_lives(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;
	uint64_t rid;

	child_start(&c);
	child_start(&d);
	open_both(g);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	put_config(g, "/web", NULL, NULL); /* created */
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_STOPPED);
	rid = rig_find(g, "docker", ID12)->rid;
	put_run(g, &c);
	assert_int_equal(mkfifo(rig_path(g, RUN "/exec.fifo"), 0600), 0);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_CREATED);
	assert_int_equal(unlink(rig_path(g, RUN "/exec.fifo")), 0);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_RUNNING);
	put_config(g, "/web", &c, NULL);
	rig_round(g);
	assert_string_equal(g->order, ""); /* nothing new in that */
	put_config(g, "/shop", &c, NULL);
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_RUNNING);
	put_config(g, "/shop", &c, "Paused");
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_PAUSED);
	assert_int_equal(rig_find(g, "docker", ID12)->pid, c.pid);
	put_config(g, "/shop", &c, NULL);
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_RUNNING);
	/* Restarted: paused may still be said of the process before. */
	put_config(g, "/shop", &c, "Paused");
	rig_rmtree(g, RUN);
	put_run(g, &d);
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "docker", ID12)->pid, d.pid);
	/* Its end is seen though nobody corrects a file. */
	put_config(g, "/shop", &d, "Paused");
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_PAUSED);
	child_end(&d);
	rig_round(g);
	assert_record(g, "docker", ID12, "shop", ROOT_CONTAINER_STOPPED);
	assert_int_equal(rig_find(g, "docker", ID12)->rid, rid); /* one container all the time */
	rig_rmtree(g, RUN);
	rig_rmtree(g, HOME);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	child_end(&c);
}

static void the_name_absorbs_all_runs(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;

	child_start(&c);
	open_both(g);
	(void)rig_engine(g, "containerd", "containerd");
	put_run(g, &c);
	rig_round(g);
	assert_record(g, "runc", ID12, ID12, ROOT_CONTAINER_RUNNING); /* nobody lists it */
	/* A runtime that docker gives no directory of its own: containerd's, in docker's namespace. */
	rig_rmtree(g, RUN);
	rig_mkdir(g, "containerd/moby");
	rig_mkdir(g, "containerd/moby/" ID12);
	root = runc_state("debian12-v1/docker-runc-state.json", &c, NULL);
	rig_put_json(g, "containerd/moby/" ID12 "/state.json", root);
	json_decref(root);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "containerd", ID12, "moby/" ID12, ROOT_CONTAINER_RUNNING);
	put_config(g, "/web", &c, NULL);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_RUNNING);
	assert_string_equal(g->order, "-+"); /* never two for one container, not even for an instant */
	child_end(&c);
}

/* The pid is somebody else's by now, a zombie, the host's init, or a thread: nothing of it counts. */
static void a_stale_pid_is_not_running(void **state)
{
	struct rig *g = *state;
	struct rig_child c, wrong;

	child_start(&c);
	open_both(g);
	put_config(g, "/web", &c, "Paused");
	wrong = c;
	wrong.start_ticks--;
	put_run(g, &wrong);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_STOPPED);
	wrong = (struct rig_child){.pid = 1};
	put_run(g, &wrong);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_STOPPED);
	put_run(g, &c);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_PAUSED);
	child_zombie(&c);
	rig_round(g);
	assert_record(g, "docker", ID12, "web", ROOT_CONTAINER_STOPPED);
	put_config(g, "/web2", &c, "Paused");
	put_run(g, &c);
	rig_round(g);
	assert_record(g, "docker", ID12, "web2", ROOT_CONTAINER_STOPPED);
	child_end(&c);
}

static void how_it_ended_is_told_where_nobody_else_knows(void **state)
{
	struct rig *g = *state;
	json_t *root = rig_fixture("debian12-v1/docker-config.v2.json"), *st = json_object_get(root, "State");

	open_both(g);
	assert_int_equal(json_object_set_new(st, "Running", json_false()), 0);
	assert_int_equal(json_object_set_new(st, "ExitCode", json_integer(7)), 0);
	rig_put_json(g, CONFIG, root);
	rig_round(g);
	assert_false(rig_find(g, "docker", ID12)->exited); /* it has never run */
	assert_int_equal(json_object_set_new(st, "FinishedAt", json_string("2026-11-22T01:23:05.1Z")), 0);
	rig_put_json(g, CONFIG, root);
	rig_round(g);
	assert_true(rig_find(g, "docker", ID12)->exited);
	assert_int_equal(rig_find(g, "docker", ID12)->exit, 7 << 8);
	json_decref(root);
}

static void what_is_not_understood_changes_nothing(void **state)
{
	static const char *const bad[] = {"",           "{",
					  "{}",         "null",
					  "[]",         "{\"ID\":\"another\",\"Name\":\"/web\"}",
					  "{\"ID\":7}", "{\"ID\":\"" ID12 "\",\"ID\":\"" ID12 "\"}",
					  "\xff"};
	struct rig *g = *state;
	json_t *root = rig_fixture("debian12-v1/docker-config.v2.json");
	char *text = json_dumps(root, 0);
	const char *path;

	open_both(g);
	rig_put_json(g, CONFIG, root);
	rig_round(g);
	assert_record(g, "docker", ID12, "smp", ROOT_CONTAINER_STOPPED);
	for (size_t n = 0; n < strlen(text); n += 17) {
		rig_scribble(g, CONFIG, text, n);
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_put(g, CONFIG, bad[i], strlen(bad[i]));
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	path = rig_path(g, CONFIG);
	assert_int_equal(truncate(path, 5 * 1024 * 1024), 0); /* above the limit */
	rig_round(g);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	rig_round(g);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	rig_round(g);
	assert_int_equal(unlink(path), 0);
	rig_round(g);
	assert_record(g, "docker", ID12, "smp", ROOT_CONTAINER_STOPPED); /* until its directory goes */
	rig_rmtree(g, HOME);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	free(text);
	json_decref(root);
}

static void odd_names_and_states(void **state)
{
	static const struct {
		const char *name, *state, *want;
	} odd[] = {
		{"\"/\"", "{}", ""},
		{"\"\"", "{}", ""},
		{"7", "[]", ""},
		{"null", "null", ""},
		{"\"plain\"", "7", "plain"},
		{"\"/a b\"", "{\"Paused\":\"true\",\"Pid\":2}", "a b"},
		{"\"//x\"", "{\"Paused\":true,\"Pid\":-1}", "/x"},
		{"\"/y\"", "{\"Paused\":true,\"Pid\":99999999999}", "y"},
		{"\"/z\"", "{\"Paused\":true}", "z"},
	};
	struct rig *g = *state;
	struct rig_child c;
	char text[1024], name[ROOT_NAME_MAX + 2];

	child_start(&c);
	open_both(g);
	put_run(g, &c);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"State\":%s,\"Name\":%s,\"ID\":\"" ID12 "\"}", odd[i].state,
			       odd[i].name);
		rig_put(g, CONFIG, text, strlen(text));
		rig_round(g);
		assert_record(g, "docker", ID12, odd[i].want, ROOT_CONTAINER_RUNNING);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[ROOT_NAME_MAX] = '\0';
	(void)snprintf(text, sizeof(text), "{\"Name\":\"/%s\",\"ID\":\"" ID12 "\"}", name);
	rig_put(g, CONFIG, text, strlen(text));
	rig_round(g);
	assert_record(g, "docker", ID12, name, ROOT_CONTAINER_RUNNING);
	(void)snprintf(text, sizeof(text), "{\"Name\":\"/%sn\",\"ID\":\"" ID12 "\"}", name);
	rig_put(g, CONFIG, text, strlen(text));
	rig_round(g);
	assert_record(g, "docker", ID12, "", ROOT_CONTAINER_RUNNING); /* too long to be told, and never cut */
	child_end(&c);
}

/* dockerd makes it when it starts for the first time; with remapped users the whole tree is one deeper. */
static void the_tree_may_come_and_go(void **state)
{
	static const char *const homes[] = {"docker/231072.231072", "docker/containers", "docker/231072.",
					    "docker/x.1"};
	struct rig *g = *state;
	char name[300];

	(void)rig_engine(g, "docker", "docker");
	rig_round(g);
	for (int i = 0; i < 4; i++) {
		json_t *root = rig_fixture("debian12-v1/docker-config.v2.json");

		rig_mkdir(g, homes[i]);
		rig_round(g); /* seen while empty: what comes must be noticed all the same */
		(void)snprintf(name, sizeof(name), "%s%s", homes[i], i == 1 ? "" : "/containers");
		if (i != 1)
			rig_mkdir(g, name);
		rig_round(g);
		(void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "/" ID12);
		rig_mkdir(g, name);
		rig_round(g);
		(void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "/config.v2.json");
		rig_put_json(g, name, root);
		rig_round(g);
		assert_int_equal(g->nrecords, i < 2);
		rig_rmtree(g, homes[i]);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
		json_decref(root);
	}
	assert_int_equal(symlink("/tmp", rig_path(g, "docker/containers")), 0); /* not through a link */
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void lost_events_are_made_up_for(void **state)
{
	static const char other[] = "{\"ID\":\"other\",\"Name\":\"/db\"}";
	struct rig *g = *state;

	open_both(g);
	put_config(g, "/web", NULL, NULL);
	rig_round(g);
	/* The whole tree is another one by now. */
	rig_rmtree(g, "docker/containers");
	rig_mkdir(g, "docker/containers");
	rig_mkdir(g, "docker/containers/other");
	rig_put(g, "docker/containers/other/config.v2.json", other, strlen(other));
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0)
		;
	g->dirs[0].engine->rescan(&g->dirs[0]);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "docker", "other", "db", ROOT_CONTAINER_STOPPED);
	/* And it is watched. */
	rig_mkdir(g, HOME);
	put_config(g, "/web", NULL, NULL);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	rig_rmtree(g, "docker/containers/other");
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_version_is_understood),
		T(a_container_lives),
		T(the_name_absorbs_all_runs),
		T(a_stale_pid_is_not_running),
		T(how_it_ended_is_told_where_nobody_else_knows),
		T(what_is_not_understood_changes_nothing),
		T(odd_names_and_states),
		T(the_tree_may_come_and_go),
		T(lost_events_are_made_up_for),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_docker", tests, NULL, NULL);
}
