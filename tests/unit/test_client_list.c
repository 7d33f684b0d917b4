/* SPDX-License-Identifier: MIT */
/* Listings: every record once, whatever the sizes of page and array; a server that would have us ask for ever is found out. */
#include "fake_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOTAL 11

static int page_size;

static uint64_t rid_of(int i)
{
	return 100 + (uint64_t)i * 3;
}

static void list_containers(int fd, const struct list_request *m, uint32_t serial)
{
	char id[16], name[16];
	struct page_wr page;
	struct wire_wr w;
	uint64_t next = 0;
	int n = 0;

	fake_begin(&w, MSG_CONTAINERS, serial);
	page_begin(&page, &w);
	for (int i = 0; i < TOTAL; i++) {
		struct container_record c = {.rid = rid_of(i), .engine = STR("crun"), .pid = (uint32_t)i};

		if (c.rid <= m->cursor)
			continue;
		if (n++ == page_size) {
			next = rid_of(i - 1);
			break;
		}
		(void)snprintf(id, sizeof(id), "id%d", i);
		(void)snprintf(name, sizeof(name), "name%d", i);
		c.id = str_of(id);
		c.name = str_of(name);
		FAKE_CHECK(page_add_container(&page, &c));
	}
	FAKE_CHECK(page_end(&page, next) > 0);
	fake_send(fd, &w);
}

/* The server's cursor is a position. */
static void list_programs(int fd, const struct list_request *m, uint32_t serial)
{
	struct page_wr page;
	struct wire_wr w;
	uint64_t i = m->cursor;

	fake_begin(&w, MSG_PROGRAMS, serial);
	page_begin(&page, &w);
	for (int n = 0; i < TOTAL && n < page_size; i++, n++) {
		char name[16];
		struct program_record p = {.usable = i % 2, .description = STR("what it does")};

		(void)snprintf(name, sizeof(name), "program%d", (int)i);
		p.name = str_of(name);
		FAKE_CHECK(page_add_program(&page, &p));
	}
	FAKE_CHECK(page_end(&page, i < TOTAL ? i : 0) > 0);
	fake_send(fd, &w);
}

static void serve_lists(int fd)
{
	uint8_t buf[64];
	struct list_request m;
	struct wire_rd body;
	uint32_t serial;
	uint16_t type;
	ssize_t n;

	fake_hello(fd);
	while ((n = chan_recv(fd, buf, sizeof(buf), NULL, 0, NULL, 0)) > 0) {
		wire_rd_init(&body, buf, (size_t)n);
		FAKE_CHECK(!wire_get_header(&body, &type, &serial) && !get_list_request(&body, &m) && !m.flags);
		if (type == MSG_CONTAINER_LIST)
			list_containers(fd, &m, serial);
		else
			list_programs(fd, &m, serial);
	}
	FAKE_CHECK(!n);
}

static void test_every_record_once(void **state)
{
	static const int counts[] = {1, 2, 3, TOTAL - 1, TOTAL, TOTAL + 1, 64};
	static struct root_container c[64];
	static struct root_program p[64];
	struct fake f;
	int fd, n, seen;

	(void)state;
	for (page_size = 1; page_size <= TOTAL + 1; page_size += 2) {
		fake_start(&f, 1, serve_lists);
		fd = fake_connect(&f);
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			uint64_t cursor = 0;

			for (seen = 0; (n = rootContainerList(fd, 0, &cursor, c, sizeof(c[0]), counts[k])) > 0;
			     seen += n) {
				assert_true(n <= counts[k]);
				for (int i = 0; i < n; i++)
					assert_int_equal(c[i].pid, seen + i);
			}
			assert_int_equal(n, 0);
			assert_int_equal(seen, TOTAL);
			assert_int_equal(rootContainerList(fd, 0, &cursor, c, sizeof(c[0]), counts[k]), 0);

			cursor = 0;
			for (seen = 0; (n = rootProgramList(fd, 0, &cursor, p, sizeof(p[0]), counts[k])) > 0;
			     seen += n) {
				assert_true(n <= counts[k]);
				for (int i = 0; i < n; i++) {
					char name[32];

					(void)snprintf(name, sizeof(name), "program%d", seen + i);
					assert_string_equal(p[i].name, name);
					assert_string_equal(p[i].description, "what it does");
					assert_int_equal(p[i].usable, (seen + i) % 2);
				}
			}
			assert_int_equal(n, 0);
			assert_int_equal(seen, TOTAL);
		}
		rootShutdown(fd);
		fake_stop(&f);
	}
}

