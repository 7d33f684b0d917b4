/* SPDX-License-Identifier: MIT */
/* See resolver_rig.h. */
#include "resolver_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/cleanup.h"
#include "../../server/common/procfd.h"

/* --- Records ----------------------------------------------------------------------------------------------------- */

static void note(struct rig *g, char what)
{
	size_t n = strlen(g->order);

	if (n + 1 < sizeof(g->order))
		g->order[n] = what;
}

static void note_state(struct rig *g, uint32_t state)
{
	static const char *const words[] = {"unknown", "created",  "running",  "paused",   "stopping",
					    "stopped", "starting", "aborting", "freezing", "thawed"};
	size_t n = strlen(g->history);

	assert_true(state < sizeof(words) / sizeof(words[0]));
	(void)snprintf(g->history + n, sizeof(g->history) - n, "%s ", words[state]);
}

static struct rig_record *by_rid(struct rig *g, uint64_t rid)
{
	for (size_t i = 0; i < g->nrecords; i++) {
		if (g->records[i].rid == rid)
			return &g->records[i];
	}
	return NULL;
}

static void sink_put(struct table_sink *s, const struct container_record *m, int pidfd)
{
	struct rig *g = container_of(s, struct rig, sink);
	struct rig_record *r = by_rid(g, m->rid);

	if (!r) {
		assert_true(g->nrecords < RIG_RECORDS);
		r = &g->records[g->nrecords++];
	}
	*r = (struct rig_record){.rid = m->rid, .state = m->state, .pid = m->pid, .owner = m->owner};
	assert_true(str_copy(r->engine, sizeof(r->engine), m->engine));
	assert_true(str_copy(r->id, sizeof(r->id), m->id));
	assert_true(str_copy(r->user, sizeof(r->user), m->user));
	assert_true(str_copy(r->name, sizeof(r->name), m->name));
	assert_true(str_copy(r->cgroup, sizeof(r->cgroup), m->cgroup));
	assert_true(str_copy(r->init_cgroup, sizeof(r->init_cgroup), m->init_cgroup));
	r->had_pidfd = pidfd >= 0;
	r->exited = m->flags & RECORD_EXITED;
	r->exit = m->exit;
	note_state(g, m->state);
	/* What every record must be, whatever the engine said. */
	assert_int_equal(r->pid != 0, pidfd >= 0);
	assert_int_equal(r->cgroup[0] != '\0', pidfd >= 0);
	if (r->init_cgroup[0]) {
		assert_memory_equal(r->init_cgroup, r->cgroup, strlen(r->cgroup));
		assert_int_equal(r->init_cgroup[strlen(r->cgroup)], '/');
	}
	if (pidfd >= 0)
		assert_true(r->pid > 1 && r->state != ROOT_CONTAINER_STOPPED);
	g->puts++;
	note(g, '+');
}

static void sink_remove(struct table_sink *s, uint64_t rid)
{
	struct rig *g = container_of(s, struct rig, sink);
	struct rig_record *r = by_rid(g, rid);

	if (!r) {
		fail_msg("a record is removed that was not there");
		return;
	}
	*r = g->records[--g->nrecords];
	g->removes++;
	note(g, '-');
}

const struct rig_record *rig_find(const struct rig *g, const char *engine, const char *id)
{
	const struct rig_record *found = NULL;

	for (size_t i = 0; i < g->nrecords; i++) {
		const struct rig_record *r = &g->records[i];

		if (strcmp(r->engine, engine) == 0 && strcmp(r->id, id) == 0) {
			assert_null(found);
			found = r;
		}
	}
	return found;
}

/* --- The parts --------------------------------------------------------------------------------------------------- */

static void on_ended(struct table *t, struct entry *e)
{
	(void)t;
	e->scope->dir->engine->ended(e->scope->dir, e);
}

static void ask_nobody(struct lxc_asker *k, const struct ipc_lxc_ask *m)
{
	(void)k;
	(void)m;
}

static void ask_no_fifo(struct lxc_asker *k, const struct ipc_lxc_fifo *m)
{
	(void)k;
	(void)m;
}

