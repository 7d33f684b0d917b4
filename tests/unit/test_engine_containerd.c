/* SPDX-License-Identifier: MIT */
/* What is defended: containers of containerd, in any number of namespaces, are told apart and bear their names. */
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

#define APP "baf3c4a870e7b034bf34e7a6a04dd9cd5c50221a09fc8b8a0c29e22257a74d3b"
#define SANDBOX "29ae6daec655d06f999cecc3dfd199761cd481bb53caddc8e4a4cb6d16ad87ce"
#define HOSTNET_APP "04c7c9c179fbf0555125fc8f50f12c9614f620655c3251905fd47127bcf41260"

static const char *member_path(const char *ns, const char *id, const char *file)
{
	static char path[1024];

	(void)snprintf(path, sizeof(path), "containerd/%s/%s%s%s", ns, id, file ? "/" : "", file ? file : "");
	return path;
}

static void make_member(const struct rig *g, const char *ns, const char *id)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "containerd/%s", ns);
	if (access(rig_path(g, path), F_OK) < 0)
		rig_mkdir(g, path);
	if (access(rig_path(g, member_path(ns, id, NULL)), F_OK) < 0)
		rig_mkdir(g, member_path(ns, id, NULL));
}

static void put_run(const struct rig *g, const char *ns, const char *id, const char *fixture, const struct rig_child *c)
{
	json_t *root = runc_state(fixture, c, NULL);

	make_member(g, ns, id);
	rig_put_json(g, member_path(ns, id, "state.json"), root);
	json_decref(root);
}

static void every_version_is_understood(void **state)
{
	static const char *const versions[] = {"debian12-v1", "debian12-v2", "debian13-v2", "sid-v1"};
	struct rig *g = *state;
	struct rig_child c;
	char path[64];

	child_start(&c);
	(void)rig_engine(g, "containerd", "containerd");
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/containerd-runc-state.json", versions[i]);
		put_run(g, "default", versions[i], path, &c);
		rig_round(g);
		assert_record(g, "containerd", versions[i], versions[i], ROOT_CONTAINER_RUNNING);
		assert_int_equal(rig_find(g, "containerd", versions[i])->pid, c.pid);
		assert_string_equal(rig_find(g, "containerd", versions[i])->cgroup, c.cgroup);
	}
	child_end(&c);
}

static void pods_have_names(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "containerd", "containerd");
	put_run(g, "k8s.io", APP, "kubernetes-v1/app-runc-state.json", &c);
	put_run(g, "k8s.io", SANDBOX, "kubernetes-v1/sandbox-runc-state.json", &c);
	put_run(g, "k8s.io", HOSTNET_APP, "kubernetes-v1/hostnet-app-runc-state.json", &c);
	put_run(g, "k8s.io", "other", "debian12-v1/containerd-runc-state.json", &c);
	rig_round(g);
	assert_int_equal(g->nrecords, 4);
	assert_record(g, "containerd", APP, "default/web-abc12/app", ROOT_CONTAINER_RUNNING);
	assert_record(g, "containerd", SANDBOX, "default/web-abc12", ROOT_CONTAINER_RUNNING);
	assert_record(g, "containerd", HOSTNET_APP, "default/hostnet-xyz/app", ROOT_CONTAINER_RUNNING);
	assert_record(g, "containerd", "other", "k8s.io/other", ROOT_CONTAINER_RUNNING);
	child_end(&c);
}

static void crun_may_be_the_runtime(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *status, *bundle = rig_fixture("kubernetes-v1/app-config.json");

	child_start(&c);
	status = crun_status("debian12-v1/crun-status.json", &c, NULL);
	(void)rig_engine(g, "containerd", "containerd");
	make_member(g, "k8s.io", APP);
	rig_put_json(g, member_path("k8s.io", APP, "status"), status);
	rig_round(g);
	assert_record(g, "containerd", APP, "k8s.io/" APP, ROOT_CONTAINER_RUNNING);
	rig_put_json(g, member_path("k8s.io", APP, "config.json"), bundle);
	rig_put_json(g, member_path("k8s.io", APP, "status"), status);
	rig_round(g);
	assert_record(g, "containerd", APP, "default/web-abc12/app", ROOT_CONTAINER_RUNNING);
	json_decref(status);
	json_decref(bundle);
	child_end(&c);
}

