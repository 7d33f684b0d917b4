/* SPDX-License-Identifier: MIT */
/* Executables: nobody but root can change which file is run, or what is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "../../server/monitor/exec_chain.h"
#include "tree.h"

static struct exec_file file;
static char why[512];

static int check(const char *path)
{
	why[0] = '\0';
	return exec_chain_check(path, &file, why, (int)sizeof(why));
}

/* The refusal names the component, and says what to do. */
static void refused(const char *path, int error, const char *component, const char *remedy)
{
	int r = check(path);

	if (r != error || strstr(why, component) == NULL || strstr(why, remedy) == NULL)
		fail_msg("%s: %d \"%s\", expected %d with \"%s\" and \"%s\"", path, r, why, error, component, remedy);
}

static int make(void **state)
{
	int r = tree_make(state);

	if (r != 0 || !tree_ready())
		return r;
	tree_dir("bin", 0755);
	tree_file("bin/tool", 0755, "\177ELF");
	return 0;
}

static void a_plain_file_of_roots_is_good(void **state)
{
	struct stat st;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(check(tree_path("bin/tool")), 0);
	assert_string_equal(file.path, tree_path("bin/tool"));
	assert_int_equal(stat(tree_path("bin/tool"), &st), 0);
	assert_true(file.ino == st.st_ino && file.dev == st.st_dev && file.ctime.tv_nsec == st.st_ctim.tv_nsec);
}

static void links_are_followed_to_the_end(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_link("tool", "bin/relative");
	tree_link(tree_path("bin/relative"), "bin/absolute");
	tree_link("../bin", "bin/up");
	assert_int_equal(check(tree_path("bin/absolute")), 0);
	assert_string_equal(file.path, tree_path("bin/tool"));
	assert_int_equal(check(tree_path("bin/up/up/../bin/./up//absolute")), 0);
	assert_string_equal(file.path, tree_path("bin/tool"));
	assert_int_equal(check("/bin/sh"), 0);
}

static void links_in_a_circle_end(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_link("b", "bin/a");
	tree_link("a", "bin/b");
	refused(tree_path("bin/a"), -EPERM, "bin/", "name the file itself");
}

static void what_others_may_write_is_refused(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("bin/group", 0775, "x");
	refused(tree_path("bin/group"), -EPERM, "bin/group", "chmod go-w");
	tree_file("bin/other", 0757, "x");
	refused(tree_path("bin/other"), -EPERM, "bin/other", "chmod go-w");
	tree_dir("open", 0777);
	tree_file("open/tool", 0755, "x");
	refused(tree_path("open/tool"), -EPERM, "/open is", "chmod go-w");
	/* Sticky keeps others from replacing the file, not from putting one there before us. */
	tree_dir("sticky", 01777);
	tree_file("sticky/tool", 0755, "x");
	refused(tree_path("sticky/tool"), -EPERM, "/sticky is", "chmod go-w");
}

static void what_is_not_roots_is_refused(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("bin/theirs", 0755, "x");
	assert_int_equal(chown(tree_path("bin/theirs"), 64000, 0), 0);
	refused(tree_path("bin/theirs"), -EPERM, "bin/theirs belongs to uid 64000", "chown it to root");
	tree_dir("their", 0755);
	tree_file("their/tool", 0755, "x");
	assert_int_equal(chown(tree_path("their"), 64000, 0), 0);
	refused(tree_path("their/tool"), -EPERM, "/their belongs", "chown it to root");
}

/* The link itself is somebody's, even if what it leads to is root's. */
static void a_link_of_somebody_else_is_refused(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_link("tool", "bin/their-link");
	assert_int_equal(lchown(tree_path("bin/their-link"), 64000, 64000), 0);
	refused(tree_path("bin/their-link"), -EPERM, "bin/their-link", "chown it to root");
	tree_dir("loose", 0777);
	tree_link(tree_path("bin/tool"), "loose/link");
	refused(tree_path("loose/link"), -EPERM, "/loose is", "chmod go-w");
	tree_link(tree_path("loose/../bin/tool"), "bin/through-loose");
	refused(tree_path("bin/through-loose"), -EPERM, "/loose is", "chmod go-w");
}

