/* SPDX-License-Identifier: MIT */
/* What is defended: a process can be told from another, whatever it calls itself and wherever it says it lives. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/procfd.h"

static int proc;

static int open_proc(void **state)
{
	(void)state;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return proc < 0;
}

/* A child that sleeps until it is killed. */
static pid_t sleeper(const char *name)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (name)
			(void)prctl(PR_SET_NAME, name);
		for (;;)
			pause();
	}
	return pid;
}

static void reap(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A directory that looks like /proc with one process 1234 in it. */
static int fake_proc(char *dir, const char *file, const char *text)
{
	char path[128];
	int at, fd;

	strcpy(dir, "/tmp/test_procfd.XXXXXX");
	assert_non_null(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(at >= 0);
	assert_int_equal(mkdirat(at, "1234", 0700), 0);
	(void)snprintf(path, sizeof(path), "1234/%s", file);
	fd = openat(at, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	return at;
}

static void forget_proc(int at, const char *dir, const char *file)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "1234/%s", file);
	(void)unlinkat(at, path, 0);
	(void)unlinkat(at, "1234", AT_REMOVEDIR);
	(void)rmdir(dir);
	(void)close(at);
}

static int stat_of(const char *text, struct proc_stat *ret)
{
	char dir[64];
	int at = fake_proc(dir, "stat", text), r = proc_read_stat(at, 1234, ret);

	forget_proc(at, dir, "stat");
	return r;
}

#define TAIL " 77 1 1 0 -1 4194560 1 0 1 0 1 0 0 0 20 0 1 0 442931 2322432 332 18446744073709551615\n"

static void a_name_cannot_forge_a_state(void **state)
{
	struct proc_stat s;

	(void)state;
	assert_int_equal(stat_of("1234 (x) Z 1 1 1) S" TAIL, &s), 0);
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.ppid, 77);
	assert_int_equal(s.start_ticks, 442931);
	assert_int_equal(stat_of("1234 (a\n) R 1) Z" TAIL, &s), 0);
	assert_int_equal(s.state, 'Z');
	assert_int_equal(stat_of("1234 () R" TAIL, &s), 0);
}

static void a_cut_stat_is_refused_at_every_length(void **state)
{
	static const char whole[] = "1234 (sleep) S 77 1 1 0 -1 4194560 1 0 1 0 1 0 0 0 20 0 1 0 4";
	char text[sizeof(whole)];
	struct proc_stat s;

	(void)state;
	assert_int_equal(stat_of(whole, &s), 0);
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(text, whole, n);
		text[n] = '\0';
		assert_int_equal(stat_of(text, &s), -EBADMSG);
	}
	assert_int_equal(
		stat_of("1234 (sleep) S 77 1 1 0 -1 4194560 1 0 1 0 1 0 0 0 20 0 1 0 99999999999999999999999", &s),
		-EBADMSG);
}

static void a_real_process_with_a_hostile_name(void **state)
{
	pid_t pid = sleeper(") R 1 1 1 (");
	struct proc_stat s = {0}, again;
	int fd = procfd_open(pid);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	for (int i = 0; i < 2000 && s.state != 'S'; i++) {
		assert_int_equal(proc_read_stat(proc, pid, &s), 0);
		(void)usleep(1000);
	}
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.ppid, getpid());
	assert_true(s.start_ticks > 0);
	assert_int_equal(proc_read_stat(proc, pid, &again), 0);
	assert_int_equal(again.start_ticks, s.start_ticks);
	assert_int_equal(procfd_pid(proc, fd), pid);
	assert_int_equal(procfd_outermost(proc, fd), 0);
	assert_true(procfd_alive(fd));
	reap(pid);
	assert_false(procfd_alive(fd));
	assert_int_equal(procfd_pid(proc, fd), -ESRCH);
	assert_int_equal(procfd_outermost(proc, fd), -ESRCH);
	assert_int_equal(procfd_signal(fd, 0), -ESRCH);
	assert_int_equal(proc_read_stat(proc, pid, &s), -ESRCH);
	(void)close(fd);
}

