/* SPDX-License-Identifier: MIT */
/* Whole records: what became of them on the way, the descriptor that comes with one, whose a process or a cgroup is, and facts with
 * their sources. */
#include "fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

static void send_container(int fd, uint32_t serial, const struct container_record *m, int nfds)
{
	struct wire_wr w;

	fake_begin(&w, MSG_CONTAINER, serial);
	(void)put_container_record(&w, m);
	fake_send_fds(fd, &w, (int[]){0, 1}, nfds);
}

static struct container_record record(uint32_t pid)
{
	return (struct container_record){.rid = 1,
					 .generation = 42,
					 .state = ROOT_CONTAINER_RUNNING,
					 .pid = pid,
					 .owner = 1000,
					 .engine = STR("podman"),
					 .id = STR("0123"),
					 .name = STR("web"),
					 .user = STR("alice"),
					 .cgroup = STR("/a"),
					 .init_cgroup = STR("/a/b")};
}

static void hello_only(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

/* --- A record, and a descriptor with it */

static uint32_t expect_get(int fd, uint32_t flags)
{
	struct name_request m;
	struct fake_in in;

	fake_expect(fd, MSG_CONTAINER_GET, &in);
	FAKE_CHECK(!get_name_request(&in.body, &m) && m.flags == flags && str_eq(m.name, STR("web")));
	return in.serial;
}

static void serve_gets(int fd)
{
	struct container_record m = record(5);

	fake_hello(fd);
	send_container(fd, expect_get(fd, GET_PIDFD), &m, 1);
	m = record(0);
	m.state = ROOT_CONTAINER_STOPPED;
	m.flags = RECORD_EXITED;
	m.exit = 7 << 8;
	send_container(fd, expect_get(fd, GET_PIDFD), &m, 0);
	/* Nobody asked for this one. */
	m = record(5);
	m.state = 99;
	send_container(fd, expect_get(fd, 0), &m, 1);
	fake_error(fd, expect_get(fd, GET_PIDFD), STATUS_AMBIGUOUS, "why");
	fake_expect_end(fd);
}

static void test_pidfd(void **state)
{
	struct root_container c;
	int fd, pidfd = 77, mine;
	struct fake f;

	(void)state;
	fake_start(&f, 1, serve_gets);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd), 0);
	assert_int_equal(c.pid, 5);
	assert_int_equal(c.owner, 1000);
	assert_int_equal(c.generation, 42);
	assert_int_equal(c.exit_status, ROOT_EXIT_UNKNOWN);
	assert_string_equal(c.user, "alice");
	assert_string_equal(c.cgroup, "/a");
	assert_string_equal(c.init_cgroup, "/a/b");
	assert_int_equal(open_descriptors(), fds_before + 2);
	assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	mine = pidfd;
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd), 0);
	assert_int_equal(c.pid, 0);
	assert_int_equal(c.exit_status, 7 << 8);
	assert_int_equal(pidfd, -1);
	(void)close(mine);
	assert_int_equal(rootContainerGet(fd, "web", 3, &c, sizeof(c)), 0);
	assert_int_equal(c.state, ROOT_CONTAINER_UNKNOWN);
	assert_int_equal(open_descriptors(), fds_before + 1);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd), -ENOTUNIQ);
	assert_int_equal(pidfd, -1);
	rootShutdown(fd);
	fake_stop(&f);
}

static const struct {
	uint32_t pid;
	int nfds;
} bad_gets[] = {{5, 0}, {0, 1}, {5, 2}, {UINT32_MAX, 1}};
#define BAD_GETS ((int)(sizeof(bad_gets) / sizeof(bad_gets[0])))

static void serve_bad_get(int fd)
{
	struct container_record m = record(bad_gets[fake_connection].pid);

	fake_hello(fd);
	send_container(fd, expect_get(fd, GET_PIDFD), &m, bad_gets[fake_connection].nfds);
	fake_expect_end(fd);
}

