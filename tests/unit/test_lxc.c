/* SPDX-License-Identifier: MIT */
/*
 * What is defended: an LXC container's state is what its monitor says now, asked whenever it may have changed and never
 * without end; and of an answer nothing is believed that has not the exact form.
 */
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
#include "resolver_rig.h"

#define ASKS_MAX 1024

struct reply {
	int32_t ret, datalen;
	uint64_t data;
};

/* What the resolver asked of our monitor, and has not got yet. */
static struct {
	struct ipc_lxc_ask m;
	char name[ROOT_ID_MAX + 1];
} asks[ASKS_MAX];
static unsigned nasks, total;

static void keep_ask(struct lxc_asker *k, const struct ipc_lxc_ask *m)
{
	(void)k;
	assert_true(nasks < ASKS_MAX);
	asks[nasks].m = *m;
	assert_true(str_copy(asks[nasks].name, sizeof(asks[0].name), m->name));
	nasks++;
	total++;
}

static int setup(void **state)
{
	int r = rig_setup(state);
	struct rig *g = *state;

	if (r)
		return r;
	nasks = total = 0;
	g->asker.send = keep_ask;
	g->ctx.run_lxc = strdup(rig_path(g, "run/lxc"));
	g->ctx.cgroup_root = strdup(rig_path(g, "cgroup"));
	rig_mkdir(g, "cgroup");
	rig_mkdir(g, "cgroup/unified");
	(void)rig_engine(g, "lxc", "lxc");
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;
	char *run = (char *)(uintptr_t)g->ctx.run_lxc, *cgroup = (char *)(uintptr_t)g->ctx.cgroup_root;
	int r = rig_teardown(state);

	free(run);
	free(cgroup);
	return r;
}

static void make_container(const struct rig *g, const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "lxc/%s", name);
	rig_mkdir(g, path);
	(void)snprintf(path, sizeof(path), "lxc/%s/config", name);
	rig_put(g, path, "", 0);
}

/* The next question, which is about @name. */
static uint64_t asked(const char *name, enum ipc_lxc_command command)
{
	uint64_t token;

	assert_true(nasks > 0);
	assert_string_equal(asks[0].name, name);
	assert_int_equal(asks[0].m.command, command);
	token = asks[0].m.token;
	memmove(&asks[0], &asks[1], --nasks * sizeof(asks[0]));
	return token;
}

static void refuse(struct rig *g, uint64_t token, int error)
{
	struct ipc_lxc_socket m = {.token = token, .error = (uint32_t)error};

	assert_int_equal(lxc_asker_socket(&g->asker, &m, -1), 0);
}

/* The other end of the connection that the resolver now has. */
static int connected(struct rig *g, uint64_t token)
{
	struct ipc_lxc_socket m = {.token = token};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(lxc_asker_socket(&g->asker, &m, fds[0]), 0);
	return fds[1];
}

static void send_bytes(int fd, const void *bytes, size_t len, const int *passed, int n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), passed, (size_t)n * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &h, MSG_NOSIGNAL), (ssize_t)len);
}

static void turn(struct rig *g)
{
	assert_int_equal(loop_once(&g->loop, 0), 0);
	rig_round(g);
}

static void say(struct rig *g, uint64_t token, const void *bytes, size_t len, const int *passed, int n)
{
	int fd = connected(g, token);

	if (len > 0)
		send_bytes(fd, bytes, len, passed, n);
	(void)close(fd);
	turn(g);
}

static void say_state(struct rig *g, uint64_t token, enum lxc_state state)
{
	struct reply r = {.data = (uint64_t)state};

	say(g, token, &r, sizeof(r), NULL, 0);
}

static void say_init(struct rig *g, uint64_t token, const struct rig_child *c)
{
	struct reply r = {0};
	int pidfd = procfd_open(c->pid);

	say(g, token, &r, sizeof(r), &pidfd, 1);
	(void)close(pidfd);
}

/* Registers a watch and leaves it open: what LXC has at its end. */
static int say_watched(struct rig *g, uint64_t token)
{
	struct reply r = {.ret = LXC_STATES, .data = LXC_STATES};
	int fd = connected(g, token);

	send_bytes(fd, &r, sizeof(r), NULL, 0);
	turn(g);
	return fd;
}

