/* SPDX-License-Identifier: MIT */
/* The command: what it shows cannot drive a terminal or forge a line, its JSON is valid whatever the bytes, its exit statuses are
 * as documented, and run loses no output, hangs on nobody and passes signals on. */
#include "rootctl_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../client/rootctl_text.h"

/* --- Text */

static void test_escape(void **state)
{
	static const struct {
		const char *raw, *escaped;
	} cases[] = {{"", ""},
		     {"web-1", "web-1"},
		     {"a\\x", "a\\\\x"},
		     {"\x1b[2J", "\\x1b[2J"},
		     {"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
		     {"\xc3\xa4\xff", "\\xc3\\xa4\\xff"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *s = text_escape(cases[i].raw);

		assert_string_equal(s, cases[i].escaped);
		free(s);
	}
}

#define FFFD "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	static const struct {
		const char *raw, *clean;
	} cases[] = {
		{"", ""},
		{"web", "web"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3"},
		{"a\xff"
		 "b",
		 "a" FFFD "b"},
		{"\xc3", FFFD}, /* cut at the end */
		{"\xe2\x82", FFFD FFFD},
		{"\xf0\x9f\x90", FFFD FFFD FFFD},
		{"\xc0\xaf", FFFD FFFD}, /* overlong */
		{"\xe0\x80\xaf", FFFD FFFD FFFD},
		{"\xf0\x80\x80\xaf", FFFD FFFD FFFD FFFD},
		{"\xed\xa0\x80", FFFD FFFD FFFD}, /* a surrogate */
		{"\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD}, /* beyond U+10FFFF */
		{"\x80"
		 "a",
		 FFFD "a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *s = text_utf8(cases[i].raw);

		assert_string_equal(s, cases[i].clean);
		free(s);
	}
}

static void test_json_string(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	text_json(out, "q\"b\\n\nc\x01\x7f\xff\xc3\xa4/");
	(void)fclose(out);
	assert_string_equal(text, "\"q\\\"b\\\\n\\u000ac\\u0001\\u007f" FFFD "\xc3\xa4/\"");
	free(text);
}

/* --- Usage */

static void test_usage(void **state)
{
	(void)state;
	fake_path = "/nonexistent/socket";
	assert_int_equal(run_argv((const char *const[]){"rootctl", NULL}), 2);
	assert_says(ran.err, "Usage: rootctl");
	assert_int_equal(RUN("frobnicate\x1b"), 2);
	assert_says(ran.err, "frobnicate\\x1b: no such command: run 'rootctl --help'");
	assert_int_equal(RUN("--bogus", "ps"), 2);
	assert_says(ran.err, "--bogus: no such option: run 'rootctl --help'");
	assert_int_equal(RUN("ps", "-x"), 2);
	assert_says(ran.err, "-x: no such option: run 'rootctl ps --help'");
	assert_int_equal(RUN("--socket"), 2);
	assert_says(ran.err, "--socket: the option needs a value");
	assert_int_equal(RUN("pid", "--no-trunc", "web"), 2);
	assert_int_equal(RUN("hostname"), 2);
	assert_says(ran.err, "an argument is missing");
	assert_int_equal(RUN("hostname", "a", "b"), 2);
	assert_says(ran.err, "too many arguments");
	assert_int_equal(RUN("ps", "web"), 2);
	assert_int_equal(RUN("run"), 2);
	assert_int_equal(RUN("run", "--json", "p"), 2);
	for (int i = 0; i < 5; i++) {
		static const char *const bad[] = {"", "x", "-1", "3600001", "5s"};

		assert_int_equal(RUN("--timeout", bad[i], "ps"), 2);
		assert_says(ran.err, "--timeout: not a number");
	}
	assert_int_equal(RUN("ps", "--present"), 2);
	assert_says(ran.err, "--present: no such option: run 'rootctl ps --help'");
	assert_int_equal(RUN("-a", "ps"), 2);
	assert_int_equal(RUN("watch", "--all"), 2);
	assert_int_equal(RUN("ps", "--engine"), 2);
	assert_int_equal(RUN("which"), 2);
	for (int i = 0; i < 5; i++) {
		static const char *const bad[] = {"", "x", "-1", "0", "2147483648"};

		assert_int_equal(RUN("watch", "--count", bad[i]), 2);
		assert_says(ran.err, "--count: not a number");
	}
	assert_int_equal(RUN("--version"), 0);
	assert_says(ran.out, "rootctl " ROOTBROKER_VERSION);
	assert_int_equal(RUN("--help"), 0);
	for (int i = 0; i < 9; i++) {
		static const char *const commands[] = {"ps",     "which",   "watch",    "hostname", "pid",
						       "cgroup", "inspect", "programs", "run"};

		assert_says(ran.out, commands[i]);
	}
	for (int i = 0; i < 9; i++) {
		static const char *const commands[] = {"ps",     "which",   "watch",    "hostname", "pid",
						       "cgroup", "inspect", "programs", "run"};

		assert_int_equal(RUN(commands[i], "--help"), 0);
		assert_says(ran.out, "Usage: rootctl [OPTION...] ");
		assert_int_equal(RUN("--help"), 0);
	}
}

static void test_no_server(void **state)
{
	(void)state;
	fake_path = "/nonexistent/so\ncket";
	assert_int_equal(RUN("ps"), 1);
	assert_string_equal(
		ran.err,
		"rootctl: /nonexistent/so\\x0acket: no such socket: start rootbrokerd, or name its socket with "
		"--socket PATH\n");
	assert_int_equal(RUN("--socket", "/nonexistent/other", "pid", "web"), 1);
	assert_says(ran.err, "/nonexistent/other: no such socket");
	assert_int_equal(RUN("pid", "--socket", "/etc/passwd", "web"), 1);
	assert_says(ran.err, "/etc/passwd: no server listens there");
	assert_int_equal(RUN("--socket", "", "ps"), 2);
	assert_int_equal(RUN("run", "blink"), 125);
	fake_path = NULL;
}

/* --- Containers */

static const char nasty[] = "n\x1b[2J\n\xff\"\\";

static const struct container_record page_records[] = {
	{.rid = 1,
	 .generation = 7,
	 .state = ROOT_CONTAINER_RUNNING,
	 .pid = 4711,
	 .engine = {"podman", 6},
	 .id = {"0123456789abcdef0123", 20},
	 .name = {"web", 3},
	 .cgroup = {"/machine/web", 12}},
	{.rid = 2,
	 .generation = 9,
	 .state = ROOT_CONTAINER_STOPPED,
	 .flags = RECORD_EXITED,
	 .exit = 3 << 8,
	 .owner = 1000,
	 .engine = {"lxc", 3},
	 .id = {"short", 5},
	 .name = {nasty, sizeof(nasty) - 1}},
	{.rid = 3,
	 .generation = 11,
	 .state = ROOT_CONTAINER_STOPPED,
	 .flags = RECORD_EXITED,
	 .exit = SIGKILL,
	 .owner = 1001,
	 .engine = {"podman", 6},
	 .id = {"77", 2},
	 .user = {"alice", 5}},
};

/* The first @n of them. */
static void send_page(int fd, uint32_t serial, int n, const char *hostname)
{
	struct page_wr page;
	struct wire_wr w;

	fake_begin(&w, MSG_CONTAINERS, serial);
	page_begin(&page, &w);
	for (int i = 0; i < n; i++) {
		struct container_record m = page_records[i];

		if (m.pid)
			m.hostname = str_of(hostname);
		FAKE_CHECK(page_add_container(&page, &m));
	}
	FAKE_CHECK(page_end(&page, 0) > 0);
	fake_send(fd, &w);
}

static void send_hostname(int fd, uint32_t serial, const char *hostname)
{
	struct hostname_reply m = {.hostname = str_of(hostname)};
	struct wire_wr w;

	fake_begin(&w, MSG_HOSTNAME, serial);
	(void)put_hostname_reply(&w, &m);
	fake_send(fd, &w);
}

static int page_count;

static void serve_ps(int fd)
{
	struct list_request m;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	FAKE_CHECK(!get_list_request(&in.body, &m) && !m.flags);
	send_page(fd, in.serial, page_count, "");
	fake_expect_end(fd);
}

/* In bulk: there is no question for each of them. */
static void serve_ps_hostnames(int fd)
{
	struct list_request m;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	FAKE_CHECK(!get_list_request(&in.body, &m) && m.flags == LIST_HOSTNAMES);
	send_page(fd, in.serial, 2, "h\xff\x1b");
	fake_expect_end(fd);
}

static void run_ps(int count, const char *option, const char *value)
{
	page_count = count;
	with_server(serve_ps);
	assert_int_equal(run_argv((const char *const[]){"rootctl", "ps", option, value, NULL}), 0);
	without_server();
}

static void test_ps(void **state)
{
	(void)state;
	run_ps(3, NULL, NULL);
	assert_string_equal(ran.out, "ENGINE NAME ID           STATE    PID CGROUP\n"
				     "podman web  0123456789ab running 4711 /machine/web\n");
	run_ps(2, "--all", NULL);
	assert_string_equal(ran.out, "ENGINE NAME                ID           STATE   EXIT  PID CGROUP\n"
				     "podman web                 0123456789ab running -    4711 /machine/web\n"
				     "lxc    n\\x1b[2J\\x0a\\xff\"\\\\ short        stopped 3       - -\n");
	run_ps(3, "-a", NULL);
	assert_says(ran.out, "ENGINE USER  NAME ");
	assert_says(ran.out, "\npodman alice - ");
	assert_says(ran.out, " 77           stopped signal 9    - -\n");
	run_ps(3, "--no-trunc", NULL);
	assert_says(ran.out, " 0123456789abcdef0123 ");
	run_ps(3, "--engine", "lxc");
	assert_string_equal(ran.out, "");
	assert_string_equal(ran.err, "no containers but stopped ones: --all shows them\n");
	with_server(serve_ps_hostnames);
	assert_int_equal(RUN("ps", "--hostnames"), 0);
	without_server();
	assert_says(ran.out, "HOSTNAME\n");
	assert_says(ran.out, " h\\xff\\x1b\n");
}

static void test_ps_json(void **state)
{
	(void)state;
	page_count = 3;
	with_server(serve_ps);
	assert_int_equal(RUN("ps", "--json", "--all"), 0);
	without_server();
	assert_json("d[\"containers\"][0]",
		    "{\"engine\": \"podman\", \"id\": \"0123456789abcdef0123\", \"name\": \"web\", \"user\": null, "
		    "\"owner\": 0, "
		    "\"state\": \"running\", \"pid\": 4711, \"cgroup\": \"/machine/web\", \"init_cgroup\": null, "
		    "\"exit_code\": null, \"exit_signal\": null, \"generation\": 7}\n");
	assert_json(
		"d[\"containers\"][1]",
		"{\"engine\": \"lxc\", \"id\": \"short\", \"name\": \"n\\u001b[2J\\n\\ufffd\\\"\\\\\", \"user\": null, "
		"\"owner\": 1000, \"state\": \"stopped\", \"pid\": null, \"cgroup\": null, \"init_cgroup\": null, "
		"\"exit_code\": 3, \"exit_signal\": null, \"generation\": 9}\n");
	assert_json("[d[\"containers\"][2][k] for k in (\"name\", \"user\", \"exit_code\", \"exit_signal\")]",
		    "[null, \"alice\", null, 9]\n");
	with_server(serve_ps);
	assert_int_equal(RUN("--json", "ps"), 0);
	without_server();
	assert_json("[c[\"name\"] for c in d[\"containers\"]]", "[\"web\"]\n");
	with_server(serve_ps_hostnames);
	assert_int_equal(RUN("--json", "ps", "-a", "--hostnames"), 0);
	without_server();
	assert_json("[c[\"hostname\"] for c in d[\"containers\"]]", "[\"h\\ufffd\\u001b\", null]\n");
}

/* What cannot be told to its end is not told at all. */
static void serve_ps_broken(int fd)
{
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	fake_begin(&w, MSG_CONTAINERS, in.serial);
	page_begin(&page, &w);
	FAKE_CHECK(page_add_container(&page, &page_records[0]) && page_end(&page, 1) > 0);
	fake_send(fd, &w);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	fake_error(fd, in.serial, STATUS_TRY_AGAIN, "because");
	fake_expect_end(fd);
}

static void test_ps_broken(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		with_server(serve_ps_broken);
		assert_int_equal(run_argv((const char *const[]){"rootctl", "ps", json ? "--json" : NULL, NULL}), 1);
		without_server();
		assert_string_equal(ran.out, "");
		assert_says(ran.err, "the list of containers: ");
	}
}

static void serve_empty(int fd)
{
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	fake_begin(&w, MSG_CONTAINERS, in.serial);
	page_begin(&page, &w);
	FAKE_CHECK(page_end(&page, 0) > 0);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_ps_of_nothing(void **state)
{
	(void)state;
	with_server(serve_empty);
	assert_int_equal(RUN("ps"), 0);
	without_server();
	assert_string_equal(ran.out, "");
	assert_string_equal(ran.err, "no containers\n");
	with_server(serve_empty);
	assert_int_equal(RUN("ps", "--json"), 0);
	without_server();
	assert_json("d", "{\"containers\": []}\n");
	assert_string_equal(ran.err, "");
}

static void serve_hostname(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_HOSTNAME, &in);
	send_hostname(fd, in.serial, nasty);
	fake_expect_end(fd);
}

static void serve_cgroup(int fd)
{
	struct cgroup_reply m = {.cgroup = STR("/a\\x2db")};
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_CGROUP, &in);
	fake_begin(&w, MSG_CGROUP, in.serial);
	(void)put_cgroup_reply(&w, &m);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void serve_pid(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_pid(fd, in.serial, 4711);
	fake_expect_end(fd);
}

static void send_container(int fd, uint32_t serial, const struct container_record *m)
{
	struct wire_wr w;

	fake_begin(&w, MSG_CONTAINER, serial);
	(void)put_container_record(&w, m);
	fake_send(fd, &w);
}

static bool with_facts;

static void serve_inspect(int fd)
{
	static const struct fact_record facts[] = {
		{{"state", 5}, {"stopped", 7}, {"/run/lxc/id", 11}},
		{{"cgroup", 6}, {"", 0}, {"the kernel", 10}},
		{{"config", 6}, {nasty, sizeof(nasty) - 1}, {"/var/lib/lxc/\x1b", 14}}};
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_GET, &in);
	send_container(fd, in.serial, &page_records[1]);
	fake_expect(fd, MSG_CONTAINER_FACTS, &in);
	if (!with_facts)
		return; /* an older one */
	fake_begin(&w, MSG_FACTS, in.serial);
	page_begin(&page, &w);
	for (int i = 0; i < 3; i++)
		FAKE_CHECK(page_add_fact(&page, &facts[i]));
	FAKE_CHECK(page_end(&page, 0) > 0);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_inspect(void **state)
{
	(void)state;
	with_facts = true;
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "web"), 0);
	without_server();
	assert_string_equal(ran.out, "KEY    VALUE               SOURCE\n"
				     "engine lxc                 -\n"
				     "id     short               -\n"
				     "name   n\\x1b[2J\\x0a\\xff\"\\\\ -\n"
				     "owner  1000                -\n"
				     "pid    -                   -\n"
				     "exit   3                   -\n"
				     "state  stopped             /run/lxc/id\n"
				     "cgroup -                   the kernel\n"
				     "config n\\x1b[2J\\x0a\\xff\"\\\\ /var/lib/lxc/\\x1b\n");
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "--json", "web"), 0);
	without_server();
	assert_json("[d[\"engine\"], d[\"exit_code\"], d[\"cgroup\"], d[\"facts\"]]",
		    "[\"lxc\", 3, null, [{\"key\": \"state\", \"value\": \"stopped\", \"source\": \"/run/lxc/id\"}, "
		    "{\"key\": \"cgroup\", \"value\": null, \"source\": \"the kernel\"}, "
		    "{\"key\": \"config\", \"value\": \"n\\u001b[2J\\n\\ufffd\\\"\\\\\", \"source\": "
		    "\"/var/lib/lxc/\\u001b\"}]]\n");
	/* The record is true without them. */
	with_facts = false;
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "web"), 0);
	without_server();
	assert_says(ran.out, "state  stopped             -\n");
	assert_string_equal(ran.err, "");
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "--json", "web"), 0);
	without_server();
	assert_json("[d[\"state\"], d[\"facts\"]]", "[\"stopped\", null]\n");
}

