/* SPDX-License-Identifier: MIT */
/*
 * Confined processes: what the monitor gives up for them, that it believes only what /proc shows, and that each is started again.
 *
 * This executable, under the name of a confined binary, is one that behaves as the directory it lies in is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/caps.h"
#include "../../server/common/cleanup.h"
#include "../../server/monitor/confined.h"
#include "tree.h"

#define UID 64101 /* and the two that follow */
#define ROUNDS 1500 /* of 10 ms, before a test gives up */

/* --- The confined process ---------------------------------------------------------------------------------------- */

static void say(uint16_t type)
{
	uint8_t buf[WIRE_HEADER];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	(void)ipc_send(3, &w, NULL, 0, 0);
}

/* Seccomp shows as 2 in /proc; what the filter says is not this test's affair. */
static void filter_nothing(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		_exit(90);
}

/* What exec must have brought: exits with the line that is not so. */
#define NEED(condition)                                                                                  \
	do {                                                                                             \
		if (!(condition)) {                                                                      \
			(void)dprintf(STDERR_FILENO, "# confined, line %d: %s\n", __LINE__, #condition); \
			_exit(91);                                                                       \
		}                                                                                        \
	} while (0)

static void check_surroundings(int argc, char **argv)
{
	struct stat null, st[2];
	struct rlimit files;
	struct caps caps;
	sigset_t blocked;

	NEED(stat("/dev/null", &null) == 0 && fstat(0, &st[0]) == 0 && fstat(1, &st[1]) == 0);
	NEED(st[0].st_rdev == null.st_rdev && st[1].st_rdev == null.st_rdev);
	NEED(fcntl(3, F_GETFD) == 0);
	for (int fd = 4; fd < 512; fd++)
		NEED(fcntl(fd, F_GETFD) < 0);
	NEED(environ[0] == NULL);
	NEED(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == files.rlim_max);
	NEED(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGTERM));
	NEED(getsid(0) == getpid());
	NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	NEED(getuid() >= UID && getuid() < UID + 3 && getgid() == getuid());
	NEED(getgroups(0, NULL) == 0);
	NEED(caps_read(&caps) == 0);
	NEED(caps.permitted == caps.bounding && caps.permitted == caps.ambient);
	NEED(argc >= 3 && strcmp(argv[1], "--log-level") == 0 && strcmp(argv[2], "info") == 0);
	if (getuid() == UID + CONFINED_RESOLVER)
		NEED(argc == 5 && strcmp(argv[3], "crun=/run/crun") == 0 && strcmp(argv[4], "lxc=/var/lib/lxc") == 0);
	else
		NEED(argc == 3);
}

static void be_confined(int argc, char **argv) __attribute__((noreturn));
static void be_confined(int argc, char **argv)
{
	static struct ipc_in in;
	char *slash = strrchr(argv[0], '/');
	const char *behaviour;

	*slash = '\0';
	behaviour = strrchr(argv[0], '/') + 1;
	if (strcmp(behaviour, "mute") == 0)
		for (;;)
			(void)pause();
	if (strcmp(behaviour, "dies") == 0)
		_exit(1);
	if (strcmp(behaviour, "first") == 0)
		say(IPC_LXC_ASK);
	if (strcmp(behaviour, "noise") == 0)
		(void)send(3, "abc", 3, 0);
	check_surroundings(argc, argv);
	if (strcmp(behaviour, "ambient") != 0)
		(void)caps_set_final(getuid() == UID + CONFINED_RESOLVER ? CAPS_BIT(CAP_DAC_READ_SEARCH)
				     : getuid() == UID + CONFINED_JOINER
					     ? CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_PTRACE)
					     : 0);
	if (strcmp(behaviour, "nocaps") == 0)
		(void)caps_set_final(0);
	if (strcmp(behaviour, "nofilter") != 0)
		filter_nothing();
	say(IPC_READY);
	if (strcmp(behaviour, "reload") == 0)
		_exit(CONFINED_EXIT_RELOAD);
	if (strcmp(behaviour, "deaf") == 0)
		for (;;)
			(void)pause();
	if (strcmp(behaviour, "twice") == 0)
		say(IPC_READY);
	in.nfds = 0;
	/* Each record is answered by one of the same type. */
	while (ipc_recv(3, &in, 0) == 1)
		say(in.type);
	_exit(0);
}

