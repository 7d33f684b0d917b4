/* SPDX-License-Identifier: MIT */
/*
 * Questions about one container. Runs in: rootctl.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_text.h"

const char *state_name(uint32_t state)
{
	static const char *const names[] = {"unknown", "created",  "running",  "paused",   "stopping",
					    "stopped", "starting", "aborting", "freezing", "thawed"};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : names[0];
}

/* Longer names end in the library, as names that are too long. */
static int name_length(const char *name)
{
	return (int)strnlen(name, ROOT_NAME_MAX + 1);
}

static void print_member(const char *key, const char *value, const char *end)
{
	(void)printf("\"%s\": ", key);
	text_json(stdout, value);
	(void)fputs(end, stdout);
}

/* One value. As it is for a script, to compare it with; escaped for a terminal. */
static void print_value(const struct options *o, const char *key, const char *value)
{
	if (o->json) {
		(void)putchar('{');
		print_member(key, value, "}\n");
	} else if (isatty(STDOUT_FILENO)) {
		char *shown = text_escape(value);

		(void)puts(shown);
		free(shown);
	} else {
		(void)puts(value);
	}
}

typedef int text_question(int fd, const char *name, int namelen, char *buffer, int buflen);

static int print_text(const struct options *o, const char *key, const char *name, text_question *ask)
{
	char buffer[ROOT_CGROUP_MAX + 1];
	int fd = rootctl_connect(o, ROOTCTL_FAILED), r;

	if (fd < 0)
		return -fd;
	r = ask(fd, name, name_length(name), buffer, sizeof(buffer));
	if (r < 0) {
		r = complain(ABOUT_CONTAINER, name, r, fd);
	} else {
		print_value(o, key, buffer);
		r = ROOTCTL_OK;
	}
	rootShutdown(fd);
	return r;
}

int rootctl_hostname(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return print_text(o, "hostname", argv[0], rootContainerHostName);
}

int rootctl_cgroup(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return print_text(o, "cgroup", argv[0], rootContainerCGroupName);
}

int rootctl_pid(const struct options *o, int argc, char **argv)
{
	int fd = rootctl_connect(o, ROOTCTL_FAILED), r;

	(void)argc;
	if (fd < 0)
		return -fd;
	r = rootContainerProcessID(fd, argv[0], name_length(argv[0]));
	if (r < 0) {
		r = complain(ABOUT_CONTAINER, argv[0], r, fd);
	} else {
		(void)printf(o->json ? "{\"pid\": %d}\n" : "%d\n", r);
		r = ROOTCTL_OK;
	}
	rootShutdown(fd);
	return r;
}

static void print_json(const struct root_container *c)
{
	(void)putchar('{');
	print_member("engine", c->engine, ", ");
	print_member("id", c->id, ", ");
	print_member("name", c->name, ", ");
	print_member("state", state_name(c->state), ", ");
	if (c->pid)
		(void)printf("\"pid\": %" PRId32 ", \"owner\": %" PRIu32 ", ", c->pid, c->owner);
	else
		(void)printf("\"pid\": null, \"owner\": %" PRIu32 ", ", c->owner);
	if (*c->cgroup)
		print_member("cgroup", c->cgroup, "}\n");
	else
		(void)puts("\"cgroup\": null}");
}

static void print_line(const char *key, const char *value)
{
	char *shown = text_escape(value);

	(void)printf("%s: %s\n", key, *shown ? shown : "-");
	free(shown);
}

static void print_lines(const struct root_container *c)
{
	print_line("engine", c->engine);
	print_line("id", c->id);
	print_line("name", c->name);
	print_line("state", state_name(c->state));
	if (c->pid)
		(void)printf("pid: %" PRId32 "\n", c->pid);
	else
		print_line("pid", "");
	(void)printf("owner: %" PRIu32 "\n", c->owner);
	print_line("cgroup", c->cgroup);
}

int rootctl_inspect(const struct options *o, int argc, char **argv)
{
	struct root_container c;
	int fd = rootctl_connect(o, ROOTCTL_FAILED), r;

	(void)argc;
	if (fd < 0)
		return -fd;
	r = rootContainerGet(fd, argv[0], name_length(argv[0]), &c, sizeof(c));
	if (r < 0)
		r = complain(ABOUT_CONTAINER, argv[0], r, fd);
	else if (o->json)
		print_json(&c);
	else
		print_lines(&c);
	rootShutdown(fd);
	return r;
}
