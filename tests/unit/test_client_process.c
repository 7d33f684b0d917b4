/* SPDX-License-Identifier: MIT */
/* Programs: what start hands out, that each status comes once, and that no program runs on behalf of a caller who was told
 * that it does not. */
#include "fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = open_descriptors();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return open_descriptors() == fds_before ? 0 : -1;
}

static void hello_only(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

static uint32_t expect_start(int fd)
{
	struct start_request m;
	struct fake_in in;

	fake_expect(fd, MSG_PROCESS_START, &in);
	FAKE_CHECK(!get_start_request(&in.body, &m));
	return in.serial;
}

static uint32_t expect_wait(int fd, uint32_t pid, uint64_t ack)
{
	struct wait_request m;
	struct fake_in in;

	fake_expect(fd, MSG_PROCESS_WAIT, &in);
	FAKE_CHECK(!get_wait_request(&in.body, &m));
	FAKE_CHECK(m.pid == pid && m.ack == ack && !m.flags);
	return in.serial;
}

static void expect_ack(int fd, uint64_t instance)
{
	struct ack_request m;
	struct fake_in in;

	fake_expect(fd, MSG_PROCESS_ACK, &in);
	FAKE_CHECK(!get_ack_request(&in.body, &m));
	FAKE_CHECK(m.instance == instance);
}

static uint32_t expect_terminate(int fd, uint32_t pid)
{
	struct terminate_request m;
	struct fake_in in;

	fake_expect(fd, MSG_PROCESS_TERMINATE, &in);
	FAKE_CHECK(!get_terminate_request(&in.body, &m));
	FAKE_CHECK(m.pid == pid);
	return in.serial;
}

/* Of the start with that serial. */
static uint32_t expect_cancel(int fd, uint32_t start)
{
	struct cancel_request m;
	struct fake_in in;

	fake_expect(fd, MSG_PROCESS_CANCEL, &in);
	FAKE_CHECK(!get_cancel_request(&in.body, &m));
	FAKE_CHECK(m.start == start);
	return in.serial;
}

static uint32_t expect_lookup(int fd)
{
	struct fake_in in;

	fake_expect(fd, MSG_CONTAINER_PID, &in);
	return in.serial;
}

/* --- Start */

static void serve_starts(int fd)
{
	for (int i = 0; i < 6; i++) {
		int out[2], in[2], err[2], sock[2], give[3], n = 0;
		uint32_t ipc = (uint32_t)i / 2, flags = i % 2 ? START_STDERR : 0;
		struct start_request m;
		struct fake_in req;
		char byte;

		if (!i)
			fake_hello(fd);
		fake_expect(fd, MSG_PROCESS_START, &req);
		FAKE_CHECK(!get_start_request(&req.body, &m));
		FAKE_CHECK(m.ipc == ipc && m.flags == flags && str_eq(m.label, STR("blink")));
		FAKE_CHECK(i ? str_eq(m.args, STR("one\0two\0")) : !m.args.len);
		FAKE_CHECK(!pipe(out) && !pipe(in) && !pipe(err) && !socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
		if (ipc == ROOT_IPC_PIPES) {
			give[n++] = out[0];
			give[n++] = in[1];
		} else if (ipc == ROOT_IPC_SOCKETPAIR) {
			give[n++] = sock[0];
		}
		if (flags)
			give[n++] = err[0];
		fake_started(fd, req.serial, 100 + (uint32_t)i, 1, give, n);
		if (ipc == ROOT_IPC_PIPES) {
			FAKE_CHECK(read(in[0], &byte, 1) == 1 && write(out[1], &byte, 1) == 1);
		} else if (ipc == ROOT_IPC_SOCKETPAIR) {
			FAKE_CHECK(read(sock[1], &byte, 1) == 1 && write(sock[1], &byte, 1) == 1);
		}
		FAKE_CHECK(!flags || write(err[1], "e", 1) == 1);
	}
	fake_expect_end(fd);
}

static void test_start(void **state)
{
	struct fake f;
	int fd, pid, in, out, err, r;
	char byte;

	(void)state;
	fake_start(&f, 1, serve_starts);
	fd = fake_connect(&f);
	for (int i = 0; i < 6; i++) {
		const char *args = i ? "one\0two" : NULL;

		pid = in = out = err = 4711;
		if (i % 2)
			r = rootProcessStartStderr(fd, i / 2, "blink and more", 5, args, i ? 8 : 0, &pid, &in, &out,
						   &err);
		else
			r = rootProcessStart(fd, i / 2, "blink", 5, args, i ? 8 : 0, &pid, &in, &out);
		assert_int_equal(r, 0);
		assert_int_equal(pid, 100 + i);
		if (i / 2 == ROOT_IPC_NONE) {
			assert_int_equal(in, -1);
			assert_int_equal(out, -1);
		} else {
			assert_int_equal(fcntl(in, F_GETFD), FD_CLOEXEC);
			assert_int_equal(fcntl(out, F_GETFD), FD_CLOEXEC);
			assert_int_equal(in == out, i / 2 == ROOT_IPC_SOCKETPAIR);
			assert_int_equal(write(out, "x", 1), 1);
			assert_int_equal(read(in, &byte, 1), 1);
			(void)close(in);
			if (out != in)
				(void)close(out);
		}
		if (i % 2) {
			assert_int_equal(read(err, &byte, 1), 1);
			assert_int_equal(byte, 'e');
			(void)close(err);
		} else {
			assert_int_equal(err, 4711);
		}
	}
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_plain(int fd)
{
	fake_hello(fd);
	fake_started(fd, expect_start(fd), 5, 1, NULL, 0);
	fake_expect_end(fd);
}

static void test_start_none_needs_no_room(void **state)
{
	struct fake f;
	int fd, pid = 4711;

	(void)state;
	fake_start(&f, 1, serve_plain);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessStart(fd, ROOT_IPC_NONE, "p", 1, NULL, 0, &pid, NULL, NULL), 0);
	assert_int_equal(pid, 5);
	assert_int_equal(rootProcessStart(fd, ROOT_IPC_NONE, "p", 1, NULL, 0, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(rootProcessStartStderr(fd, ROOT_IPC_NONE, "p", 1, NULL, 0, &pid, NULL, NULL, NULL), -EINVAL);
	rootShutdown(fd);
	fake_stop(&f);
}

static void test_start_bad_arguments(void **state)
{
	char label[ROOT_PROGRAM_MAX + 1], *args = calloc(1, ROOT_ARGS_MAX + 1);
	int fd, pid = 1, in = 2, out = 3;
	struct fake f;

	(void)state;
	memset(label, 'p', sizeof(label));
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
#define REFUSED(ipc, label_, len, args_, argslen, pid_, in_, out_) \
	assert_int_equal(rootProcessStart(fd, ipc, label_, len, args_, argslen, pid_, in_, out_), -EINVAL)
	REFUSED(-1, "p", 1, NULL, 0, &pid, &in, &out);
	REFUSED(3, "p", 1, NULL, 0, &pid, &in, &out);
	REFUSED(1, NULL, 1, NULL, 0, &pid, &in, &out);
	REFUSED(1, "p", 0, NULL, 0, &pid, &in, &out);
	REFUSED(1, "p", -1, NULL, 0, &pid, &in, &out);
	REFUSED(1, label, ROOT_PROGRAM_MAX + 1, NULL, 0, &pid, &in, &out);
	REFUSED(1, "p\0q", 3, NULL, 0, &pid, &in, &out);
	REFUSED(1, "p", 1, NULL, 1, &pid, &in, &out);
	REFUSED(1, "p", 1, "a", -1, &pid, &in, &out);
	REFUSED(1, "p", 1, "ab", 2, &pid, &in, &out); /* no NUL at its end */
	REFUSED(1, "p", 1, args, ROOT_ARGS_MAX + 1, &pid, &in, &out);
	REFUSED(1, "p", 1, NULL, 0, NULL, &in, &out);
	REFUSED(1, "p", 1, NULL, 0, &pid, NULL, &out);
	REFUSED(2, "p", 1, NULL, 0, &pid, &in, NULL);
	assert_int_equal(pid * 100 + in * 10 + out, 123);
	free(args);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_longest(int fd)
{
	struct start_request m;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_PROCESS_START, &in);
	FAKE_CHECK(!get_start_request(&in.body, &m));
	FAKE_CHECK(m.label.len == ROOT_PROGRAM_MAX && m.args.len == ROOT_ARGS_MAX);
	fake_started(fd, in.serial, 5, 1, NULL, 0);
	fake_expect_end(fd);
}

static void test_start_longest(void **state)
{
	char label[ROOT_PROGRAM_MAX], *args = calloc(1, ROOT_ARGS_MAX);
	struct fake f;
	int fd, pid;

	(void)state;
	memset(label, 'p', sizeof(label));
	memset(args, 'a', ROOT_ARGS_MAX - 1);
	fake_start(&f, 1, serve_longest);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessStart(fd, 0, label, sizeof(label), args, ROOT_ARGS_MAX, &pid, NULL, NULL), 0);
	assert_int_equal(pid, 5);
	free(args);
	rootShutdown(fd);
	fake_stop(&f);
}

static const struct {
	uint16_t status;
	int error;
} start_errors[] = {{STATUS_INVALID, -EINVAL},         {STATUS_NOT_FOUND, -ENOENT}, {STATUS_DENIED, -EACCES},
		    {STATUS_BAD_ARGUMENTS, -EDOM},     {STATUS_REFUSED, -EPERM},    {STATUS_NOT_EXECUTABLE, -ENOEXEC},
		    {STATUS_SETUP_FAILED, -EREMOTEIO}, {STATUS_TOO_MANY, -EDQUOT},  {STATUS_TRY_AGAIN, -EAGAIN},
		    {STATUS_TIMED_OUT, -ETIMEDOUT},    {STATUS_NO_CHILD, -EPROTO},  {STATUS_AMBIGUOUS, -EPROTO}};
#define START_ERRORS ((int)(sizeof(start_errors) / sizeof(start_errors[0])))

static void serve_start_errors(int fd)
{
	fake_hello(fd);
	for (int i = 0; i < START_ERRORS; i++)
		fake_error(fd, expect_start(fd), start_errors[i].status, "why not");
	fake_expect_end(fd);
}

static void test_start_errors(void **state)
{
	struct fake f;
	int fd, pid = 1, in = 2, out = 3;
	char why[8];

	(void)state;
	fake_start(&f, 1, serve_start_errors);
	fd = fake_connect(&f);
	for (int i = 0; i < START_ERRORS; i++) {
		assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), start_errors[i].error);
		assert_int_equal(rootErrDetail(fd, why, sizeof(why)), 7);
	}
	assert_int_equal(pid * 100 + in * 10 + out, 123);
	rootShutdown(fd);
	fake_stop(&f);
}

/* Fewer or more descriptors than the ipc type has; descriptors with an answer that has none. */
static void serve_wrong_descriptors(int fd)
{
	uint32_t serial;
	struct wire_wr w;

	fake_hello(fd);
	serial = expect_start(fd);
	if (fake_connection < 4) {
		static const int counts[] = {0, 1, 3, 0};

		fake_started(fd, serial, fake_connection < 3 ? 5 : 0, 1, (int[]){0, 1, 2}, counts[fake_connection]);
	} else {
		struct error_reply m = {.status = STATUS_NOT_FOUND};

		fake_begin(&w, MSG_ERROR, serial);
		(void)put_error_reply(&w, &m);
		fake_send_fds(fd, &w, (int[]){0}, 1);
	}
	fake_expect_end(fd); /* which ends the program */
}

static void test_start_wrong_descriptors(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, 5, serve_wrong_descriptors);
	for (int i = 0; i < 5; i++) {
		int fd = fake_connect(&f), pid = 1, in = 2, out = 3;

		assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -EPROTO);
		assert_int_equal(pid * 100 + in * 10 + out, 123);
		rootShutdown(fd);
	}
	fake_stop(&f);
}