/* --- The monitor's side ------------------------------------------------------------------------------------------ */

static struct {
	struct loop loop;
	struct keeper_link keeper;
	struct config config;
	struct confined_env env;
	struct confined c;
	int ready, ended, drained, records;
	uint16_t last;
	int record_result;
} t;

static void on_ready(struct confined *c)
{
	(void)c;
	t.ready++;
}

static int on_record(struct confined *c, struct ipc_in *in)
{
	(void)c;
	t.records++;
	t.last = in->type;
	return t.record_result;
}

static void on_drained(struct confined *c)
{
	(void)c;
	t.drained++;
}

static void on_ended(struct confined *c)
{
	(void)c;
	t.ended++;
}

static const struct confined_events events = {on_ready, on_record, on_drained, on_ended};
static char crun[] = "crun", lxc[] = "lxc", run_crun[] = "/run/crun", var_lxc[] = "/var/lib/lxc";

static void begin(enum confined_kind kind, const char *behaviour)
{
	char name[128];

	memset(&t, 0, sizeof(t));
	assert_int_equal(loop_init(&t.loop), 0);
	t.keeper = (struct keeper_link){.fd = -1, .next_key = 1};
	for (int i = 0; i < CONFINED_COUNT; i++)
		t.config.user[i] = (struct config_user){UID + (uid_t)i, UID + (gid_t)i};
	t.config.dirs[0] = (struct engine_dir){crun, run_crun};
	t.config.dirs[1] = (struct engine_dir){lxc, var_lxc};
	t.config.ndirs = 2;
	t.env = (struct confined_env){
		.loop = &t.loop,
		.keeper = &t.keeper,
		.config = &t.config,
		.libexec = strdup(tree_path(behaviour)),
		.proc = open("/proc", O_PATH | O_CLOEXEC),
		.ready_ms = 60000,
		.stuck_ms = 60000,
		.events = &events,
	};
	tree_dir(behaviour, 0755);
	(void)snprintf(name, sizeof(name), "%s/%s", behaviour, confined_binary(kind));
	tree_copy_self(name);
	confined_init(&t.c, &t.env, kind);
	confined_start(&t.c);
}

static void finish(void)
{
	confined_stop(&t.c);
	assert_int_equal(t.c.state, CONFINED_NONE);
	free((char *)(uintptr_t)t.env.libexec);
	(void)close(t.env.proc);
	loop_fini(&t.loop);
}

/* Runs the loop until @what is at least @count. */
static void until(const int *what, int count)
{
	for (int i = 0; i < ROUNDS && *what < count; i++)
		assert_int_equal(loop_once(&t.loop, 10), 0);
	assert_in_range(*what, count, 1000000);
}

static void send_record(uint16_t type, size_t len)
{
	static uint8_t buf[IPC_RECORD_MAX];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	w.len += len;
	confined_send(&t.c, &w, NULL, 0);
}

static void each_kind_is_confined_and_serves(void **state)
{
	(void)state;
	NEEDS_TREE();
	for (int kind = 0; kind < CONFINED_COUNT; kind++) {
		begin((enum confined_kind)kind, "good");
		assert_int_equal(t.c.state, CONFINED_STARTING);
		/* Not one byte to a process that has not shown what it is. */
		send_record(IPC_PEER, 0);
		until(&t.ready, 1);
		assert_int_equal(t.c.state, CONFINED_RUNNING);
		send_record(IPC_SESSION_END, 0);
		until(&t.records, 1);
		assert_int_equal(t.last, IPC_SESSION_END);
		assert_int_equal(t.ended, 0);
		finish();
		assert_int_equal(t.ended, 1);
	}
}

static void who_is_not_confined_is_killed(void **state)
{
	static const char *const liars[] = {"nofilter", "ambient", "nocaps", "first", "noise"};

	(void)state;
	NEEDS_TREE();
	for (size_t i = 0; i < sizeof(liars) / sizeof(liars[0]); i++) {
		begin(CONFINED_RESOLVER, liars[i]);
		until(&t.ended, 1);
		assert_int_equal(t.ready, 0);
		assert_int_equal(t.records, 0);
		finish();
	}
}

static void who_is_not_ready_in_time_is_killed(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "mute");
	assert_int_equal(loop_once(&t.loop, 0), 0);
	timer_set(&t.loop, &t.c.timer, 1);
	until(&t.ended, 1);
	assert_int_equal(t.ready, 0);
	finish();
}