/* An array of a caller whose structure is larger, or smaller, than the library's. */
static void test_record_sizes(void **state)
{
	struct {
		struct root_container c;
		char newer[8];
	} larger[3];
	char engines[3][ROOT_ENGINE_MAX + 1];
	uint64_t cursor = 0;
	struct fake f;
	int fd;

	(void)state;
	page_size = 64;
	memset(larger, 'x', sizeof(larger));
	fake_start(&f, 1, serve_lists);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &larger[0].c, sizeof(larger[0]), 3), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(larger[i].c.pid, i);
		assert_int_equal(larger[i].newer[0] | larger[i].newer[7], 0);
	}
	cursor = 0;
	assert_int_equal(
		rootContainerList(fd, 0, &cursor, (struct root_container *)(void *)engines, sizeof(engines[0]), 3), 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(engines[i], "crun");
	rootShutdown(fd);
	fake_stop(&f);
}

static void hello_only(int fd)
{
	fake_hello(fd);
	fake_expect_end(fd);
}

static void test_bad_arguments(void **state)
{
	struct root_container c;
	struct root_program p;
	uint64_t cursor = 0;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, hello_only);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerList(fd, 2, &cursor, &c, sizeof(c), 1), -EINVAL);
	assert_int_equal(rootContainerList(fd, 0, NULL, &c, sizeof(c), 1), -EINVAL);
	assert_int_equal(rootContainerList(fd, 0, &cursor, NULL, sizeof(c), 1), -EINVAL);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &c, 0, 1), -EINVAL);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &c, sizeof(c), 0), -EINVAL);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &c, sizeof(c), -1), -EINVAL);
	assert_int_equal(rootProgramList(fd, 1, &cursor, &p, sizeof(p), 1), -EINVAL);
	assert_int_equal(rootProgramList(fd, 0, NULL, &p, sizeof(p), 1), -EINVAL);
	assert_int_equal(rootProgramList(fd, 0, &cursor, NULL, sizeof(p), 1), -EINVAL);
	assert_int_equal(rootProgramList(fd, 0, &cursor, &p, 0, 1), -EINVAL);
	assert_int_equal(rootProgramList(fd, 0, &cursor, &p, sizeof(p), 0), -EINVAL);
	rootShutdown(fd);
	fake_stop(&f);
}

static const struct {
	uint16_t status;
	int error;
} errors[] = {{STATUS_INVALID, -EINVAL},
	      {STATUS_DENIED, -EACCES},
	      {STATUS_TRY_AGAIN, -EAGAIN},
	      {STATUS_TIMED_OUT, -ETIMEDOUT},
	      {STATUS_NOT_FOUND, -EPROTO}};
#define ERRORS ((int)(sizeof(errors) / sizeof(errors[0])))

static void serve_errors(int fd)
{
	struct fake_in in;

	fake_hello(fd);
	for (int i = 0; i < 2 * ERRORS; i++) {
		fake_expect(fd, i % 2 ? MSG_PROGRAM_LIST : MSG_CONTAINER_LIST, &in);
		fake_error(fd, in.serial, errors[i / 2].status, "why");
	}
	fake_expect_end(fd);
}

static void test_errors(void **state)
{
	struct root_container c;
	struct root_program p;
	uint64_t cursor = 42;
	char why[4];
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_errors);
	fd = fake_connect(&f);
	for (int i = 0; i < ERRORS; i++) {
		assert_int_equal(rootContainerList(fd, 0, &cursor, &c, sizeof(c), 1), errors[i].error);
		assert_int_equal(rootErrDetail(fd, why, sizeof(why)), 3);
		assert_int_equal(rootProgramList(fd, 0, &cursor, &p, sizeof(p), 1), errors[i].error);
	}
	assert_int_equal(cursor, 42);
	rootShutdown(fd);
	fake_stop(&f);
}

