/* SPDX-License-Identifier: MIT */
/* The library's connections and lookups: each answer, each error, each bad argument; buffers are filled whole or not at all. */
#include "fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
	if (open_descriptors() != fds_before)
		(void)fprintf(stderr, "# a descriptor was left open\n");
	return open_descriptors() == fds_before ? 0 : -1;
}

/* --- Connecting */

static void hello_only(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

static void test_connect(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	rootShutdown(fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fake_stop(&f);
}

static void test_environment_names_the_socket(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	assert_int_equal(setenv("ROOTBROKER_SOCKET", f.path, 1), 0);
	fd = rootConnect();
	assert_int_equal(unsetenv("ROOTBROKER_SOCKET"), 0);
	assert_return_code(fd, -fd);
	rootShutdown(fd);
	fake_stop(&f);
}

static void test_bad_paths(void **state)
{
	char path[109];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(rootConnectTo(NULL), -EINVAL);
	assert_int_equal(rootConnectTo(""), -EINVAL);
	assert_int_equal(rootConnectTo(path), -EINVAL);
	path[107] = '\0';
	assert_int_equal(rootConnectTo(path), -ENOENT);
	assert_int_equal(rootConnectTo("/nonexistent/socket"), -ENOENT);
	assert_int_equal(rootConnectTo("/etc/passwd"), -ECONNREFUSED);
	assert_int_equal(rootConnectTo("/etc/passwd/socket"), -ENOENT);
}

/* Binds a socket of @type that nobody serves, and returns it. */
static int idle_socket(struct fake *f, int type, int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	(void)strcpy(f->dir, "/tmp/rootbroker-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	(void)strcpy(addr.sun_path, f->path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	if (backlog >= 0)
		assert_return_code(listen(fd, backlog), errno);
	return fd;
}

static void idle_close(struct fake *f, int fd)
{
	(void)close(fd);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
}

static void test_nobody_listens(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fd = idle_socket(&f, SOCK_SEQPACKET, -1);
	assert_int_equal(rootConnectTo(f.path), -ECONNREFUSED);
	idle_close(&f, fd);
	fd = idle_socket(&f, SOCK_STREAM, 1);
	assert_int_equal(rootConnectTo(f.path), -EPROTO);
	idle_close(&f, fd);
}

/* A server that has been stopped leaves a full queue: connecting must not hang in it. */
static void test_full_backlog_times_out(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct fake f;
	int fd, filler;

	(void)state;
	fd = idle_socket(&f, SOCK_SEQPACKET, 0);
	(void)strcpy(addr.sun_path, f.path);
	filler = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_return_code(connect(filler, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_int_equal(rootConnectTo(f.path), -ETIMEDOUT);
	(void)close(filler);
	idle_close(&f, fd);
}

static void silent(int fd)
{
	struct fake_in in;

	fake_expect(fd, MSG_HELLO, &in);
	fake_expect_end(fd);
}

static void test_hello_times_out(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, 1, silent);
	assert_int_equal(rootConnectTo(f.path), -ETIMEDOUT);
	fake_stop(&f);
}

/* Somebody else's socket at the path must not be told anything. */
static void nothing_is_said(int fd)
{
	fake_expect_end(fd);
}

static void test_listener_that_is_not_root(void **state)
{
	struct fake f;

	(void)state;
	if (getuid()) {
		skip();
		return;
	}
	fake_start_as(&f, 65534, 1, nothing_is_said);
	assert_int_equal(rootConnectTo(f.path), -EPERM);
	fake_stop(&f);
}

static uint16_t refusal;

static void refuse_hello(int fd)
{
	struct fake_in in;

	fake_expect(fd, MSG_HELLO, &in);
	fake_error(fd, in.serial, refusal, "no");
	fake_expect_end(fd);
}

/* The monitor refuses before anyone has read the hello: the socket is closed with it still in the queue. */
static void refuse_unread(int fd)
{
	char byte;

	FAKE_CHECK(recv(fd, &byte, 1, MSG_PEEK) == 1);
	fake_error(fd, 0, refusal, "no");
	(void)close(fd);
}

/* The same before the client has even sent it. */
static void refuse_early(int fd)
{
	fake_error(fd, 0, refusal, "no");
	(void)close(fd);
}

static void test_hello_refused(void **state)
{
	static const struct {
		uint16_t status;
		int error;
	} cases[] = {{STATUS_DENIED, -EACCES},
		     {STATUS_TRY_AGAIN, -EAGAIN},
		     {STATUS_VERSION, -EPROTONOSUPPORT},
		     {STATUS_NO_CHILD, -EPROTO},
		     {999, -EPROTO}};
	void (*const scripts[])(int) = {refuse_hello, refuse_unread, refuse_early};
	struct fake f;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t j = 0; j < sizeof(scripts) / sizeof(scripts[0]); j++) {
			refusal = cases[i].status;
			fake_start(&f, 1, scripts[j]);
			assert_int_equal(rootConnectTo(f.path), cases[i].error);
			fake_stop(&f);
		}
	}
}

static void close_at_hello(int fd)
{
	struct fake_in in;

	fake_expect(fd, MSG_HELLO, &in);
}

static uint16_t welcome_version;

static void other_version(int fd)
{
	struct welcome m = {.version = welcome_version};
	struct fake_in in;
	struct wire_wr w;

	fake_expect(fd, MSG_HELLO, &in);
	fake_begin(&w, MSG_WELCOME, in.serial);
	(void)put_welcome(&w, &m);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_hello_answered_badly(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, 1, close_at_hello);
	assert_int_equal(rootConnectTo(f.path), -ENOTCONN);
	fake_stop(&f);
	for (int i = 0; i < 2; i++) {
		welcome_version = i ? PROTO_VERSION_MAX + 1 : 0;
		fake_start(&f, 1, other_version);
		assert_int_equal(rootConnectTo(f.path), -EPROTO);
		fake_stop(&f);
	}
}

static int resumed_mark; /* a pipe's end: its first reader is the first connection */

static void resumed_at_hello(int fd)
{
	struct fake_in in;
	char byte;

	if (read(resumed_mark, &byte, 1) == 1) {
		fake_expect(fd, MSG_HELLO, &in);
		fake_nothing(fd, MSG_RESUMED, 0);
		fake_expect_end(fd);
		return;
	}
	hello_only(fd);
}

/* Whether the hello was understood before the server was replaced cannot be known: the library begins anew. */
static void test_resumed_at_hello(void **state)
{
	struct fake f;
	int fd, mark[2];

	(void)state;
	assert_return_code(pipe(mark), errno);
	assert_int_equal(write(mark[1], "x", 1), 1);
	(void)close(mark[1]);
	resumed_mark = mark[0];
	fake_start(&f, 2, resumed_at_hello);
	fd = fake_connect(&f);
	rootShutdown(fd);
	(void)close(mark[0]);
	fake_stop(&f);
}

static void test_no_descriptor_left(void **state)
{
	struct fake f;
	struct rlimit old, low;
	int fds[128], n = 0, fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	low = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	while (n < 128 && (fds[n] = dup(0)) >= 0)
		n++;
	assert_int_equal(rootConnectTo(f.path), -EMFILE);
	while (n)
		(void)close(fds[--n]);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	fd = fake_connect(&f);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Descriptors that are no connection */

static void assert_not_a_connection(int fd)
{
	struct root_container c;
	struct root_program p;
	uint64_t cursor = 0;
	char buffer[8];
	int n;

	assert_int_equal(rootSetTimeout(fd, 1), -EBADF);
	assert_int_equal(rootErrDetail(fd, buffer, sizeof(buffer)), -EBADF);
	assert_int_equal(rootContainerHostName(fd, "web", 3, buffer, sizeof(buffer)), -EBADF);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), -EBADF);
	assert_int_equal(rootContainerCGroupName(fd, "web", 3, buffer, sizeof(buffer)), -EBADF);
	assert_int_equal(rootContainerGet(fd, "web", 3, &c, sizeof(c)), -EBADF);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &c, sizeof(c), 1), -EBADF);
	assert_int_equal(rootProgramList(fd, 0, &cursor, &p, sizeof(p), 1), -EBADF);
	assert_int_equal(rootProcessStart(fd, ROOT_IPC_NONE, "p", 1, NULL, 0, &n, NULL, NULL), -EBADF);
	assert_int_equal(rootProcessStartStderr(fd, ROOT_IPC_NONE, "p", 1, NULL, 0, &n, NULL, NULL, &n), -EBADF);
	assert_int_equal(rootProcessWait(fd, -1, &n), -EBADF);
	assert_int_equal(rootProcessPoll(fd, -1, &n), -EBADF);
	assert_int_equal(rootProcessTerminate(fd, 1), -EBADF);
	rootShutdown(fd);
}

