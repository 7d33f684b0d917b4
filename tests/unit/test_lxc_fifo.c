/* SPDX-License-Identifier: MIT */
/* What is defended: each state in order and how it ended, from LXC's fifo; and that nothing said there makes a dead container run. */
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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/resolver/lxc_container.h"
#include "lxc_rig.h"

static void refuse_all(struct rig *g)
{
	while (nasks > 0)
		lxc_refuse(g, lxc_asked("web", asks[0].m.command), ECONNREFUSED);
}

/* A container that is known to be stopped, and a fifo that is read. */
static void make_web(struct rig *g)
{
	lxc_make_container(g, "web");
	rig_round(g);
	lxc_give_fifo(g, 0);
	refuse_all(g);
	g->history[0] = '\0';
}

static void state_is(struct rig *g, int state)
{
	lxc_fifo_says(g, "web", SAYS_STATE, state);
}

static void start_web(struct rig *g, const struct rig_child *c)
{
	make_web(g);
	state_is(g, LXC_STARTING);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
	state_is(g, LXC_RUNNING);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0); /* not without its init */
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c->pid);
	(void)close(lxc_say_watched(g, lxc_asked("web", IPC_LXC_WATCH)));
	lxc_turn(g);
	nasks = 0;
	assert_string_equal(g->history, "starting running ");
	g->history[0] = '\0';
}

static void exit_status_is(const struct rig *g, uint32_t status)
{
	assert_true(rig_find(g, "lxc", "web")->exited);
	assert_int_equal(rig_find(g, "lxc", "web")->exit, status);
}

static void every_state_is_told_in_order(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	start_web(g, &c);
	/* All at once, as when this process was not run for a while. */
	state_is(g, LXC_FREEZING);
	state_is(g, LXC_FROZEN);
	state_is(g, LXC_FROZEN);
	state_is(g, LXC_THAWED);
	state_is(g, LXC_RUNNING);
	rig_round(g);
	assert_string_equal(g->history, "freezing paused thawed running ");
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	g->history[0] = '\0';
	child_end(&c);
	lxc_fifo_says(g, "web", SAYS_EXIT, 7 << 8);
	state_is(g, LXC_STOPPING);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	assert_string_equal(g->history, "stopping stopping stopped "); /* once without, once with its exit status */
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	exit_status_is(g, 7 << 8);
}

/* The kernel says first that init has ended; LXC says the rest. */
static void its_end_is_told_once(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	bool told;

	child_start(&c);
	start_web(g, &c);
	child_end(&c);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPING, 0);
	told = rig_find(g, "lxc", "web")->exited; /* by the kernel, if it does: then LXC's word is no news */
	lxc_fifo_says(g, "web", SAYS_EXIT, 9);
	state_is(g, LXC_STOPPING);
	rig_round(g);
	/* LXC closes its socket before it says STOPPED. The question is older than what was heard: it is put again. */
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), EPIPE);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPING, 0);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	assert_string_equal(g->history, told ? "stopping stopped " : "stopping stopping stopped ");
	exit_status_is(g, 9);
}

/* Nobody says anything any more: what the socket says counts. */
static void lxcs_monitor_may_be_killed(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	start_web(g, &c);
	child_end(&c);
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_STATE), ECONNREFUSED);
	assert_string_equal(g->history, "stopping stopped ");
	g->history[0] = '\0';
	/* Or it said it all, and we were faster. */
	state_is(g, LXC_STOPPING);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	assert_string_equal(g->history, "");
	/* While it starts. */
	state_is(g, LXC_STARTING);
	rig_round(g);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), EPIPE);
	assert_string_equal(g->history, "starting stopped ");
}

static void a_reboot_has_every_state(void **state)
{
	struct rig *g = *state;
	struct rig_child c, d;

	child_start(&c);
	child_start(&d);
	start_web(g, &c);
	child_end(&c);
	rig_round(g);
	lxc_fifo_says(g, "web", SAYS_EXIT, 1);
	state_is(g, LXC_STOPPING);
	state_is(g, LXC_STOPPED);
	state_is(g, LXC_STARTING);
	state_is(g, LXC_RUNNING);
	rig_round(g);
	exit_status_is(g, 1);
	/* The question from before is answered when there is an init again. */
	lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_RUNNING);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &d);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, d.pid);
	assert_string_equal(g->history, "stopping stopping stopped starting running ");
	child_end(&d);
}

