/* SPDX-License-Identifier: MIT */
/*
 * The index: that a name never leads to a container that it does not name, whatever the others are called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../server/frontend/index.h"

static struct index ix;

static int setup(void **state)
{
	(void)state;
	index_init(&ix);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	index_fini(&ix);
	return 0;
}

static struct container_record record_of(uint64_t rid, const char *engine, const char *id, const char *name)
{
	struct container_record m = {.rid = rid, .state = ROOT_CONTAINER_RUNNING, .owner = 0};

	m.engine = str_of(engine);
	m.id = str_of(id);
	m.name = str_of(name);
	m.cgroup = STR("/c");
	return m;
}

static int put(uint64_t rid, const char *engine, const char *id, const char *name)
{
	struct container_record m = record_of(rid, engine, id, name);

	return index_put(&ix, &m, -1);
}

static int put_user(uint64_t rid, const char *engine, uint32_t owner, const char *user, const char *id,
		    const char *name)
{
	struct container_record m = record_of(rid, engine, id, name);

	m.owner = owner;
	m.user = str_of(user);
	return index_put(&ix, &m, -1);
}

static struct index_match find(const char *name, uint32_t prefix_min)
{
	struct index_match m;

	index_find(&ix, str_of(name), prefix_min, &m);
	return m;
}

/* The rid that @name leads to; 0: none, -1: several. */
static long found(const char *name)
{
	struct index_match m = find(name, 4);

	return m.count == 0 ? 0 : m.count > 1 ? -1 : (long)m.record->rid;
}

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(put(1, "podman", "abcdef01", "web"), 0);
	assert_int_equal(put(2, "podman", "abcdef02", "abcdef01"), 0);
	assert_int_equal(put(3, "crun", "web", ""), 0);
	assert_int_equal(put(4, "lxc", "db", "db"), 0);
	assert_int_equal(put(5, "podman", "dbdbdbdb", "other"), 0);

	/* a full id before a name, in whatever engine */
	assert_int_equal(found("abcdef01"), 1);
	assert_int_equal(found("web"), 3);
	/* a name before a prefix */
	assert_int_equal(found("db"), 4);
	assert_int_equal(found("other"), 5);
	/* a prefix only when it is unique */
	assert_int_equal(found("abcdef0"), -1);
	assert_int_equal(found("dbdb"), 5);
	assert_int_equal(found("abcdef012"), 0);
	/* an empty name is not a name */
	assert_int_equal(found("crun:"), 0);
	assert_int_equal(found(":"), 0);
}

static void test_prefix_limits(void **state)
{
	struct index_match m;

	(void)state;
	assert_int_equal(put(1, "podman", "deadbeef", "x"), 0);
	/* A name that does not exist must not become the container whose id begins with it. */
	assert_int_equal(find("dea", 4).count, 0);
	m = find("dead", 4);
	assert_int_equal(m.count, 1);
	assert_true(m.by_prefix);
	assert_int_equal(find("d", 1).count, 1);
	assert_int_equal(find("deadbee", 8).count, 0);
	assert_int_equal(find("deadbeef", 64).count, 1);
	/* what counts is the part behind the engine */
	assert_int_equal(find("podman:dea", 4).count, 0);
	assert_int_equal(find("podman:dead", 4).count, 1);
}