static int which_record;

static void serve_which(int fd)
{
	struct process_request process;
	struct cgroup_request cgroup;
	struct fake_in in;

	fake_hello(fd);
	if (which_record) {
		fake_expect(fd, MSG_CONTAINER_OF_CGROUP, &in);
		FAKE_CHECK(!get_cgroup_request(&in.body, &cgroup) && str_eq(cgroup.cgroup, STR("/a/b")));
	} else {
		fake_expect(fd, MSG_CONTAINER_OF_PROCESS, &in);
		FAKE_CHECK(!get_process_request(&in.body, &process) && process.pid == 4711);
	}
	send_container(fd, in.serial, &page_records[which_record]);
	fake_expect_end(fd);
}

static uint16_t which_status;

static void serve_whose(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_OF_PROCESS, &in);
	fake_error(fd, in.serial, which_status, "because");
	fake_expect_end(fd);
}

static void serve_nobody(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

static void test_which(void **state)
{
	static const char *const bad[] = {"", "web", "+1", " 1", "0", "1x", "2147483648", "99999999999999999999"};

	(void)state;
	which_record = 0;
	with_server(serve_which);
	assert_int_equal(RUN("which", "4711"), 0);
	without_server();
	assert_string_equal(ran.out, "podman:web\n");
	which_record = 2; /* of a user, without a name */
	with_server(serve_which);
	assert_int_equal(RUN("which", "/a/b"), 0);
	without_server();
	assert_string_equal(ran.out, "podman@alice:77\n");
	with_server(serve_which);
	assert_int_equal(RUN("which", "--json", "/a/b"), 0);
	without_server();
	assert_json("[d[\"engine\"], d[\"user\"], d[\"id\"]]", "[\"podman\", \"alice\", \"77\"]\n");
	which_status = STATUS_NOT_FOUND;
	with_server(serve_whose);
	assert_int_equal(RUN("which", "4711"), 3);
	without_server();
	assert_says(ran.err, "rootctl: 4711: it is in no container (because): ");
	which_status = STATUS_NOT_RUNNING;
	with_server(serve_whose);
	assert_int_equal(RUN("which", "4711"), 3);
	without_server();
	assert_says(ran.err, "rootctl: 4711: no such process (because): ");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		with_server(serve_nobody);
		assert_int_equal(RUN("which", bad[i]), 2);
		without_server();
		assert_says(ran.err, ": neither a PID nor a cgroup: ");
	}
}