/* More than any message has: more than the protocol's own sender can send. */
static void serve_beyond(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(5 * sizeof(int))];
	} control = {.space = {0}};
	struct started_reply m = {.pid = 5, .instance = 1};
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct wire_wr w;

	fake_hello(fd);
	fake_begin(&w, MSG_STARTED, expect_start(fd));
	(void)put_started_reply(&w, &m);
	iov = (struct iovec){.iov_base = w.buf, .iov_len = w.len};
	control.header = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(5 * sizeof(int))};
	memcpy(CMSG_DATA(&control.header), (int[]){0, 1, 2, 0, 1}, 5 * sizeof(int));
	FAKE_CHECK(sendmsg(fd, &msg, 0) > 0);
	fake_expect_end(fd);
}

static void test_start_descriptors_beyond(void **state)
{
	struct fake f;
	int fd, pid, in, out;

	(void)state;
	fake_start(&f, 1, serve_beyond);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -EPROTO);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_no_room(int fd)
{
	uint32_t serial, cancel;

	fake_hello(fd);
	serial = expect_start(fd);
	fake_started(fd, serial, 5, 77, (int[]){0, 1}, 2);
	cancel = expect_cancel(fd, serial);
	fake_nothing(fd, MSG_TERMINATED, cancel);
	fake_pid(fd, expect_lookup(fd), 42);
	fake_expect_end(fd);
}