/* From "is there" to "runs". Returns LXC's end of the watch. */
static int run_container(struct rig *g, const char *name, const struct rig_child *c)
{
	say_state(g, asked(name, IPC_LXC_STATE), LXC_RUNNING);
	say_init(g, asked(name, IPC_LXC_INIT_PIDFD), c);
	return say_watched(g, asked(name, IPC_LXC_WATCH));
}

static void assert_state(const struct rig *g, const char *name, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "lxc", name);

	assert_non_null(r);
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
	assert_string_equal(r->name, name);
}

/* Lets the questions that follow a hint be asked: time passes. */
static void wait_for_ask(struct rig *g)
{
	for (int i = 0; i < 400 && nasks == 0; i++) {
		assert_int_equal(loop_once(&g->loop, 50), 0);
		rig_round(g);
	}
	assert_true(nasks > 0);
}

static void a_container_is_a_directory_with_a_config(void **state)
{
	struct rig *g = *state;

	make_container(g, "web");
	rig_mkdir(g, "lxc/nothing");
	rig_mkdir(g, "lxc/.hidden");
	rig_put(g, "lxc/file", "", 0);
	assert_int_equal(symlink("web", rig_path(g, "lxc/link")), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
	rig_put(g, "lxc/nothing/config", "", 0); /* lxc-create makes the directory first */
	rig_round(g);
	assert_int_equal(g->nrecords, 2);
	refuse(g, asked("nothing", IPC_LXC_STATE), ECONNREFUSED);
	assert_int_equal(unlink(rig_path(g, "lxc/nothing/config")), 0);
	rig_rmtree(g, "lxc/web");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	turn(g);
	assert_int_equal(nasks, 0); /* a stopped container that nothing hints at is asked once */
	assert_null(g->loop.timers); /* and not later either */
}

static void a_running_one_has_the_init_that_its_monitor_gives(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	int watch;

	child_start(&c);
	make_container(g, "web");
	rig_round(g);
	watch = run_container(g, "web", &c);
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	assert_string_equal(rig_find(g, "lxc", "web")->cgroup, c.cgroup);
	assert_false(lxc_asker_busy(&g->asker)); /* the open watch is nothing to wait for */
	assert_int_equal(nasks, 0);
	/* Its end; then it is asked again, for it may have been a reboot. */
	child_end(&c);
	rig_round(g);
	assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
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
	make_container(g, "web");
	rig_round(g);
	watch = run_container(g, "web", &c);
	rid = rig_find(g, "lxc", "web")->rid;
	child_end(&c);
	rig_round(g);
	/* The socket is there, and answers when init is there again. */
	fd = connected(g, asked("web", IPC_LXC_STATE));
	turn(g);
	assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	send_bytes(fd, &(struct reply){.data = LXC_RUNNING}, sizeof(struct reply), NULL, 0);
	turn(g);
	say_init(g, asked("web", IPC_LXC_INIT_PIDFD), &d);
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, d.pid);
	assert_int_equal(rig_find(g, "lxc", "web")->rid, rid);
	(void)close(fd);
	(void)close(watch);
	child_end(&d);
}

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
	make_container(g, "web");
	rig_round(g);
	for (size_t n = 0; n < sizeof(good); n++) { /* cut, then closed */
		say(g, asked("web", IPC_LXC_STATE), &good, n, NULL, 0);
		assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(g, asked("web", IPC_LXC_STATE), &bad[i], sizeof(bad[i]), NULL, 0);
		assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
	}
	say(g, asked("web", IPC_LXC_STATE), &good, sizeof(good), two, 2); /* more descriptors than there is room for */
	assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	assert_int_equal(nasks, 0); /* had it been believed, its init would be asked for */
	(void)close(two[0]);
	child_end(&c);
}