static void nonsense_in_service_is_the_end_of_it(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "good");
	until(&t.ready, 1);
	t.record_result = -EBADMSG;
	send_record(IPC_SESSION_END, 0);
	until(&t.ended, 1);
	/* And a new one serves. */
	t.record_result = 0;
	until(&t.ready, 2);
	finish();
	begin(CONFINED_FRONTEND, "twice");
	t.record_result = -EBADMSG;
	until(&t.ended, 1);
	assert_int_equal(t.last, IPC_READY);
	finish();
}

static void whoever_does_not_read_is_killed(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "deaf");
	t.env.stuck_ms = 200;
	until(&t.ready, 1);
	for (int i = 0; i < 2000 && outbox_empty(&t.c.out); i++)
		send_record(IPC_SESSION_END, 1000);
	assert_false(outbox_empty(&t.c.out));
	until(&t.ended, 1);
	assert_true(outbox_empty(&t.c.out));
	finish();
}

static void what_does_not_fit_at_once_is_sent_in_order(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "good");
	until(&t.ready, 1);
	assert_int_equal(kill(t.c.pid, SIGSTOP), 0);
	for (int i = 0; i < 400; i++)
		send_record(IPC_SESSION_END, 4000);
	assert_false(outbox_empty(&t.c.out));
	/* Its requests wait while there is no room for their answers. */
	assert_true(outbox_high(&t.c.out));
	assert_int_equal(t.c.channel.events & EPOLLIN, 0);
	assert_int_equal(kill(t.c.pid, SIGCONT), 0);
	until(&t.records, 400);
	assert_int_equal(t.drained, 1);
	assert_int_equal(t.c.channel.events, EPOLLIN);
	finish();
}

static void try_never_queues(void **state)
{
	uint8_t buf[4096];
	struct wire_wr w;
	int r = 0;

	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "good");
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_SESSION_END, 0);
	w.len = sizeof(buf);
	assert_int_equal(confined_try(&t.c, &w, NULL, 0), -ENOTCONN);
	until(&t.ready, 1);
	assert_int_equal(kill(t.c.pid, SIGSTOP), 0);
	for (int i = 0; i < 2000 && r == 0; i++)
		r = confined_try(&t.c, &w, NULL, 0);
	assert_int_equal(r, -EAGAIN);
	assert_true(outbox_empty(&t.c.out));
	assert_int_equal(kill(t.c.pid, SIGCONT), 0);
	until(&t.drained, 1);
	assert_int_equal(confined_try(&t.c, &w, NULL, 0), 0);
	finish();
}

/* Room for one record is not yet the room that the kernel reports: what is sent in between must not call that report off. */
static void whoever_was_refused_is_told_although_others_fit(void **state)
{
	struct pollfd room = {.events = POLLOUT};
	uint8_t buf[4096];
	struct wire_wr w;
	int r = 0;

	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "good");
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_SESSION_END, 0);
	w.len = sizeof(buf);
	until(&t.ready, 1);
	assert_int_equal(kill(t.c.pid, SIGSTOP), 0);
	for (int i = 0; i < 2000 && r == 0; i++)
		r = confined_try(&t.c, &w, NULL, 0);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(kill(t.c.pid, SIGCONT), 0);
	room.fd = t.c.channel.fd;
	assert_int_equal(poll(&room, 1, 10000), 1);
	send_record(IPC_SESSION_END, 0);
	assert_true(outbox_empty(&t.c.out));
	until(&t.drained, 1);
	assert_int_equal(t.c.channel.events, EPOLLIN);
	assert_int_equal(t.c.stuck.deadline_ms, 0);
	finish();
}

static void it_is_started_again_and_again(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "dies");
	until(&t.ended, 1);
	/* At once the first time, then later each time; the delay has an end, the attempts have none. */
	assert_int_equal(t.c.delay_ms, CONFINED_DELAY_MIN_MS);
	until(&t.ended, 3);
	assert_int_equal(t.c.delay_ms, 4 * CONFINED_DELAY_MIN_MS);
	assert_int_equal(t.c.failures, 3);
	t.c.delay_ms = CONFINED_DELAY_MAX_MS;
	until(&t.ended, 4);
	assert_int_equal(t.c.delay_ms, CONFINED_DELAY_MAX_MS);
	assert_int_not_equal(t.c.timer.deadline_ms, 0);
	finish();
	assert_int_equal(t.c.timer.deadline_ms, 0);
}