static void use_up_descriptors(int *fds, int *n, int leave)
{
	for (*n = 0; *n < 128; (*n)++) {
		fds[*n] = dup(0);
		if (fds[*n] < 0)
			break;
	}
	assert_true(*n < 128);
	while (leave--)
		(void)close(fds[--*n]);
}

/* The program whose descriptors this process cannot take is ended; nothing is kept back. */
static void test_start_without_room(void **state)
{
	(void)state;
	if (under_valgrind()) {
		skip();
		return;
	}
	for (int leave = 0; leave < 2; leave++) {
		struct rlimit old, low;
		int fds[128], n, fd, pid = 1, in = 2, out = 3;
		struct fake f;

		fake_start(&f, 1, serve_no_room);
		fd = fake_connect(&f);
		assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
		low = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
		assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
		use_up_descriptors(fds, &n, leave);
		assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -EMFILE);
		while (n)
			(void)close(fds[--n]);
		assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
		assert_int_equal(pid * 100 + in * 10 + out, 123);
		assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
		rootShutdown(fd);
		fake_stop(&f);
	}
}

/* The start timed out, and succeeds: the answer comes in the next start, where descriptors are taken, then in a lookup, where
 * they are not. */
static void serve_late_start(int fd)
{
	uint32_t late, cancel, real;

	fake_hello(fd);
	late = expect_start(fd);
	cancel = expect_cancel(fd, late);
	real = expect_start(fd);
	fake_started(fd, late, 5, 77, (int[]){0, 1}, 2);
	fake_nothing(fd, MSG_TERMINATED, cancel);
	fake_started(fd, real, 6, 78, NULL, 0);

	late = expect_start(fd);
	cancel = expect_cancel(fd, late);
	real = expect_lookup(fd);
	fake_started(fd, late, 7, 79, (int[]){0, 1}, 2);
	fake_nothing(fd, MSG_TERMINATED, cancel);
	fake_pid(fd, real, 42);
	fake_waited(fd, expect_wait(fd, 0, 0), 6, 78, 3 << 8);
	expect_ack(fd, 78);
	fake_expect_end(fd);
}