static void test_values(void **state)
{
	char line[64];

	(void)state;
	/* As it is for a script; a terminal's case is text_escape() behind isatty(). */
	with_server(serve_hostname);
	assert_int_equal(RUN("hostname", "web"), 0);
	without_server();
	(void)snprintf(line, sizeof(line), "%s\n", nasty);
	assert_string_equal(ran.out, line);
	with_server(serve_hostname);
	assert_int_equal(RUN("hostname", "--json", "web"), 0);
	without_server();
	assert_json("d", "{\"hostname\": \"n\\u001b[2J\\n\\ufffd\\\"\\\\\"}\n");
	with_server(serve_cgroup);
	assert_int_equal(RUN("cgroup", "web"), 0);
	without_server();
	assert_string_equal(ran.out, "/a\\x2db\n");
	with_server(serve_pid);
	assert_int_equal(RUN("pid", "web"), 0);
	without_server();
	assert_string_equal(ran.out, "4711\n");
	with_server(serve_pid);
	assert_int_equal(RUN("--json", "pid", "web"), 0);
	without_server();
	assert_json("d", "{\"pid\": 4711}\n");
}

static uint16_t failure;

static void serve_failure(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_PID, &in);
	fake_error(fd, in.serial, failure, "because");
	fake_expect_end(fd);
}

