/* SPDX-License-Identifier: MIT */
/* What is defended: a machine's file is a claim; its leader counts only as long as nothing says that it is another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/procfd.h"
#include "resolver_rig.h"

#define UNIT "systemd-nspawn@smp.service"
#define CGROUPS \
	"8:memory:/elsewhere\n9:name=systemd:/machine.slice/" UNIT "/payload\n0::/machine.slice/" UNIT "/payload\n"
#define CGROUP "/machine.slice/" UNIT "/payload"
#define STARTED 1000 /* ticks */
#define REGISTERED "MONOTONIC=10000000" /* the same moment, in microseconds */

static const char *const fixtures[] = {"debian12-v1/machine", "debian12-v2/machine", "debian13-v2/machine"};

/* A fixture about @pid. */
static char *machine(const char *fixture, const char *name, pid_t pid)
{
	char line[300], *text = rig_text(fixture), *at;

	(void)snprintf(line, sizeof(line), "NAME=%s", name);
	text = rig_replace(text, "NAME=smp", line);
	at = strstr(text, "LEADER=");
	assert_non_null(at);
	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	at = strdup(line);
	(void)snprintf(line, sizeof(line), "LEADER=%d", (int)pid);
	text = rig_replace(text, at, line);
	free(at);
	at = strstr(text, "MONOTONIC=");
	assert_non_null(at);
	at = strndup(at, strcspn(at, "\n"));
	text = rig_replace(text, at, REGISTERED);
	free(at);
	return text;
}

static void put(const struct rig *g, const char *name, const char *text)
{
	char path[300], hidden[300];

	/* As machined does it: ".#NAME" and six letters, renamed. */
	(void)snprintf(path, sizeof(path), "machines/%s", name);
	(void)snprintf(hidden, sizeof(hidden), "machines/.#%sabcdef", name);
	rig_scribble(g, hidden, text, strlen(text));
	assert_int_equal(rename(rig_path(g, hidden), rig_path(g, path)), 0);
}

static void put_machine(const struct rig *g, const char *name, pid_t pid)
{
	char *text = machine(fixtures[0], name, pid);

	put(g, name, text);
	free(text);
}

static void process(struct rig *g, pid_t pid)
{
	rig_process(g, &(struct rig_process){pid, 1, STARTED, "sleep", CGROUPS});
}

/* @cgroup: where the leader is. */
static void assert_running(const struct rig *g, const char *name, pid_t pid, const char *cgroup)
{
	const struct rig_record *r = rig_find(g, "nspawn", name);

	assert_non_null(r);
	assert_int_equal(r->state, ROOT_CONTAINER_RUNNING);
	assert_int_equal(r->pid, pid);
	assert_string_equal(r->init_cgroup[0] ? r->init_cgroup : r->cgroup, cgroup);
	assert_null(strstr(r->cgroup, "/payload")); /* the unit's is the container's own */
	assert_string_equal(r->name, name);
	assert_int_equal(r->owner, 77);
}

static void assert_stopped(const struct rig *g, const char *name)
{
	const struct rig_record *r = rig_find(g, "nspawn", name);

	assert_non_null(r);
	assert_int_equal(r->state, ROOT_CONTAINER_STOPPED);
	assert_int_equal(r->pid, 0);
}

static void every_version_of_the_files_is_understood(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char name[16], *text;

	child_start(&c);
	process(g, c.pid);
	rig_mkdir(g, "machines");
	put_machine(g, "before", c.pid);
	(void)rig_engine(g, "nspawn", "machines");
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		(void)snprintf(name, sizeof(name), "m%zu", i);
		text = machine(fixtures[i], name, c.pid);
		put(g, name, text);
		free(text);
	}
	assert_int_equal(symlink("m0", rig_path(g, "machines/unit:" UNIT)), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 4);
	assert_running(g, "before", c.pid, CGROUP);
	assert_running(g, "m0", c.pid, CGROUP);
	assert_running(g, "m1", c.pid, CGROUP);
	assert_running(g, "m2", c.pid, CGROUP);
	rig_round(g);
	assert_int_equal(g->puts + g->removes, 0);
	child_end(&c);
	rig_round(g);
	assert_stopped(g, "m0"); /* and the file is there still */
	assert_int_equal(unlink(rig_path(g, "machines/m0")), 0);
	rig_round(g);
	assert_null(rig_find(g, "nspawn", "m0"));
	assert_stopped(g, "m1");
}