static void test_other_descriptors(void **state)
{
	int fds[2];

	(void)state;
	assert_return_code(pipe(fds), errno);
	assert_not_a_connection(-1);
	assert_not_a_connection(INT_MIN);
	assert_not_a_connection(INT_MAX);
	assert_not_a_connection(fds[0]);
	assert_return_code(close(fds[0]), errno); /* rootShutdown() must have left it alone */
	assert_return_code(close(fds[1]), errno);
}

/* A number that was closed behind the library's back belongs to somebody else: it is neither used nor closed. */
static void test_number_used_again(void **state)
{
	struct fake f;
	int fd, fds[2];

	(void)state;
	fake_start(&f, 2, hello_only);
	fd = fake_connect(&f);
	assert_return_code(close(fd), errno);
	assert_return_code(chan_pair(fds), errno);
	assert_int_equal(fds[0], fd);
	assert_not_a_connection(fds[0]);
	assert_return_code(close(fds[0]), errno);
	assert_return_code(close(fds[1]), errno);

	fd = fake_connect(&f); /* and an entry left behind is no obstacle */
	rootShutdown(fd);
	assert_not_a_connection(fd);
	fake_stop(&f);
}

static void test_timeout_range(void **state)
{
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	assert_int_equal(rootSetTimeout(fd, -1), -EINVAL);
	assert_int_equal(rootSetTimeout(fd, 3600001), -EINVAL);
	assert_int_equal(rootSetTimeout(fd, 3600000), 0);
	assert_int_equal(rootSetTimeout(fd, 1), 0);
	assert_int_equal(rootSetTimeout(fd, 0), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Lookups */

static void expect_name(int fd, uint16_t type, const char *name, struct fake_in *in)
{
	struct name_request m;

	fake_expect(fd, type, in);
	FAKE_CHECK(!get_name_request(&in->body, &m));
	FAKE_CHECK(str_eq(m.name, str_of(name)) && !m.flags);
}

static void answer_hostname(int fd, uint32_t serial, const char *hostname)
{
	struct hostname_reply m = {.hostname = str_of(hostname)};
	struct wire_wr w;

	fake_begin(&w, MSG_HOSTNAME, serial);
	(void)put_hostname_reply(&w, &m);
	fake_send(fd, &w);
}

static void answer_cgroup(int fd, uint32_t serial, const char *cgroup)
{
	struct cgroup_reply m = {.cgroup = str_of(cgroup)};
	struct wire_wr w;

	fake_begin(&w, MSG_CGROUP, serial);
	(void)put_cgroup_reply(&w, &m);
	fake_send(fd, &w);
}

static const struct container_record web = {
	.rid = 5,
	.state = ROOT_CONTAINER_RUNNING,
	.pid = 4711,
	.owner = 1000,
	.engine = {"podman", 6},
	.id = {"0123456789abcdef", 16},
	.name = {"web", 3},
	.cgroup = {"/machine/web", 12},
};

static void answer_container(int fd, uint32_t serial, const struct container_record *m)
{
	struct wire_wr w;

	fake_begin(&w, MSG_CONTAINER, serial);
	(void)put_container_record(&w, m);
	fake_send(fd, &w);
}

static char hostname64[] = "h\xff\x1b\n"
			   "012345678901234567890123456789012345678901234567890123456789";

static void answer_lookups(int fd)
{
	struct container_record strange = web;
	struct fake_in in;

	fake_hello(fd);
	for (int i = 0; i < 4; i++) {
		expect_name(fd, MSG_CONTAINER_HOSTNAME, "web", &in);
		answer_hostname(fd, in.serial, i == 3 ? "" : hostname64);
	}
	expect_name(fd, MSG_CONTAINER_PID, "podman:web", &in);
	fake_pid(fd, in.serial, INT_MAX);
	for (int i = 0; i < 2; i++) {
		expect_name(fd, MSG_CONTAINER_CGROUP, "web", &in);
		answer_cgroup(fd, in.serial, "/machine/web");
	}
	for (int i = 0; i < 3; i++) {
		expect_name(fd, MSG_CONTAINER_GET, "web", &in);
		strange.state = 77; /* of a newer server */
		answer_container(fd, in.serial, i ? &strange : &web);
	}
	fake_expect_end(fd);
}

static void test_lookups(void **state)
{
	char exact[65], small[64], one[1] = {'x'};
	struct root_container c;
	struct {
		struct root_container c;
		char newer[4];
	} larger;
	struct fake f;
	int fd;

	(void)state;
	assert_int_equal(strlen(hostname64), ROOT_HOSTNAME_MAX);
	fake_start(&f, 1, answer_lookups);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerHostName(fd, "web and what follows it", 3, exact, sizeof(exact)), 64);
	assert_string_equal(exact, hostname64);
	memset(small, 'x', sizeof(small));
	assert_int_equal(rootContainerHostName(fd, "web", 3, small, sizeof(small)), -ENOSPC);
	for (size_t i = 0; i < sizeof(small); i++)
		assert_int_equal(small[i], 'x');
	assert_int_equal(rootContainerHostName(fd, "web", 3, one, 0), -ENOSPC);
	assert_int_equal(one[0], 'x');
	assert_int_equal(rootContainerHostName(fd, "web", 3, one, 1), 0); /* an empty hostname needs its NUL only */
	assert_int_equal(one[0], '\0');

	assert_int_equal(rootContainerProcessID(fd, "podman:web", 10), INT_MAX);
	assert_int_equal(rootContainerCGroupName(fd, "web", 3, exact, 13), 12);
	assert_string_equal(exact, "/machine/web");
	assert_int_equal(rootContainerCGroupName(fd, "web", 3, small, 12), -ENOSPC);
	assert_int_equal(small[0], 'x');

	assert_int_equal(rootContainerGet(fd, "web", 3, &c, sizeof(c)), 0);
	assert_string_equal(c.engine, "podman");
	assert_string_equal(c.id, "0123456789abcdef");
	assert_string_equal(c.name, "web");
	assert_string_equal(c.cgroup, "/machine/web");
	assert_int_equal(c.state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(c.pid, 4711);
	assert_int_equal(c.owner, 1000);
	/* A caller that was built with a larger structure, and one with a smaller one. */
	memset(&larger, 'x', sizeof(larger));
	assert_int_equal(rootContainerGet(fd, "web", 3, &larger.c, sizeof(larger)), 0);
	assert_int_equal(larger.newer[0] | larger.newer[3], 0);
	assert_int_equal(larger.c.state, ROOT_CONTAINER_UNKNOWN);
	memset(&c, 'x', sizeof(c));
	assert_int_equal(rootContainerGet(fd, "web", 3, &c, sizeof(c.engine)), 0);
	assert_string_equal(c.engine, "podman");
	assert_int_equal(c.id[0], 'x');
	rootShutdown(fd);
	fake_stop(&f);
}

/* None of these may reach the server. */
static void test_bad_names(void **state)
{
	char buffer[8] = "xxxxxxx", longest[ROOT_NAME_MAX + 1];
	static const struct {
		const char *name;
		int len;
	} bad[] = {{NULL, 3},
		   {"web", 0},
		   {"web", -1},
		   {"web", INT_MIN},
		   {"w\0b", 3},
		   {"web\0", 4},
		   {NULL, ROOT_NAME_MAX + 1}};
	struct root_container c;
	struct fake f;
	int fd;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *name = bad[i].len > ROOT_NAME_MAX ? longest : bad[i].name;

		assert_int_equal(rootContainerHostName(fd, name, bad[i].len, buffer, sizeof(buffer)), -EINVAL);
		assert_int_equal(rootContainerProcessID(fd, name, bad[i].len), -EINVAL);
		assert_int_equal(rootContainerCGroupName(fd, name, bad[i].len, buffer, sizeof(buffer)), -EINVAL);
		assert_int_equal(rootContainerGet(fd, name, bad[i].len, &c, sizeof(c)), -EINVAL);
	}
	assert_string_equal(buffer, "xxxxxxx");
	assert_int_equal(rootContainerHostName(fd, "web", 3, NULL, 65), -EINVAL);
	assert_int_equal(rootContainerCGroupName(fd, "web", 3, NULL, 65), -EINVAL);
	assert_int_equal(rootContainerGet(fd, "web", 3, NULL, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerGet(fd, "web", 3, &c, 0), -EINVAL);
	rootShutdown(fd);
	fake_stop(&f);
}

static void longest_name(int fd)
{
	struct name_request m;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	FAKE_CHECK(!get_name_request(&in.body, &m) && m.name.len == ROOT_NAME_MAX);
	fake_pid(fd, in.serial, 1);
	fake_expect_end(fd);
}

static void test_longest_name(void **state)
{
	char name[ROOT_NAME_MAX];
	struct fake f;
	int fd;

	(void)state;
	memset(name, 'n', sizeof(name));
	fake_start(&f, 1, longest_name);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerProcessID(fd, name, ROOT_NAME_MAX), 1);
	rootShutdown(fd);
	fake_stop(&f);
}

static const struct {
	uint16_t status;
	int error;
} lookup_errors[] = {{STATUS_INVALID, -EINVAL},
		     {STATUS_NOT_FOUND, -ENOENT},
		     {STATUS_NOT_RUNNING, -ESRCH},
		     {STATUS_AMBIGUOUS, -ENOTUNIQ},
		     {STATUS_DENIED, -EACCES},
		     {STATUS_TRY_AGAIN, -EAGAIN},
		     {STATUS_TIMED_OUT, -ETIMEDOUT},
		     {STATUS_TOO_MANY, -EPROTO},
		     {STATUS_REFUSED, -EPROTO},
		     {STATUS_STILL_THERE, -EPROTO},
		     {31, -EPROTO},
		     {32, -EPROTO},
		     {STATUS_NOT_FOUND + 32, -EPROTO}};
#define LOOKUP_ERRORS (sizeof(lookup_errors) / sizeof(lookup_errors[0]))

static void answer_errors(int fd)
{
	static const uint16_t types[] = {MSG_CONTAINER_HOSTNAME, MSG_CONTAINER_PID, MSG_CONTAINER_CGROUP,
					 MSG_CONTAINER_GET};
	struct fake_in in;

	fake_hello(fd);
	for (size_t i = 0; i < LOOKUP_ERRORS; i++) {
		for (int j = 0; j < 4; j++) {
			expect_name(fd, types[j], "web", &in);
			fake_error(fd, in.serial, lookup_errors[i].status, j ? "detail" : "");
		}
	}
	expect_name(fd, MSG_CONTAINER_PID, "web", &in);
	fake_pid(fd, in.serial, 1);
	fake_expect_end(fd);
}

static void test_lookup_errors(void **state)
{
	struct root_container c = {.pid = 99};
	char buffer[65] = "x", detail[7] = "x";
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, answer_errors);
	fd = fake_connect(&f);
	for (size_t i = 0; i < LOOKUP_ERRORS; i++) {
		/* For a whole record, "not running" is no error. */
		int get_error = lookup_errors[i].error == -ESRCH ? -EPROTO : lookup_errors[i].error;

		assert_int_equal(rootContainerHostName(fd, "web", 3, buffer, sizeof(buffer)), lookup_errors[i].error);
		assert_int_equal(rootErrDetail(fd, detail, 1), 0);
		assert_string_equal(detail, "");
		assert_int_equal(rootContainerProcessID(fd, "web", 3), lookup_errors[i].error);
		assert_int_equal(rootContainerCGroupName(fd, "web", 3, buffer, sizeof(buffer)), lookup_errors[i].error);
		assert_int_equal(rootContainerGet(fd, "web", 3, &c, sizeof(c)), get_error);
		assert_int_equal(rootErrDetail(fd, detail, 6), -ENOSPC);
		assert_int_equal(rootErrDetail(fd, NULL, 6), -ENOSPC);
		assert_string_equal(detail, "");
		assert_int_equal(rootErrDetail(fd, detail, 7), 6);
		assert_string_equal(detail, "detail");
		detail[0] = '\0';
	}
	assert_string_equal(buffer, "x");
	assert_int_equal(c.pid, 99);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 1);
	assert_int_equal(rootErrDetail(fd, detail, 7), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

/* Well-formed records whose values make no sense. */
static int nonsense_case;

static void answer_nonsense(int fd)
{
	struct container_record m = web;
	struct fake_in in;

	fake_hello(fd);
	switch (nonsense_case) {
	case 0:
	case 1:
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		fake_pid(fd, in.serial, nonsense_case ? (uint32_t)INT_MAX + 1 : 0);
		break;
	case 2:
	case 3:
		expect_name(fd, MSG_CONTAINER_CGROUP, "web", &in);
		answer_cgroup(fd, in.serial, nonsense_case == 2 ? "" : "relative");
		break;
	case 4:
		expect_name(fd, MSG_CONTAINER_GET, "web", &in);
		m.pid = UINT32_MAX;
		answer_container(fd, in.serial, &m);
		break;
	case 5: /* the answer to another question */
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		answer_hostname(fd, in.serial, "web");
		break;
	case 6: /* a serial that was never sent */
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		fake_pid(fd, in.serial + 1, 1);
		break;
	case 7:
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		fake_pid(fd, 0, 1);
		break;
	case 8: /* a request */
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		fake_nothing(fd, MSG_CONTAINER_PID, in.serial);
		break;
	default: /* no message at all */
		expect_name(fd, MSG_CONTAINER_PID, "web", &in);
		fake_nothing(fd, 9999, in.serial);
		break;
	}
	fake_expect_end(fd); /* the library hangs up itself */
}

static void test_nonsense(void **state)
{
	struct root_container c;
	char buffer[65] = "x";
	struct fake f;
	int fd, r;

	(void)state;
	for (nonsense_case = 0; nonsense_case < 10; nonsense_case++) {
		fake_start(&f, 1, answer_nonsense);
		fd = fake_connect(&f);
		if (nonsense_case == 2 || nonsense_case == 3)
			r = rootContainerCGroupName(fd, "web", 3, buffer, sizeof(buffer));
		else if (nonsense_case == 4)
			r = rootContainerGet(fd, "web", 3, &c, sizeof(c));
		else
			r = rootContainerProcessID(fd, "web", 3);
		assert_int_equal(r, -EPROTO);
		assert_int_equal(rootContainerProcessID(fd, "web", 3), -EPROTO);
		rootShutdown(fd);
		fake_stop(&f);
	}
	assert_string_equal(buffer, "x");
}

/* --- Sentences */

static void test_sentences(void **state)
{
	static const int errors[] = {EINVAL,    ENOENT,          ESRCH,      ENOTUNIQ, ENOSPC, EACCES,
				     EAGAIN,    ETIMEDOUT,       ENOTCONN,   EPROTO,   EBADF,  ECONNREFUSED,
				     EPERM,     EPROTONOSUPPORT, EMFILE,     ENOMEM,   EDOM,   ENOEXEC,
				     EREMOTEIO, EDQUOT,          ECONNRESET, ECHILD,   EBUSY};
	char text[160], cut[8];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_ptr_equal(rootErrStr_r(-errors[i], text, sizeof(text)), text);
		assert_null(strstr(text, "unknown"));
		assert_true(strlen(text) > 8 && strlen(text) < sizeof(text) - 1);
	}
	assert_string_equal(rootErrStr_r(0, text, sizeof(text)), "success");
	assert_string_equal(rootErrStr_r(4711, text, sizeof(text)), "success");
	assert_string_equal(rootErrStr_r(-4095, text, sizeof(text)), "unknown error -4095");
	(void)rootErrStr_r(INT_MIN, text, sizeof(text));
	assert_non_null(strstr(text, "unknown error"));
	assert_string_equal(rootErrStr_r(-EINVAL, cut, sizeof(cut)), "invalid");
	assert_string_equal(rootErrStr_r(-EINVAL, cut, 1), "");
	cut[0] = 'x';
	(void)rootErrStr_r(-EINVAL, cut, 0);
	assert_int_equal(cut[0], 'x');
	assert_null(rootErrStr_r(-EINVAL, NULL, 8));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connect),
		TEST(test_environment_names_the_socket),
		TEST(test_bad_paths),
		TEST(test_nobody_listens),
		TEST(test_full_backlog_times_out),
		TEST(test_hello_times_out),
		TEST(test_listener_that_is_not_root),
		TEST(test_hello_refused),
		TEST(test_hello_answered_badly),
		TEST(test_resumed_at_hello),
		TEST(test_no_descriptor_left),
		TEST(test_other_descriptors),
		TEST(test_number_used_again),
		TEST(test_timeout_range),
		TEST(test_lookups),
		TEST(test_bad_names),
		TEST(test_longest_name),
		TEST(test_lookup_errors),
		TEST(test_nonsense),
		TEST(test_sentences),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