static void a_zombie_is_not_alive(void **state)
{
	pid_t pid = sleeper(NULL);
	int fd = procfd_open(pid);
	struct proc_stat s;
	siginfo_t info;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(procfd_signal(fd, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(procfd_alive(fd));
	assert_int_equal(proc_read_stat(proc, pid, &s), 0);
	assert_int_equal(s.state, 'Z');
	assert_int_equal(procfd_pid(proc, fd), pid); /* its number is still taken */
	reap(pid);
	(void)close(fd);
}

static pid_t thread_id;
static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;

static void *thread(void *arg)
{
	(void)arg;
	__atomic_store_n(&thread_id, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	(void)pthread_mutex_lock(&hold);
	(void)pthread_mutex_unlock(&hold);
	return NULL;
}

static void only_processes_have_a_pidfd(void **state)
{
	pthread_t t;
	pid_t tid;

	(void)state;
	assert_int_equal(procfd_open(0), -EINVAL);
	assert_int_equal(procfd_open(-1), -EINVAL);
	assert_int_equal(procfd_open(INT32_MAX), -ESRCH);
	(void)pthread_mutex_lock(&hold);
	assert_int_equal(pthread_create(&t, NULL, thread, NULL), 0);
	while ((tid = __atomic_load_n(&thread_id, __ATOMIC_SEQ_CST)) == 0)
		(void)usleep(100);
	assert_int_equal(procfd_open(tid), -EINVAL);
	(void)pthread_mutex_unlock(&hold);
	(void)pthread_join(t, NULL);
	assert_int_equal(procfd_pid(proc, proc), -EBADF);
	assert_false(procfd_alive(-1));
	assert_false(procfd_alive(9999));
}

static void inodes_tell_processes_apart(void **state)
{
	pid_t a = sleeper(NULL), b = sleeper(NULL);
	int fa = procfd_open(a), fa2 = procfd_open(a), fb = procfd_open(b);

	(void)state;
	assert_true(fa >= 0 && fa2 >= 0 && fb >= 0);
	assert_int_equal(procfd_inode(fa), procfd_inode(fa2));
	if (procfd_inode(fa) != 0) /* 0: this kernel's pidfds have no file system of their own */
		assert_int_not_equal(procfd_inode(fa), procfd_inode(fb));
	assert_int_equal(procfd_inode(proc), 0);
	(void)close(fa);
	(void)close(fa2);
	(void)close(fb);
	reap(a);
	reap(b);
}

static void status_is_what_the_kernel_says(void **state)
{
	struct proc_status s;
	pid_t pid = sleeper("Uid:\t0\t0\t0\t0\n");

	(void)state;
	assert_int_equal(proc_read_status(proc, pid, &s), 0);
	assert_int_equal(s.uid[0], getuid());
	assert_int_equal(s.uid[1], geteuid());
	assert_int_equal(s.gid[3], getegid());
	assert_int_equal(s.ngroups, getgroups(0, NULL));
	assert_int_equal(s.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	assert_int_equal(s.ambient, 0);
	reap(pid);
	assert_int_equal(proc_read_status(proc, pid, &s), -ESRCH);
	assert_int_equal(proc_read_status(proc, 0, &s), -ESRCH);
}

static void a_status_that_lacks_a_line_is_refused(void **state)
{
	static const char whole[] =
		"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 11 12 \nCapInh:\t0000000000000001\n"
		"CapPrm:\t0000000000000002\nCapEff:\t0000000000000004\nCapBnd:\t000001ffffffffff\n"
		"CapAmb:\t0000000000000008\nNoNewPrivs:\t1\nSeccomp:\t2\n";
	char text[sizeof(whole)], dir[64];
	struct proc_status s;
	int at;

	(void)state;
	at = fake_proc(dir, "status", whole);
	assert_int_equal(proc_read_status(at, 1234, &s), 0);
	forget_proc(at, dir, "status");
	assert_int_equal(s.uid[3], 4);
	assert_int_equal(s.gid[0], 5);
	assert_int_equal(s.ngroups, 3);
	assert_int_equal(s.inheritable, 1);
	assert_int_equal(s.permitted, 2);
	assert_int_equal(s.effective, 4);
	assert_int_equal(s.bounding, 0x1ffffffffff);
	assert_int_equal(s.ambient, 8);
	assert_int_equal(s.no_new_privs, 1);
	assert_int_equal(s.seccomp, 2);
	for (size_t n = 0; n < sizeof(whole) - 3; n++) { /* "Seccomp:\t2" without its newline is still whole */
		memcpy(text, whole, n);
		text[n] = '\0';
		at = fake_proc(dir, "status", text);
		assert_int_equal(proc_read_status(at, 1234, &s), -EBADMSG);
		forget_proc(at, dir, "status");
	}
}

static void selects(const char *text, const char *expected)
{
	/* An exact-size copy: AddressSanitizer sees a read beyond it. */
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1), out[256];

	assert_non_null(copy);
	memcpy(copy, text, len);
	if (expected) {
		assert_int_equal(proc_select_cgroup(copy, len, out, sizeof(out)), strlen(expected));
		assert_string_equal(out, expected);
	} else {
		assert_int_equal(proc_select_cgroup(copy, len, out, sizeof(out)), -EBADMSG);
	}
	free(copy);
}

static void the_cgroup_that_is_the_containers_own(void **state)
{
	(void)state;
	selects("0::/lxc.payload.web\n", "/lxc.payload.web"); /* v2 alone */
	selects("0::/lxc.payload.web", "/lxc.payload.web"); /* without its newline */
	selects("4:memory:/m\n6:freezer:/f\n5:devices:/d\n9:name=systemd:/s\n0::/u\n",
		"/f"); /* the order of the rule */
	selects("0::/u\n9:name=systemd:/s\n5:devices:/d\n4:memory:/m\n6:freezer:/\n", "/m");
	selects("0::/u\n9:name=systemd:/s\n5:devices:/d\n4:memory:/\n", "/d");
	selects("0::/u\n9:name=systemd:/s\n5:devices:/\n8:pids:/p\n", "/s");
	selects("0::/u\n9:name=systemd:/\n8:pids:/p\n", "/u");
	selects("0::/\n9:name=systemd:/\n8:pids:/p\n", "/"); /* pids does not count: engines leave it alone */
	selects("3:cpu,cpuacct:/c\n2:net_cls,freezer,x:/f\n0::/\n", "/f");
	selects("3:xfreezer:/no\n2:freezerx:/no\n1:name=systemdx:/no\n0::/u\n", "/u");
}

static void odd_bytes_in_a_cgroup_are_bytes(void **state)
{
	char out[8];

	(void)state;
	selects("0::/x (deleted)\n", "/x (deleted)");
	selects("6:freezer:/a:b:c\n0::/u\n", "/a:b:c");
	selects("0::/..x/\xff\xfe \x1b[31m\n", "/..x/\xff\xfe \x1b[31m");
	selects("0::/../../host\n", "/../../host"); /* seen from inside a cgroup namespace */
	selects("", NULL);
	selects("\n\n", NULL);
	selects("0:\n0::\n0::relative\nfreezer\n:::\n", NULL);
	assert_int_equal(proc_select_cgroup("0::/123456\n", 11, out, sizeof(out)), 7);
	assert_int_equal(proc_select_cgroup("0::/1234567\n", 12, out, sizeof(out)), -ENOSPC);
}

static void the_cgroup_of_a_real_process(void **state)
{
	char mine[4200], childs[4200], text[CGROUP_TEXT_MAX];
	pid_t pid = sleeper(NULL);

	(void)state;
	assert_true(proc_read_cgroup(proc, getpid(), mine, sizeof(mine)) > 0);
	assert_int_equal(mine[0], '/');
	assert_true(proc_read_cgroup(proc, pid, childs, sizeof(childs)) > 0);
	assert_string_equal(mine, childs);
	assert_true(proc_read_cgroup_text(proc, pid, text, sizeof(text)) > 0);
	reap(pid);
	assert_int_equal(proc_read_cgroup(proc, pid, childs, sizeof(childs)), -ESRCH);
}

static void files_are_read_whole_or_not_at_all(void **state)
{
	char dir[64], buffer[8], path[128];
	int at = fake_proc(dir, "f", "1234567");

	(void)state;
	assert_int_equal(proc_read_file(at, "1234/f", buffer, 8), 7);
	assert_string_equal(buffer, "1234567");
	assert_int_equal(proc_read_file(at, "1234/f", buffer, 7), -EFBIG);
	assert_int_equal(proc_read_file(at, "1234/f", buffer, 0), -EINVAL);
	assert_int_equal(proc_read_file(at, "1234/g", buffer, 8), -ENOENT);
	assert_int_equal(proc_read_file(at, "1234", buffer, 8), -EINVAL);
	assert_int_equal(symlinkat("f", at, "1234/link"), 0);
	assert_int_equal(proc_read_file(at, "1234/link", buffer, 8), -ELOOP);
	(void)snprintf(path, sizeof(path), "%s/1234/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(proc_read_file(at, "1234/fifo", buffer, 8), -EINVAL); /* and does not wait for a writer */
	(void)unlinkat(at, "1234/link", 0);
	(void)unlinkat(at, "1234/fifo", 0);
	forget_proc(at, dir, "f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_cannot_forge_a_state),
		cmocka_unit_test(a_cut_stat_is_refused_at_every_length),
		cmocka_unit_test(a_real_process_with_a_hostile_name),
		cmocka_unit_test(a_zombie_is_not_alive),
		cmocka_unit_test(only_processes_have_a_pidfd),
		cmocka_unit_test(inodes_tell_processes_apart),
		cmocka_unit_test(status_is_what_the_kernel_says),
		cmocka_unit_test(a_status_that_lacks_a_line_is_refused),
		cmocka_unit_test(the_cgroup_that_is_the_containers_own),
		cmocka_unit_test(odd_bytes_in_a_cgroup_are_bytes),
		cmocka_unit_test(the_cgroup_of_a_real_process),
		cmocka_unit_test(files_are_read_whole_or_not_at_all),
	};

	return cmocka_run_group_tests_name("procfd", tests, open_proc, NULL);
}