/* It was gone before its init could be asked for: that it ran cannot be shown, how it ended can. */
static void one_that_ran_too_short(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	make_web(g);
	state_is(g, LXC_STARTING);
	state_is(g, LXC_RUNNING);
	lxc_fifo_says(g, "web", SAYS_EXIT, 7 << 8);
	state_is(g, LXC_STOPPING);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), EPIPE);
	lxc_refuse(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), ECONNREFUSED);
	assert_string_equal(g->history, "starting starting stopping stopped ");
	exit_status_is(g, 7 << 8);
	/* Twice in a row, and the init that is there now is the second one's. */
	refuse_all(g);
	g->history[0] = '\0';
	state_is(g, LXC_STARTING);
	state_is(g, LXC_RUNNING);
	lxc_fifo_says(g, "web", SAYS_EXIT, 0);
	state_is(g, LXC_STOPPED);
	state_is(g, LXC_STARTING);
	state_is(g, LXC_RUNNING);
	rig_round(g);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	assert_string_equal(g->history, "starting starting stopped starting running ");
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

static void nothing_runs_without_a_living_init(void **state)
{
	static const int lively[] = {LXC_RUNNING, LXC_FREEZING, LXC_FROZEN, LXC_THAWED};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	child_zombie(&c);
	make_web(g);
	for (size_t i = 0; i < sizeof(lively) / sizeof(lively[0]); i++) {
		state_is(g, lively[i]);
		rig_round(g);
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		lxc_refuse(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), ECONNREFUSED);
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		state_is(g, lively[i]);
		rig_round(g);
		lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c); /* dead already */
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	}
	assert_string_equal(g->history, "");
	/* More than is kept. */
	for (int i = 0; i < 3 * LXC_WAITING_MAX; i++)
		state_is(g, LXC_RUNNING);
	lxc_fifo_says(g, "web", SAYS_EXIT, 3);
	rig_round(g);
	refuse_all(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	exit_status_is(g, 3);
	child_end(&c);
}

static void a_living_init_is_not_talked_dead(void **state)
{
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	start_web(g, &c);
	state_is(g, LXC_STOPPED);
	lxc_fifo_says(g, "web", SAYS_EXIT, 0);
	state_is(g, LXC_STARTING);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	assert_false(rig_find(g, "lxc", "web")->exited);
	assert_string_equal(g->history, "");
	/* It is asked; the answer settles it. */
	lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_RUNNING);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

/* An answer that was on its way when more was said. */
static void an_old_answer_says_no_state(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	uint64_t token;

	child_start(&c);
	start_web(g, &c);
	rig_mkdir(g, "cgroup/lxc.payload.web"); /* a hint */
	rig_round(g);
	token = lxc_asked("web", IPC_LXC_STATE);
	state_is(g, LXC_FREEZING);
	state_is(g, LXC_FROZEN);
	lxc_say_state(g, token, LXC_RUNNING);
	lxc_assert_state(g, "web", ROOT_CONTAINER_PAUSED, c.pid);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_PAUSED, c.pid);
	assert_string_equal(g->history, "freezing paused ");
	/* Refused before it started. */
	g->history[0] = '\0';
	child_end(&c);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	refuse_all(g);
	g->history[0] = '\0';
	rig_mkdir(g, "cgroup/lxc.monitor.web");
	rig_round(g);
	token = lxc_asked("web", IPC_LXC_STATE);
	state_is(g, LXC_STARTING);
	lxc_refuse(g, token, ECONNREFUSED);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
	assert_string_equal(g->history, "starting ");
	(void)lxc_asked("web", IPC_LXC_INIT_PIDFD);
}

static void garbage_changes_nothing_and_everything_is_asked(void **state)
{
	static const struct message bad[] = {
		{SAYS_STATE, "web", LXC_STATES},
		{SAYS_STATE, "web", -1},
		{1, "web", LXC_RUNNING},
		{-1, "web", 0},
		{3, "web", 0},
		{SAYS_STATE, "", LXC_STOPPED},
	};
	struct rig *g = *state;
	struct message m = {.type = SAYS_STATE, .value = LXC_STOPPING};
	struct rig_child c;

	child_start(&c);
	start_web(g, &c);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + 3; i++) {
		if (i < sizeof(bad) / sizeof(bad[0])) {
			lxc_write_fifo(g, 0, &bad[i], sizeof(bad[i]));
		} else if (i == sizeof(bad) / sizeof(bad[0])) {
			memset(m.name, 'w', sizeof(m.name)); /* no end */
			lxc_write_fifo(g, 0, &m, sizeof(m));
		} else {
			lxc_write_fifo(g, 0, "short", 5); /* and what follows is out of step */
			if (i % 2)
				state_is(g, LXC_STOPPING);
		}
		rig_round(g);
		assert_string_equal(g->history, "");
		lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_RUNNING);
		lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
		nasks = 0;
	}
	/* Names that are nobody's, or not of this place. */
	lxc_fifo_says(g, "nobody", SAYS_STATE, LXC_RUNNING);
	lxc_fifo_says(g, "../lxc/web", SAYS_STATE, LXC_STOPPING);
	rig_round(g);
	assert_string_equal(g->history, "");
	assert_int_equal(nasks, 0);
	/* In step again. */
	state_is(g, LXC_FROZEN);
	rig_round(g);
	assert_string_equal(g->history, "paused ");
	child_end(&c);
}

