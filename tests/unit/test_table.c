/* SPDX-License-Identifier: MIT */
/* What is defended: one record a container, told in the order in which it was so, and how it ended with it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/procfd.h"
#include "../../server/resolver/exit.h"
#include "../../server/resolver/table.h"
#include "resolver_rig.h"

/* What is told, as text: "+ENGINE:NAME STATE[ PID][ =EXIT];" or "-;". */
static char said[1024];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t n = strlen(said);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(said + n, sizeof(said) - n, format, ap);
	va_end(ap);
}

static void put(struct table_sink *s, const struct container_record *m, int pidfd)
{
	(void)s;
	(void)pidfd;
	say("+%.*s:%.*s %u", (int)m->engine.len, m->engine.p, (int)m->id.len, m->id.p, m->state);
	if (m->pid)
		say(" %u", m->pid);
	if (m->flags & RECORD_EXITED)
		say(" =%x", m->exit);
	say(";");
}

static void removed(struct table_sink *s, uint64_t rid)
{
	(void)s;
	(void)rid;
	say("-;");
}

static void on_ended(struct table *t, struct entry *e)
{
	(void)t;
	(void)e;
}

static struct table table;
static struct table_sink sink = {put, removed};
static int proc;

static const struct scope podman = {.engine = "podman", .level = TABLE_NAME},
			  crun = {.engine = "crun", .level = TABLE_RUN},
			  libvirt = {.engine = "libvirt-lxc", .level = TABLE_OWN},
			  nspawn = {.engine = "nspawn", .level = TABLE_OWN},
			  users = {.engine = "podman", .level = TABLE_NAME, .owner = 1000, .user = "u"},
			  users_crun = {.engine = "crun", .level = TABLE_RUN, .owner = 1000, .user = "u"};

static int setup(void **state)
{
	(void)state;
	said[0] = '\0';
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(table_init(&table, &sink), 0);
	table.ended = on_ended;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	table_fini(&table);
	(void)close(proc);
	return 0;
}

static void run_as(struct entry *e, uint32_t as, const struct rig_child *c)
{
	struct claim claim = {.pid = c->pid, .has_start = true, .start_ticks = c->start_ticks};
	struct init init = INIT_NONE;

	assert_int_equal(claim_check(proc, &claim, &init), 0);
	table_set_running(&table, e, as, &init);
}

static void run(struct entry *e, const struct rig_child *c)
{
	run_as(e, ROOT_CONTAINER_RUNNING, c);
}

static void flush(void)
{
	table_drain_ends(&table);
	table_flush(&table);
}

#define SAID(...)                                                    \
	do {                                                         \
		char wanted[1024];                                   \
		flush();                                             \
		(void)snprintf(wanted, sizeof(wanted), __VA_ARGS__); \
		assert_string_equal(said, wanted);                   \
		said[0] = '\0';                                      \
	} while (0)

static bool kernel_tells(void)
{
	struct rig_child c;
	uint32_t status;
	int fd, r;

	child_start(&c);
	fd = procfd_open(c.pid);
	child_end(&c);
	r = exit_status(fd, &status);
	(void)close(fd);
	return r == 0;
}

static void how_it_ended_is_known_once_it_is_reaped(void **state)
{
	struct entry e = {0};
	struct rig_child c;

	(void)state;
	if (!kernel_tells())
		skip();
	child_start(&c);
	table_add(&table, &e, &crun, "a");
	run(&e, &c);
	SAID("+crun:a 2 %d;", c.pid);
	child_zombie(&c);
	SAID("+crun:a 5;"); /* at once */
	SAID("%s", "");
	child_end(&c);
	SAID("+crun:a 5 =9;");
	SAID("%s", ""); /* and nothing is waited for any more */
	child_start(&c);
	run(&e, &c);
	SAID("+crun:a 2 %d;", c.pid); /* forgotten */
	child_end(&c);
	SAID("+crun:a 5 =9;"); /* ended and reaped is one change */
	table_remove(&table, &e);
	SAID("-;");
}

