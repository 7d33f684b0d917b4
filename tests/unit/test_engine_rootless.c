/* SPDX-License-Identifier: MIT */
/* What is defended: whatever a user puts where his engines keep their files costs a bounded amount of time and memory, and only his own
 * containers; and it never makes a container of a process that is not his. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/procfd.h"
#include "resolver_rig.h"

#define NEEDS_ROOT          \
	if (geteuid() != 0) \
	skip()
#define ALICE 61001
#define BOB 61002
#define ID "778b5de45e4fd1a6b62bfada7ddda259b0a75533e5da64c6982e8a715e50722f"
#define LIST "[{\"id\":\"" ID "\",\"names\":[\"web\"]}]"

static struct owner alice, bob;
static struct rig_child hers, roots;

/* A process in a user namespace that is made of the user's uid alone, as a rootless container's. */
static void user_child(struct rig_child *c, uid_t uid)
{
	int ready[2], proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	struct proc_stat st;
	char byte, map[64];

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 || unshare(CLONE_NEWUSER) < 0)
			_exit(99);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of uid clears it */
		(void)prctl(PR_SET_DUMPABLE, 1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)snprintf(map, sizeof(map), "/proc/%d/uid_map", (int)c->pid);
	fd = open(map, O_WRONLY | O_CLOEXEC);
	(void)snprintf(map, sizeof(map), "0 %u 1\n", uid);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, map, strlen(map)), (ssize_t)strlen(map));
	(void)close(fd);
	assert_int_equal(proc_read_stat(proc, c->pid, &st), 0);
	c->start_ticks = st.start_ticks;
	assert_true(proc_read_cgroup(proc, c->pid, c->cgroup, sizeof(c->cgroup)) > 0);
	(void)close(proc);
}

static int setup(void **state)
{
	int r = rig_setup(state);
	struct rig *g = *state;

	if (r != 0 || geteuid() != 0)
		return r;
	assert_true(owner_parse("61001:alice:", 12, &alice));
	assert_true(owner_parse("61002:bob:200000+65536", 22, &bob));
	user_child(&hers, ALICE);
	child_start(&roots);
	g->user = &alice;
	return 0;
}

static int teardown(void **state)
{
	int r = rig_teardown(state);

	if (geteuid() != 0)
		return r;
	child_end(&hers);
	child_end(&roots);
	assert_int_equal(alice.containers, 0); /* each was given back */
	assert_int_equal(bob.containers, 0);
	owner_fini(&alice);
	owner_fini(&bob);
	return r;
}

static void give(const struct rig *g, const char *name, uid_t uid)
{
	assert_int_equal(lchown(rig_path(g, name), uid, uid), 0);
}

/* crun/ID/status about @c, all of it the user's. */
static void put_status(const struct rig *g, const char *dir, const char *id, const struct rig_child *c, uid_t uid)
{
	json_t *root = crun_status("debian12-v1/crun-status.json", c, NULL);
	char name[300];

	(void)snprintf(name, sizeof(name), "%s/%s", dir, id);
	if (access(rig_path(g, name), F_OK) < 0)
		rig_mkdir(g, name);
	give(g, name, uid);
	(void)snprintf(name, sizeof(name), "%s/%s/status.new", dir, id);
	rig_put_json(g, name, root);
	give(g, name, uid);
	json_decref(root);
	{
		char final[300];

		(void)snprintf(final, sizeof(final), "%s/%s/status", dir, id);
		assert_int_equal(rename(rig_path(g, name), rig_path(g, final)), 0);
	}
}

static void put_list(const struct rig *g, const char *dir, const char *text, size_t len, uid_t uid)
{
	char name[300], final[300];

	(void)snprintf(name, sizeof(name), "%s/vfs-containers", dir);
	if (access(rig_path(g, name), F_OK) < 0)
		rig_mkdir(g, name);
	give(g, name, uid);
	(void)snprintf(name, sizeof(name), "%s/vfs-containers/new", dir);
	(void)snprintf(final, sizeof(final), "%s/vfs-containers/containers.json", dir);
	rig_put(g, name, text, len);
	give(g, name, uid);
	assert_int_equal(rename(rig_path(g, name), rig_path(g, final)), 0);
}

/* --- Whose is it? ------------------------------------------------------------------------------------------------- */

static void what_a_user_runs_is_his(void **state)
{
	struct rig *g = *state;
	const struct rig_record *r;

	NEEDS_ROOT;
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "podman", "podman");
	put_status(g, "crun", ID, &hers, ALICE);
	put_list(g, "podman", LIST, strlen(LIST), ALICE);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	r = rig_find(g, "podman", ID);
	assert_non_null(r);
	assert_int_equal(r->pid, hers.pid);
	assert_int_equal(r->owner, ALICE);
	assert_string_equal(r->user, "alice");
	assert_string_equal(r->name, "web");
}

