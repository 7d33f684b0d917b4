/* SPDX-License-Identifier: MIT */
/* The keeper's side of the monitor's channel: it never waits, loses nothing, and takes no nonsense. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/keeper/link.h"
#include "sub.h"

struct two {
	struct link link;
	int monitor; /* the other end */
};

static void new_monitor(struct two *t)
{
	int fds[2];

	close_fd(&t->monitor);
	assert_int_equal(chan_pair(fds), 0);
	link_open(&t->link, fds[0]);
	t->monitor = fds[1];
}

static int setup(void **state)
{
	struct two *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	*t = (struct two){.link = LINK_NONE, .monitor = -1};
	*state = t;
	new_monitor(t);
	return 0;
}

static int teardown(void **state)
{
	struct two *t = *state;

	link_close(&t->link);
	store_fini(&t->link.store);
	listen_end(&t->link.listener);
	close_fd(&t->monitor);
	free(t);
	return 0;
}

static int some_fd(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int put(struct two *t, uint64_t key, uint32_t pid, const char *record, bool with_fd)
{
	struct ipc_item m = {.key = key, .kind = IPC_KIND_PROGRAM, .pid = pid, .record = str_of(record)};
	autoclose int fd = with_fd ? some_fd() : -1;
	struct wire_wr w;
	uint8_t buf[256];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PUT, 0);
	put_ipc_item(&w, &m);
	assert_int_equal(ipc_send(t->monitor, &w, &fd, with_fd, 0), 0);
	return link_drain(&t->link);
}

static int say(struct two *t, uint16_t type, size_t zeroes)
{
	struct wire_wr w;
	uint8_t buf[256];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	for (size_t i = 0; i < zeroes; i++)
		buf[w.len++] = 0;
	assert_int_equal(ipc_send(t->monitor, &w, NULL, 0, 0), 0);
	return link_drain(&t->link);
}

static struct ipc_in in;

static uint16_t next(struct two *t)
{
	int r = ipc_recv(t->monitor, &in, MSG_DONTWAIT);

	assert_true(r == 1 || r == -EAGAIN);
	return r == 1 ? in.type : 0;
}

static void everything_is_handed_to_the_next_monitor(void **state)
{
	struct two *t = *state;
	struct ipc_item m;

	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), IPC_ITEMS_END);
	assert_int_equal(put(t, 11, 500, "one", true), 0);
	assert_int_equal(put(t, 12, 501, "two", true), 0);
	assert_int_equal(put(t, 12, 501, "two, later", false), 0);
	/* The one that said it is not told. */
	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), 0);
	link_exited(&t->link, 501, 0x2a00);

	new_monitor(t);
	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), IPC_ITEM);
	assert_int_equal(in.nfds, 1);
	assert_int_equal(get_ipc_item(&in.body, &m), 0);
	assert_true(m.key == 11 && m.kind == IPC_KIND_PROGRAM && m.pid == 500 && !m.exited);
	assert_true(str_eq(m.record, STR("one")));
	assert_int_equal(next(t), IPC_ITEM);
	assert_int_equal(get_ipc_item(&in.body, &m), 0);
	assert_true(m.key == 12 && m.exited == 1 && m.status == 0x2a00);
	assert_true(str_eq(m.record, STR("two, later")));
	assert_int_equal(next(t), IPC_ITEMS_END);
	/* The exit was in the item: not told twice. */
	assert_int_equal(next(t), 0);
	ipc_drop(&in);
}

static void an_exit_is_told_once(void **state)
{
	struct two *t = *state;
	struct ipc_exited m;

	assert_int_equal(put(t, 5, 700, "", true), 0);
	link_exited(&t->link, 701, 1);
	link_exited(&t->link, 700, 9);
	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), IPC_ITEMS_END);
	assert_int_equal(next(t), IPC_EXITED);
	assert_int_equal(get_ipc_exited(&in.body, &m), 0);
	assert_true(m.key == 5 && m.status == 9);
	link_exited(&t->link, 700, 10);
	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), 0);
}

static void a_monitor_that_does_not_read_stops_nobody(void **state)
{
	enum { MANY = 800 };
	struct two *t = *state;
	uint32_t got = 0;
	int r;

	for (uint64_t k = 1; k <= MANY; k++)
		assert_int_equal(
			put(t, k, (uint32_t)k, "some bytes to fill the channel with, so that it is full soon", true),
			0);
	new_monitor(t);
	/* Exits that happen in the middle are not lost either. */
	r = link_pump(&t->link);
	assert_int_equal(r, LINK_FULL);
	for (uint32_t pid = 1; pid <= MANY; pid++)
		link_exited(&t->link, pid, pid << 8);
	for (int rounds = 0; r != 0 && rounds < MANY; rounds++) {
		uint16_t type;

		while ((type = next(t)) != 0)
			if (type == IPC_EXITED) {
				struct ipc_exited m;

				assert_int_equal(get_ipc_exited(&in.body, &m), 0);
				assert_true(m.status == m.key << 8);
				got++;
			} else if (type == IPC_ITEM) {
				struct ipc_item m;

				assert_int_equal(get_ipc_item(&in.body, &m), 0);
				assert_true(!m.exited || m.status == m.key << 8);
				got += m.exited;
			}
		r = link_pump(&t->link);
		assert_true(r == 0 || r == LINK_FULL);
	}
	while (next(t) == IPC_EXITED)
		got++;
	assert_int_equal(got, MANY);
	ipc_drop(&in);
}