/* The last writer has closed it: nothing to wake up for. */
static void an_end_of_file_is_no_event(void **state)
{
	struct rig *g = *state;
	struct epoll_event e;

	make_web(g);
	lxc_fifo_says(g, "nobody", SAYS_STATE, LXC_RUNNING);
	lxc_turn(g);
	assert_int_equal(epoll_wait(g->loop.epoll_fd, &e, 1, 0), 0);
	/* And the next message is one. */
	state_is(g, LXC_STARTING);
	assert_int_equal(epoll_wait(g->loop.epoll_fd, &e, 1, 0), 1);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
}

/* More than fits into one turn, and others have theirs. */
static void a_flood_has_an_end(void **state)
{
	struct rig *g = *state;
	struct message m = {.type = SAYS_STATE, .name = "nobody", .value = LXC_RUNNING};
	int fd, sent = 0;

	make_web(g);
	fd = open(lxc_fifo_path(g, 0), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	(void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
	while (sent < 2000 && write(fd, &m, sizeof(m)) == (ssize_t)sizeof(m))
		sent++;
	(void)close(fd);
	state_is(g, LXC_STARTING);
	rig_round(g);
	for (int i = 0; i < 3; i++)
		lxc_turn(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
}

struct holder {
	pid_t pid;
	int sync;
};

/* An lxc-monitord: locks the fifo, and reads one message when told to. */
static void holder_start(const struct rig *g, struct holder *h)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct message m;
	int sync[2];
	char byte;

	assert_int_equal(chan_pair(sync), 0);
	h->pid = fork();
	if (h->pid == 0) {
		int fd = open(lxc_fifo_path(g, 0), O_RDWR | O_NONBLOCK | O_CLOEXEC);

		(void)close(sync[0]);
		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
			_exit(1);
		(void)send(sync[1], "x", 1, 0);
		if (recv(sync[1], &byte, 1, 0) == 1)
			(void)send(sync[1], read(fd, &m, sizeof(m)) == (ssize_t)sizeof(m) ? "y" : "n", 1, 0);
		(void)recv(sync[1], &byte, 1, 0);
		_exit(0);
	}
	(void)close(sync[1]);
	h->sync = sync[0];
	assert_int_equal(recv(h->sync, &byte, 1, 0), 1);
}

static void holder_end(struct holder *h)
{
	(void)close(h->sync);
	assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
}

static void an_lxc_monitord_comes_first(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	struct holder h;
	char byte;

	child_start(&c);
	start_web(g, &c);
	holder_start(g, &h);
	state_is(g, LXC_FREEZING);
	rig_round(g);
	/* Not ours; and it is not read by anybody but its reader. */
	assert_string_equal(g->history, "");
	assert_int_equal(send(h.sync, "r", 1, 0), 1);
	assert_int_equal(recv(h.sync, &byte, 1, 0), 1);
	assert_int_equal(byte, 'y');
	/* Meanwhile the socket is asked, as where there is no fifo. */
	lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_RUNNING);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	(void)lxc_asked("web", IPC_LXC_WATCH);
	child_end(&c);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	/* It is tried again after a while, and more rarely if it is still there. */
	assert_int_equal(fifo_asks, 0);
	for (int i = 0; i < 50 && fifo_asks == 0; i++)
		assert_int_equal(loop_once(&g->loop, 100), 0);
	assert_int_equal(fifo_asks, 1);
	lxc_refuse_fifo(g, 0, EBUSY);
	/* It removes the fifo when it ends. */
	assert_int_equal(unlink(lxc_fifo_path(g, 0)), 0);
	holder_end(&h);
	rig_round(g);
	lxc_give_fifo(g, 0);
	nasks = 0;
	state_is(g, LXC_STARTING);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
}

static void a_fifo_that_is_removed_or_replaced_is_asked_for_again(void **state)
{
	struct rig *g = *state;
	char old[600];

	make_web(g);
	assert_int_equal(fifo_asks, 0);
	assert_int_equal(unlink(lxc_fifo_path(g, 0)), 0);
	rig_round(g);
	assert_int_equal(fifo_asks, 1);
	lxc_give_fifo(g, 0);
	assert_int_equal(fifo_asks, 0);
	(void)snprintf(old, sizeof(old), "%s-old", lxc_fifo_path(g, 0));
	assert_int_equal(rename(lxc_fifo_path(g, 0), old), 0);
	rig_round(g);
	lxc_give_fifo(g, 0);
	nasks = 0;
	state_is(g, LXC_STARTING);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STARTING, 0);
	/* With all its directories. */
	rig_rmtree(g, "run/lxc");
	rig_round(g);
	lxc_give_fifo(g, 0);
	state_is(g, LXC_STOPPED);
	rig_round(g);
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	assert_int_equal(fifo_asks, 0);
}

