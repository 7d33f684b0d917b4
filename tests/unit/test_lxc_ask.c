/* SPDX-License-Identifier: MIT */
/* What is defended: of an LXC monitor's answer nothing is believed that has not the exact form, and nobody waits for a slow one. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "lxc_rig.h"
#include "sub.h"

static void what_has_not_the_exact_form_is_no_answer(void **state)
{
	struct rig *g = *state;
	struct reply good = {.data = LXC_RUNNING}, bad[] = {
							   {.ret = -1, .data = LXC_RUNNING},
							   {.ret = 1, .data = LXC_RUNNING},
							   {.datalen = 4, .data = LXC_RUNNING},
							   {.datalen = -1, .data = LXC_RUNNING},
							   {.data = LXC_STATES},
							   {.data = UINT64_MAX},
							   {.data = (UINT64_C(1) << 32) | LXC_RUNNING},
						   };
	struct rig_child c;
	int two[2];

	child_start(&c);
	two[0] = two[1] = procfd_open(c.pid);
	lxc_make_container(g, "web");
	rig_round(g);
	for (size_t n = 0; n < sizeof(good); n++) { /* cut, then closed */
		lxc_say(g, lxc_asked("web", IPC_LXC_STATE), &good, n, NULL, 0);
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lxc_say(g, lxc_asked("web", IPC_LXC_STATE), &bad[i], sizeof(bad[i]), NULL, 0);
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
	}
	lxc_say(g, lxc_asked("web", IPC_LXC_STATE), &good, sizeof(good), two,
		2); /* more descriptors than there is room for */
	lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	assert_int_equal(nasks, 0); /* had it been believed, its init would be asked for */
	(void)close(two[0]);
	child_end(&c);
}

/* Answers, in a PID namespace below ours unless @here, and lives until @sync is closed. Returns who reaps it. */
static pid_t answer_from(int fd, bool here, int sync)
{
	struct reply r = {.data = LXC_RUNNING};
	pid_t pid = fork(), sender;
	char byte;

	if (pid == 0) {
		if (!here && unshare(CLONE_NEWPID) < 0)
			_exit(1);
		sender = fork();
		if (sender == 0) {
			lxc_send_bytes(fd, &r, sizeof(r), NULL, 0);
			(void)send(sync, "x", 1, 0);
			(void)recv(sync, &byte, 1, 0);
			_exit(0);
		}
		(void)close(sync);
		_exit(waitpid(sender, NULL, 0) != sender);
	}
	return pid;
}

static void who_answers_from_a_container_is_not_believed(void **state)
{
	struct rig *g = *state;
	int fd, sync[2], status;
	char byte;
	pid_t pid;

	SKIP_IF(geteuid() != 0, "needs root");
	lxc_make_container(g, "web");
	for (int here = 0; here < 2; here++) {
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
		fd = lxc_connected(g, lxc_asked("web", IPC_LXC_STATE));
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync), 0);
		pid = answer_from(fd, here, sync[1]);
		(void)close(sync[1]);
		assert_int_equal(recv(sync[0], &byte, 1, 0), 1);
		(void)close(fd);
		nasks = 0;
		lxc_turn(g);
		assert_int_equal(nasks, here); /* believed, its init is asked for */
		(void)shutdown(sync[0], SHUT_RDWR);
		(void)close(sync[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* One that has ended by then could have been anybody. */
static void who_has_ended_is_not_believed(void **state)
{
	struct reply r = {.data = LXC_RUNNING};
	struct rig *g = *state;
	int fd;
	pid_t pid;

	lxc_make_container(g, "web");
	rig_round(g);
	fd = lxc_connected(g, lxc_asked("web", IPC_LXC_STATE));
	pid = fork();
	if (pid == 0) {
		lxc_send_bytes(fd, &r, sizeof(r), NULL, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(fd);
	lxc_turn(g);
	assert_int_equal(nasks, 0);
}

static void an_init_that_is_none_does_not_count(void **state)
{
	struct rig *g = *state;
	struct reply r = {0}, refused = {.ret = -1};
	struct rig_child c, dead;
	int fd, pidfd;

	child_start(&c);
	child_start(&dead);
	lxc_make_container(g, "web");
	for (int i = 0; i < 5; i++) {
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
		lxc_say_state(g, lxc_asked("web", IPC_LXC_STATE), LXC_RUNNING);
		if (i == 0) { /* no descriptor */
			lxc_say(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), NULL, 0);
		} else if (i == 1) { /* some other descriptor */
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
			lxc_say(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), &fd, 1);
			(void)close(fd);
		} else if (i == 2) { /* an error, and a descriptor all the same */
			pidfd = procfd_open(c.pid);
			lxc_say(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &refused, sizeof(refused), &pidfd, 1);
			(void)close(pidfd);
		} else if (i == 3) { /* dead, not reaped */
			child_zombie(&dead);
			lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &dead);
		} else { /* the host's init */
			pidfd = procfd_open(1);
			lxc_say(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), &pidfd, pidfd >= 0);
			(void)close(pidfd);
		}
		lxc_assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	}
	child_end(&dead);
	child_end(&c);
}