static void test_bad_pidfd(void **state)
{
	struct root_container c = {.pid = 99};
	int fd, pidfd = 77;
	struct fake f;

	(void)state;
	fake_start(&f, BAD_GETS, serve_bad_get);
	for (int i = 0; i < BAD_GETS; i++) {
		fd = fake_connect(&f);
		assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd), -EPROTO);
		assert_int_equal(c.pid, 99);
		assert_int_equal(pidfd, 77);
		rootShutdown(fd);
		assert_int_equal(open_descriptors(), fds_before);
	}
	fake_stop(&f);
}

/* Without room for it the call fails, and the connection goes on. */
static void serve_no_room(int fd)
{
	struct container_record m = record(5);
	struct fake_in in;

	fake_hello(fd);
	send_container(fd, expect_get(fd, GET_PIDFD), &m, 1);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_pid(fd, in.serial, 5);
	fake_expect_end(fd);
}

static void test_no_room(void **state)
{
	struct root_container c = {.pid = 99};
	struct rlimit limit, few;
	int fd, pidfd = 77, fds[64], n = 0, r;
	struct fake f;

	(void)state;
	if (under_valgrind()) {
		skip();
		return;
	}
	fake_start(&f, 1, serve_no_room);
	fd = fake_connect(&f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fds[n] = dup(fd)) >= 0)
		n++;
	r = rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd);
	while (n)
		(void)close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(c.pid, 99);
	assert_int_equal(pidfd, 77);
	assert_int_equal(rootContainerProcessID(fd, "web", 3), 5);
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Whose is it? */

static void serve_reverse(int fd)
{
	struct container_record m = record(5);
	struct process_request process;
	struct cgroup_request cgroup;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_OF_PROCESS, &in);
	FAKE_CHECK(!get_process_request(&in.body, &process) && process.pid == 4711 && !process.flags);
	send_container(fd, in.serial, &m, 1); /* the descriptor is not taken */
	fake_expect(fd, MSG_CONTAINER_OF_CGROUP, &in);
	FAKE_CHECK(!get_cgroup_request(&in.body, &cgroup) && str_eq(cgroup.cgroup, STR("/a/b/c")) && !cgroup.flags);
	send_container(fd, in.serial, &m, 0);
	fake_expect_end(fd);
}

static void test_reverse(void **state)
{
	struct root_container c;
	char engine[ROOT_ENGINE_MAX + 1];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_reverse);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerOfProcess(fd, 4711, &c, sizeof(c)), 0);
	assert_string_equal(c.name, "web");
	assert_int_equal(open_descriptors(), fds_before + 1);
	assert_int_equal(rootContainerOfCGroup(fd, "/a/b/c/not this", 6, (struct root_container *)(void *)engine,
					       sizeof(engine)),
			 0);
	assert_string_equal(engine, "podman");
	rootShutdown(fd);
	fake_stop(&f);
}

