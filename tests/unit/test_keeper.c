/* SPDX-License-Identifier: MIT */
/*
 * rootbrokerd, the real binary, over a monitor that is this very program under another name: what a monitor leaves behind
 * is there for the next one, statuses are exact, and every end is the right one.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/ipc.h"
#include "../../server/common/procfd.h"
#include "../../server/keeper/child.h"
#include "sub.h"

#define TIMEOUT_MS 30000
#define CHANNEL 3
#define PROGRAMS 40
#define SESSION 1000

/* --- The monitor that is not one. Its configuration's name is the part that it plays, beside it lies what it wrote. */

static struct {
	const char *socket, *part;
	char dir[PATH_MAX];
	bool check;
	int generation;
} fake;

static struct ipc_in in;

/* Appends to a file beside the configuration. */
static void note(const char *name, const char *text)
{
	char path[PATH_MAX + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fake.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(80);
	(void)close(fd);
}

static void fake_send(uint16_t type, ssize_t (*body)(struct wire_wr *w, const void *m), const void *m, int fd)
{
	struct wire_wr w;
	uint8_t buf[512];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	if (body)
		(void)body(&w, m);
	if (ipc_send(CHANNEL, &w, &fd, fd >= 0, 0) < 0)
		_exit(81);
}

static ssize_t body_bind(struct wire_wr *w, const void *m)
{
	return put_ipc_bind(w, m);
}
static ssize_t body_item(struct wire_wr *w, const void *m)
{
	return put_ipc_item(w, m);
}

static void fake_put(uint64_t key, uint32_t kind, pid_t pid, int fd)
{
	struct ipc_item m = {.key = key, .kind = kind, .pid = (uint32_t)pid, .record = STR("opaque")};

	fake_send(IPC_PUT, body_item, &m, fd);
}

static uint16_t fake_recv(void)
{
	if (ipc_recv(CHANNEL, &in, 0) != 1)
		_exit(82);
	return in.type;
}

/* Each program's status is its key; half of them end when their monitor may be gone already. */
static void leave_programs_behind(void)
{
	int fds[2];

	for (int key = 1; key <= PROGRAMS; key++) {
		pid_t pid = fork();
		int pidfd;

		if (pid == 0) {
			if (key % 2)
				(void)poll(NULL, 0, key * 3);
			_exit(key);
		}
		pidfd = procfd_open(pid);
		if (pidfd < 0)
			_exit(83);
		fake_put((uint64_t)key, IPC_KIND_PROGRAM, pid, pidfd);
		(void)close(pidfd);
	}
	if (chan_pair(fds) < 0 || send(fds[0], "hello", 5, 0) != 5)
		_exit(84);
	fake_put(SESSION, IPC_KIND_SESSION, 0, fds[1]);
	(void)close(fds[1]);
}

static bool status_is_right(uint64_t key, uint32_t status)
{
	return WIFEXITED((int)status) && (uint64_t)WEXITSTATUS((int)status) == key;
}

/* Takes everything over; true if nothing is missing or wrong. */
static bool take_over(void)
{
	int left = 0, programs = 0, sessions = 0;
	struct ipc_exited e;
	struct ipc_item m;
	char text[8];

	while (fake_recv() == IPC_ITEM) {
		if (get_ipc_item(&in.body, &m) < 0 || in.nfds != 1 || !str_eq(m.record, STR("opaque")))
			return false;
		programs += m.kind == IPC_KIND_PROGRAM;
		if (m.kind == IPC_KIND_SESSION)
			sessions += recv(in.fds[0], text, sizeof(text), 0) == 5 && memcmp(text, "hello", 5) == 0;
		else if (m.exited && !status_is_right(m.key, m.status))
			return false;
		left += m.kind == IPC_KIND_PROGRAM && !m.exited;
	}
	for (; left > 0; left--)
		if (fake_recv() != IPC_EXITED || get_ipc_exited(&in.body, &e) < 0 || !status_is_right(e.key, e.status))
			return false;
	return programs == PROGRAMS && sessions == 1;
}

static bool ignored_or_blocked(int signo)
{
	struct sigaction a;
	sigset_t mask;

	return sigprocmask(SIG_BLOCK, NULL, &mask) < 0 || sigismember(&mask, signo) || sigaction(signo, NULL, &a) < 0 ||
	       a.sa_handler != SIG_DFL;
}

/* What the keeper passes on is clean, whatever it was started with. */
static bool inheritance_is_clean(void)
{
	char cwd[8];

	for (int fd = 0; fd <= CHANNEL; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	for (int fd = CHANNEL + 1; fd < 200; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	if (ignored_or_blocked(SIGCHLD) || ignored_or_blocked(SIGTERM) || ignored_or_blocked(SIGPIPE))
		return false;
	return (!environ || !environ[0]) && getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/") == 0 && umask(022) == 022;
}

static void fake_serve(void) __attribute__((noreturn));
static void fake_serve(void)
{
	struct pollfd fds[] = {{.fd = CHANNEL, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	note("out", "serving\n");
	fake_send(IPC_SERVING, NULL, NULL, -1);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && ipc_recv(CHANNEL, &in, 0) == 0) {
			note("out", "eof\n");
			_exit(0);
		}
		if (!fds[1].revents || read(fds[1].fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGHUP)
			_exit(CHILD_RELOAD_STATUS);
		note("out", "sigterm\n");
		if (strcmp(fake.part, "stubborn") != 0)
			_exit(0);
	}
	_exit(85);
}

static void fake_bind(void)
{
	struct ipc_bind b = {.path = str_of(fake.socket)};
	struct ipc_listener l;

	fake_send(IPC_BIND, body_bind, &b, -1);
	if (fake_recv() != IPC_LISTENER || get_ipc_listener(&in.body, &l) < 0)
		_exit(86);
	if (l.error) {
		note("out", "refused\n");
		_exit(1);
	}
	if (in.nfds != 1)
		_exit(87);
}

static void fake_arguments(int argc, char **argv)
{
	char *config = NULL, path[PATH_MAX + 16];
	struct stat st;

	for (int i = 1; i < argc; i++) {
		fake.check |= strcmp(argv[i], "--check") == 0;
		if (strcmp(argv[i], "--config") == 0)
			config = argv[i + 1];
		if (strcmp(argv[i], "--socket") == 0)
			fake.socket = argv[i + 1];
	}
	if (!config || config[0] != '/')
		_exit(88);
	(void)snprintf(fake.dir, sizeof(fake.dir), "%s", config);
	fake.part = basename(config);
	*strrchr(fake.dir, '/') = '\0';
	note("generation", "x");
	(void)snprintf(path, sizeof(path), "%s/generation", fake.dir);
	fake.generation = stat(path, &st) == 0 ? (int)st.st_size : 0;
}

static int fake_main(int argc, char **argv)
{
	bool clean = inheritance_is_clean(), burst, first;

	fake_arguments(argc, argv);
	if (fake.check)
		return 5;
	if (strcmp(fake.part, "fail") == 0)
		return 3;
	burst = strcmp(fake.part, "burst") == 0;
	first = fake.generation == 1;
	note("out", clean ? "clean\n" : "not clean\n");
	if (burst && !first)
		note("out", take_over() ? "complete\n" : "incomplete\n");
	else if (fake_recv() != IPC_ITEMS_END)
		return 89;
	fake_bind();
	if (first && (burst || strcmp(fake.part, "nonsense") == 0)) {
		fake_send(IPC_SERVING, NULL, NULL, -1);
		if (burst) {
			leave_programs_behind();
			_exit(9);
		}
		fake_send(IPC_ITEMS_END, NULL, NULL, -1);
		(void)poll(NULL, 0, -1); /* the keeper kills it */
	}
	fake_serve();
}

/* --- The keeper under test */

struct keeper {
	pid_t pid;
	char dir[32], socket[64], lock[80], libexec[64], monitor[96], out[64], generation[64];
};

static char binary[PATH_MAX]; /* rootbrokerd, beside the directory of this test */

static int setup(void **state)
{
	struct keeper *k = calloc(1, sizeof(*k));
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	*state = k;
	if (!k || n <= 0)
		return -1;
	self[n] = '\0';
	(void)strcpy(k->dir, "/tmp/test_keeper.XXXXXX");
	if (!mkdtemp(k->dir))
		return -1;
	(void)snprintf(k->socket, sizeof(k->socket), "%s/run/socket", k->dir);
	(void)snprintf(k->lock, sizeof(k->lock), "%s.lock", k->socket);
	(void)snprintf(k->libexec, sizeof(k->libexec), "%s/libexec", k->dir);
	(void)snprintf(k->monitor, sizeof(k->monitor), "%s/rootbroker-monitor", k->libexec);
	(void)snprintf(k->out, sizeof(k->out), "%s/out", k->dir);
	(void)snprintf(k->generation, sizeof(k->generation), "%s/generation", k->dir);
	return mkdir(k->libexec, 0755) < 0 || symlink(self, k->monitor) < 0 ? -1 : 0;
}

/* Fails if the keeper left anything of its own behind. */
static int teardown(void **state)
{
	struct keeper *k = *state;
	char run[64];
	int r;

	if (k->pid > 0) {
		(void)kill(k->pid, SIGTERM);
		(void)waitpid(k->pid, NULL, 0);
	}
	(void)snprintf(run, sizeof(run), "%s/run", k->dir);
	(void)unlink(k->out);
	(void)unlink(k->generation);
	(void)unlink(k->monitor);
	(void)rmdir(k->libexec);
	(void)rmdir(run);
	r = rmdir(k->dir);
	free(k);
	return r;
}

/* Odd in everything that a careless parent may leave. */
static void start_oddly(void)
{
	sigset_t all;

	(void)signal(SIGCHLD, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)umask(0077);
	(void)dup2(2, 50);
	(void)close(0);
	(void)close(1);
	(void)setenv("LD_SOMETHING", "odd", 1);
}

static pid_t run(struct keeper *k, const char *part, const char *more)
{
	char config[64];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)snprintf(config, sizeof(config), "%s/%s", k->dir, part);
	start_oddly();
	(void)execl(binary, binary, "--config", config, "--socket", k->socket, "--libexec", k->libexec, more,
		    (char *)NULL);
	_exit(94);
}

static void start(struct keeper *k, const char *part)
{
	k->pid = run(k, part, NULL);
	assert_true(k->pid > 0);
}

static int ended(struct keeper *k)
{
	int status;

	assert_int_equal(waitpid(k->pid, &status, 0), k->pid);
	k->pid = 0;
	return status;
}

/* What the monitors noted. */
static const char *noted(struct keeper *k)
{
	static char text[1024];
	int fd = open(k->out, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void wait_noted(struct keeper *k, const char *want)
{
	for (int ms = 0; ms < TIMEOUT_MS && strcmp(noted(k), want) != 0; ms += 10)
		(void)poll(NULL, 0, 10);
	assert_string_equal(noted(k), want);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool answers(struct keeper *k)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, k->socket, strlen(k->socket) + 1);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

static void it_serves_and_ends_and_leaves_nothing(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "serve");
	wait_noted(k, "clean\nserving\n");
	assert_true(answers(k));
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
	assert_string_equal(noted(k), "clean\nserving\nsigterm\n");
	assert_false(is_there(k->socket) || is_there(k->lock));
}

static void nothing_is_lost_when_a_monitor_dies(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "burst");
	wait_noted(k, "clean\nclean\ncomplete\nserving\n");
	assert_true(answers(k));
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
}

static void a_reload_is_a_new_monitor_on_the_same_socket(void **state)
{
	struct keeper *k = *state;
	struct stat before, after;

	NEEDS_ROOT;
	start(k, "serve");
	wait_noted(k, "clean\nserving\n");
	assert_int_equal(stat(k->socket, &before), 0);
	assert_int_equal(kill(k->pid, SIGHUP), 0);
	wait_noted(k, "clean\nserving\nclean\nserving\n");
	assert_int_equal(stat(k->socket, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(kill(k->pid, SIGINT), 0);
	assert_exit(ended(k), 0);
}

static void a_monitor_that_talks_nonsense_is_killed(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "nonsense");
	wait_noted(k, "clean\nclean\nserving\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
}

static void a_monitor_that_does_not_end_is_killed(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "stubborn");
	wait_noted(k, "clean\nserving\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	wait_noted(k, "clean\nserving\nsigterm\n");
	/* Whoever cannot wait asks again. */
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
	assert_false(is_there(k->socket));
}

static void a_first_start_that_fails_is_the_end(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "fail");
	assert_exit(ended(k), 1);
	assert_false(is_there(k->socket));
}

static void a_second_keeper_is_refused_and_the_first_serves_on(void **state)
{
	struct keeper *k = *state;
	int status;
	pid_t pid;

	NEEDS_ROOT;
	start(k, "serve");
	wait_noted(k, "clean\nserving\n");
	pid = run(k, "serve", NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 1);
	assert_string_equal(noted(k), "clean\nserving\nclean\nrefused\n");
	assert_true(answers(k));
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
}

static void after_a_killed_keeper_its_monitor_ends_and_the_next_one_starts(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "serve");
	wait_noted(k, "clean\nserving\n");
	assert_int_equal(kill(k->pid, SIGKILL), 0);
	assert_signal(ended(k), SIGKILL);
	wait_noted(k, "clean\nserving\neof\n");
	/* The socket is stale now. */
	assert_true(is_there(k->socket));
	start(k, "serve");
	wait_noted(k, "clean\nserving\neof\nclean\nserving\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_exit(ended(k), 0);
}

/* --- The command line */

static void check_is_the_monitors_answer(void **state)
{
	struct keeper *k = *state;
	int status;
	pid_t pid = run(k, "serve", "--check");

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_exit(status, 5);
}

static int run_with(const void *arg)
{
	char *const *argv = (char *const *)(uintptr_t)arg;
	int null = open("/dev/null", O_WRONLY);

	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)execv(binary, argv);
	return 94;
}

static int status_of(const char *first, const char *second)
{
	const char *argv[] = {"rootbrokerd", first, second, NULL};

	return sub_run(run_with, argv);
}

static void each_command_line_has_its_status(void **state)
{
	(void)state;
	assert_exit(status_of("--help", NULL), 0);
	assert_exit(status_of("--version", NULL), 0);
	assert_exit(status_of("--nonsense", NULL), 2);
	assert_exit(status_of("--config", NULL), 2);
	assert_exit(status_of("argument", NULL), 2);
	assert_exit(status_of("--log-level", "loud"), 2);
	assert_exit(status_of("-x", NULL), 2);
	assert_exit(status_of("--libexec", "/nonexistent"), 1);
}

static void failures_are_retried_ever_more_slowly(void **state)
{
	static const uint64_t delays[] = {0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
	struct backoff b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		assert_int_equal(backoff_next(&b, CHILD_STEADY_MS - 1), delays[i]);
	/* Steady service is forgiven. */
	assert_int_equal(backoff_next(&b, CHILD_STEADY_MS), 0);
	assert_int_equal(backoff_next(&b, 0), 50);
}

static int find_binary(void **state)
{
	ssize_t n = readlink("/proc/self/exe", binary, sizeof(binary) - 32);

	(void)state;
	if (n <= 0)
		return -1;
	binary[n] = '\0';
	(void)snprintf(strrchr(binary, '/'), 32, "/../rootbrokerd");
	if (access(binary, X_OK) < 0)
		print_message("# %s: %s\n", binary, strerror(errno));
	return access(binary, X_OK);
}

#define KEEPER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		KEEPER_TEST(it_serves_and_ends_and_leaves_nothing),
		KEEPER_TEST(nothing_is_lost_when_a_monitor_dies),
		KEEPER_TEST(a_reload_is_a_new_monitor_on_the_same_socket),
		KEEPER_TEST(a_monitor_that_talks_nonsense_is_killed),
		KEEPER_TEST(a_monitor_that_does_not_end_is_killed),
		KEEPER_TEST(a_first_start_that_fails_is_the_end),
		KEEPER_TEST(a_second_keeper_is_refused_and_the_first_serves_on),
		KEEPER_TEST(after_a_killed_keeper_its_monitor_ends_and_the_next_one_starts),
		KEEPER_TEST(check_is_the_monitors_answer),
		cmocka_unit_test(each_command_line_has_its_status),
		cmocka_unit_test(failures_are_retried_ever_more_slowly),
	};

	if (strcmp(basename(argv[0]), "rootbroker-monitor") == 0)
		return fake_main(argc, argv);
	return cmocka_run_group_tests(tests, find_binary, NULL);
}
