/* SPDX-License-Identifier: MIT */
/* The keeper's store: what was put comes back, an exit is told to the right item, and no descriptor leaks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/keeper/store.h"

static int new_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static struct ipc_item item_of(uint64_t key, uint32_t pid, const char *record)
{
	return (struct ipc_item){.key = key, .kind = IPC_KIND_PROGRAM, .pid = pid, .record = str_of(record)};
}

static void put(struct store *s, uint64_t key, uint32_t pid, const char *record, int fd)
{
	struct ipc_item m = item_of(key, pid, record);

	assert_int_equal(store_put(s, &m, fd), 0);
}

static void what_is_put_is_kept_in_its_order(void **state)
{
	struct store s = {0};
	int fds[100];

	(void)state;
	for (uint64_t k = 0; k < 100; k++)
		put(&s, k + 1, (uint32_t)k, "record", fds[k] = new_fd());
	assert_int_equal(s.n, 100);
	store_drop(&s, 50);
	store_drop(&s, 1);
	store_drop(&s, 100);
	store_drop(&s, 1);
	store_drop(&s, 4711);
	assert_int_equal(s.n, 97);
	assert_false(is_open(fds[0]) || is_open(fds[49]) || is_open(fds[99]));
	for (size_t i = 1; i < s.n; i++)
		assert_true(s.items[i - 1].key < s.items[i].key);
	assert_null(store_find(&s, 50));
	assert_non_null(store_find(&s, 51));
	assert_int_equal(store_find(&s, 51)->fd, fds[50]);
	assert_int_equal(store_find(&s, 51)->record_len, 6);
	assert_memory_equal(store_find(&s, 51)->record, "record", 6);
	store_fini(&s);
	for (size_t i = 0; i < 100; i++)
		assert_false(is_open(fds[i]));
}

static void a_record_is_replaced_and_its_descriptor_stays(void **state)
{
	struct store s = {0};
	int first = new_fd(), second;

	(void)state;
	put(&s, 1, 10, "created", first);
	put(&s, 1, 99, "started", -1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.items[0].fd, first);
	assert_int_equal(s.items[0].pid, 10);
	assert_memory_equal(s.items[0].record, "started", 7);
	/* What the keeper knows, a late record does not undo. */
	assert_non_null(store_exited(&s, 10, 0x100));
	put(&s, 1, 10, "", -1);
	assert_int_equal(s.items[0].exited, 1);
	assert_int_equal(s.items[0].record_len, 0);
	/* A new descriptor is a new thing. */
	second = new_fd();
	put(&s, 1, 11, "anew", second);
	assert_false(is_open(first));
	assert_int_equal(s.items[0].exited, 0);
	assert_int_equal(s.items[0].pid, 11);
	store_fini(&s);
	assert_false(is_open(second));
}

static void a_refused_put_changes_nothing_and_closes(void **state)
{
	struct store s = {.max = 2};
	struct ipc_item m = item_of(7, 1, "no descriptor");
	int fd;

	(void)state;
	assert_int_equal(store_put(&s, &m, -1), -ENOENT);
	assert_int_equal(s.n, 0);
	put(&s, 1, 1, "", new_fd());
	put(&s, 2, 2, "", new_fd());
	fd = new_fd();
	assert_int_equal(store_put(&s, &m, fd), -ENOSPC);
	assert_false(is_open(fd));
	assert_int_equal(s.n, 2);
	/* A full store still replaces. */
	put(&s, 2, 2, "new", -1);
	store_fini(&s);
}

static void an_exit_belongs_to_the_latest_item_of_that_pid(void **state)
{
	struct store s = {0};

	(void)state;
	put(&s, 1, 300, "stale: its monitor died before it could drop it", new_fd());
	put(&s, 2, 0, "a session has no process", new_fd());
	put(&s, 3, 300, "the number again", new_fd());
	assert_null(store_exited(&s, 0, 1));
	assert_null(store_exited(&s, 301, 1));
	assert_true(store_exited(&s, 300, 0x2a00) == &s.items[2]);
	assert_int_equal(s.items[2].status, 0x2a00);
	assert_int_equal(s.items[0].exited, 0);
	store_fini(&s);
}

static void a_new_monitor_knows_nothing(void **state)
{
	struct store s = {0};

	(void)state;
	put(&s, 1, 1, "", new_fd());
	assert_true(s.items[0].known);
	s.items[0].told = true;
	store_forget_known(&s);
	assert_false(s.items[0].known || s.items[0].told);
	store_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_kept_in_its_order),
		cmocka_unit_test(a_record_is_replaced_and_its_descriptor_stays),
		cmocka_unit_test(a_refused_put_changes_nothing_and_closes),
		cmocka_unit_test(an_exit_belongs_to_the_latest_item_of_that_pid),
		cmocka_unit_test(a_new_monitor_knows_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
