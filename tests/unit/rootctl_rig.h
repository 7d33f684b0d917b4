/* SPDX-License-Identifier: MIT */
/*
 * The command, run in a process of its own against a fake server.
 */
#ifndef ROOTCTL_RIG_H
#define ROOTCTL_RIG_H

#include "fake_server.h"

/* What the last run printed, and its exit status. */
struct ran {
	char out[65536], err[8192];
	int status;
};
extern struct ran ran;
extern const char *fake_path; /* ROOTBROKER_SOCKET of the next run, if not NULL */

/* Everything until its end; closes @fd. */
void slurp(int fd, char *buf, size_t size);
/* Starts rootctl: its standard output and error, and the descriptor that is its input's other end. */
pid_t spawn(const char *const *argv, int *ret_in, int *ret_out, int *ret_err);
int finish(pid_t pid); /* its exit status */
int run_argv(const char *const *argv);
#define RUN(...) run_argv((const char *const[]){"rootctl", __VA_ARGS__, NULL})

void with_server(void (*script)(int fd)); /* of one connection */
void without_server(void);

void assert_says(const char *text, const char *what);
/* What was printed is JSON, and @filter, an expression of Python on it as d, has the JSON @expected. A reader that we did not
 * write has the last word. */
void assert_json(const char *filter, const char *expected);

#endif
