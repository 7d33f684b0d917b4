/* SPDX-License-Identifier: MIT */
/* The cursor: nothing is read or written outside a record, whatever its bytes say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../proto/wire.h"

static void integers_are_little_endian(void **state)
{
	uint8_t buf[14];
	struct wire_wr w;
	struct wire_rd r;
	static const uint8_t want[] = {0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0x0e,
				       0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07};

	(void)state;
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_u16(&w, 0x0102);
	wire_put_u32(&w, 0x03040506);
	wire_put_u64(&w, 0x0708090a0b0c0d0e);
	assert_int_equal(wire_wr_done(&w), sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	wire_rd_init(&r, buf, sizeof(buf));
	assert_int_equal(wire_get_u16(&r), 0x0102);
	assert_int_equal(wire_get_u32(&r), 0x03040506);
	assert_true(wire_get_u64(&r) == 0x0708090a0b0c0d0e);
	assert_int_equal(wire_rd_done(&r), 0);
}

static void writing_stops_at_the_end_and_stays_stopped(void **state)
{
	uint8_t buf[4] = {9, 9, 9, 9};
	struct wire_wr w;

	(void)state;
	wire_wr_init(&w, buf, 3);
	wire_put_u32(&w, 1);
	wire_put_u16(&w, 7); /* would fit, but the record is broken already */
	assert_int_equal(wire_wr_done(&w), -ENOSPC);
	assert_int_equal(buf[0], 9);
	assert_int_equal(buf[3], 9);
}

static void reading_stops_at_the_end_and_yields_zero(void **state)
{
	/* On the heap and of the exact size, so that a sanitizer sees one byte too many. */
	uint8_t *buf = malloc(3);
	struct wire_rd r;

	(void)state;
	memset(buf, 0xff, 3);
	wire_rd_init(&r, buf, 3);
	assert_int_equal(wire_get_u32(&r), 0);
	assert_int_equal(wire_get_u16(&r), 0);
	assert_int_equal(wire_rd_done(&r), -EBADMSG);
	free(buf);
}

static void left_over_bytes_are_refused(void **state)
{
	struct wire_rd r;

	(void)state;
	wire_rd_init(&r, "\x01\x00\x00", 3);
	assert_int_equal(wire_get_u16(&r), 1);
	assert_int_equal(wire_rd_done(&r), -EBADMSG);
}

static void a_string_longer_than_the_record_is_refused(void **state)
{
	struct wire_rd r;
	struct str s;

	(void)state;
	wire_rd_init(&r,
		     "\x04\x00"
		     "abc",
		     5);
	wire_get_str(&r, &s, 100);
	assert_int_equal(s.len, 0);
	assert_int_equal(wire_rd_done(&r), -EBADMSG);
}

static void a_string_beyond_its_own_limit_is_refused(void **state)
{
	struct wire_rd r;
	struct wire_wr w;
	struct str s;
	uint8_t buf[16];

	(void)state;
	wire_rd_init(&r,
		     "\x03\x00"
		     "abc",
		     5);
	wire_get_str(&r, &s, 2);
	assert_int_equal(wire_rd_done(&r), -EBADMSG);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_str(&w, STR("abc"), 2);
	assert_int_equal(wire_wr_done(&w), -ENOSPC);
}

static void text_with_nul_is_refused_and_bytes_with_nul_are_not(void **state)
{
	struct wire_rd r;
	struct wire_wr w;
	struct str s;
	uint8_t buf[16];

	(void)state;
	wire_rd_init(&r,
		     "\x03\x00"
		     "a\0c",
		     5);
	wire_get_str(&r, &s, 10);
	assert_int_equal(wire_rd_done(&r), -EBADMSG);
	wire_rd_init(&r,
		     "\x03\x00"
		     "a\0c",
		     5);
	wire_get_bytes(&r, &s, 10);
	assert_int_equal(wire_rd_done(&r), 0);
	assert_int_equal(s.len, 3);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_str(&w, (struct str){"a\0c", 3}, 10);
	assert_int_equal(wire_wr_done(&w), -ENOSPC);
}

static void the_reserved_field_must_be_zero(void **state)
{
	struct wire_rd r;
	uint16_t type;
	uint32_t serial;

	(void)state;
	wire_rd_init(&r, "\x05\x00\x00\x00\x09\x00\x00\x00", 8);
	assert_int_equal(wire_get_header(&r, &type, &serial), 0);
	assert_int_equal(type, 5);
	assert_int_equal(serial, 9);
	wire_rd_init(&r, "\x05\x00\x01\x00\x09\x00\x00\x00", 8);
	assert_int_equal(wire_get_header(&r, &type, &serial), -EBADMSG);
	wire_rd_init(&r, "\x05\x00\x00\x00\x09\x00\x00", 7);
	assert_int_equal(wire_get_header(&r, &type, &serial), -EBADMSG);
}

static void copying_refuses_what_does_not_fit(void **state)
{
	char buf[4] = "xyz";

	(void)state;
	assert_true(str_copy(buf, sizeof(buf), STR("abc")));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof(buf), STR("abcd")));
	assert_string_equal(buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(writing_stops_at_the_end_and_stays_stopped),
		cmocka_unit_test(reading_stops_at_the_end_and_yields_zero),
		cmocka_unit_test(left_over_bytes_are_refused),
		cmocka_unit_test(a_string_longer_than_the_record_is_refused),
		cmocka_unit_test(a_string_beyond_its_own_limit_is_refused),
		cmocka_unit_test(text_with_nul_is_refused_and_bytes_with_nul_are_not),
		cmocka_unit_test(the_reserved_field_must_be_zero),
		cmocka_unit_test(copying_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