int rig_setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));

	*state = g;
	if (!g)
		return -1;
	g->records = calloc(RIG_RECORDS, sizeof(*g->records));
	strcpy(g->tmp, "/tmp/test_resolver.XXXXXX");
	g->sink = (struct table_sink){.put = sink_put, .remove = sink_remove};
	if (!g->records || !mkdtemp(g->tmp) || loop_init(&g->loop) < 0 || watch_init(&g->watch) < 0 ||
	    table_init(&g->table, &g->sink) < 0)
		return -1;
	g->table.ended = on_ended;
	g->asker = (struct lxc_asker){.loop = &g->loop, .send = ask_nobody, .send_fifo = ask_no_fifo};
	g->ctx = (struct engine_ctx){
		.loop = &g->loop,
		.watch = &g->watch,
		.table = &g->table,
		.asker = &g->asker,
		.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.run_lxc = "/nowhere",
		.cgroup_root = "/nowhere",
	};
	g->asker.proc = g->ctx.proc;
	return g->ctx.proc < 0;
}

int rig_teardown(void **state)
{
	struct rig *g = *state;

	for (unsigned i = 0; i < g->ndirs; i++) {
		g->dirs[i].engine->close(&g->dirs[i]);
		(void)close(g->dirs[i].fd);
	}
	table_flush(&g->table);
	assert_int_equal(g->nrecords, 0); /* closing takes everything back */
	assert_int_equal(g->watch.by_wd.count, 0);
	lxc_asker_fini(&g->asker);
	table_fini(&g->table);
	watch_fini(&g->watch);
	loop_fini(&g->loop);
	(void)close(g->ctx.proc);
	rig_rmtree(g, "");
	free(g->records);
	free(g);
	return 0;
}

struct engine_dir *rig_engine(struct rig *g, const char *engine, const char *name)
{
	struct engine_dir *d = &g->dirs[g->ndirs];
	char *path = g->paths[g->ndirs];

	assert_true(g->ndirs < RIG_DIRS);
	assert_true(str_copy(path, sizeof(g->paths[0]), str_of(rig_path(g, name))));
	if (mkdir(path, 0755) < 0)
		assert_int_equal(errno, EEXIST);
	*d = (struct engine_dir){.engine = engine_find(engine), .ctx = &g->ctx, .path = path, .owner = 77};
	assert_non_null(d->engine);
	d->index = g->ndirs;
	if (g->user) {
		d->user = g->user;
		d->owner = g->user->uid;
		assert_int_equal(chown(path, d->owner, d->owner), 0);
	}
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d->fd >= 0);
	assert_int_equal(d->engine->open(d), 0);
	g->ndirs++;
	return d;
}

void rig_round(struct rig *g)
{
	g->puts = g->removes = 0;
	memset(g->order, 0, sizeof(g->order));
	assert_int_equal(watch_drain(&g->watch), 0);
	table_drain_ends(&g->table);
	for (unsigned i = 0; i < g->ndirs; i++)
		g->dirs[i].engine->settle(&g->dirs[i]);
	table_flush(&g->table);
}

/* --- Files ------------------------------------------------------------------------------------------------------- */

const char *rig_path(const struct rig *g, const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *p = paths[next++ % 8];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", g->tmp, name);
	return p;
}

void rig_mkdir(const struct rig *g, const char *name)
{
	assert_int_equal(mkdir(rig_path(g, name), 0700), 0);
}

static void remove_at(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;

	if (fd < 0) {
		(void)unlinkat(at, name, 0);
		return;
	}
	dir = fdopendir(fd);
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_at(fd, e->d_name);
	}
	(void)closedir(dir);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

void rig_rmtree(const struct rig *g, const char *name)
{
	remove_at(AT_FDCWD, rig_path(g, name));
}