static void test_late_start_is_cancelled(void **state)
{
	struct fake f;
	int fd, pid, in, out, status;

	(void)state;
	fake_start(&f, 1, serve_late_start);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 50), 0);
	assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -ETIMEDOUT);
	assert_int_equal(rootSetTimeout(fd, 0), 0);
	assert_int_equal(rootProcessStart(fd, 0, "p", 1, NULL, 0, &pid, NULL, NULL), 0);
	assert_int_equal(pid, 6);
	assert_int_equal(rootSetTimeout(fd, 50), 0);
	assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -ETIMEDOUT);
	assert_int_equal(rootSetTimeout(fd, 0), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootProcessWait(fd, -1, &status), 6);
	assert_int_equal(WEXITSTATUS(status), 3);
	rootShutdown(fd);
	fake_stop(&f);
}

/* It had ended, and its status is on its way to a wait for any program, before the server hears of the cancellation: the caller
 * must not see a pid that it was never told. */
static void serve_cancelled_to_any(int fd)
{
	uint32_t any, late, cancel, lookup, again;

	fake_hello(fd);
	any = expect_wait(fd, 0, 0);
	late = expect_start(fd);
	cancel = expect_cancel(fd, late);
	lookup = expect_lookup(fd);
	fake_started(fd, late, 5, 77, (int[]){0, 1}, 2);
	fake_waited(fd, any, 5, 77, SIGTERM);
	fake_error(fd, cancel, STATUS_TRY_AGAIN, "not just now"); /* is not the end of it */
	fake_pid(fd, lookup, 42);
	expect_ack(fd, 77);
	again = expect_wait(fd, 0, 0);
	FAKE_CHECK(again != any);
	FAKE_CHECK(expect_cancel(fd, late) == cancel);
	fake_nothing(fd, MSG_TERMINATED, cancel);
	fake_pid(fd, expect_lookup(fd), 43);
	fake_error(fd, again, STATUS_NO_CHILD, "no programs");
	fake_expect_end(fd);
}

