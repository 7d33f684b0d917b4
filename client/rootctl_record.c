/* SPDX-License-Identifier: MIT */
#include "rootctl_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "rootctl.h"
#include "rootctl_text.h"

const char *state_name(uint32_t state)
{
	static const char *const names[] = {"unknown", "created",  "running",  "paused",   "stopping",
					    "stopped", "starting", "aborting", "freezing", "thawed"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : names[0];
}

void member_json(FILE *out, const char *key, const char *value)
{
	(void)fprintf(out, "\"%s\": ", key);
	if (*value)
		text_json(out, value);
	else
		(void)fputs("null", out);
}

static void next_member(FILE *out, const char *key, const char *value)
{
	(void)fputs(", ", out);
	member_json(out, key, value);
}

static void next_number(FILE *out, const char *key, bool known, int n)
{
	if (known)
		(void)fprintf(out, ", \"%s\": %d", key, n);
	else
		(void)fprintf(out, ", \"%s\": null", key);
}

void record_json(FILE *out, const struct root_container *c, bool hostname)
{
	int status = c->exit_status;
	bool known = status != ROOT_EXIT_UNKNOWN;

	member_json(out, "engine", c->engine);
	next_member(out, "id", c->id);
	next_member(out, "name", c->name);
	next_member(out, "user", c->user);
	(void)fprintf(out, ", \"owner\": %" PRIu32, c->owner);
	next_member(out, "state", state_name(c->state));
	next_number(out, "pid", c->pid, c->pid);
	next_member(out, "cgroup", c->cgroup);
	next_member(out, "init_cgroup", c->init_cgroup);
	next_number(out, "exit_code", known && WIFEXITED(status), WEXITSTATUS(status));
	next_number(out, "exit_signal", known && WIFSIGNALED(status), WTERMSIG(status));
	(void)fprintf(out, ", \"generation\": %" PRIu64, c->generation);
	if (hostname)
		next_member(out, "hostname", c->hostname);
}

char *record_name(const struct root_container *c, bool raw)
{
	char *name, *shown;

	if (asprintf(&name, "%s%s%s:%s", c->engine, *c->user ? "@" : "", c->user, *c->name ? c->name : c->id) < 0)
		(void)must_alloc(NULL);
	if (raw)
		return name;
	shown = text_escape(name);
	free(name);
	return shown;
}

const char *record_exit(const struct root_container *c, char *buffer)
{
	int status = c->exit_status;

	if (status == ROOT_EXIT_UNKNOWN)
		buffer[0] = '\0';
	else if (WIFSIGNALED(status))
		(void)snprintf(buffer, RECORD_EXIT_SIZE, "signal %d", WTERMSIG(status));
	else
		(void)snprintf(buffer, RECORD_EXIT_SIZE, "%d", WEXITSTATUS(status));
	return buffer;
}

int record_exit_number(const struct root_container *c)
{
	return WIFSIGNALED(c->exit_status) ? 128 + WTERMSIG(c->exit_status) : WEXITSTATUS(c->exit_status);
}
