/* SPDX-License-Identifier: MIT */
/* What is defended: a podman container is one record with its name, whatever state its files and its run level are in. */
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

#define ID4 "778b5de45e4fd1a6b62bfada7ddda259b0a75533e5da64c6982e8a715e50722f" /* "smp" of podman 4 */
#define ID4B "459d4055c681b55c4c2648ca38d4bb3f65ae344f8d98fe1370cb1fcf74ceda62" /* "smprm" */
#define VOLATILE5 "3b4345b610b536172757eaf3ca69216a8a255b36edb3f1f62756b1b66b907902"
#define ID5 "620ddb6b7e6d6d5b6d9930b22619f93c997c429a16b81264ce8ff1a50e2f41cb" /* 5.8 */
#define ID5B "783e08acb24e6545f9547e45048de2ef70284a406a642397caa5b61589837f1f"

#define LIST "graph/overlay-containers/containers.json"

static void put_fixture(const struct rig *g, const char *fixture, const char *name)
{
	json_t *root = rig_fixture(fixture);

	rig_put_json(g, name, root);
	json_decref(root);
}

static void put_list(const struct rig *g, const char *text)
{
	rig_put(g, LIST, text, strlen(text));
}

static void open_graph(struct rig *g)
{
	(void)rig_engine(g, "podman", "graph");
	rig_mkdir(g, "graph/overlay-containers");
}

static void assert_record(const struct rig *g, const char *engine, const char *id, const char *name, uint32_t state)
{
	const struct rig_record *r = rig_find(g, engine, id);

	assert_non_null(r);
	assert_string_equal(r->name, name);
	assert_int_equal(r->state, state);
}

static void both_files_are_understood(void **state)
{
	struct rig *g = *state;

	open_graph(g);
	put_fixture(g, "debian12-v1/podman-containers.json", LIST);
	rig_mkdir(g, "graph/vfs-containers");
	put_fixture(g, "debian13-v2/podman-containers.json", "graph/vfs-containers/containers.json");
	put_fixture(g, "debian13-v2/podman-volatile-containers.json", "graph/vfs-containers/volatile-containers.json");
	rig_mkdir(g, "graph/zfs-containers");
	put_fixture(g, "sid-v1/podman-containers.json", "graph/zfs-containers/containers.json");
	put_fixture(g, "sid-v1/podman-volatile-containers.json", "graph/zfs-containers/volatile-containers.json");
	rig_round(g);
	assert_int_equal(g->nrecords, 6);
	assert_record(g, "podman", ID5, "smp", ROOT_CONTAINER_STOPPED);
	assert_record(g, "podman", ID5B, "smprm", ROOT_CONTAINER_STOPPED);
	rig_rmtree(g, "graph/zfs-containers");
	rig_round(g);
	assert_int_equal(g->nrecords, 4);
	assert_record(g, "podman", ID4, "smp", ROOT_CONTAINER_STOPPED);
	assert_record(g, "podman", ID4B, "smprm", ROOT_CONTAINER_STOPPED);
	assert_record(g, "podman", VOLATILE5, "smprm", ROOT_CONTAINER_STOPPED);
	/* The one goes, the other stays. */
	assert_int_equal(unlink(rig_path(g, "graph/vfs-containers/volatile-containers.json")), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 3);
	assert_null(rig_find(g, "podman", VOLATILE5));
	rig_rmtree(g, "graph/vfs-containers");
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
}

static void the_name_absorbs_the_run(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	uint64_t rid;

	child_start(&c);
	open_graph(g);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "runc", "runc");
	rig_crun(g, ID4, &c);
	rig_round(g);
	assert_record(g, "crun", ID4, ID4, ROOT_CONTAINER_RUNNING); /* nobody lists it */
	rid = rig_find(g, "crun", ID4)->rid;
	put_fixture(g, "debian12-v1/podman-containers.json", LIST);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_record(g, "podman", ID4, "smp", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "podman", ID4)->pid, c.pid);
	assert_string_equal(rig_find(g, "podman", ID4)->cgroup, c.cgroup);
	assert_record(g, "podman", ID4B, "smprm", ROOT_CONTAINER_STOPPED);
	assert_int_equal(g->order[0], '-'); /* never two for one container, not even for an instant */
	assert_true(rig_find(g, "podman", ID4)->rid > rid);
	/* And gives it back. */
	put_list(g, "[]");
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "crun", ID4, ID4, ROOT_CONTAINER_RUNNING);
	assert_string_equal(g->order, "--+");
	child_end(&c);
}