static void test_cancelled_is_never_told_of(void **state)
{
	struct fake f;
	int fd, pid, in, out, status = 4711;

	(void)state;
	fake_start(&f, 1, serve_cancelled_to_any);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessPoll(fd, -1, &status), 0);
	assert_int_equal(rootSetTimeout(fd, 50), 0);
	assert_int_equal(rootProcessStart(fd, 1, "p", 1, NULL, 0, &pid, &in, &out), -ETIMEDOUT);
	assert_int_equal(rootSetTimeout(fd, 0), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 43);
	assert_int_equal(rootProcessWait(fd, -1, &status), -ECHILD);
	assert_int_equal(status, 4711);
	rootShutdown(fd);
	fake_stop(&f);
}

/* More than the library keeps account of: the connection is given up, so that the server ends them. */
static void serve_many_cancels(int fd)
{
	fake_hello(fd);
	for (int i = 0; i < 25; i++) {
		uint32_t serial = expect_start(fd);

		if (i < 24)
			(void)expect_cancel(fd, serial);
	}
	fake_expect_end(fd);
}

static void test_too_many_cancels(void **state)
{
	struct fake f;
	int fd, pid;

	(void)state;
	fake_start(&f, 1, serve_many_cancels);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 1), 0);
	for (int i = 0; i < 25; i++)
		assert_int_equal(rootProcessStart(fd, 0, "p", 1, NULL, 0, &pid, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -ENOTCONN);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Wait */

static void serve_waits(int fd)
{
	uint32_t serial;

	fake_hello(fd);
	serial = expect_wait(fd, 5, 0);
	(void)usleep(300000); /* beyond the timeout, which does not count */
	fake_waited(fd, serial, 5, 77, 7 << 8);
	expect_ack(fd, 77);
	fake_waited(fd, expect_wait(fd, 0, 77), INT_MAX, 78, SIGKILL | 0x80);
	expect_ack(fd, 78);
	fake_expect_end(fd);
}

static void test_wait(void **state)
{
	struct fake f;
	int fd, status;

	(void)state;
	fake_start(&f, 1, serve_waits);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 50), 0);
	assert_int_equal(rootProcessWait(fd, 0, &status), -EINVAL);
	assert_int_equal(rootProcessWait(fd, -2, &status), -EINVAL);
	assert_int_equal(rootProcessWait(fd, INT_MIN, &status), -EINVAL);
	assert_int_equal(rootProcessWait(fd, 5, NULL), -EINVAL);
	assert_int_equal(rootProcessPoll(fd, 0, &status), -EINVAL);
	assert_int_equal(rootProcessPoll(fd, -1, NULL), -EINVAL);
	assert_int_equal(rootProcessWait(fd, 5, &status), 5);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_int_equal(rootProcessWait(fd, -1, &status), INT_MAX);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && WCOREDUMP(status));
	rootShutdown(fd);
	fake_stop(&f);
}

static const struct {
	uint16_t status;
	int error;
} wait_errors[] = {
	{STATUS_NO_CHILD, -ECHILD}, {STATUS_DENIED, -EACCES}, {STATUS_TRY_AGAIN, -EAGAIN}, {STATUS_TIMED_OUT, -EPROTO}};
