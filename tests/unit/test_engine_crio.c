/* SPDX-License-Identifier: MIT */
/* What is defended: a container of CRI-O is one record, called as in Kubernetes, whatever podman and the runtime know of it. */
#include <setjmp.h>
#include <signal.h>
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

#define POD_ID "7f8e68b0361f10dabfce07f7bc11f7ccc8f0d5e6ca29b1b873da4cfcab5d2852"
#define APP_ID "89daba6aced3a6ac731ca2934af759eb1b230b62e6c8d9742dbf0453a1435325"
#define POD "shop/web-9679459ff-tf4k9"
#define APP POD "/app"
#define UID "db8524d6-dc30-4916-9e99-cf866ef5312d"
#define STORE "storage/overlay-containers"
#define LIST STORE "/containers.json"
#define STATE STORE "/" APP_ID "/userdata/state.json"

static void open_engines(struct rig *g)
{
	(void)rig_engine(g, "podman", "storage");
	(void)rig_engine(g, "cri-o", "storage");
	(void)rig_engine(g, "crun", "crun");
	rig_mkdir(g, STORE);
}

static void put_list(const struct rig *g, const json_t *list)
{
	rig_put_json(g, LIST, list);
}

static void put_fixture(const struct rig *g)
{
	json_t *list = rig_fixture("cri-o/containers.json");

	put_list(g, list);
	json_decref(list);
}

static void make_userdata(const struct rig *g)
{
	rig_mkdir(g, STORE "/" APP_ID);
	rig_mkdir(g, STORE "/" APP_ID "/userdata");
}

static json_t *app_state(const char *status, const struct rig_child *c)
{
	json_t *root = rig_fixture("cri-o/state.json");
	char ticks[32];

	(void)snprintf(ticks, sizeof(ticks), "%llu", (unsigned long long)c->start_ticks);
	assert_int_equal(json_object_set_new(root, "status", json_string(status)), 0);
	assert_int_equal(json_object_set_new(root, "initPid", json_integer(c->pid)), 0);
	assert_int_equal(json_object_set_new(root, "initStartTime", json_string(ticks)), 0);
	return root;
}

static void put_state(const struct rig *g, const char *status, const struct rig_child *c)
{
	json_t *root = app_state(status, c);

	rig_put_json(g, STATE, root);
	json_decref(root);
}

static void assert_record(const struct rig *g, const char *id, const char *name, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "cri-o", id);

	assert_non_null(r);
	assert_string_equal(r->name, name);
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
}

