/* SPDX-License-Identifier: MIT */
/* rootctl watch: each change of a state is one line, whatever the events are called and whatever was missed; each event is one object. */
#include "rootctl_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- Words for scripts */

struct one {
	uint32_t kind;
	const char *engine, *user, *id, *name;
	uint32_t state;
	bool ended;
	uint32_t exit;
};

static uint32_t expect_watch(int fd)
{
	struct watch_request m;
	struct fake_in in;

	fake_expect(fd, MSG_CONTAINER_WATCH, &in);
	FAKE_CHECK(!get_watch_request(&in.body, &m));
	return in.serial;
}

/* The events have the generations from @first on. The present state ends with @until, else it is 0. */
static void send_events(int fd, uint32_t serial, uint32_t flags, const struct one *ones, int n, uint64_t first,
			uint64_t until)
{
	uint64_t last = first + (uint64_t)n - 1;
	struct events_head head = {.flags = flags, .after = until ? until : last};
	struct page_wr page;
	struct wire_wr w;

	fake_begin(&w, MSG_EVENTS, serial);
	put_events_head(&w, &head);
	page_begin(&page, &w);
	for (int i = 0; i < n; i++) {
		struct event_record m = {.kind = ones[i].kind,
					 .container = {.rid = 1,
						       .generation = first + (uint64_t)i,
						       .state = ones[i].state,
						       .flags = ones[i].ended ? RECORD_EXITED : 0,
						       .exit = ones[i].exit,
						       .engine = str_of(ones[i].engine),
						       .user = str_of(ones[i].user),
						       .id = str_of(ones[i].id),
						       .name = str_of(ones[i].name)}};

		FAKE_CHECK(page_add_event(&page, &m));
	}
	FAKE_CHECK(page_end(&page, head.after) > 0);
	fake_send(fd, &w);
}

enum { RUN_ = ROOT_CONTAINER_RUNNING, STOP = ROOT_CONTAINER_STOPPED, PAUSE = ROOT_CONTAINER_PAUSED };

static const struct one present[] = {
	{EVENT_PRESENT, "crun", "", "id1", "c1", RUN_, false, 0},
	{EVENT_PRESENT, "lxc", "", "c2", "c2", STOP, true, 0},
	{EVENT_PRESENT, "podman", "alice", "id1", "c1", RUN_, false, 0},
};
#define PRESENT 3

static const struct one changes[] = {
	{EVENT_CHANGED, "crun", "", "id1", "c1", PAUSE, false, 0},
	{EVENT_CHANGED, "crun", "", "id1", "renamed", PAUSE, false, 0}, /* no state */
	{EVENT_CHANGED, "crun", "", "id1", "renamed", ROOT_CONTAINER_THAWED, false, 0},
	{EVENT_CHANGED, "crun", "", "id1", "c1", RUN_, false, 0},
	{EVENT_CHANGED, "lxc", "", "c2", "c2", ROOT_CONTAINER_STARTING, true, 0},
	{EVENT_EXITED, "crun", "", "id1", "c1", RUN_, true, 7 << 8}, /* first how, and then that */
	{EVENT_CHANGED, "crun", "", "id1", "c1", STOP, true, 7 << 8},
	{EVENT_ADDED, "docker", "", "0123456789abcdef", "new\x1b", ROOT_CONTAINER_CREATED, false, 0},
	{EVENT_EXITED, "docker", "", "0123456789abcdef", "new\x1b", STOP, true, SIGKILL},
	{EVENT_REMOVED, "docker", "", "0123456789abcdef", "new\x1b", STOP, true, SIGKILL},
	{EVENT_EXITED, "lxc", "", "c2", "c2", ROOT_CONTAINER_STARTING, false, 0}, /* it is not known after all */
	{EVENT_REMOVED, "podman", "alice", "id1", "c1", RUN_, false, 0},
	{EVENT_REMOVED, "podman", "bob", "id1", "c1", RUN_, false, 0}, /* that was never there */
	{EVENT_ADDED, "crio", "", "only-an-id", "", 77, false, 0},
};
#define CHANGES ((int)(sizeof(changes) / sizeof(changes[0])))

static void serve_changes(int fd)
{
	fake_hello(fd);
	send_events(fd, expect_watch(fd), 0, present, PRESENT, 1, 100);
	send_events(fd, expect_watch(fd), 0, changes, CHANGES, 101, 0);
	(void)expect_watch(fd);
	/* It ends, and rootctl says so. */
}

