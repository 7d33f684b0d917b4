/* SPDX-License-Identifier: MIT */
/* What is defended: an LXC container's state is what its monitor says now, asked whenever it may have changed, never without end. */
#include <errno.h>
#include <fcntl.h>
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

#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "lxc_rig.h"

static void a_container_is_a_directory_with_a_config(void **state)
{
	struct rig *g = *state;

	lxc_make_container(g, "web");
	rig_mkdir(g, "lxc/nothing");
	rig_mkdir(g, "lxc/.hidden");
	rig_put(g, "lxc/file", "", 0);
	assert_int_equal(symlink("web", rig_path(g, "lxc/link")), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	rig_put(g, "lxc/nothing/config", "", 0); /* lxc-create makes the directory first */
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	lxc_refuse(g, lxc_asked("nothing", IPC_LXC_STATE), ECONNREFUSED);
	assert_int_equal(unlink(rig_path(g, "lxc/nothing/config")), 0);
	rig_rmtree(g, "lxc/web");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	lxc_turn(g);
	assert_int_equal(nasks, 0); /* a stopped container that nothing hints at is asked once */
	assert_null(g->loop.timers); /* and not later either */
}

static void a_running_one_has_the_init_that_its_monitor_gives(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	int watch;

	child_start(&c);
	lxc_make_container(g, "web");
	rig_round(g);
	watch = lxc_run_container(g, "web", &c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	assert_string_equal(rig_find(g, "lxc", "web")->cgroup, c.cgroup);
	assert_false(lxc_asker_busy(&g->asker)); /* the open watch is nothing to wait for */
	assert_int_equal(nasks, 0);
	/* Its end; then it is asked again, for it may have been a reboot. */
	child_end(&c);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	(void)close(watch);
}

static void a_reboot_is_seen(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;
	uint64_t rid;
	int watch, fd;

	child_start(&c);
	child_start(&d);
	lxc_make_container(g, "web");
	rig_round(g);
	watch = lxc_run_container(g, "web", &c);
	rid = rig_find(g, "lxc", "web")->rid;
	child_end(&c);
	rig_round(g);
	/* The socket is there, and answers when init is there again. */
	fd = lxc_connected(g, lxc_asked("web", IPC_LXC_STATE));
	lxc_turn(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	lxc_send_bytes(fd, &(struct reply){.data = LXC_RUNNING}, sizeof(struct reply), NULL, 0);
	lxc_turn(g);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &d);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, d.pid);
	assert_int_equal(rig_find(g, "lxc", "web")->rid, rid);
	(void)close(fd);
	(void)close(watch);
	child_end(&d);
}

static void a_cgroup_or_a_lock_is_a_hint(void **state)
{
	static const char *const hints[] = {"cgroup/lxc.monitor.web", "cgroup/lxc.payload.web",
					    "cgroup/unified/lxc.payload.web-1", "cgroup/lxc.monitor.web-12"};
	struct rig *g = *state;

	lxc_make_container(g, "web");
	lxc_make_container(g, "other");
	rig_round(g);
	while (nasks > 0)
		lxc_refuse(g, asks[0].m.token, ECONNREFUSED), nasks--,
			memmove(&asks[0], &asks[1], nasks * sizeof(asks[0]));
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		rig_mkdir(g, hints[i]);
		rig_round(g);
		lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
		while (nasks > 0) /* the question may have been repeated meanwhile */
			lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	}
	/* Nobody's. */
	rig_mkdir(g, "cgroup/lxc.payload.");
	rig_mkdir(g, "cgroup/lxc.payload.web-x");
	rig_mkdir(g, "cgroup/lxc.payload.-1");
	rig_mkdir(g, "cgroup/web");
	rig_round(g);
	for (unsigned i = 0; i < nasks; i++)
		assert_string_not_equal(asks[i].name, "other");
	nasks = 0;
}

