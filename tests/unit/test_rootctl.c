/* SPDX-License-Identifier: MIT */
/* The command: what it shows cannot drive a terminal or forge a line, its JSON is valid whatever the bytes, its exit statuses are
 * as documented, and run loses no output, hangs on nobody and passes signals on. */
#include "fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/rootctl.h"
#include "../../client/rootctl_text.h"

static struct {
	char out[65536], err[8192];
	int status;
} ran;

static struct fake fake;
static const char *fake_path;

static void slurp(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	buf[n] = '\0';
	(void)close(fd);
}

/* Starts rootctl in a process of its own: its standard output and error, and the descriptor that is its input's other end. */
static pid_t spawn(const char *const *argv, int *ret_in, int *ret_out, int *ret_err)
{
	int in[2], out[2], err[2], argc = 0;
	pid_t pid;

	assert_return_code(pipe2(in, O_CLOEXEC), errno);
	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(pipe2(err, O_CLOEXEC), errno);
	while (argv[argc])
		argc++;
	(void)fflush(NULL);
	pid = fork();
	assert_return_code(pid, errno);
	if (!pid) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		(void)close(in[1]);
		(void)close(out[0]);
		(void)close(err[0]);
		(void)close(in[0]);
		(void)close(out[1]);
		(void)close(err[1]);
		(void)signal(SIGPIPE, SIG_DFL);
		if (fake_path)
			(void)setenv("ROOTBROKER_SOCKET", fake_path, 1);
		exit(rootctl(argc, (char **)(uintptr_t)argv));
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(err[1]);
	*ret_in = in[1];
	*ret_out = out[0];
	*ret_err = err[0];
	return pid;
}

static int finish(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run_argv(const char *const *argv)
{
	int in, out, err;
	pid_t pid = spawn(argv, &in, &out, &err);

	(void)close(in);
	slurp(out, ran.out, sizeof(ran.out));
	slurp(err, ran.err, sizeof(ran.err));
	ran.status = finish(pid);
	return ran.status;
}

#define RUN(...) run_argv((const char *const[]){"rootctl", __VA_ARGS__, NULL})

static void with_server(void (*script)(int fd))
{
	fake_start(&fake, 1, script);
	fake_path = fake.path;
}

static void without_server(void)
{
	fake_path = NULL;
	fake_stop(&fake);
}

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		(void)fprintf(stderr, "# \"%s\" is not in: %s\n", what, text);
	assert_non_null(strstr(text, what));
}

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
	assert_int_equal(RUN("--version"), 0);
	assert_says(ran.out, "rootctl " ROOTBROKER_VERSION);
	assert_int_equal(RUN("--help"), 0);
	for (int i = 0; i < 7; i++) {
		static const char *const commands[] = {"ps", "hostname", "pid", "cgroup", "inspect", "programs", "run"};

		assert_says(ran.out, commands[i]);
	}
	for (int i = 0; i < 7; i++) {
		static const char *const commands[] = {"ps", "hostname", "pid", "cgroup", "inspect", "programs", "run"};

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

static void send_page(int fd, uint32_t serial)
{
	static const struct container_record records[] = {
		{.rid = 1,
		 .state = 2,
		 .pid = 4711,
		 .owner = 0,
		 .engine = {"podman", 6},
		 .id = {"0123456789abcdef0123", 20},
		 .name = {"web", 3},
		 .cgroup = {"/machine/web", 12}},
		{.rid = 2,
		 .state = 5,
		 .pid = 0,
		 .owner = 1000,
		 .engine = {"lxc", 3},
		 .id = {"short", 5},
		 .name = {nasty, sizeof(nasty) - 1},
		 .cgroup = {"", 0}},
	};
	struct page_wr page;
	struct wire_wr w;

	fake_begin(&w, MSG_CONTAINERS, serial);
	page_begin(&page, &w);
	for (int i = 0; i < 2; i++)
		FAKE_CHECK(page_add_container(&page, &records[i]));
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

static void serve_ps(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	send_page(fd, in.serial);
	fake_expect_end(fd);
}

static void serve_ps_hostnames(int fd)
{
	struct name_request m;
	struct fake_in in;

	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_LIST, &in);
	send_page(fd, in.serial);
	fake_expect(fd, MSG_CONTAINER_HOSTNAME, &in); /* of the one that runs */
	FAKE_CHECK(!get_name_request(&in.body, &m) && str_eq(m.name, STR("podman:0123456789abcdef0123")));
	send_hostname(fd, in.serial, "h\xff\x1b");
	fake_expect_end(fd);
}

static void test_ps(void **state)
{
	(void)state;
	with_server(serve_ps);
	assert_int_equal(RUN("ps"), 0);
	without_server();
	assert_string_equal(ran.out, "ENGINE NAME                ID           STATE    PID CGROUP\n"
				     "podman web                 0123456789ab running 4711 /machine/web\n"
				     "lxc    n\\x1b[2J\\x0a\\xff\"\\\\ short        stopped    - -\n");
	with_server(serve_ps);
	assert_int_equal(RUN("ps", "--no-trunc"), 0);
	without_server();
	assert_says(ran.out, " 0123456789abcdef0123 ");
	with_server(serve_ps_hostnames);
	assert_int_equal(RUN("ps", "--hostnames"), 0);
	without_server();
	assert_says(ran.out, "HOSTNAME\n");
	assert_says(ran.out, " h\\xff\\x1b\n");
}

/* A JSON reader that we did not write has the last word. */
static void assert_json(const char *filter, const char *expected)
{
	char command[512], path[] = "/tmp/rootctl-json-XXXXXX", result[4096];
	int fd = mkstemp(path);
	FILE *p;
	size_t n;

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, ran.out, strlen(ran.out)), strlen(ran.out));
	(void)snprintf(
		command, sizeof(command),
		"iconv -f UTF-8 -t UTF-8 <%s >/dev/null && "
		"python3 -c 'import json,sys; d=json.load(open(\"%s\", encoding=\"utf-8\")); print(json.dumps(%s))'",
		path, path, filter);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(result, 1, sizeof(result) - 1, p);
	result[n] = '\0';
	assert_int_equal(pclose(p), 0);
	(void)close(fd);
	(void)unlink(path);
	assert_string_equal(result, expected);
}

