/* SPDX-License-Identifier: MIT */
/* What is defended: nothing counts as a container's process but the one that the claim is about, alive, and where it should be. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#include "../../server/common/procfd.h"
#include "../../server/resolver/claim.h"
#include "../../server/resolver/owner.h"
#include "resolver_rig.h"

static int proc;

static int open_proc(void **state)
{
	(void)state;
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return proc < 0;
}

static bool agrees(const char *text, const char *hint)
{
	size_t len = strlen(text);
	char *copy = malloc(len + 1); /* exact: AddressSanitizer sees a read beyond it */
	bool r;

	memcpy(copy, text, len);
	copy = realloc(copy, len ? len : 1);
	r = claim_cgroup_agrees(copy, len, hint);
	free(copy);
	return r;
}

static void a_hint_is_the_cgroup_or_above_it_at_a_component(void **state)
{
	static const char text[] = "6:freezer:/a/b/c\n5:devices:/\n0::/u/x:y (deleted)\n";

	(void)state;
	assert_true(agrees(text, "/a/b/c"));
	assert_true(agrees(text, "/a/b"));
	assert_true(agrees(text, "/a"));
	assert_true(agrees(text, "a/b/")); /* as some engines write it */
	assert_true(agrees(text, "/u/x:y (deleted)"));
	assert_true(agrees(text, ""));
	assert_true(agrees(text, "/")); /* says nothing */
	assert_false(agrees(text, "/a/b/c/d"));
	assert_false(agrees(text, "/a/b/cc"));
	assert_false(agrees(text, "/a/bb"));
	assert_false(agrees(text, "/a/b/"
				  "/c"));
	assert_false(agrees(text, "/b/c"));
	assert_false(agrees(text, "/u/x:y"));
	assert_false(agrees(text, "/u/x"));
	assert_false(agrees(text, "/freezer"));
	assert_false(agrees("", "/a"));
	assert_false(agrees("nonsense", "/a"));
}

static void real_layouts_agree(void **state)
{
	static const struct {
		const char *fixture, *hint;
	} t[] = {
		{"debian12-v1/podman-init.cgroup",
		 "/libpod_parent/libpod-778b5de45e4fd1a6b62bfada7ddda259b0a75533e5da64c6982e8a715e50722f"},
		{"systemd-v2/podman-init.cgroup",
		 "/machine.slice/libpod-778b5de45e4fd1a6b62bfada7ddda259b0a75533e5da64c6982e8a715e50722f.scope"},
	};
	char text[4096], path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), FIXTURES "%s", t[i].fixture);
		n = proc_read_file(AT_FDCWD, path, text, sizeof(text));
		assert_true(n > 0);
		assert_true(claim_cgroup_agrees(text, (size_t)n, t[i].hint));
		assert_false(claim_cgroup_agrees(text, (size_t)n, "/libpod_parent/libpod-459d"));
	}
}

static void assert_own(const char *cgroup, const char *unit, const char *path, const char *own)
{
	struct claim claim = {.cgroup = cgroup, .unit = unit};

	assert_int_equal(claim_own_cgroup(&claim, path), strlen(own));
	assert_memory_equal(path, own, strlen(own));
}

static void the_containers_own_cgroup_is_the_claims_or_the_whole(void **state)
{
	char deep[ROOT_CGROUP_MAX + 1];

	(void)state;
	assert_own("/a/b", NULL, "/a/b/init.scope", "/a/b");
	assert_own("a/b/", NULL, "/a/b/init.scope", "/a/b");
	assert_own("/a/b", NULL, "/a/b", "/a/b");
	assert_own("/a/b", NULL, "/a/bc/d", "/a/bc/d"); /* said of another hierarchy */
	assert_own("/a/b", NULL, "/", "/");
	assert_own("/", NULL, "/a", "/a");
	assert_own(NULL, NULL, "/a/b", "/a/b");
	assert_own("/m.slice/libpod-1.scope/container", "libpod-1.scope",
		   "/m.slice/libpod-1.scope/container/init.scope", "/m.slice/libpod-1.scope");
	assert_own("/x", "libpod-1.scope", "/m.slice/libpod-12.scope/container", "/m.slice/libpod-12.scope/container");
	assert_own(NULL, "a.service", "/s/_a.service/payload", "/s/_a.service");
	assert_own(NULL, NULL, "/lxc.payload.web/init.scope", "/lxc.payload.web");
	assert_own(NULL, NULL, "/lxc/lxc.payload.web-1/system.slice/x", "/lxc/lxc.payload.web-1");
	assert_own(NULL, NULL, "/lxc.payload./x", "/lxc.payload./x");
	assert_own(NULL, NULL, "/a\x01\xff:b (deleted)/c", "/a\x01\xff:b (deleted)/c");
	memset(deep, '/', sizeof(deep));
	for (size_t i = 1; i < ROOT_CGROUP_MAX; i += 2)
		deep[i] = 'd';
	deep[ROOT_CGROUP_MAX] = '\0';
	deep[ROOT_CGROUP_MAX - 1] = 'd';
	assert_int_equal(claim_own_cgroup(&(struct claim){.cgroup = "/d/d"}, deep), 4);
	assert_int_equal(claim_own_cgroup(&(struct claim){.cgroup = NULL}, deep), ROOT_CGROUP_MAX);
	assert_int_equal(claim_own_cgroup(&(struct claim){.cgroup = deep}, deep), ROOT_CGROUP_MAX);
}