static void test_lines(void **state)
{
	(void)state;
	with_server(serve_changes);
	assert_int_equal(RUN("watch"), 1);
	without_server();
	assert_string_equal(ran.out, "'c1' changed state to [FROZEN]\n"
				     "'renamed' changed state to [THAWED]\n"
				     "'c1' changed state to [RUNNING]\n"
				     "'c2' changed state to [STARTING]\n"
				     "'c1' exited with status [7]\n"
				     "'c1' changed state to [STOPPED]\n"
				     "'new\\x1b' changed state to [CREATED]\n"
				     "'new\\x1b' exited with status [137]\n"
				     "'new\\x1b' changed state to [STOPPED]\n"
				     "'c1' changed state to [STOPPED]\n"
				     "'only-an-id' changed state to [UNKNOWN]\n");
	assert_says(ran.err, "rootctl: the watch: the server closed the connection: ");
	with_server(serve_changes);
	assert_int_equal(RUN("watch", "--present", "--engine", "lxc"), 1);
	without_server();
	assert_string_equal(ran.out, "'c2' changed state to [STOPPED]\n"
				     "'c2' changed state to [STARTING]\n");
}

/* The whole name, or the whole id; alternatives of one expression, or of several. */
static void test_patterns(void **state)
{
	static const struct {
		const char *one, *two, *expected;
	} cases[] = {
		{"c", NULL, ""},
		{"c2", NULL, "'c2' changed state to [STARTING]\n"},
		{"c2|only.*", NULL, "'c2' changed state to [STARTING]\n'only-an-id' changed state to [UNKNOWN]\n"},
		{"x|c2", NULL, "'c2' changed state to [STARTING]\n"},
		{"c[2-9]", "0.{14}f",
		 "'c2' changed state to [STARTING]\n"
		 "'new\\x1b' changed state to [CREATED]\n"
		 "'new\\x1b' exited with status [137]\n"
		 "'new\\x1b' changed state to [STOPPED]\n"},
		{"ren", "renamed", "'renamed' changed state to [THAWED]\n"},
		{"a\\|c2", NULL, ""},
	};
	static const char *const bad[] = {"(", "[", "*(", "a)|(b", "\\", "a{2"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		with_server(serve_changes);
		assert_int_equal(run_argv((const char *const[]){"rootctl", "watch", cases[i].one, cases[i].two, NULL}),
				 1);
		without_server();
		assert_string_equal(ran.out, cases[i].expected);
	}
	/* Before anything is asked: nobody listens. */
	fake_path = "/nonexistent/socket";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(RUN("watch", "good", bad[i]), 2);
		assert_says(ran.err, ": say a POSIX extended regular expression");
	}
	fake_path = NULL;
}

/* Something was missed: what differs from what was known is told, and nothing else. */
static void serve_resync(int fd)
{
	static const struct one anew[] = {
		{EVENT_PRESENT, "lxc", "", "c2", "c2", RUN_, true, 5 << 8}, /* it ended, and runs again */
		{EVENT_PRESENT, "crun", "", "id2", "c3", PAUSE, true, 0}, /* new */
		{EVENT_PRESENT, "podman", "alice", "id1", "c1", RUN_, false, 0},
	};
	static const struct one more[] = {{EVENT_CHANGED, "crun", "", "id2", "c3", RUN_, true, 0}};

	fake_hello(fd);
	send_events(fd, expect_watch(fd), 0, present, PRESENT, 1, 100);
	send_events(fd, expect_watch(fd), EVENTS_RESYNC, anew, 3, 1, 50);
	send_events(fd, expect_watch(fd), 0, more, 1, 51, 0);
	(void)expect_watch(fd);
}

static void test_resync(void **state)
{
	(void)state;
	with_server(serve_resync);
	assert_int_equal(RUN("watch"), 1);
	without_server();
	assert_string_equal(ran.out, "'c2' exited with status [5]\n"
				     "'c2' changed state to [RUNNING]\n"
				     "'c3' changed state to [FROZEN]\n"
				     "'c1' changed state to [STOPPED]\n"
				     "'c3' changed state to [RUNNING]\n");
	with_server(serve_resync);
	assert_int_equal(RUN("watch", "--json"), 1);
	without_server();
	/* A line each, which a reader of lines takes one by one. */
	assert_says(ran.out, "\n{\"event\": \"resync\"}\n{\"event\": \"present\", \"engine\": \"lxc\", ");
	assert_says(ran.out, "\n{\"event\": \"synced\"}\n{\"event\": \"changed\", \"engine\": \"crun\", ");
}

