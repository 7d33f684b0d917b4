/* SPDX-License-Identifier: MIT */
/*
 * All that is known of a container, and how. Runs in: rootctl.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rootctl.h"
#include "rootctl_record.h"
#include "rootctl_table.h"

#define FACTS 32 /* always suffice */

enum { FACT_KEY, FACT_VALUE, FACT_SOURCE, FACT_COLUMNS };

static const struct column fact_columns[] = {
	[FACT_KEY] = {"KEY", SCOLS_JSON_STRING, 0},
	[FACT_VALUE] = {"VALUE", SCOLS_JSON_STRING, 0},
	[FACT_SOURCE] = {"SOURCE", SCOLS_JSON_STRING, 0},
};

static void add_fact(struct libscols_table *t, const char *key, const char *value, const char *source)
{
	struct libscols_line *line = table_line(t);

	table_cell(t, line, FACT_KEY, key);
	table_cell(t, line, FACT_VALUE, value);
	table_cell(t, line, FACT_SOURCE, source);
}

/* A field of the record, as long as no fact says more about it. */
static void add_field(struct libscols_table *t, const struct root_fact *facts, int n, const char *key,
		      const char *value)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(facts[i].key, key))
			return;
	}
	add_fact(t, key, value, "");
}

static int print_table(const struct root_container *c, const struct root_fact *facts, int n)
{
	struct libscols_table *t = table_new(false, "facts", fact_columns, FACT_COLUMNS);
	char owner[16], pid[16] = "", exit_text[RECORD_EXIT_SIZE];

	(void)snprintf(owner, sizeof(owner), "%" PRIu32, c->owner);
	if (c->pid)
		(void)snprintf(pid, sizeof(pid), "%" PRId32, c->pid);
	add_field(t, facts, n, "engine", c->engine);
	add_field(t, facts, n, "id", c->id);
	add_field(t, facts, n, "name", c->name);
	if (*c->user)
		add_field(t, facts, n, "user", c->user);
	add_field(t, facts, n, "owner", owner);
	add_field(t, facts, n, "state", state_name(c->state));
	add_field(t, facts, n, "pid", pid);
	add_field(t, facts, n, "cgroup", c->cgroup);
	if (*c->init_cgroup)
		add_field(t, facts, n, "init_cgroup", c->init_cgroup);
	if (*record_exit(c, exit_text))
		add_field(t, facts, n, "exit", exit_text);
	for (int i = 0; i < n; i++)
		add_fact(t, facts[i].key, facts[i].value, facts[i].source);
	return table_print(t);
}

static void print_json(const struct root_container *c, const struct root_fact *facts, int n)
{
	(void)putchar('{');
	record_json(stdout, c, false);
	(void)fputs(n < 0 ? ", \"facts\": null" : ", \"facts\": [", stdout);
	for (int i = 0; i < n; i++) {
		(void)fputs(i ? ", {" : "{", stdout);
		member_json(stdout, "key", facts[i].key);
		(void)fputs(", ", stdout);
		member_json(stdout, "value", facts[i].value);
		(void)fputs(", ", stdout);
		member_json(stdout, "source", facts[i].source);
		(void)putchar('}');
	}
	(void)puts(n < 0 ? "}" : "]}");
}

int rootctl_inspect(const struct options *o, int argc, char **argv)
{
	struct root_fact *facts;
	struct root_container c;
	int fd = rootctl_connect(o, ROOTCTL_FAILED), n, r;

	(void)argc;
	if (fd < 0)
		return -fd;
	r = rootContainerGet(fd, argv[0], name_length(argv[0]), &c, sizeof(c));
	if (r < 0) {
		r = complain(ABOUT_CONTAINER, argv[0], r, fd);
		rootShutdown(fd);
		return r;
	}
	/* Without them, for whoever may not have them or if the server has none to tell, the record is still true. */
	facts = must_alloc(calloc(FACTS, sizeof(*facts)));
	n = rootContainerFacts(fd, argv[0], name_length(argv[0]), facts, sizeof(*facts), FACTS);
	if (o->json)
		print_json(&c, facts, n);
	else
		r = print_table(&c, facts, n);
	free(facts);
	rootShutdown(fd);
	return r;
}
