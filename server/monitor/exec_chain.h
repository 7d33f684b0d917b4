/* SPDX-License-Identifier: MIT */
/*
 * Which file a path really names, and whether only root can change that. Runs in: monitor. Trusts: what root owns and
 * nobody else may write, once it has seen that.
 *
 * The chain is the protection: if every link, every directory and the file itself are root's, then nobody else can put another
 * file in its place, neither before nor after the check.
 */
#ifndef MONITOR_EXEC_CHAIN_H
#define MONITOR_EXEC_CHAIN_H

#include <limits.h>
#include <sys/types.h>
#include <time.h>

#define CHAIN_LINKS_MAX 40 /* as the kernel's own limit */

struct exec_file {
	char path[PATH_MAX]; /* every link resolved */
	dev_t dev;
	ino_t ino;
	struct timespec ctime;
};

/*
 * The executable at @path, and if it is a script its interpreter, checked component by component. 0, or with "what: remedy" in
 * @ret_error (of @size bytes)
 *	-ENOENT		something of it is missing
 *	-EACCES		not executable, or not a regular file
 *	-EPERM		somebody else than root could change it, or the interpreter is not named by its own path
 */
int exec_chain_check(const char *path, struct exec_file *ret, char *ret_error, int size);
/* The same for a directory: it and all above it. Also -ENOTDIR. */
int exec_chain_directory(const char *path, char *ret_error, int size);

#endif
