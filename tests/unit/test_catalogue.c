/* SPDX-License-Identifier: MIT */
/* The catalogue: an entry is taken whole or not at all, and each refusal says where and what to do. */
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
#include <signal.h>
#include <stdio.h>

#include "../../server/common/caps.h"
#include "../../server/monitor/catalogue.h"
#include "tree.h"

#define MINIMAL "[program]\nexec = /bin/true\nuser = nobody\nallow = user:nobody\n"

static struct role roles[] = {{.name = (char[]){"agents"}}, {.name = (char[]){"admins"}}};
static struct config config = {.roles = roles, .nroles = 2, .capability_ceiling = CAPS_BIT(13) | CAPS_BIT(10)};
static struct catalogue *catalogue;
static char why[512];
static int nrefused;

static int load(void)
{
	return catalogue_load(&config, &catalogue, &nrefused, why, (int)sizeof(why));
}

static int make(void **state)
{
	int r = tree_make(state);

	log_init("test", LOG_LEVEL_ERROR);
	return r;
}

static int fresh(void **state)
{
	(void)state;
	if (!tree_ready())
		return 0;
	catalogue = NULL;
	tree_dir("d", 0755);
	free(config.programs_directory);
	config.programs_directory = strdup(tree_path("d"));
	return 0;
}

static int clear(void **state)
{
	char command[256];

	(void)state;
	catalogue_free(catalogue);
	catalogue = NULL;
	if (!tree_ready())
		return 0;
	(void)snprintf(command, sizeof(command), "rm -rf %s", tree_path("d"));
	return system(command);
}

/* The one entry of a file with this text. */
static struct entry *entry_of(const char *text)
{
	catalogue_free(catalogue);
	catalogue = NULL;
	tree_file("d/x.conf", 0644, text);
	assert_int_equal(load(), 0);
	assert_int_equal(catalogue->nentries, 1);
	return &catalogue->entries[0];
}

static void refused_at(int line, const char *text, const char *what)
{
	struct entry *e = entry_of(text);
	char place[256];

	if (line > 0)
		(void)snprintf(place, sizeof(place), "%s:%d: ", tree_path("d/x.conf"), line);
	else
		(void)snprintf(place, sizeof(place), "%s: ", tree_path("d/x.conf"));
	if (e->refused == NULL)
		fail_msg("accepted: %s", text);
	if (strncmp(e->refused, place, strlen(place)) != 0 || strstr(e->refused, what) == NULL)
		fail_msg("\"%s\", expected \"%s\" and \"%s\"", e->refused, place, what);
	/* What is wrong, and what to do. */
	assert_non_null(strstr(e->refused + strlen(place), ": "));
	assert_int_equal(nrefused, 1);
}

static void the_shortest_entry_has_safe_defaults(void **state)
{
	struct entry *e;
	uid_t uid;
	gid_t gid;

	(void)state;
	NEEDS_TREE();
	e = entry_of(MINIMAL);
	assert_null(e->refused);
	assert_int_equal(config_find_user("nobody", &uid, &gid), 0);
	assert_string_equal(e->name, "x");
	assert_string_equal(e->exec, "/bin/true");
	assert_true(e->uid == uid && e->gid == gid);
	assert_int_equal(e->ngroups, 0);
	assert_true(e->caps == 0);
	assert_true(e->no_new_privs);
	assert_int_equal(e->umask, 022);
	assert_string_equal(e->directory, "/");
	assert_null(e->arguments[0]);
	assert_null(e->environment[0]);
	assert_int_equal(e->stop_signal, SIGTERM);
	assert_int_equal(e->grace_ms, 2000);
	assert_int_equal(e->instances, 0);
}