static void a_users_container_has_no_cgroup_that_is_not_his(void **state)
{
	DIR *dir = opendir("/sys/fs/cgroup");
	char own[300] = "/nowhere", path[310];
	struct owner user = {.uid = 54321};
	struct claim claim = {.cgroup = own, .owner = &user};
	struct stat st = {.st_uid = 0};
	bool found = false;
	struct dirent *e;

	(void)state;
	assert_non_null(dir);
	/* Whosever it is: he who has it may say so, and another may not. */
	while (!found && (e = readdir(dir))) {
		found = e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(st.st_mode);
		if (found)
			(void)snprintf(own, sizeof(own), "/%s", e->d_name);
	}
	(void)closedir(dir);
	(void)snprintf(path, sizeof(path), "%s/x", own);
	user.uid = st.st_uid + 54321;
	assert_int_equal(claim_own_cgroup(&claim, path), strlen(path));
	assert_int_equal(claim_own_cgroup(&claim, own), strlen(own));
	claim.unit = own + 1; /* "user.slice" is in everybody's path */
	assert_int_equal(claim_own_cgroup(&claim, path), strlen(path));
	user.uid = st.st_uid;
	if (found)
		assert_int_equal(claim_own_cgroup(&claim, path), strlen(own));
	claim.owner = NULL;
	assert_int_equal(claim_own_cgroup(&claim, path), strlen(own));
}

static void facts_are_the_kernels(void **state)
{
	struct init init = INIT_NONE;
	struct rig_child c;
	struct claim claim;

	(void)state;
	child_start(&c);
	claim = (struct claim){.pid = c.pid, .has_start = true, .start_ticks = c.start_ticks, .cgroup = c.cgroup};
	assert_int_equal(claim_check(proc, &claim, &init), 0);
	assert_int_equal(init.pid, c.pid);
	assert_int_equal(init.start_ticks, c.start_ticks);
	assert_string_equal(init.cgroup, c.cgroup);
	assert_true(procfd_alive(init.pidfd));
	init_clear(&init);
	assert_int_equal(init.pidfd, -1);

	claim.start_ticks++;
	assert_int_equal(claim_check(proc, &claim, &init), -ESTALE);
	claim.start_ticks--;
	claim.cgroup = "/engines/another";
	assert_int_equal(claim_check(proc, &claim, &init), -ESTALE);
	claim.cgroup = NULL;
	assert_int_equal(claim_check(proc, &claim, &init), 0);
	init_clear(&init);

	child_zombie(&c);
	assert_int_equal(claim_check(proc, &claim, &init), -ESRCH);
	child_end(&c);
	assert_int_equal(claim_check(proc, &claim, &init), -ESRCH);
	assert_int_equal(init.pidfd, -1); /* untouched by failures */
}

static void pids_that_no_container_has(void **state)
{
	static const pid_t pids[] = {1, 0, -1, -4242};
	struct init init = INIT_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		struct claim claim = {.pid = pids[i]};

		assert_int_equal(claim_check(proc, &claim, &init), -EINVAL);
	}
}

static void a_descriptor_alone_will_do(void **state)
{
	struct init init = INIT_NONE;
	struct rig_child c;
	int pidfd, other;

	(void)state;
	child_start(&c);
	pidfd = procfd_open(c.pid);
	other = procfd_open(c.pid);
	assert_int_equal(claim_check_pidfd(proc, pidfd, &init), 0);
	assert_int_equal(init.pid, c.pid);
	assert_int_equal(init.pidfd, pidfd);
	assert_int_equal(init.start_ticks, c.start_ticks);
	init_clear(&init);
	child_zombie(&c);
	assert_int_equal(claim_check_pidfd(proc, dup(other), &init), -ESRCH);
	child_end(&c);
	assert_int_equal(claim_check_pidfd(proc, other, &init), -ESRCH);
	assert_int_equal(fcntl(other, F_GETFD), -1); /* it took and closed it */
	assert_int_equal(claim_check_pidfd(proc, open("/dev/null", O_RDONLY | O_CLOEXEC), &init), -EBADF);
	pidfd = procfd_open(1);
	if (pidfd >= 0)
		assert_int_equal(claim_check_pidfd(proc, pidfd, &init), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hint_is_the_cgroup_or_above_it_at_a_component),
		cmocka_unit_test(real_layouts_agree),
		cmocka_unit_test(the_containers_own_cgroup_is_the_claims_or_the_whole),
		cmocka_unit_test(a_users_container_has_no_cgroup_that_is_not_his),
		cmocka_unit_test(facts_are_the_kernels),
		cmocka_unit_test(pids_that_no_container_has),
		cmocka_unit_test(a_descriptor_alone_will_do),
	};

	return cmocka_run_group_tests_name("claim", tests, open_proc, NULL);
}
