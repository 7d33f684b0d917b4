/* SPDX-License-Identifier: MIT */
/* What is defended: the real binary, confined as in service, does its work, and its policy holds in both directions. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"
#include "../../server/monitor/privilege.h"
#include "../../server/resolver/exit.h"
#include "../../server/resolver/policy.h"
#include "resolver_ends.h"
#include "sub.h"

#define UID 64102
#define USER 61001
#define NEEDS_ROOT SKIP_IF(geteuid() != 0, "needs root")

static int binary = -1;

/* --- The real binary, confined */

struct service {
	pid_t pid;
	char arguments[4][128];
};

static void become_resolver(int channel, const struct service *s)
{
	struct privilege p = {.uid = UID, .gid = UID, .caps = resolver_sandbox.caps, .no_new_privs = true};
	char a[4][128];
	char *const argv[] = {(char[]){"rootbroker-resolver"},
			      (char[]){"--log-level"},
			      (char[]){"error"},
			      a[0],
			      a[1],
			      a[2],
			      a[3],
			      NULL};
	char *const envp[] = {NULL};
	const char *step = "?";

	memcpy(a, s->arguments, sizeof(a));
	if (dup2(channel, 3) < 0)
		_exit(92);
	if (privilege_drop(&p, &step) < 0)
		_exit(93);
	(void)fcntl(binary, F_SETFD, FD_CLOEXEC);
	(void)syscall(SYS_execveat, binary, "", argv, envp, AT_EMPTY_PATH);
	_exit(94);
}

static int setup_service(void **state)
{
	static struct ipc_in in;
	struct service *s = calloc(1, sizeof(*s));
	int fds[2];

	*state = s;
	if (!s)
		return -1;
	ends_tree_make();
	if (geteuid() != 0)
		return 0;
	rig_mkdir(&rig, "crun");
	(void)snprintf(s->arguments[0], sizeof(s->arguments[0]), "crun=%s/crun", rig.tmp);
	(void)snprintf(s->arguments[1], sizeof(s->arguments[1]), "runc=%s/not/yet", rig.tmp);
	rig_mkdir(&rig, "users");
	assert_int_equal(chown(rig_path(&rig, "users"), USER, USER), 0);
	assert_int_equal(symlink(rig.tmp, rig_path(&rig, "link")), 0);
	(void)snprintf(s->arguments[2], sizeof(s->arguments[2]), "@%d:alice:", USER);
	(void)snprintf(s->arguments[3], sizeof(s->arguments[3]), "crun@%d=%s/link/users", USER, rig.tmp);
	assert_int_equal(chan_pair(fds), 0);
	s->pid = fork();
	if (s->pid == 0)
		become_resolver(fds[1], s);
	(void)close(fds[1]);
	ends.monitor = fds[0];
	assert_int_equal(ends_recv_record(ends.monitor, &in), 1);
	assert_int_equal(in.type, IPC_READY);
	ends_send_peer(IPC_PEER_FRONTEND);
	(void)ends_read_until(IPC_INDEX_END);
	return 0;
}

static int teardown_service(void **state)
{
	struct service *s = *state;
	int status;

	if (s->pid > 0) {
		(void)kill(s->pid, SIGKILL);
		(void)waitpid(s->pid, &status, 0);
	}
	free(s);
	ends_tree_remove();
	return 0;
}

static int ended(struct service *s)
{
	int status;

	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	return status;
}

/* The scratch tree is root's with mode 0700, as engines' are: CAP_DAC_READ_SEARCH and Landlock's rule let it in. */
static void confined_it_sees_what_there_is(void **state)
{
	struct rig_child c;

	(void)state;
	NEEDS_ROOT;
	child_start(&c);
	rig_crun(&rig, "one", &c);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->pid, c.pid);
	assert_int_equal(ends_lookup("crun", "one")->state, ROOT_CONTAINER_RUNNING);
	child_end(&c);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->state, ROOT_CONTAINER_STOPPED);
	rig_put(&rig, "crun/one/status", "{", 1); /* a line in the log */
	ends_sync_index();
	rig_rmtree(&rig, "crun/one");
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "one")->rid, 0);
}

/* Through root's link, which is followed before and after the lock-in. */
static void confined_it_reads_a_users_files(void **state)
{
	static const char *const names[] = {"hers", "hers/status"};
	struct rig_child c;
	json_t *root;

	(void)state;
	NEEDS_ROOT;
	child_start(&c);
	root = crun_status("debian12-v1/crun-status.json", &c, NULL);
	rig_mkdir(&rig, "hers");
	rig_put_json(&rig, "hers/status", root);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(chown(rig_path(&rig, names[i]), USER, USER), 0);
	assert_int_equal(rename(rig_path(&rig, "hers"), rig_path(&rig, "users/hers")), 0);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "hers")->owner, USER);
	assert_int_equal(ends_lookup("crun", "hers")->state, ROOT_CONTAINER_STOPPED); /* root's process is not hers */
	rig_rmtree(&rig, "users/hers");
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "hers")->rid, 0);
	json_decref(root);
	child_end(&c);
}

