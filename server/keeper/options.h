/* SPDX-License-Identifier: MIT */
/*
 * rootbrokerd's command line. Runs in: keeper. Trusts: whoever started it.
 */
#ifndef KEEPER_OPTIONS_H
#define KEEPER_OPTIONS_H

#include <stdbool.h>

#include "../common/log.h"

#define OPTIONS_ARGS_MAX 12

struct options {
	bool check;
	enum log_level log_level;
	char *monitor_argv[OPTIONS_ARGS_MAX]; /* absolute; allocated once, for ever */
};

/* Ends the process for --help, --version (0), for what cannot be done (1) and for a wrong command line (2). */
void options_parse(struct options *o, int argc, char **argv);

#endif
