/* SPDX-License-Identifier: MIT */
/* What is defended: whose engines are watched, from /etc/passwd and /etc/subuid as root and his tools leave them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/monitor/rootless.h"
#include "tree.h"

#define PASSWD                                                                                                      \
	"root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:A:/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:\n" \
	"toor:x:0:0::/root:\ncarol:x:1002:1002::/srv/carol:\n"

static struct config c;

static int load(const char *passwd, const char *subuid)
{
	char *where;
	int r;

	tree_file("passwd", 0644, passwd);
	tree_file("subuid", 0644, subuid);
	where = strdup(tree_path("passwd"));
	assert_non_null(where);
	r = rootless_load(&c, where, tree_path("subuid"));
	free(where);
	return r;
}

static int start(void **state)
{
	(void)state;
	c = (struct config){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	rootless_free(&c);
	return 0;
}

static const struct config_rootless *user(uid_t uid)
{
	for (int i = 0; i < c.nrootless; i++) {
		if (c.rootless[i].uid == uid)
			return &c.rootless[i];
	}
	return NULL;
}

static const char *name_of(uid_t uid)
{
	const struct config_rootless *u = user(uid);

	return u ? u->name : "nobody";
}

static void all_who_have_a_range_are_watched(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(load(PASSWD, "alice:100000:65536\nroot:1:65536\ntoor:5000:1\n# comment\n\nbob:200000:65536\n"
				      "alice:300000:1\n1001:400000:2\nnobody-here:1:2\n4711:500000:65536\n"),
			 0);
	assert_int_equal(c.nrootless, 2);
	assert_string_equal(c.rootless[0].name, "alice");
	assert_string_equal(c.rootless[0].home, "/home/alice");
	assert_int_equal(c.rootless[0].nranges, 2);
	assert_int_equal(c.rootless[0].ranges[1].first, 300000);
	assert_int_equal(c.rootless[0].ranges[1].count, 1);
	assert_int_equal(c.rootless[1].uid, 1001); /* by name, and by number */
	assert_int_equal(c.rootless[1].nranges, 2);
	assert_null(user(0)); /* the system's engines are root's, whatever stands there */
}

static void a_list_narrows_it_and_none_is_nobody(void **state)
{
	(void)state;
	NEEDS_TREE();
	c.rootless_named = true;
	assert_int_equal(load(PASSWD, "alice:100000:65536\n"), 0);
	assert_int_equal(c.nrootless, 0);
	c.rootless_uids = calloc(3, sizeof(uid_t));
	assert_non_null(c.rootless_uids);
	c.rootless_uids[0] = 1001;
	c.rootless_uids[1] = 0;
	c.rootless_uids[2] = 4711; /* without a line, he has no home */
	c.nrootless_uids = 3;
	assert_int_equal(load(PASSWD, "alice:100000:65536\n"), 0);
	assert_int_equal(c.nrootless, 1);
	assert_int_equal(c.rootless[0].uid, 1001);
	assert_int_equal(c.rootless[0].nranges, 0); /* but his own uid */
}

static void garbage_is_ignored_line_by_line(void **state)
{
	char text[16384], longer[4000];

	(void)state;
	NEEDS_TREE();
	memset(longer, '9', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)snprintf(
		text, sizeof(text),
		"alice\nalice:\nalice:1\nalice:1:\nalice::2\n:1:2\nalice:x:2\nalice:1:y\nalice:-1:2\nalice:1:-2\n"
		"alice:0:1\nalice:0:65536\nalice:5:0\nalice:4294967295:1\nalice:4294967294:2\nalice:99999999999:1\n"
		"alice:%s:1\nalice:1:%s\n%s:1:1\nalice:1:2:3\nalice: 1:2\nalice:1:2 \n\xff\xfe:1:2\nbob:7:8",
		longer, longer, longer);
	assert_int_equal(load(PASSWD, text), 0);
	assert_int_equal(c.nrootless, 1); /* the last line, without its end */
	assert_string_equal(c.rootless[0].name, "bob");
	assert_int_equal(c.rootless[0].ranges[0].first, 7);
	assert_int_equal(c.rootless[0].ranges[0].count, 8);
}

static void accounts_that_cannot_be_used(void **state)
{
	char text[4096], home[1200];

	(void)state;
	NEEDS_TREE();
	memset(home, 'h', sizeof(home) - 1);
	home[sizeof(home) - 1] = '\0';
	(void)snprintf(
		text, sizeof(text),
		"relative:x:2001:1::home/x:\nempty:x:2002:1:::\nlong:x:2003:1::/%s:\nsame:x:2004:1::/"
		"first:\nagain:x:2004:1::/second:\n"
		"at@sign:x:2005:1::/"
		"at:\nthis-name-has-more-bytes-than-a-record-can-hold-and-so-it-is-told-by-number:x:2006:1::/l:\n"
		"a/b:x:2007:1::/ab:\ngarbage\n:::::\n",
		home);
	assert_int_equal(load(text, "2001:1:2\n2002:1:2\n2003:1:2\n2004:1:2\n2005:1:2\n2006:1:2\n2007:1:2\n"), 0);
	assert_int_equal(c.nrootless, 4);
	assert_string_equal(c.rootless[0].home, "/first");
	assert_string_equal(name_of(2005), "2005");
	assert_string_equal(name_of(2006), "2006");
	assert_string_equal(name_of(2007), "2007");
}

