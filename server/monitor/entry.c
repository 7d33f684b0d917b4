/* SPDX-License-Identifier: MIT */
/*
 * One file of programs.d. Runs in: monitor.
 */
#include "entry.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/caps.h"
#include "../common/loop.h"
#include "args.h"
#include "exec_chain.h"
#include "inifile.h"
#include "privilege.h"

#define BLANKS "\t "
#define GRACE_MS 2000
#define INSTANCES_MAX 100000
#define ENVIRONMENT_MAX 256

enum key_id {
	KEY_DESCRIPTION,
	KEY_EXEC,
	KEY_ARGUMENT,
	KEY_USER,
	KEY_GROUP,
	KEY_GROUPS,
	KEY_CAPABILITIES,
	KEY_NO_NEW_PRIVS,
	KEY_ENVIRONMENT,
	KEY_DIRECTORY,
	KEY_UMASK,
	KEY_STOP_SIGNAL,
	KEY_GRACE_MS,
	KEY_INSTANCES,
	KEY_ALLOW,
	KEYS
};

struct parse {
	struct inifile file;
	const struct config *config;
	struct entry *e;
	int line[KEYS]; /* where a key stood last, 0: nowhere */
};

static void refuse_memory(struct parse *p)
{
	inifile_refuse(&p->file, p->file.line, "out of memory: try again");
}

static void set_text(struct parse *p, char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	if (*field == NULL)
		refuse_memory(p);
}

static void add_text(struct parse *p, char ***list, const char *value, int max)
{
	char **bigger;
	int n = 0;

	while (*list != NULL && (*list)[n] != NULL)
		n++;
	if (n == max) {
		inifile_refuse(&p->file, p->file.line, "more than %d of them: remove some", max);
		return;
	}
	bigger = reallocarray(*list, (size_t)n + 2, sizeof(*bigger));
	if (bigger == NULL) {
		refuse_memory(p);
		return;
	}
	*list = bigger;
	bigger[n + 1] = NULL;
	bigger[n] = strdup(value);
	if (bigger[n] == NULL)
		refuse_memory(p);
}

static void add_id(struct parse *p, uint32_t **ids, int *n, uint32_t id)
{
	uint32_t *bigger = reallocarray(*ids, (size_t)*n + 1, sizeof(*bigger));

	if (bigger == NULL) {
		refuse_memory(p);
		return;
	}
	bigger[(*n)++] = id;
	*ids = bigger;
}

static void set_description(struct parse *p, char *value)
{
	if (strlen(value) > ROOT_DETAIL_MAX)
		inifile_refuse(&p->file, p->file.line, "description: longer than %d bytes: shorten it",
			       ROOT_DETAIL_MAX);
	else
		set_text(p, &p->e->description, value);
}

/* Whether the file may be run is looked at when all of the entry is known. */
static void set_exec(struct parse *p, char *value)
{
	p->e->exec_line = p->file.line;
	if (value[0] == '/')
		set_text(p, &p->e->exec, value);
	else
		inifile_refuse(&p->file, p->file.line, "exec: \"%s\" is not an absolute path: begin it with /", value);
}

static void set_argument(struct parse *p, char *value)
{
	char why[INIFILE_TEXT_MAX];

	if (args_check_template(value, why, (int)sizeof(why)) < 0)
		inifile_refuse(&p->file, p->file.line, "argument: %s", why);
	else
		add_text(p, &p->e->arguments, value, ARGS_TEMPLATES_MAX);
}

/* The user's own group is the default only if the file says no other. */
static void set_user(struct parse *p, char *value)
{
	uid_t uid;
	gid_t gid;

	if (config_find_user(value, &uid, &gid) < 0) {
		inifile_refuse(&p->file, p->file.line,
			       "user: no user \"%s\" in /etc/passwd: create it, or write a number", value);
		return;
	}
	p->e->uid = uid;
	if (p->line[KEY_GROUP] == 0)
		p->e->gid = gid;
}

static bool find_group(struct parse *p, const char *word, gid_t *ret)
{
	if (config_find_group(word, ret) == 0)
		return true;
	inifile_refuse(&p->file, p->file.line, "no group \"%s\" in /etc/group: create it, or write a number", word);
	return false;
}

static void set_group(struct parse *p, char *value)
{
	(void)find_group(p, value, &p->e->gid);
}

static void set_groups(struct parse *p, char *value)
{
	char *save, *w;
	gid_t gid;

	for (w = strtok_r(value, BLANKS, &save); w != NULL; w = strtok_r(NULL, BLANKS, &save)) {
		if (!find_group(p, w, &gid))
			continue;
		if (p->e->ngroups == PRIVILEGE_GROUPS_MAX) {
			inifile_refuse(&p->file, p->file.line, "groups: more than %d: remove some",
				       PRIVILEGE_GROUPS_MAX);
			return;
		}
		add_id(p, &p->e->groups, &p->e->ngroups, gid);
	}
}