static void every_key_is_taken(void **state)
{
	struct entry *e;

	(void)state;
	NEEDS_TREE();
	e = entry_of("# a comment\n[program]\ndescription = what it does\nexec = /bin/sh\nargument = -c\nargument = "
		     "{int:1-9}\n"
		     "user = 1234\ngroup = 77\ngroups = 5 6\ncapabilities = cap_net_raw\nno_new_privs = no\n"
		     "environment = A=1\nenvironment = B=x=y z\ndirectory = /tmp\numask = 077\nstop_signal = SIGINT\n"
		     "grace_ms = 50\ninstances = 3\nallow = user:0 user:55 group:66 role:admins\n");
	assert_null(e->refused);
	assert_string_equal(e->description, "what it does");
	assert_string_equal(e->arguments[0], "-c");
	assert_string_equal(e->arguments[1], "{int:1-9}");
	assert_true(e->uid == 1234 && e->gid == 77 && e->ngroups == 2 && e->groups[1] == 6);
	assert_true(e->caps == CAPS_BIT(13));
	assert_false(e->no_new_privs);
	assert_string_equal(e->environment[1], "B=x=y z");
	assert_string_equal(e->directory, "/tmp");
	assert_int_equal(e->umask, 077);
	assert_int_equal(e->stop_signal, SIGINT);
	assert_int_equal(e->grace_ms, 50);
	assert_int_equal(e->instances, 3);
	assert_true(e->nallow_uids == 2 && e->nallow_gids == 1 && e->allow_roles == 2);
}

/* Whichever of the two keys comes first. */
static void the_group_of_the_file_wins_over_the_users_own(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(entry_of("[program]\nexec=/bin/true\ngroup = 77\nuser = nobody\nallow = user:0\n")->gid, 77);
	assert_int_equal(entry_of("[program]\nexec=/bin/true\nuser = nobody\ngroup = 77\nallow = user:0\n")->gid, 77);
}

static void each_mistake_is_refused_with_its_line(void **state)
{
	static const struct {
		int line;
		const char *text, *what;
	} cases[] = {
		{2, "[program]\nexecute = /bin/true\n", "no key execute"},
		{1, "[programme]\nexec = /bin/true\n", "[program]"},
		{1, "exec = /bin/true\n", "section"},
		{5, MINIMAL "user = root\n", "twice"},
		{2, "[program]\nexec = bin/true\n", "absolute"},
		{5, MINIMAL "argument = {regex:x}\n", "{int:LOW-HIGH}"},
		{5, MINIMAL "argument = {path:/tmp/}\n", "/tmp is writable"},
		{3, "[program]\nexec = /bin/true\nuser = no-such-user\nallow = user:0\n", "no user \"no-such-user\""},
		{5, MINIMAL "group = no-such-group\n", "no group \"no-such-group\""},
		{5, MINIMAL "groups = 5 no-such-group\n", "no group \"no-such-group\""},
		{5, MINIMAL "capabilities = cap_nonsense\n", "cap_nonsense"},
		{5, MINIMAL "capabilities = cap_net_raw cap_sys_admin\n", "remove cap_sys_admin"},
		{5, MINIMAL "no_new_privs = maybe\n", "yes or no"},
		{5, MINIMAL "environment = 1A=x\n", "NAME=VALUE"},
		{5, MINIMAL "environment = A\n", "NAME=VALUE"},
		{6, MINIMAL "environment = A=1\nenvironment = A=2\n", "A stands twice"},
		{5, MINIMAL "directory = tmp\n", "absolute"},
		{5, MINIMAL "umask = 8\n", "octal"},
		{5, MINIMAL "umask = 1000\n", "octal"},
		{5, MINIMAL "stop_signal = SEGV\n", "TERM"},
		{5, MINIMAL "grace_ms = -1\n", "number"},
		{5, MINIMAL "grace_ms = 600001\n", "600000"},
		{5, MINIMAL "instances = many\n", "number"},
		{4, "[program]\nexec = /bin/true\nuser = 0\nallow = nobody\n", "user:NAME"},
		{4, "[program]\nexec = /bin/true\nuser = 0\nallow = role:none\n", "no [role none]"},
		{4, "[program]\nexec = /bin/true\nuser = 0\nallow = user:no-such-user\n", "no-such-user"},
		{4, "[program]\nexec = /bin/true\nuser = 0\nallow = group:no-such-group\n", "no-such-group"},
		{4, "[program]\nexec = /bin/true\nuser = 0\nallow =\n", "nobody may start it"},
		{0, "[program]\nexec = /bin/true\nuser = 0\n", "nobody may start it"},
		{0, "[program]\nexec = /bin/true\nallow = user:0\n", "no user"},
		{0, "[program]\nuser = 0\nallow = user:0\n", "no exec"},
		{0, "", "no exec"},
		{2, "[program]\nexec = /nowhere/at/all\nuser = 0\nallow = user:0\n", "does not exist"},
		{2, "[program]\nexec = /etc/passwd\nuser = 0\nallow = user:0\n", "not executable"},
		{2, "[program]\nexec = /bin\nuser = 0\nallow = user:0\n", "is a directory"},
		{3, "[program]\nexec = /bin/true\njust words\nuser = 0\nallow = user:0\n", "key = value"},
		{5, MINIMAL "argument = a ; b\n", "comment"},
	};
	char text[8192];
	size_t i;

	(void)state;
	NEEDS_TREE();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused_at(cases[i].line, cases[i].text, cases[i].what);
	(void)snprintf(text, sizeof(text), "%sargument = %06000d\n", MINIMAL, 1);
	refused_at(5, text, "a line of");
	(void)snprintf(text, sizeof(text), "%sdescription = bad \001 byte\n", MINIMAL);
	refused_at(5, text, "control character");
}

