/* SPDX-License-Identifier: MIT */
/* What is defended: the way to a user's directory leads through no link of his, no directory of others, and no file system that
 * somebody else serves. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/cleanup.h"
#include "../../server/resolver/walk.h"
#include "tree.h"

#define OWNER 61001
#define OTHER 61002

static struct mounts mounts;
static const struct walk walk = {.mounts = &mounts, .owner = OWNER};

static void dir_of(const char *name, uid_t uid, mode_t mode)
{
	tree_dir(name, mode);
	assert_int_equal(chown(tree_path(name), uid, uid), 0);
	assert_int_equal(chmod(tree_path(name), mode), 0);
}

static int read_mounts(void)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = mounts_read(&mounts, proc);

	(void)close(proc);
	return r;
}

static int setup(void **state)
{
	if (tree_make(state) != 0)
		return -1;
	if (!tree_ready())
		return 0;
	dir_of("home", 0, 0755);
	dir_of("home/a", OWNER, 0700);
	dir_of("home/a/store", OWNER, 0700);
	dir_of("home/a/roots", 0, 0700);
	dir_of("home/a/others", OTHER, 0777);
	dir_of("home/a/others/mine", OWNER, 0700);
	dir_of("shared", 0, 01777);
	dir_of("shared/mine", OWNER, 0700);
	dir_of("shared/his", OTHER, 0700);
	tree_file("home/a/file", 0644, "x");
	return read_mounts();
}

static int teardown(void **state)
{
	mounts_clear(&mounts);
	return tree_remove(state);
}

static int go(const char *name)
{
	int r = walk_open_own(&walk, tree_path(name));

	if (r < 0)
		return r;
	(void)close(r);
	return 0;
}

static void only_his_and_roots_directories_are_on_the_way(void **state)
{
	(void)state;
	NEEDS_TREE();
	assert_int_equal(go("home/a/store"), 0);
	assert_int_equal(go("home/a//store/"), 0);
	assert_int_equal(go("home/a"), 0);
	assert_int_equal(go("shared/mine"), 0);
	assert_int_equal(go("shared/his"), -EPERM);
	assert_int_equal(go("home"), -EPERM); /* root's, not his */
	assert_int_equal(go("home/a/roots"), -EPERM);
	assert_int_equal(go("home/a/others"), -EPERM);
	assert_int_equal(go("home/a/others/mine"), -EPERM);
	assert_int_equal(go("home/a/none"), -ENOENT);
	assert_int_equal(go("home/a/file"), -ENOTDIR);
	assert_int_equal(go("home/a/file/x"), -ENOTDIR);
	assert_int_equal(go("home/a/../a/store"), -EINVAL);
	assert_int_equal(go("home/./a/store"), -EINVAL);
	assert_int_equal(walk_open(&walk, "relative"), -EINVAL);
	assert_int_equal(walk_open(&walk, ""), -EINVAL);
}

static void a_name_or_a_path_that_is_too_long_is_none(void **state)
{
	char path[9000];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(walk_open(&walk, path), -EINVAL);
	path[300] = '\0';
	assert_int_equal(walk_open(&walk, path), -ENAMETOOLONG);
}

static void links_are_followed_where_root_alone_could_have_put_them(void **state)
{
	char relative[] = "home", *absolute = strdup(tree_path("home")), *loop = strdup(tree_path("loop"));

	(void)state;
	if (!tree_ready()) {
		free(absolute);
		free(loop);
		skip();
	}
	assert_int_equal(chmod(tree_path(""), 0755), 0);
	tree_link(absolute, "absolute");
	tree_link(relative, "relative");
	tree_link(loop, "loop");
	tree_link("../etc", "up");
	tree_link(tree_path("home/a/store"), "home/a/link"); /* root's, but in his directory */
	tree_link(tree_path("home/a/store"), "shared/link");
	tree_link(tree_path("home/a/store"), "home/a/his");
	assert_int_equal(lchown(tree_path("home/a/his"), OWNER, OWNER), 0);
	tree_link(tree_path("home/a/store"), "hislink");
	assert_int_equal(lchown(tree_path("hislink"), OWNER, OWNER), 0);
	assert_int_equal(go("absolute/a/store"), 0);
	assert_int_equal(go("relative/a/store"), 0);
	assert_int_equal(go("loop/a"), -ELOOP);
	assert_int_equal(go("up/passwd"), -EINVAL);
	assert_int_equal(go("home/a/link"), -ELOOP);
	assert_int_equal(go("home/a/his"), -ELOOP);
	assert_int_equal(go("shared/link"), -ELOOP);
	assert_int_equal(go("hislink"), -ELOOP);
	free(absolute);
	free(loop);
}

