/* SPDX-License-Identifier: MIT */
/*
 * Tables. Runs in: rootctl.
 */
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_text.h"

#define PAGE 64
#define SHORT_ID 12
#define LOOKUP_SIZE (ROOT_ENGINE_MAX + 1 + ROOT_ID_MAX + 1)

struct column {
	const char *name;
	int json_type;
	int flags;
};

static void must(int r)
{
	if (r)
		(void)must_alloc(NULL);
}

static struct libscols_table *new_table(const struct options *o, const char *name, const struct column *columns, int n)
{
	struct libscols_table *t = must_alloc(scols_new_table());

	must(scols_table_set_name(t, name));
	must(scols_table_enable_json(t, o->json) < 0);
	/* Everything is made fit to be shown before it goes into a cell, whatever the locale. */
	must(scols_table_enable_noencoding(t, 1) < 0);
	for (int i = 0; i < n; i++) {
		struct libscols_column *c = must_alloc(scols_table_new_column(t, columns[i].name, 0, columns[i].flags));

		must(scols_column_set_json_type(c, columns[i].json_type));
	}
	return t;
}

/* @text is the broker's; empty is null in JSON, and "-" in a table. */
static void set_cell(const struct options *o, struct libscols_line *line, size_t column, const char *text)
{
	if (*text)
		must(scols_line_refer_data(line, column, o->json ? text_utf8(text) : text_escape(text)));
	else if (!o->json)
		must(scols_line_set_data(line, column, "-"));
}

static void set_number(const struct options *o, struct libscols_line *line, size_t column, int32_t n)
{
	char text[16] = "";

	if (n)
		(void)snprintf(text, sizeof(text), "%d", n);
	set_cell(o, line, column, text);
}

static int print_table(struct libscols_table *t)
{
	int r = scols_print_table(t);

	scols_unref_table(t);
	if (r) {
		complain_text("the table cannot be printed: check standard output");
		return ROOTCTL_FAILED;
	}
	return ROOTCTL_OK;
}

enum { PS_ENGINE, PS_NAME, PS_ID, PS_STATE, PS_PID, PS_CGROUP, PS_HOSTNAME };

static const struct column ps_columns[] = {
	[PS_ENGINE] = {"ENGINE", SCOLS_JSON_STRING, 0},
	[PS_NAME] = {"NAME", SCOLS_JSON_STRING, 0},
	[PS_ID] = {"ID", SCOLS_JSON_STRING, 0},
	[PS_STATE] = {"STATE", SCOLS_JSON_STRING, 0},
	[PS_PID] = {"PID", SCOLS_JSON_NUMBER, SCOLS_FL_RIGHT},
	[PS_CGROUP] = {"CGROUP", SCOLS_JSON_STRING, 0},
	[PS_HOSTNAME] = {"HOSTNAME", SCOLS_JSON_STRING, 0},
};

/* A container that has just gone, or whose hostname this caller may not have, has none here. */
static void set_hostname(const struct options *o, struct libscols_line *line, int fd, const struct root_container *c)
{
	char name[LOOKUP_SIZE], hostname[ROOT_HOSTNAME_MAX + 1] = "";
	int n = snprintf(name, sizeof(name), "%s:%s", c->engine, c->id);

	if (c->pid)
		(void)rootContainerHostName(fd, name, n, hostname, sizeof(hostname));
	set_cell(o, line, PS_HOSTNAME, hostname);
}

static void add_container(const struct options *o, struct libscols_table *t, int fd, const struct root_container *c)
{
	struct libscols_line *line = must_alloc(scols_table_new_line(t, NULL));
	char id[ROOT_ID_MAX + 1];

	(void)snprintf(id, sizeof(id), "%.*s", o->json || o->no_trunc ? ROOT_ID_MAX : SHORT_ID, c->id);
	set_cell(o, line, PS_ENGINE, c->engine);
	set_cell(o, line, PS_NAME, c->name);
	set_cell(o, line, PS_ID, id);
	set_cell(o, line, PS_STATE, state_name(c->state));
	set_number(o, line, PS_PID, c->pid);
	set_cell(o, line, PS_CGROUP, c->cgroup);
	if (o->hostnames)
		set_hostname(o, line, fd, c);
}

int rootctl_ps(const struct options *o, int argc, char **argv)
{
	struct root_container *page;
	struct libscols_table *t;
	uint64_t cursor = 0;
	int fd, n;

	(void)argc;
	(void)argv;
	fd = rootctl_connect(o, ROOTCTL_FAILED);
	if (fd < 0)
		return -fd;
	t = new_table(o, "containers", ps_columns, o->hostnames ? PS_HOSTNAME + 1 : PS_HOSTNAME);
	page = must_alloc(calloc(PAGE, sizeof(*page)));
	while ((n = rootContainerList(fd, 0, &cursor, page, sizeof(*page), PAGE)) > 0) {
		for (int i = 0; i < n; i++)
			add_container(o, t, fd, &page[i]);
	}
	free(page);
	if (n < 0) {
		n = complain(ABOUT_LIST, "the list of containers", n, fd);
		scols_unref_table(t);
	} else {
		if (scols_table_is_empty(t) && !o->json)
			(void)fputs("no containers\n", stderr);
		n = print_table(t);
	}
	rootShutdown(fd);
	return n;
}

enum { PROGRAM_NAME, PROGRAM_USABLE, PROGRAM_DESCRIPTION, PROGRAM_COLUMNS };

static const struct column program_columns[] = {
	[PROGRAM_NAME] = {"NAME", SCOLS_JSON_STRING, 0},
	[PROGRAM_USABLE] = {"USABLE", SCOLS_JSON_BOOLEAN, 0},
	[PROGRAM_DESCRIPTION] = {"DESCRIPTION", SCOLS_JSON_STRING, 0},
};

static void add_program(const struct options *o, struct libscols_table *t, const struct root_program *p)
{
	struct libscols_line *line = must_alloc(scols_table_new_line(t, NULL));

	set_cell(o, line, PROGRAM_NAME, p->name);
	must(scols_line_set_data(line, PROGRAM_USABLE, o->json ? (p->usable ? "1" : "0") : p->usable ? "yes" : "no"));
	set_cell(o, line, PROGRAM_DESCRIPTION, p->description);
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
	t = new_table(o, "programs", program_columns, PROGRAM_COLUMNS);
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
		n = print_table(t);
	}
	rootShutdown(fd);
	return n;
}
