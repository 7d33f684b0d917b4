/* SPDX-License-Identifier: MIT */
/* The configuration: what is in it counts, and every mistake is refused with its line and a remedy. */
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

#include "../../server/common/caps.h"
#include "../../server/common/ipc.h"
#include "../../server/monitor/config.h"
#include "tree.h"

#include <sys/capability.h>

static char error[1024];

static int load(const char *text, struct config **ret)
{
	tree_file("rb.conf", 0644, text);
	error[0] = '\0';
	return config_load(tree_path("rb.conf"), ret, error, sizeof(error));
}

/* --- What is right ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *engine, *path;
} default_dirs[] = {
	{"podman", "/var/lib/containers/storage"},
	{"docker", "/var/lib/docker"},
	{"containerd", "/run/containerd/runc"},
	{"cri-o", "/var/lib/containers/storage"},
	{"crun", "/run/crun"},
	{"crun", "/run/docker/runtime-runc/moby"},
	{"runc", "/run/runc"},
	{"runc", "/run/docker/runtime-runc/moby"},
	{"youki", "/run/youki"},
	{"lxc", "/var/lib/lxc"},
	{"lxd", "/var/lib/lxd/containers"},
	{"lxd", "/var/snap/lxd/common/lxd/containers"},
	{"incus", "/var/lib/incus/containers"},
	{"nspawn", "/run/systemd/machines"},
	{"libvirt-lxc", "/run/libvirt/lxc"},
	{"apptainer", "/root/.apptainer/instances/app"},
	{"apptainer", "/root/.singularity/instances/app"},
};
#define NDEFAULTS (int)(sizeof(default_dirs) / sizeof(default_dirs[0]))

static void an_empty_file_is_the_defaults(void **state)
{
	struct config *c;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(load("", &c), 0);
	assert_string_equal(c->run_directory, RUNSTATEDIR "/rootbroker");
	assert_string_equal(c->programs_directory, SYSCONFDIR "/rootbroker/programs.d");
	assert_string_equal(c->programs_cgroup, "auto");
	assert_int_equal(c->capability_ceiling, 0);
	assert_int_equal(c->log_level, LOG_LEVEL_INFO);
	assert_int_equal(c->prefix_min, 4);
	assert_int_equal(c->max_sessions, 1024);
	assert_int_equal(c->max_sessions_per_uid, 128);
	assert_int_equal(c->max_programs, 1024);
	assert_int_equal(c->max_programs_per_uid, 256);
	assert_int_equal(c->nroles, 0);
	assert_int_equal(c->ndirs, NDEFAULTS);
	for (int i = 0; i < NDEFAULTS; i++) {
		assert_string_equal(c->dirs[i].engine, default_dirs[i].engine);
		assert_string_equal(c->dirs[i].path, default_dirs[i].path);
	}
	for (int i = 0; i < CONFINED_COUNT; i++)
		assert_int_not_equal(c->user[i].uid, 0);
	config_free(c);
}

static void every_key_is_taken(void **state)
{
	struct config *c;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(load("# comment\n; comment\n[broker]\nrun_directory = /run/x\nprograms = "
			      "/etc/x\nprograms_cgroup = /a.slice/b\n"
			      "capability_ceiling = cap_net_raw CAP_KILL\nlog_level = debug\nprefix_min = 64\n"
			      "[limits]\nsessions = 1\nsessions_per_uid = 2\nprograms = 3\nprograms_per_uid = 16384\n"
			      "[users]\nfrontend_uid = 70001\nresolver_uid = 70002\njoiner_uid = 70003\n"
			      "frontend = no-such-user-1\nresolver = no-such-user-2\njoiner = no-such-user-3\n"
			      "[engine lxc]\ndirectories = /a /b/\ndirectories = /c\n[engine podman]\ndirectories =\n"
			      "[engine crun]\n[engine docker]\ndirectories =\n[engine containerd]\ndirectories =\n"
			      "[engine cri-o]\ndirectories =\n"
			      "[role r]\nusers = nobody 1000\n  groups = root\nusers = 1001\nmay = pid hostname\n"
			      "[role all]\nusers = root\nmay = all\n[role c]\ngroups = 7\nmay = containers\n",
			      &c),
			 0);
	assert_string_equal(c->run_directory, "/run/x");
	assert_string_equal(c->programs_directory, "/etc/x");
	assert_string_equal(c->programs_cgroup, "/a.slice/b");
	assert_int_equal(c->capability_ceiling, CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_KILL));
	assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c->prefix_min, 64);
	assert_int_equal(c->max_sessions, 1);
	assert_int_equal(c->max_sessions_per_uid, 2);
	assert_int_equal(c->max_programs, 3);
	assert_int_equal(c->max_programs_per_uid, 16384);
	assert_int_equal(c->user[CONFINED_FRONTEND].uid, 70001);
	assert_int_equal(c->user[CONFINED_RESOLVER].uid, 70002);
	assert_int_equal(c->user[CONFINED_JOINER].uid, 70003);
	assert_int_equal(c->user[CONFINED_JOINER].gid, 70003);
	/* podman, docker, containerd and CRI-O are off, crun and runc have their defaults, and LXC's have no slash at the end. */
	assert_int_equal(c->ndirs, NDEFAULTS - 4 - 1 + 3);
	assert_string_equal(c->dirs[0].path, "/run/crun");
	assert_string_equal(c->dirs[2].path, "/run/runc");
	assert_string_equal(c->dirs[4].path, "/run/youki");
	assert_string_equal(c->dirs[5].path, "/a");
	assert_string_equal(c->dirs[6].path, "/b");
	assert_string_equal(c->dirs[7].path, "/c");
	assert_int_equal(c->nroles, 3);
	assert_int_equal(c->roles[0].nuids, 3);
	assert_int_equal(c->roles[0].uids[1], 1000);
	assert_int_equal(c->roles[0].ngids, 1);
	assert_int_equal(c->roles[0].gids[0], 0);
	assert_int_equal(c->roles[0].rights, RIGHT_PID | RIGHT_HOSTNAME);
	assert_int_equal(c->roles[1].rights, RIGHT_ALL);
	assert_int_equal(c->roles[2].rights, RIGHT_HOSTNAME | RIGHT_PID | RIGHT_CGROUP | RIGHT_INSPECT);
	config_free(c);
}