static void what_was_dropped_does_not_come_back(void **state)
{
	struct two *t = *state;
	struct ipc_key m = {.key = 1};
	struct wire_wr w;
	uint8_t buf[64];

	assert_int_equal(put(t, 1, 1, "", true), 0);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_DROP, 0);
	put_ipc_key(&w, &m);
	assert_int_equal(ipc_send(t->monitor, &w, NULL, 0, 0), 0);
	assert_int_equal(link_drain(&t->link), 0);
	new_monitor(t);
	assert_int_equal(link_pump(&t->link), 0);
	assert_int_equal(next(t), IPC_ITEMS_END);
}

static void nonsense_is_refused(void **state)
{
	/* Bodies of wrong length; what only the keeper, or others, may say; what does not exist. */
	static const struct {
		uint16_t type;
		size_t zeroes;
	} nonsense[] = {
		{IPC_BIND, 0},    {IPC_BIND, 2},    {IPC_PUT, 0},      {IPC_PUT, 27},  {IPC_DROP, 7},
		{IPC_DROP, 9},    {IPC_SERVING, 1}, {IPC_LISTENER, 6}, {IPC_ITEM, 26}, {IPC_ITEMS_END, 0},
		{IPC_EXITED, 12}, {IPC_READY, 0},   {IPC_SESSION, 20}, {4711, 0},
	};
	struct two *t = *state;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		assert_int_equal(say(t, nonsense[i].type, nonsense[i].zeroes), -EBADMSG);
		new_monitor(t);
	}
	/* Without a descriptor for a key that is not there. */
	assert_int_equal(put(t, 1, 1, "", false), -EBADMSG);
	assert_int_equal(t->link.store.n, 0);
}

static void the_end_is_seen_after_everything_was_read(void **state)
{
	struct two *t = *state;

	for (uint64_t k = 1; k <= 20; k++) {
		struct ipc_item m = {.key = k, .kind = 1, .pid = 1, .record = STR("")};
		autoclose int fd = some_fd();
		struct wire_wr w;
		uint8_t buf[64];

		wire_wr_init(&w, buf, sizeof(buf));
		wire_put_header(&w, IPC_PUT, 0);
		put_ipc_item(&w, &m);
		assert_int_equal(ipc_send(t->monitor, &w, &fd, 1, 0), 0);
	}
	close_fd(&t->monitor);
	assert_int_equal(link_drain(&t->link), -EPIPE);
	assert_int_equal(t->link.store.n, 20);
	link_close(&t->link);
	assert_int_equal(link_drain(&t->link), -EPIPE);
	assert_int_equal(link_pump(&t->link), 0);
}

static void bind_at(struct two *t, const char *path, struct ipc_listener *ret)
{
	struct ipc_bind m = {.path = str_of(path)};
	struct wire_wr w;
	uint8_t buf[256];
	uint16_t type;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_BIND, 0);
	put_ipc_bind(&w, &m);
	assert_int_equal(ipc_send(t->monitor, &w, NULL, 0, 0), 0);
	assert_int_equal(link_drain(&t->link), 0);
	assert_int_equal(link_pump(&t->link), 0);
	while ((type = next(t)) == IPC_ITEMS_END)
		;
	assert_int_equal(type, IPC_LISTENER);
	assert_int_equal(get_ipc_listener(&in.body, ret), 0);
}

static void each_monitor_gets_the_same_listener(void **state)
{
	char dir[] = "/tmp/test_link.XXXXXX", path[64];
	struct two *t = *state;
	struct ipc_listener m;
	struct stat first, second;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	bind_at(t, "/nonexistent/x/socket", &m);
	assert_int_equal(m.error, ENOENT);
	assert_int_equal(in.nfds, 0);
	assert_int_equal(strncmp(m.text.p, "/nonexistent/x", 14), 0);
	bind_at(t, path, &m);
	assert_int_equal(m.error, 0);
	assert_int_equal(in.nfds, 1);
	assert_int_equal(fstat(in.fds[0], &first), 0);
	ipc_drop(&in);
	new_monitor(t);
	assert_false(t->link.serving);
	bind_at(t, path, &m);
	assert_int_equal(in.nfds, 1);
	assert_int_equal(fstat(in.fds[0], &second), 0);
	assert_true(first.st_ino == second.st_ino);
	ipc_drop(&in);
	assert_int_equal(say(t, IPC_SERVING, 0), 0);
	assert_true(t->link.serving);
	listen_end(&t->link.listener);
	assert_int_equal(rmdir(dir), 0);
}

#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(everything_is_handed_to_the_next_monitor),
		LINK_TEST(an_exit_is_told_once),
		LINK_TEST(a_monitor_that_does_not_read_stops_nobody),
		LINK_TEST(what_was_dropped_does_not_come_back),
		LINK_TEST(nonsense_is_refused),
		LINK_TEST(the_end_is_seen_after_everything_was_read),
		LINK_TEST(each_monitor_gets_the_same_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
