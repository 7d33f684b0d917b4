/* SPDX-License-Identifier: MIT */
/* What is defended: what the resolver tells the frontend and when, and that nonsense and changed roots end it. Within this process. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "resolver_ends.h"

static char root_argument[128];

static int setup_roots(void **state, unsigned n)
{
	struct resolver *r = calloc(1, sizeof(*r));
	static char arguments[3][128];
	int fds[2];

	*state = r;
	if (!r)
		return -1;
	ends_tree_make();
	assert_int_equal(chan_pair(fds), 0);
	assert_int_equal(resolver_init(r, fds[0]), 0);
	ends.monitor = fds[1];
	ends.r = r;
	r->ctx.run_lxc = "/nowhere";
	r->ctx.cgroup_root = "/nowhere";
	rig_mkdir(&rig, "crun");
	rig_mkdir(&rig, "lxc");
	(void)snprintf(arguments[0], sizeof(arguments[0]), "crun=%s/crun", rig.tmp);
	(void)snprintf(arguments[1], sizeof(arguments[1]), "lxc=%s/lxc", rig.tmp);
	(void)snprintf(arguments[2], sizeof(arguments[2]), "podman=%s/not/yet", rig.tmp);
	strcpy(root_argument, arguments[0]);
	for (unsigned i = 0; i < n; i++)
		assert_true(resolver_add(r, arguments[i]));
	resolver_open(r);
	return 0;
}

static int setup(void **state)
{
	return setup_roots(state, 3);
}

static int setup_one(void **state)
{
	return setup_roots(state, 1);
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
		"",       "crun", "crun=",   "crun=relative",
		"rkt=/x", "=/x",  "crun:/x", "crunxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=/x"};
	struct resolver *r = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(resolver_add(r, bad[i]));
	while (r->nroots < RESOLVER_ROOTS_MAX)
		assert_true(resolver_add(r, "lxc=/nowhere"));
	assert_false(resolver_add(r, "lxc=/nowhere"));
	for (unsigned i = 0; i < RESOLVER_ROOTS_MAX; i++)
		assert_int_equal(r->roots[i]->dir.index, i); /* what the monitor takes for the number of an lxcpath */
}

static void the_index_is_told_whole_and_then_its_changes(void **state)
{
	struct rig_child c, d;

	(void)state;
	child_start(&c);
	child_start(&d);
	rig_crun(&rig, "one", &c);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	assert_int_equal(ix.n, 1);
	assert_int_equal(ends_lookup("crun", "one")->pid, c.pid);
	rig_crun(&rig, "two", &d);
	ends_sync_index();
	assert_int_equal(ix.n, 2);
	assert_int_equal(ends_lookup("crun", "two")->state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(procfd_pid(ends.r->ctx.proc, ix.pidfds[1]), d.pid); /* it is that process's pidfd */
	child_end(&c);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(ends_lookup("crun", "one")->pid, 0);
	rig_rmtree(&rig, "crun/one");
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->rid, 0);
	/* A new frontend gets it all. */
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	assert_int_equal(ix.n, 1);
	assert_int_equal(ends_lookup("crun", "two")->pid, d.pid);
	child_end(&d);
}

static bool told(struct resolver *r)
{
	struct pollfd p = {.fd = ends.frontend, .events = POLLIN};

	for (int i = 0; i < 3; i++)
		assert_int_equal(resolver_once(r, 0), 0);
	return poll(&p, 1, 0) > 0;
}

static void after_a_long_look_changes_wait_but_questions_do_not(void **state)
{
	struct resolver *r = *state;
	struct rig_child c;

	child_start(&c);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	resolver_rest(r, 200);
	rig_crun(&rig, "one", &c);
	assert_false(told(r));
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->pid, c.pid);
	resolver_rest(r, 200);
	rig_rmtree(&rig, "crun/one");
	assert_false(told(r));
	(void)ends_read_until(IPC_INDEX_REMOVE); /* in time, and nobody asked */
	assert_int_equal(ix.n, 0);
	resolver_rest(r, 1); /* that was not long */
	rig_crun(&rig, "one", &c);
	assert_true(told(r));
	child_end(&c);
}