static void a_life(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;
	bool told;

	child_start(&c);
	open_engines(g);
	rig_round(g);
	/* It is listed first, and gets its directories afterwards, one by one. */
	put_fixture(g);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_record(g, POD_ID, POD, ROOT_CONTAINER_STOPPED, 0); /* without a process of its own */
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	rig_mkdir(g, STORE "/" APP_ID);
	rig_round(g);
	rig_mkdir(g, STORE "/" APP_ID "/userdata");
	rig_round(g);
	put_state(g, "created", &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_CREATED, c.pid);
	put_state(g, "running", &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	assert_string_equal(rig_find(g, "cri-o", APP_ID)->cgroup, c.cgroup);
	child_end(&c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	told = rig_find(g, "cri-o", APP_ID)->exited; /* by the kernel, whose word is the better one */
	root = app_state("stopped", &c);
	assert_int_equal(json_object_set_new(root, "exitCode", json_integer(3)), 0);
	rig_put_json(g, STATE, root);
	json_decref(root);
	rig_round(g);
	assert_true(rig_find(g, "cri-o", APP_ID)->exited);
	assert_int_equal(rig_find(g, "cri-o", APP_ID)->exit, told ? SIGKILL : 3 << 8);
	rig_put(g, LIST, "[]", 2);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void what_is_there_before_is_found(void **state)
{
	struct rig *g = *state;
	struct rig_child c, gone;
	json_t *root;

	child_start(&c);
	rig_mkdir(g, "storage");
	rig_mkdir(g, STORE);
	put_fixture(g);
	make_userdata(g);
	/* Its end was seen by nobody who still has the process: then the file is believed. */
	child_start(&gone);
	child_end(&gone);
	root = app_state("stopped", &gone);
	assert_int_equal(json_object_set_new(root, "exitCode", json_integer(3)), 0);
	rig_put_json(g, STATE, root);
	json_decref(root);
	(void)rig_engine(g, "cri-o", "storage");
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	assert_true(rig_find(g, "cri-o", APP_ID)->exited);
	assert_int_equal(rig_find(g, "cri-o", APP_ID)->exit, 3 << 8);
	put_state(g, "running", &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	assert_false(rig_find(g, "cri-o", APP_ID)->exited);
	g->dirs[0].engine->rescan(&g->dirs[0]);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	/* Its directories go, and others come. */
	rig_rmtree(g, STORE "/" APP_ID);
	rig_round(g);
	make_userdata(g);
	rig_round(g);
	put_state(g, "paused", &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_PAUSED, c.pid);
	child_end(&c);
}

static void one_container_is_one_record(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *list, *podmans;

	child_start(&c);
	open_engines(g);
	list = rig_fixture("cri-o/containers.json");
	podmans = rig_fixture("debian12-v1/podman-containers.json");
	assert_int_equal(json_array_extend(list, podmans), 0);
	/* One of podman's that is called as if it were not. */
	assert_int_equal(
		json_array_append_new(list, json_pack("{s:s, s:[s], s:s}", "id", "abc", "names", "k8s_app_web_shop_0",
						      "metadata", "{\"name\":\"k8s_app_web_shop_0\"}")),
		0);
	put_list(g, list);
	make_userdata(g);
	put_state(g, "running", &c);
	rig_crun(g, APP_ID, &c); /* the runtime knows it, too */
	rig_round(g);
	assert_int_equal(g->nrecords, 2 + json_array_size(podmans) + 1);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	assert_null(rig_find(g, "podman", APP_ID));
	assert_null(rig_find(g, "crun", APP_ID));
	assert_non_null(rig_find(g, "podman", "abc"));
	json_decref(list);
	json_decref(podmans);
	child_end(&c);
}

static void the_runtime_alone_suffices(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;

	child_start(&c);
	open_engines(g);
	put_fixture(g);
	rig_crun(g, APP_ID, &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	/* Versions before 1.20 wrote another kind of start time. */
	make_userdata(g);
	root = app_state("running", &c);
	assert_int_equal(json_object_set_new(root, "initStartTime", json_integer(1636461334)), 0);
	rig_put_json(g, STATE, root);
	json_decref(root);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid);
	rig_rmtree(g, "crun/" APP_ID);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	child_end(&c);
}

static void a_claim_is_checked(void **state)
{
	struct rig *g = *state;
	struct rig_child c, wrong;

	child_start(&c);
	open_engines(g);
	put_fixture(g);
	make_userdata(g);
	wrong = c;
	wrong.start_ticks++;
	put_state(g, "running", &wrong);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	put_state(g, "running", &c);
	rig_round(g);
	rig_put(g, STATE, "{\"status\":", 10);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_RUNNING, c.pid); /* what was good stays */
	put_state(g, "stopped", &c);
	rig_round(g);
	assert_record(g, APP_ID, APP, ROOT_CONTAINER_STOPPED, 0);
	child_end(&c);
}

/* An item like the fixture's container. */
static json_t *again(const char *id, const char *name, const char *pod_name, json_int_t created)
{
	json_t *list = rig_fixture("cri-o/containers.json"), *item = json_incref(json_array_get(list, 1));
	json_t *metadata = json_loads(json_string_value(json_object_get(item, "metadata")), 0, NULL);
	char *text;

	assert_int_equal(json_object_set_new(item, "id", json_string(id)), 0);
	assert_int_equal(json_object_set_new(item, "names", json_pack("[s]", name)), 0);
	assert_int_equal(json_object_set_new(metadata, "created-at", json_integer(created)), 0);
	assert_int_equal(json_object_set_new(metadata, "attempt", json_integer(atoi(strrchr(name, '_') + 1))), 0);
	if (pod_name)
		assert_int_equal(json_object_set_new(metadata, "pod-name", json_string(pod_name)), 0);
	text = json_dumps(metadata, 0);
	assert_int_equal(json_object_set_new(item, "metadata", json_string(text)), 0);
	free(text);
	json_decref(metadata);
	json_decref(list);
	return item;
}

#define ATTEMPT(n) "k8s_app_web-9679459ff-tf4k9_shop_" UID "_" n

static void the_newest_has_the_name(void **state)
{
	struct rig *g = *state;
	json_t *list;

	open_engines(g);
	list = rig_fixture("cri-o/containers.json");
	assert_int_equal(json_array_append_new(list, again("b", ATTEMPT("1"), NULL, 1636461400)), 0);
	put_list(g, list);
	rig_round(g);
	assert_record(g, APP_ID, ATTEMPT("0"), ROOT_CONTAINER_STOPPED, 0);
	assert_record(g, "b", APP, ROOT_CONTAINER_STOPPED, 0);
	/* Two of the same second. */
	assert_int_equal(json_array_insert_new(list, 0, again("d", ATTEMPT("10"), NULL, 1636461500)), 0);
	assert_int_equal(json_array_append_new(list, again("c", ATTEMPT("9"), NULL, 1636461500)), 0);
	put_list(g, list);
	rig_round(g);
	assert_record(g, "b", ATTEMPT("1"), ROOT_CONTAINER_STOPPED, 0);
	assert_record(g, "c", ATTEMPT("9"), ROOT_CONTAINER_STOPPED, 0);
	assert_record(g, "d", APP, ROOT_CONTAINER_STOPPED, 0);
	/* The newest goes. */
	assert_int_equal(json_array_remove(list, 0), 0);
	put_list(g, list);
	rig_round(g);
	assert_record(g, "c", APP, ROOT_CONTAINER_STOPPED, 0);
	json_decref(list);
}

static void what_kubernetes_did_not_name_keeps_its_name(void **state)
{
	static const char *const pods[] = {"k8s_a_b_ns_uid_0", "k8s_a_ns_0", "a_b_c_d_e", "k8s_a/b_ns_uid_0", ""};
	struct rig *g = *state;
	json_t *list = json_array();
	char id[8];

	open_engines(g);
	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		(void)snprintf(id, sizeof(id), "id%zu", i);
		assert_int_equal(json_array_append_new(list, again(id, ATTEMPT("0"), pods[i], 1)), 0);
	}
	put_list(g, list);
	rig_round(g);
	assert_int_equal(g->nrecords, sizeof(pods) / sizeof(pods[0]));
	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		(void)snprintf(id, sizeof(id), "id%zu", i);
		assert_record(g, id, ATTEMPT("0"), ROOT_CONTAINER_STOPPED, 0);
	}
	json_decref(list);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_life),
		T(what_is_there_before_is_found),
		T(one_container_is_one_record),
		T(the_runtime_alone_suffices),
		T(a_claim_is_checked),
		T(the_newest_has_the_name),
		T(what_kubernetes_did_not_name_keeps_its_name),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("cri-o", tests, NULL, NULL);
}
