/* SPDX-License-Identifier: MIT */
/* What is defended: a domain's file is a claim; its init counts only as the child of the controller that holds the lock. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver_rig.h"

#define FIXTURE "debian12-v1/libvirt-domain.xml"
#define UUID "b6ee337c-7413-4743-9541-ee79dc83b423"
#define CGROUPS "7:freezer:/machine/lxc-1-smp.libvirt-lxc\n4:memory:/machine/lxc-1-smp.libvirt-lxc\n0::/\n"
#define CGROUP "/machine/lxc-1-smp.libvirt-lxc"

/* A process that locks libvirt/NAME.pid, as libvirt_lxc does. */
static void controller_start(const struct rig *g, struct rig_child *c, const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char file[300], text[16], byte;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	(void)snprintf(file, sizeof(file), "libvirt/%s.pid", name);
	*c = (struct rig_child){.pid = fork()};
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		int fd;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(rig_path(g, file), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		(void)snprintf(text, sizeof(text), "%d", (int)getpid());
		if (fd < 0 || write(fd, text, strlen(text)) < 0 || fcntl(fd, F_SETLK, &lock) < 0 ||
		    write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
}

static char *domain(const char *name, const char *state, pid_t controller, pid_t init)
{
	char text[300], *file = rig_text(FIXTURE);

	(void)snprintf(text, sizeof(text), "<name>%s</name>", name);
	file = rig_replace(file, "<name>smp</name>", text);
	(void)snprintf(text, sizeof(text), "state='%s'", state);
	file = rig_replace(file, "state='running'", text);
	(void)snprintf(text, sizeof(text), "'%d'", (int)controller);
	file = rig_replace(file, "'18947'", text);
	(void)snprintf(text, sizeof(text), "'%d'", (int)init);
	return rig_replace(file, "'18948'", text);
}

static void put(const struct rig *g, const char *name, char *text)
{
	char file[300], fresh[300];

	(void)snprintf(file, sizeof(file), "libvirt/%s.xml", name);
	(void)snprintf(fresh, sizeof(fresh), "libvirt/%s.xml.new", name);
	rig_scribble(g, fresh, text, strlen(text));
	assert_int_equal(rename(rig_path(g, fresh), rig_path(g, file)), 0);
	free(text);
}

/* A domain of that name, as it should be. */
struct pair {
	struct rig_child controller, init;
};

static void processes(struct rig *g, const struct pair *p, pid_t parent, const char *comm)
{
	rig_process(g, &(struct rig_process){p->init.pid, parent, 1000, "sleep", CGROUPS});
	rig_process(g, &(struct rig_process){p->controller.pid, 1, 900, comm, "0::/\n"});
}

static void pair_start(struct rig *g, struct pair *p, const char *name)
{
	controller_start(g, &p->controller, name);
	child_start(&p->init);
	processes(g, p, p->controller.pid, "libvirt_lxc");
}

static void pair_end(struct pair *p)
{
	child_end(&p->init);
	child_end(&p->controller);
}

static const struct rig_record *assert_init(const struct rig *g, uint32_t state, pid_t pid)
{
	const struct rig_record *r = rig_find(g, "libvirt-lxc", UUID);

	assert_non_null(r);
	assert_int_equal(r->state, state);
	assert_int_equal(r->pid, pid);
	assert_int_equal(r->owner, 77);
	if (pid)
		assert_string_equal(r->cgroup, CGROUP);
	return r;
}

static void from_start_to_end(void **state)
{
	struct rig *g = *state;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	put(g, "web", domain("web", "running", p.controller.pid, 0)); /* what is written first */
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	assert_string_equal(assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid)->name, "web");
	rig_round(g);
	assert_int_equal(g->puts + g->removes, 0);
	put(g, "web", domain("web", "paused", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_PAUSED, p.init.pid);
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid);
	put(g, "web", domain("web", "shutdown", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPING, p.init.pid);
	put(g, "web", domain("web", "shutoff", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	pair_end(&p);
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0); /* whatever the file says */
	assert_int_equal(unlink(rig_path(g, "libvirt/web.xml")), 0);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
}

static void what_was_there_before_is_found(void **state)
{
	struct rig *g = *state;
	struct pair p;

	rig_mkdir(g, "libvirt");
	rig_put(g, "libvirt/driver.pid", "1", 1);
	rig_put(g, "libvirt/autostarted", "", 0);
	rig_mkdir(g, "libvirt/web.dev");
	pair_start(g, &p, "web");
	put(g, "web", domain("web", "paused", p.controller.pid, p.init.pid));
	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	(void)assert_init(g, ROOT_CONTAINER_PAUSED, p.init.pid);
	pair_end(&p);
}

static void only_the_child_of_the_locks_holder_counts(void **state)
{
	struct rig *g = *state;
	struct rig_child other;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	/* The pid was used again: another parent, though the file and its lock are there. */
	processes(g, &p, 1, "libvirt_lxc");
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	/* The controller's was: a parent that is no controller. */
	processes(g, &p, p.controller.pid, "bash");
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	processes(g, &p, p.controller.pid, "libvirt_lxcx");
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	/* Another process holds the lock. */
	child_start(&other);
	rig_process(g, &(struct rig_process){p.init.pid, other.pid, 1000, "sleep", CGROUPS});
	rig_process(g, &(struct rig_process){other.pid, 1, 900, "libvirt_lxc", CGROUPS});
	put(g, "web", domain("web", "running", other.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	/* And if all is well: */
	processes(g, &p, p.controller.pid, "libvirt_lxc");
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid);
	child_end(&other);
	pair_end(&p);
}

static void without_the_lock_it_does_not_count(void **state)
{
	struct rig *g = *state;
	const char *path;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	for (int kind = 0; kind < 3; kind++) {
		path = rig_path(g, "libvirt/web.pid");
		if (kind == 1)
			rig_put(g, "libvirt/web.pid", "1", 1); /* nobody's */
		else if (kind == 2)
			assert_int_equal(mkfifo(path, 0600), 0); /* must not wait */
		else
			assert_int_equal(rename(path, rig_path(g, "libvirt/other.pid")), 0);
		put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
		rig_round(g);
		(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
		(void)unlink(path);
	}
	/* Not through a link to the right one. */
	assert_int_equal(symlink("other.pid", rig_path(g, "libvirt/web.pid")), 0);
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	pair_end(&p);
}

static void a_dead_controller_leaves_nothing_that_counts(void **state)
{
	struct rig *g = *state;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	child_end(&p.controller);
	/* Init lives on, and the files say what they said. */
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	child_end(&p.init);
}

static void half_a_file_changes_nothing(void **state)
{
	struct rig *g = *state;
	struct pair p;
	char *text;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	text = domain("web", "running", p.controller.pid, p.init.pid);
	for (size_t n = 0; n < strlen(text) - 1; n++) {
		rig_scribble(g, "libvirt/web.xml", text, n);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
	rig_scribble(g, "libvirt/web.xml", text, strlen(text));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid);
	for (size_t n = 0; n < strlen(text); n += 13) {
		rig_scribble(g, "libvirt/web.xml", text, n);
		rig_round(g);
		assert_int_equal(g->puts + g->removes, 0);
	}
	free(text);
	pair_end(&p);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} bad[] = {
		{"<name>web</name>", "<name>other</name>"},
		{"<name>web</name>", "<name/>"},
		{"<name>web</name>", "<name>web</name><name>web</name>"},
		{"<name>web</name>", "<x><name>web</name></x>"},
		{"<uuid>" UUID, "<uuid>" UUID "0"},
		{"<uuid>" UUID, "<uuid>../../"},
		{"type='lxc'", "type='kvm'"},
		{"type='lxc'", ""},
		{"<domstatus ", "<status "},
		{"<init pid='", "<init pid='-"},
		{"<init pid='", "<init pid='0x"},
		{"<init pid='", "<init pid=' "},
		{"<init pid='", "<init pid='99999999999"},
		{"<init pid='", "<init pid='99999999999999999999"},
		{"<init pid='", "<init pid='1'/><init pid='"},
		{"<init pid='", "<init pid='1' pid='"},
		{"<init pid='", "<init x='"},
		{"state='running' reason='booted' pid=", "state='running' x="},
		{"<memory unit='KiB'>", "<memory unit='KiB>"},
	};
	struct rig *g = *state;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = domain("web", "running", p.controller.pid, p.init.pid);

		put(g, "web", rig_replace(text, bad[i].from, bad[i].to));
		rig_round(g);
		if (g->nrecords != 0)
			fail_msg("%s: taken", bad[i].to);
	}
	put(g, "web", domain("web", "running", p.controller.pid, 1)); /* the host's init is nobody's container */
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_STOPPED, 0);
	pair_end(&p);
}

/* What an administrator may write into a domain: none of it is what libvirt says itself. */
static void other_elements_of_those_names_say_nothing(void **state)
{
	struct rig *g = *state;
	struct pair p;

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	pair_start(g, &p, "web");
	put(g, "web",
	    rig_replace(domain("web", "running", p.controller.pid, p.init.pid), "<memory ",
			"<title>&lt;init pid='1'/&gt;</title><description><![CDATA[</domain><init "
			"pid='1'/>]]></description>"
			"<metadata><x:init xmlns:x='y' pid='1'/><domstatus pid='1'><init pid='1'/><domain type='kvm'>"
			"<name>x</name></domain></domstatus><!-- <init pid='1'/> --></metadata><memory "));
	rig_round(g);
	(void)assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid);
	pair_end(&p);
}

static void names_are_data(void **state)
{
	static const struct {
		const char *name, *written;
	} odd[] = {{"a b", "a b"},           {"-rf", "-rf"},
		   {"\xc3\xa4", "\xc3\xa4"}, {"a&b<c>'\"", "a&amp;b&lt;c&gt;&apos;&quot;"},
		   {"a.xml", "a.xml"},       {"%s%n", "%s%n"}};
	struct rig *g = *state;
	char file[64];

	(void)rig_engine(g, "libvirt-lxc", "libvirt");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct pair p;

		pair_start(g, &p, odd[i].name);
		put(g, odd[i].name, domain(odd[i].written, "running", p.controller.pid, p.init.pid));
		rig_round(g);
		assert_string_equal(assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid)->name, odd[i].name);
		pair_end(&p);
		(void)snprintf(file, sizeof(file), "libvirt/%s.xml", odd[i].name);
		assert_int_equal(unlink(rig_path(g, file)), 0);
		rig_round(g);
		assert_int_equal(g->nrecords, 0);
	}
}