#define WAIT_ERRORS ((int)(sizeof(wait_errors) / sizeof(wait_errors[0])))

static void serve_wait_errors(int fd)
{
	fake_hello(fd);
	for (int i = 0; i < WAIT_ERRORS; i++)
		fake_error(fd, expect_wait(fd, 5, 0), wait_errors[i].status, "why");
	fake_expect_end(fd);
}

static void test_wait_errors(void **state)
{
	struct fake f;
	int fd, status = 4711;
	char why[4];

	(void)state;
	fake_start(&f, 1, serve_wait_errors);
	fd = fake_connect(&f);
	for (int i = 0; i < WAIT_ERRORS; i++) {
		assert_int_equal(rootProcessWait(fd, 5, &status), wait_errors[i].error);
		assert_int_equal(rootErrDetail(fd, why, sizeof(why)), 3);
	}
	assert_int_equal(status, 4711);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_wait_nonsense(int fd)
{
	static const uint32_t pids[] = {0, 6, (uint32_t)INT_MAX + 1};
	uint32_t serial;

	fake_hello(fd);
	serial = expect_wait(fd, 5, 0);
	if (fake_connection < 3)
		fake_waited(fd, serial, pids[fake_connection], 77, 0);
	else
		fake_pid(fd, serial, 5);
	fake_expect_end(fd);
}

static void test_wait_nonsense(void **state)
{
	struct fake f;
	int status = 4711;

	(void)state;
	fake_start(&f, 4, serve_wait_nonsense);
	for (int i = 0; i < 4; i++) {
		int fd = fake_connect(&f);

		assert_int_equal(rootProcessWait(fd, 5, &status), -EPROTO);
		assert_int_equal(rootProcessWait(fd, 5, &status), -EPROTO);
		rootShutdown(fd);
	}
	assert_int_equal(status, 4711);
	fake_stop(&f);
}

static int go; /* a pipe's reading end: the test says when */

static void await_go(void)
{
	char byte;

	FAKE_CHECK(read(go, &byte, 1) == 1);
}

static void serve_polls(int fd)
{
	uint32_t wait, lookup;

	fake_hello(fd);
	wait = expect_wait(fd, 5, 0);
	lookup = expect_lookup(fd);
	fake_pid(fd, lookup, 42);
	await_go();
	fake_waited(fd, wait, 5, 77, 0);
	expect_ack(fd, 77);

	wait = expect_wait(fd, 6, 77);
	lookup = expect_lookup(fd);
	fake_waited(fd, wait, 6, 78, 1 << 8); /* before the answer of the call in service: kept */
	fake_pid(fd, lookup, 43);
	expect_ack(fd, 78);

	fake_error(fd, expect_wait(fd, 7, 78), STATUS_NO_CHILD, "");
	fake_expect_end(fd);
}

static int poll_in(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 30000);
}

static void test_poll(void **state)
{
	struct fake f;
	int fd, pipe_fds[2], r, status = 4711;

	(void)state;
	assert_return_code(pipe(pipe_fds), errno);
	go = pipe_fds[0];
	fake_start(&f, 1, serve_polls);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0); /* asked once only */
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0);
	assert_int_equal(status, 4711);
	assert_int_equal(write(pipe_fds[1], "g", 1), 1);
	assert_int_equal(poll_in(fd), 1);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 5);
	assert_int_equal(status, 0);

	assert_int_equal(rootProcessPoll(fd, 6, &status), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 43);
	assert_int_equal(rootProcessWait(fd, 6, &status), 6); /* from what was kept */
	assert_int_equal(WEXITSTATUS(status), 1);

	while (!(r = rootProcessPoll(fd, 7, &status)))
		assert_int_equal(poll_in(fd), 1);
	assert_int_equal(r, -ECHILD);
	rootShutdown(fd);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	fake_stop(&f);
}

static void serve_many_polls(int fd)
{
	fake_hello(fd);
	for (uint32_t i = 0; i < 24; i++)
		(void)expect_wait(fd, 5 + i, 0);
	fake_expect_end(fd);
}

