/* SPDX-License-Identifier: MIT */
/*
 * The sections and keys of rootbroker.conf(5). Runs in: monitor.
 */
#include "config_parse.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/caps.h"
#include "../common/ipc.h"
#include "../common/loop.h"
#include "cgroup.h"

#define BLANKS "\t "

/* In the order in which their directories stand in a configuration. */
const struct config_engine config_engines[CONFIG_ENGINES] = {
	{"podman", "/var/lib/containers/storage"},
	{"docker", "/var/lib/docker"},
	{"containerd", "/run/containerd/runc"},
	{"cri-o", "/var/lib/containers/storage"},
	{"crun", "/run/crun /run/docker/runtime-runc/moby"},
	{"runc", "/run/runc /run/docker/runtime-runc/moby"},
	{"youki", "/run/youki"},
	{"lxc", "/var/lib/lxc"},
	{"lxd", "/var/lib/lxd/containers /var/snap/lxd/common/lxd/containers"},
	{"incus", "/var/lib/incus/containers"},
	{"nspawn", "/run/systemd/machines"},
	{"libvirt-lxc", "/run/libvirt/lxc"},
	{"apptainer", "/root/.apptainer/instances/app /root/.singularity/instances/app"},
};

static const struct {
	const char *word;
	uint32_t rights;
} right_words[] = {
	{"hostname", RIGHT_HOSTNAME}, {"pid", RIGHT_PID},
	{"cgroup", RIGHT_CGROUP},     {"inspect", RIGHT_INSPECT},
	{"programs", RIGHT_PROGRAMS}, {"containers", RIGHT_HOSTNAME | RIGHT_PID | RIGHT_CGROUP | RIGHT_INSPECT},
	{"all", RIGHT_ALL},
};

struct key {
	const char *section, *name;
	void (*set)(struct parse *p, const struct key *k, char *value);
	size_t index; /* into struct config, or of the process */
	uint32_t min, max;
	bool repeats;
};

void config_no_memory(struct parse *p)
{
	inifile_refuse(&p->file, p->file.line, "out of memory: try again");
}

void config_set_text(struct parse *p, char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy) {
		config_no_memory(p);
		return;
	}
	free(*field);
	*field = copy;
}

static bool check_path(struct parse *p, const char *name, const char *value)
{
	if (value[0] == '/' && strlen(value) <= IPC_PATH_MAX)
		return true;
	inifile_refuse(&p->file, p->file.line, "%s: \"%s\" is not an absolute path: begin it with /", name, value);
	return false;
}

static void set_path(struct parse *p, const struct key *k, char *value)
{
	if (check_path(p, k->name, value))
		config_set_text(p, (char **)((char *)p->c + k->index), value);
}

static void set_cgroup(struct parse *p, const struct key *k, char *value)
{
	if (strcmp(value, "none") == 0 || strcmp(value, "auto") == 0 || cgroup_valid(value))
		config_set_text(p, (char **)((char *)p->c + k->index), value);
	else
		inifile_refuse(&p->file, p->file.line,
			       "%s: \"%s\" is no cgroup: write none, auto, or a path of at most %d bytes, /rootbroker",
			       k->name, value, CGROUP_BASE_MAX);
}

