/* SPDX-License-Identifier: MIT */
/*
 * Questions with one answer. Runs in: rootctl.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_record.h"
#include "rootctl_text.h"

/* Longer names end in the library, as names that are too long. */
int name_length(const char *name)
{
	return (int)strnlen(name, ROOT_NAME_MAX + 1);
}

/* One value. As it is for a script, to compare it with; escaped for a terminal. */
static void print_value(const struct options *o, const char *key, const char *value)
{
	if (o->json) {
		(void)printf("{\"%s\": ", key);
		text_json(stdout, value);
		(void)puts("}");
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

/* A pid or a cgroup: digits, or a path. */
static int ask_whose(int fd, const char *what, struct root_container *c)
{
	char *end;
	long pid;

	if (*what == '/')
		return rootContainerOfCGroup(fd, what, (int)strnlen(what, ROOT_CGROUP_MAX + 1), c, sizeof(*c));
	errno = 0;
	pid = strtol(what, &end, 10);
	if (errno || *end || pid > INT_MAX || *what < '0' || *what > '9')
		return -EINVAL;
	return rootContainerOfProcess(fd, (int)pid, c, sizeof(*c));
}

int rootctl_which(const struct options *o, int argc, char **argv)
{
	struct root_container c;
	int fd = rootctl_connect(o, ROOTCTL_FAILED), r;

	(void)argc;
	if (fd < 0)
		return -fd;
	r = ask_whose(fd, argv[0], &c);
	if (r < 0) {
		r = complain(ABOUT_MEMBER, argv[0], r, fd);
	} else if (o->json) {
		(void)putchar('{');
		record_json(stdout, &c, false);
		(void)puts("}");
	} else {
		char *name = record_name(&c, !isatty(STDOUT_FILENO));

		(void)puts(name);
		free(name);
	}
	rootShutdown(fd);
	return r;
}
