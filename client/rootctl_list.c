/* SPDX-License-Identifier: MIT */
/*
 * Lists. Runs in: rootctl.
 */
#include <stdlib.h>
#include <string.h>

#include "rootctl.h"
#include "rootctl_record.h"
#include "rootctl_table.h"

#define PAGE 64
#define SHORT_ID 12

enum { PS_ENGINE, PS_USER, PS_NAME, PS_ID, PS_STATE, PS_EXIT, PS_PID, PS_CGROUP, PS_HOSTNAME, PS_COLUMNS };

static const struct column ps_columns[] = {
	[PS_ENGINE] = {"ENGINE", SCOLS_JSON_STRING, 0},
	[PS_USER] = {"USER", SCOLS_JSON_STRING, 0},
	[PS_NAME] = {"NAME", SCOLS_JSON_STRING, 0},
	[PS_ID] = {"ID", SCOLS_JSON_STRING, 0},
	[PS_STATE] = {"STATE", SCOLS_JSON_STRING, 0},
	[PS_EXIT] = {"EXIT", SCOLS_JSON_STRING, 0},
	[PS_PID] = {"PID", SCOLS_JSON_NUMBER, SCOLS_FL_RIGHT},
	[PS_CGROUP] = {"CGROUP", SCOLS_JSON_STRING, 0},
	[PS_HOSTNAME] = {"HOSTNAME", SCOLS_JSON_STRING, 0},
};

/* Nothing is printed before all of it is known to be there: as text a table, as JSON what it will be. */
struct ps {
	const struct options *o;
	struct libscols_table *table;
	char *json;
	size_t json_size;
	FILE *out;
	int shown, hidden; /* containers */
	bool users;
};

static void add_line(struct ps *ps, const struct root_container *c)
{
	struct libscols_line *line = table_line(ps->table);
	char id[ROOT_ID_MAX + 1], exit_text[RECORD_EXIT_SIZE];

	(void)snprintf(id, sizeof(id), "%.*s", ps->o->no_trunc ? ROOT_ID_MAX : SHORT_ID, c->id);
	table_cell(ps->table, line, PS_ENGINE, c->engine);
	table_cell(ps->table, line, PS_USER, c->user);
	table_cell(ps->table, line, PS_NAME, c->name);
	table_cell(ps->table, line, PS_ID, id);
	table_cell(ps->table, line, PS_STATE, state_name(c->state));
	table_cell(ps->table, line, PS_EXIT, record_exit(c, exit_text));
	table_number(ps->table, line, PS_PID, c->pid);
	table_cell(ps->table, line, PS_CGROUP, c->cgroup);
	table_cell(ps->table, line, PS_HOSTNAME, c->hostname);
	ps->users |= *c->user != '\0';
}

static void add_json(struct ps *ps, const struct root_container *c)
{
	(void)fputs(ps->shown ? ",\n   {" : "\n   {", ps->out);
	record_json(ps->out, c, ps->o->hostnames);
	(void)fputc('}', ps->out);
}

static void add_container(struct ps *ps, const struct root_container *c)
{
	if (ps->o->engine && strcmp(ps->o->engine, c->engine))
		return;
	if (!ps->o->all && c->state == ROOT_CONTAINER_STOPPED) {
		ps->hidden++;
		return;
	}
	if (ps->o->json)
		add_json(ps, c);
	else
		add_line(ps, c);
	ps->shown++;
}

static int print_ps(struct ps *ps)
{
	if (ps->o->json) {
		(void)printf("{\"containers\": [%s%s]}\n", ps->json, ps->shown ? "\n" : "");
		return ROOTCTL_OK;
	}
	if (!ps->shown)
		(void)fputs(ps->hidden ? "no containers but stopped ones: --all shows them\n" : "no containers\n",
			    stderr);
	if (!ps->users)
		table_hide(ps->table, PS_USER);
	if (!ps->o->all)
		table_hide(ps->table, PS_EXIT);
	if (!ps->o->hostnames)
		table_hide(ps->table, PS_HOSTNAME);
	(void)scols_ref_table(ps->table); /* the caller's */
	return table_print(ps->table);
}

static int list_containers(struct ps *ps, int fd)
{
	struct root_container *page = must_alloc(calloc(PAGE, sizeof(*page)));
	unsigned flags = ps->o->hostnames ? ROOT_LIST_HOSTNAMES : 0;
	uint64_t cursor = 0;
	int n;

	while ((n = rootContainerList(fd, flags, &cursor, page, sizeof(*page), PAGE)) > 0) {
		for (int i = 0; i < n; i++)
			add_container(ps, &page[i]);
	}
	free(page);
	return n;
}

int rootctl_ps(const struct options *o, int argc, char **argv)
{
	struct ps ps = {.o = o};
	int fd = rootctl_connect(o, ROOTCTL_FAILED), r;

	(void)argc;
	(void)argv;
	if (fd < 0)
		return -fd;
	ps.table = table_new(false, "containers", ps_columns, PS_COLUMNS);
	ps.out = must_alloc(open_memstream(&ps.json, &ps.json_size));
	r = list_containers(&ps, fd);
	if (fclose(ps.out))
		(void)must_alloc(NULL);
	r = r < 0 ? complain(ABOUT_LIST, "the list of containers", r, fd) : print_ps(&ps);
	scols_unref_table(ps.table);
	free(ps.json);
	rootShutdown(fd);
	return r;
}

enum { PROGRAM_NAME, PROGRAM_USABLE, PROGRAM_DESCRIPTION, PROGRAM_COLUMNS };

static const struct column program_columns[] = {
	[PROGRAM_NAME] = {"NAME", SCOLS_JSON_STRING, 0},
	[PROGRAM_USABLE] = {"USABLE", SCOLS_JSON_BOOLEAN, 0},
	[PROGRAM_DESCRIPTION] = {"DESCRIPTION", SCOLS_JSON_STRING, 0},
};

static void add_program(const struct options *o, struct libscols_table *t, const struct root_program *p)
{
	struct libscols_line *line = table_line(t);

	table_cell(t, line, PROGRAM_NAME, p->name);
	table_word(line, PROGRAM_USABLE, o->json ? (p->usable ? "1" : "0") : p->usable ? "yes" : "no");
	table_cell(t, line, PROGRAM_DESCRIPTION, p->description);
}

int rootctl_programs(const struct options *o, int argc, char **argv)
{
	struct root_program *page;
	struct libscols_table *t;
	uint64_t cursor = 0;
	int fd, n;

	(void)argc;
	(void)argv;
	fd = rootctl_connect(o, ROOTCTL_FAILED);
	if (fd < 0)
		return -fd;
	t = table_new(o->json, "programs", program_columns, PROGRAM_COLUMNS);
	page = must_alloc(calloc(PAGE, sizeof(*page)));
	while ((n = rootProgramList(fd, 0, &cursor, page, sizeof(*page), PAGE)) > 0) {
		for (int i = 0; i < n; i++)
			add_program(o, t, &page[i]);
	}
	free(page);
	if (n < 0) {
		n = complain(ABOUT_LIST, "the list of programs", n, fd);
		scols_unref_table(t);
	} else {
		if (scols_table_is_empty(t) && !o->json)
			(void)fputs("no programs that you may run\n", stderr);
		n = table_print(t);
	}
	rootShutdown(fd);
	return n;
}