static bool parse_number(struct parse *p, const struct key *k, const char *value, uint32_t *ret)
{
	char *end = NULL;
	unsigned long long n = 0;

	errno = 0;
	if (value[0] >= '0' && value[0] <= '9')
		n = strtoull(value, &end, 10);
	if (!end || *end || errno || n < k->min || n > k->max) {
		inifile_refuse(&p->file, p->file.line, "%s: \"%s\" is not a number from %u to %u: write one", k->name,
			       value, k->min, k->max);
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static void set_number(struct parse *p, const struct key *k, char *value)
{
	(void)parse_number(p, k, value, (uint32_t *)(void *)((char *)p->c + k->index));
}

static void set_capabilities(struct parse *p, const struct key *k, char *value)
{
	char bad[64];

	if (caps_parse(value, &p->c->capability_ceiling, bad, sizeof(bad)) < 0)
		inifile_refuse(&p->file, p->file.line,
			       "%s: \"%s\" is no capability: write names as of capabilities(7), cap_net_raw, or none",
			       k->name, bad);
}

static void set_log_level(struct parse *p, const struct key *k, char *value)
{
	if (!log_level_parse(value, &p->c->log_level))
		inifile_refuse(&p->file, p->file.line, "%s: no level \"%s\": write error, warning, info or debug",
			       k->name, value);
}

static void set_user(struct parse *p, const struct key *k, char *value)
{
	p->user_line[k->index] = p->file.line;
	config_set_text(p, &p->user[k->index], value);
}

static void set_uid(struct parse *p, const struct key *k, char *value)
{
	p->uid_line[k->index] = p->file.line;
	(void)parse_number(p, k, value, &p->uid[k->index]);
}

static void set_directories(struct parse *p, const struct key *k, char *value)
{
	char *save, **dirs = p->dirs[p->engine];

	/* From now on the default is out, also for an empty list. */
	p->engine_seen[p->engine] = true;
	for (char *w = strtok_r(value, BLANKS, &save); w; w = strtok_r(NULL, BLANKS, &save)) {
		if (!check_path(p, k->name, w))
			return;
		/* The path is a part of the name of LXC's sockets, where it ends so. */
		for (size_t len = strlen(w); len > 1 && w[len - 1] == '/'; len--)
			w[len - 1] = '\0';
		if (p->ndirs[p->engine] == CONFIG_ENGINE_DIRS) {
			inifile_refuse(&p->file, p->file.line, "more than %d directories: remove some",
				       CONFIG_ENGINE_DIRS);
			return;
		}
		config_set_text(p, &dirs[p->ndirs[p->engine]++], w);
	}
}

static bool add_id(struct parse *p, uint32_t **ids, int *n, uint32_t id)
{
	uint32_t *bigger = reallocarray(*ids, (size_t)*n + 1, sizeof(*bigger));

	if (!bigger) {
		config_no_memory(p);
		return false;
	}
	bigger[(*n)++] = id;
	*ids = bigger;
	return true;
}

static void set_role_users(struct parse *p, const struct key *k, char *value)
{
	char *save;
	uid_t uid;
	gid_t gid;

	(void)k;
	for (char *w = strtok_r(value, BLANKS, &save); w; w = strtok_r(NULL, BLANKS, &save)) {
		if (config_find_user(w, &uid, &gid) < 0)
			inifile_refuse(&p->file, p->file.line,
				       "no user \"%s\" in /etc/passwd: create it, or write a number", w);
		else if (!add_id(p, &p->role->uids, &p->role->nuids, uid))
			return;
	}
}

static void set_role_groups(struct parse *p, const struct key *k, char *value)
{
	char *save;
	gid_t gid;

	(void)k;
	for (char *w = strtok_r(value, BLANKS, &save); w; w = strtok_r(NULL, BLANKS, &save)) {
		if (config_find_group(w, &gid) < 0)
			inifile_refuse(&p->file, p->file.line,
				       "no group \"%s\" in /etc/group: create it, or write a number", w);
		else if (!add_id(p, &p->role->gids, &p->role->ngids, gid))
			return;
	}
}

static void set_rootless(struct parse *p, const struct key *k, char *value)
{
	struct config *c = p->c;
	char *save;
	uid_t uid;
	gid_t gid;

	if (strcmp(value, "all") == 0)
		return;
	c->rootless_named = true;
	if (strcmp(value, "none") == 0)
		return;
	for (char *w = strtok_r(value, BLANKS, &save); w; w = strtok_r(NULL, BLANKS, &save)) {
		if (config_find_user(w, &uid, &gid) < 0)
			inifile_refuse(&p->file, p->file.line,
				       "%s: no user \"%s\" in /etc/passwd: write names or numbers, or only all or none",
				       k->name, w);
		else if (!add_id(p, &c->rootless_uids, &c->nrootless_uids, uid))
			return;
	}
}

static uint32_t find_right(const char *word)
{
	for (size_t i = 0; i < sizeof(right_words) / sizeof(right_words[0]); i++) {
		if (strcmp(right_words[i].word, word) == 0)
			return right_words[i].rights;
	}
	return 0;
}

static void set_role_rights(struct parse *p, const struct key *k, char *value)
{
	char *save;

	for (char *w = strtok_r(value, BLANKS, &save); w; w = strtok_r(NULL, BLANKS, &save)) {
		uint32_t rights = find_right(w);

		if (rights == 0)
			inifile_refuse(&p->file, p->file.line,
				       "%s: no right \"%s\": write hostname, pid, cgroup, inspect, programs, "
				       "containers or all",
				       k->name, w);
		p->role->rights |= rights;
	}
}

#define FIELD(name) offsetof(struct config, name)
static const struct key key_table[] = {
	{"broker", "run_directory", set_path, FIELD(run_directory), 0, 0, false},
	{"broker", "programs", set_path, FIELD(programs_directory), 0, 0, false},
	{"broker", "programs_cgroup", set_cgroup, FIELD(programs_cgroup), 0, 0, false},
	{"broker", "capability_ceiling", set_capabilities, 0, 0, 0, false},
	{"broker", "log_level", set_log_level, 0, 0, 0, false},
	{"broker", "prefix_min", set_number, FIELD(prefix_min), 1, 64, false},
	{"limits", "sessions", set_number, FIELD(max_sessions), 1, 16384, false},
	{"limits", "sessions_per_uid", set_number, FIELD(max_sessions_per_uid), 1, 16384, false},
	{"limits", "programs", set_number, FIELD(max_programs), 1, 16384, false},
	{"limits", "programs_per_uid", set_number, FIELD(max_programs_per_uid), 1, 16384, false},
	{"users", "frontend", set_user, CONFINED_FRONTEND, 0, 0, false},
	{"users", "frontend_uid", set_uid, CONFINED_FRONTEND, 1, UINT32_MAX - 1, false},
	{"users", "resolver", set_user, CONFINED_RESOLVER, 0, 0, false},
	{"users", "resolver_uid", set_uid, CONFINED_RESOLVER, 1, UINT32_MAX - 1, false},
	{"users", "joiner", set_user, CONFINED_JOINER, 0, 0, false},
	{"users", "joiner_uid", set_uid, CONFINED_JOINER, 1, UINT32_MAX - 1, false},
	{"engine", "directories", set_directories, 0, 0, 0, true},
	{"rootless", "users", set_rootless, 0, 0, 0, false},
	{"role", "users", set_role_users, 0, 0, 0, true},
	{"role", "groups", set_role_groups, 0, 0, 0, true},
	{"role", "may", set_role_rights, 0, 0, 0, true},
};
#define KEYS (sizeof(key_table) / sizeof(key_table[0]))

static void begin_engine(struct parse *p, const char *name)
{
	char known[256] = "";

	for (int i = 0; i < CONFIG_ENGINES; i++) {
		if (strcmp(config_engines[i].name, name) == 0) {
			p->section = "engine";
			p->engine = i;
			return;
		}
	}
	for (int i = 0; i < CONFIG_ENGINES; i++) {
		size_t at = strlen(known);

		(void)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "", config_engines[i].name);
	}
	inifile_refuse(&p->file, p->file.line, "no engine \"%s\": write one of %s", name, known);
}

static void begin_role(struct parse *p, const char *name)
{
	struct config *c = p->c;

	if (!*name || strpbrk(name, BLANKS ":")) {
		inifile_refuse(&p->file, p->file.line, "a role needs a name of one word: write [role agents]");
		return;
	}
	if (c->nroles == CONFIG_ROLES_MAX) {
		inifile_refuse(&p->file, p->file.line, "more than %d roles: put some together", CONFIG_ROLES_MAX);
		return;
	}
	p->section = "role";
	p->role_line[c->nroles] = p->file.line;
	p->role = &c->roles[c->nroles++];
	config_set_text(p, &p->role->name, name);
}

void config_section(struct inifile *f, const char *name)
{
	struct parse *p = container_of(f, struct parse, file);

	p->section = NULL;
	p->seen = 0;
	for (size_t i = 0; i < KEYS; i++) {
		/* The sections without a second word. */
		if (strcmp(key_table[i].section, name) == 0 && strcmp(name, "engine") != 0 && strcmp(name, "role") != 0)
			p->section = key_table[i].section;
	}
	if (strncmp(name, "engine ", 7) == 0)
		begin_engine(p, name + 7);
	else if (strncmp(name, "role ", 5) == 0)
		begin_role(p, name + 5);
	else if (!p->section)
		inifile_refuse(
			f, f->line,
			"no section [%s]: write [broker], [limits], [users], [rootless], [engine NAME] or [role NAME]",
			name);
	f->skip = !p->section;
}

void config_key(struct inifile *f, const char *section, const char *name, const char *value)
{
	struct parse *p = container_of(f, struct parse, file);
	char *copy;

	for (size_t i = 0; i < KEYS; i++) {
		const struct key *k = &key_table[i];

		if (strcmp(k->section, p->section) != 0 || strcmp(k->name, name) != 0)
			continue;
		if (!k->repeats && p->seen & UINT64_C(1) << i) {
			inifile_refuse(f, f->line, "%s stands twice in [%s]: remove one", name, section);
			return;
		}
		p->seen |= UINT64_C(1) << i;
		copy = strdup(value);
		if (copy)
			k->set(p, k, copy);
		else
			config_no_memory(p);
		free(copy);
		return;
	}
	inifile_refuse(f, f->line, "no key %s in [%s]: remove it, or see rootbroker.conf(5) for its name", name,
		       section);
}