static void test_json(void **state)
{
	char list[sizeof(ran.out)] = "[", *end;
	size_t n = 1;

	(void)state;
	with_server(serve_changes);
	assert_int_equal(RUN("watch", "--json", "c1|c2|new.|only-an-id"), 1);
	without_server();
	/* NDJSON as one array, for the reader of JSON. */
	for (const char *p = ran.out; *p; p = end + 1, n++) {
		end = strchr(p, '\n');
		assert_non_null(end);
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%.*s", (int)(end - p), p);
		list[n] = end[1] ? ',' : ']';
	}
	list[n] = '\0';
	(void)strcpy(ran.out, list);
	assert_json(
		"[e[\"event\"] for e in d]",
		"[\"present\", \"present\", \"present\", \"synced\", \"changed\", \"changed\", \"changed\", "
		"\"exited\", "
		"\"changed\", \"added\", \"exited\", \"removed\", \"exited\", \"removed\", \"removed\", \"added\"]\n");
	assert_json(
		"[d[7][k] for k in (\"engine\", \"id\", \"state\", \"exit_code\", \"exit_signal\", \"generation\")]",
		"[\"crun\", \"id1\", \"running\", 7, null, 106]\n");
	assert_json("[d[10][k] for k in (\"name\", \"exit_code\", \"exit_signal\")]", "[\"new\\u001b\", null, 9]\n");
	assert_json("[d[2][\"user\"], d[3], \"hostname\" in d[0]]", "[\"alice\", {\"event\": \"synced\"}, false]\n");
}

/* --- Its end */

static void serve_quiet(int fd)
{
	fake_hello(fd);
	send_events(fd, expect_watch(fd), 0, present, PRESENT, 1, 100);
	(void)expect_watch(fd);
	fake_expect_end(fd);
}

static void serve_two(int fd)
{
	fake_hello(fd);
	send_events(fd, expect_watch(fd), 0, present, PRESENT, 1, 100);
	send_events(fd, expect_watch(fd), 0, changes, CHANGES, 101, 0);
	fake_expect_end(fd);
}

static void test_end(void **state)
{
	(void)state;
	with_server(serve_two);
	assert_int_equal(RUN("watch", "--count", "2"), 0);
	without_server();
	assert_string_equal(ran.out, "'c1' changed state to [FROZEN]\n'renamed' changed state to [THAWED]\n");
	with_server(serve_quiet);
	assert_int_equal(RUN("watch", "--timeout", "500"), 0);
	without_server();
	assert_string_equal(ran.out, "");
	with_server(serve_quiet);
	assert_int_equal(RUN("watch", "--timeout", "500", "--count", "1"), 1);
	without_server();
	with_server(serve_quiet);
	assert_int_equal(RUN("watch", "--present", "--timeout", "500", "--count", "4"), 1);
	without_server();
	assert_string_equal(ran.out, "'c1' changed state to [RUNNING]\n'c2' changed state to [STOPPED]\n"
				     "'c1' changed state to [RUNNING]\n");
}

static void serve_refusal(int fd)
{
	fake_hello(fd);
	fake_error(fd, expect_watch(fd), STATUS_DENIED, "because");
	fake_expect_end(fd);
}

static void test_refused(void **state)
{
	(void)state;
	with_server(serve_refusal);
	assert_int_equal(RUN("watch"), 1);
	without_server();
	assert_says(ran.err,
		    "rootctl: the watch: the server's policy refuses this to you (because): ask the administrator");
}

/* Lines come when they are true, also into a pipe; and when nobody reads any more, it does not wait for the next one to notice. */
static void test_pipe(void **state)
{
	int in, out, err;
	char buf[256];
	struct pollfd p;
	pid_t pid;

	(void)state;
	with_server(serve_quiet);
	pid = spawn((const char *const[]){"rootctl", "watch", "--present", "c2", NULL}, &in, &out, &err);
	p = (struct pollfd){.fd = out, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_true(read(out, buf, sizeof(buf)) > 0);
	(void)close(out);
	assert_int_equal(finish(pid), 1);
	(void)close(in);
	(void)close(err);
	without_server();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_patterns), cmocka_unit_test(test_resync),
		cmocka_unit_test(test_json),  cmocka_unit_test(test_end),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pipe),
	};

	return cmocka_run_group_tests_name("rootctl watch", tests, NULL, NULL);
}