static void test_failures(void **state)
{
	static const struct {
		uint16_t status;
		int exit_status;
		const char *said;
	} cases[] = {
		{STATUS_NOT_FOUND, 3, "rootctl: w\\x1b: no such container (because): run 'rootctl ps' to see them\n"},
		{STATUS_NOT_RUNNING, 3, "the container is not running (because): start it"},
		{STATUS_AMBIGUOUS, 1, "several containers answer to that name (because): say ENGINE:NAME"},
		{STATUS_DENIED, 1, "the server's policy refuses this to you (because): ask the administrator"},
		{STATUS_TRY_AGAIN, 1, "(because): try again\n"},
		{STATUS_TIMED_OUT, 1, "no answer in time (because): try again, with --timeout"},
		{STATUS_TOO_MANY, 1, "(because): see the log of rootbrokerd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		failure = cases[i].status;
		with_server(serve_failure);
		assert_int_equal(RUN("pid", "w\x1b"), cases[i].exit_status);
		without_server();
		assert_says(ran.err, cases[i].said);
		assert_string_equal(ran.out, "");
	}
}

static void serve_programs(int fd)
{
	struct program_record a = {.usable = 1, .name = STR("blink"), .description = STR("blinks\x1b")};
	struct program_record b = {.usable = 0, .name = STR("broken"), .description = STR("its file is missing")};
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, MSG_PROGRAM_LIST, &in);
	fake_begin(&w, MSG_PROGRAMS, in.serial);
	page_begin(&page, &w);
	FAKE_CHECK(page_add_program(&page, &a) && page_add_program(&page, &b));
	FAKE_CHECK(page_end(&page, 0) > 0);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_programs(void **state)
{
	(void)state;
	with_server(serve_programs);
	assert_int_equal(RUN("programs"), 0);
	without_server();
	assert_string_equal(ran.out, "NAME   USABLE DESCRIPTION\n"
				     "blink  yes    blinks\\x1b\n"
				     "broken no     its file is missing\n");
	with_server(serve_programs);
	assert_int_equal(RUN("programs", "--json"), 0);
	without_server();
	assert_json("d[\"programs\"]",
		    "[{\"name\": \"blink\", \"usable\": true, \"description\": \"blinks\\u001b\"}, "
		    "{\"name\": \"broken\", \"usable\": false, \"description\": \"its file is missing\"}]\n");
}

/* --- Run. The fake server's "program" is the server process itself, with the program's ends of the pipes. */

struct program {
	int in, out, err;
	uint32_t wait;
};

static void start_program(int fd, struct program *p)
{
	int in[2], out[2], err[2];
	struct start_request m;
	struct wait_request wait;
	struct fake_in req;

	fake_hello(fd);
	fake_expect(fd, MSG_PROCESS_START, &req);
	FAKE_CHECK(!get_start_request(&req.body, &m));
	FAKE_CHECK(m.ipc == ROOT_IPC_PIPES && m.flags == START_STDERR && str_eq(m.label, STR("blink")));
	FAKE_CHECK(str_eq(m.args, STR("-n\0"
				      "two words\0\0")));
	FAKE_CHECK(!pipe(in) && !pipe(out) && !pipe(err));
	fake_started(fd, req.serial, 5, 77, (int[]){out[0], in[1], err[0]}, 3);
	(void)close(in[1]);
	(void)close(out[0]);
	(void)close(err[0]);
	*p = (struct program){.in = in[0], .out = out[1], .err = err[1]};
	fake_expect(fd, MSG_PROCESS_WAIT, &req);
	FAKE_CHECK(!get_wait_request(&req.body, &wait) && wait.pid == 5);
	p->wait = req.serial;
}

static void end_program(int fd, const struct program *p, uint32_t status)
{
	struct fake_in in;

	fake_waited(fd, p->wait, 5, 77, status);
	fake_expect(fd, MSG_PROCESS_ACK, &in);
	fake_expect_end(fd);
}

#define BLINK "run", "blink", "-n", "two words", ""

/* Copies its input to its output until the input's end, then says so on standard error. */
static void serve_cat(int fd)
{
	struct program p;
	char buf[1000];
	ssize_t n;

	start_program(fd, &p);
	while ((n = read(p.in, buf, sizeof(buf))) > 0)
		FAKE_CHECK(write(p.out, buf, (size_t)n) == n);
	FAKE_CHECK(!n && write(p.err, "end", 3) == 3);
	(void)close(p.out);
	(void)close(p.err);
	end_program(fd, &p, 7 << 8);
}

static void test_run_cat(void **state)
{
	static char data[300000], back[300001];
	int in, out, err;
	size_t sent = 0, got = 0;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 % 251);
	with_server(serve_cat);
	pid = spawn((const char *const[]){"rootctl", BLINK, NULL}, &in, &out, &err);
	(void)fcntl(in, F_SETFL, O_NONBLOCK);
	while (got < sizeof(data)) {
		struct pollfd p[2] = {{.fd = sent < sizeof(data) ? in : -1, .events = POLLOUT},
				      {.fd = out, .events = POLLIN}};
		ssize_t n;

		assert_true(poll(p, 2, 30000) > 0);
		if (p[0].revents) {
			n = write(in, data + sent, sizeof(data) - sent);
			assert_true(n > 0);
			sent += (size_t)n;
		}
		if (sent == sizeof(data) && in >= 0) {
			(void)close(in); /* half-closed: what is on its way back still comes */
			in = -1;
		}
		if (p[1].revents) {
			n = read(out, back + got, sizeof(back) - got);
			assert_true(n > 0);
			got += (size_t)n;
		}
	}
	assert_memory_equal(data, back, sizeof(data));
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	assert_string_equal(ran.out, "");
	assert_string_equal(ran.err, "end");
	assert_int_equal(finish(pid), 7);
	without_server();
}