static void a_process_that_began_later_is_another(void **state)
{
	struct rig *g = *state;
	struct timespec boot, mono;
	struct rig_child c;
	uint64_t slept;

	child_start(&c);
	(void)rig_engine(g, "nspawn", "machines");
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot) | clock_gettime(CLOCK_MONOTONIC, &mono), 0);
	/* What the host was suspended for may have been before. */
	slept = (uint64_t)(boot.tv_sec - mono.tv_sec) * (uint64_t)sysconf(_SC_CLK_TCK);
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED + slept + 200, "sleep", CGROUPS});
	put_machine(g, "a", c.pid);
	rig_round(g);
	assert_stopped(g, "a");
	process(g, c.pid);
	put_machine(g, "a", c.pid);
	rig_round(g);
	assert_running(g, "a", c.pid, CGROUP);
	child_end(&c);
}

static void a_process_that_is_in_another_unit_is_another(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"0::/machine.slice/" UNIT "\n", true},
		{"0::/machine.slice/_" UNIT "/x\n", true},
		{"9:name=systemd:/" UNIT "\n0::/\n", true},
		{"0::/\n", false},
		{"0::/machine.slice\n", false},
		{"0::/machine.slice/x" UNIT "\n", false},
		{"0::/machine.slice/" UNIT "x/payload\n", false},
		{"0::/machine.slice/a:" UNIT "\n", false},
	};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	(void)rig_engine(g, "nspawn", "machines");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", cases[i].text});
		put_machine(g, "a", c.pid);
		rig_round(g);
		if (cases[i].good)
			assert_int_equal(rig_find(g, "nspawn", "a")->pid, c.pid);
		else
			assert_stopped(g, "a");
	}
	child_end(&c);
}

static char *numbered(const struct rig_child *c, uint64_t number)
{
	char line[64];

	(void)snprintf(line, sizeof(line), REGISTERED "\nLEADER_PIDFDID=%llu", (unsigned long long)number);
	return rig_replace(machine(fixtures[2], "a", c->pid), REGISTERED, line);
}

static void the_number_of_a_pidfd_settles_it(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	uint64_t inode;
	char *text;
	int fd;

	child_start(&c);
	fd = procfd_open(c.pid);
	inode = procfd_inode(fd);
	(void)close(fd);
	process(g, c.pid);
	(void)rig_engine(g, "nspawn", "machines");
	put(g, "a", text = numbered(&c, inode ? inode : 5));
	rig_round(g);
	assert_running(g, "a", c.pid, CGROUP);
	/* A machine without a unit is known by that alone, or not at all. */
	put(g, "a", text = rig_replace(text, "SCOPE=" UNIT "\n", ""));
	free(text);
	rig_round(g);
	if (inode)
		assert_int_equal(rig_find(g, "nspawn", "a")->pid, c.pid);
	else
		assert_stopped(g, "a");
	put(g, "a", text = numbered(&c, inode + 1));
	free(text);
	rig_round(g);
	if (inode)
		assert_stopped(g, "a");
	put(g, "a", text = rig_replace(machine(fixtures[0], "a", c.pid), "SCOPE=" UNIT "\n", ""));
	free(text);
	rig_round(g);
	assert_stopped(g, "a");
	child_end(&c);
}

static void values_are_escaped(void **state)
{
	static const struct {
		const char *written, *cgroup; /* NULL: not understood */
	} cases[] = {
		{"machine-lxc\\\\x2d1\\\\x2dv1.scope", "/machine.slice/machine-lxc\\x2d1\\x2dv1.scope/libvirt"},
		{"\"machine-a\\\\x2db.scope\"", "/machine.slice/machine-a\\x2db.scope/payload"},
		{"\"a b\\$\\`\\\".scope\"", "/machine.slice/a b$`\".scope"},
		{"a\\x2db\\055c.scope", "/machine.slice/a-b-c.scope"},
		{"a\\tb.scope", "/machine.slice/a\tb.scope"},
		{"a\\", NULL},
		{"a\\x2", NULL},
		{"a\\xzz", NULL},
		{"a\\x00", NULL},
		{"a\\777", NULL},
		{"\"a", NULL},
		{"\"a\"b", NULL},
	};
	struct rig *g = *state;
	struct rig_child c;
	char line[300], *text;

	child_start(&c);
	(void)rig_engine(g, "nspawn", "machines");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(line, sizeof(line), "0::%s\n", cases[i].cgroup ? cases[i].cgroup : "/");
		rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", line});
		(void)snprintf(line, sizeof(line), "SCOPE=%s", cases[i].written);
		put(g, "a", text = rig_replace(machine(fixtures[0], "a", c.pid), "SCOPE=" UNIT, line));
		free(text);
		rig_round(g);
		if (cases[i].cgroup)
			assert_running(g, "a", c.pid, cases[i].cgroup);
		else
			assert_null(rig_find(g, "nspawn", "a"));
		assert_int_equal(unlink(rig_path(g, "machines/a")), 0);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
	child_end(&c);
}

