/* SPDX-License-Identifier: MIT */
/*
 * rootctl, the command. Runs as: whoever calls it, without privilege. Trusts: the broker, but not the names and hostnames it
 * tells of, which are the containers' own choice.
 */
#ifndef ROOTCTL_H
#define ROOTCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../include/rootbroker.h"

/* Exit statuses. Those from 125 are run's own: all others are the program's. */
enum {
	ROOTCTL_OK = 0,
	ROOTCTL_FAILED = 1,
	ROOTCTL_USAGE = 2,
	ROOTCTL_NOT_FOUND = 3, /* or not running */
	ROOTCTL_RUN_BROKER = 125,
	ROOTCTL_RUN_REFUSED = 126,
	ROOTCTL_RUN_NOT_FOUND = 127,
};

struct options {
	const char *socket; /* NULL: the library's choice */
	int timeout_ms; /* -1: the library's choice */
	bool json;
	/* of ps and watch */
	bool all;
	bool no_trunc;
	bool hostnames;
	bool present;
	const char *engine; /* NULL: all of them */
	int count; /* 0: without end */
};

/* The whole command. */
int rootctl(int argc, char **argv);

/* Connected, with the timeout set; else it complained and returned the negative of the exit status. */
int rootctl_connect(const struct options *o, int exit_status);

/* Commands: @argc, @argv are what follows the options. They return the exit status. */
int rootctl_ps(const struct options *o, int argc, char **argv);
int rootctl_programs(const struct options *o, int argc, char **argv);
int rootctl_hostname(const struct options *o, int argc, char **argv);
int rootctl_pid(const struct options *o, int argc, char **argv);
int rootctl_cgroup(const struct options *o, int argc, char **argv);
int rootctl_inspect(const struct options *o, int argc, char **argv);
int rootctl_which(const struct options *o, int argc, char **argv);
int rootctl_watch(const struct options *o, int argc, char **argv);
int rootctl_run(const struct options *o, int argc, char **argv);

/* Says on standard error what failed and what to do next; returns the exit status that fits. @fd: the connection, or -1. */
enum about { ABOUT_CONNECT = 1, ABOUT_CONTAINER = 2, ABOUT_PROGRAM = 4, ABOUT_LIST = 8, ABOUT_MEMBER = 16 };
int complain(enum about about, const char *subject, int error, int fd);
/* "rootctl: TEXT", for what is not the library's error. */
void complain_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory that is there: the command ends with status 1 when there is none. */
void *must_alloc(void *p);
/* Of a container's name, as the library wants it. */
int name_length(const char *name);

#endif