/* What is in the pipe when the program has ended is not lost, and a descendant that keeps the pipe open, and even writes to it, does
 * not keep rootctl. */
static void serve_leftovers(int fd)
{
	static char block[60000];
	struct program p;

	start_program(fd, &p);
	memset(block, 'x', sizeof(block));
	FAKE_CHECK(write(p.out, block, sizeof(block)) == (ssize_t)sizeof(block));
	FAKE_CHECK(write(p.err, "last words", 10) == 10);
	end_program(fd, &p, 0);
	/* Until here it all stays open. */
}

static void test_run_leftovers(void **state)
{
	(void)state;
	with_server(serve_leftovers);
	assert_int_equal(RUN(BLINK), 0);
	without_server();
	assert_int_equal(strlen(ran.out), 60000);
	assert_string_equal(ran.err, "last words");
}

static void serve_killed(int fd)
{
	struct program p;

	start_program(fd, &p);
	(void)close(p.out); /* the end of its output is not its end */
	(void)close(p.err);
	(void)close(p.in);
	(void)usleep(100000);
	end_program(fd, &p, SIGKILL);
}

static void test_run_killed(void **state)
{
	(void)state;
	with_server(serve_killed);
	assert_int_equal(RUN(BLINK), 128 + SIGKILL);
	without_server();
}