static void test_bad_arguments(void **state)
{
	static char longest[ROOT_CGROUP_MAX + 2];
	struct root_container c;
	struct root_fact fact;
	struct fake f;
	int fd, pidfd;

	(void)state;
	memset(longest, '/', sizeof(longest) - 1);
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerGetPidFD(fd, "", 0, &c, sizeof(c), &pidfd), -EINVAL);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, NULL, sizeof(c), &pidfd), -EINVAL);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, 0, &pidfd), -EINVAL);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), NULL), -EINVAL);
	assert_int_equal(rootContainerOfProcess(fd, 0, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfProcess(fd, INT_MIN, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfProcess(fd, 1, NULL, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfProcess(fd, 1, &c, 0), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, NULL, 1, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, "/", 0, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, longest, ROOT_CGROUP_MAX + 1, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, "a/b", 3, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, "/a\0b", 4, &c, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, "/a", 2, NULL, sizeof(c)), -EINVAL);
	assert_int_equal(rootContainerOfCGroup(fd, "/a", 2, &c, 0), -EINVAL);
	assert_int_equal(rootContainerFacts(fd, NULL, 3, &fact, sizeof(fact), 1), -EINVAL);
	assert_int_equal(rootContainerFacts(fd, "web", 3, NULL, sizeof(fact), 1), -EINVAL);
	assert_int_equal(rootContainerFacts(fd, "web", 3, &fact, 0, 1), -EINVAL);
	assert_int_equal(rootContainerFacts(fd, "web", 3, &fact, sizeof(fact), 0), -EINVAL);
	rootShutdown(fd);
	assert_int_equal(rootContainerOfProcess(fd, 1, &c, sizeof(c)), -EBADF);
	assert_int_equal(rootContainerOfCGroup(fd, "/a", 2, &c, sizeof(c)), -EBADF);
	assert_int_equal(rootContainerFacts(fd, "web", 3, &fact, sizeof(fact), 1), -EBADF);
	assert_int_equal(rootContainerGetPidFD(fd, "web", 3, &c, sizeof(c), &pidfd), -EBADF);
	fake_stop(&f);
}

/* Each function's list of errors is closed. */
static const struct {
	uint16_t status;
	int of_process, of_cgroup, facts;
} errors[] = {{STATUS_INVALID, -EINVAL, -EINVAL, -EINVAL},
	      {STATUS_NOT_FOUND, -ENOENT, -ENOENT, -ENOENT},
	      {STATUS_NOT_RUNNING, -ESRCH, -EPROTO, -EPROTO},
	      {STATUS_AMBIGUOUS, -EPROTO, -EPROTO, -ENOTUNIQ},
	      {STATUS_DENIED, -EACCES, -EACCES, -EACCES},
	      {STATUS_TRY_AGAIN, -EAGAIN, -EAGAIN, -EAGAIN},
	      {STATUS_TIMED_OUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT},
	      {STATUS_NO_CHILD, -EPROTO, -EPROTO, -EPROTO}};
#define ERRORS ((int)(sizeof(errors) / sizeof(errors[0])))

static void serve_errors(int fd)
{
	static const uint16_t types[] = {MSG_CONTAINER_OF_PROCESS, MSG_CONTAINER_OF_CGROUP, MSG_CONTAINER_FACTS};
	struct fake_in in;

	fake_hello(fd);
	for (int i = 0; i < ERRORS * 3; i++) {
		fake_expect(fd, types[i % 3], &in);
		fake_error(fd, in.serial, errors[i / 3].status, "why");
	}
	fake_expect_end(fd);
}

static void test_errors(void **state)
{
	struct root_container c = {.pid = 99};
	struct root_fact fact = {.key = "x"};
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_errors);
	fd = fake_connect(&f);
	for (int i = 0; i < ERRORS; i++) {
		assert_int_equal(rootContainerOfProcess(fd, 1, &c, sizeof(c)), errors[i].of_process);
		assert_int_equal(rootContainerOfCGroup(fd, "/a", 2, &c, sizeof(c)), errors[i].of_cgroup);
		assert_int_equal(rootContainerFacts(fd, "web", 3, &fact, sizeof(fact), 1), errors[i].facts);
	}
	assert_int_equal(c.pid, 99);
	assert_string_equal(fact.key, "x");
	rootShutdown(fd);
	fake_stop(&f);
}

/* --- Facts */

static void send_facts(int fd, uint32_t serial, int n, uint64_t next)
{
	struct page_wr page;
	struct wire_wr w;

	fake_begin(&w, MSG_FACTS, serial);
	page_begin(&page, &w);
	for (int i = 0; i < n; i++) {
		char key[16];
		struct fact_record m = {.value = STR("v\xff"), .source = STR("/proc/5/cgroup")};

		(void)snprintf(key, sizeof(key), "key%d", i);
		m.key = str_of(key);
		FAKE_CHECK(page_add_fact(&page, &m));
	}
	FAKE_CHECK(page_end(&page, next) > 0);
	fake_send(fd, &w);
}

