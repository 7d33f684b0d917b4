/* SPDX-License-Identifier: MIT */
/* LXC's fifo: made and opened for reading only where nobody but root can interfere, and never taken away from an lxc-monitord. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/monitor/lxc_fifo.h"
#include "monitor_rig.h"
#include "sub.h"

#define NOBODY 65534

/* Ours, and root's if we are: a lxcpath, and what is /run in service. */
static char tmp[64], lxcpath[96], run[96], directory[256], fifo[300];

static int start(void **state)
{
	(void)state;
	rig_start();
	(void)strcpy(tmp, "/tmp/rootbroker-test-fifo.XXXXXX");
	assert_non_null(mkdtemp(tmp));
	(void)snprintf(lxcpath, sizeof(lxcpath), "%s/lxc", tmp);
	(void)snprintf(run, sizeof(run), "%s/run", tmp);
	(void)snprintf(directory, sizeof(directory), "%s/lxc%s", run, lxcpath);
	(void)snprintf(fifo, sizeof(fifo), "%s/monitor-fifo", directory);
	assert_int_equal(mkdir(lxcpath, 0755), 0);
	assert_int_equal(mkdir(run, 0755), 0);
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", tmp);
	assert_int_equal(system(command), 0);
	rig_end();
	return 0;
}

static void it_is_made_as_lxc_makes_it(void **state)
{
	struct stat st;
	int fd, writer;
	char byte;
	ino_t ino;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	fd = lxc_fifo_open(run, lxcpath);
	assert_true(fd >= 0);
	assert_int_equal(lstat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	ino = st.st_ino;
	assert_int_equal(lstat(directory, &st), 0);
	assert_int_equal(st.st_uid, 0);
	/* Non-blocking, and for nothing but reading; who writes as LXC does gets through. */
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(write(writer, "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	(void)close(writer);
	(void)close(fd);
	/* And it is no other one the next time. */
	fd = lxc_fifo_open(run, lxcpath);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_ino, ino);
	(void)close(fd);
}

static void only_below_directories_of_root(void **state)
{
	char part[300];
	int fd = lxc_fifo_open(run, lxcpath);

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_true(fd >= 0);
	(void)close(fd);
	for (const char *p = directory + strlen(run); p; p = strchr(p + 1, '/')) {
		const char *stop = strchr(p + 1, '/');

		(void)snprintf(part, sizeof(part), "%.*s", (int)(stop ? stop - directory : (long)strlen(directory)),
			       directory);
		assert_int_equal(chmod(part, 0775), 0);
		assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
		assert_int_equal(chmod(part, 0755), 0);
		assert_int_equal(chown(part, NOBODY, 0), 0);
		assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
		assert_int_equal(chown(part, 0, 0), 0);
	}
	assert_int_equal(chmod(fifo, 0620), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
	assert_int_equal(chmod(fifo, 0600), 0);
	assert_int_equal(chown(fifo, NOBODY, 0), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
}

static void what_is_no_fifo_or_leads_elsewhere_is_refused(void **state)
{
	int fd = lxc_fifo_open(run, lxcpath);

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(close(open(fifo, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(symlink("/dev/zero", fifo), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -ELOOP);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(symlink(tmp, directory), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -ENOTDIR);
	assert_int_equal(lxc_fifo_open(run, "/tmp/../tmp"), -EPERM);
	assert_int_equal(lxc_fifo_open(run, "/nowhere"), -ENOENT);
}

/* That user's LXC has its fifo elsewhere, and would not write to root's. */
static void not_for_a_users_lxcpath(void **state)
{
	struct stat st;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_int_equal(chown(lxcpath, NOBODY, NOBODY), 0);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -EPERM);
	assert_int_equal(lstat(directory, &st), -1);
}

static void not_while_an_lxc_monitord_reads_it(void **state)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = lxc_fifo_open(run, lxcpath), sync[2];
	char byte;
	pid_t pid;

	(void)state;
	SKIP_IF(geteuid() != 0, "needs root");
	assert_true(fd >= 0);
	assert_int_equal(chan_pair(sync), 0);
	pid = fork();
	if (pid == 0) {
		int own = open(fifo, O_RDWR | O_CLOEXEC);

		(void)close(sync[0]);
		if (own < 0 || fcntl(own, F_SETLK, &lock) < 0)
			_exit(1);
		(void)send(sync[1], "x", 1, 0);
		(void)recv(sync[1], &byte, 1, 0);
		_exit(0);
	}
	(void)close(sync[1]);
	assert_int_equal(recv(sync[0], &byte, 1, 0), 1);
	assert_int_equal(lxc_fifo_open(run, lxcpath), -EBUSY);
	(void)close(sync[0]);
	(void)waitpid(pid, NULL, 0);
	(void)close(fd);
	fd = lxc_fifo_open(run, lxcpath);
	assert_true(fd >= 0);
	/* One that starts now finds no lock of ours. */
	pid = fork();
	if (pid == 0)
		_exit(fcntl(open(fifo, O_RDWR | O_CLOEXEC), F_SETLK, &lock) < 0);
	assert_int_equal(waitpid(pid, &sync[0], 0), pid);
	assert_int_equal(sync[0], 0);
	(void)close(fd);
}

static void the_resolver_gets_an_answer_for_a_configured_lxcpath_alone(void **state)
{
	static char lxc[] = "lxc", nowhere[] = "/nowhere/at/all";
	struct ipc_lxc_fifo q = {.path = 0};
	struct ipc_lxc_fifo_end answer;

	(void)state;
	rig.config.dirs[0] = (struct engine_dir){lxc, nowhere};
	rig.config.ndirs = 1;
	assert_int_equal(lxc_fifo_ask(&rig.m, &q), 0);
	assert_int_equal(rig.nsent, 1);
	assert_int_equal(rig.sent[0].to, CONFINED_RESOLVER);
	assert_int_equal(rig.sent[0].type, IPC_LXC_FIFO_END);
	assert_int_equal(get_ipc_lxc_fifo_end(&rig.sent[0].in.body, &answer), 0);
	assert_int_equal(answer.error, ENOENT);
	assert_int_equal(rig.sent[0].in.nfds, 0);
	q.path = 1;
	assert_int_equal(lxc_fifo_ask(&rig.m, &q), -EBADMSG);
	assert_int_equal(rig.nsent, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_made_as_lxc_makes_it),
		TEST(only_below_directories_of_root),
		TEST(what_is_no_fifo_or_leads_elsewhere_is_refused),
		TEST(not_for_a_users_lxcpath),
		TEST(not_while_an_lxc_monitord_reads_it),
		TEST(the_resolver_gets_an_answer_for_a_configured_lxcpath_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