static void serve_stopped(int fd)
{
	struct program p;
	struct fake_in in;

	start_program(fd, &p);
	FAKE_CHECK(write(p.out, "ready", 5) == 5);
	fake_expect(fd, MSG_PROCESS_TERMINATE, &in);
	/* More than a pipe holds, on the way out: it must be copied while the server waits for the end. */
	for (int i = 0; i < 20000; i++)
		FAKE_CHECK(write(p.out, "goodbye ", 8) == 8);
	fake_waited(fd, p.wait, 5, 77, SIGTERM);
	fake_nothing(fd, MSG_TERMINATED, in.serial);
	fake_expect(fd, MSG_PROCESS_ACK, &in);
	fake_expect_end(fd);
}

static void test_run_signals(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (int i = 0; i < 3; i++) {
		int in, out, err;
		size_t got = 0;
		ssize_t n;
		char buf[4096];
		pid_t pid;

		with_server(serve_stopped);
		pid = spawn((const char *const[]){"rootctl", BLINK, NULL}, &in, &out, &err);
		assert_int_equal(read(out, buf, 5), 5);
		assert_return_code(kill(pid, signals[i]), errno);
		while ((n = read(out, buf, sizeof(buf))) > 0)
			got += (size_t)n;
		assert_int_equal(got, 160000);
		(void)close(in);
		(void)close(out);
		(void)close(err);
		assert_int_equal(finish(pid), 128 + SIGTERM);
		without_server();
	}
}