static void processes_of_others_are_not(void **state)
{
	struct rig *g = *state;
	struct rig_child bobs;

	NEEDS_ROOT;
	user_child(&bobs, BOB);
	(void)rig_engine(g, "crun", "crun");
	put_status(g, "crun", "own", &hers, ALICE);
	put_status(g, "crun", "roots", &roots, ALICE);
	put_status(g, "crun", "bobs", &bobs, ALICE);
	rig_round(g);
	assert_int_equal(rig_find(g, "crun", "own")->pid, hers.pid);
	assert_int_equal(rig_find(g, "crun", "roots")->state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(rig_find(g, "crun", "bobs")->state, ROOT_CONTAINER_STOPPED);
	child_end(&bobs);
}

static void one_id_of_two_owners_is_two_containers(void **state)
{
	struct rig *g = *state;
	const struct rig_record *r;
	int found = 0;

	NEEDS_ROOT;
	/* She is first in every list. */
	(void)rig_engine(g, "podman", "hers");
	put_list(g, "hers", LIST, strlen(LIST), ALICE);
	rig_round(g);
	g->user = NULL;
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "podman", "podman");
	rig_crun(g, ID, &roots);
	put_list(g, "podman", LIST, strlen(LIST), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	for (size_t i = 0; i < g->nrecords; i++) {
		r = &g->records[i];
		assert_string_equal(r->engine, "podman");
		if (r->user[0]) {
			assert_int_equal(r->owner, ALICE);
			assert_int_equal(r->state, ROOT_CONTAINER_STOPPED);
		} else {
			assert_int_equal(r->pid, roots.pid);
			found++;
		}
	}
	assert_int_equal(found, 1);
}

/* --- What else may be in the place of a file -------------------------------------------------------------------------- */

/* crun/x/status, put there by @make, is no container's; and one beside it is as it was. */
static void check_hostile(struct rig *g, const char *what, void (*make)(const struct rig *g, const char *path))
{
	uint64_t begin = loop_now_ms();

	rig_mkdir(g, "crun/x");
	give(g, "crun/x", ALICE);
	make(g, rig_path(g, "crun/x/status"));
	rig_round(g);
	if (rig_find(g, "crun", "x") != NULL)
		fail_msg("%s: taken", what);
	assert_int_equal(rig_find(g, "crun", "own")->pid, hers.pid);
	if (loop_now_ms() - begin > 2000)
		fail_msg("%s: took %llu ms", what, (unsigned long long)(loop_now_ms() - begin));
	rig_rmtree(g, "crun/x");
	rig_round(g);
	usleep(OWNER_SLICE_MS * 1000); /* her next slice */
}

static void make_link(const struct rig *g, const char *path)
{
	assert_int_equal(symlink(rig_path(g, "crun/own/status"), path), 0);
}

static void make_fifo(const struct rig *g, const char *path)
{
	(void)g;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(chown(path, ALICE, ALICE), 0);
}

static void make_device(const struct rig *g, const char *path)
{
	(void)g;
	(void)!mknod(path, S_IFCHR | 0600, makedev(1, 5)); /* zeroes without end */
	(void)!chown(path, ALICE, ALICE);
}

static void make_directory(const struct rig *g, const char *path)
{
	(void)g;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, ALICE, ALICE), 0);
}

static void make_file_of_another(const struct rig *g, const char *path)
{
	json_t *root = crun_status("debian12-v1/crun-status.json", &hers, NULL);

	(void)path;
	rig_put_json(g, "crun/x/status", root); /* root's: she may have a hard link to it */
	json_decref(root);
}

static void make_gigabyte(const struct rig *g, const char *path)
{
	(void)g;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	assert_int_equal(fchown(fd, ALICE, ALICE), 0);
	(void)close(fd);
}

static void fill(const struct rig *g, const char *head, const char *unit, const char *tail, size_t size)
{
	char *text = malloc(size + 64), *p = text;

	assert_non_null(text);
	p = stpcpy(p, head);
	while ((size_t)(p - text) + strlen(unit) + strlen(tail) < size)
		p = stpcpy(p, unit);
	p = stpcpy(p, tail);
	rig_put(g, "crun/x/status", text, (size_t)(p - text));
	give(g, "crun/x/status", ALICE);
	free(text);
}

static void make_deep(const struct rig *g, const char *path)
{
	(void)path;
	fill(g, "", "[", "", OWNER_FILE_MAX - 64);
}

static void make_wide(const struct rig *g, const char *path)
{
	(void)path;
	fill(g, "[0", ",{}", "]", OWNER_FILE_MAX - 64);
}

static void make_too_long(const struct rig *g, const char *path)
{
	(void)path;
	fill(g, "{\"pid\":2,\"x\":\"", "y", "\"}", OWNER_FILE_MAX + 8192);
}

static void make_binary(const struct rig *g, const char *path)
{
	(void)path;
	rig_put(g, "crun/x/status", "{\"pid\":\0\xff}", 10);
	give(g, "crun/x/status", ALICE);
}

