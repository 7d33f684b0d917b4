/* SPDX-License-Identifier: MIT */
#include "farm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST_DIR "/var/lib/containers/storage/overlay-containers"
#define ITEM_MAX 1024

void die(const char *what)
{
	fprintf(stderr, "scale: %s: %s\n", what, strerror(errno));
	exit(3);
}

static unsigned pick(struct farm *f, unsigned n)
{
	f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(f->random >> 33) % n;
}

/* --- Processes --------------------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		die(path);
	(void)close(fd);
}

static void cgroup_directory(const struct farm *f, const struct truth *t, char path[256])
{
	(void)snprintf(path, 256, "%s%s", f->cgroups, t->cgroup + strlen(f->cgroup_prefix));
}

/* Root of another UTS namespace is not root to the broker. */
static void go_home(const struct farm *f)
{
	if (setns(f->home, CLONE_NEWUTS) < 0)
		die("leaving a UTS namespace");
}

/* It inherits a UTS namespace that is made for it, so that nothing has to be waited for. */
static pid_t live(const struct farm *f, const struct truth *t)
{
	char path[256], file[300], number[16];
	pid_t pid;

	if (unshare(CLONE_NEWUTS) < 0 || sethostname(t->hostname, strlen(t->hostname)) < 0)
		die("a UTS namespace");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)syscall(SYS_close_range, 0, ~0U, 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	go_home(f);
	cgroup_directory(f, t, path);
	if (mkdir(path, 0755) < 0)
		die(path);
	(void)snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	(void)snprintf(number, sizeof(number), "%d", (int)pid);
	write_text(file, number, strlen(number));
	return pid;
}

static void end(const struct farm *f, const struct truth *t)
{
	char path[256];

	if (kill(t->pid, SIGKILL) < 0 || waitpid(t->pid, NULL, 0) != t->pid)
		die("ending a process");
	cgroup_directory(f, t, path);
	(void)rmdir(path);
}

static unsigned long long start_time(pid_t pid)
{
	char path[64], text[1024], *at;
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		die(path);
	(void)close(fd);
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		die(path);
	return strtoull(at, NULL, 10);
}

/* --- Files of crun and runc -------------------------------------------------------------------------------------- */

static const char *state_directory(const struct slot *s, char path[256])
{
	(void)snprintf(path, 256, "/run/%s/%s", s->engine == RUNC ? "runc" : "crun", s->id);
	return path;
}

static void write_state(const struct slot *s, const struct truth *t)
{
	const char *file = s->engine == RUNC ? "state.json" : "status";
	char dir[256], path[300], new[300], text[2048];
	int len;

	state_directory(s, dir);
	if (s->engine == RUNC)
		len = snprintf(text, sizeof(text),
			       "{\"id\":\"%s\",\"init_process_pid\":%d,\"init_process_start\":%llu,"
			       "\"created\":\"2026-11-22T01:23:03.928331291Z\",\"config\":{\"no_pivot_root\":false,"
			       "\"parent_death_signal\":0,\"rootfs\":\"/srv/containers/rootfs\",\"umask\":null,"
			       "\"readonlyfs\":true,\"hostname\":\"%s\"},\"rootless\":false,\"cgroup_paths\":{"
			       "\"\":\"/sys/fs/cgroup%s\",\"freezer\":\"/sys/fs/cgroup/freezer%s\"},"
			       "\"external_descriptors\":[\"/dev/null\",\"/dev/null\",\"/dev/null\"]}",
			       s->id, (int)t->pid, start_time(t->pid), t->hostname, t->cgroup, t->cgroup);
	else
		len = snprintf(text, sizeof(text),
			       "{\n    \"pid\": %d,\n    \"process-start-time\": %llu,\n    \"cgroup-path\": \"%s\",\n"
			       "    \"scope\": \"\",\n    \"rootfs\": \"/srv/containers/rootfs\",\n"
			       "    \"systemd-cgroup\": false,\n    \"bundle\": \"/srv/containers/oci/crun/%s\",\n"
			       "    \"created\": \"2026-11-22T01:23:03.825339Z\",\n    \"owner\": \"root\",\n"
			       "    \"detached\": true,\n    \"external_descriptors\": \"[\\\"/dev/null\\\"]\"\n}\n",
			       (int)t->pid, start_time(t->pid), t->cgroup, s->id);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	(void)snprintf(new, sizeof(new), "%s/%s.tmp", dir, file);
	write_text(new, text, (size_t)len);
	if (rename(new, path) < 0)
		die(path);
}

static void make_state(const struct slot *s, const struct truth *t)
{
	char dir[256];

	if (mkdir(state_directory(s, dir), 0700) < 0)
		die(dir);
	write_state(s, t);
}

static void remove_state(const struct slot *s)
{
	char dir[256], path[300];

	state_directory(s, dir);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, s->engine == RUNC ? "state.json" : "status");
	if (unlink(path) < 0 || rmdir(dir) < 0)
		die(dir);
}

static bool has_state(const struct slot *s)
{
	char dir[256];

	return access(state_directory(s, dir), F_OK) == 0;
}