static void set_capabilities(struct parse *p, char *value)
{
	char bad[64], names[1024];
	uint64_t beyond;

	if (caps_parse(value, &p->e->caps, bad, (int)sizeof(bad)) < 0) {
		inifile_refuse(&p->file, p->file.line,
			       "capabilities: \"%s\" is no capability: write names as of capabilities(7), or none",
			       bad);
		return;
	}
	beyond = p->e->caps & ~p->config->capability_ceiling;
	if (beyond != 0)
		inifile_refuse(&p->file, p->file.line,
			       "capabilities: beyond capability_ceiling: remove %s, or add it there and restart",
			       caps_format(beyond, names, (int)sizeof(names)));
}

static void set_no_new_privs(struct parse *p, char *value)
{
	if (strcmp(value, "yes") == 0)
		p->e->no_new_privs = true;
	else if (strcmp(value, "no") == 0)
		p->e->no_new_privs = false;
	else
		inifile_refuse(&p->file, p->file.line, "no_new_privs: \"%s\": write yes or no", value);
}

static void set_environment(struct parse *p, char *value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = strspn(value, letters);
	int i;

	if (n == 0 || value[n] != '=' || (value[0] >= '0' && value[0] <= '9')) {
		inifile_refuse(&p->file, p->file.line, "environment: \"%s\": write NAME=VALUE", value);
		return;
	}
	for (i = 0; p->e->environment != NULL && p->e->environment[i] != NULL; i++) {
		if (strncmp(p->e->environment[i], value, n + 1) != 0)
			continue;
		inifile_refuse(&p->file, p->file.line, "environment: %.*s stands twice: remove one", (int)n, value);
		return;
	}
	add_text(p, &p->e->environment, value, ENVIRONMENT_MAX);
}

static void set_directory(struct parse *p, char *value)
{
	if (value[0] == '/')
		set_text(p, &p->e->directory, value);
	else
		inifile_refuse(&p->file, p->file.line, "directory: \"%s\" is not an absolute path: begin it with /",
			       value);
}

static void set_umask(struct parse *p, char *value)
{
	size_t n = strlen(value);

	if (n == 0 || n > 4 || strspn(value, "01234567") != n || strtoul(value, NULL, 8) > 0777)
		inifile_refuse(&p->file, p->file.line, "umask: \"%s\": write an octal number from 0 to 0777", value);
	else
		p->e->umask = (mode_t)strtoul(value, NULL, 8);
}

static void set_stop_signal(struct parse *p, char *value)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{"TERM", SIGTERM}, {"INT", SIGINT},   {"HUP", SIGHUP},   {"QUIT", SIGQUIT},
		{"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL},
	};
	const char *word = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcmp(signals[i].name, word) == 0) {
			p->e->stop_signal = signals[i].number;
			return;
		}
	}
	inifile_refuse(&p->file, p->file.line, "stop_signal: \"%s\": write TERM, INT, HUP, QUIT, USR1, USR2 or KILL",
		       value);
}

static void set_number(struct parse *p, const char *name, const char *value, uint32_t max, uint32_t *ret)
{
	size_t n = strlen(value);

	if (n == 0 || n > 9 || strspn(value, "0123456789") != n || strtoul(value, NULL, 10) > max)
		inifile_refuse(&p->file, p->file.line, "%s: \"%s\": write a number from 0 to %u", name, value, max);
	else
		*ret = (uint32_t)strtoul(value, NULL, 10);
}

static void set_grace(struct parse *p, char *value)
{
	set_number(p, "grace_ms", value, ENTRY_GRACE_MS_MAX, &p->e->grace_ms);
}

static void set_instances(struct parse *p, char *value)
{
	set_number(p, "instances", value, INSTANCES_MAX, &p->e->instances);
}

static void allow_role(struct parse *p, const char *name)
{
	int i;

	for (i = 0; i < p->config->nroles; i++) {
		if (strcmp(p->config->roles[i].name, name) == 0) {
			p->e->allow_roles |= UINT64_C(1) << i;
			return;
		}
	}
	inifile_refuse(&p->file, p->file.line, "allow: no [role %s] in the configuration: add it, or name another",
		       name);
}

static void set_allow(struct parse *p, char *value)
{
	struct entry *e = p->e;
	char *save, *w;
	uid_t uid;
	gid_t gid;

	for (w = strtok_r(value, BLANKS, &save); w != NULL; w = strtok_r(NULL, BLANKS, &save)) {
		if (strncmp(w, "role:", 5) == 0) {
			allow_role(p, w + 5);
		} else if (strncmp(w, "group:", 6) == 0) {
			if (find_group(p, w + 6, &gid))
				add_id(p, &e->allow_gids, &e->nallow_gids, gid);
		} else if (strncmp(w, "user:", 5) != 0) {
			inifile_refuse(&p->file, p->file.line,
				       "allow: \"%s\": write user:NAME, group:NAME or role:NAME", w);
		} else if (config_find_user(w + 5, &uid, &gid) < 0) {
			inifile_refuse(&p->file, p->file.line,
				       "allow: no user \"%s\" in /etc/passwd: create it, or write a number", w + 5);
		} else {
			add_id(p, &e->allow_uids, &e->nallow_uids, uid);
		}
	}
}

