/* SPDX-License-Identifier: MIT */
/* Records over a socket: whole or refused, and no descriptor is ever left behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static int pair[2], fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return chan_pair(pair);
}

static int teardown(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return count_fds() == fds_before ? 0 : -1; /* a leak fails the test */
}

static void a_record_arrives_whole(void **state)
{
	char buf[16];

	(void)state;
	assert_int_equal(chan_send(pair[0], "hello", 5, NULL, 0, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, 0), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, MSG_DONTWAIT), -EAGAIN);
}

static void a_cut_record_is_refused(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(chan_send(pair[0], "hello", 5, NULL, 0, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, 0), -EBADMSG);
}

static void an_empty_record_ends_the_conversation(void **state)
{
	char buf[4];

	(void)state;
	assert_int_equal(chan_send(pair[0], "", 0, NULL, 0, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, 0), 0);
}

static void a_closed_peer_is_the_end(void **state)
{
	char buf[4];

	(void)state;
	(void)close(pair[0]);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, 0), 0);
	assert_int_equal(chan_send(pair[1], "x", 1, NULL, 0, 0), -EPIPE); /* and no SIGPIPE */
	pair[0] = dup(pair[1]);
}

static void descriptors_arrive_close_on_exec(void **state)
{
	char buf[4];
	int got[CHAN_FDS_MAX], n = 0, out[2] = {pair[0], pair[1]};

	(void)state;
	assert_int_equal(chan_send(pair[0], "x", 1, out, 2, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), got, 2, &n, 0), 1);
	assert_int_equal(n, 2);
	for (int i = 0; i < n; i++) {
		assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		(void)close(got[i]);
	}
}

static void descriptors_beyond_the_wanted_are_closed_and_refused(void **state)
{
	char buf[4];
	int got[CHAN_FDS_MAX], n = 7, out[3] = {0, 1, 2};

	(void)state;
	for (int wanted = 1; wanted < 3; wanted++) {
		assert_int_equal(chan_send(pair[0], "x", 1, out, 3, 0), 0);
		assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), got, wanted, &n, 0), -EBADMSG);
		assert_int_equal(n, 0);
	}
}

static void unwanted_descriptors_are_never_installed(void **state)
{
	char buf[4];
	int out[3] = {0, 1, 2};

	(void)state;
	assert_int_equal(chan_send(pair[0], "x", 1, out, 3, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), NULL, 0, NULL, 0), 1);
}

static void a_record_without_descriptors_says_so(void **state)
{
	char buf[4];
	int got[1], n = 5;

	(void)state;
	assert_int_equal(chan_send(pair[0], "x", 1, NULL, 0, 0), 0);
	assert_int_equal(chan_recv(pair[1], buf, sizeof(buf), got, 1, &n, 0), 1);
	assert_int_equal(n, 0);
}

static void a_full_peer_is_told_not_waited_for(void **state)
{
	int r = 0;

	(void)state;
	for (int i = 0; i < 100000 && r == 0; i++)
		r = chan_send(pair[0], "hello", 5, NULL, 0, MSG_DONTWAIT);
	assert_int_equal(r, -EAGAIN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_arrives_whole),
		TEST(a_cut_record_is_refused),
		TEST(an_empty_record_ends_the_conversation),
		TEST(a_closed_peer_is_the_end),
		TEST(descriptors_arrive_close_on_exec),
		TEST(descriptors_beyond_the_wanted_are_closed_and_refused),
		TEST(unwanted_descriptors_are_never_installed),
		TEST(a_record_without_descriptors_says_so),
		TEST(a_full_peer_is_told_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