static void an_end_that_comes_again_leaves_nothing_behind(void **state)
{
	struct entry e = {0}, other = {0};
	struct init late = INIT_NONE;
	struct rig_child c;

	(void)state;
	child_start(&c);
	table_add(&table, &e, &crun, "a");
	run(&e, &c);
	/* looked at while it lived, and said when its end was known */
	assert_int_equal(claim_check(proc,
				     &(struct claim){.pid = c.pid, .has_start = true, .start_ticks = c.start_ticks},
				     &late),
			 0);
	child_zombie(&c);
	flush();
	table_set_running(&table, &e, ROOT_CONTAINER_RUNNING, &late);
	flush();
	table_remove(&table, &e);
	flush();
	said[0] = '\0';
	memset(&e, 0xff, sizeof(e)); /* as memory that is another's by now: nothing may come of the hang-up */
	child_end(&c);
	table_add(&table, &other, &crun, "b");
	SAID("+crun:b 5;");
	table_remove(&table, &other);
}

static void a_status_is_the_wait_word(void **state)
{
	uint32_t status = 0;
	pid_t pid = fork();
	siginfo_t info;
	int fd, word;

	(void)state;
	if (pid == 0)
		_exit(42);
	fd = procfd_open(pid);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	if (!kernel_tells())
		assert_int_not_equal(exit_status(fd, &status), 0);
	else
		assert_int_equal(exit_status(fd, &status), -EAGAIN);
	assert_int_equal(waitpid(pid, &word, 0), pid);
	if (kernel_tells()) {
		assert_int_equal(exit_status(fd, &status), 0);
		assert_int_equal(status, word);
		assert_int_equal(WEXITSTATUS(word), 42);
	}
	(void)close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(exit_status(fd, &status) < 0 && exit_status(fd, &status) != -EAGAIN);
	(void)close(fd);
	assert_true(exit_status(-1, &status) < 0);
}

static void an_end_comes_before_the_removal_and_before_the_next_one(void **state)
{
	const char *how = kernel_tells() ? " =9" : "";
	struct entry e = {0};
	struct rig_child c, d;

	(void)state;
	child_start(&c);
	child_start(&d);
	table_add(&table, &e, &crun, "a");
	run(&e, &c);
	SAID("+crun:a 2 %d;", c.pid);
	child_end(&c);
	run(&e, &d); /* nobody has looked in between */
	SAID("+crun:a 5%s;+crun:a 2 %d;", how, d.pid);
	child_end(&d);
	table_remove(&table, &e);
	SAID("+crun:a 5%s;-;", how);
}

static void another_live_process_is_told_after_an_end(void **state)
{
	struct entry e = {0};
	struct rig_child c, d;

	(void)state;
	child_start(&c);
	child_start(&d);
	table_add(&table, &e, &crun, "a");
	run(&e, &c);
	SAID("+crun:a 2 %d;", c.pid);
	run(&e, &d);
	SAID("+crun:a 5;+crun:a 2 %d;", d.pid);
	child_end(&c);
	SAID("%s", "");
	table_remove(&table, &e);
	SAID("-;"); /* it is alive: nobody says that it ended */
	child_end(&d);
}

static void who_lists_it_tells_it_in_order_too(void **state)
{
	const char *how = kernel_tells() ? " =9" : "";
	struct entry list = {0}, old = {0}, new = {0};
	struct rig_child c, d;

	(void)state;
	child_start(&c);
	child_start(&d);
	table_add(&table, &list, &podman, "a");
	table_add(&table, &old, &crun, "a");
	run(&old, &c);
	SAID("+podman:a 2 %d;", c.pid);
	child_end(&c);
	table_remove(&table, &old); /* a restart, as podman does it */
	table_add(&table, &new, &crun, "a");
	run(&new, &d);
	SAID("+podman:a 5%s;+podman:a 2 %d;", how, d.pid);
	child_end(&d);
	table_remove(&table, &new);
	SAID("+podman:a 5%s;", how); /* remembered */
	table_set_name(&table, &list, "other");
	SAID("+podman:a 5%s;", how);
	table_remove(&table, &list);
	SAID("-;");
}

static void who_lists_it_waits_for_its_end(void **state)
{
	struct entry list = {0}, gone = {0};
	struct rig_child c;

	(void)state;
	if (!kernel_tells())
		skip();
	child_start(&c);
	table_add(&table, &list, &podman, "a");
	table_add(&table, &gone, &crun, "a");
	run(&gone, &c);
	SAID("+podman:a 2 %d;", c.pid);
	child_zombie(&c);
	table_remove(&table, &gone); /* before anybody has reaped it */
	SAID("+podman:a 5;");
	child_end(&c);
	SAID("+podman:a 5 =9;");
	SAID("%s", "");
	table_remove(&table, &list);
	SAID("-;");
}

