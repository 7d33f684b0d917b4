/* SPDX-License-Identifier: MIT */
#include "config_parse.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/loop.h"
#include "rootless.h"

static const struct {
	const char *name, *uid_name, *user;
	uid_t uid;
} confined[CONFINED_COUNT] = {
	[CONFINED_FRONTEND] = {"frontend", "frontend_uid", "rootbroker-frontend", 64101},
	[CONFINED_RESOLVER] = {"resolver", "resolver_uid", "rootbroker-resolver", 64102},
	[CONFINED_JOINER] = {"joiner", "joiner_uid", "rootbroker-joiner", 64103},
};

static void on_problem(struct inifile *f, const char *text)
{
	struct parse *p = container_of(f, struct parse, file);

	p->problem(p->data, text);
}

/* The account if there is one, else the number: a build tree has no accounts. */
static void finish_user(struct parse *p, int i)
{
	struct config_user *u = &p->c->user[i];
	const char *name = p->user[i] ? p->user[i] : confined[i].user;
	int line = p->user_line[i] ? p->user_line[i] : p->uid_line[i];

	if (config_find_user(name, &u->uid, &u->gid) < 0) {
		if (p->user[i] && !p->uid_line[i]) {
			inifile_refuse(&p->file, line, "no user \"%s\" in /etc/passwd: create it, or set %s", name,
				       confined[i].uid_name);
			return;
		}
		u->uid = p->uid_line[i] ? p->uid[i] : confined[i].uid;
		u->gid = u->uid;
	}
	if (u->uid == 0 || u->gid == 0)
		inifile_refuse(&p->file, line, "the %s must not run as root: name a user of its own", confined[i].name);
	for (int other = 0; other < i; other++) {
		if (p->c->user[other].uid == u->uid)
			inifile_refuse(&p->file, line, "%s and %s have the same uid %u: give each its own",
				       confined[other].name, confined[i].name, u->uid);
	}
}

static void default_directories(struct parse *p, int engine)
{
	const char *at = config_engines[engine].directories;

	while (*at) {
		size_t len = strcspn(at, " ");
		char *dir = strndup(at, len);

		if (!dir) {
			config_no_memory(p);
			return;
		}
		p->dirs[engine][p->ndirs[engine]++] = dir;
		at += len + strspn(at + len, " ");
	}
}

static void finish_engines(struct parse *p)
{
	struct config *c = p->c;

	for (int e = 0; e < CONFIG_ENGINES; e++) {
		if (!p->engine_seen[e])
			default_directories(p, e);
		for (int i = 0; i < p->ndirs[e]; i++) {
			struct engine_dir *d = &c->dirs[c->ndirs];

			if (c->ndirs == CONFIG_ENGINE_DIRS) {
				inifile_refuse(&p->file, 0, "more than %d engine directories: remove some",
					       CONFIG_ENGINE_DIRS);
				return;
			}
			c->ndirs++;
			config_set_text(p, &d->engine, config_engines[e].name);
			config_set_text(p, &d->path, p->dirs[e][i] ? p->dirs[e][i] : "");
		}
	}
}

static void finish(struct parse *p)
{
	struct config *c = p->c;

	if (rootless_load(c, "/etc/passwd", "/etc/subuid") < 0)
		config_no_memory(p);

	for (int i = 0; i < CONFINED_COUNT; i++)
		finish_user(p, i);
	finish_engines(p);
	for (int i = 0; i < c->nroles; i++) {
		if (c->roles[i].nuids + c->roles[i].ngids == 0)
			inifile_refuse(&p->file, p->role_line[i], "role %s is nobody's: give it users or groups",
				       c->roles[i].name);
		if (c->roles[i].rights == 0)
			inifile_refuse(&p->file, p->role_line[i], "role %s may do nothing: give it a line may = ...",
				       c->roles[i].name);
	}
}

static struct config *new_config(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->log_level = LOG_LEVEL_INFO;
	c->prefix_min = 4;
	c->max_sessions = 1024;
	c->max_sessions_per_uid = 128;
	c->max_programs = 1024;
	c->max_programs_per_uid = 256;
	c->run_directory = strdup(RUNSTATEDIR "/rootbroker");
	c->programs_directory = strdup(SYSCONFDIR "/rootbroker/programs.d");
	c->programs_cgroup = strdup("auto");
	c->roles = calloc(CONFIG_ROLES_MAX, sizeof(*c->roles));
	if (!c->run_directory || !c->programs_directory || !c->programs_cgroup || !c->roles) {
		config_free(c);
		return NULL;
	}
	return c;
}

int config_read(const char *path, struct config **ret_config, void (*problem)(void *data, const char *text), void *data)
{
	struct parse *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (p)
		p->c = new_config();
	if (!p || !p->c) {
		problem(data, "out of memory");
		free(p);
		return r;
	}
	p->problem = problem;
	p->data = data;
	p->file.path = path;
	p->file.section = config_section;
	p->file.key = config_key;
	p->file.problem = on_problem;
	r = inifile_read(&p->file);
	/* Also after a problem, so that one run tells of all. */
	if (p->file.line > 0 || r == 0)
		finish(p);
	r = p->file.problems ? -EINVAL : 0;
	if (r == 0)
		*ret_config = p->c;
	else
		config_free(p->c);
	for (int e = 0; e < CONFIG_ENGINES; e++) {
		for (int i = 0; i < p->ndirs[e]; i++)
			free(p->dirs[e][i]);
	}
	for (int i = 0; i < CONFINED_COUNT; i++)
		free(p->user[i]);
	free(p);
	return r;
}

struct first_problem {
	char *text;
	int size;
	bool taken;
};

static void keep_first(void *data, const char *text)
{
	struct first_problem *first = data;

	if (!first->taken)
		(void)snprintf(first->text, (size_t)first->size, "%s", text);
	first->taken = true;
}

int config_load(const char *path, struct config **ret_config, char *ret_error, int size)
{
	struct first_problem first = {.text = ret_error, .size = size};

	return config_read(path, ret_config, keep_first, &first);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (int i = 0; c->roles && i < c->nroles; i++) {
		free(c->roles[i].name);
		free(c->roles[i].uids);
		free(c->roles[i].gids);
	}
	for (int i = 0; i < c->ndirs; i++) {
		free(c->dirs[i].engine);
		free(c->dirs[i].path);
	}
	rootless_free(c);
	free(c->roles);
	free(c->run_directory);
	free(c->programs_directory);
	free(c->programs_cgroup);
	free(c);
}
