/* SPDX-License-Identifier: MIT */
/* Facts about a process. Runs in: monitor, resolver. See procfd.h. */
#include "procfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "cleanup.h"

#define PIDFS_MAGIC 0x50494446 /* linux/magic.h has it only from 6.9 on */
#define STAT_MAX 2048
#define STATUS_MAX (16 * 1024)
#define START_FIELD 22
#define FLAGS_FIELD 9
#define FLAG_KERNEL 0x00200000 /* PF_KTHREAD */
#define UID_MAP_MAX (PROC_UID_RANGES_MAX * 33 + 1) /* three numbers of ten columns */

int procfd_open(pid_t pid)
{
	int fd;

	if (pid <= 0)
		return -EINVAL;
	fd = (int)syscall(SYS_pidfd_open, pid, 0); /* always close-on-exec */
	if (fd < 0)
		return errno == ENOENT ? -EINVAL : -errno; /* a thread id: newer kernels say ENOENT */
	return fd;
}

bool procfd_alive(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;

	if (pidfd < 0) /* poll() would skip it, and say 0 */
		return false;
	do
		r = poll(&p, 1, 0);
	while (r < 0 && errno == EINTR);
	return r == 0; /* what cannot be polled does not count as alive */
}

uint64_t procfd_inode(int pidfd)
{
	struct statfs fs;
	struct stat st;

	/* Before pidfds had a file system they all shared one anonymous inode, which names nobody. */
	if (fstatfs(pidfd, &fs) < 0 || fs.f_type != PIDFS_MAGIC || fstat(pidfd, &st) < 0)
		return 0;
	return st.st_ino;
}

int procfd_signal(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

ssize_t proc_read_file(int dir, const char *path, char *buffer, size_t size)
{
	/* Without O_NONBLOCK a FIFO in the place of a file would hold us for ever. */
	autoclose int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	size_t len = 0;
	ssize_t r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || size == 0)
		return -EINVAL;
	/* One byte more than there is room for tells a full buffer from a longer file; the NUL takes its place. */
	while (len < size) {
		r = read(fd, buffer + len, size - len);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		len += (size_t)r;
	}
	if (len == size)
		return -EFBIG;
	buffer[len] = '\0';
	return (ssize_t)len;
}

static ssize_t read_of_process(int proc, pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[64];
	ssize_t r;

	if (pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	r = proc_read_file(proc, path, buffer, size);
	return r == -ENOENT ? -ESRCH : r;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number; NULL if there is none or it does not fit, else what follows. */
static const char *number(const char *p, uint64_t *ret)
{
	uint64_t v = 0;

	if (!is_digit(*p))
		return NULL;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return NULL;
	*ret = v;
	return p;
}

static ssize_t read_fdinfo(int proc, int fd, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "self/fdinfo/%d", fd);
	return proc_read_file(proc, path, text, size);
}

pid_t procfd_pid(int proc, int pidfd)
{
	char text[1024], *line;
	uint64_t pid;
	ssize_t r = read_fdinfo(proc, pidfd, text, sizeof(text));

	if (r < 0)
		return (pid_t)r;
	line = strstr(text, "\nPid:\t");
	if (!line)
		return -EBADF; /* some other descriptor */
	/* -1: reaped; 0: not in this PID namespace. */
	if (!number(line + strlen("\nPid:\t"), &pid) || pid == 0 || pid > INT32_MAX)
		return -ESRCH;
	return (pid_t)pid;
}

int procfd_outermost(int proc, int pidfd)
{
	char text[1024], *line;
	ssize_t r = read_fdinfo(proc, pidfd, text, sizeof(text));
	const char *end;
	uint64_t pid;

	if (r < 0)
		return (int)r;
	/* A number for each namespace that it is in, from that of @proc on; 0 if it is not in that one. */
	line = strstr(text, "\nNSpid:\t");
	if (!line || line[strlen("\nNSpid:\t")] == '-')
		return -ESRCH;
	end = number(line + strlen("\nNSpid:\t"), &pid);
	return end && *end == '\n' && pid > 0 ? 0 : -EPERM;
}

int proc_read_stat(int proc, pid_t pid, struct proc_stat *ret)
{
	char text[STAT_MAX];
	struct proc_stat s = {0};
	uint64_t value;
	ssize_t r = read_of_process(proc, pid, "stat", text, sizeof(text));
	const char *p;

	if (r < 0)
		return (int)r;
	/* The name is the process's own choice and may contain anything, ") R 1 1" too; no later field has a bracket. */
	p = memrchr(text, ')', (size_t)r);
	if (!p || p[1] != ' ' || p[2] == '\0' || p[3] != ' ')
		return -EBADMSG;
	s.state = p[2];
	p += 3;
	for (int field = 4; field <= START_FIELD; field++) {
		if (*p++ != ' ')
			return -EBADMSG;
		if (*p == '-') /* priorities, terminals and sizes may be negative */
			p++;
		p = number(p, &value);
		if (!p)
			return -EBADMSG;
		if (field == 4)
			s.ppid = (pid_t)value;
		if (field == FLAGS_FIELD)
			s.is_kernel = (value & FLAG_KERNEL) != 0;
	}
	s.start_ticks = value;
	*ret = s;
	return 0;
}

/* The value of a line "key:\tvalue": the kernel escapes newlines in the one value that a process chooses. */
static const char *status_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (strncmp(p, key, len) == 0 && p[len] == ':' && p[len + 1] == '\t')
			return p + len + 2;
	}
	return NULL;
}