static void users_of_rootless_engines_are_all_none_or_these(void **state)
{
	static const struct {
		const char *text;
		bool named;
		int uids;
	} t[] = {
		{"", false, 0},
		{"[rootless]\n", false, 0},
		{"[rootless]\nusers = all\n", false, 0},
		{"[rootless]\nusers = none\n", true, 0},
		{"[rootless]\nusers =\n", true, 0},
		{"[rootless]\nusers = nobody 4711 \n", true, 2},
	};
	struct config *c;

	(void)state;
	NEEDS_TREE();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(load(t[i].text, &c), 0);
		assert_int_equal(c->rootless_named, t[i].named);
		assert_int_equal(c->nrootless_uids, t[i].uids);
		if (t[i].named && t[i].uids == 0)
			assert_int_equal(c->nrootless, 0);
		config_free(c);
	}
}

/* --- What is wrong ----------------------------------------------------------------------------------------------- */

static const struct mistake {
	int line; /* 0: of the file as a whole */
	const char *says;
	const char *text;
} mistakes[] = {
	{2, "no section [brokr]", "#\n[brokr]\nlog_level = info\n"},
	{1, "no section [engine]", "[engine]\n"},
	{1, "no section [role]", "[role]\n"},
	{1, "no engine \"rkt\"", "[engine rkt]\n"},
	{2, "no user \"no-such-user\"", "[rootless]\nusers = 1000 no-such-user\n"},
	{2, "no user \"all\"", "[rootless]\nusers = all 1000\n"},
	{3, "stands twice", "[rootless]\nusers = 1000\nusers = none\n"},
	{1, "a role needs a name", "[role a b]\nusers = 1\nmay = all\n"},
	{1, "not a section", "[broker\n"},
	{1, "not a section", "[broker] x\n"},
	{3, "stands here twice", "[broker]\n[limits]\n[broker]\n"},
	{4, "stands here twice", "[role a]\nusers = 1\nmay = all\n[role a]\nusers = 2\n"},
	{1, "before the first section", "log_level = info\n"},
	{2, "no key sesions", "[limits]\nsesions = 3\n"},
	{2, "no key sessions", "[broker]\nsessions = 3\n"},
	{3, "stands twice", "[limits]\nsessions = 3\nsessions = 4\n"},
	{2, "write key = value", "[limits]\nsessions\n"},
	{2, "write key = value", "[limits]\n= 3\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = 0\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = 16385\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = -1\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = +1\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = 12x\n"},
	{2, "from 1 to 16384", "[limits]\nsessions =\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = 18446744073709551617\n"},
	{2, "from 1 to 16384", "[limits]\nsessions = 5 # many\n"},
	{2, "from 1 to 64", "[broker]\nprefix_min = 65\n"},
	{2, "none, auto, or a path", "[broker]\nprograms_cgroup = /a/../b\n"},
	{2, "none, auto, or a path", "[broker]\nprograms_cgroup = a\n"},
	{2, "not an absolute path", "[broker]\nrun_directory = run\n"},
	{2, "not an absolute path", "[broker]\nprograms =\n"},
	{2, "not an absolute path", "[engine lxc]\ndirectories = /a b\n"},
	{2, "\"cap_nonsense\" is no capability", "[broker]\ncapability_ceiling = cap_kill cap_nonsense\n"},
	{2, "no level \"loud\"", "[broker]\nlog_level = loud\n"},
	{2, "no user \"no-such-user\"", "[users]\nfrontend = no-such-user\n"},
	{2, "must not run as root", "[users]\njoiner = root\n"},
	{2, "from 1 to", "[users]\njoiner_uid = 0\n"},
	{5, "same uid 70001",
	 "[users]\nfrontend = no-such-user\nfrontend_uid = 70001\nresolver_uid = 70001\nresolver = no-such-user\n"},
	{2, "no user \"no-such-user\"", "[role a]\nusers = no-such-user\nmay = all\n"},
	{2, "no user \"4294967295\"", "[role a]\nusers = 4294967295\nmay = all\n"},
	{2, "no group \"no-such-group\"", "[role a]\ngroups = no-such-group\nmay = all\n"},
	{3, "no right \"everything\"", "[role a]\nusers = 1\nmay = everything\n"},
	{1, "may do nothing", "[role a]\nusers = 1\n"},
	{2, "is nobody's", "#\n[role a]\nmay = all\n"},
	{2, "a comment behind a value", "[limits]\nsessions = 5 ; many\n"},
	{2, "control character", "[limits]\nsessions\r = 5\n"},
	{2, "control character", "[limits]\nsessions = 5\r\n"},
};