/* LXC and the run directories: what is a name has no prefixes, or a container that is gone would become its neighbour. */
static void test_names_have_no_prefixes(void **state)
{
	(void)state;
	assert_int_equal(put(1, "lxc", "web-10", "web-10"), 0);
	assert_int_equal(put(2, "podman", "web-1234", "shop"), 0);
	assert_int_equal(found("web-10"), 1);
	assert_int_equal(found("web-1"), 2);
	assert_int_equal(found("lxc:web-1"), 0);
	/* And the other way round when it gets, or loses, a name of its own. */
	assert_int_equal(put(2, "podman", "web-1234", "web-1234"), 0);
	assert_int_equal(found("web-1"), 0);
	assert_int_equal(put(1, "lxc", "web-10", ""), 0);
	assert_int_equal(found("web-1"), 1);
	assert_int_equal(index_remove(&ix, 1), 0);
	assert_int_equal(found("web-1"), 0);
	/* Nor has one that is a name within a namespace, but for a namespace's name it is no matter how it ends. */
	assert_int_equal(put(3, "containerd", "db-10", "build/db-10"), 0);
	assert_int_equal(found("db-1"), 0);
	assert_int_equal(found("db-10"), 3);
	assert_int_equal(found("build/db-10"), 3);
	assert_int_equal(put(3, "containerd", "db-10", "buildxdb-10"), 0);
	assert_int_equal(found("db-1"), 3);
	assert_int_equal(put(3, "containerd", "db-10", "prod/db/app"), 0);
	assert_int_equal(found("db-1"), 3);
}

static void test_engine_narrows(void **state)
{
	struct index_match m;

	(void)state;
	assert_int_equal(put(1, "podman", "aaaa1111", "web"), 0);
	assert_int_equal(put(2, "lxc", "web", "web"), 0);
	assert_int_equal(put(3, "docker", "bbbb1111", "web"), 0);
	assert_int_equal(put(4, "odd", "odd1", "web2"), 0);
	assert_int_equal(found("podman:web"), 1);
	assert_int_equal(found("lxc:web"), 2);
	assert_int_equal(found("docker:web"), 3);
	assert_int_equal(found("odd:web2"), 4); /* an engine that only the index knows */
	assert_int_equal(found("crun:web"), 0);
	assert_int_equal(found("podman:aaaa"), 1);
	assert_int_equal(found("lxc:aaaa"), 0);

	assert_int_equal(index_remove(&ix, 2), 0);
	m = find("web", 4);
	assert_int_equal(m.count, 2);
	for (unsigned i = 0; index_engine(&ix, i); i++) {
		bool matches = !strcmp(index_engine(&ix, i), "podman") || !strcmp(index_engine(&ix, i), "docker");

		assert_int_equal(!!(m.engines & (1u << i)), matches);
	}
}

/* Whatever a user's files say, names and ids, what is root's keeps its meaning. */
static void test_users_never_shadow(void **state)
{
	(void)state;
	assert_int_equal(put_user(1, "podman", 1000, "alice", "abcdef01", "web"), 0);
	assert_int_equal(found("web"), 1);
	assert_int_equal(put(2, "podman", "abcdef01", "db"), 0);
	assert_int_equal(put_user(3, "podman", 1001, "bob", "db", "abcdef0"), 0);
	assert_int_equal(put_user(4, "crun", 1001, "bob", "podman:db", "podman:abcdef01"), 0);
	assert_int_equal(found("abcdef01"), 2); /* the same id */
	assert_int_equal(found("db"), 2); /* an id comes before a name, but not a user's before root's */
	assert_int_equal(found("abcdef"), 2); /* not even before a prefix */
	assert_int_equal(found("abcdef0"), 2);
	assert_int_equal(found("podman:db"), 2); /* nor is it a twin */
	assert_int_equal(found("podman:abcdef01"), 2);
	/* And is found where nothing of root's is called so. */
	assert_int_equal(found("web"), 1);
	assert_int_equal(found("crun:podman:db"), 4);
	assert_int_equal(index_remove(&ix, 2), 0);
	assert_int_equal(found("db"), 3);
	assert_int_equal(found("abcdef01"), 1);
}