/* Waits that are pending at the server are bounded, far below what it would refuse. */
static void test_too_many_polls(void **state)
{
	struct fake f;
	int fd, status;

	(void)state;
	fake_start(&f, 1, serve_many_polls);
	fd = fake_connect(&f);
	for (int i = 0; i < 24; i++)
		assert_int_equal(rootProcessPoll(fd, 5 + i, &status), 0);
	assert_int_equal(rootProcessPoll(fd, 29, &status), -EAGAIN);
	assert_int_equal(rootProcessWait(fd, 29, &status), -EAGAIN);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Terminate */

static const struct {
	uint16_t status;
	int error;
} terminate_errors[] = {{STATUS_NO_CHILD, -ECHILD},  {STATUS_STILL_THERE, -EBUSY}, {STATUS_DENIED, -EACCES},
			{STATUS_TRY_AGAIN, -EAGAIN}, {STATUS_INVALID, -EINVAL},    {STATUS_TIMED_OUT, -EPROTO}};
#define TERMINATE_ERRORS ((int)(sizeof(terminate_errors) / sizeof(terminate_errors[0])))

static void serve_terminate(int fd)
{
	uint32_t serial;

	fake_hello(fd);
	serial = expect_terminate(fd, 5);
	(void)usleep(300000);
	fake_nothing(fd, MSG_TERMINATED, serial);
	for (int i = 0; i < TERMINATE_ERRORS; i++)
		fake_error(fd, expect_terminate(fd, 6), terminate_errors[i].status, "");
	fake_expect_end(fd);
}

static void test_terminate(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_terminate);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, 50), 0); /* the deadline is the program's own */
	assert_int_equal(rootProcessTerminate(fd, 0), -EINVAL);
	assert_int_equal(rootProcessTerminate(fd, -1), -EINVAL);
	assert_int_equal(rootProcessTerminate(fd, 5), 0);
	for (int i = 0; i < TERMINATE_ERRORS; i++)
		assert_int_equal(rootProcessTerminate(fd, 6), terminate_errors[i].error);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- A server that was resumed */

static void serve_resumed(int fd)
{
	uint32_t serial, start, wait, lookup;

	fake_hello(fd);
	fake_nothing(fd, MSG_RESUMED, 0); /* of long ago: not about the start that follows */
	(void)usleep(100000);
	fake_started(fd, expect_start(fd), 5, 77, NULL, 0);

	serial = expect_lookup(fd);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_lookup(fd) == serial);
	fake_pid(fd, serial, 42);
	fake_pid(fd, serial, 43); /* both were answered: the second answers nobody */

	serial = expect_terminate(fd, 5);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_terminate(fd, 5) == serial);
	fake_nothing(fd, MSG_TERMINATED, serial);

	wait = expect_wait(fd, 5, 0);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_wait(fd, 5, 0) == wait);
	fake_waited(fd, wait, 5, 77, 0);
	fake_waited(fd, wait, 5, 77, 0);
	expect_ack(fd, 77);

	/* A start whose answer may be lost: what it started, or starts yet, must not run. */
	start = expect_start(fd);
	fake_nothing(fd, MSG_RESUMED, 0);
	expect_ack(fd, 77); /* the one before may be lost */
	serial = expect_cancel(fd, start);
	lookup = expect_lookup(fd);
	fake_nothing(fd, MSG_RESUMED, 0);
	expect_ack(fd, 77);
	FAKE_CHECK(expect_cancel(fd, start) == serial); /* as this one may be */
	FAKE_CHECK(expect_lookup(fd) == lookup);
	fake_nothing(fd, MSG_TERMINATED, serial);
	fake_pid(fd, lookup, 44);

	wait = expect_wait(fd, 0, 77);
	fake_waited(fd, wait, 5, 77, 0); /* a status that was delivered already: not twice */
	expect_ack(fd, 77);
	fake_error(fd, expect_wait(fd, 0, 77), STATUS_NO_CHILD, "");
	fake_expect_end(fd);
}