static void a_step_stays_where_it_is(void **state)
{
	autoclose int dir = -1;

	(void)state;
	NEEDS_TREE();
	tree_link(tree_path("home/a/store"), "home/a/step");
	dir = open(tree_path("home/a"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(walk_step(dir, "step", O_RDONLY), -ELOOP);
	assert_int_equal(walk_step(dir, "step", O_PATH | O_DIRECTORY), -ENOTDIR); /* the link itself is looked at */
	assert_int_equal(walk_step(dir, "step/x", O_RDONLY), -ELOOP);
	assert_int_equal(walk_step(dir, "..", O_PATH), -EXDEV);
	assert_int_equal(walk_step(dir, "/etc", O_PATH), -EXDEV);
	assert_int_equal(walk_step(dir, "none", O_PATH), -ENOENT);
}

/* --- Mounts ------------------------------------------------------------------------------------------------------- */

static void only_kinds_that_the_kernel_serves_are_local(void **state)
{
	static const struct {
		const char *path;
		enum mounts_kind kind;
	} t[] = {
		{"/", MOUNTS_LOCAL},
		{"/home", MOUNTS_LOCAL},
		{"/home/nfs", MOUNTS_REFUSED},
		{"/home/nfs/below", MOUNTS_NONE},
		{"/home/a b\\c", MOUNTS_LOCAL},
		{"/home/fuse", MOUNTS_REFUSED},
		{"/home/ssh", MOUNTS_REFUSED},
		{"/home/smb", MOUNTS_REFUSED},
		{"/home/auto", MOUNTS_REFUSED},
		{"/home/9p", MOUNTS_REFUSED},
		{"/home/virtio", MOUNTS_REFUSED},
		{"/home/ceph", MOUNTS_REFUSED},
		{"/home/dash", MOUNTS_LOCAL},
		{"/home/new", MOUNTS_REFUSED},
		{"/home/twice", MOUNTS_REFUSED},
		{"/home/cut", MOUNTS_NONE},
		{"/hom", MOUNTS_NONE},
		{"", MOUNTS_NONE},
	};
	char text[] = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		      "23 22 8:2 / /home rw,noatime shared:1 master:2 - xfs /dev/sda2 rw\n"
		      "24 23 0:40 / /home/nfs rw - nfs4 server:/x rw\n"
		      "25 23 0:41 / /home/a\\040b\\134c rw - tmpfs tmpfs rw\n"
		      "26 23 0:42 / /home/fuse rw - fuse x rw\n"
		      "27 23 0:43 / /home/ssh rw - fuse.sshfs x rw\n"
		      "28 23 0:44 / /home/smb rw - cifs //x/y rw\n"
		      "29 23 0:45 / /home/auto rw - autofs systemd-1 rw\n"
		      "30 23 0:46 / /home/9p rw - 9p x rw\n"
		      "31 23 0:47 / /home/virtio rw - virtiofs x rw\n"
		      "32 23 0:48 / /home/ceph rw - ceph x rw\n"
		      "33 23 0:49 / /home/dash rw - btrfs - rw\n"
		      "34 23 0:50 / /home/new rw - a-file-system-of-tomorrow x rw\n"
		      "35 23 0:51 / /home/twice rw - nfs x rw\n"
		      "36 35 0:52 / /home/twice rw - tmpfs tmpfs rw\n"
		      "garbage\n\n 37\n"
		      "38 23 0:53 / /home/cut rw -\n"
		      "39 23 0:53 / /home/cut rw";
	struct mounts m = {0};
	uint64_t a, b;

	(void)state;
	mounts_parse(&m, text);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (mounts_at(&m, t[i].path, NULL) != t[i].kind)
			fail_msg("%s", t[i].path);
	}
	(void)mounts_at(&m, "/home", &a);
	(void)mounts_at(&m, "/home/dash", &b);
	assert_int_not_equal(a, b);
	mounts_clear(&m);
}

/* In a mount namespace of its own. */
static void in_private_mounts(void (*f)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status == 77 << 8)
		skip();
	assert_int_equal(status, 0);
}

#define NEED(x)                                                          \
	do {                                                             \
		if (!(x)) {                                              \
			(void)fprintf(stderr, "%s: " #x "\n", __func__); \
			_exit(1);                                        \
		}                                                        \
	} while (0)

static void mount_things(void)
{
	uint64_t before, after;
	int dir = open(tree_path("home/a"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *store = strdup(tree_path("home/a/store"));

	before = walk_mounts(&walk, store);
	NEED(go("home/a/store") == 0);
	/* What was not there when it was looked is not entered, whatever it is. */
	NEED(mount("x", store, "tmpfs", 0, "mode=700,uid=61001") == 0);
	NEED(go("home/a/store") == -EXDEV);
	NEED(walk_step(dir, "store", O_PATH | O_DIRECTORY) == -EXDEV);
	NEED(walk_mounts(&walk, store) == before);
	NEED(read_mounts() == 0);
	after = walk_mounts(&walk, store);
	NEED(after != before);
	NEED(go("home/a/store") == 0);
	NEED(walk_step(dir, "store", O_PATH | O_DIRECTORY) == -EXDEV); /* below a directory, never */
	/* proc stands for what is not listed. */
	NEED(mount("x", tree_path("home/a"), "proc", 0, NULL) == 0);
	NEED(read_mounts() == 0);
	NEED(walk_mounts(&walk, store) != after);
	NEED(go("home/a") == -EXDEV);
	NEED(go("home/a/store") == -EXDEV);
}

static void what_is_mounted_is_entered_if_it_is_known_and_good(void **state)
{
	(void)state;
	NEEDS_TREE();
	in_private_mounts(mount_things);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_his_and_roots_directories_are_on_the_way),
		cmocka_unit_test(a_name_or_a_path_that_is_too_long_is_none),
		cmocka_unit_test(links_are_followed_where_root_alone_could_have_put_them),
		cmocka_unit_test(a_step_stays_where_it_is),
		cmocka_unit_test(only_kinds_that_the_kernel_serves_are_local),
		cmocka_unit_test(what_is_mounted_is_entered_if_it_is_known_and_good),
	};

	return cmocka_run_group_tests_name("walk", tests, setup, teardown);
}