#define CRI "io.kubernetes.cri."

static void odd_annotations(void **state)
{
	static const struct {
		const char *labels, *want;
	} odd[] = {
		{"null", "n/x"},
		{"{}", "n/x"},
		{"[1,null,[],\"\",\"=\",\"bundle=/b\"]", "n/x"},
		{"[\"" CRI "sandbox-namespace=a\",\"" CRI "sandbox-name=p\"]", "n/x"}, /* of no type */
		{"[\"" CRI "sandbox-namespace=a\",\"" CRI "sandbox-name=p\",\"" CRI "container-type=sandbox\"]", "a/p"},
		{"[\"" CRI "sandbox-namespace=a\",\"" CRI "sandbox-name=p\",\"" CRI "container-type=container\"]",
		 "n/x"},
		{"[\"" CRI "sandbox-namespace=a\",\"" CRI "sandbox-name=p/q\",\"" CRI "container-type=sandbox\"]",
		 "n/x"},
		{"[\"" CRI "sandbox-namespace=\",\"" CRI "sandbox-name=p\",\"" CRI "container-type=sandbox\"]", "n/x"},
		{"[\"" CRI "sandbox-namespace=a\",\"" CRI "sandbox-name=p\",\"" CRI "container-type=container\",\"" CRI
		 "container-name=c=d\"]",
		 "a/p/c=d"},
		{"[\"nerdctl/name=nice\"]", "n/nice"},
		{"[\"nerdctl/name=\"]", "n/x"},
		{"[\"nerdctl/name=a/b\"]", "n/x"},
		{"[\"nerdctl/names=nice\"]", "n/x"},
	};
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;
	char *longest;

	child_start(&c);
	root = runc_state("debian12-v1/containerd-runc-state.json", &c, NULL);
	(void)rig_engine(g, "containerd", "containerd");
	make_member(g, "n", "x");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_t *labels = json_loads(odd[i].labels, JSON_DECODE_ANY, NULL);

		assert_non_null(labels);
		assert_int_equal(json_object_set_new(json_object_get(root, "config"), "labels", labels), 0);
		rig_put_json(g, member_path("n", "x", "state.json"), root);
		rig_round(g);
		assert_record(g, "containerd", "x", odd[i].want, ROOT_CONTAINER_RUNNING);
	}
	/* A name that is too long is none: it is never cut. */
	longest = malloc(2 * ROOT_NAME_MAX);
	assert_non_null(longest);
	memset(longest, 'n', 2 * ROOT_NAME_MAX);
	memcpy(longest, "nerdctl/name=", strlen("nerdctl/name="));
	longest[strlen("nerdctl/name=") + ROOT_NAME_MAX] = '\0';
	assert_int_equal(json_object_set_new(json_object_get(root, "config"), "labels", json_pack("[s]", longest)), 0);
	rig_put_json(g, member_path("n", "x", "state.json"), root);
	rig_round(g);
	assert_record(g, "containerd", "x", "x", ROOT_CONTAINER_RUNNING);
	free(longest);
	json_decref(root);
	child_end(&c);
}

static void namespaces_are_worlds_of_their_own(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;

	child_start(&c);
	child_start(&d);
	(void)rig_engine(g, "containerd", "containerd");
	(void)rig_engine(g, "runc", "runc");
	put_run(g, "default", "web", "debian12-v1/containerd-runc-state.json", &c);
	put_run(g, "other", "web", "debian12-v1/containerd-runc-state.json", &d);
	rig_round(g);
	assert_int_equal(g->nrecords, 2); /* one id, two containers */
	child_end(&c);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	rig_rmtree(g, "containerd/default");
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_record(g, "containerd", "web", "other/web", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "containerd", "web")->pid, d.pid);
	/* The namespace comes back. */
	child_start(&c);
	put_run(g, "default", "db", "debian12-v1/containerd-runc-state.json", &c);
	rig_round(g);
	assert_record(g, "containerd", "db", "db", ROOT_CONTAINER_RUNNING);
	/* And a runc container that somebody called the same is another one. */
	rig_mkdir(g, "runc/db");
	rig_put(g, "runc/db/state.json", "{}", 2);
	rig_round(g);
	assert_record(g, "containerd", "db", "db", ROOT_CONTAINER_RUNNING);
	child_end(&c);
	child_end(&d);
}