static void confined_it_copes_with_a_big_file(void **state)
{
	struct rig_child c;
	json_t *root, *big;

	(void)state;
	NEEDS_ROOT;
	child_start(&c);
	rig_mkdir(&rig, "crun/big");
	root = crun_status("debian12-v1/crun-status.json", &c, NULL);
	big = json_array();
	for (int i = 0; i < 20000; i++) /* mmap, munmap, mremap, brk */
		assert_int_equal(json_array_append_new(big, json_string("0123456789012345678901234567890")), 0);
	assert_int_equal(json_object_set_new(root, "big", big), 0);
	rig_put_json(&rig, "crun/big/status", root);
	json_decref(root);
	ends_sync_index();
	assert_int_equal(ends_lookup("crun", "big")->pid, c.pid);
	child_end(&c);
}

static void confined_it_ends_as_it_should(void **state)
{
	struct service *s = *state;

	NEEDS_ROOT;
	rig_mkdir(&rig, "not");
	rig_mkdir(&rig, "not/yet");
	assert_exit(ended(s), EX_ROOTS);
}

static void confined_it_ends_with_the_monitor(void **state)
{
	struct service *s = *state;

	NEEDS_ROOT;
	close_fd(&ends.monitor);
	assert_exit(ended(s), EXIT_SUCCESS);
}

static void its_privileges_are_what_the_design_says(void **state)
{
	struct service *s = *state;
	struct proc_status st;
	int proc;

	NEEDS_ROOT;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(proc_read_status(proc, s->pid, &st), 0);
	(void)close(proc);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(st.uid[i], UID);
		assert_int_equal(st.gid[i], UID);
	}
	assert_int_equal(st.ngroups, 0);
	assert_true(st.effective == CAPS_BIT(CAP_DAC_READ_SEARCH));
	assert_true(st.permitted == CAPS_BIT(CAP_DAC_READ_SEARCH));
	assert_true(st.inheritable == 0 && st.ambient == 0);
	assert_true((st.bounding & ~CAPS_BIT(CAP_DAC_READ_SEARCH)) == 0);
	assert_int_equal(st.no_new_privs, 1);
	assert_int_equal(st.seccomp, 2);
}

/* --- Its policy, in both directions */

static char inside_dir[80];

static int locked_in(int (*body)(void))
{
	struct privilege p = {.uid = UID, .gid = UID, .caps = resolver_sandbox.caps, .no_new_privs = true};
	const char *step = "?", *const paths[] = {"/proc", inside_dir};
	int r = privilege_drop(&p, &step);

	if (r == 0)
		r = sandbox_enter(&resolver_sandbox, paths, inside_dir[0] ? 2 : 1, &step);
	if (r < 0) {
		(void)dprintf(STDERR_FILENO, "# %s: %s\n", step, strerror(-r));
		return 90;
	}
	return body();
}

static int in_sandbox(const void *body)
{
	return locked_in(*(int (*const *)(void))body);
}

static int run_locked_in(int (*body)(void))
{
	return sub_run(in_sandbox, &body);
}

static int do_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int do_connect(void)
{
	return connect(0, NULL, 0);
}
static int do_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}
static int do_fork(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static int do_kill(void)
{
	return kill(getppid(), 0);
}
static int do_signal(void)
{
	return (int)syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0);
}
static int do_unlink(void)
{
	return unlink("/nowhere");
}
static int do_rename(void)
{
	return rename("/nowhere", "/nowhere2");
}
static int do_mkdir(void)
{
	return mkdir("/nowhere", 0);
}
static int do_chmod(void)
{
	return chmod("/nowhere", 0);
}
static int do_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}
static int do_setns(void)
{
	return (int)syscall(SYS_setns, 0, 0);
}
static int do_setuid(void)
{
	return (int)syscall(SYS_setuid, 0);
}
static int do_mprotect(void)
{
	return (int)syscall(SYS_mprotect, 0, 0, 0);
}
static int do_getfd(void)
{
	return (int)syscall(SYS_pidfd_getfd, 0, 0, 0);
}
static int do_ioctl(void)
{
	return ioctl(0, FIONREAD, NULL); /* any but the one about pidfds */
}
static int do_handle(void)
{
	return (int)syscall(SYS_open_by_handle_at, 0, NULL, 0);
}