static void a_rename_keeps_everything_else(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	uint64_t rid;

	child_start(&c);
	open_graph(g);
	(void)rig_engine(g, "crun", "crun");
	put_list(g, "[{\"id\":\"" ID4 "\",\"names\":[\"web\"]}]");
	rig_crun(g, ID4, &c);
	rig_round(g);
	rid = rig_find(g, "podman", ID4)->rid;
	put_list(g, "[{\"id\":\"" ID4 "\",\"names\":[\"db\"]}]");
	rig_round(g);
	assert_string_equal(g->order, "+");
	assert_record(g, "podman", ID4, "db", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "podman", ID4)->rid, rid);
	put_list(g, "[{\"names\":[\"db\"],\"id\":\"" ID4 "\",\"more\":1}]"); /* another file, the same content */
	rig_round(g);
	assert_string_equal(g->order, "");
	child_end(&c);
}

static void a_restart_is_the_same_container_with_another_process(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;
	uint64_t rid;

	child_start(&c);
	child_start(&d);
	open_graph(g);
	(void)rig_engine(g, "crun", "crun");
	put_list(g, "[{\"id\":\"" ID4 "\",\"names\":[\"web\"]}]");
	rig_crun(g, ID4, &c);
	rig_round(g);
	rid = rig_find(g, "podman", ID4)->rid;
	child_end(&c);
	rig_round(g);
	assert_record(g, "podman", ID4, "web", ROOT_CONTAINER_STOPPED);
	rig_rmtree(g, "crun/" ID4);
	rig_round(g);
	assert_record(g, "podman", ID4, "web", ROOT_CONTAINER_STOPPED);
	rig_crun(g, ID4, &d);
	rig_round(g);
	assert_record(g, "podman", ID4, "web", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "podman", ID4)->pid, d.pid);
	assert_int_equal(rig_find(g, "podman", ID4)->rid, rid);
	child_end(&d);
}

/* crun left a stale directory, the container runs under runc now: the live one counts. */
static void a_stale_run_does_not_hide_a_live_one(void **state)
{
	struct rig *g = *state;
	struct rig_child c, dead;
	json_t *root;

	child_start(&c);
	child_start(&dead);
	child_end(&dead);
	open_graph(g);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "runc", "runc");
	put_list(g, "[{\"id\":\"" ID4 "\",\"names\":[\"web\"]}]");
	rig_crun(g, ID4, &dead);
	rig_mkdir(g, "runc/" ID4);
	root = runc_state("debian12-v1/runc-state.json", &c, NULL);
	rig_put_json(g, "runc/" ID4 "/state.json", root);
	json_decref(root);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "podman", ID4, "web", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "podman", ID4)->pid, c.pid);
	child_end(&c);
}