/* --- podman's list ----------------------------------------------------------------------------------------------- */

static void set_item(struct farm *f, const struct slot *s, const struct truth *t)
{
	char **item = &f->items[s - f->oracle->slots];

	free(*item);
	*item = NULL;
	if (t->kind == ABSENT)
		return;
	*item = malloc(ITEM_MAX);
	if (!*item)
		die("memory");
	(void)snprintf(*item, ITEM_MAX,
		       "{\"id\":\"%s\",\"names\":[\"%s\"],"
		       "\"image\":\"80574ae1fdfbe23d051294c2c9c0b726c03052b56934e97146fa8f4b368f7ca2\","
		       "\"layer\":\"d0669105055185d49505be1fd2ba38907fa2bd4eb6395c8b3d0258e5d10fd61e\","
		       "\"metadata\":\"{\\\"image-name\\\":\\\"localhost/bb:latest\\\",\\\"image-id\\\":"
		       "\\\"80574ae1fdfbe23d051294c2c9c0b726c03052b56934e97146fa8f4b368f7ca2\\\","
		       "\\\"name\\\":\\\"%s\\\",\\\"created-at\\\":1795310584}\","
		       "\"created\":\"2026-11-22T01:23:04.152448728Z\","
		       "\"flags\":{\"MountLabel\":\"\",\"ProcessLabel\":\"\"}}",
		       s->id, t->name, t->name);
}

void farm_write_list(struct farm *f)
{
	size_t room = 16 + (size_t)f->oracle->nslots * ITEM_MAX, at = 0;
	char *text = malloc(room);

	if (!text)
		die("memory");
	text[at++] = '[';
	for (unsigned i = 0; i < f->oracle->nslots; i++) {
		size_t len = f->items[i] ? strlen(f->items[i]) : 0;

		if (len == 0)
			continue;
		if (at > 1)
			text[at++] = ',';
		memcpy(text + at, f->items[i], len);
		at += len;
	}
	text[at++] = ']';
	write_text(LIST_DIR "/.tmp-containers.json", text, at);
	free(text);
	if (rename(LIST_DIR "/.tmp-containers.json", LIST_DIR "/containers.json") < 0)
		die(LIST_DIR);
}

/* --- Changes ----------------------------------------------------------------------------------------------------- */

static void fill(struct farm *f, struct slot *s, struct truth *t)
{
	unsigned n = (unsigned)(s - f->oracle->slots);

	t->kind = RUNNING;
	f->generation++;
	(void)snprintf(t->hostname, sizeof(t->hostname), "host-%u-%u", n, f->generation);
	(void)snprintf(t->cgroup, sizeof(t->cgroup), "%s/libpod-%u-%u", f->cgroup_prefix, n, f->generation);
	t->pid = live(f, t);
}

/* podman first lists a container, and then has crun start it. */
static void list_new(struct farm *f, struct slot *s)
{
	struct truth *t = truth_next(s);

	t->kind = STOPPED;
	(void)snprintf(t->name, sizeof(t->name), "web-%u-%u", (unsigned)(s - f->oracle->slots), ++f->generation);
	truth_begin(f->oracle, s);
	set_item(f, s, t);
	farm_write_list(f);
	truth_end(f->oracle, s);
}

void farm_start(struct farm *f, struct slot *s)
{
	struct truth before = *truth_now(s), *t;

	if (s->engine == PODMAN && before.kind == ABSENT)
		list_new(f, s);
	t = truth_next(s);
	/* The one that ends is gone before the next is there: one id, one directory. */
	if (before.kind != ABSENT)
		t->via = s->engine == PODMAN ? VIA_STOPPED : VIA_STOPPED | VIA_ABSENT;
	fill(f, s, t);
	truth_begin(f->oracle, s);
	if (before.kind == RUNNING)
		end(f, &before);
	if (before.kind != ABSENT && has_state(s))
		remove_state(s);
	make_state(s, t);
	truth_end(f->oracle, s);
	f->changes++;
}

void farm_stop(struct farm *f, struct slot *s)
{
	struct truth before = *truth_now(s), *t = truth_next(s);

	t->kind = STOPPED;
	truth_begin(f->oracle, s);
	end(f, &before);
	truth_end(f->oracle, s);
	f->changes++;
}

void farm_delete(struct farm *f, struct slot *s)
{
	struct truth before = *truth_now(s), *t = truth_next(s);

	t->kind = ABSENT;
	t->via = VIA_STOPPED;
	truth_begin(f->oracle, s);
	if (before.kind == RUNNING)
		end(f, &before);
	if (has_state(s))
		remove_state(s);
	if (s->engine == PODMAN) {
		set_item(f, s, t);
		farm_write_list(f);
	}
	truth_end(f->oracle, s);
	f->changes++;
}

void farm_rename(struct farm *f, struct slot *s)
{
	struct truth *t = truth_next(s);

	(void)snprintf(t->name, sizeof(t->name), "web-%u-%u", (unsigned)(s - f->oracle->slots), ++f->generation);
	truth_begin(f->oracle, s);
	set_item(f, s, t);
	farm_write_list(f);
	truth_end(f->oracle, s);
	f->changes++;
}