static void an_init_that_is_none_does_not_count(void **state)
{
	struct rig *g = *state;
	struct reply r = {0}, refused = {.ret = -1};
	struct rig_child c, dead;
	int fd, pidfd;

	child_start(&c);
	child_start(&dead);
	make_container(g, "web");
	for (int i = 0; i < 5; i++) {
		g->dirs[0].engine->rescan(&g->dirs[0]);
		rig_round(g);
		say_state(g, asked("web", IPC_LXC_STATE), LXC_RUNNING);
		if (i == 0) { /* no descriptor */
			say(g, asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), NULL, 0);
		} else if (i == 1) { /* some other descriptor */
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
			say(g, asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), &fd, 1);
			(void)close(fd);
		} else if (i == 2) { /* an error, and a descriptor all the same */
			pidfd = procfd_open(c.pid);
			say(g, asked("web", IPC_LXC_INIT_PIDFD), &refused, sizeof(refused), &pidfd, 1);
			(void)close(pidfd);
		} else if (i == 3) { /* dead, not reaped */
			child_zombie(&dead);
			say_init(g, asked("web", IPC_LXC_INIT_PIDFD), &dead);
		} else { /* the host's init */
			pidfd = procfd_open(1);
			say(g, asked("web", IPC_LXC_INIT_PIDFD), &r, sizeof(r), &pidfd, pidfd >= 0);
			(void)close(pidfd);
		}
		assert_state(g, "web", ROOT_CONTAINER_STOPPED, 0);
	}
	child_end(&dead);
	child_end(&c);
}

static void what_the_monitor_says_out_of_turn_is_an_error(void **state)
{
	struct rig *g = *state;
	struct ipc_lxc_socket m = {0};
	uint64_t token;

	make_container(g, "web");
	rig_round(g);
	token = asked("web", IPC_LXC_STATE);
	m.token = token + 1;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO); /* not asked yet */
	m.token = 0;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO);
	m.token = token;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, -1), -EPROTO); /* neither error nor descriptor */
	m.error = EPERM;
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO); /* both */
	refuse(g, token, EPERM);
	m = (struct ipc_lxc_socket){.token = token};
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)),
			 0); /* answered already, or cancelled: too late is no crime */
}

static void two_sockets_for_one_question_are_an_error(void **state)
{
	struct rig *g = *state;
	struct ipc_lxc_socket m = {0};
	int fd;

	make_container(g, "web");
	rig_round(g);
	m.token = asked("web", IPC_LXC_STATE);
	fd = connected(g, m.token);
	assert_int_equal(lxc_asker_socket(&g->asker, &m, dup(0)), -EPROTO);
	(void)close(fd);
}

static void a_cgroup_or_a_lock_is_a_hint(void **state)
{
	static const char *const hints[] = {"cgroup/lxc.monitor.web", "cgroup/lxc.payload.web",
					    "cgroup/unified/lxc.payload.web-1", "cgroup/lxc.monitor.web-12"};
	struct rig *g = *state;

	make_container(g, "web");
	make_container(g, "other");
	rig_round(g);
	while (nasks > 0)
		refuse(g, asks[0].m.token, ECONNREFUSED), nasks--, memmove(&asks[0], &asks[1], nasks * sizeof(asks[0]));
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		rig_mkdir(g, hints[i]);
		rig_round(g);
		refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
		while (nasks > 0) /* the question may have been repeated meanwhile */
			refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
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
	make_container(g, "web");
	rig_round(g);
	token = asked("web", IPC_LXC_STATE);
	rig_mkdir(g, "cgroup/lxc.monitor.web");
	rig_mkdir(g, "cgroup/lxc.payload.web");
	rig_round(g);
	assert_int_equal(nasks, 0);
	refuse(g, token, ECONNREFUSED); /* what it was before the hint */
	assert_int_equal(nasks, 1); /* at once, not some time later */
	(void)close(run_container(g, "web", &c));
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	child_end(&c);
}

static void the_locks_may_appear_later(void **state)
{
	struct rig *g = *state;
	char path[400], *p;

	make_container(g, "web");
	make_container(g, "early");
	rig_round(g);
	refuse(g, asks[0].m.token, ECONNREFUSED);
	refuse(g, asks[1].m.token, ECONNREFUSED);
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
	refuse(g, asked("early", IPC_LXC_STATE), ECONNREFUSED);
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
	make_container(g, "web");
	rig_round(g);
	refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
	rig_mkdir(g, "cgroup/lxc.monitor.web");
	rig_round(g);
	refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
	wait_for_ask(g);
	refuse(g, asked("web", IPC_LXC_STATE), ECONNREFUSED);
	wait_for_ask(g);
	(void)close(run_container(g, "web", &c));
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	/* A running one whose watch always ends at once is not asked all the time. */
	total = 0;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(loop_once(&g->loop, 10), 0);
		while (nasks > 0 && n++ < 100)
			refuse(g, asks[0].m.token, ENOMEM), nasks = 0;
	}
	assert_true(total < 8);
	child_end(&c);
}