static void every_mistake_has_its_line_and_a_remedy(void **state)
{
	struct config *c;
	char prefix[256];

	(void)state;
	NEEDS_TREE();
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *m = &mistakes[i];

		assert_int_equal(load(m->text, &c), -EINVAL);
		(void)snprintf(prefix, sizeof(prefix), "%s:%d: ", tree_path("rb.conf"), m->line);
		if (strncmp(error, prefix, strlen(prefix)) != 0 || !strstr(error, m->says) ||
		    !strchr(error + strlen(prefix), ':'))
			fail_msg("mistake %zu: want line %d, \"%s\", a remedy; got: %s", i, m->line, m->says, error);
	}
}

static void long_lines_and_nuls_are_refused(void **state)
{
	char text[512] = "[broker]\nrun_directory = /";
	struct config *c;
	FILE *f;

	(void)state;
	NEEDS_TREE();
	memset(text + strlen(text), 'x', 300);
	assert_int_equal(load(text, &c), -EINVAL);
	assert_non_null(strstr(error, ":2: a line of "));
	/* As long as it may be: neither cut nor refused. */
	for (size_t len = 100; len < 400; len++) {
		memset(text, 0, sizeof(text));
		(void)strcpy(text, "[broker]\nrun_directory = /");
		memset(text + strlen(text), 'x', len);
		if (load(text, &c) < 0)
			break;
		assert_int_equal(strlen(c->run_directory), len + 1);
		config_free(c);
	}
	assert_non_null(strstr(error, ":2: a line of "));

	f = fopen(tree_path("rb.conf"), "w");
	assert_non_null(f);
	(void)fwrite("[broker]\nlog_level = debug\0error\n", 1, 33, f);
	(void)fclose(f);
	assert_int_equal(config_load(tree_path("rb.conf"), &c, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, ":2: "));
}

static void count_problem(void *data, const char *text)
{
	(void)text;
	++*(int *)data;
}