static void a_file_that_others_may_write_is_not_even_read(void **state)
{
	struct entry *e;

	(void)state;
	NEEDS_TREE();
	tree_file("d/x.conf", 0664, MINIMAL);
	assert_int_equal(load(), 0);
	e = &catalogue->entries[0];
	assert_non_null(strstr(e->refused, "chmod go-w"));
	assert_null(e->exec);
	assert_int_equal(e->nallow_uids, 0);
	catalogue_free(catalogue);
	tree_file("d/x.conf", 0644, MINIMAL);
	assert_int_equal(chown(tree_path("d/x.conf"), 64000, 0), 0);
	assert_int_equal(load(), 0);
	assert_non_null(strstr(catalogue->entries[0].refused, "64000"));
	catalogue_free(catalogue);
	tree_file("d/real", 0644, MINIMAL);
	tree_link("real", "d/x.conf");
	assert_int_equal(load(), 0);
	assert_non_null(strstr(catalogue->entries[0].refused, "symbolic link"));
}

static void a_directory_that_others_may_write_is_refused_whole(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("d/x.conf", 0644, MINIMAL);
	tree_dir("d", 0777);
	assert_int_equal(load(), -EPERM);
	assert_non_null(strstr(why, "chmod go-w"));
	tree_dir("d", 0755);
}

static void no_directory_is_an_empty_catalogue(void **state)
{
	(void)state;
	NEEDS_TREE();
	free(config.programs_directory);
	config.programs_directory = strdup(tree_path("nothing-here"));
	assert_int_equal(load(), 0);
	assert_int_equal(catalogue->nentries, 0);
	assert_null(catalogue_find(catalogue, STR("x")));
}

static void entries_are_found_by_their_exact_name(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("d/beta.conf", 0644, MINIMAL);
	tree_file("d/alpha.conf", 0644, MINIMAL);
	tree_file("d/alpha2.conf", 0644, MINIMAL);
	tree_file("d/README", 0644, "not an entry");
	tree_file("d/.alpha.conf", 0644, "an editor's");
	tree_file("d/a b.conf", 0644, MINIMAL);
	assert_int_equal(load(), 0);
	assert_int_equal(catalogue->nentries, 3);
	assert_int_equal(nrefused, 1);
	assert_string_equal(catalogue->entries[0].name, "alpha");
	assert_string_equal(catalogue_find(catalogue, STR("beta"))->name, "beta");
	assert_null(catalogue_find(catalogue, STR("alph")));
	assert_null(catalogue_find(catalogue, STR("alpha3")));
	assert_null(catalogue_find(catalogue, STR("")));
	assert_null(catalogue_find(catalogue, STR("../d/alpha")));
	assert_null(catalogue_find(catalogue,
				   STR("0123456789012345678901234567890123456789012345678901234567890123456789")));
}

static void one_bad_entry_does_not_take_the_others_along(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_file("d/a.conf", 0644, MINIMAL);
	tree_file("d/b.conf", 0644, "nonsense");
	tree_file("d/c.conf", 0644, MINIMAL);
	assert_int_equal(load(), 0);
	assert_int_equal(nrefused, 1);
	assert_null(catalogue->entries[0].refused);
	assert_non_null(catalogue->entries[1].refused);
	assert_null(catalogue->entries[2].refused);
}