void rig_scribble(const struct rig *g, const char *name, const char *text, size_t len)
{
	int fd = open(rig_path(g, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	(void)close(fd);
}

void rig_put(const struct rig *g, const char *name, const char *text, size_t len)
{
	char temporary[256];

	(void)snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	rig_scribble(g, temporary, text, len);
	assert_int_equal(rename(rig_path(g, temporary), rig_path(g, name)), 0);
}

void rig_put_json(const struct rig *g, const char *name, const json_t *root)
{
	char *text = json_dumps(root, 0);

	assert_non_null(text);
	rig_put(g, name, text, strlen(text));
	free(text);
}

json_t *rig_fixture(const char *name)
{
	char path[256];
	json_error_t error;
	json_t *root;

	(void)snprintf(path, sizeof(path), FIXTURES "%s", name);
	root = json_load_file(path, 0, &error);
	if (!root)
		fail_msg("%s: %s (tests run in the tree's root)", path, error.text);
	return root;
}

char *rig_text(const char *name)
{
	char path[256], *text = calloc(1, 64 * 1024);
	int fd;

	(void)snprintf(path, sizeof(path), FIXTURES "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_non_null(text);
	assert_true(read(fd, text, 64 * 1024 - 1) > 0);
	(void)close(fd);
	return text;
}

char *rig_replace(char *text, const char *from, const char *to)
{
	char *whole = NULL;
	size_t len;
	FILE *f = open_memstream(&whole, &len);
	const char *rest = text;

	assert_non_null(f);
	assert_non_null(strstr(text, from));
	for (const char *at; (at = strstr(rest, from)); rest = at + strlen(from))
		assert_true(fprintf(f, "%.*s%s", (int)(at - rest), rest, to) >= 0);
	assert_true(fputs(rest, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(text);
	return whole;
}

/* --- Processes --------------------------------------------------------------------------------------------------- */

void rig_process(struct rig *g, const struct rig_process *p)
{
	char name[64], text[512];

	if (access(rig_path(g, "proc"), F_OK) < 0) {
		rig_mkdir(g, "proc");
		(void)close(g->ctx.proc);
		g->ctx.proc = open(rig_path(g, "proc"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(g->ctx.proc >= 0);
	}
	(void)snprintf(name, sizeof(name), "proc/%d", (int)p->pid);
	if (access(rig_path(g, name), F_OK) < 0)
		rig_mkdir(g, name);
	(void)snprintf(name, sizeof(name), "proc/%d/stat", (int)p->pid);
	(void)snprintf(text, sizeof(text), "%d (%s) S %d 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %llu 0 0\n", (int)p->pid,
		       p->comm, (int)p->ppid, (unsigned long long)p->start_ticks);
	rig_put(g, name, text, strlen(text));
	(void)snprintf(name, sizeof(name), "proc/%d/comm", (int)p->pid);
	(void)snprintf(text, sizeof(text), "%s\n", p->comm);
	rig_put(g, name, text, strlen(text));
	(void)snprintf(name, sizeof(name), "proc/%d/cgroup", (int)p->pid);
	rig_put(g, name, p->cgroups, strlen(p->cgroups));
}

void child_start(struct rig_child *c)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_stat st;

	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_int_equal(proc_read_stat(proc, c->pid, &st), 0);
	c->start_ticks = st.start_ticks;
	assert_true(proc_read_cgroup(proc, c->pid, c->cgroup, sizeof(c->cgroup)) > 0);
	(void)close(proc);
}

void child_zombie(struct rig_child *c)
{
	siginfo_t info;

	(void)kill(c->pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT), 0);
}

void child_end(struct rig_child *c)
{
	(void)kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

json_t *crun_status(const char *fixture, const struct rig_child *c, const char *cgroup)
{
	json_t *root = rig_fixture(fixture);

	assert_int_equal(json_object_set_new(root, "pid", json_integer(c->pid)), 0);
	assert_int_equal(json_object_set_new(root, "process-start-time", json_integer((json_int_t)c->start_ticks)), 0);
	assert_int_equal(json_object_set_new(root, "cgroup-path", json_string(cgroup ? cgroup : c->cgroup)), 0);
	return root;
}

void rig_crun(const struct rig *g, const char *id, const struct rig_child *c)
{
	json_t *root = crun_status("debian12-v1/crun-status.json", c, NULL);
	char name[300];

	(void)snprintf(name, sizeof(name), "crun/%s", id);
	if (access(rig_path(g, name), F_OK) < 0)
		rig_mkdir(g, name);
	(void)snprintf(name, sizeof(name), "crun/%s/status", id);
	rig_put_json(g, name, root);
	json_decref(root);
}

json_t *runc_state(const char *fixture, const struct rig_child *c, const char *cgroup)
{
	json_t *root = rig_fixture(fixture), *paths = json_object_get(root, "cgroup_paths"), *value;
	const char *key;
	char path[ROOT_CGROUP_MAX + 64];
	void *n;

	assert_int_equal(json_object_set_new(root, "init_process_pid", json_integer(c->pid)), 0);
	assert_int_equal(json_object_set_new(root, "init_process_start", json_integer((json_int_t)c->start_ticks)), 0);
	/* Each path of the fixture is "/sys/fs/cgroup[/HIERARCHY]/PARENT/ID". */
	json_object_foreach_safe(paths, n, key, value)
	{
		static const char *const parents[] = {"/engines/", "/docker/", "/default/", "/kubepods/"};
		const char *end = NULL;

		for (size_t i = 0; !end && i < sizeof(parents) / sizeof(parents[0]); i++)
			end = strstr(json_string_value(value), parents[i]);
		assert_non_null(end);
		(void)snprintf(path, sizeof(path), "%.*s%s", (int)(end - json_string_value(value)),
			       json_string_value(value), cgroup ? cgroup : c->cgroup);
		assert_int_equal(json_object_set_new(paths, key, json_string(path)), 0);
	}
	return root;
}