static void whatever_is_in_the_place_of_a_file(void **state)
{
	struct rig *g = *state;

	NEEDS_ROOT;
	(void)rig_engine(g, "crun", "crun");
	put_status(g, "crun", "own", &hers, ALICE);
	rig_round(g);
	check_hostile(g, "a link", make_link);
	check_hostile(g, "a FIFO", make_fifo);
	check_hostile(g, "a device", make_device);
	check_hostile(g, "a directory", make_directory);
	check_hostile(g, "another's file", make_file_of_another);
	check_hostile(g, "a gigabyte", make_gigabyte);
	check_hostile(g, "deep", make_deep);
	check_hostile(g, "wide", make_wide);
	check_hostile(g, "too long", make_too_long);
	check_hostile(g, "binary", make_binary);
}

static void a_container_is_a_directory_of_hers(void **state)
{
	struct rig *g = *state;

	NEEDS_ROOT;
	(void)rig_engine(g, "crun", "crun");
	rig_mkdir(g, "elsewhere");
	put_status(g, "elsewhere", "x", &hers, ALICE);
	assert_int_equal(symlink(rig_path(g, "elsewhere/x"), rig_path(g, "crun/link")), 0);
	put_status(g, "crun", "bobs", &hers, ALICE);
	give(g, "crun/bobs", BOB);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void a_list_that_is_not_good_leaves_what_there_was(void **state)
{
	static const char *const bad[] = {"", "[", "{}", "[{\"id\":\"a\"},", "\"x\"", "[{\"id\":\"a\",\"id\":\"b\"}]"};
	struct rig *g = *state;

	NEEDS_ROOT;
	(void)rig_engine(g, "podman", "podman");
	put_list(g, "podman", LIST, strlen(LIST), ALICE);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_list(g, "podman", bad[i], strlen(bad[i]), ALICE);
		rig_round(g);
		assert_int_equal(g->nrecords, 1);
	}
	put_list(g, "podman", "[]", 2, ALICE);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	/* Root's file, in her directory: not hers to show. */
	put_list(g, "podman", LIST, strlen(LIST), 0);
	give(g, "podman/vfs-containers", ALICE);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

/* --- How much ------------------------------------------------------------------------------------------------------ */

static void more_containers_than_a_user_may_have(void **state)
{
	struct rig *g = *state;
	char *text = NULL, name[64];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (geteuid() != 0) {
		(void)fclose(f);
		free(text);
		skip();
	}
	for (int i = 0; i < 3 * OWNER_CONTAINERS_MAX; i++)
		(void)fprintf(f, "%s{\"id\":\"i%d\"}", i ? "," : "[", i);
	(void)fprintf(f, "]");
	assert_int_equal(fclose(f), 0);
	(void)rig_engine(g, "podman", "podman");
	put_list(g, "podman", text, len, ALICE);
	rig_round(g);
	assert_int_equal(g->nrecords, 2 * OWNER_CONTAINERS_MAX);
	free(text);
	(void)rig_engine(g, "crun", "crun");
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "crun/d%d", i);
		rig_mkdir(g, name);
		give(g, name, ALICE);
	}
	rig_round(g);
	assert_int_equal(alice.containers, 2 * OWNER_CONTAINERS_MAX);
	put_list(g, "podman", "[]", 2, ALICE);
	usleep(OWNER_SLICE_MS * 1000);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

/* A user whose files are long waits for her next slice of time; a second user does not. */
static void one_users_files_do_not_delay_anothers(void **state)
{
	struct rig *g = *state;
	struct rig_child bobs;
	char name[64], *text = malloc(OWNER_FILE_MAX);

	assert_non_null(text);
	if (geteuid() != 0) {
		free(text);
		skip();
	}
	user_child(&bobs, BOB);
	memset(text, ' ', OWNER_FILE_MAX);
	text[0] = '{';
	text[OWNER_FILE_MAX - 1] = '}';
	(void)rig_engine(g, "crun", "crun");
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "crun/d%d", i);
		rig_mkdir(g, name);
		give(g, name, ALICE);
		(void)snprintf(name, sizeof(name), "crun/d%d/status", i);
		rig_put(g, name, text, OWNER_FILE_MAX);
		give(g, name, ALICE);
	}
	g->user = &bob;
	(void)rig_engine(g, "crun", "bobs");
	put_status(g, "bobs", "b", &bobs, BOB);
	alice.bytes = 0;
	rig_round(g);
	assert_in_range(alice.bytes, OWNER_SLICE_BYTES, 2 * OWNER_SLICE_BYTES + OWNER_LOOK_BYTES);
	assert_int_equal(rig_find(g, "crun", "b")->pid, bobs.pid);
	free(text);
	child_end(&bobs);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_a_user_runs_is_his),
		T(processes_of_others_are_not),
		T(one_id_of_two_owners_is_two_containers),
		T(whatever_is_in_the_place_of_a_file),
		T(a_container_is_a_directory_of_hers),
		T(a_list_that_is_not_good_leaves_what_there_was),
		T(more_containers_than_a_user_may_have),
		T(one_users_files_do_not_delay_anothers),
	};

	return cmocka_run_group_tests_name("rootless engines", tests, NULL, NULL);
}
