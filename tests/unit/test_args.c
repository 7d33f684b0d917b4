/* SPDX-License-Identifier: MIT */
/* Arguments: what a client fills in stays what the entry meant it to be, and never becomes an option or another path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "../../server/monitor/args.h"

static char detail[256];

/* One template, one argument of @len bytes: 0, and what the program would see in @out; or the error. */
static int fill(const char *template, const char *arg, size_t len, char *out, size_t size)
{
	char copy[512], *templates[] = {copy, NULL}, **argv = NULL;
	/* The exact size, so that the sanitizer build sees a step too far. */
	char *client = malloc(len + 1);
	int r;

	(void)snprintf(copy, sizeof(copy), "%s", template);
	memcpy(client, arg, len);
	client[len] = '\0';
	detail[0] = '\0';
	r = args_build("/bin/x", templates, (struct str){client, len + 1}, &argv, detail, (int)sizeof(detail));
	if (r == 0) {
		assert_string_equal(argv[0], "/bin/x");
		assert_null(argv[2]);
		(void)snprintf(out, size, "%s", argv[1]);
		free(argv);
	}
	free(client);
	return r;
}

static bool fits(const char *template, const char *arg)
{
	char out[512];

	return fill(template, arg, strlen(arg), out, sizeof(out)) == 0;
}

static int check(const char *template)
{
	char why[512];

	return args_check_template(template, why, (int)sizeof(why));
}