static bool status_ids(const char *text, const char *key, uint32_t ids[4])
{
	const char *p = status_value(text, key);
	uint64_t v;

	for (int i = 0; i < 4; i++) {
		p = p ? number(p, &v) : NULL;
		if (!p || v > UINT32_MAX)
			return false;
		ids[i] = (uint32_t)v;
		if (*p == '\t')
			p++;
	}
	return true;
}

static bool status_mask(const char *text, const char *key, uint64_t *ret)
{
	const char *p = status_value(text, key);
	char *end;

	if (!p)
		return false;
	errno = 0;
	*ret = strtoull(p, &end, 16);
	return errno == 0 && end != p && *end == '\n';
}

static bool status_int(const char *text, const char *key, int *ret)
{
	const char *p = status_value(text, key);
	uint64_t v;

	if (!p || !number(p, &v) || v > INT32_MAX)
		return false;
	*ret = (int)v;
	return true;
}

static bool status_ngroups(const char *text, int *ret)
{
	const char *p = status_value(text, "Groups");
	uint64_t v;

	if (!p)
		return false;
	for (*ret = 0; p && is_digit(*p); ++*ret) {
		p = number(p, &v);
		if (p && *p == ' ')
			p++;
	}
	return p != NULL;
}

int proc_read_status(int proc, pid_t pid, struct proc_status *ret)
{
	char text[STATUS_MAX];
	struct proc_status s = {0};
	ssize_t r = read_of_process(proc, pid, "status", text, sizeof(text));

	if (r < 0)
		return (int)r;
	if (!status_ids(text, "Uid", s.uid) || !status_ids(text, "Gid", s.gid) || !status_ngroups(text, &s.ngroups) ||
	    !status_mask(text, "CapInh", &s.inheritable) || !status_mask(text, "CapPrm", &s.permitted) ||
	    !status_mask(text, "CapEff", &s.effective) || !status_mask(text, "CapBnd", &s.bounding) ||
	    !status_mask(text, "CapAmb", &s.ambient) || !status_int(text, "NoNewPrivs", &s.no_new_privs) ||
	    !status_int(text, "Seccomp", &s.seccomp))
		return -EBADMSG;
	*ret = s;
	return 0;
}

int proc_read_groups(int proc, pid_t pid, gid_t *ret, int max)
{
	char text[STATUS_MAX];
	ssize_t r = read_of_process(proc, pid, "status", text, sizeof(text));
	const char *p;
	uint64_t v;
	int n;

	if (r < 0)
		return (int)r;
	p = status_value(text, "Groups");
	if (!p)
		return -EBADMSG;
	for (n = 0; is_digit(*p); n++) {
		if (n == max)
			return -E2BIG;
		p = number(p, &v);
		if (!p || v > UINT32_MAX)
			return -EBADMSG;
		ret[n] = (gid_t)v;
		p += *p == ' ';
	}
	return n;
}

