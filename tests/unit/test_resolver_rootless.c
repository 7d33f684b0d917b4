/* SPDX-License-Identifier: MIT */
/* What is defended: a user's directories are the monitor's to weigh, never a reason to stop serving the others. Within this process. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "resolver_ends.h"

#define ALICE 61001
#define NEEDS_ROOT          \
	if (geteuid() != 0) \
	skip()

static void give(const char *name)
{
	rig_mkdir(&rig, name);
	assert_int_equal(chown(rig_path(&rig, name), ALICE, ALICE), 0);
}

static int setup(void **state)
{
	static char arguments[3][160];
	struct resolver *r = calloc(1, sizeof(*r));
	int fds[2];

	*state = r;
	if (!r)
		return -1;
	ends_tree_make();
	assert_int_equal(chan_pair(fds), 0);
	assert_int_equal(resolver_init(r, fds[0]), 0);
	ends.monitor = fds[1];
	ends.r = r;
	if (geteuid() != 0)
		return 0;
	/* The scratch tree is in /tmp; from there on it is root's. */
	rig_mkdir(&rig, "crun");
	assert_int_equal(chmod(rig.tmp, 0755), 0);
	give("home");
	give("home/store");
	(void)snprintf(arguments[0], sizeof(arguments[0]), "crun=%s/crun", rig.tmp);
	(void)snprintf(arguments[1], sizeof(arguments[1]), "crun@61001=%s/home/store", rig.tmp);
	(void)snprintf(arguments[2], sizeof(arguments[2]), "podman@61001=%s/home/later", rig.tmp);
	assert_true(resolver_add(r, arguments[0]));
	assert_true(resolver_add(r, "@61001:alice:"));
	assert_true(resolver_add(r, arguments[1]));
	assert_true(resolver_add(r, arguments[2]));
	resolver_open(r);
	return 0;
}

static int teardown(void **state)
{
	struct resolver *r = *state;

	(void)close(r->monitor.fd);
	resolver_fini(r);
	free(r);
	ends_tree_remove();
	return 0;
}

static void arguments_are_checked(void **state)
{
	static const char *const bad[] = {
		"@",
		"@0:root:",
		"@61001:again:",
		"@1000:bob:1+",
		"crun@1000=/x",
		"crun@=/x",
		"crun@61001x=/x",
		"crun@ 61001=/x",
		"crun@-61001=/x",
		"crun@061001=/x",
		"crun@4294967296=/x",
		"@61001=/x",
		"rkt@61001=/x",
		"crun@61001=x",
		"crun@61001",
	};
	struct resolver *r = *state;

	NEEDS_ROOT;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (resolver_add(r, bad[i]))
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(r->nowners, 1);
	assert_int_equal(r->nroots, 3);
	assert_int_equal(r->roots[1]->dir.user->uid, ALICE);
	assert_ptr_equal(r->roots[1]->dir.ctx, &r->users_ctx);
	assert_ptr_equal(r->roots[0]->dir.ctx, &r->ctx);
}

/* Rounds until nothing is left to do. */
static void rounds(struct resolver *r)
{
	for (int i = 0; i < 5 && !r->loop.stop; i++)
		assert_int_equal(resolver_once(r, 5), 0);
}

/* Was the monitor asked, once, about her? */
static bool was_asked(void)
{
	static struct ipc_in in;
	struct ipc_moved m;
	int n = ipc_recv(ends.monitor, &in, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return false;
	assert_int_equal(n, 1);
	assert_int_equal(in.type, IPC_MOVED);
	assert_int_equal(get_ipc_moved(&in.body, &m), 0);
	assert_int_equal(m.uid, ALICE);
	assert_int_equal(ipc_recv(ends.monitor, &in, MSG_DONTWAIT), -EAGAIN);
	return true;
}

static void answer(uint32_t uid, uint32_t now)
{
	struct ipc_moved m = {.uid = uid, .now = now};
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_MOVED_REPLY, 0);
	(void)put_ipc_moved(&w, &m);
	ends_send(ends.monitor, &w, -1);
}