static void what_is_no_container_of_ours_is_not_listed(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char *text;

	child_start(&c);
	process(g, c.pid);
	(void)rig_engine(g, "nspawn", "machines");
	put(g, "vm", text = rig_replace(machine(fixtures[0], "vm", c.pid), "CLASS=container", "CLASS=vm"));
	free(text);
	put(g, "lxc-1-v",
	    text = rig_replace(machine(fixtures[0], "lxc-1-v", c.pid), "SERVICE=systemd-nspawn",
			       "SERVICE=libvirt-lxc"));
	free(text);
	put_machine(g, ".host", c.pid);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	/* One that was a container before. */
	put_machine(g, "vm", c.pid);
	rig_round(g);
	assert_running(g, "vm", c.pid, CGROUP);
	put(g, "vm", text = rig_replace(machine(fixtures[0], "vm", c.pid), "CLASS=container", "CLASS=vm"));
	free(text);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	child_end(&c);
}

/* Files of systemd's own slices; one that libvirt had registered. */
static void units_of_systemd(void **state)
{
	static const struct {
		const char *fixture, *name, *from, *to, *cgroup;
	} cases[] = {
		{"systemd-v2/machine", "m2", "NAME=m2", "NAME=m2", "/machine.slice/machine-m2.scope/payload"},
		{"systemd-v2/machine-libvirt", "lxc-1124-v1", "SERVICE=libvirt-lxc", "SERVICE=another",
		 "/machine.slice/machine-lxc\\x2d1124\\x2dv1.scope/libvirt"},
	};
	struct rig *g = *state;
	struct rig_child c;
	char text[128], *file;

	child_start(&c);
	(void)rig_engine(g, "nspawn", "machines");
	put(g, "lxc-1124-v1", file = rig_text(cases[1].fixture));
	free(file);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	for (size_t i = 0; i < 2; i++) {
		char *leader;

		(void)snprintf(text, sizeof(text), "0::%s\n", cases[i].cgroup);
		rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "init", text});
		file = rig_replace(rig_text(cases[i].fixture), cases[i].from, cases[i].to);
		leader = strstr(file, "LEADER=");
		assert_non_null(leader);
		leader = strndup(leader, strcspn(leader, "\n"));
		(void)snprintf(text, sizeof(text), "LEADER=%d", (int)c.pid);
		put(g, cases[i].name, file = rig_replace(file, leader, text));
		free(leader);
		free(file);
		rig_round(g);
		assert_running(g, cases[i].name, c.pid, cases[i].cgroup);
	}
	child_end(&c);
}

/* It is registered, and then moved, which no file tells. */
static void a_leader_that_moves_is_followed(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char root[200];

	child_start(&c);
	(void)strcpy(root, rig_path(g, "cgroup"));
	g->ctx.cgroup_root = root;
	rig_mkdir(g, "cgroup");
	rig_mkdir(g, "cgroup/unified");
	rig_mkdir(g, "cgroup/unified/" UNIT);
	(void)rig_engine(g, "nspawn", "machines");
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", "8:memory:/x\n0::/" UNIT "\n"});
	put_machine(g, "a", c.pid);
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT);
	rig_mkdir(g, "cgroup/unified/" UNIT "/payload");
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT);
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", "8:memory:/x\n0::/" UNIT "/payload\n"});
	rig_scribble(g, "cgroup/unified/" UNIT "/payload/cgroup.procs", "1", 1);
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT "/payload");
	rig_mkdir(g, "cgroup/unified/" UNIT "/payload/init.scope");
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", "0::/" UNIT "/payload/init.scope\n"});
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT "/payload/init.scope");
	/* Another time, where payload is left. */
	assert_int_equal(unlink(rig_path(g, "machines/a")), 0);
	rig_round(g);
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", "0::/" UNIT "\n"});
	put_machine(g, "a", c.pid);
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT);
	rig_process(g, &(struct rig_process){c.pid, 1, STARTED, "sleep", "0::/" UNIT "/payload\n"});
	rig_scribble(g, "cgroup/unified/" UNIT "/payload/cgroup.procs", "1", 1);
	rig_round(g);
	assert_running(g, "a", c.pid, "/" UNIT "/payload");
	rig_rmtree(g, "cgroup");
	rig_round(g);
	child_end(&c);
	rig_round(g);
	assert_stopped(g, "a");
}