static void test_resumed(void **state)
{
	struct fake f;
	int fd, pid, status;

	(void)state;
	fake_start(&f, 1, serve_resumed);
	fd = fake_connect(&f);
	assert_int_equal(poll_in(fd), 1); /* the RESUMED of long ago is there */
	assert_int_equal(rootProcessStart(fd, 0, "p", 1, NULL, 0, &pid, NULL, NULL), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootProcessTerminate(fd, pid), 0);
	assert_int_equal(rootProcessWait(fd, pid, &status), pid);
	assert_int_equal(rootProcessStart(fd, 0, "p", 1, NULL, 0, &pid, NULL, NULL), -ECONNRESET);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 44);
	assert_int_equal(rootProcessWait(fd, -1, &status), -ECHILD);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_resumed_waits(int fd)
{
	uint32_t any, one, lookup;

	fake_hello(fd);
	any = expect_wait(fd, 0, 0);
	one = expect_wait(fd, 5, 0);
	lookup = expect_lookup(fd);
	fake_waited(fd, one, 5, 77, 0);
	fake_nothing(fd, MSG_RESUMED, 0);
	FAKE_CHECK(expect_wait(fd, 0, 0) == any); /* the other one has its answer */
	FAKE_CHECK(expect_lookup(fd) == lookup);
	fake_pid(fd, lookup, 42);
	fake_waited(fd, any, 6, 78, 0);
	expect_ack(fd, 78);
	expect_ack(fd, 77);
	fake_expect_end(fd);
}

static void test_resumed_waits(void **state)
{
	struct fake f;
	int fd, status;

	(void)state;
	fake_start(&f, 1, serve_resumed_waits);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessPoll(fd, -1, &status), 0);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootProcessWait(fd, -1, &status), 6);
	assert_int_equal(rootProcessWait(fd, 5, &status), 5);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_resumed_acks(int fd)
{
	uint32_t one, two, lookup;

	fake_hello(fd);
	one = expect_wait(fd, 5, 0);
	two = expect_wait(fd, 6, 0);
	lookup = expect_lookup(fd);
	fake_waited(fd, one, 5, 77, 0);
	fake_waited(fd, two, 6, 78, 0);
	fake_pid(fd, lookup, 41);
	/* They are lost with whoever was to pass them on. */
	expect_ack(fd, 77);
	expect_ack(fd, 78);
	lookup = expect_lookup(fd);
	fake_nothing(fd, MSG_RESUMED, 0);
	expect_ack(fd, 77);
	expect_ack(fd, 78);
	FAKE_CHECK(expect_lookup(fd) == lookup);
	fake_pid(fd, lookup, 42);
	/* And a server that has not got them yet says it again. */
	fake_waited(fd, expect_wait(fd, 0, 78), 5, 77, 0);
	expect_ack(fd, 77);
	fake_error(fd, expect_wait(fd, 0, 78), STATUS_NO_CHILD, "");
	fake_expect_end(fd);
}

/* Two statuses of waits that were sent together: no later wait has acknowledged the first. */
static void test_resumed_acks(void **state)
{
	struct fake f;
	int fd, status;

	(void)state;
	fake_start(&f, 1, serve_resumed_acks);
	fd = fake_connect(&f);
	assert_int_equal(rootProcessPoll(fd, 5, &status), 0);
	assert_int_equal(rootProcessPoll(fd, 6, &status), 0);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 41);
	assert_int_equal(rootProcessWait(fd, 5, &status), 5);
	assert_int_equal(rootProcessWait(fd, 6, &status), 6);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 42);
	assert_int_equal(rootProcessWait(fd, -1, &status), -ECHILD);
	rootShutdown(fd);
	fake_stop(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_start_none_needs_no_room),
		TEST(test_start_bad_arguments),
		TEST(test_start_longest),
		TEST(test_start_errors),
		TEST(test_start_wrong_descriptors),
		TEST(test_start_descriptors_beyond),
		TEST(test_start_without_room),
		TEST(test_late_start_is_cancelled),
		TEST(test_cancelled_is_never_told_of),
		TEST(test_too_many_cancels),
		TEST(test_wait),
		TEST(test_wait_errors),
		TEST(test_wait_nonsense),
		TEST(test_poll),
		TEST(test_too_many_polls),
		TEST(test_terminate),
		TEST(test_resumed),
		TEST(test_resumed_waits),
		TEST(test_resumed_acks),
	};

	return cmocka_run_group_tests_name("client processes", tests, NULL, NULL);
}
