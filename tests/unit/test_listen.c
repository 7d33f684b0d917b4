/* SPDX-License-Identifier: MIT */
/* The listening socket: one instance a path, nobody's file is touched, and nothing is left behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/keeper/listen.h"
#include "sub.h"

static char top[64], run[96], path[128], lock[144], error[256];

static int setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	(void)snprintf(run, sizeof(run), "%s/run", top);
	(void)snprintf(path, sizeof(path), "%s/socket", run);
	(void)snprintf(lock, sizeof(lock), "%s.lock", path);
	error[0] = '\0';
	return 0;
}

/* Fails if a test has left anything behind. */
static int teardown(void **state)
{
	(void)state;
	if (rmdir(run) < 0 && errno != ENOENT)
		return -1;
	return rmdir(top);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_mode;
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0;
}

static int connect_to(const char *name, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, strlen(name) + 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Somebody else's socket there. */
static int bind_other(const char *name, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, strlen(name) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void it_binds_with_the_modes_that_it_promises(void **state)
{
	struct listener l = LISTENER_NONE;
	mode_t old = umask(0077);
	int client, fd;

	(void)state;
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), 0);
	assert_int_equal(umask(old), 0077);
	assert_true(mode_of(run) == (S_IFDIR | 0755));
	assert_true(mode_of(path) == (S_IFSOCK | 0666));
	assert_true(mode_of(lock) == (S_IFREG | 0600));
	assert_true(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(l.fd, F_GETFL) & O_NONBLOCK);
	client = connect_to(path, SOCK_SEQPACKET);
	assert_true(client >= 0);
	fd = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(client);
	/* The same again is no error; another one is. */
	fd = l.fd;
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), 0);
	assert_int_equal(l.fd, fd);
	assert_int_equal(listen_at(&l, "/tmp/elsewhere", error, sizeof(error)), -EBUSY);
	assert_non_null(strstr(error, "restart"));
	listen_end(&l);
	assert_false(is_there(path) || is_there(lock));
	listen_end(&l);
}

static void a_client_cannot_send_descriptors(void **state)
{
	struct listener l = LISTENER_NONE;
	int zero = 0, client;

	(void)state;
	client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	SKIP_IF(setsockopt(client, SOL_SOCKET, 83, &zero, sizeof(zero)) < 0, "needs SO_PASSRIGHTS, Linux 6.16");
	(void)close(client);
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), 0);
	client = connect_to(path, SOCK_SEQPACKET);
	assert_int_equal(chan_send(client, "x", 1, &client, 1, 0), -EPERM);
	assert_int_equal(chan_send(client, "x", 1, NULL, 0, 0), 0);
	(void)close(client);
	listen_end(&l);
}

static void a_stale_socket_is_removed(void **state)
{
	struct listener l = LISTENER_NONE;
	int old;

	(void)state;
	assert_int_equal(mkdir(run, 0755), 0);
	old = bind_other(path, SOCK_SEQPACKET);
	assert_int_equal(listen(old, 1), 0);
	(void)close(old);
	assert_true(is_there(path));
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), 0);
	listen_end(&l);
}

static void refused(int want, const char *what)
{
	struct listener l = LISTENER_NONE;

	error[0] = '\0';
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), -want);
	assert_int_equal(l.fd, -1);
	/* The path, what is wrong, and what to do. */
	assert_int_equal(strncmp(error, run, strlen(run)), 0);
	if (!strstr(error, what))
		print_message("# %s\n", error);
	assert_non_null(strstr(error, what));
	assert_false(is_there(lock));
}

static void a_live_server_is_left_alone(void **state)
{
	static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};

	(void)state;
	assert_int_equal(mkdir(run, 0755), 0);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int other = bind_other(path, types[i]);

		if (types[i] != SOCK_DGRAM)
			assert_int_equal(listen(other, 0), 0);
		refused(EADDRINUSE, "--socket");
		/* Also when its queue is full, now, of the first question. */
		refused(EADDRINUSE, "--socket");
		assert_true(is_there(path));
		(void)close(other);
		assert_int_equal(unlink(path), 0);
	}
}

static void what_is_no_socket_is_left_alone(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(run, 0755), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	(void)close(fd);
	refused(EEXIST, "not a socket");
	assert_true(is_there(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nonexistent", path), 0);
	refused(EEXIST, "not a socket");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	refused(EEXIST, "not a socket");
	assert_int_equal(rmdir(path), 0);
}

static void a_second_instance_is_refused(void **state)
{
	struct listener l = LISTENER_NONE, second = LISTENER_NONE;

	(void)state;
	assert_int_equal(listen_at(&l, path, error, sizeof(error)), 0);
	assert_int_equal(listen_at(&second, path, error, sizeof(error)), -EADDRINUSE);
	assert_non_null(strstr(error, "another rootbrokerd"));
	assert_non_null(strstr(error, "--socket"));
	assert_true(is_there(path) && is_there(lock));
	listen_end(&l);
	assert_int_equal(listen_at(&second, path, error, sizeof(error)), 0);
	listen_end(&second);
}

static void a_directory_that_others_can_change_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(run, 0755), 0);
	assert_int_equal(chmod(run, 0775), 0);
	refused(EPERM, "chmod 755");
	assert_int_equal(chmod(run, 01777), 0);
	refused(EPERM, "chmod 755");
	assert_int_equal(rmdir(run), 0);
	assert_int_equal(symlink("/run", run), 0);
	refused(ENOTDIR, "not a directory");
	assert_int_equal(unlink(run), 0);
}

static void a_directory_of_somebody_else_is_refused(void **state)
{
	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_int_equal(mkdir(run, 0755), 0);
	assert_int_equal(chown(run, 12345, 0), 0);
	refused(EPERM, "chown");
}

static void a_path_that_cannot_be_is_refused(void **state)
{
	struct listener l = LISTENER_NONE;
	char longest[200];

	(void)state;
	assert_int_equal(listen_at(&l, "relative/socket", error, sizeof(error)), -EINVAL);
	assert_int_equal(listen_at(&l, "", error, sizeof(error)), -EINVAL);
	assert_int_equal(listen_at(&l, "/tmp/", error, sizeof(error)), -EINVAL);
	assert_int_equal(listen_at(&l, "/nonexistent/run/socket", error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/run"));
	/* A directory that was made for nothing goes again. */
	(void)snprintf(longest, sizeof(longest), "%s/..", run);
	assert_int_equal(listen_at(&l, longest, error, sizeof(error)), -EEXIST);
	assert_false(is_there(run));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, run, strlen(run));
	longest[strlen(run)] = '/';
	longest[108] = '\0';
	assert_int_equal(listen_at(&l, longest, error, sizeof(error)), -ENAMETOOLONG);
	assert_false(is_there(run));
	/* One byte less is the longest that there is. */
	longest[107] = '\0';
	assert_int_equal(listen_at(&l, longest, error, sizeof(error)), 0);
	assert_true(is_there(longest));
	listen_end(&l);
	assert_false(is_there(longest));
}

#define LISTEN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTEN_TEST(it_binds_with_the_modes_that_it_promises),
		LISTEN_TEST(a_client_cannot_send_descriptors),
		LISTEN_TEST(a_stale_socket_is_removed),
		LISTEN_TEST(a_live_server_is_left_alone),
		LISTEN_TEST(what_is_no_socket_is_left_alone),
		LISTEN_TEST(a_second_instance_is_refused),
		LISTEN_TEST(a_directory_that_others_can_change_is_refused),
		LISTEN_TEST(a_directory_of_somebody_else_is_refused),
		LISTEN_TEST(a_path_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