static void what_is_forbidden_kills(void **state)
{
	static int (*const calls[])(void) = {do_socket, do_connect, do_exec,   do_fork,     do_kill,   do_signal,
					     do_unlink, do_rename,  do_mkdir,  do_chmod,    do_ptrace, do_setns,
					     do_setuid, do_getfd,   do_handle, do_mprotect, do_ioctl};

	(void)state;
	NEEDS_ROOT;
	SKIP_IF(SANITIZED, "the sanitizers' filter is wider");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_signal(run_locked_in(calls[i]), SIGSYS);
}

static char inside_file[160], outside_file[160], inside_new[160], root_dir[80];

static int may_read_inside_only(void)
{
	int fd;

	EXPECT_QUIET((fd = open(inside_file, O_RDONLY | O_CLOEXEC)) >= 0, 1);
	EXPECT_QUIET(open(outside_file, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES, 2);
	EXPECT_QUIET(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES, 3);
	EXPECT_QUIET(open(inside_file, O_WRONLY | O_CLOEXEC) < 0, 4);
	EXPECT_QUIET(open(inside_file, O_RDWR | O_CLOEXEC) < 0, 5);
	EXPECT_QUIET(open(inside_new, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0, 6);
	EXPECT_QUIET(open(inside_file, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0, 7);
	EXPECT_QUIET(open("/proc/self/stat", O_RDONLY | O_CLOEXEC) >= 0, 8);
	EXPECT_QUIET(open("/proc/1/environ", O_RDONLY | O_CLOEXEC) < 0, 9);
	EXPECT_QUIET(open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC) < 0, 10);
	return 0;
}

static int own_pidfd;

static int may_ask_how_it_ended(void)
{
	uint32_t status;

	EXPECT_QUIET(exit_status(own_pidfd, &status) < 0, 1); /* it has not; but it may ask */
	return 0;
}

static void what_it_may_ask_of_a_process(void **state)
{
	(void)state;
	NEEDS_ROOT;
	own_pidfd = procfd_open(getpid());
	assert_true(own_pidfd >= 0);
	assert_exit(run_locked_in(may_ask_how_it_ended), 0);
	(void)close(own_pidfd);
}

static int watch_fd;

/* The parents of the engines' directories: nothing in them can be read, but that they change can be seen. */
static int may_watch_outside(void)
{
	char path[64];
	int fd = open(root_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	EXPECT_QUIET(fd >= 0, 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_QUIET(inotify_add_watch(watch_fd, path, IN_CREATE | IN_ONLYDIR) >= 0, 2);
	EXPECT_QUIET(open(root_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0, 3);
	return 0;
}

static void what_it_may_open(void **state)
{
	(void)state;
	NEEDS_ROOT;
	ends_tree_make();
	rig_mkdir(&rig, "inside");
	rig_put(&rig, "inside/file", "x", 1);
	rig_put(&rig, "outside", "x", 1);
	assert_int_equal(chmod(rig_path(&rig, "inside/file"), 0666), 0);
	strcpy(root_dir, rig.tmp);
	strcpy(inside_dir, rig_path(&rig, "inside"));
	strcpy(inside_file, rig_path(&rig, "inside/file"));
	strcpy(inside_new, rig_path(&rig, "inside/new"));
	strcpy(outside_file, rig_path(&rig, "outside"));
	assert_exit(run_locked_in(may_read_inside_only), 0);
	watch_fd = inotify_init1(IN_CLOEXEC);
	assert_exit(run_locked_in(may_watch_outside), 0);
	(void)close(watch_fd);
	ends_tree_remove();
}

static int find_binary(void **state)
{
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	if (n < 0)
		return -1;
	self[n] = '\0';
	(void)snprintf(path, sizeof(path), "%s/../rootbroker-resolver", dirname(self));
	binary = open(path, O_PATH | O_CLOEXEC);
	if (binary >= 0)
		binary = fcntl(binary, F_DUPFD_CLOEXEC, 100); /* out of the way of the channel's 3 */
	if (binary < 0)
		print_message("# %s: %s\n", path, strerror(errno));
	return binary < 0 ? -1 : 0;
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup_service, teardown_service)

int main(void)
{
	const struct CMUnitTest tests[] = {
		S(confined_it_sees_what_there_is),         S(confined_it_reads_a_users_files),
		S(confined_it_copes_with_a_big_file),      S(confined_it_ends_as_it_should),
		S(confined_it_ends_with_the_monitor),      S(its_privileges_are_what_the_design_says),
		cmocka_unit_test(what_is_forbidden_kills), cmocka_unit_test(what_it_may_ask_of_a_process),
		cmocka_unit_test(what_it_may_open),
	};

	log_init("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("resolver_confined", tests, find_binary, NULL);
}