static bool is_answered(void)
{
	struct pollfd p = {.fd = ends.frontend, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void a_directory_that_comes_is_asked_about(void **state)
{
	struct resolver *r = *state;

	NEEDS_ROOT;
	rounds(r);
	assert_false(was_asked());
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	give("home/later");
	ends_send_token(ends.frontend, IPC_SYNC, 7);
	rounds(r);
	assert_true(was_asked());
	assert_false(is_answered()); /* what is in it nobody knows yet */
	assert_false(r->loop.stop);
	answer(ALICE, 1);
	rounds(r);
	assert_true(r->loop.stop);
	assert_int_equal(r->status, EX_ROOTS);
	assert_false(is_answered());
}

static void who_has_to_wait_has_nothing_there_and_the_others_go_on(void **state)
{
	struct resolver *r = *state;
	struct rig_child c;

	NEEDS_ROOT;
	child_start(&c);
	rig_crun(&rig, "one", &c);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	assert_int_equal(rename(rig_path(&rig, "home/store"), rig_path(&rig, "home/away")), 0);
	give("home/store");
	rounds(r);
	assert_true(was_asked());
	answer(ALICE, 0);
	for (int i = 0; i < 20; i++) { /* she goes on; it is not listened to any more */
		assert_int_equal(rename(rig_path(&rig, "home/store"), rig_path(&rig, "home/x")), 0);
		assert_int_equal(rename(rig_path(&rig, "home/x"), rig_path(&rig, "home/store")), 0);
		rounds(r);
	}
	assert_false(was_asked());
	assert_false(r->loop.stop);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->pid, c.pid);
	answer(ALICE, 1); /* her turn */
	rounds(r);
	assert_int_equal(r->status, EX_ROOTS);
	child_end(&c);
}

static void a_link_is_not_there(void **state)
{
	struct resolver *r = *state;

	NEEDS_ROOT;
	assert_int_equal(symlink(rig_path(&rig, "crun"), rig_path(&rig, "home/later")), 0);
	rounds(r);
	assert_false(was_asked()); /* nothing that could be read was or is there */
	assert_int_equal(rename(rig_path(&rig, "home/store"), rig_path(&rig, "home/away")), 0);
	assert_int_equal(symlink(rig_path(&rig, "home/away"), rig_path(&rig, "home/store")), 0);
	rounds(r);
	assert_true(was_asked()); /* gone */
}

static void what_landlock_is_told_is_what_was_looked_at(void **state)
{
	struct resolver *r = *state;
	char buffer[32], other[32], path[200];
	struct stat at, real;

	NEEDS_ROOT;
	/* As before the lock-in. */
	roots_fini(r);
	assert_true(resolver_add(r, "@61001:alice:"));
	(void)snprintf(path, sizeof(path), "crun@61001=%s/home/store", rig.tmp);
	assert_true(resolver_add(r, path));
	assert_int_equal(rename(rig_path(&rig, "home/store"), rig_path(&rig, "home/away")), 0);
	assert_int_equal(symlink("/etc", rig_path(&rig, "home/store")), 0);
	assert_int_equal(stat(root_readable(r->roots[0], buffer), &at), 0);
	assert_int_equal(stat(rig_path(&rig, "home/away"), &real), 0);
	assert_int_equal(at.st_ino, real.st_ino);
	assert_int_equal(at.st_dev, real.st_dev);
	resolver_open(r);
	assert_false(r->roots[0]->open);
	assert_true(was_asked());
	assert_null(root_readable(r->roots[0], other));
}

static void nonsense_from_the_monitor_ends_it(void **state)
{
	struct resolver *r = *state;

	NEEDS_ROOT;
	answer(4711, 0);
	rounds(r);
	assert_int_equal(r->status, EX_PROTOCOL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arguments_are_checked),
		T(a_directory_that_comes_is_asked_about),
		T(who_has_to_wait_has_nothing_there_and_the_others_go_on),
		T(a_link_is_not_there),
		T(what_landlock_is_told_is_what_was_looked_at),
		T(nonsense_from_the_monitor_ends_it),
	};

	return cmocka_run_group_tests_name("resolver, users' directories", tests, NULL, NULL);
}
