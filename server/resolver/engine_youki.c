/* SPDX-License-Identifier: MIT */
/*
 * youki: a directory a container, DIR/ID/{state.json,youki_config.json}. Runs in: resolver.
 *
 * The state has a pid without a start time, and is not corrected when the process dies; it is written in place. So: the process is in
 * the cgroup that the configuration names, and began before the state was written last, or it is not that init.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/log.h"
#include "../common/procfd.h"
#include "began.h"
#include "json.h"
#include "plain.h"
#include "unit.h"

#define STATE_FILE "state.json"
#define CONFIG_FILE "youki_config.json"
#define FILE_MAX (1024 * 1024) /* with annotations, and hooks */

struct container {
	struct claim claim;
	struct stat written;
	const char *cgroup; /* as configured: a path, or SLICE:PREFIX:NAME for systemd */
};

/* --- Whether it is that process ---------------------------------------------------------------------------------- */

/* The unit that systemd was asked for; false if @cgroup is a path. */
static bool unit_of(const char *cgroup, char *unit, size_t size)
{
	const char *name = strrchr(cgroup, ':'), *prefix = name;
	int len, n;

	if (!name)
		return false;
	while (prefix > cgroup && prefix[-1] != ':')
		prefix--;
	len = (int)strcspn(name + 1, "/");
	if (len > 6 && strncmp(name + 1 + len - 6, ".slice", 6) == 0)
		n = snprintf(unit, size, "%.*s", len, name + 1);
	else
		n = snprintf(unit, size, "%.*s-%.*s.scope", (int)(name - prefix), prefix, len, name + 1);
	return len > 0 && (size_t)n < size;
}

/* The unit is the container's, however deep in it the process is. */
static bool is_in_unit(const char *unit, const struct claim_process *p)
{
	const char *text = p->cgroups;
	size_t len = p->cgroups_len, prefix;
	struct cgroup_line line;

	while (proc_next_cgroup(&text, &len, &line)) {
		prefix = unit_prefix(line.path, line.path_len, unit);
		if (prefix > 0)
			return str_copy(p->cgroup, ROOT_CGROUP_MAX + 1, (struct str){line.path, prefix});
	}
	return false;
}

static int holds(const struct claim *claim, const struct claim_process *p)
{
	const struct container *c = (const void *)claim; /* embedded first */
	char unit[ROOT_CGROUP_MAX + 1];

	if (began_after_file(p->stat->start_ticks, &c->written))
		return -ESTALE;
	/* Without systemd it is a path that has colons. */
	if (unit_of(c->cgroup, unit, sizeof(unit)) && is_in_unit(unit, p))
		return 0;
	return claim_cgroup_agrees(p->cgroups, p->cgroups_len, c->cgroup) ? 0 : -ESTALE;
}

/* --- The files --------------------------------------------------------------------------------------------------- */

/* The state of a container with a live init; UNKNOWN if it has none, or there is no such state. */
static uint32_t state_of(const json_t *root)
{
	static const struct {
		const char *word;
		uint32_t state;
	} states[] = {
		{"created", ROOT_CONTAINER_CREATED},
		{"running", ROOT_CONTAINER_RUNNING},
		{"paused", ROOT_CONTAINER_PAUSED},
	};
	const char *word = json_text(root, "status", 16);

	for (size_t i = 0; word && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(word, states[i].word) == 0)
			return states[i].state;
	}
	return ROOT_CONTAINER_UNKNOWN;
}

/* False: it is no state, or that of another container. While a container is being created it has no pid. */
static bool parse(const json_t *root, const char *want, uint32_t *ret_state, pid_t *ret_pid)
{
	const char *id = json_text(root, "id", ROOT_ID_MAX);
	uint64_t pid = 0;

	if (!id || strcmp(id, want) != 0 || !json_text(root, "status", 16))
		return false;
	if (json_object_get(root, "pid") && (!json_number(root, "pid", &pid) || pid > INT32_MAX))
		return false;
	*ret_state = state_of(root);
	*ret_pid = *ret_state == ROOT_CONTAINER_UNKNOWN ? 0 : (pid_t)pid;
	return true;
}

static bool matters(const struct member *m, const char *file)
{
	(void)m;
	return strcmp(file, STATE_FILE) == 0 || strcmp(file, CONFIG_FILE) == 0;
}

static void look(struct member *m, int dir)
{
	autojson json_t *state = NULL, *config = NULL;
	struct container c = {.claim.holds = holds};
	const char *file = STATE_FILE;
	uint32_t shown = ROOT_CONTAINER_UNKNOWN;
	int r;

	/* It is emptied before it is written. */
	if (fstatat(dir, STATE_FILE, &c.written, AT_SYMLINK_NOFOLLOW) < 0 || c.written.st_size == 0)
		return;
	r = engine_json(m->of->dir, dir, file, FILE_MAX, &state);
	if (r == 0 && !parse(state, m->id, &shown, &c.claim.pid))
		r = -EBADMSG;
	if (r == 0) {
		file = CONFIG_FILE;
		r = engine_json(m->of->dir, dir, file, FILE_MAX, &config);
	}
	if (r == 0) {
		c.cgroup = json_text(config, "cgroup_path", ROOT_CGROUP_MAX);
		r = c.cgroup ? 0 : -EBADMSG;
	}
	if (r < 0) { /* no file: not written yet, or being deleted; else what was good before stays */
		if (r != -ENOENT)
			log_warning("%s/%s/%s: not understood: %s", m->of->path, m->id, file, strerror(-r));
		return;
	}
	member_claim(m, m->id, m->id, shown, &c.claim);
}

static const char *behind(const struct member *m)
{
	(void)m;
	return "/" STATE_FILE;
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops ops = {
	.size = sizeof(struct member),
	.mask = IN_MOVED_TO | IN_CLOSE_WRITE,
	.matters = matters,
	.init = nothing,
	.look = look,
	.behind = behind,
	.fini = nothing,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int youki_open(struct engine_dir *d)
{
	return plain_open(d, &ops);
}

const struct engine engine_youki = {"youki",      TABLE_RUN,   youki_open, plain_settle,
				    plain_rescan, plain_ended, plain_close};