void farm_set_hostname(struct farm *f, struct slot *s)
{
	struct truth *t = truth_next(s);
	int fd = (int)syscall(SYS_pidfd_open, t->pid, 0);

	(void)snprintf(t->hostname, sizeof(t->hostname), "renamed-%u", ++f->generation);
	truth_begin(f->oracle, s);
	if (fd < 0 || setns(fd, CLONE_NEWUTS) < 0 || sethostname(t->hostname, strlen(t->hostname)) < 0)
		die("setting a hostname");
	(void)close(fd);
	go_home(f);
	truth_end(f->oracle, s);
	f->changes++;
}

void farm_touch(struct farm *f, struct slot *s)
{
	(void)f;
	write_state(s, truth_now(s));
}

struct slot *farm_any(struct farm *f)
{
	return &f->oracle->slots[pick(f, f->oracle->nslots)];
}

void farm_change(struct farm *f)
{
	struct slot *s = farm_any(f);
	unsigned what = pick(f, 100);

	/* Most slots are of running containers: every other change looks for one that is not, so that as many start as stop. */
	for (unsigned i = 0; i < f->oracle->nslots && what % 2 && truth_now(s)->kind == RUNNING; i++)
		s = s + 1 < f->oracle->slots + f->oracle->nslots ? s + 1 : f->oracle->slots;
	switch (truth_now(s)->kind) {
	case ABSENT:
		farm_start(f, s);
		return;
	case STOPPED:
		if (what < 50)
			farm_start(f, s);
		else
			farm_delete(f, s);
		return;
	default:
		break;
	}
	if (what < 8)
		farm_set_hostname(f, s);
	else if (what < 16 && s->engine == PODMAN)
		farm_rename(f, s);
	else if (what < 40)
		farm_start(f, s);
	else if (what < 60)
		farm_stop(f, s);
	else
		farm_delete(f, s);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

static void name_slot(struct farm *f, struct slot *s, enum engine engine)
{
	unsigned n = (unsigned)(s - f->oracle->slots);
	char *at = s->id;

	s->engine = engine;
	if (engine != PODMAN) {
		(void)snprintf(s->id, sizeof(s->id), "%s-job-%u", engine_names[engine], n);
		return;
	}
	for (int i = 0; i < 8; i++)
		at += snprintf(at, 9, "%08x", (n * ID_MULTIPLIER) ^ (0x9e3779b9U * (unsigned)(i * i)));
}

void farm_init(struct farm *f, unsigned nslots, const char *cgroups, const char *cgroup_prefix)
{
	*f = (struct farm){.cgroups = cgroups, .cgroup_prefix = cgroup_prefix, .random = 1, .room = nslots};
	f->oracle = oracle_new(nslots);
	f->items = calloc(nslots, sizeof(*f->items));
	if (!f->oracle || !f->items)
		die("memory");
	f->home = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (f->home < 0)
		die("/proc/self/ns/uts");
	f->oracle->nslots = 0;
	if (mkdir(cgroups, 0755) < 0 && errno != EEXIST)
		die(cgroups);
	(void)mkdir("/run/crun", 0700);
	(void)mkdir("/run/runc", 0700);
	(void)mkdir("/var/lib/containers/storage", 0700);
	if (mkdir(LIST_DIR, 0700) < 0 && errno != EEXIST)
		die(LIST_DIR);
}

static struct slot *new_slot(struct farm *f, enum engine engine)
{
	struct oracle *o = f->oracle;
	struct slot *s = &o->slots[o->nslots];
	struct truth *t;

	if (o->nslots == f->room) {
		errno = ENOSPC;
		die("SLOTS");
	}
	name_slot(f, s, engine);
	o->nslots++;
	if (engine != PODMAN)
		return s;
	t = truth_next(s);
	t->kind = STOPPED;
	(void)snprintf(t->name, sizeof(t->name), "web-%u-0", o->nslots - 1);
	truth_begin(o, s);
	set_item(f, s, t);
	truth_end(o, s);
	return s;
}

void farm_grow(struct farm *f, const unsigned count[ENGINES], unsigned spare, unsigned listed)
{
	unsigned first = f->oracle->nslots;

	for (int engine = 0; engine < ENGINES; engine++) {
		for (; f->count[engine] < count[engine]; f->count[engine]++)
			(void)new_slot(f, (enum engine)engine);
	}
	farm_write_list(f);
	for (unsigned last = f->oracle->nslots; first < last; first++)
		farm_start(f, &f->oracle->slots[first]);
	for (; spare > 0; spare--)
		(void)new_slot(f, CRUN);
	for (; listed > 0; listed--)
		(void)new_slot(f, PODMAN);
	farm_write_list(f);
}

void farm_fini(struct farm *f)
{
	for (unsigned i = 0; i < f->oracle->nslots; i++) {
		struct slot *s = &f->oracle->slots[i];

		if (truth_now(s)->kind == RUNNING)
			end(f, truth_now(s));
		if (has_state(s))
			remove_state(s);
	}
	(void)unlink(LIST_DIR "/containers.json");
	(void)rmdir(f->cgroups);
}