static void a_users_is_asked_for_once(void **state)
{
	struct rig *g = *state;

	lxc_make_container(g, "web");
	rig_round(g);
	lxc_refuse_fifo(g, 0, EPERM);
	rig_mkdir(g, "run");
	rig_mkdir(g, "run/lxc");
	rig_round(g);
	assert_int_equal(fifo_asks, 0);
}

static void what_was_not_asked_for_is_an_error(void **state)
{
	struct rig *g = *state;
	struct ipc_lxc_fifo_end m = {.path = 0};

	make_web(g);
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, dup(0)), -EPROTO);
	m.path = 7;
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, dup(0)), -EPROTO);
	assert_int_equal(unlink(lxc_fifo_path(g, 0)), 0);
	rig_round(g);
	m.path = 0;
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, -1), -EPROTO);
	m.error = EBUSY;
	assert_int_equal(lxc_fifo_answer(&g->asker, &m, dup(0)), -EPROTO);
}

/* Two lxcpaths, a container of one name in both: two containers, and each fifo speaks of its own. */
static void each_lxcpath_has_its_own(void **state)
{
	struct rig *g = *state;
	unsigned stopped = 0, starting = 0;

	(void)rig_engine(g, "lxc", "lxc2");
	make_web(g);
	rig_mkdir(g, "lxc2/web");
	rig_put(g, "lxc2/web/config", "", 0);
	rig_round(g);
	lxc_give_fifo(g, 1);
	state_is(g, LXC_STARTING);
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	for (size_t i = 0; i < g->nrecords; i++) {
		assert_string_equal(g->records[i].id, "web");
		stopped += g->records[i].state == ROOT_CONTAINER_STOPPED;
		starting += g->records[i].state == ROOT_CONTAINER_STARTING;
	}
	assert_int_equal(stopped, 1);
	assert_int_equal(starting, 1);
}

/* While messages wait and answers are there. */
static void a_container_may_go_at_any_time(void **state)
{
	struct rig *g = *state;
	struct reply r = {.data = LXC_RUNNING};
	uint64_t token;
	int fd;

	make_web(g);
	state_is(g, LXC_STARTING);
	state_is(g, LXC_RUNNING);
	rig_round(g);
	token = lxc_asked("web", IPC_LXC_INIT_PIDFD);
	fd = lxc_connected(g, token);
	lxc_send_bytes(fd, &r, sizeof(r), NULL, 0);
	assert_int_equal(loop_once(&g->loop, 0), 0); /* the answer is here, and nobody has looked at it */
	state_is(g, LXC_STOPPED);
	rig_rmtree(g, "lxc/web");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	(void)close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lxc_rig_setup, lxc_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_state_is_told_in_order),
		T(its_end_is_told_once),
		T(lxcs_monitor_may_be_killed),
		T(a_reboot_has_every_state),
		T(one_that_ran_too_short),
		T(nothing_runs_without_a_living_init),
		T(a_living_init_is_not_talked_dead),
		T(an_old_answer_says_no_state),
		T(garbage_changes_nothing_and_everything_is_asked),
		T(an_end_of_file_is_no_event),
		T(a_flood_has_an_end),
		T(an_lxc_monitord_comes_first),
		T(a_fifo_that_is_removed_or_replaced_is_asked_for_again),
		T(a_users_is_asked_for_once),
		T(what_was_not_asked_for_is_an_error),
		T(each_lxcpath_has_its_own),
		T(a_container_may_go_at_any_time),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("lxc_fifo", tests, NULL, NULL);
}