static void test_user_narrows(void **state)
{
	struct index_match m;

	(void)state;
	assert_int_equal(put(1, "podman", "aaaa0000", "web"), 0);
	assert_int_equal(put_user(2, "podman", 1000, "alice", "aaaa1111", "web"), 0);
	assert_int_equal(put_user(3, "podman", 1001, "bob", "aaaa2222", "web"), 0);
	assert_int_equal(put_user(4, "crun", 1000, "alice", "x", "web"), 0);
	assert_int_equal(put_user(5, "podman", 1002, "", "aaaa1111", "own"), 0);
	assert_int_equal(found("podman@alice:web"), 2);
	assert_int_equal(found("podman@1000:web"), 2);
	assert_int_equal(found("podman@bob:web"), 3);
	assert_int_equal(found("podman@1002:own"), 5);
	assert_int_equal(found("podman@1002:aaaa"), 5); /* each one's prefixes, and ids, are his own */
	assert_int_equal(found("podman@alice:aaaa1111"), 2);
	assert_int_equal(found("podman@alice:aaaa2222"), 0);
	assert_int_equal(found("podman@0:web"), 1);
	assert_int_equal(found("podman@carol:web"), 0);
	assert_int_equal(found("podman@:own"), 0); /* nobody's name is no name */
	assert_int_equal(found("podman@4294968296:web"), 0); /* 1000 in 32 bits */
	assert_int_equal(found("docker@alice:web"), 0);
	/* Without a user it is the system's; without one of those, who? */
	assert_int_equal(found("podman:web"), 1);
	assert_int_equal(index_remove(&ix, 1), 0);
	assert_int_equal(found("podman:web"), -1);
	assert_int_equal(found("crun:web"), 4);
	m = find("podman:web", 4);
	assert_int_equal(m.count, 2);
	assert_int_equal(m.record->owner, 1000);
	assert_int_equal(m.other->owner, 1001);
	assert_int_equal(find("web", 4).count, 3);
}

/* A name may look like the address of another. */
static void test_at_in_name(void **state)
{
	(void)state;
	assert_int_equal(put(1, "lxc", "a@b", "a@b"), 0);
	assert_int_equal(put(2, "lxc", "odd@b:c", "x"), 0);
	assert_int_equal(put_user(3, "podman", 1001, "bob", "bbbb", "podman@alice:web"), 0);
	assert_int_equal(found("a@b"), 1);
	assert_int_equal(found("odd@b:c"), 2);
	assert_int_equal(found("lxc:a@b"), 1);
	/* bob catches no question that is for alice's, not even while she has none */
	assert_int_equal(found("podman@alice:web"), 0);
	assert_int_equal(found("podman@bob:podman@alice:web"), 3);
	assert_int_equal(put_user(4, "podman", 1000, "alice", "aaaa", "web"), 0);
	assert_int_equal(found("podman@alice:web"), 4);
	/* her own may be either */
	assert_int_equal(put_user(5, "crun", 1000, "alice", "podman@alice:web", ""), 0);
	assert_int_equal(found("podman@alice:web"), -1);
	assert_int_equal(index_remove(&ix, 4), 0);
	assert_int_equal(found("podman@alice:web"), 5);
	/* and what is root's is found by its name */
	assert_int_equal(put(6, "lxc", "podman@alice:web", ""), 0);
	assert_int_equal(found("podman@alice:web"), 6);
}

/* Whoever may choose his container's name must not catch the questions that are for another. */
static void test_colon_in_name(void **state)
{
	(void)state;
	assert_int_equal(put(1, "podman", "aaaa1111", "web"), 0);
	assert_int_equal(put(2, "crun", "a:b", ""), 0);
	assert_int_equal(put(3, "crun", "nowhere:web", "x:y:z"), 0);
	assert_int_equal(put(4, "lxc", "lxc:self", "self"), 0);
	assert_int_equal(found("a:b"), 2);
	assert_int_equal(found("crun:a:b"), 2);
	assert_int_equal(found("nowhere:web"), 3);
	assert_int_equal(found("x:y:z"), 3);
	assert_int_equal(found("nowhere:w"), 3); /* a prefix like any other: "nowhere" is no engine */
	assert_int_equal(found("lxc:self"), 4); /* both ways to the same one */
	assert_int_equal(found("podman:web"), 1);

	assert_int_equal(put(5, "crun", "podman:web", ""), 0);
	assert_int_equal(found("podman:web"), -1);
	assert_int_equal(found("crun:podman:web"), 5);
	assert_int_equal(found("podman:aaaa1111"), 1);
	assert_int_equal(index_remove(&ix, 1), 0);
	assert_int_equal(found("podman:web"), 5);
}