static void each_state_is_told(void **state)
{
	struct entry e = {0};
	struct rig_child c;

	(void)state;
	child_start(&c);
	table_add(&table, &e, &crun, "a");
	SAID("+crun:a 5;");
	run_as(&e, ROOT_CONTAINER_CREATED, &c);
	run(&e, &c);
	run(&e, &c);
	table_set_stopped(&table, &e);
	SAID("+crun:a 1 %d;+crun:a 2 %d;+crun:a 5;", c.pid, c.pid);
	table_remove(&table, &e);
	SAID("-;");
	table_add(&table, &e, &crun, "b"); /* what came and went unseen is not told */
	run(&e, &c);
	table_remove(&table, &e);
	SAID("%s", "");
	child_end(&c);
}

static void one_process_is_one_container(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct entry l = {0}, n = {0};
		struct rig_child c;

		child_start(&c);
		if (first == 0) {
			table_add(&table, &l, &libvirt, "uuid");
			run(&l, &c);
			SAID("+libvirt-lxc:uuid 2 %d;", c.pid);
		}
		table_add(&table, &n, &nspawn, "machine");
		run(&n, &c);
		if (first == 0) {
			SAID("%s", "");
		} else {
			SAID("+nspawn:machine 2 %d;", c.pid);
			table_add(&table, &l, &libvirt, "uuid");
			run(&l, &c);
			SAID("-;+libvirt-lxc:uuid 2 %d;", c.pid);
		}
		if (first == 0) {
			table_remove(&table, &l);
			SAID("-;+nspawn:machine 2 %d;", c.pid);
			child_end(&c);
		} else {
			child_end(&c);
			SAID("+libvirt-lxc:uuid 5%s;", kernel_tells() ? " =9" : ""); /* an end shows nobody else */
			table_remove(&table, &l);
			SAID("-;+nspawn:machine 5%s;", kernel_tells() ? " =9" : "");
		}
		table_remove(&table, &n);
		flush();
		said[0] = '\0';
	}
	assert_int_equal(table.by_process.count, 0);
}

static void a_listed_id_hides_another_id_of_its_process(void **state)
{
	struct entry list = {0}, mine = {0}, other = {0};
	struct rig_child c;

	(void)state;
	child_start(&c);
	table_add(&table, &other, &crun, "other");
	run(&other, &c);
	table_add(&table, &mine, &crun, "a");
	run(&mine, &c);
	SAID("+crun:a 2 %d;+crun:other 2 %d;", c.pid, c.pid); /* equals */
	table_add(&table, &list, &podman, "a");
	SAID("-;-;+podman:a 2 %d;", c.pid);
	table_remove(&table, &list);
	flush();
	assert_non_null(strstr(said, "+crun:a 2"));
	assert_non_null(strstr(said, "+crun:other 2"));
	table_remove(&table, &mine);
	table_remove(&table, &other);
	child_end(&c);
}

static void a_user_hides_nothing_of_the_systems(void **state)
{
	struct entry system = {0}, list = {0}, run_level = {0};
	struct rig_child c;

	(void)state;
	child_start(&c);
	table_add(&table, &list, &users, "mine");
	table_add(&table, &run_level, &users_crun, "mine");
	run(&run_level, &c);
	SAID("+podman:mine 2 %d;", c.pid);
	table_add(&table, &system, &crun, "a");
	run(&system, &c);
	SAID("-;+crun:a 2 %d;", c.pid);
	table_remove(&table, &system);
	table_remove(&table, &run_level);
	table_remove(&table, &list);
	child_end(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(how_it_ended_is_known_once_it_is_reaped),
		T(an_end_that_comes_again_leaves_nothing_behind),
		T(a_status_is_the_wait_word),
		T(an_end_comes_before_the_removal_and_before_the_next_one),
		T(another_live_process_is_told_after_an_end),
		T(who_lists_it_tells_it_in_order_too),
		T(who_lists_it_waits_for_its_end),
		T(each_state_is_told),
		T(one_process_is_one_container),
		T(a_listed_id_hides_another_id_of_its_process),
		T(a_user_hides_nothing_of_the_systems),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
