/* SPDX-License-Identifier: MIT */
/*
 * What is defended: a process is said to be in a container only if it is; and facts are about the container that was asked for, with
 * the files that they are from.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "../../server/resolver/find.h"
#include "resolver_ends.h"

/* --- With a /proc of our own, about real processes --------------------------------------------------------------- */

#define PROCESSES 4
static struct published published;
static struct rig_child child[PROCESSES];
static int pidfds[PROCESSES];

static int setup(void **state)
{
	(void)state;
	strcpy(rig.tmp, "/tmp/test_find.XXXXXX");
	assert_non_null(mkdtemp(rig.tmp));
	rig.ctx.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	published = (struct published){0};
	for (int i = 0; i < PROCESSES; i++) {
		child_start(&child[i]);
		pidfds[i] = procfd_open(child[i].pid);
		assert_true(pidfds[i] >= 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	published_fini(&published);
	for (int i = 0; i < PROCESSES; i++) {
		child_end(&child[i]);
		(void)close(pidfds[i]);
	}
	(void)close(rig.ctx.proc);
	rig_rmtree(&rig, "");
	return 0;
}

static void process(int i, pid_t ppid, const char *cgroups)
{
	rig_process(&rig, &(struct rig_process){child[i].pid, ppid, 1, "x", cgroups});
}

static void put(uint64_t rid, int i, const char *cgroup)
{
	struct container_record m = {.rid = rid, .pid = (uint32_t)child[i].pid, .engine = STR("crun"), .id = STR("x")};

	m.cgroup = str_of(cgroup);
	published_put(&published, &m, pidfds[i]);
}

/* The rid, or what went wrong. */
static int64_t find(pid_t pid)
{
	uint64_t rid;
	int r = find_process(&published, rig.ctx.proc, pid, &rid);

	return r < 0 ? r : (int64_t)rid;
}

static void by_cgroup(void **state)
{
	(void)state;
	process(0, 1, "4:freezer:/a\n0::/\n");
	process(1, 1, "4:freezer:/a/b\n0::/\n");
	put(10, 0, "/a");
	put(11, 1, "/a/b");
	assert_int_equal(find(child[0].pid), 10);
	assert_int_equal(find(child[1].pid), 11);
	process(2, 1, "4:freezer:/a/b/c\n0::/\n");
	assert_int_equal(find(child[2].pid), 11);
	process(2, 1, "4:freezer:/a/bb\n0::/\n");
	assert_int_equal(find(child[2].pid), 10);
	process(2, 1, "4:freezer:/aa\n0::/\n");
	assert_int_equal(find(child[2].pid), 0);
	/* in whatever hierarchy the engine may use, and no other */
	process(2, 1, "4:freezer:/\n0::/a/b\n");
	assert_int_equal(find(child[2].pid), 11);
	process(2, 1, "9:pids:/a/b\n4:freezer:/\n0::/\n");
	assert_int_equal(find(child[2].pid), 0);
	/* the longest of all */
	process(2, 1, "4:freezer:/a\n1:name=systemd:/a/b/x\n0::/a\n");
	assert_int_equal(find(child[2].pid), 11);
	/* the root is nobody's */
	put(12, 3, "/");
	process(3, 1, "4:freezer:/\n0::/\n");
	process(2, 1, "4:freezer:/\n0::/\n");
	assert_int_equal(find(child[2].pid), 0);
	/* nor is what has ended */
	published_remove(&published, 11);
	process(2, 1, "4:freezer:/a/b/c\n0::/\n");
	assert_int_equal(find(child[2].pid), 10);
}

static void shared_cgroups_tell_nothing(void **state)
{
	(void)state;
	process(0, 1, "0::/a\n");
	process(1, 1, "0::/a\n");
	put(10, 0, "/a");
	put(11, 1, "/a");
	process(2, 1, "0::/a/b\n");
	assert_int_equal(find(child[2].pid), -ENOTUNIQ);
	assert_int_equal(find(child[1].pid), 11);
	/* but who its ancestor is, does */
	process(2, child[1].pid, "0::/a/b\n");
	assert_int_equal(find(child[2].pid), 11);
	/* Without cgroups of its own a container is in the session of whoever started it, and so are his other processes. */
	published_remove(&published, 11);
	process(0, child[3].pid, "0::/a\n");
	process(3, 1, "0::/a\n");
	process(2, child[3].pid, "0::/a\n");
	assert_int_equal(find(child[2].pid), 0);
	assert_int_equal(find(child[3].pid), 0);
	process(2, child[0].pid, "0::/a\n");
	assert_int_equal(find(child[2].pid), 10);
}

static void a_users_container_has_no_cgroup_that_is_roots(void **state)
{
	struct container_record m = {.rid = 10, .owner = 54321, .engine = STR("crun"), .id = STR("x")};

	(void)state;
	m.user = STR("mallory");
	m.pid = (uint32_t)child[0].pid;
	m.cgroup = STR("/user.slice-of-all");
	process(0, 1, "5:devices:/user.slice-of-all\n0::/\n");
	process(1, 1, "5:devices:/user.slice-of-all\n0::/\n");
	process(2, child[0].pid, "5:devices:/user.slice-of-all\n0::/\n");
	published_put(&published, &m, pidfds[0]);
	assert_int_equal(find(child[0].pid), 10);
	assert_int_equal(find(child[1].pid), 0);
	assert_int_equal(find(child[2].pid), 10); /* by its ancestor */
	put(10, 0, "/user.slice-of-all"); /* of the system's engines it would be */
	assert_int_equal(find(child[1].pid), 10);
}

static void by_ancestor(void **state)
{
	(void)state;
	process(0, 1, "0::/\n");
	process(1, child[0].pid, "0::/\n");
	process(2, child[1].pid, "0::/\n");
	process(3, child[2].pid, "0::/\n");
	put(10, 0, "/");
	assert_int_equal(find(child[3].pid), 10);
	put(12, 2, "/"); /* the nearest */
	assert_int_equal(find(child[3].pid), 12);
	assert_int_equal(find(child[1].pid), 10);
	/* a circle, which there is not, ends */
	published_remove(&published, 10);
	published_remove(&published, 12);
	process(0, child[3].pid, "0::/\n");
	assert_int_equal(find(child[3].pid), 0);
}

static void what_is_in_none(void **state)
{
	char name[64], text[128];
	pid_t thread = child[3].pid;

	(void)state;
	process(0, 1, "0::/a\n");
	process(1, child[0].pid, "0::/a\n");
	put(10, 0, "/a");
	assert_int_equal(find(child[1].pid), 10);
	/* a thread of the kernel's, in the cgroup of who made it work */
	(void)snprintf(name, sizeof(name), "proc/%d/stat", (int)child[1].pid);
	(void)snprintf(text, sizeof(text), "%d (vhost) S %d 0 0 0 -1 2097216 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n",
		       (int)child[1].pid, (int)child[0].pid);
	rig_put(&rig, name, text, strlen(text));
	assert_int_equal(find(child[1].pid), 0);
	(void)snprintf(text, sizeof(text), "%d (x) Z %d 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0\n", (int)child[1].pid,
		       (int)child[0].pid);
	rig_put(&rig, name, text, strlen(text));
	assert_int_equal(find(child[1].pid), 0);
	/* an init that is dead, before anybody noticed */
	process(1, child[0].pid, "0::/a\n");
	child_zombie(&child[0]);
	assert_int_equal(find(child[1].pid), 0);
	/* it ended while we looked */
	process(2, 1, "0::/a\n");
	child_zombie(&child[2]);
	assert_int_equal(find(child[2].pid), -ESRCH);
	child_end(&child[3]);
	assert_int_equal(find(thread), -ESRCH);
	assert_int_equal(find(0), -ESRCH);
	assert_int_equal(find(-1), -ESRCH);
	child_start(&child[3]);
}

/* --- Over the channel -------------------------------------------------------------------------------------------- */

static int setup_channel(void **state)
{
	struct resolver *r = calloc(1, sizeof(*r));
	static char argument[128];
	int fds[2];

	*state = r;
	assert_non_null(r);
	ends_tree_make();
	assert_int_equal(chan_pair(fds), 0);
	assert_int_equal(resolver_init(r, fds[0]), 0);
	ends.monitor = fds[1];
	ends.r = r;
	rig_mkdir(&rig, "crun");
	(void)snprintf(argument, sizeof(argument), "crun=%s/crun", rig.tmp);
	assert_true(resolver_add(r, argument));
	resolver_open(r);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	return 0;
}

static int teardown_channel(void **state)
{
	struct resolver *r = *state;

	(void)close(r->monitor.fd);
	resolver_fini(r);
	free(r);
	ends_tree_remove();
	return 0;
}

static uint64_t rid_of(const char *id)
{
	uint64_t rid = ends_lookup("crun", id)->rid;

	assert_true(rid != 0);
	return rid;
}

static struct ipc_found ask_process(pid_t pid)
{
	static uint64_t token;
	struct ipc_found m;
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_FIND_PROCESS, 0);
	(void)put_ipc_find_process(&w, &(struct ipc_find_process){++token, (uint32_t)pid});
	ends_send(ends.frontend, &w, -1);
	(void)ends_read_until(IPC_FOUND);
	assert_int_equal(get_ipc_found(&ends.in.body, &m), 0);
	assert_int_equal(m.token, token);
	return m;
}

/* What was started before the question is found, though nobody had read of it. */
static void questions_are_answered_after_a_look(void **state)
{
	struct rig_child c, again;
	uint64_t rid;

	(void)state;
	child_start(&c);
	rig_crun(&rig, "one", &c);
	rid = ask_process(c.pid).rid;
	assert_int_equal(rid, rid_of("one"));
	/* This process started it, and is in its cgroup; but not in the container. */
	assert_int_equal(ask_process(getpid()).rid, 0);
	assert_int_equal(ask_process(getpid()).error, 0);
	child_zombie(&c);
	assert_int_equal(ask_process(c.pid).rid, 0);
	child_end(&c);
	assert_int_equal(ask_process(c.pid).error, ESRCH);
	child_start(&again);
	rig_crun(&rig, "one", &again);
	rid = ask_process(again.pid).rid;
	assert_int_equal(rid, rid_of("one"));
	rig_rmtree(&rig, "crun/one");
	assert_int_equal(ask_process(again.pid).rid, 0);
	child_end(&again);
}

static uint32_t ask_facts(uint64_t rid)
{
	static uint64_t token = 1000;
	struct ipc_facts m;
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_FACTS_REQ, 0);
	(void)put_ipc_facts(&w, &(struct ipc_facts){.token = ++token, .rid = rid});
	ends_send(ends.frontend, &w, -1);
	(void)ends_read_until(IPC_FACTS_REPLY);
	assert_int_equal(get_ipc_facts(&ends.in.body, &m), 0);
	assert_int_equal(m.token, token);
	assert_int_equal(m.rid, rid);
	return m.error;
}