static void without_a_frontend_it_goes_on(void **state)
{
	struct resolver *r = *state;
	struct rig_child c;

	child_start(&c);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	close_fd(&ends.frontend);
	rig_crun(&rig, "one", &c);
	for (int i = 0; i < 5; i++)
		assert_int_equal(resolver_once(r, 10), 0);
	assert_false(r->loop.stop);
	assert_int_equal(r->frontend.fd, -1);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	assert_int_equal(ends_lookup("crun", "one")->pid, c.pid);
	child_end(&c);
}

static void answer_lxc(uint32_t error)
{
	static struct ipc_in in;
	struct ipc_lxc_socket m = {.error = error};
	struct ipc_lxc_ask ask;
	struct wire_wr w;
	uint8_t buf[64];

	do
		assert_int_equal(ends_recv_record(ends.monitor, &in), 1);
	while (in.type == IPC_LXC_FIFO);
	assert_int_equal(in.type, IPC_LXC_ASK);
	assert_int_equal(get_ipc_lxc_ask(&in.body, &ask), 0);
	m.token = ask.token;
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_LXC_SOCKET, 0);
	put_ipc_lxc_socket(&w, &m);
	ends_send(ends.monitor, &w, -1);
}

static void a_sync_waits_for_what_lxc_is_asked_but_not_for_long(void **state)
{
	struct resolver *r = *state;
	struct pollfd p;
	uint64_t began;

	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	rig_mkdir(&rig, "lxc/web");
	rig_put(&rig, "lxc/web/config", "", 0);
	ends_send_token(ends.frontend, IPC_SYNC, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(resolver_once(r, 0), 0);
	p = (struct pollfd){.fd = ends.frontend, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 1); /* the record */
	answer_lxc(ECONNREFUSED);
	assert_true(ends_read_until(IPC_SYNCED) == 1);
	assert_true(ends_lookup("lxc", "web")->rid != 0);
	/* Nobody answers. */
	rig_mkdir(&rig, "lxc/slow");
	rig_put(&rig, "lxc/slow/config", "", 0);
	began = loop_now_ms();
	ends_send_token(ends.frontend, IPC_SYNC, 2);
	ends_send_token(ends.frontend, IPC_SYNC, 3);
	assert_true(ends_read_until(IPC_SYNCED) == 2);
	assert_true(ends_read_until(IPC_SYNCED) == 3);
	assert_true(loop_now_ms() - began >= 900);
	/* And who is known to be slow holds up no later one. */
	began = loop_now_ms();
	ends_sync_index();
	assert_true(loop_now_ms() - began < 900);
}

static void assert_ends(struct resolver *r, int status)
{
	for (int i = 0; i < 20 && !r->loop.stop; i++)
		assert_int_equal(resolver_once(r, 50), 0);
	assert_true(r->loop.stop);
	assert_int_equal(resolver_run(r), status);
}

static void send_raw(int fd, const void *bytes, size_t len)
{
	assert_int_equal(chan_send(fd, bytes, len, NULL, 0, MSG_DONTWAIT), 0);
}

static void nonsense_from_the_frontend_ends_it(void **state)
{
	struct resolver *r = *state;

	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	ends_send_token(ends.frontend, IPC_SYNCED, 1); /* ours to say */
	assert_ends(r, EX_PROTOCOL);
}

static void half_a_sync_ends_it(void **state)
{
	struct resolver *r = *state;

	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	send_raw(ends.frontend, "\x36\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 15);
	assert_ends(r, EX_PROTOCOL);
}

static void a_flood_of_syncs_ends_it(void **state)
{
	struct resolver *r = *state;

	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	rig_mkdir(&rig, "lxc/slow");
	rig_put(&rig, "lxc/slow/config", "", 0);
	for (unsigned i = 0; i <= RESOLVER_SYNCS_MAX && !r->loop.stop; i++) {
		ends_send_token(ends.frontend, IPC_SYNC, i + 1);
		assert_int_equal(resolver_once(r, 0), 0);
		assert_int_equal(resolver_once(r, 0), 0);
	}
	assert_ends(r, EX_PROTOCOL);
}

static void nonsense_from_the_monitor_ends_it(void **state)
{
	struct resolver *r = *state;

	send_raw(ends.monitor, "\xff\xff\0\0\0\0\0\0", 8);
	assert_ends(r, EX_PROTOCOL);
}

static void the_wrong_peer_ends_it(void **state)
{
	struct resolver *r = *state;

	ends_send_peer(IPC_PEER_JOINER);
	assert_ends(r, EX_PROTOCOL);
}

static void a_peer_without_its_channel_ends_it(void **state)
{
	struct resolver *r = *state;

	send_raw(ends.monitor, "\2\0\0\0\0\0\0\0\1\0\0\0", 12);
	assert_ends(r, EX_PROTOCOL);
}

static void with_the_monitor_it_ends(void **state)
{
	struct resolver *r = *state;

	close_fd(&ends.monitor);
	assert_ends(r, EXIT_SUCCESS);
}

static void a_root_that_appears_means_start_me_again(void **state)
{
	struct resolver *r = *state;

	rig_mkdir(&rig, "other");
	rig_mkdir(&rig, "not");
	rig_mkdir(&rig, "not/other");
	for (int i = 0; i < 3; i++)
		assert_int_equal(resolver_once(r, 10), 0);
	assert_false(r->loop.stop); /* on the way there, but not there */
	rig_mkdir(&rig, "not/yet");
	assert_ends(r, EX_ROOTS);
}

/* Whoever asks for what is in there must not be told that it is not: the next resolver knows. */
static void a_root_that_appears_is_no_answer_to_a_sync(void **state)
{
	struct resolver *r = *state;
	struct pollfd p;

	rig_mkdir(&rig, "not");
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	ends_sync_index();
	rig_mkdir(&rig, "not/yet");
	ends_send_token(ends.frontend, IPC_SYNC, 99);
	assert_ends(r, EX_ROOTS);
	p = (struct pollfd){.fd = ends.frontend, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void a_root_that_goes_means_start_me_again(void **state)
{
	struct resolver *r = *state;

	rig_rmtree(&rig, "crun");
	assert_ends(r, EX_ROOTS);
}

static void a_root_that_is_replaced_means_start_me_again(void **state)
{
	struct resolver *r = *state;

	rig_mkdir(&rig, "new");
	assert_int_equal(rename(rig_path(&rig, "lxc"), rig_path(&rig, "old")), 0);
	assert_int_equal(rename(rig_path(&rig, "new"), rig_path(&rig, "lxc")), 0);
	assert_ends(r, EX_ROOTS);
}

/* Between the look before the lock-in and the opening after it. */
static void a_root_that_changed_too_early_is_noticed_too(void **state)
{
	struct resolver *r = *state;

	roots_fini(r);
	assert_true(resolver_add(r, root_argument));
	rig_mkdir(&rig, "new");
	assert_int_equal(rename(rig_path(&rig, "new"), rig_path(&rig, "crun")), 0);
	resolver_open(r);
	assert_ends(r, EX_ROOTS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T1(f) cmocka_unit_test_setup_teardown(f, setup_one, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arguments_are_checked),
		T(the_index_is_told_whole_and_then_its_changes),
		T(after_a_long_look_changes_wait_but_questions_do_not),
		T(without_a_frontend_it_goes_on),
		T(a_sync_waits_for_what_lxc_is_asked_but_not_for_long),
		T(nonsense_from_the_frontend_ends_it),
		T(half_a_sync_ends_it),
		T(a_flood_of_syncs_ends_it),
		T(nonsense_from_the_monitor_ends_it),
		T(the_wrong_peer_ends_it),
		T(a_peer_without_its_channel_ends_it),
		T(with_the_monitor_it_ends),
		T(a_root_that_appears_means_start_me_again),
		T(a_root_that_appears_is_no_answer_to_a_sync),
		T(a_root_that_goes_means_start_me_again),
		T(a_root_that_is_replaced_means_start_me_again),
		T1(a_root_that_changed_too_early_is_noticed_too),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
