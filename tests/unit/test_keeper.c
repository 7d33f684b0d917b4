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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

#include "../../server/common/cleanup.h"
#include "../../server/keeper/child.h"
#include "fake_monitor.h"
#include "sub.h"

#define TIMEOUT_MS 30000

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
	(void)snprintf(k->monitor, sizeof(k->monitor), "%s/" FAKE_MONITOR, k->libexec);
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
	int status = sub_wait(k->pid, TIMEOUT_MS);

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
	/* What is no beginning of it will not become it. */
	for (int ms = 0; ms < TIMEOUT_MS && strcmp(noted(k), want) != 0; ms += 10) {
		if (strncmp(noted(k), want, strlen(noted(k))) != 0)
			break;
		(void)poll(NULL, 0, 10);
	}
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

/* Its default action would be the end of that monitor, and at the first start of everything. */
static void a_reload_before_the_monitor_listens_for_it_is_not_lost(void **state)
{
	struct keeper *k = *state;

	NEEDS_ROOT;
	start(k, "slow");
	wait_noted(k, "clean\n");
	assert_int_equal(kill(k->pid, SIGHUP), 0);
	wait_noted(k, "clean\nserving\nclean\nserving\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
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
	assert_exit(status, FAKE_CHECK_STATUS);
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
		KEEPER_TEST(a_reload_before_the_monitor_listens_for_it_is_not_lost),
		KEEPER_TEST(a_monitor_that_talks_nonsense_is_killed),
		KEEPER_TEST(a_monitor_that_does_not_end_is_killed),
		KEEPER_TEST(a_first_start_that_fails_is_the_end),
		KEEPER_TEST(a_second_keeper_is_refused_and_the_first_serves_on),
		KEEPER_TEST(after_a_killed_keeper_its_monitor_ends_and_the_next_one_starts),
		KEEPER_TEST(check_is_the_monitors_answer),
		cmocka_unit_test(each_command_line_has_its_status),
		cmocka_unit_test(failures_are_retried_ever_more_slowly),
	};

	if (strcmp(basename(argv[0]), FAKE_MONITOR) == 0)
		return fake_monitor(argc, argv);
	return cmocka_run_group_tests(tests, find_binary, NULL);
}
