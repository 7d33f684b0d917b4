/* SPDX-License-Identifier: MIT */
/*
 * crun and runc: a directory a container, DIR/ID/{status,state.json}. Runs in: resolver.
 *
 * The state file holds the pid and its start time, and is never corrected when the process dies; exec.fifo is there while
 * the container is created and not started. A directory is never used for a second container.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "engine_oci.h"
#include "mem.h"

#define STATE_FILE_MAX (1024 * 1024)
#define CGROUP_ROOT "/sys/fs/cgroup"

struct oci {
	struct members members;
	const struct runtime *runtime;
};

/* --- State files ------------------------------------------------------------------------------------------------- */

static bool take_pid(const json_t *root, const char *pid_key, const char *start_key, struct claim *ret)
{
	uint64_t pid, start;

	/* Without a start time a pid is a rumour. */
	if (!json_number(root, pid_key, &pid) || !json_number(root, start_key, &start) || pid > INT32_MAX)
		return false;
	*ret = (struct claim){.pid = (pid_t)pid, .has_start = true, .start_ticks = start};
	return true;
}

static bool parse_crun(const json_t *root, struct claim *ret)
{
	if (!take_pid(root, "pid", "process-start-time", ret))
		return false;
	ret->cgroup = json_text(root, "cgroup-path", ROOT_CGROUP_MAX);
	ret->unit = json_text(root, "scope", NAME_MAX); /* with systemd: the init is in SCOPE/container */
	return true;
}

/* "/sys/fs/cgroup/devices/x" or, in the unified hierarchy, "/sys/fs/cgroup/x": the path within the hierarchy. */
static const char *without_mount(const char *path, bool v1)
{
	size_t len = strlen(CGROUP_ROOT);

	if (!path || strncmp(path, CGROUP_ROOT "/", len + 1) != 0)
		return NULL;
	if (v1)
		return strchr(path + len + 1, '/');
	if (strncmp(path + len, "/unified/", strlen("/unified/")) == 0)
		return path + len + strlen("/unified");
	return path + len;
}

static bool parse_runc(const json_t *root, struct claim *ret)
{
	static const char *const v1[] = {"freezer", "devices", "memory", "name=systemd"};
	const json_t *paths = json_object_get(root, "cgroup_paths");

	if (!take_pid(root, "init_process_pid", "init_process_start", ret))
		return false;
	ret->cgroup = NULL;
	for (size_t i = 0; !ret->cgroup && i < sizeof(v1) / sizeof(v1[0]); i++)
		ret->cgroup = without_mount(json_text(paths, v1[i], ROOT_CGROUP_MAX), true);
	if (!ret->cgroup)
		ret->cgroup = without_mount(json_text(paths, "", ROOT_CGROUP_MAX), false);
	return true;
}

const struct runtime runtime_crun = {"status", parse_crun}, runtime_runc = {"state.json", parse_runc};

/* --- Containers -------------------------------------------------------------------------------------------------- */

static const struct runtime *runtime_of(const struct member *m)
{
	return container_of(m->of, const struct oci, members)->runtime;
}

bool runtime_matters(const struct runtime *runtime, const char *file)
{
	return strcmp(file, runtime->file) == 0 || strcmp(file, "exec.fifo") == 0;
}

static bool matters(const struct member *m, const char *file)
{
	return runtime_matters(runtime_of(m), file);
}

void runtime_apply(struct member *m, int dir, struct claim *claim, const char *name)
{
	struct engine_dir *d = m->of->dir;
	struct engine_ctx *ctx = d->ctx;
	struct init init = INIT_NONE;
	int r;

	claim->owner = d->user;
	r = claim_check(ctx->proc, claim, &init);
	if (!table_has(&m->entry))
		table_add(ctx->table, &m->entry, &m->of->scope, m->id);
	table_set_name(ctx->table, &m->entry, name);
	if (r == 0) {
		/* The FIFO is only looked at: opening it would start the container. */
		table_set_running(
			ctx->table, &m->entry,
			engine_has_fifo(d, dir, "exec.fifo") ? ROOT_CONTAINER_CREATED : ROOT_CONTAINER_RUNNING, &init);
		return;
	}
	log_debug("%s %s: process %d does not count: %s", m->of->scope.engine, m->id, (int)claim->pid, strerror(-r));
	table_set_stopped(ctx->table, &m->entry);
}

int runtime_load(const struct runtime *runtime, struct member *m, int dir, json_t **ret_root, struct claim *ret)
{
	int r = engine_json(m->of->dir, dir, runtime->file, STATE_FILE_MAX, ret_root);

	if (r == 0 && !runtime->parse(*ret_root, ret))
		r = -EBADMSG;
	if (r < 0 && r != -ENOENT)
		engine_complain(m->of->dir, &m->complained, m->of->path, m->id, runtime->file, r);
	else
		m->complained = false;
	return r;
}

static void look(struct member *m, int dir)
{
	autojson json_t *root = NULL;
	struct claim claim;

	/* Without a file it is not written yet, or being deleted. */
	if (runtime_load(runtime_of(m), m, dir, &root, &claim) == 0)
		runtime_apply(m, dir, &claim, m->id);
}

static const char *behind(const struct member *m)
{
	return runtime_of(m) == &runtime_crun ? "/status" : "/state.json";
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops ops = {
	.size = sizeof(struct member),
	.mask = WATCH_NAMES | IN_CLOSE_WRITE,
	.matters = matters,
	.init = nothing,
	.look = look,
	.behind = behind,
	.fini = nothing,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int oci_open(struct engine_dir *d, const struct runtime *runtime)
{
	struct oci *o = mem_new(sizeof(*o));

	o->runtime = runtime;
	d->own = o;
	return members_open(&o->members, d, &ops);
}

static int crun_open(struct engine_dir *d)
{
	return oci_open(d, &runtime_crun);
}

static int runc_open(struct engine_dir *d)
{
	return oci_open(d, &runtime_runc);
}

static void oci_settle(struct engine_dir *d)
{
	struct oci *o = d->own;

	members_settle(&o->members);
}

static void oci_rescan(struct engine_dir *d)
{
	struct oci *o = d->own;

	members_rescan(&o->members);
}

static void oci_ended(struct engine_dir *d, struct entry *e)
{
	(void)d;
	member_mark(container_of(e, struct member, entry));
}

static void oci_close(struct engine_dir *d)
{
	struct oci *o = d->own;

	members_close(&o->members);
	free(o);
}

const struct engine engine_crun = {"crun", TABLE_RUN, crun_open, oci_settle, oci_rescan, oci_ended, oci_close};
const struct engine engine_runc = {"runc", TABLE_RUN, runc_open, oci_settle, oci_rescan, oci_ended, oci_close};