static void test_ps_json(void **state)
{
	(void)state;
	with_server(serve_ps);
	assert_int_equal(RUN("ps", "--json"), 0);
	without_server();
	assert_json("d[\"containers\"]",
		    "[{\"engine\": \"podman\", \"name\": \"web\", \"id\": \"0123456789abcdef0123\", \"state\": "
		    "\"running\", "
		    "\"pid\": 4711, \"cgroup\": \"/machine/web\"}, "
		    "{\"engine\": \"lxc\", \"name\": \"n\\u001b[2J\\n\\ufffd\\\"\\\\\", \"id\": \"short\", \"state\": "
		    "\"stopped\", \"pid\": null, \"cgroup\": null}]\n");
	with_server(serve_ps_hostnames);
	assert_int_equal(RUN("--json", "ps", "--hostnames"), 0);
	without_server();
	assert_json("[c[\"hostname\"] for c in d[\"containers\"]]", "[\"h\\ufffd\\u001b\", null]\n");
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

static void serve_inspect(int fd)
{
	struct container_record m = {.rid = 1, .state = 5, .owner = 1000, .engine = STR("lxc"), .id = STR("id")};
	struct fake_in in;
	struct wire_wr w;

	m.name = str_of(nasty);
	fake_hello(fd);
	fake_expect(fd, MSG_CONTAINER_GET, &in);
	fake_begin(&w, MSG_CONTAINER, in.serial);
	(void)put_container_record(&w, &m);
	fake_send(fd, &w);
	fake_expect_end(fd);
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
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "web"), 0);
	without_server();
	assert_string_equal(
		ran.out, "engine: lxc\nid: id\nname: n\\x1b[2J\\x0a\\xff\"\\\\\nstate: stopped\npid: -\nowner: 1000\n"
			 "cgroup: -\n");
	with_server(serve_inspect);
	assert_int_equal(RUN("inspect", "--json", "web"), 0);
	without_server();
	assert_json("d", "{\"engine\": \"lxc\", \"id\": \"id\", \"name\": \"n\\u001b[2J\\n\\ufffd\\\"\\\\\", "
			 "\"state\": \"stopped\", "
			 "\"pid\": null, \"owner\": 1000, \"cgroup\": null}\n");
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

static void serve_nothing(int fd)
{
	fake_hello(fd);
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
	with_server(serve_nothing);
	assert_int_equal(RUN("run", "blink", longest), 2);
	without_server();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),          cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_json_string),     cmocka_unit_test(test_usage),
		cmocka_unit_test(test_no_server),       cmocka_unit_test(test_ps),
		cmocka_unit_test(test_ps_json),         cmocka_unit_test(test_ps_of_nothing),
		cmocka_unit_test(test_values),          cmocka_unit_test(test_failures),
		cmocka_unit_test(test_programs),        cmocka_unit_test(test_run_cat),
		cmocka_unit_test(test_run_leftovers),   cmocka_unit_test(test_run_killed),
		cmocka_unit_test(test_run_signals),     cmocka_unit_test(test_run_second_signal),
		cmocka_unit_test(test_run_reader_gone), cmocka_unit_test(test_run_server_dies),
		cmocka_unit_test(test_run_refused),
	};

	return cmocka_run_group_tests_name("rootctl", tests, NULL, NULL);
}
