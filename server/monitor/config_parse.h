/* SPDX-License-Identifier: MIT */
/*
 * A configuration while it is read: between config.c and config_keys.c. Runs in: monitor.
 */
#ifndef MONITOR_CONFIG_PARSE_H
#define MONITOR_CONFIG_PARSE_H

#include "config.h"
#include "inifile.h"

#define CONFIG_ENGINES 13

struct config_engine {
	const char *name;
	const char *directories; /* unless the configuration says otherwise; separated by blanks */
};
extern const struct config_engine config_engines[CONFIG_ENGINES];

struct parse {
	struct inifile file;
	struct config *c;
	const char *section; /* its first word, of the table of keys */
	struct role *role;
	int engine;
	uint64_t seen; /* keys of this section, by their place in key_table */
	bool engine_seen[CONFIG_ENGINES];
	int ndirs[CONFIG_ENGINES];
	char *dirs[CONFIG_ENGINES][CONFIG_ENGINE_DIRS];
	int role_line[CONFIG_ROLES_MAX];
	char *user[CONFINED_COUNT]; /* as written, or NULL */
	int user_line[CONFINED_COUNT];
	uid_t uid[CONFINED_COUNT];
	int uid_line[CONFINED_COUNT];
	void (*problem)(void *data, const char *text);
	void *data;
};

/* What stands in the file: callbacks of struct inifile. */
void config_section(struct inifile *f, const char *name);
void config_key(struct inifile *f, const char *section, const char *name, const char *value);

void config_no_memory(struct parse *p);
/* Puts a copy of @value into @field. */
void config_set_text(struct parse *p, char **field, const char *value);

#endif