static void files_that_are_not_there_or_not_roots_give_nobody(void **state)
{
	char *passwd;

	(void)state;
	NEEDS_TREE();
	tree_file("passwd", 0644, PASSWD);
	tree_file("open", 0666, "alice:100000:65536\n");
	assert_int_equal(chmod(tree_path("open"), 0666), 0);
	passwd = strdup(tree_path("passwd"));
	assert_non_null(passwd);
	assert_int_equal(rootless_load(&c, passwd, tree_path("none")), 0);
	assert_int_equal(c.nrootless, 0);
	free(c.rootless);
	assert_int_equal(rootless_load(&c, passwd, tree_path("open")), 0); /* others can write it */
	assert_int_equal(c.nrootless, 0);
	free(c.rootless);
	assert_int_equal(load(PASSWD, "alice:100000:65536\n"), 0);
	assert_int_equal(c.nrootless, 1);
	free(passwd);
}

static char *many(int n, void (*line)(FILE *f, int i))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (int i = 0; f && i < n; i++)
		line(f, i);
	if (!f || fclose(f) != 0)
		abort();
	return text;
}

static void account(FILE *f, int i)
{
	(void)fprintf(f, "u%d:x:%d:1::/home/%d:\n", i, i + 10000, i);
}

static void grant(FILE *f, int i)
{
	(void)fprintf(f, "u%d:%d:1\n", i, i + 10000);
}

static void grant_of_alice(FILE *f, int i)
{
	(void)fprintf(f, "alice:%d:1\n", i + 10000);
}

static void load_many(char *passwd, char *subuid)
{
	rootless_free(&c);
	c = (struct config){0};
	if (!passwd || !subuid)
		abort();
	assert_int_equal(load(passwd, subuid), 0);
	free(passwd);
	free(subuid);
}

static void there_are_limits(void **state)
{
	(void)state;
	NEEDS_TREE();
	load_many(many(CONFIG_ROOTLESS_MAX + 44, account), many(CONFIG_ROOTLESS_MAX + 44, grant));
	assert_int_equal(c.nrootless, CONFIG_ROOTLESS_MAX);
	load_many(strdup(PASSWD), many(CONFIG_RANGES_MAX + 5, grant_of_alice));
	assert_int_equal(c.rootless[0].nranges, CONFIG_RANGES_MAX);
	load_many(strdup(PASSWD), many(5000, grant));
	assert_int_equal(c.nrootless, 0);
}

/* --- Arguments ---------------------------------------------------------------------------------------------------- */

static bool is_among(char **all, const char *text)
{
	for (; *all; all++) {
		if (strcmp(*all, text) == 0)
			return true;
	}
	return false;
}

static void free_all(char **all)
{
	for (char **p = all; *p; p++)
		free(*p);
	free(all);
}

static void the_resolver_is_told_a_user_and_then_his_directories(void **state)
{
	char podman[] = "podman", graph_root[] = "/var/lib/containers/storage", crun[] = "crun",
	     configured[] = "/run/user/1001/crun";
	char **all;
	size_t n;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(load(PASSWD, "alice:100000:65536\nalice:300000:2\nbob:200000:65536\n"), 0);
	c.dirs[0] = (struct engine_dir){.engine = podman, .path = graph_root};
	c.dirs[1] = (struct engine_dir){.engine = crun, .path = configured};
	c.ndirs = 2;
	all = rootless_arguments(&c);
	assert_non_null(all);
	assert_string_equal(all[0], "@1000:alice:100000+65536,300000+2");
	assert_string_equal(all[1], "podman@1000=/home/alice/.local/share/containers/storage");
	assert_true(is_among(all, "crun@1000=/run/user/1000/crun"));
	assert_true(is_among(all, "crun@1000=/tmp/podman-run-1000/crun"));
	assert_true(is_among(all, "@1001:bob:200000+65536"));
	for (n = 0; all[n]; n++) {
		/* Off are docker and runc, which the administrator has not left on; and what he has configured himself. */
		assert_true(strncmp(all[n], "docker", 6) != 0 && strncmp(all[n], "runc", 4) != 0);
		assert_string_not_equal(all[n], "crun@1001=/run/user/1001/crun");
	}
	assert_true(n > 5);
	free_all(all);
	c.ndirs = 0;
	rootless_free(&c);
	c = (struct config){0};
	all = rootless_arguments(&c);
	assert_non_null(all);
	assert_null(all[0]);
	free_all(all);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_who_have_a_range_are_watched),
		T(a_list_narrows_it_and_none_is_nobody),
		T(garbage_is_ignored_line_by_line),
		T(accounts_that_cannot_be_used),
		T(files_that_are_not_there_or_not_roots_give_nobody),
		T(there_are_limits),
		T(the_resolver_is_told_a_user_and_then_his_directories),
	};

	return cmocka_run_group_tests_name("rootless", tests, tree_make, tree_remove);
}