/* Pages that are well-formed, and wrong. */
static const struct bad_page {
	bool programs;
	uint64_t cursor, next;
	int n;
	uint64_t rids[2];
} bad_pages[] = {
	{false, 0, 0, 1, {0}}, /* a rid that the cursor has passed */
	{false, 7, 0, 1, {7}},      {false, 7, 0, 2, {9, 9}}, /* not ascending */
	{false, 7, 0, 2, {9, 8}},   {false, 7, 0, 1, {UINT64_MAX}}, /* the library's own mark */
	{false, 7, 8, 1, {9}}, /* would give the record again */
	{false, 7, 7, 0, {0}}, /* would ask for ever */
	{false, 7, 6, 0, {0}},      {true, 7 << 16, 7, 0, {0}},
	{true, 7 << 16, 6, 1, {0}}, {true, 7 << 16, UINT64_C(1) << 48, 1, {0}},
};
#define BAD_PAGES ((int)(sizeof(bad_pages) / sizeof(bad_pages[0])))

static void serve_bad_page(int fd)
{
	const struct bad_page *bad = &bad_pages[fake_connection];
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	fake_expect(fd, bad->programs ? MSG_PROGRAM_LIST : MSG_CONTAINER_LIST, &in);
	fake_begin(&w, bad->programs ? MSG_PROGRAMS : MSG_CONTAINERS, in.serial);
	page_begin(&page, &w);
	for (int i = 0; i < bad->n; i++) {
		struct container_record c = {.rid = bad->rids[i], .engine = STR("e"), .id = STR("i")};
		struct program_record p = {.name = STR("p")};

		FAKE_CHECK(bad->programs ? page_add_program(&page, &p) : page_add_container(&page, &c));
	}
	FAKE_CHECK(page_end(&page, bad->next) > 0);
	fake_send(fd, &w);
	fake_expect_end(fd);
}

static void test_bad_pages(void **state)
{
	struct root_container c[4];
	struct root_program p[4];
	struct fake f;

	(void)state;
	fake_start(&f, BAD_PAGES, serve_bad_page);
	for (int i = 0; i < BAD_PAGES; i++) {
		uint64_t cursor = bad_pages[i].cursor;
		int fd = fake_connect(&f), r;

		if (bad_pages[i].programs)
			r = rootProgramList(fd, 0, &cursor, p, sizeof(p[0]), 4);
		else
			r = rootContainerList(fd, 0, &cursor, c, sizeof(c[0]), 4);
		assert_int_equal(r, -EPROTO);
		assert_int_equal(cursor, bad_pages[i].cursor);
		rootShutdown(fd);
	}
	fake_stop(&f);
}

/* A page may be empty without being the last, when nothing of it is for this caller. */
static void serve_empty_pages(int fd)
{
	struct page_wr page;
	struct fake_in in;
	struct wire_wr w;

	fake_hello(fd);
	for (int i = 0; i < 6; i++) {
		fake_expect(fd, i < 3 ? MSG_CONTAINER_LIST : MSG_PROGRAM_LIST, &in);
		fake_begin(&w, i < 3 ? MSG_CONTAINERS : MSG_PROGRAMS, in.serial);
		page_begin(&page, &w);
		FAKE_CHECK(page_end(&page, i % 3 == 2 ? 0 : (uint64_t)i % 3 * 10 + 10) > 0);
		fake_send(fd, &w);
	}
	fake_expect_end(fd);
}

static void test_empty_pages(void **state)
{
	struct root_container c;
	struct root_program p;
	uint64_t cursor = 0;
	struct fake f;
	int fd;

	(void)state;
	fake_start(&f, 1, serve_empty_pages);
	fd = fake_connect(&f);
	assert_int_equal(rootContainerList(fd, 0, &cursor, &c, sizeof(c), 1), 0);
	cursor = 0;
	assert_int_equal(rootProgramList(fd, 0, &cursor, &p, sizeof(p), 1), 0);
	rootShutdown(fd);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_record_once), cmocka_unit_test(test_record_sizes),
		cmocka_unit_test(test_bad_arguments),     cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bad_pages),         cmocka_unit_test(test_empty_pages),
	};

	return cmocka_run_group_tests_name("client lists", tests, NULL, NULL);
}