static void a_hint_during_a_question_means_another_question(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	uint64_t token;

	child_start(&c);
	lxc_make_container(g, "web");
	rig_round(g);
	token = lxc_asked("web", IPC_LXC_STATE);
	rig_mkdir(g, "cgroup/lxc.monitor.web");
	rig_mkdir(g, "cgroup/lxc.payload.web");
	rig_round(g);
	assert_int_equal(nasks, 0);
	lxc_refuse(g, token, ECONNREFUSED); /* what it was before the hint */
	assert_int_equal(nasks, 1); /* at once, not some time later */
	(void)close(lxc_run_container(g, "web", &c));
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

static void the_locks_may_appear_later(void **state)
{
	struct rig *g = *state;
	char path[400], *p;

	lxc_make_container(g, "web");
	lxc_make_container(g, "early");
	rig_round(g);
	lxc_refuse(g, asks[0].m.token, ECONNREFUSED);
	lxc_refuse(g, asks[1].m.token, ECONNREFUSED);
	nasks = 0;
	/* As lxc-start makes it after a boot: one directory after the other, and the lock in it at once. */
	(void)snprintf(path, sizeof(path), "%s/lock%s", g->ctx.run_lxc, g->dirs[0].path);
	for (p = strstr(path, "/run/lxc") + 4; p; p = strchr(p + 1, '/')) {
		char was = *p;

		*p = '\0';
		(void)mkdir(path, 0700);
		*p = was;
	}
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/.early");
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	rig_round(g);
	lxc_refuse(g, lxc_asked("early", IPC_LXC_STATE), ECONNREFUSED);
	nasks = 0;
	memcpy(strrchr(path, '/'), "/.web", sizeof("/.web"));
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	rig_round(g);
	for (unsigned i = 0; i < nasks; i++) {
		if (strcmp(asks[i].name, "web") == 0)
			return;
	}
	fail_msg("a lock was closed and nobody asked");
}

static void a_hint_before_its_time_is_followed_by_more_questions_but_not_for_ever(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	unsigned n = 0;

	child_start(&c);
	lxc_make_container(g, "web");
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	rig_mkdir(g, "cgroup/lxc.monitor.web");
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	lxc_wait_for_ask(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	lxc_wait_for_ask(g);
	(void)close(lxc_run_container(g, "web", &c));
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	/* A running one whose watch always ends at once is not asked all the time. */
	total = 0;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(loop_once(&g->loop, 10), 0);
		while (nasks > 0 && n++ < 100)
			lxc_refuse(g, asks[0].m.token, ENOMEM), nasks = 0;
	}
	assert_true(total < 8);
	child_end(&c);
}

static void frozen_is_paused(void **state)
{
	struct message message = {.value = LXC_FROZEN};
	struct rig *g = *state;
	struct rig_child c;
	int watch;

	child_start(&c);
	lxc_make_container(g, "web");
	rig_round(g);
	watch = lxc_run_container(g, "web", &c);
	lxc_send_bytes(watch, &message, sizeof(message), NULL, 0);
	lxc_turn(g);
	lxc_wait_for_ask(g);
	lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_FROZEN);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_PAUSED, c.pid);
	/* Thawed: LXC tells nobody that it runs again, so it is asked a few times more. */
	lxc_wait_for_ask(g);
	(void)close(lxc_run_container(g, "web", &c));
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	(void)close(watch);
	child_end(&c);
}

/* Its locks and cgroups are we do not know where. The lxcpath of this rig is a user's. */
static void a_users_container_is_asked_when_its_config_is_read(void **state)
{
	struct rig *g = *state;

	lxc_make_container(g, "web");
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	assert_int_equal(close(open(rig_path(g, "lxc/web/config"), O_RDONLY | O_CLOEXEC)), 0);
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	/* Who does that all the time is asked now and then. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(close(open(rig_path(g, "lxc/web/config"), O_RDONLY | O_CLOEXEC)), 0);
		rig_round(g);
		while (nasks > 0)
			lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	}
	assert_true(total < 10);
	assert_non_null(g->loop.timers); /* the last time counts, too */
}

static void lxc_is_never_merged(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "lxc", "lxc2");
	lxc_make_container(g, "web");
	rig_mkdir(g, "lxc2/web");
	rig_put(g, "lxc2/web/config", "", 0);
	rig_mkdir(g, "crun/web");
	root = crun_status("debian12-v1/crun-status.json", &c, NULL);
	rig_put_json(g, "crun/web/status", root);
	json_decref(root);
	rig_round(g);
	assert_int_equal(g->nrecords, 3);
	assert_int_equal(rig_find(g, "crun", "web")->pid, c.pid);
	assert_int_equal(asks[0].m.path, 0);
	assert_int_equal(asks[1].m.path, 2); /* its place among all directories */
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lxc_rig_setup, lxc_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_container_is_a_directory_with_a_config),
		T(a_running_one_has_the_init_that_its_monitor_gives),
		T(a_reboot_is_seen),
		T(a_cgroup_or_a_lock_is_a_hint),
		T(a_hint_during_a_question_means_another_question),
		T(the_locks_may_appear_later),
		T(a_hint_before_its_time_is_followed_by_more_questions_but_not_for_ever),
		T(frozen_is_paused),
		T(a_users_container_is_asked_when_its_config_is_read),
		T(lxc_is_never_merged),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("lxc", tests, NULL, NULL);
}