static void what_the_monitor_says_out_of_turn_is_an_error(void **state)
{
	struct rig *g = *state;
	struct ipc_lxc_socket m = {0};
	uint64_t token;

	lxc_make_container(g, "web");
	rig_round(g);
	token = lxc_asked("web", IPC_LXC_STATE);
	m.token = token + 1;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO); /* not asked yet */
	m.token = 0;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO);
	m.token = token;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, -1), -EPROTO); /* neither error nor descriptor */
	m.error = EPERM;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO); /* both */
	lxc_refuse(g, token, EPERM);
	m = (struct ipc_lxc_socket){.token = token};
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)),
			 0); /* answered already, or cancelled: too late is no crime */
}

static void two_sockets_for_one_question_are_an_error(void **state)
{
	struct rig *g = *state;
	struct ipc_lxc_socket m = {0};
	int fd;

	lxc_make_container(g, "web");
	rig_round(g);
	m.token = lxc_asked("web", IPC_LXC_STATE);
	fd = lxc_connected(g, m.token);
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO);
	(void)close(fd);
}

static void only_so_many_questions_at_once(void **state)
{
	struct rig *g = *state;
	char name[16];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		lxc_make_container(g, name);
	}
	rig_round(g);
	assert_int_equal(g->nrecords, 200);
	assert_int_equal(nasks, 64);
	assert_true(lxc_asker_busy(&g->asker));
	while (nasks > 0) { /* each answer makes room for the next question */
		uint64_t token = asks[0].m.token;

		memmove(&asks[0], &asks[1], --nasks * sizeof(asks[0]));
		lxc_refuse(g, token, ECONNREFUSED);
	}
	assert_int_equal(total, 200);
	assert_false(lxc_asker_busy(&g->asker));
}

/* A container that takes a minute to start, or is stopped by SIGSTOP: nobody waits, nobody else's question either. */
static void who_is_slow_holds_up_nobody(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	int fd;

	child_start(&c);
	lxc_make_container(g, "web");
	rig_round(g);
	fd = lxc_connected(g, lxc_asked("web", IPC_LXC_STATE));
	lxc_turn(g);
	assert_true(lxc_asker_busy(&g->asker));
	for (int i = 0; i < 100 && lxc_asker_busy(&g->asker); i++)
		assert_int_equal(loop_once(&g->loop, 100), 0);
	assert_false(lxc_asker_busy(&g->asker));
	/* It answers in the end. */
	lxc_send_bytes(fd, &(struct reply){.data = LXC_RUNNING}, sizeof(struct reply), NULL, 0);
	lxc_turn(g);
	lxc_say_init(g, lxc_asked("web", IPC_LXC_INIT_PIDFD), &c);
	lxc_assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	(void)close(fd);
	child_end(&c);
}

static void a_container_may_go_while_it_is_asked(void **state)
{
	struct rig *g = *state;
	int fd;

	lxc_make_container(g, "web");
	lxc_make_container(g, "db");
	rig_round(g);
	fd = lxc_connected(g, asks[0].m.token);
	rig_rmtree(g, "lxc/web");
	rig_rmtree(g, "lxc/db");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	assert_false(lxc_asker_busy(&g->asker));
	lxc_turn(g);
	(void)close(fd);
	lxc_turn(g);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lxc_rig_setup, lxc_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_has_not_the_exact_form_is_no_answer),
		T(who_answers_from_a_container_is_not_believed),
		T(who_has_ended_is_not_believed),
		T(an_init_that_is_none_does_not_count),
		T(what_the_monitor_says_out_of_turn_is_an_error),
		T(two_sockets_for_one_question_are_an_error),
		T(only_so_many_questions_at_once),
		T(who_is_slow_holds_up_nobody),
		T(a_container_may_go_while_it_is_asked),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("lxc_ask", tests, NULL, NULL);
}