static void it_is_started_again_when_it_was_killed(void **state)
{
	pid_t first;

	(void)state;
	NEEDS_TREE();
	begin(CONFINED_JOINER, "good");
	until(&t.ready, 1);
	first = t.c.pid;
	assert_int_equal(kill(first, SIGKILL), 0);
	until(&t.ready, 2);
	assert_int_equal(t.ended, 1);
	assert_int_equal(t.c.failures, 0);
	finish();
}

static void a_reload_is_no_failure(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_RESOLVER, "reload");
	until(&t.ended, 5);
	assert_int_equal(t.c.delay_ms, 0);
	finish();
}

static void a_missing_binary_is_tried_again(void **state)
{
	(void)state;
	NEEDS_TREE();
	begin(CONFINED_FRONTEND, "good");
	until(&t.ready, 1);
	assert_int_equal(unlink(tree_path("good/rootbroker-frontend")), 0);
	assert_int_equal(kill(t.c.pid, SIGKILL), 0);
	until(&t.ended, 2);
	tree_copy_self("good/rootbroker-frontend");
	until(&t.ready, 2);
	finish();
}

/* --- The judgement ----------------------------------------------------------------------------------------------- */

static void every_deviation_is_seen(void **state)
{
	const struct config_user user = {5, 6};
	const struct proc_status good = {
		.uid = {5, 5, 5, 5},
		.gid = {6, 6, 6, 6},
		.permitted = CAPS_BIT(CAP_DAC_READ_SEARCH),
		.effective = CAPS_BIT(CAP_DAC_READ_SEARCH),
		.bounding = CAPS_BIT(CAP_DAC_READ_SEARCH),
		.no_new_privs = 1,
		.seccomp = 2,
	};
	struct proc_status s;

	(void)state;
	assert_null(confined_judge(&user, CONFINED_RESOLVER, &good));
	assert_non_null(confined_judge(&user, CONFINED_FRONTEND, &good));
	assert_non_null(confined_judge(&user, CONFINED_JOINER, &good));
	for (int i = 0; i < 4; i++) {
		s = good;
		s.uid[i] = 0;
		assert_non_null(confined_judge(&user, CONFINED_RESOLVER, &s));
		s = good;
		s.gid[i] = 0;
		assert_non_null(confined_judge(&user, CONFINED_RESOLVER, &s));
	}
#define DEVIATES(field, value)                                                 \
	do {                                                                   \
		s = good;                                                      \
		s.field = (value);                                             \
		assert_non_null(confined_judge(&user, CONFINED_RESOLVER, &s)); \
	} while (0)
	DEVIATES(permitted, 0);
	DEVIATES(permitted, good.permitted | 1);
	DEVIATES(effective, 0);
	DEVIATES(effective, good.permitted | 1);
	DEVIATES(inheritable, good.permitted);
	DEVIATES(ambient, good.permitted);
	DEVIATES(bounding, good.permitted | 1);
	DEVIATES(no_new_privs, 0);
	DEVIATES(seccomp, 0);
	DEVIATES(seccomp, 1);
	DEVIATES(ngroups, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_confined_and_serves),
		cmocka_unit_test(who_is_not_confined_is_killed),
		cmocka_unit_test(who_is_not_ready_in_time_is_killed),
		cmocka_unit_test(nonsense_in_service_is_the_end_of_it),
		cmocka_unit_test(whoever_does_not_read_is_killed),
		cmocka_unit_test(what_does_not_fit_at_once_is_sent_in_order),
		cmocka_unit_test(try_never_queues),
		cmocka_unit_test(whoever_was_refused_is_told_although_others_fit),
		cmocka_unit_test(it_is_started_again_and_again),
		cmocka_unit_test(it_is_started_again_when_it_was_killed),
		cmocka_unit_test(a_reload_is_no_failure),
		cmocka_unit_test(a_missing_binary_is_tried_again),
		cmocka_unit_test(every_deviation_is_seen),
	};

	if (strstr(argv[0], "/rootbroker-") && strncmp(strrchr(argv[0], '/'), "/rootbroker-", 12) == 0)
		be_confined(argc, argv);
	return cmocka_run_group_tests(tests, tree_make, tree_remove);
}