static uint32_t expect_facts(int fd)
{
	struct name_request m;
	struct fake_in in;

	fake_expect(fd, MSG_CONTAINER_FACTS, &in);
	FAKE_CHECK(!get_name_request(&in.body, &m) && !m.flags && str_eq(m.name, STR("web")));
	return in.serial;
}

static void serve_facts(int fd)
{
	fake_hello(fd);
	send_facts(fd, expect_facts(fd), 32, 0);
	send_facts(fd, expect_facts(fd), 2, 0);
	send_facts(fd, expect_facts(fd), 3, 0);
	send_facts(fd, expect_facts(fd), 0, 0);
	fake_expect_end(fd);
}

static void test_facts(void **state)
{
	static struct root_fact facts[32];
	char keys[2][ROOT_FACT_KEY_MAX + 1];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_facts);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerFacts(fd, "web", 3, facts, sizeof(facts[0]), 32), 32);
	assert_string_equal(facts[31].key, "key31");
	assert_string_equal(facts[31].value, "v\xff");
	assert_string_equal(facts[31].source, "/proc/5/cgroup");
	assert_int_equal(rootContainerFacts(fd, "web", 3, (struct root_fact *)(void *)keys, sizeof(keys[0]), 2), 2);
	assert_string_equal(keys[0], "key0");
	assert_string_equal(keys[1], "key1");
	/* None is left out silently. */
	assert_int_equal(rootContainerFacts(fd, "web", 3, (struct root_fact *)(void *)keys, sizeof(keys[0]), 2),
			 -ENOSPC);
	assert_int_equal(rootContainerFacts(fd, "web", 3, facts, sizeof(facts[0]), 32), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

static void serve_bad_facts(int fd)
{
	fake_hello(fd);
	if (fake_connection)
		send_facts(fd, expect_facts(fd), 33, 0);
	else
		send_facts(fd, expect_facts(fd), 1, 7);
	fake_expect_end(fd);
}

static void test_bad_facts(void **state)
{
	struct root_fact fact = {.key = "x"};
	struct fake f;

	(void)state;
	fake_start(&f, 2, serve_bad_facts);
	for (int i = 0; i < 2; i++) {
		int fd = fake_connect(&f);

		assert_int_equal(rootContainerFacts(fd, "web", 3, &fact, sizeof(fact), 1), -EPROTO);
		assert_string_equal(fact.key, "x");
		rootShutdown(fd);
	}
	fake_stop(&f);
}

/* --- A list with hostnames */

static void serve_hostnames(int fd)
{
	struct container_record m = record(5);
	struct list_request request;
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	FAKE_CHECK(!get_list_request(&in.body, &request) && request.flags == LIST_HOSTNAMES);
	m.hostname = STR("h\xff");
	fake_begin(&w, MSG_CONTAINERS, in.serial);
	page_begin(&page, &w);
	FAKE_CHECK(page_add_container(&page, &m));
	FAKE_CHECK(page_end(&page, 0) > 0);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_list_hostnames(void **state)
{
	struct root_container c;
	uint64_t cursor = 0;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_hostnames);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerList(fd, ROOT_LIST_HOSTNAMES, &cursor, &c, sizeof(c), 1), 1);
	assert_string_equal(c.hostname, "h\xff");
	rootShutdown(fd);
	fake_stop(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pidfd),   TEST(test_bad_pidfd),     TEST(test_no_room),
		TEST(test_reverse), TEST(test_bad_arguments), TEST(test_errors),
		TEST(test_facts),   TEST(test_bad_facts),     TEST(test_list_hostnames),
	};

	return cmocka_run_group_tests_name("client records", tests, NULL, NULL);
}