static void frozen_is_paused(void **state)
{
	struct {
		int32_t type;
		char name[256];
		int32_t value;
	} message = {.value = LXC_FROZEN};
	struct rig *g = *state;
	struct rig_child c;
	int watch;

	child_start(&c);
	make_container(g, "web");
	rig_round(g);
	watch = run_container(g, "web", &c);
	send_bytes(watch, &message, sizeof(message), NULL, 0);
	turn(g);
	wait_for_ask(g);
	say_state(g, asked("web", IPC_LXC_STATE), LXC_FROZEN);
	say_init(g, asked("web", IPC_LXC_INIT_PIDFD), &c);
	assert_state(g, "web", ROOT_CONTAINER_PAUSED, c.pid);
	/* Thawed: LXC tells nobody that it runs again, so it is asked a few times more. */
	wait_for_ask(g);
	(void)close(run_container(g, "web", &c));
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	(void)close(watch);
	child_end(&c);
}

static void only_so_many_questions_at_once(void **state)
{
	struct rig *g = *state;
	char name[16];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		make_container(g, name);
	}
	rig_round(g);
	assert_int_equal(g->nrecords, 200);
	assert_int_equal(nasks, 64);
	assert_true(lxc_asker_busy(&g->asker));
	while (nasks > 0) { /* each answer makes room for the next question */
		uint64_t token = asks[0].m.token;

		memmove(&asks[0], &asks[1], --nasks * sizeof(asks[0]));
		refuse(g, token, ECONNREFUSED);
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
	make_container(g, "web");
	rig_round(g);
	fd = connected(g, asked("web", IPC_LXC_STATE));
	turn(g);
	assert_true(lxc_asker_busy(&g->asker));
	for (int i = 0; i < 100 && lxc_asker_busy(&g->asker); i++)
		assert_int_equal(loop_once(&g->loop, 100), 0);
	assert_false(lxc_asker_busy(&g->asker));
	/* It answers in the end. */
	send_bytes(fd, &(struct reply){.data = LXC_RUNNING}, sizeof(struct reply), NULL, 0);
	turn(g);
	say_init(g, asked("web", IPC_LXC_INIT_PIDFD), &c);
	assert_state(g, "web", ROOT_CONTAINER_RUNNING, c.pid);
	(void)close(fd);
	child_end(&c);
}

static void a_container_may_go_while_it_is_asked(void **state)
{
	struct rig *g = *state;
	int fd;

	make_container(g, "web");
	make_container(g, "db");
	rig_round(g);
	fd = connected(g, asks[0].m.token);
	rig_rmtree(g, "lxc/web");
	rig_rmtree(g, "lxc/db");
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	assert_false(lxc_asker_busy(&g->asker));
	turn(g);
	(void)close(fd);
	turn(g);
}

static void lxc_is_never_merged(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	json_t *root;

	child_start(&c);
	(void)rig_engine(g, "crun", "crun");
	(void)rig_engine(g, "lxc", "lxc2");
	make_container(g, "web");
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
	assert_int_equal(asks[1].m.path, 1);
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_container_is_a_directory_with_a_config),
		T(a_running_one_has_the_init_that_its_monitor_gives),
		T(a_reboot_is_seen),
		T(what_has_not_the_exact_form_is_no_answer),
		T(an_init_that_is_none_does_not_count),
		T(what_the_monitor_says_out_of_turn_is_an_error),
		T(two_sockets_for_one_question_are_an_error),
		T(a_cgroup_or_a_lock_is_a_hint),
		T(a_hint_during_a_question_means_another_question),
		T(the_locks_may_appear_later),
		T(a_hint_before_its_time_is_followed_by_more_questions_but_not_for_ever),
		T(frozen_is_paused),
		T(only_so_many_questions_at_once),
		T(who_is_slow_holds_up_nobody),
		T(a_container_may_go_while_it_is_asked),
		T(lxc_is_never_merged),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("lxc", tests, NULL, NULL);
}