static void serve_stubborn(int fd)
{
	struct program p;
	struct fake_in in;

	start_program(fd, &p);
	FAKE_CHECK(write(p.out, "ready", 5) == 5);
	fake_expect(fd, MSG_PROCESS_TERMINATE, &in);
	FAKE_CHECK(write(p.out, "again", 5) == 5);
	fake_expect_end(fd);
}

static void test_run_second_signal(void **state)
{
	int in, out, err;
	char buf[5];
	pid_t pid;

	(void)state;
	with_server(serve_stubborn);
	pid = spawn((const char *const[]){"rootctl", BLINK, NULL}, &in, &out, &err);
	assert_int_equal(read(out, buf, 5), 5);
	assert_return_code(kill(pid, SIGINT), errno);
	assert_int_equal(read(out, buf, 5), 5);
	assert_return_code(kill(pid, SIGINT), errno);
	assert_int_equal(finish(pid), 128 + SIGINT);
	(void)close(in);
	(void)close(out);
	(void)close(err);
	without_server();
}

/* Our own reader is gone: the program learns it, as in any pipeline. */
static void serve_pipeline(int fd)
{
	struct program p;
	char block[4096] = {0};

	(void)signal(SIGPIPE, SIG_IGN);
	start_program(fd, &p);
	while (write(p.out, block, sizeof(block)) > 0)
		;
	FAKE_CHECK(errno == EPIPE);
	end_program(fd, &p, SIGPIPE);
}