/* The facts of the last answer: the value of @key, whose source must have @source in it; "" if there is none. */
static const char *fact(const char *key, const char *source)
{
	static char value[ROOT_CGROUP_MAX + 1], from[FACT_SOURCE_MAX + 1];
	struct wire_rd body = ends.in.body;
	uint16_t count;
	uint64_t next;

	value[0] = '\0';
	get_page(&body, &next, &count);
	for (; count > 0; count--) {
		struct fact_record m;

		page_next_fact(&body, &m);
		if (!str_eq(m.key, str_of(key)))
			continue;
		assert_true(str_copy(value, sizeof(value), m.value));
		assert_true(str_copy(from, sizeof(from), m.source));
		if (!strstr(from, source))
			fail_msg("%s is from \"%s\", not from %s", key, from, source);
	}
	assert_int_equal(wire_rd_done(&body), 0);
	return value;
}

static void facts_have_sources(void **state)
{
	const char *file = rig_path(&rig, "crun/one/status");
	char number[32];
	struct rig_child c;
	uint64_t rid;

	(void)state;
	child_start(&c);
	rig_crun(&rig, "one", &c);
	ends_sync_index();
	rid = rid_of("one");
	assert_int_equal(ask_facts(rid), 0);
	assert_string_equal(fact("engine", "/crun"), "crun");
	assert_string_equal(fact("id", file), "one");
	assert_string_equal(fact("name", file), "one");
	assert_string_equal(fact("state", file), "running");
	(void)snprintf(number, sizeof(number), "%d", (int)c.pid);
	assert_string_equal(fact("pid", file), number);
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)c.start_ticks);
	assert_string_equal(fact("start_ticks", "stat"), number);
	assert_string_equal(fact("cgroup", "/proc/PID/cgroup"), c.cgroup);
	assert_string_equal(fact("init_cgroup", "now"), c.cgroup);
	assert_string_equal(fact("owner", "owner of "), getuid() ? fact("owner", "") : "0");
	assert_string_equal(fact("exit", ""), "");
	/* what does not run has fewer */
	child_end(&c);
	assert_int_equal(ask_facts(rid), 0);
	assert_string_equal(fact("state", "no live init"), "stopped");
	assert_string_equal(fact("id", file), "one");
	assert_string_equal(fact("pid", ""), "");
	assert_string_equal(fact("cgroup", ""), "");
	/* gone, and never there */
	rig_rmtree(&rig, "crun/one");
	assert_int_equal(ask_facts(rid), ENOENT);
	assert_int_equal(ask_facts(UINT64_MAX), ENOENT);
}

static void nonsense_ends_it(void **state)
{
	struct resolver *r = *state;
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_FACTS_REQ, 0);
	(void)put_ipc_facts(&w, &(struct ipc_facts){.token = 1, .rid = 1});
	wire_put_u16(&w, 0); /* a byte more than there is to say */
	ends_send(ends.frontend, &w, -1);
	assert_int_equal(resolver_once(r, 1000), 0);
	assert_true(r->loop.stop);
	assert_int_equal(r->status, EX_PROTOCOL);
}

int main(void)
{
#define P(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C(f) cmocka_unit_test_setup_teardown(f, setup_channel, teardown_channel)
	const struct CMUnitTest tests[] = {
		P(by_cgroup),
		P(shared_cgroups_tell_nothing),
		P(a_users_container_has_no_cgroup_that_is_roots),
		P(by_ancestor),
		P(what_is_in_none),
		C(questions_are_answered_after_a_look),
		C(facts_have_sources),
		C(nonsense_ends_it),
	};

	return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