static void test_same_id_twice(void **state)
{
	(void)state;
	for (uint64_t rid = 1; rid <= 100; rid++)
		assert_int_equal(put(rid, "crun", "same", rid % 2 ? "odd" : "even"), 0);
	assert_int_equal(found("same"), -1);
	assert_int_equal(find("same", 4).count, 100);
	assert_int_equal(find("odd", 4).count, 50);
	for (uint64_t rid = 1; rid <= 99; rid++)
		assert_int_equal(index_remove(&ix, rid), 0);
	assert_int_equal(found("same"), 100);
	assert_int_equal(index_remove(&ix, 99), -ENOENT);
}

static void test_bytes(void **state)
{
	struct container_record m = record_of(1, "crun", "x", "y");
	char longest[ROOT_NAME_MAX];
	struct index_match match;

	(void)state;
	/* Names are bytes: what is beyond ASCII sorts and compares as it is. */
	m.id = STR("\xff\xfe\x01");
	m.name = STR("a\nb");
	assert_int_equal(index_put(&ix, &m, -1), 0);
	memset(longest, 'n', sizeof(longest));
	m = record_of(2, "crun", "x", "");
	m.name = (struct str){longest, sizeof(longest)};
	assert_int_equal(index_put(&ix, &m, -1), 0);
	index_find(&ix, STR("\xff\xfe\x01"), 4, &match);
	assert_int_equal(match.count, 1);
	index_find(&ix, STR("a\nb"), 4, &match);
	assert_int_equal(match.count, 1);
	index_find(&ix, m.name, 4, &match);
	assert_int_equal(match.count, 1);
	m.name.len--;
	index_find(&ix, m.name, 4, &match);
	assert_int_equal(match.count, 0);
}