static void test_run_reader_gone(void **state)
{
	int in, out, err;
	char buf[5];
	pid_t pid;

	(void)state;
	with_server(serve_pipeline);
	pid = spawn((const char *const[]){"rootctl", BLINK, NULL}, &in, &out, &err);
	assert_int_equal(read(out, buf, 5), 5);
	(void)close(out);
	assert_int_equal(finish(pid), 128 + SIGPIPE);
	(void)close(in);
	(void)close(err);
	without_server();
}

static void serve_dies(int fd)
{
	struct program p;

	start_program(fd, &p);
}

static void test_run_server_dies(void **state)
{
	(void)state;
	with_server(serve_dies);
	assert_int_equal(RUN(BLINK), 125);
	without_server();
	assert_says(ran.err, "rootctl: blink: the server closed the connection: ");
}

static void serve_refusal(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_PROCESS_START, &in);
	fake_error(fd, in.serial, failure, "because");
	fake_expect_end(fd);
}

static void test_run_refused(void **state)
{
	static const struct {
		uint16_t status;
		int exit_status;
	} cases[] = {{STATUS_NOT_FOUND, 127}, {STATUS_DENIED, 126},         {STATUS_BAD_ARGUMENTS, 126},
		     {STATUS_REFUSED, 126},   {STATUS_NOT_EXECUTABLE, 126}, {STATUS_SETUP_FAILED, 125},
		     {STATUS_TOO_MANY, 125},  {STATUS_TRY_AGAIN, 125},      {STATUS_TIMED_OUT, 125}};
	static char longest[ROOT_ARGS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		failure = cases[i].status;
		with_server(serve_refusal);
		assert_int_equal(RUN(BLINK), cases[i].exit_status);
		without_server();
		assert_says(ran.err, "rootctl: blink: ");
		assert_says(ran.err, " (because): ");
	}
	memset(longest, 'a', sizeof(longest) - 1);
	with_server(serve_nobody);
	assert_int_equal(RUN("run", "blink", longest), 2);
	without_server();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_ps),
		cmocka_unit_test(test_ps_json),
		cmocka_unit_test(test_ps_of_nothing),
		cmocka_unit_test(test_ps_broken),
		cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_which),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_run_cat),
		cmocka_unit_test(test_run_leftovers),
		cmocka_unit_test(test_run_killed),
		cmocka_unit_test(test_run_signals),
		cmocka_unit_test(test_run_second_signal),
		cmocka_unit_test(test_run_reader_gone),
		cmocka_unit_test(test_run_server_dies),
		cmocka_unit_test(test_run_refused),
	};

	return cmocka_run_group_tests_name("rootctl", tests, NULL, NULL);
}