static void all_problems_are_told_at_once(void **state)
{
	struct config *c;
	int n = 0;

	(void)state;
	NEEDS_TREE();
	tree_file("rb.conf", 0644,
		  "[broker]\nx = 1\nlog_level = loud\n[users]\njoiner = root\n[nowhere]\ny = 2\nz = 3\n");
	assert_int_equal(config_read(tree_path("rb.conf"), &c, count_problem, &n), -EINVAL);
	/* x, loud, root, nowhere; not the keys of a section that was refused. */
	assert_int_equal(n, 4);
}

/* --- Whose file it is -------------------------------------------------------------------------------------------- */

static void refuse_owned(const char *path, const char *says)
{
	error[0] = '\0';
	assert_true(config_check_owned(path, error, sizeof(error)) < 0);
	if (!strstr(error, says))
		fail_msg("want \"%s\", got: %s", says, error);
}

static void only_what_root_alone_can_change_is_owned(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_dir("d", 0755);
	tree_file("d/f", 0644, "");
	assert_int_equal(config_check_owned(tree_path("d/f"), error, sizeof(error)), 0);
	assert_int_equal(config_check_owned(tree_path("d"), error, sizeof(error)), 0);
	assert_int_equal(config_check_owned(tree_path("d/./../d//f"), error, sizeof(error)), 0);
	assert_int_equal(config_check_owned("/", error, sizeof(error)), 0);

	(void)chmod(tree_path("d/f"), 0664);
	refuse_owned(tree_path("d/f"), "can be written by its group: chmod go-w");
	(void)chmod(tree_path("d/f"), 0646);
	refuse_owned(tree_path("d/f"), "can be written by everybody: chmod go-w");
	(void)chmod(tree_path("d/f"), 0644);
	assert_int_equal(chown(tree_path("d/f"), 65534, 0), 0);
	refuse_owned(tree_path("d/f"), "belongs to uid 65534, not to root: chown root");
	assert_int_equal(chown(tree_path("d/f"), 0, 0), 0);

	tree_dir("d", 0775);
	refuse_owned(tree_path("d/f"), "/d can be written by its group");
	/* A sticky directory lets anybody create the file that is not there. */
	tree_dir("d", 01777);
	refuse_owned(tree_path("d/f"), "/d can be written by everybody");
	tree_dir("d", 0755);
	assert_int_equal(chown(tree_path("d"), 65534, 0), 0);
	refuse_owned(tree_path("d/f"), "/d belongs to uid 65534");
	assert_int_equal(chown(tree_path("d"), 0, 0), 0);
	assert_int_equal(config_check_owned(tree_path("d/f"), error, sizeof(error)), 0);

	refuse_owned(tree_path("d/none"), "No such file");
	refuse_owned("relative", "not an absolute path");
	refuse_owned("/tmp/x", "/tmp can be written by everybody");
}

static void links_on_the_way_are_followed_and_judged(void **state)
{
	(void)state;
	NEEDS_TREE();
	tree_dir("d", 0755);
	tree_file("d/f", 0644, "");
	tree_dir("bad", 0777);
	tree_file("bad/f", 0644, "");
	tree_link("d", "link");
	tree_link(tree_path("d"), "absolute");
	tree_link("../bad", "d/tobad");
	tree_link("f", "d/last");
	tree_link("loop", "loop");
	assert_int_equal(config_check_owned(tree_path("link/f"), error, sizeof(error)), 0);
	assert_int_equal(config_check_owned(tree_path("absolute/f"), error, sizeof(error)), 0);
	assert_int_equal(config_check_owned(tree_path("link/../d/f"), error, sizeof(error)), 0);
	refuse_owned(tree_path("d/tobad/f"), "/bad can be written by everybody");
	refuse_owned(tree_path("link/last"), "is a symbolic link");
	refuse_owned(tree_path("loop/f"), "");
	/* The parent of what the link leads to, not of the link. */
	tree_dir("deep", 0755);
	tree_dir("deep/er", 0755);
	tree_file("deep/f", 0644, "");
	tree_link("deep/er", "jump");
	assert_int_equal(config_check_owned(tree_path("jump/../f"), error, sizeof(error)), 0);
}

