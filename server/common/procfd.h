/* SPDX-License-Identifier: MIT */
/*
 * Facts about a process, by pidfd and /proc. Runs in: monitor, resolver. Trusts: the kernel's text, not the
 * names in it (a comm may contain ") R 1", a cgroup any byte but newline).
 *
 * Pin first, then ask: open the pidfd, read, and ask procfd_alive() last; then everything read belonged to that process.
 */
#ifndef COMMON_PROCFD_H
#define COMMON_PROCFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A pidfd, close-on-exec; -ESRCH if there is no such process, -EINVAL for a thread id or @pid <= 0. */
int procfd_open(pid_t pid);
/* Not yet exited (a zombie has). */
bool procfd_alive(int pidfd);
/* The pidfd's inode: names the process for ever where pidfds have their own file system (Linux 6.9), else 0. */
uint64_t procfd_inode(int pidfd);
/* The number of the process behind @pidfd in the PID namespace of @proc; -ESRCH once it is reaped. */
pid_t procfd_pid(int proc, int pidfd);
/* It is in the PID namespace of @proc, and not in one below it: 0; -EPERM: it is elsewhere; -ESRCH once it is reaped. */
int procfd_outermost(int proc, int pidfd);
int procfd_signal(int pidfd, int signo);

/*
 * @proc is an open descriptor of /proc (or of a fixture). Reads of a process that is gone are -ESRCH.
 */
struct proc_stat {
	char state; /* R S D T Z X ... */
	pid_t ppid;
	uint64_t start_ticks; /* field 22 */
	bool is_kernel; /* a thread of the kernel's */
};
int proc_read_stat(int proc, pid_t pid, struct proc_stat *ret);

/* The ids and capability sets that /proc/PID/status shows. */
struct proc_status {
	uid_t uid[4]; /* real, effective, saved, file system */
	gid_t gid[4];
	uint64_t inheritable, permitted, effective, bounding, ambient;
	int no_new_privs, seccomp;
	int ngroups;
};
int proc_read_status(int proc, pid_t pid, struct proc_status *ret);

/* The supplementary groups: how many, or -E2BIG if they are more than @max. */
int proc_read_groups(int proc, pid_t pid, gid_t *ret, int max);

/* The ranges of /proc/PID/uid_map: which uids of the reader's user namespace the process's one is made of. */
#define PROC_UID_RANGES_MAX 340 /* the kernel's own limit */
struct proc_uid_range {
	uid_t inside, outside;
	uint32_t count;
};
/* How many there are; -E2BIG if they are more than @max; -EBADMSG. */
int proc_read_uid_map(int proc, pid_t pid, struct proc_uid_range *ret, int max);

/*
 * The process's own cgroup, by the rule: of the v1 hierarchies freezer, memory, devices, then name=systemd, then the unified one
 * the first that is not "/"; "/" if all are. @buffer receives it NUL-terminated. The length, or -ENOSPC, -errno.
 */
ssize_t proc_read_cgroup(int proc, pid_t pid, char *buffer, size_t size);
/* The same from the text of a cgroup file; for proc_read_cgroup() and tests. -EBADMSG if it has no line of the right form. */
ssize_t proc_select_cgroup(const char *text, size_t len, char *buffer, size_t size);

/* The text of /proc/PID/cgroup itself: the length; CGROUP_TEXT_MAX bytes always suffice. */
#define CGROUP_TEXT_MAX (64 * 1024)
ssize_t proc_read_cgroup_text(int proc, pid_t pid, char *buffer, size_t size);
/* A line of it: views into the text. The unified hierarchy has no controllers. */
struct cgroup_line {
	const char *controllers, *path;
	size_t controllers_len, path_len;
};
/* Takes the next line of the right form off the text; false when there is none left. */
bool proc_next_cgroup(const char **text, size_t *len, struct cgroup_line *ret);

/* It is of one of the hierarchies that proc_select_cgroup() looks at. */
bool proc_selects_cgroup(const struct cgroup_line *line);

/* Reads a whole small file below @dir without following a last link: the length (NUL added behind it), -EFBIG if it is larger than
 * @size - 1 bytes, -EINVAL if it is not a regular file (or /proc's), -errno. */
ssize_t proc_read_file(int dir, const char *path, char *buffer, size_t size);

#endif