static void what_is_not_understood_changes_nothing(void **state)
{
	static const char *const bad[] = {"",    "{", "{}", "null", "[{\"id\":\"a\",\"id\":\"b\"}]", "[{\"id\":\"a\"}",
					  "\xff"};
	struct rig *g = *state;
	json_t *root = rig_fixture("debian12-v1/podman-containers.json");
	char *text = json_dumps(root, 0);
	const char *path;

	open_graph(g);
	rig_put_json(g, LIST, root);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	for (size_t n = 0; n < strlen(text); n += 11) {
		rig_scribble(g, LIST, text, n);
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_list(g, bad[i]);
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	path = rig_path(g, LIST);
	assert_int_equal(truncate(path, 17 * 1024 * 1024), 0); /* above the limit */
	rig_round(g);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	rig_round(g);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_int_equal(unlink(path), 0); /* no file: nothing is listed */
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	free(text);
	json_decref(root);
}

static void items_that_are_none_are_left_out(void **state)
{
	struct rig *g = *state;
	char text[2048], longest[ROOT_ID_MAX + 2], name[ROOT_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	open_graph(g);
	(void)snprintf(text, sizeof(text),
		       "[1,null,\"x\",[],{},{\"id\":1},{\"id\":\"\"},{\"id\":\".\"},{\"id\":\"..\"},{\"id\":\"../"
		       "x\"},{\"id\":\"%s\"},"
		       "{\"id\":\"a1\"},{\"id\":\"a2\",\"names\":[]},{\"id\":\"a3\",\"names\":[7]},{\"id\":\"a4\","
		       "\"names\":\"x\"},"
		       "{\"id\":\"a5\",\"names\":[\"\"]},{\"id\":\"a6\",\"names\":[\"%s\"]},"
		       "{\"id\":\"a7\",\"names\":[\"first\",\"second\"]},{\"id\":\"a7\",\"names\":[\"again\"]}]",
		       longest, name);
	put_list(g, text);
	rig_round(g);
	assert_int_equal(g->nrecords, 7);
	for (int i = 1; i <= 6; i++) {
		(void)snprintf(text, sizeof(text), "a%d", i);
		assert_record(g, "podman", text, "", ROOT_CONTAINER_STOPPED);
	}
	assert_record(g, "podman", "a7", "first", ROOT_CONTAINER_STOPPED);
}

static void one_id_in_two_lists_is_one_record(void **state)
{
	static const char second[] = "[{\"id\":\"" ID4 "\",\"names\":[\"web2\"]}]";
	struct rig *g = *state;

	open_graph(g);
	(void)rig_engine(g, "podman", "graph2");
	rig_mkdir(g, "graph2/overlay-containers");
	put_list(g, "[{\"id\":\"" ID4 "\",\"names\":[\"web\"]}]");
	rig_put(g, "graph2/overlay-containers/containers.json", second, strlen(second));
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	put_list(g, "[]");
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "podman", ID4, "web2", ROOT_CONTAINER_STOPPED);
}

static void a_driver_may_come_and_go(void **state)
{
	struct rig *g = *state;

	(void)rig_engine(g, "podman", "graph");
	rig_round(g);
	rig_mkdir(g, "graph/btrfs-containers");
	rig_round(g); /* seen while empty: the file must be noticed all the same */
	put_fixture(g, "debian12-v1/podman-containers.json", "graph/btrfs-containers/containers.json");
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_int_equal(rename(rig_path(g, "graph/btrfs-containers"), rig_path(g, "graph/zfs-containers")), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	put_fixture(g, "debian12-v2/podman-containers.json", "graph/zfs-containers/containers.json");
	rig_round(g);
	assert_null(rig_find(g, "podman", ID4));
	rig_rmtree(g, "graph/zfs-containers");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	assert_int_equal(symlink("/tmp", rig_path(g, "graph/vfs-containers")), 0); /* not through a link */
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void lost_events_are_made_up_for(void **state)
{
	struct rig *g = *state;

	open_graph(g);
	put_list(g, "[{\"id\":\"a\",\"names\":[\"web\"]}]");
	rig_round(g);
	put_list(g, "[{\"id\":\"b\",\"names\":[\"web\"]}]");
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0)
		;
	g->dirs[0].engine->rescan(&g->dirs[0]);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "podman", "b", "web", ROOT_CONTAINER_STOPPED);
}

static void three_thousand_at_once(void **state)
{
	struct rig *g = *state;
	json_t *root = json_array();
	char id[32];

	open_graph(g);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(id, sizeof(id), "c%d", i);
		assert_int_equal(json_array_append_new(root, json_pack("{s:s,s:[s]}", "id", id, "names", id)), 0);
	}
	rig_put_json(g, LIST, root);
	rig_round(g);
	assert_int_equal(g->nrecords, 3000);
	assert_int_equal(json_array_remove(root, 1500), 0);
	assert_int_equal(json_array_append_new(root, json_pack("{s:s,s:[s]}", "id", "new", "names", "new")), 0);
	rig_put_json(g, LIST, root);
	rig_round(g);
	assert_string_equal(g->order, "-+"); /* only the difference is told */
	json_decref(root);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_files_are_understood),
		T(the_name_absorbs_the_run),
		T(a_rename_keeps_everything_else),
		T(a_restart_is_the_same_container_with_another_process),
		T(a_stale_run_does_not_hide_a_live_one),
		T(what_is_not_understood_changes_nothing),
		T(items_that_are_none_are_left_out),
		T(one_id_in_two_lists_is_one_record),
		T(a_driver_may_come_and_go),
		T(lost_events_are_made_up_for),
		T(three_thousand_at_once),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_podman", tests, NULL, NULL);
}