/* The next number of a line; NULL if it does not fit. */
static const char *map_number(const char *p, uint32_t *ret)
{
	uint64_t v;

	p = number(p + strspn(p, " "), &v);
	if (!p || v > UINT32_MAX)
		return NULL;
	*ret = (uint32_t)v;
	return p;
}

int proc_read_uid_map(int proc, pid_t pid, struct proc_uid_range *ret, int max)
{
	char text[UID_MAP_MAX];
	ssize_t r = read_of_process(proc, pid, "uid_map", text, sizeof(text));
	const char *p = text;
	int n;

	if (r < 0)
		return (int)r;
	for (n = 0; *p; n++) {
		struct proc_uid_range u;

		if (n == max)
			return -E2BIG;
		p = map_number(p, &u.inside);
		p = p ? map_number(p, &u.outside) : NULL;
		p = p ? map_number(p, &u.count) : NULL;
		if (!p || *p++ != '\n' || u.count == 0 || u.count > UINT32_MAX - u.outside)
			return -EBADMSG;
		ret[n] = u;
	}
	return n;
}

bool proc_next_cgroup(const char **text, size_t *len, struct cgroup_line *ret)
{
	while (*len > 0) {
		const char *line = *text, *end = memchr(line, '\n', *len), *a, *b;
		size_t n = end ? (size_t)(end - line) : *len;

		*text += end ? n + 1 : n;
		*len -= end ? n + 1 : n;
		/* Only the first two colons separate: a cgroup may be named "a:b". */
		a = memchr(line, ':', n);
		b = a ? memchr(a + 1, ':', n - (size_t)(a + 1 - line)) : NULL;
		if (!b || b + 1 == line + n || b[1] != '/')
			continue;
		ret->controllers = a + 1;
		ret->controllers_len = (size_t)(b - a - 1);
		ret->path = b + 1;
		ret->path_len = n - (size_t)(b + 1 - line);
		return true;
	}
	return false;
}

static bool has_controller(const struct cgroup_line *l, const char *name)
{
	const char *p = l->controllers, *end = p + l->controllers_len;
	size_t len = strlen(name);

	if (len == 0)
		return l->controllers_len == 0;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);

		if (n == len && memcmp(p, name, n) == 0)
			return true;
		p += n + 1;
	}
	return false;
}

/* Not every engine fills every hierarchy: each of these says "/" for some engine. "" is the unified one. */
static const char *const hierarchies[] = {"freezer", "memory", "devices", "name=systemd", ""};
#define NHIERARCHIES (sizeof(hierarchies) / sizeof(hierarchies[0]))

bool proc_selects_cgroup(const struct cgroup_line *line)
{
	for (size_t i = 0; i < NHIERARCHIES; i++) {
		if (has_controller(line, hierarchies[i]))
			return true;
	}
	return false;
}

ssize_t proc_select_cgroup(const char *text, size_t len, char *buffer, size_t size)
{
	struct cgroup_line line, best = {.path = NULL};
	size_t best_rank = NHIERARCHIES;

	while (proc_next_cgroup(&text, &len, &line)) {
		if (!best.path) {
			best = line;
			best.path_len = 1; /* "/", until a better one comes */
		}
		for (size_t i = 0; line.path_len > 1 && i < best_rank; i++) {
			if (has_controller(&line, hierarchies[i])) {
				best = line;
				best_rank = i;
			}
		}
	}
	if (!best.path)
		return -EBADMSG;
	if (best.path_len >= size)
		return -ENOSPC;
	memcpy(buffer, best.path, best.path_len);
	buffer[best.path_len] = '\0';
	return (ssize_t)best.path_len;
}

ssize_t proc_read_cgroup_text(int proc, pid_t pid, char *buffer, size_t size)
{
	return read_of_process(proc, pid, "cgroup", buffer, size);
}

ssize_t proc_read_cgroup(int proc, pid_t pid, char *buffer, size_t size)
{
	autofree char *text = malloc(CGROUP_TEXT_MAX);
	ssize_t r;

	if (!text)
		return -ENOMEM;
	r = proc_read_cgroup_text(proc, pid, text, CGROUP_TEXT_MAX);
	return r < 0 ? r : proc_select_cgroup(text, (size_t)r, buffer, size);
}