static void a_file_that_others_can_write_is_not_read(void **state)
{
	struct config *c;

	(void)state;
	NEEDS_TREE();
	assert_int_equal(load("", &c), 0);
	config_free(c);
	(void)chmod(tree_path("rb.conf"), 0664);
	assert_true(config_load(tree_path("rb.conf"), &c, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "can be written by its group: chmod go-w"));
	(void)unlink(tree_path("rb.conf"));
	assert_true(config_load(tree_path("rb.conf"), &c, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "no such file"));
	tree_dir("rb.conf", 0755);
	assert_true(config_load(tree_path("rb.conf"), &c, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "not a file"));
	(void)rmdir(tree_path("rb.conf"));
	/* Opening this would wait for a writer. */
	assert_int_equal(mkfifo(tree_path("rb.conf"), 0644), 0);
	assert_true(config_load(tree_path("rb.conf"), &c, error, sizeof(error)) < 0);
	(void)unlink(tree_path("rb.conf"));
}

static void the_shipped_file_is_the_defaults_and_two_roles(void **state)
{
	static const char *const users[] = {"\nfrontend = ", "\nresolver = ", "\njoiner = "};
	static char text[16384];
	struct config *c;
	char *role;
	FILE *f = fopen("server/config/rootbroker.conf", "r");
	size_t n;

	(void)state;
	NEEDS_TREE();
	if (!f)
		skip();
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	assert_in_range(n, 1, sizeof(text) - 2);
	text[n] = '\0';
	/* The installation creates the group. */
	role = strstr(text, "groups = rootbroker");
	assert_non_null(role);
	memcpy(role, "groups = 12345     ", strlen("groups = rootbroker"));
	if (load(text, &c) < 0)
		fail_msg("%s", error);
	assert_int_equal(c->nroles, 2);
	assert_string_equal(c->roles[0].name, "administrator");
	assert_int_equal(c->roles[0].rights, RIGHT_ALL);
	assert_string_equal(c->roles[1].name, "agents");
	assert_int_equal(c->roles[1].rights, RIGHT_HOSTNAME | RIGHT_PID | RIGHT_CGROUP | RIGHT_INSPECT);
	assert_int_equal(c->ndirs, NDEFAULTS);
	config_free(c);

	/* Each commented key says what holds without it. */
	for (char *p = text; (p = strstr(p, "\n#")); p++) {
		if (p[2] >= 'a' && p[2] <= 'z' && strchr(p + 2, '\n') && strstr(p + 2, " = ") &&
		    strstr(p + 2, " = ") < strchr(p + 2, '\n'))
			memmove(p + 1, p + 2, strlen(p + 2) + 1);
	}
	/* Those accounts need not be here. */
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		char *p = strstr(text, users[i]);

		assert_non_null(p);
		p[1] = '#';
	}
	if (load(text, &c) < 0)
		fail_msg("%s", error);
	assert_int_equal(c->max_sessions, 1024);
	assert_int_equal(c->user[CONFINED_JOINER].uid, 64103);
	assert_int_equal(c->ndirs, NDEFAULTS);
	config_free(c);
}

static void users_are_names_or_numbers(void **state)
{
	uid_t uid;
	gid_t gid;

	(void)state;
	assert_int_equal(config_find_user("root", &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(config_find_user("0", &uid, &gid), 0);
	assert_int_equal(gid, 0);
	assert_int_equal(config_find_user("3999999999", &uid, &gid), 0);
	assert_int_equal(uid, 3999999999u);
	assert_int_equal(config_find_user("4294967295", &uid, &gid), -ENOENT);
	assert_int_equal(config_find_user("4294967296", &uid, &gid), -ENOENT);
	assert_int_equal(config_find_user("-1", &uid, &gid), -ENOENT);
	assert_int_equal(config_find_user("", &uid, &gid), -ENOENT);
	assert_int_equal(config_find_user("root:x", &uid, &gid), -ENOENT);
	assert_int_equal(config_find_group("root", &gid), 0);
	assert_int_equal(gid, 0);
	assert_int_equal(config_find_group("no-such-group", &gid), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_the_defaults),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(users_of_rootless_engines_are_all_none_or_these),
		cmocka_unit_test(every_mistake_has_its_line_and_a_remedy),
		cmocka_unit_test(long_lines_and_nuls_are_refused),
		cmocka_unit_test(all_problems_are_told_at_once),
		cmocka_unit_test(only_what_root_alone_can_change_is_owned),
		cmocka_unit_test(links_on_the_way_are_followed_and_judged),
		cmocka_unit_test(a_file_that_others_can_write_is_not_read),
		cmocka_unit_test(the_shipped_file_is_the_defaults_and_two_roles),
		cmocka_unit_test(users_are_names_or_numbers),
	};

	return cmocka_run_group_tests(tests, tree_make, tree_remove);
}