static void the_same_name_again_is_another_domain(void **state)
{
	static const char other[] = "00000000-7413-4743-9541-ee79dc83b423";
	struct rig *g = *state;
	struct engine_dir *d = rig_engine(g, "libvirt-lxc", "libvirt");
	struct pair p;
	uint64_t rid;

	pair_start(g, &p, "web");
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	rid = assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid)->rid;
	assert_int_equal(unlink(rig_path(g, "libvirt/web.xml")), 0);
	put(g, "web", domain("web", "running", p.controller.pid, p.init.pid));
	rig_round(g);
	assert_true(assert_init(g, ROOT_CONTAINER_RUNNING, p.init.pid)->rid > rid);
	/* In its place, with another id. */
	put(g, "web", rig_replace(domain("web", "running", p.controller.pid, p.init.pid), UUID, other));
	rig_round(g);
	assert_int_equal(g->nrecords, 1);
	assert_int_equal(rig_find(g, "libvirt-lxc", other)->pid, p.init.pid);
	assert_int_equal(unlink(rig_path(g, "libvirt/web.xml")), 0);
	while (read(g->watch.fd, (char[65536]){0}, 65536) > 0) /* the events are lost */
		;
	d->engine->rescan(d);
	rig_round(g);
	assert_int_equal(g->nrecords, 0);
	pair_end(&p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(from_start_to_end),
		T(what_was_there_before_is_found),
		T(only_the_child_of_the_locks_holder_counts),
		T(without_the_lock_it_does_not_count),
		T(a_dead_controller_leaves_nothing_that_counts),
		T(half_a_file_changes_nothing),
		T(nonsense_is_refused),
		T(other_elements_of_those_names_say_nothing),
		T(names_are_data),
		T(the_same_name_again_is_another_domain),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_libvirt", tests, NULL, NULL);
}