static void test_refuses_nonsense(void **state)
{
	struct container_record m;
	unsigned room = INDEX_ENGINES_MAX - ix.nengines; /* beside those that are known from the start */

	(void)state;
	m = record_of(0, "crun", "x", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(UINT64_MAX, "crun", "x", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "", "x", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "a:b", "x", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "a@b", "x", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "crun", "", "y");
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "crun", "x", "y");
	m.state = ROOT_CONTAINER_STATES;
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	m = record_of(1, "crun", "x", "y");
	m.pid = 0x80000000u;
	assert_int_equal(index_put(&ix, &m, -1), -EBADMSG);
	/* and engines without end */
	for (uint64_t rid = 1; rid <= INDEX_ENGINES_MAX + 1; rid++) {
		char engine[16];

		(void)snprintf(engine, sizeof(engine), "e%d", (int)rid);
		assert_int_equal(put(rid, engine, "x", "y"), rid <= room ? 0 : -EBADMSG);
	}
	assert_int_equal(ix.nengines, INDEX_ENGINES_MAX);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A pidfd that is left open is a descriptor fewer for a client, each time a container restarts. */
static void test_owns_pidfds(void **state)
{
	struct container_record m = record_of(1, "crun", "x", "y");
	int first = (int)syscall(SYS_pidfd_open, getpid(), 0), second = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int third = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct record *kept;

	(void)state;
	assert_int_equal(index_put(&ix, &m, first), 0);
	assert_int_equal(index_put(&ix, &m, second), 0);
	assert_false(is_open(first));
	assert_true(is_open(second));
	kept = record_ref(ix.rids.v[0]);
	assert_int_equal(index_remove(&ix, 1), 0);
	/* somebody is asking about it just now */
	assert_true(record_alive(kept));
	record_unref(kept);
	assert_false(is_open(second));

	m.state = 77;
	assert_int_equal(index_put(&ix, &m, third), -EBADMSG);
	assert_false(is_open(third));
}

static void test_alive(void **state)
{
	struct container_record m = record_of(1, "crun", "x", "y");
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	assert_int_equal(index_put(&ix, &m, (int)syscall(SYS_pidfd_open, pid, 0)), 0);
	assert_true(record_alive(ix.rids.v[0]));
	assert_int_equal(kill(pid, SIGKILL), 0);
	/* a zombie is dead, whether it was reaped or not */
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
	assert_false(record_alive(ix.rids.v[0]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(record_alive(ix.rids.v[0]));
	assert_int_equal(put(2, "crun", "z", ""), 0);
	assert_false(record_alive(ix.rids.v[1]));
}

static void test_listing(void **state)
{
	struct record *r;
	uint64_t last = 0;

	(void)state;
	assert_null(index_after(&ix, 0));
	for (uint64_t rid = 30; rid; rid -= 10)
		assert_int_equal(put(rid, "crun", rid == 20 ? "b" : "a", ""), 0);
	for (uint64_t expected = 10; expected <= 30; expected += 10) {
		r = index_after(&ix, last);
		assert_non_null(r);
		assert_int_equal(r->rid, expected);
		last = r->rid;
	}
	assert_null(index_after(&ix, last));
	assert_null(index_after(&ix, UINT64_MAX));
	assert_int_equal(index_after(&ix, 11)->rid, 20);
}

static void test_clear(void **state)
{
	(void)state;
	assert_int_equal(put(1, "crun", "aaaa", "n"), 0);
	index_clear(&ix);
	assert_int_equal(found("aaaa"), 0);
	assert_int_equal(found("n"), 0);
	assert_null(index_after(&ix, 0));
	assert_int_equal(put(1, "crun", "aaaa", "n"), 0);
	assert_int_equal(found("aaaa"), 1);
}

/* --- Cgroups ----------------------------------------------------------------------------------------------------- */

static void put_cgroup(uint64_t rid, const char *cgroup, bool runs)
{
	struct container_record m = record_of(rid, "crun", "x", "");

	m.cgroup = str_of(cgroup);
	assert_int_equal(index_put(&ix, &m, runs ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1), 0);
}

static long found_cgroup(const char *path)
{
	struct index_match m;

	index_find_cgroup(&ix, str_of(path), &m);
	return m.count == 0 ? 0 : m.count > 1 ? -1 : (long)m.record->rid;
}

static void test_cgroups(void **state)
{
	struct container_record m;

	(void)state;
	assert_int_equal(found_cgroup("/a"), 0);
	put_cgroup(1, "/a", true);
	put_cgroup(2, "/a/b/c", true);
	put_cgroup(3, "/a-b", true); /* in between, for who compares bytes */
	put_cgroup(4, "/a/b.x/y", true);
	put_cgroup(5, "/", true);
	put_cgroup(6, "/stopped", false);
	assert_int_equal(found_cgroup("/a"), 1);
	assert_int_equal(found_cgroup("/a/b"), 1);
	assert_int_equal(found_cgroup("/a/b/c"), 2);
	assert_int_equal(found_cgroup("/a/b/c/d/e"), 2);
	assert_int_equal(found_cgroup("/a/b/cc"), 1);
	assert_int_equal(found_cgroup("/a/b.x/z"), 1);
	assert_int_equal(found_cgroup("/a/zzz"), 1);
	/* A user's, in what he shares with all others; and in what was given to him. */
	m = record_of(7, "podman", "u1", "u1");
	m.user = STR("alice");
	m.owner = 1001;
	m.cgroup = STR("/user.slice");
	m.pid = 9;
	assert_int_equal(index_put(&ix, &m, dup(0)), 0);
	assert_int_equal(found_cgroup("/user.slice"), 0);
	assert_int_equal(found_cgroup("/user.slice/user-1002.slice/x"), 0);
	m.rid = 8;
	m.id = m.name = STR("u2");
	m.cgroup = STR("/user.slice/user-1001.slice/user@1001.service/x.scope");
	assert_int_equal(index_put(&ix, &m, dup(0)), 0);
	assert_int_equal(found_cgroup("/user.slice/user-1001.slice/user@1001.service/x.scope/y"), 8);
	assert_int_equal(found_cgroup("/a-b/c"), 3);
	assert_int_equal(found_cgroup("/a-"), 0);
	assert_int_equal(found_cgroup("/aa"), 0);
	assert_int_equal(found_cgroup("/"), 0);
	assert_int_equal(found_cgroup("/x"), 0);
	assert_int_equal(found_cgroup("/stopped"), 0);
	put_cgroup(7, "/a/b/c", true);
	assert_int_equal(found_cgroup("/a/b/c/d"), -1);
	assert_int_equal(index_remove(&ix, 2), 0);
	put_cgroup(7, "/moved", true);
	assert_int_equal(found_cgroup("/a/b/c/d"), 1);
	assert_int_equal(found_cgroup("/moved"), 7);
}

static void random_path(char *text)
{
	static const char *const parts[] = {"/a", "/b", "/a-", "/ab"};

	text[0] = '\0';
	for (int i = 1 + rand() % 5; i > 0; i--)
		strcat(text, parts[rand() % 4]);
}

static void test_cgroups_against_naive(void **state)
{
	static char paths[30][32];
	long answers[3] = {0};

	(void)state;
	srand(21);
	memset(paths, 0, sizeof(paths));
	for (int round = 0; round < 20000; round++) {
		int change = rand() % 30;
		size_t best = 0;
		long expected = 0;
		char path[32];

		random_path(paths[change]);
		put_cgroup((uint64_t)change + 1, paths[change], true);
		random_path(path);
		for (int i = 0; i < 30; i++) {
			size_t len = strlen(paths[i]);

			if (!len || strncmp(path, paths[i], len) != 0 || (path[len] && path[len] != '/') || len < best)
				continue;
			expected = len == best ? -1 : i + 1;
			best = len;
		}
		if (found_cgroup(path) != expected)
			fail_msg("round %d: %s leads to %ld, not %ld", round, path, found_cgroup(path), expected);
		answers[expected < 0 ? 2 : expected > 0]++;
	}
	for (int i = 0; i < 3; i++)
		assert_true(answers[i] > 500);
}

/* --- Many -------------------------------------------------------------------------------------------------------- */

static void test_ten_thousand(void **state)
{
	char id[65], name[32];

	(void)state;
	for (uint64_t rid = 1; rid <= 10000; rid++) {
		(void)snprintf(id, sizeof(id), "%016llx%048d", (unsigned long long)(rid * 0x9e3779b97f4a7c15ull), 0);
		(void)snprintf(name, sizeof(name), "pod-%llu", (unsigned long long)rid);
		assert_int_equal(put(rid, rid % 3 ? "podman" : "crun", id, name), 0);
	}
	for (uint64_t rid = 1; rid <= 10000; rid++) {
		(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)(rid * 0x9e3779b97f4a7c15ull));
		(void)snprintf(name, sizeof(name), "pod-%llu", (unsigned long long)rid);
		assert_int_equal(found(id), rid);
		assert_int_equal(found(name), rid);
		(void)snprintf(name, sizeof(name), "%s:pod-%llu", rid % 3 ? "podman" : "crun", (unsigned long long)rid);
		assert_int_equal(found(name), rid);
	}
	assert_int_equal(found("pod-10001"), 0);
}

static void test_full(void **state)
{
	struct container_record m = record_of(1, "crun", "aaaa", "");

	(void)state;
	for (m.rid = 1; m.rid <= INDEX_RECORDS_MAX; m.rid++)
		assert_int_equal(index_put(&ix, &m, -1), 0);
	assert_int_equal(index_put(&ix, &m, -1), -ENOSPC);
	m.rid = 1; /* a new version of one that is there fits */
	assert_int_equal(index_put(&ix, &m, -1), 0);
}

/* The naming rules once more, as a naive loop over all records. */
#define NAIVE 40
static struct naive {
	uint64_t rid;
	char engine[8], id[8], name[12];
} naive[NAIVE];

static long naive_pass(const char *engine, const char *key, int step)
{
	long result = 0;

	for (int i = 0; i < NAIVE; i++) {
		const struct naive *n = &naive[i];
		bool fits = step == 0   ? !strcmp(n->id, key)
			    : step == 1 ? !strcmp(n->name, key)
					: !strncmp(n->id, key, strlen(key)) && strcmp(n->id, n->name);

		if (n->rid && fits && (!engine || !strcmp(engine, n->engine)))
			result = result ? -1 : (long)n->rid;
	}
	return result;
}

static long naive_resolve(const char *engine, const char *key, size_t prefix_min)
{
	long result = 0;

	for (int step = 0; step < 3 && !result && *key; step++)
		if (step < 2 || strlen(key) >= prefix_min)
			result = naive_pass(engine, key, step);
	return result;
}

static long naive_find(const char *name)
{
	static const char *const engines[] = {"podman",     "crun",  "runc",   "lxc", "docker",
					      "containerd", "cri-o", "nspawn", "ab"};

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		size_t len = strlen(engines[i]);

		if (!strncmp(name, engines[i], len) && name[len] == ':') {
			long whole = naive_resolve(NULL, name, 1000),
			     part = naive_resolve(engines[i], name + len + 1, 2);

			return !whole || whole == part ? part : !part ? whole : -1;
		}
	}
	return naive_resolve(NULL, name, 2);
}

static void random_text(char *text, int longest, int shortest)
{
	static const char letters[] = "aab:";
	int len = shortest + rand() % (longest - shortest + 1);

	for (int i = 0; i < len; i++)
		text[i] = letters[rand() % 4];
	text[len] = '\0';
}

/* Few letters and short names, so that ids, names, prefixes, engines and colons meet in every way. */
static void test_against_naive(void **state)
{
	static const char *const engines[] = {"crun", "lxc", "ab"};
	struct index_match m;
	long answers[3] = {0};

	(void)state;
	srand(20);
	assert_int_equal(put(1000000, "ab", "zz", ""), 0); /* the index must know the third */
	for (int round = 0; round < 60000; round++) {
		struct naive *n = &naive[rand() % NAIVE];
		char question[32], tail[12];
		long expected, got;

		if (rand() % 4 == 0) {
			if (n->rid)
				assert_int_equal(index_remove(&ix, n->rid), 0);
			n->rid = 0;
		} else {
			if (!n->rid)
				n->rid = (uint64_t)(n - naive) + 1 + (uint64_t)(rand() % 1000) * NAIVE;
			(void)snprintf(n->engine, sizeof(n->engine), "%s", engines[rand() % 3]);
			random_text(n->id, 6, 1);
			random_text(n->name, 6, 0);
			if (rand() % 8 == 0)
				(void)snprintf(n->name, sizeof(n->name), "%s:a", engines[rand() % 3]);
			assert_int_equal(put(n->rid, n->engine, n->id, n->name), 0);
		}
		random_text(tail, 6, 0);
		if (rand() % 3)
			(void)snprintf(question, sizeof(question), "%s", *tail ? tail : "a");
		else
			(void)snprintf(question, sizeof(question), "%s:%s", engines[rand() % 3], tail);
		expected = naive_find(question);
		index_find(&ix, str_of(question), 2, &m);
		got = m.count == 0 ? 0 : m.count > 1 ? -1 : (long)m.record->rid;
		if (got != expected)
			fail_msg("round %d: \"%s\" leads to %ld, not %ld", round, question, got, expected);
		answers[expected < 0 ? 2 : expected > 0]++;
	}
	/* The test must have met all three in numbers. */
	for (int i = 0; i < 3; i++)
		assert_true(answers[i] > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_have_no_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_engine_narrows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users_never_shadow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_narrows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_in_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_colon_in_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroups_against_naive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_id_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owns_pidfds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ten_thousand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_against_naive, setup, teardown),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
