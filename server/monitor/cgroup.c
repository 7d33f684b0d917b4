/* SPDX-License-Identifier: MIT */
/* A cgroup of its own for each program. Runs in: monitor. See cgroup.h. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "../common/procfd.h"

#define PATH_SIZE (CGROUP_NAME_MAX + 32)
#define MAKE_TRIES 8
#define LEAF "broker" /* where a service manager puts us, below what it delegates */
#define PROGRAMS "programs"

bool cgroup_valid_name(const char *name)
{
	size_t n;

	for (;; name += n + 1) {
		n = strcspn(name, "/");
		if (n == 0 || name[0] == '.')
			return false;
		if (name[n] == '\0')
			return true;
	}
}

bool cgroup_valid(const char *path)
{
	return path[0] == '/' && strlen(path) <= CGROUP_BASE_MAX && cgroup_valid_name(path + 1);
}

/* Where it is on every distribution: alone, or beside the hierarchies of version 1. */
static int open_mount(void)
{
	static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		autoclose int fd = open(places[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct statfs fs;

		if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return take_fd(&fd);
	}
	return -1;
}

static int open_directory(const struct cgroups *c, const char *name)
{
	int fd = openat(c->mount, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_file(const struct cgroups *c, const char *name, const char *file, int flags)
{
	char path[PATH_SIZE];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", name, file);
	fd = openat(c->mount, path, flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_file(const struct cgroups *c, const char *name, const char *file, const char *text)
{
	autoclose int fd = open_file(c, name, file, O_WRONLY);

	if (fd < 0)
		return fd;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* So systemd marks what it leaves to a service, Delegate=yes. Only root can set it. */
static bool is_delegated(const struct cgroups *c, const char *name)
{
	autoclose int fd = open_directory(c, name);
	char value = '0';

	return fd >= 0 && fgetxattr(fd, "trusted.delegate", &value, 1) == 1 && value == '1';
}

/* Our own cgroup of version 2, without the first slash. */
static int own_cgroup(char *ret, size_t size)
{
	autoclose int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = malloc(CGROUP_TEXT_MAX);
	const char *at = text;
	struct cgroup_line line;
	size_t len;
	ssize_t n;

	if (proc < 0 || text == NULL)
		return -ENOMEM;
	n = proc_read_cgroup_text(proc, getpid(), text, CGROUP_TEXT_MAX);
	if (n < 0)
		return (int)n;
	for (len = (size_t)n; proc_next_cgroup(&at, &len, &line);) {
		if (line.controllers_len != 0 || line.path_len > size)
			continue;
		memcpy(ret, line.path + 1, line.path_len - 1);
		ret[line.path_len - 1] = '\0';
		return 0;
	}
	return -ENOENT;
}

/* False: nothing of cgroup v2 was left to us. */
static bool find_delegated(struct cgroups *c)
{
	char own[CGROUP_BASE_MAX + 2 - sizeof("/" PROGRAMS)] = "/", *last;

	if (own_cgroup(own + 1, sizeof(own) - 1) < 0 || !cgroup_valid(own))
		return false;
	last = strrchr(own, '/');
	if (!is_delegated(c, own + 1)) {
		if (strcmp(last, "/" LEAF) != 0 || last == own)
			return false;
		*last = '\0';
		if (!is_delegated(c, own + 1))
			return false;
	}
	(void)snprintf(c->base, sizeof(c->base), "%s/" PROGRAMS, own + 1);
	return true;
}

/* Whoever else could write in it could move processes in, to be killed, or out. 0 or -errno. */
static int check_base(const struct cgroups *c)
{
	autoclose int fd = open_directory(c, c->base);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 || (st.st_mode & 022) != 0)
		return -EPERM;
	/* Linux 5.14. */
	return faccessat(fd, "cgroup.kill", F_OK, 0) < 0 ? -errno : 0;
}

/* False: programs have no cgroups. */
static bool find_base(struct cgroups *c, const char *setting)
{
	*c = (struct cgroups){.mount = open_mount()};
	if (setting == NULL || strcmp(setting, "none") == 0)
		return false;
	if (strcmp(setting, "auto") == 0)
		return c->mount >= 0 && find_delegated(c);
	(void)snprintf(c->base, sizeof(c->base), "%s", setting + 1);
	return true;
}

void cgroups_prepare(const char *setting)
{
	struct cgroups c;

	/* Whatever is wrong with it is found when it is opened. */
	if (find_base(&c, setting) && c.mount >= 0)
		(void)mkdirat(c.mount, c.base, 0755);
	cgroups_close(&c);
}

void cgroups_open(struct cgroups *c, const char *setting)
{
	int r;

	if (!find_base(c, setting))
		return;
	r = c->mount >= 0 ? check_base(c) : -ENODEV;
	if (r < 0) {
		log_warning("cgroup /%s: %s: programs have no cgroups", c->base, strerror(-r));
		c->base[0] = '\0';
		return;
	}
	cgroups_sweep(c);
}

void cgroups_close(struct cgroups *c)
{
	close_fd(&c->mount);
}

int cgroup_make(const struct cgroups *c, uint64_t key, char *name)
{
	int i;

	for (i = 0; c->base[0] != '\0' && i < MAKE_TRIES; i++) {
		(void)snprintf(name, CGROUP_NAME_MAX + 1, "%s/%" PRIu64 ".%d", c->base, key, i);
		if (mkdirat(c->mount, name, 0755) == 0)
			return 0;
		/* Somebody's: whatever is in it is not this program's. */
		if (errno != EEXIST) {
			name[0] = '\0';
			return -errno;
		}
	}
	name[0] = '\0';
	return c->base[0] == '\0' ? -ENOENT : -EEXIST;
}

int cgroup_join(const struct cgroups *c, const char *name, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	return write_file(c, name, "cgroup.procs", text);
}

int cgroup_kill(const struct cgroups *c, const char *name)
{
	return write_file(c, name, "cgroup.kill", "1");
}

int cgroup_events(const struct cgroups *c, const char *name)
{
	return open_file(c, name, "cgroup.events", O_RDONLY);
}

bool cgroup_is_empty(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	/* It was removed under us: only an empty one can be. */
	if (n < 0)
		return errno == ENODEV;
	text[n] = '\0';
	return strstr(text, "populated 0") != NULL;
}

void cgroup_remove(const struct cgroups *c, const char *name)
{
	if (name[0] != '\0' && c->mount >= 0)
		(void)unlinkat(c->mount, name, AT_REMOVEDIR);
}

/* The kernel removes none that has a process in it. */
void cgroups_sweep(const struct cgroups *c)
{
	int fd = c->base[0] != '\0' ? open_directory(c, c->base) : -1;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_type == DT_DIR && e->d_name[0] >= '0' && e->d_name[0] <= '9')
			(void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(d);
}