static void only_who_is_named_may_start_it(void **state)
{
	struct entry e = {0};
	uid_t uids[] = {10, 11};
	gid_t gids[] = {20}, groups[] = {5, 20};

	(void)state;
	e.allow_uids = uids;
	e.nallow_uids = 2;
	e.allow_gids = gids;
	e.nallow_gids = 1;
	e.allow_roles = 4;
	assert_true(entry_allows(&e, 11, 1, NULL, 0, 0));
	assert_true(entry_allows(&e, 1, 20, NULL, 0, 0));
	assert_true(entry_allows(&e, 1, 1, groups, 2, 0));
	assert_true(entry_allows(&e, 1, 1, NULL, 0, 6));
	assert_false(entry_allows(&e, 1, 1, groups, 1, 3));
	/* No right of birth. */
	assert_false(entry_allows(&e, 0, 0, NULL, 0, 0));
	/* A gid is not a uid. */
	assert_false(entry_allows(&e, 20, 10, NULL, 0, 0));
}

/* A package upgrade: same path, another file. */
static void a_changed_executable_is_checked_again_and_run(void **state)
{
	struct entry *e;
	char text[256];
	ino_t before;

	(void)state;
	NEEDS_TREE();
	tree_file("tool", 0755, "#!/bin/sh\n");
	tree_link("tool", "link");
	(void)snprintf(text, sizeof(text), "[program]\nexec = %s\nuser = 0\nallow = user:0\n", tree_path("link"));
	e = entry_of(text);
	assert_null(e->refused);
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), 0);
	before = e->ino;
	tree_file("tool.new", 0755, "#!/bin/sh\nexit 1\n");
	assert_int_equal(rename(tree_path("tool.new"), tree_path("tool")), 0);
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), 0);
	assert_true(e->ino != before);
	/* The link leads elsewhere: that file is run, not the old one that is still there. */
	tree_file("tool2", 0755, "#!/bin/sh\n");
	tree_link("tool2", "link");
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), 0);
	assert_string_equal(e->path, tree_path("tool2"));
	assert_int_equal(chmod(tree_path("tool2"), 0775), 0);
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "chmod go-w"));
	assert_int_equal(unlink(tree_path("tool2")), 0);
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), -ENOENT);
}

/* Installed after the broker was started: no reload is needed. */
static void an_executable_that_comes_later_is_good(void **state)
{
	struct entry *e;
	char text[256];

	(void)state;
	NEEDS_TREE();
	(void)snprintf(text, sizeof(text), "[program]\nexec = %s\nuser = 0\nallow = user:0\n", tree_path("later"));
	e = entry_of(text);
	assert_non_null(e->refused);
	assert_true(e->exec_refused);
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), -ENOENT);
	tree_file("later", 0755, "#!/bin/sh\n");
	assert_int_equal(entry_check_exec(e, why, (int)sizeof(why)), 0);
	assert_null(e->refused);
	assert_string_equal(e->path, tree_path("later"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_shortest_entry_has_safe_defaults, fresh, clear),
		cmocka_unit_test_setup_teardown(every_key_is_taken, fresh, clear),
		cmocka_unit_test_setup_teardown(the_group_of_the_file_wins_over_the_users_own, fresh, clear),
		cmocka_unit_test_setup_teardown(each_mistake_is_refused_with_its_line, fresh, clear),
		cmocka_unit_test_setup_teardown(a_file_that_others_may_write_is_not_even_read, fresh, clear),
		cmocka_unit_test_setup_teardown(a_directory_that_others_may_write_is_refused_whole, fresh, clear),
		cmocka_unit_test_setup_teardown(no_directory_is_an_empty_catalogue, fresh, clear),
		cmocka_unit_test_setup_teardown(entries_are_found_by_their_exact_name, fresh, clear),
		cmocka_unit_test_setup_teardown(one_bad_entry_does_not_take_the_others_along, fresh, clear),
		cmocka_unit_test(only_who_is_named_may_start_it),
		cmocka_unit_test_setup_teardown(a_changed_executable_is_checked_again_and_run, fresh, clear),
		cmocka_unit_test_setup_teardown(an_executable_that_comes_later_is_good, fresh, clear),
	};
	int r = cmocka_run_group_tests(tests, make, tree_remove);

	free(config.programs_directory);
	return r;
}