static void only_regular_executables_are_run(void **state)
{
	(void)state;
	NEEDS_TREE();
	refused(tree_path("bin"), -EACCES, "is a directory", "name a program");
	tree_file("bin/data", 0644, "x");
	refused(tree_path("bin/data"), -EACCES, "bin/data is not executable", "chmod +x");
	assert_int_equal(mkfifo(tree_path("bin/fifo"), 0755), 0);
	refused(tree_path("bin/fifo"), -EACCES, "not a regular file", "name a program");
	refused(tree_path("bin/tool/x"), -EACCES, "bin/tool is not a directory", "correct the path");
	refused(tree_path("bin/absent"), -ENOENT, "bin/absent does not exist", "install it");
	tree_link("absent", "bin/dangling");
	refused(tree_path("bin/dangling"), -ENOENT, "bin/absent does not exist", "install it");
	refused("bin/true", -EPERM, "not an absolute path", "write all of it");
}

static void the_interpreter_of_a_script_is_checked_as_well(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("bin/good", 0755, "#!/bin/sh -e\nexit 0\n");
	assert_int_equal(check(tree_path("bin/good")), 0);
	assert_string_equal(file.path, tree_path("bin/good"));
	tree_file("bin/blank", 0755, "#! \t/bin/sh\n");
	assert_int_equal(check(tree_path("bin/blank")), 0);
	tree_file("bin/noeol", 0755, "#!/bin/sh");
	assert_int_equal(check(tree_path("bin/noeol")), 0);
	tree_file("bin/noint", 0755, "#!/nowhere/sh\n");
	refused(tree_path("bin/noint"), -ENOENT, "the interpreter of ", "install it");
	tree_file("bin/empty", 0755, "#!\n");
	refused(tree_path("bin/empty"), -EACCES, "names no interpreter", "write an absolute path");
	tree_file("bin/relint", 0755, "#!sh\n");
	refused(tree_path("bin/relint"), -EPERM, "not an absolute path", "write all of it");
	tree_file("open/sh", 0777, "x");
	{
		char script[256];

		(void)snprintf(script, sizeof(script), "#!%s\n", tree_path("open/sh"));
		tree_file("bin/loose", 0755, script);
	}
	refused(tree_path("bin/loose"), -EPERM, "/open is writable", "chmod go-w");
}

/* What env finds is not what was checked. */
static void env_is_no_interpreter(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("bin/viaenv", 0755, "#!/usr/bin/env python3\n");
	refused(tree_path("bin/viaenv"), -EPERM, "/usr/bin/env", "name the interpreter's own path");
	tree_link("/usr/bin/env", "bin/innocent");
	{
		char script[256];

		(void)snprintf(script, sizeof(script), "#!%s sh\n", tree_path("bin/innocent"));
		tree_file("bin/hidden", 0755, script);
	}
	refused(tree_path("bin/hidden"), -EPERM, "searches for another", "name the interpreter's own path");
}

static void interpreters_of_interpreters_end(void **state)
{
	char script[256];

	(void)state;
	NEEDS_TREE();
	(void)snprintf(script, sizeof(script), "#!%s\n", tree_path("bin/self"));
	tree_file("bin/self", 0755, script);
	refused(tree_path("bin/self"), -EPERM, "too many interpreters", "real program");
	memset(script, 'x', sizeof(script) - 1);
	script[sizeof(script) - 1] = '\0';
	memcpy(script, "#!/", 3);
	tree_file("bin/long", 0755, script);
	refused(tree_path("bin/long"), -EPERM, "too long", "shorten it");
}

static void directories_have_the_same_rules(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(exec_chain_directory(tree_path("bin"), why, (int)sizeof(why)), 0);
	assert_int_equal(exec_chain_directory("/", why, (int)sizeof(why)), 0);
	assert_int_equal(exec_chain_directory(tree_path("bin/tool"), why, (int)sizeof(why)), -ENOTDIR);
	tree_dir("open", 0777);
	assert_int_equal(exec_chain_directory(tree_path("open"), why, (int)sizeof(why)), -EPERM);
	assert_int_equal(exec_chain_directory(tree_path("none"), why, (int)sizeof(why)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_file_of_roots_is_good),
		cmocka_unit_test(links_are_followed_to_the_end),
		cmocka_unit_test(links_in_a_circle_end),
		cmocka_unit_test(what_others_may_write_is_refused),
		cmocka_unit_test(what_is_not_roots_is_refused),
		cmocka_unit_test(a_link_of_somebody_else_is_refused),
		cmocka_unit_test(only_regular_executables_are_run),
		cmocka_unit_test(the_interpreter_of_a_script_is_checked_as_well),
		cmocka_unit_test(env_is_no_interpreter),
		cmocka_unit_test(interpreters_of_interpreters_end),
		cmocka_unit_test(directories_have_the_same_rules),
	};

	return cmocka_run_group_tests(tests, make, tree_remove);
}