static void a_container_lives(void **state)
{
	static const char fixture[] = "debian12-v1/containerd-runc-state.json";
	struct rig *g = *state;
	struct rig_child c, d, wrong;
	uint64_t rid;

	child_start(&c);
	child_start(&d);
	(void)rig_engine(g, "containerd", "containerd");
	make_member(g, "default", "web");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	assert_int_equal(mkfifo(rig_path(g, member_path("default", "web", "exec.fifo")), 0600), 0);
	put_run(g, "default", "web", fixture, &c);
	rig_round(g);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_CREATED);
	rid = rig_find(g, "containerd", "web")->rid;
	assert_int_equal(unlink(rig_path(g, member_path("default", "web", "exec.fifo"))), 0);
	rig_round(g);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_RUNNING);
	child_end(&c); /* nobody says so */
	rig_round(g);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_STOPPED);
	assert_int_equal(rig_find(g, "containerd", "web")->rid, rid);
	wrong = d; /* its number is another process's by now */
	wrong.start_ticks++;
	put_run(g, "default", "web", fixture, &wrong);
	rig_round(g);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_STOPPED);
	/* A new task is a new directory. */
	rig_rmtree(g, member_path("default", "web", NULL));
	put_run(g, "default", "web", fixture, &d);
	rig_round(g);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_RUNNING);
	assert_int_equal(rig_find(g, "containerd", "web")->pid, d.pid);
	assert_true(rig_find(g, "containerd", "web")->rid > rid);
	rig_rmtree(g, member_path("default", "web", NULL));
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	child_end(&d);
}

static void what_is_not_understood_changes_nothing(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "null", "[]", "{\"init_process_pid\":1}", "\xff"};
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;
	char *text;

	child_start(&c);
	root = runc_state("kubernetes-v1/app-runc-state.json", &c, NULL);
	text = json_dumps(root, 0);
	(void)rig_engine(g, "containerd", "containerd");
	put_run(g, "k8s.io", APP, "kubernetes-v1/app-runc-state.json", &c);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	for (size_t n = 0; n < strlen(text); n += 41) {
		rig_scribble(g, member_path("k8s.io", APP, "state.json"), text, n);
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_put(g, member_path("k8s.io", APP, "state.json"), bad[i], strlen(bad[i]));
		rig_round(g);
		assert_string_equal(g->order, "");
	}
	/* What stands among namespaces and is none. */
	rig_put(g, "containerd/file", "x", 1);
	assert_int_equal(symlink("k8s.io", rig_path(g, "containerd/link")), 0);
	rig_mkdir(g, "containerd/.hidden");
	rig_round(g);
	assert_string_equal(g->order, "");
	assert_record(g, "containerd", APP, "default/web-abc12/app", ROOT_CONTAINER_RUNNING);
	free(text);
	json_decref(root);
	child_end(&c);
}

static void lost_events_are_made_up_for(void **state)
{
	static const char fixture[] = "debian12-v1/containerd-runc-state.json";
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "containerd", "containerd");
	put_run(g, "default", "web", fixture, &c);
	put_run(g, "gone", "web", fixture, &c);
	rig_round(g);
	/* One namespace is another directory by now, one is gone, one is new. */
	rig_rmtree(g, "containerd/default");
	rig_rmtree(g, "containerd/gone");
	put_run(g, "default", "db", fixture, &c);
	put_run(g, "new", "shop", fixture, &c);
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0)
		;
	g->dirs[0].engine->rescan(&g->dirs[0]);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_record(g, "containerd", "db", "db", ROOT_CONTAINER_RUNNING);
	assert_record(g, "containerd", "shop", "new/shop", ROOT_CONTAINER_RUNNING);
	/* And all is watched. */
	put_run(g, "default", "web", fixture, &c);
	rig_rmtree(g, "containerd/new/shop");
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	assert_record(g, "containerd", "web", "web", ROOT_CONTAINER_RUNNING);
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_version_is_understood),
		T(pods_have_names),
		T(crun_may_be_the_runtime),
		T(odd_annotations),
		T(namespaces_are_worlds_of_their_own),
		T(a_container_lives),
		T(what_is_not_understood_changes_nothing),
		T(lost_events_are_made_up_for),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_containerd", tests, NULL, NULL);
}
