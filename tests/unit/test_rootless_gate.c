/* SPDX-License-Identifier: MIT */
/* What is defended: who makes his directories come and go has the resolver started again a few times, and then he waits: alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/monitor/rootless.h"
#include "monitor_rig.h"

static struct config_rootless users[CONFIG_ROOTLESS_MAX];

static int start(void **state)
{
	(void)state;
	rig_start();
	for (int i = 0; i < CONFIG_ROOTLESS_MAX; i++)
		users[i] = (struct config_rootless){.uid = 1000 + (uid_t)i};
	for (int i = 0; i < CONFIG_ROOTLESS_MAX; i++)
		users[i].name = strdup("x");
	rig.config.rootless = users;
	rig.config.nrootless = CONFIG_ROOTLESS_MAX;
	rootless_gate_init(&rig.m);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < CONFIG_ROOTLESS_MAX; i++)
		free(users[i].name);
	rootless_gate_ended(&rig.m);
	rig_end();
	return 0;
}

/* What the resolver is told: 1 to end now, 0 to go on; -1 nothing. */
static int told(uint32_t uid)
{
	struct ipc_moved m;

	if (rig.nsent == 0)
		return -1;
	assert_int_equal(rig.nsent, 1);
	assert_int_equal(rig.sent[0].to, CONFINED_RESOLVER);
	assert_int_equal(rig.sent[0].type, IPC_MOVED_REPLY);
	assert_int_equal(get_ipc_moved(&rig.sent[0].in.body, &m), 0);
	assert_int_equal(m.uid, uid);
	rig_reset();
	return (int)m.now;
}

static int ask(uint32_t uid)
{
	assert_int_equal(rootless_gate_moved(&rig.m, &(struct ipc_moved){.uid = uid}), 0);
	return told(uid);
}

static void a_burst_is_free_and_then_one_waits(void **state)
{
	(void)state;
	for (int i = 0; i < ROOTLESS_USER_BURST; i++) {
		assert_int_equal(ask(1000), 1);
		rootless_gate_ended(&rig.m);
	}
	assert_int_equal(ask(1000), 0);
	assert_int_equal(ask(1000), 0);
	assert_int_equal(ask(1001), 1); /* nobody else does */
	assert_true(rig.m.rootless.timer.deadline_ms > 0);
	rootless_gate_ended(&rig.m); /* the next resolver sees what there is of the first user's, too */
	assert_int_equal(rig.m.rootless.timer.deadline_ms, 0);
	assert_int_equal(ask(1000), 0);
}

static void who_waits_gets_his_turn(void **state)
{
	struct rootless_rate *rate = &rig.m.rootless.users[5];
	struct timer *t = &rig.m.rootless.timer;

	(void)state;
	for (int i = 0; i < ROOTLESS_USER_BURST; i++)
		assert_int_equal(ask(1005), 1);
	assert_int_equal(ask(1005), 0);
	assert_true(t->deadline_ms > loop_now_ms() + ROOTLESS_USER_MS / 2);
	assert_true(t->deadline_ms <= loop_now_ms() + ROOTLESS_USER_MS);
	timer_cancel(&rig.m.loop, t);
	t->expired(t); /* too early: it is set again */
	assert_int_equal(told(1005), -1);
	assert_true(t->deadline_ms > 0);
	timer_cancel(&rig.m.loop, t);
	rate->paid_ms -= ROOTLESS_USER_MS;
	t->expired(t);
	assert_int_equal(told(1005), 1);
	assert_int_equal(t->deadline_ms, 0);
}

static void all_together_have_a_limit_too(void **state)
{
	int now = 0;

	(void)state;
	for (uint32_t uid = 1000; uid < 1000 + CONFIG_ROOTLESS_MAX; uid++)
		now += ask(uid);
	assert_in_range(now, ROOTLESS_ALL_BURST, ROOTLESS_ALL_BURST + 2);
	assert_true(rig.m.rootless.timer.deadline_ms <= loop_now_ms() + ROOTLESS_ALL_MS);
}

static void a_user_that_the_resolver_was_not_told_of_is_nonsense(void **state)
{
	(void)state;
	assert_int_equal(rootless_gate_moved(&rig.m, &(struct ipc_moved){.uid = 0}), -EBADMSG);
	assert_int_equal(rootless_gate_moved(&rig.m, &(struct ipc_moved){.uid = 999}), -EBADMSG);
	assert_int_equal(told(0), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_burst_is_free_and_then_one_waits),
		T(who_waits_gets_his_turn),
		T(all_together_have_a_limit_too),
		T(a_user_that_the_resolver_was_not_told_of_is_nonsense),
	};

	return cmocka_run_group_tests_name("rootless gate", tests, NULL, NULL);
}