static void templates_are_checked_when_the_entry_is_read(void **state)
{
	static const char *const good[] = {
		"",         "plain",           "a}b",    "{{literal",    "-n{int:1-100}", "{int:-5--1}", "{int:0-0}",
		"{enum:a}", "x={enum:on|off}", "{name}", "{path:/usr/}", "{{{name}"};
	static const char *const bad[] = {"{",
					  "{}",
					  "{name",
					  "{name}x",
					  "{name}{name}",
					  "{ name}",
					  "{int}",
					  "{int:}",
					  "{int:1}",
					  "{int:1-}",
					  "{int:5-1}",
					  "{int:01-2}",
					  "{int:1-99999999999999999999}",
					  "{int:a-b}",
					  "{enum:}",
					  "{enum:a|}",
					  "{enum:|a}",
					  "{enum:a||b}",
					  "{path:}",
					  "{path:usr/}",
					  "{path:/usr}",
					  "{path:/usr//}",
					  "{path:/usr/../}",
					  "{path:/./}",
					  "{regex:.*}",
					  "{na{me}",
					  "{int:1-2-3}"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (check(good[i]) != 0)
			fail_msg("%s was refused", good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (check(bad[i]) != -EINVAL)
			fail_msg("%s was accepted", bad[i]);
	}
}

static void a_path_below_a_directory_that_others_may_write_is_no_template(void **state)
{
	(void)state;
	assert_int_equal(check("{path:/tmp/}"), -EPERM);
	assert_int_equal(check("{path:/nowhere-at-all/}"), -ENOENT);
}

static void integers_have_one_spelling_and_a_range(void **state)
{
	static const char *const bad[] = {"",
					  "0",
					  "101",
					  "01",
					  "+5",
					  " 5",
					  "5 ",
					  "5x",
					  "0x5",
					  "-1",
					  "-0",
					  "-",
					  "18446744073709551617",
					  "9223372036854775808",
					  "1e1"};
	size_t i;

	(void)state;
	assert_true(fits("{int:1-100}", "1"));
	assert_true(fits("{int:1-100}", "100"));
	assert_true(fits("{int:-5-5}", "-5"));
	assert_true(fits("{int:0-5}", "0"));
	assert_true(fits("{int:-9223372036854775808-9223372036854775807}", "-9223372036854775808"));
	assert_true(fits("{int:-9223372036854775808-9223372036854775807}", "9223372036854775807"));
	assert_false(fits("{int:-9223372036854775808-9223372036854775807}", "9223372036854775808"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fits("{int:1-100}", bad[i]))
			fail_msg("\"%s\" was taken for a number from 1 to 100", bad[i]);
	}
	assert_false(fits("{int:-5-5}", "-6"));
	assert_false(fits("{int:-5-5}", "-0"));
}

static void enumerations_are_exact(void **state)
{
	(void)state;
	assert_true(fits("{enum:on|off}", "on"));
	assert_true(fits("{enum:on|off}", "off"));
	assert_false(fits("{enum:on|off}", "o"));
	assert_false(fits("{enum:on|off}", "onx"));
	assert_false(fits("{enum:on|off}", "on|off"));
	assert_false(fits("{enum:on|off}", "ON"));
	assert_false(fits("{enum:on|off}", ""));
}

static void names_are_never_options_or_paths(void **state)
{
	char longest[ARGS_NAME_MAX + 2];

	(void)state;
	assert_true(fits("{name}", "eth0"));
	assert_true(fits("{name}", "a-b_c.D9"));
	assert_false(fits("{name}", ""));
	assert_false(fits("{name}", "-rf"));
	assert_false(fits("{name}", "--help"));
	assert_false(fits("{name}", ".hidden"));
	assert_false(fits("{name}", ".."));
	assert_false(fits("{name}", "a/b"));
	assert_false(fits("{name}", "a b"));
	assert_false(fits("{name}", "a\n"));
	assert_false(fits("{name}", "$(id)"));
	assert_false(fits("{name}", "\xc3\xa4"));
	memset(longest, 'a', sizeof(longest));
	longest[ARGS_NAME_MAX] = '\0';
	assert_true(fits("{name}", longest));
	longest[ARGS_NAME_MAX] = 'a';
	longest[ARGS_NAME_MAX + 1] = '\0';
	assert_false(fits("{name}", longest));
}

static void paths_stay_below_their_directory(void **state)
{
	static const char *const bad[] = {
		"",           "/",           "/usr",        "/usr/",   "/usr//bin", "/usr/../etc/shadow",
		"/usr/./bin", "/usr/bin/",   "/usr/bin/..", "/usr/..", "/usr/.",    "usr/bin",
		"/usrx/bin",  "/etc/passwd", "-o/usr/x",    " /usr/x", "/usr/a\nb", "/usr/a\177"};
	size_t i;

	(void)state;
	assert_true(fits("{path:/usr/}", "/usr/bin"));
	assert_true(fits("{path:/usr/}", "/usr/bin/..x/...y/a b"));
	assert_true(fits("{path:/}", "/etc"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fits("{path:/usr/}", bad[i]))
			fail_msg("\"%s\" was taken for a path below /usr/", bad[i]);
	}
}

static void literal_text_stands_before_a_placeholder(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(fill("--count={int:1-9}", "7", 1, out, sizeof(out)), 0);
	assert_string_equal(out, "--count=7");
	assert_int_equal(fill("{{a{{b={name}", "x", 1, out, sizeof(out)), 0);
	assert_string_equal(out, "{a{b=x");
}

static void what_the_client_sends_is_not_read_as_a_template(void **state)
{
	char out[512];

	(void)state;
	assert_int_equal(fill("{path:/usr/}", "/usr/{name}{{", 13, out, sizeof(out)), 0);
	assert_string_equal(out, "/usr/{name}{{");
}

/* The message is what a client's user has to go by. */
static void the_detail_names_position_and_expectation(void **state)
{
	char *templates[] = {(char[]){"-x"}, (char[]){"{name}"}, (char[]){"{int:1-100}"}, NULL};
	char **argv;

	(void)state;
	assert_int_equal(args_build("x", templates,
				    STR("eth0\0"
					"200\0"),
				    &argv, detail, (int)sizeof(detail)),
			 -EINVAL);
	assert_string_equal(detail, "argument 2: expected a whole number from 1 to 100");
	assert_int_equal(args_build("x", templates,
				    STR("-e\0"
					"20\0"),
				    &argv, detail, (int)sizeof(detail)),
			 -EINVAL);
	assert_non_null(strstr(detail, "argument 1: expected a name"));
	assert_int_equal(args_build("x", templates, STR("eth0\0"), &argv, detail, (int)sizeof(detail)), -EINVAL);
	assert_string_equal(detail, "1 argument given, expected 2");
	assert_int_equal(args_build("x", templates, (struct str){NULL, 0}, &argv, detail, (int)sizeof(detail)),
			 -EINVAL);
	assert_string_equal(detail, "0 arguments given, expected 2");
	assert_int_equal(args_build("x", templates,
				    STR("a\0"
					"1\0"
					"b\0"),
				    &argv, detail, (int)sizeof(detail)),
			 -EINVAL);
}

static void all_arguments_come_out_in_their_order(void **state)
{
	char *templates[] = {(char[]){"-x"}, (char[]){"{name}"}, (char[]){""}, (char[]){"n={int:1-9}"}, NULL};
	char **argv;

	(void)state;
	assert_int_equal(args_build("/p", templates,
				    STR("eth0\0"
					"5\0"),
				    &argv, detail, (int)sizeof(detail)),
			 0);
	assert_string_equal(argv[0], "/p");
	assert_string_equal(argv[1], "-x");
	assert_string_equal(argv[2], "eth0");
	assert_string_equal(argv[3], "");
	assert_string_equal(argv[4], "n=5");
	assert_null(argv[5]);
	free(argv);
}

static void an_argument_without_its_nul_is_refused(void **state)
{
	char *templates[] = {(char[]){"{name}"}, NULL};
	char **argv, bytes[3] = {'a', 'b', 'c'};

	(void)state;
	assert_int_equal(args_build("x", templates, (struct str){bytes, 3}, &argv, detail, (int)sizeof(detail)),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_checked_when_the_entry_is_read),
		cmocka_unit_test(a_path_below_a_directory_that_others_may_write_is_no_template),
		cmocka_unit_test(integers_have_one_spelling_and_a_range),
		cmocka_unit_test(enumerations_are_exact),
		cmocka_unit_test(names_are_never_options_or_paths),
		cmocka_unit_test(paths_stay_below_their_directory),
		cmocka_unit_test(literal_text_stands_before_a_placeholder),
		cmocka_unit_test(what_the_client_sends_is_not_read_as_a_template),
		cmocka_unit_test(the_detail_names_position_and_expectation),
		cmocka_unit_test(all_arguments_come_out_in_their_order),
		cmocka_unit_test(an_argument_without_its_nul_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
