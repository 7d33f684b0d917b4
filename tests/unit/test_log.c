/* SPDX-License-Identifier: MIT */
/* Log lines: nobody's name can forge one, and each is one write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/common/log.h"

static char text[4096];

/* Runs one call with standard error caught in text. */
#define CATCH(call)                                            \
	do {                                                   \
		int fds[2], saved = dup(STDERR_FILENO);        \
		ssize_t n;                                     \
		assert_int_equal(pipe(fds), 0);                \
		assert_true(dup2(fds[1], STDERR_FILENO) >= 0); \
		call;                                          \
		assert_true(dup2(saved, STDERR_FILENO) >= 0);  \
		(void)close(saved);                            \
		(void)close(fds[1]);                           \
		n = read(fds[0], text, sizeof(text) - 1);      \
		assert_true(n >= 0);                           \
		text[n] = '\0';                                \
		(void)close(fds[0]);                           \
	} while (0)

static void control_bytes_are_escaped(void **state)
{
	(void)state;
	log_init("test", LOG_LEVEL_INFO);
	CATCH(log_info("name %s", "a\nmonitor: \x1b[31m\xff"));
	assert_string_equal(text, "test: name a\\x0amonitor: \\x1b[31m\\xff\n");
}

static void levels_below_the_threshold_are_silent(void **state)
{
	(void)state;
	log_init("test", LOG_LEVEL_WARNING);
	CATCH(log_info("not this"));
	assert_string_equal(text, "");
	CATCH(log_error("this"));
	assert_string_equal(text, "test: error: this\n");
}

static void a_long_line_is_cut_and_still_ends_in_newline(void **state)
{
	char big[3000];

	(void)state;
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_init("test", LOG_LEVEL_INFO);
	CATCH(log_info("%s", big));
	assert_true(strlen(text) <= 1200);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	errno = ERANGE;
	CATCH(log_error("x"));
	errno = ERANGE;
	log_debug("silent");
	assert_int_equal(errno, ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_bytes_are_escaped),
		cmocka_unit_test(levels_below_the_threshold_are_silent),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends_in_newline),
		cmocka_unit_test(errno_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
