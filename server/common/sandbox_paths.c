/* SPDX-License-Identifier: MIT */
/*
 * Paths that Landlock lets a process read. Runs in: resolver, before it locks itself in.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "sandbox.h"

/* The kernel's interface, in full: the header of the build machine may be older than the kernel that runs. */
#define LL_RULE_PATH 1
#define LL_FS_READ_FILE (UINT64_C(1) << 2)
#define LL_FS_READ_DIR (UINT64_C(1) << 3)

struct ll_path {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

int sandbox_allow_path(int ruleset, const char *path)
{
	autoclose int fd = open(path, O_PATH | O_CLOEXEC);
	struct ll_path rule = {.allowed = LL_FS_READ_FILE, .parent_fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		rule.allowed |= LL_FS_READ_DIR;
	return syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}
