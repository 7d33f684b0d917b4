/* SPDX-License-Identifier: MIT */
/* The engines of users: where they keep their state, as arguments of the resolver. Runs in: monitor. See rootless.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootless.h"

/* One row a directory. %h is the user's home, %u his uid. A row is left out where its engine is switched off. */
static const struct place {
	const char *engine, *path;
} places[] = {
	{"podman", "%h/.local/share/containers/storage"},
	{"docker", "%h/.local/share/docker"},
	{"crun", "/run/user/%u/crun"},
	{"runc", "/run/user/%u/runc"},
	{"crun", "/run/user/%u/docker/runtime-runc/moby"},
	{"runc", "/run/user/%u/docker/runtime-runc/moby"},
	/* What podman takes for /run/user/%u where nobody makes that. */
	{"crun", "/tmp/podman-run-%u/crun"},
	{"runc", "/tmp/podman-run-%u/runc"},
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static bool is_on(const struct config *c, const char *engine)
{
	for (int i = 0; i < c->ndirs; i++) {
		if (strcmp(c->dirs[i].engine, engine) == 0)
			return true;
	}
	return false;
}

/* Is it watched as the administrator's own choice? */
static bool is_configured(const struct config *c, const char *engine, const char *path)
{
	for (int i = 0; i < c->ndirs; i++) {
		if (strcmp(c->dirs[i].engine, engine) == 0 && strcmp(c->dirs[i].path, path) == 0)
			return true;
	}
	return false;
}

/* "@1000:alice:100000+65536,200000+65536" */
static char *user_argument(const struct config_rootless *u)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	(void)fprintf(f, "@%u:%s:", u->uid, u->name);
	for (int i = 0; i < u->nranges; i++)
		(void)fprintf(f, "%s%u+%u", i ? "," : "", u->ranges[i].first, u->ranges[i].count);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* "podman@1000=/home/alice/.local/share/containers/storage" */
static char *place_argument(const struct config_rootless *u, const struct place *place, const char **ret_path)
{
	char *text = NULL;
	size_t len, head;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	(void)fprintf(f, "%s@%u=", place->engine, u->uid);
	(void)fflush(f);
	head = len;
	for (const char *p = place->path; *p; p++) {
		if (strncmp(p, "%h", 2) == 0 && p++)
			(void)fputs(strcmp(u->home, "/") == 0 ? "" : u->home, f);
		else if (strncmp(p, "%u", 2) == 0 && p++)
			(void)fprintf(f, "%u", u->uid);
		else
			(void)fputc(*p, f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	*ret_path = text + head;
	return text;
}

char **rootless_arguments(const struct config *c)
{
	char **all = calloc((size_t)c->nrootless * (1 + PLACES) + 1, sizeof(*all));
	size_t n = 0;

	for (int i = 0; all && i < c->nrootless; i++) {
		const struct config_rootless *u = &c->rootless[i];

		all[n] = user_argument(u);
		if (!all[n++])
			return NULL; /* the process is about to end */
		for (size_t k = 0; k < PLACES; k++) {
			const char *path;

			if (!is_on(c, places[k].engine))
				continue;
			all[n] = place_argument(u, &places[k], &path);
			if (!all[n])
				return NULL;
			if (is_configured(c, places[k].engine, path))
				free(all[n]);
			else
				n++;
			all[n] = NULL;
		}
	}
	return all;
}