static void half_a_file_changes_nothing(void **state)
{
	struct rig *g = *state;
	struct rig_child c;
	char *text;

	child_start(&c);
	process(g, c.pid);
	(void)rig_engine(g, "nspawn", "machines");
	text = machine(fixtures[2], "a", c.pid);
	for (size_t n = 0; n < strlen(text); n++) {
		rig_scribble(g, "machines/a", text, n);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
	rig_scribble(g, "machines/a", text, strlen(text));
	rig_round(g);
	assert_running(g, "a", c.pid, CGROUP);
	for (size_t n = 0; n < strlen(text); n++) {
		rig_scribble(g, "machines/a", text, n);
		rig_round(g);
		assert_int_equal(g->puts + g->removes, 0);
	}
	free(text);
	child_end(&c);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} bad[] = {
		{"NAME=a\n", "NAME=b\n"},
		{"NAME=a\n", ""},
		{"NAME=a\n", "NAME=a\nNAME=a\n"},
		{"NAME=a\n", "NAME=a\nnothing\n"},
		{"CLASS=container\n", ""},
		{"CLASS=container\n", "CLASS=container\nLEADER=2\n"},
		{"LEADER=", "LEADER=-"},
		{"LEADER=", "LEADER=+"},
		{"LEADER=", "LEADER= "},
		{"LEADER=", "LEADER=0x"},
		{"LEADER=", "LEADER=99999999999"},
		{"LEADER=", "XLEADER="},
		{REGISTERED, "MONOTONIC="},
		{REGISTERED, "MONOTONIC=99999999999999999999"},
		{REGISTERED, REGISTERED "\nLEADER_PIDFDID=x"},
	};
	struct rig *g = *state;
	struct rig_child c;

	child_start(&c);
	process(g, c.pid);
	(void)rig_engine(g, "nspawn", "machines");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = rig_replace(machine(fixtures[0], "a", c.pid), bad[i].from, bad[i].to);

		put(g, "a", text);
		free(text);
		rig_round(g);
		if (g->nrecords != 0)
			fail_msg("%s: taken", bad[i].to);
	}
	rig_put(g, "machines/a", "NAME=a\0\n", 8);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	put_machine(g, "a", 1); /* the host's init is nobody's container */
	rig_round(g);
	assert_stopped(g, "a");
	child_end(&c);
}

static void the_same_name_again_is_another_machine(void **state)
{
	struct rig *g = *state;
	struct engine_dir *d = rig_engine(g, "nspawn", "machines");
	struct rig_child c, e;
	uint64_t rid;

	child_start(&c);
	child_start(&e);
	process(g, c.pid);
	process(g, e.pid);
	put_machine(g, "a", c.pid);
	rig_round(g);
	rid = rig_find(g, "nspawn", "a")->rid;
	assert_int_equal(unlink(rig_path(g, "machines/a")), 0);
	put_machine(g, "a", e.pid);
	rig_round(g);
	assert_running(g, "a", e.pid, CGROUP);
	assert_true(rig_find(g, "nspawn", "a")->rid > rid);
	/* The same once more, with the events lost. */
	assert_int_equal(unlink(rig_path(g, "machines/a")), 0);
	put_machine(g, "b", c.pid);
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0)
		;
	d->engine->rescan(d);
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_running(g, "b", c.pid, CGROUP);
	child_end(&c);
	child_end(&e);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_version_of_the_files_is_understood),
		T(a_process_that_began_later_is_another),
		T(a_process_that_is_in_another_unit_is_another),
		T(the_number_of_a_pidfd_settles_it),
		T(values_are_escaped),
		T(what_is_no_container_of_ours_is_not_listed),
		T(units_of_systemd),
		T(a_leader_that_moves_is_followed),
		T(half_a_file_changes_nothing),
		T(nonsense_is_refused),
		T(the_same_name_again_is_another_machine),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_nspawn", tests, NULL, NULL);
}