static const struct {
	const char *name;
	void (*set)(struct parse *p, char *value);
	bool repeats;
} keys[KEYS] = {
	[KEY_DESCRIPTION] = {"description", set_description, false},
	[KEY_EXEC] = {"exec", set_exec, false},
	[KEY_ARGUMENT] = {"argument", set_argument, true},
	[KEY_USER] = {"user", set_user, false},
	[KEY_GROUP] = {"group", set_group, false},
	[KEY_GROUPS] = {"groups", set_groups, false},
	[KEY_CAPABILITIES] = {"capabilities", set_capabilities, false},
	[KEY_NO_NEW_PRIVS] = {"no_new_privs", set_no_new_privs, false},
	[KEY_ENVIRONMENT] = {"environment", set_environment, true},
	[KEY_DIRECTORY] = {"directory", set_directory, false},
	[KEY_UMASK] = {"umask", set_umask, false},
	[KEY_STOP_SIGNAL] = {"stop_signal", set_stop_signal, false},
	[KEY_GRACE_MS] = {"grace_ms", set_grace, false},
	[KEY_INSTANCES] = {"instances", set_instances, false},
	[KEY_ALLOW] = {"allow", set_allow, false},
};

static void on_section(struct inifile *f, const char *name)
{
	if (strcmp(name, "program") == 0)
		return;
	inifile_refuse(f, f->line, "no section [%s]: a program's file has [program] only", name);
	f->skip = true;
}

static void on_key(struct inifile *f, const char *section, const char *name, const char *value)
{
	struct parse *p = container_of(f, struct parse, file);
	char *copy;
	int i;

	(void)section;
	for (i = 0; i < KEYS && strcmp(keys[i].name, name) != 0; i++)
		;
	if (i == KEYS) {
		inifile_refuse(f, f->line, "no key %s in [program]: remove it, or see rootbroker.conf(5) for its name",
			       name);
		return;
	}
	if (p->line[i] != 0 && !keys[i].repeats) {
		inifile_refuse(f, f->line, "%s stands twice: remove one", name);
		return;
	}
	p->line[i] = f->line;
	copy = strdup(value);
	if (copy != NULL)
		keys[i].set(p, copy);
	else
		refuse_memory(p);
	free(copy);
}

static void on_problem(struct inifile *f, const char *text)
{
	struct parse *p = container_of(f, struct parse, file);

	log_warning("program %s is refused: %s", p->e->name, text);
	if (p->e->refused == NULL)
		p->e->refused = strdup(text);
}

static bool finish_exec(struct parse *p)
{
	struct exec_file file;
	struct entry *e = p->e;
	char why[INIFILE_TEXT_MAX];
	int before = p->file.problems;

	if (exec_chain_check(e->exec, &file, why, (int)sizeof(why)) < 0) {
		inifile_refuse(&p->file, e->exec_line, "exec: %s", why);
		e->exec_refused = before == 0;
		return false;
	}
	set_text(p, &e->path, file.path);
	e->dev = file.dev;
	e->ino = file.ino;
	e->ctime = file.ctime;
	return true;
}

static void finish(struct parse *p)
{
	struct entry *e = p->e;

	if (p->line[KEY_EXEC] == 0)
		inifile_refuse(&p->file, 0, "no exec: write exec = /absolute/path");
	if (p->line[KEY_USER] == 0)
		inifile_refuse(&p->file, 0, "no user: say whose rights it has, user = nobody");
	if (p->file.problems == 0 && e->nallow_uids + e->nallow_gids == 0 && e->allow_roles == 0)
		inifile_refuse(&p->file, p->line[KEY_ALLOW],
			       "nobody may start it: write allow = user:NAME group:NAME role:NAME");
	if (e->directory == NULL)
		set_text(p, &e->directory, "/");
	if (e->description == NULL)
		set_text(p, &e->description, "");
	if (e->exec != NULL)
		(void)finish_exec(p);
}

int entry_read(const struct config *config, const char *path, struct entry *e)
{
	struct parse *p = calloc(1, sizeof(*p));
	int r;

	e->no_new_privs = true;
	e->umask = 022;
	e->stop_signal = SIGTERM;
	e->grace_ms = GRACE_MS;
	e->arguments = calloc(1, sizeof(*e->arguments));
	e->environment = calloc(1, sizeof(*e->environment));
	if (p == NULL || e->arguments == NULL || e->environment == NULL) {
		free(p);
		e->refused = strdup("out of memory");
		return -ENOMEM;
	}
	p->config = config;
	p->e = e;
	p->file.path = path;
	p->file.section = on_section;
	p->file.key = on_key;
	p->file.problem = on_problem;
	r = inifile_read(&p->file);
	/* Not of a file that could not be read or is not to be believed. */
	if (r == 0 || p->file.line > 0)
		finish(p);
	r = p->file.problems != 0 ? -EINVAL : 0;
	free(p);
	return r;
}

static void free_list(char **list)
{
	int i;

	for (i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

void entry_fini(struct entry *e)
{
	free(e->description);
	free(e->refused);
	free(e->exec);
	free(e->path);
	free_list(e->arguments);
	free(e->groups);
	free_list(e->environment);
	free(e->directory);
	free(e->allow_uids);
	free(e->allow_gids);
}
