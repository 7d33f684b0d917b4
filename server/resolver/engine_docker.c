/* SPDX-License-Identifier: MIT */
/*
 * docker: DATA-ROOT/containers/ID/config.v2.json names each id and says whether it is paused; the process is in the run level's
 * files under the same id (runc's, in EXEC-ROOT/runtime-runc/moby). Runs in: resolver.
 *
 * The file has a pid without a start time, and says "running" for ever when the daemon was killed: nothing is believed of it that
 * the run level does not confirm. With user namespaces remapped the same tree is in DATA-ROOT/UID.GID.
 */
#include <errno.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "engine.h"
#include "json.h"
#include "mem.h"
#include "nested.h"

#define CONFIG_FILE "config.v2.json"
#define CONFIG_FILE_MAX (4 * 1024 * 1024) /* with the container's environment and labels */
#define CONTAINERS "containers"

/* --- Containers -------------------------------------------------------------------------------------------------- */

static bool matters(const struct member *m, const char *file)
{
	(void)m;
	return strcmp(file, CONFIG_FILE) == 0;
}

/* "/web" is called web. */
static const char *name_of(const json_t *root)
{
	const char *name = json_text(root, "Name", ROOT_NAME_MAX + 1);

	if (name && name[0] == '/')
		name++;
	return name && *name && strlen(name) <= ROOT_NAME_MAX ? name : NULL;
}

static pid_t paused_pid(const json_t *root)
{
	const json_t *state = json_object_get(root, "State");
	uint64_t pid;

	if (!json_is_true(json_object_get(state, "Paused")) || !json_number(state, "Pid", &pid) || pid > INT32_MAX)
		return 0;
	return (pid_t)pid;
}

/* Of one that has run, and runs no more. */
static void claim_exit(struct table *t, struct member *m, const json_t *state)
{
	const char *finished = json_text(state, "FinishedAt", 64);
	uint64_t code;

	if (json_is_false(json_object_get(state, "Running")) && finished && strncmp(finished, "0001-", 5) != 0 &&
	    json_number(state, "ExitCode", &code) && code <= UINT8_MAX)
		table_claim_exit(t, &m->entry, (uint32_t)code << 8);
}

static void look(struct member *m, int dir)
{
	struct table *t = m->of->dir->ctx->table;
	autojson json_t *root = NULL;
	const char *id;
	int r = engine_json(m->of->dir, dir, CONFIG_FILE, CONFIG_FILE_MAX, &root);

	if (r == -ENOENT)
		return; /* not written yet, or being deleted */
	id = json_text(root, "ID", ROOT_ID_MAX);
	if (r == 0 && (!id || strcmp(id, m->id) != 0))
		r = -EBADMSG;
	if (r < 0) { /* what was good before stays */
		engine_complain(m->of->dir, &m->complained, m->of->path, m->id, CONFIG_FILE, r);
		return;
	}
	m->complained = false;
	if (!table_has(&m->entry))
		table_add(t, &m->entry, &m->of->scope, m->id);
	table_set_name(t, &m->entry, name_of(root));
	table_set_paused(t, &m->entry, paused_pid(root));
	claim_exit(t, m, json_object_get(root, "State"));
}

static const char *behind(const struct member *m)
{
	(void)m;
	return "/" CONFIG_FILE;
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops container_ops = {
	.size = sizeof(struct member),
	.mask = WATCH_NAMES | IN_CLOSE_WRITE,
	.matters = matters,
	.init = nothing,
	.look = look,
	.behind = behind,
	.fini = nothing,
};

/* --- Data roots -------------------------------------------------------------------------------------------------- */

/* "231072.231072" */
static bool is_remapped(const char *name)
{
	size_t uid = strspn(name, "0123456789"), gid;

	if (uid == 0 || name[uid] != '.')
		return false;
	gid = strspn(name + uid + 1, "0123456789");
	return gid > 0 && !name[uid + 1 + gid];
}

static bool accepts(const struct members *s, const char *name)
{
	/* Below a data root there are no further ones. */
	return strcmp(name, CONTAINERS) == 0 || (s->path == s->dir->path && is_remapped(name));
}

static void look_root(struct member *m, int dir);

static const struct member_ops root_ops = {
	.size = sizeof(struct nested),
	.mask = WATCH_NAMES,
	.matters = nested_matters,
	.accepts = accepts,
	.init = nested_init,
	.look = look_root,
	.fini = nested_fini,
	.rescanned = nested_rescanned,
	.settle = nested_settle,
};

static void look_root(struct member *m, int dir)
{
	nested_look(m, dir, strcmp(m->id, CONTAINERS) == 0 ? &container_ops : &root_ops);
}

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int docker_open(struct engine_dir *d)
{
	struct members *s = mem_new(sizeof(*s));

	d->own = s;
	return members_open(s, d, &root_ops);
}

static void docker_settle(struct engine_dir *d)
{
	members_settle(d->own);
}

static void docker_rescan(struct engine_dir *d)
{
	members_rescan(d->own);
}

static void docker_ended(struct engine_dir *d, struct entry *e)
{
	/* The run level has the processes. */
	(void)d;
	(void)e;
}

static void docker_close(struct engine_dir *d)
{
	members_close(d->own);
	free(d->own);
}

const struct engine engine_docker = {"docker",      TABLE_NAME,   docker_open, docker_settle,
				     docker_rescan, docker_ended, docker_close};
