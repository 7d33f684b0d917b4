/* SPDX-License-Identifier: MIT */
/*
 * The monitor as a whole. Runs in: monitor, as root. Trusts: the kernel, the keeper, files of root. It decodes only the
 * records of our own processes, and treats those of the confined ones as an enemy's.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "../common/caps.h"
#include "../common/loop.h"
#include "confined.h"
#include "keeper_link.h"
#include "program.h"
#include "rootless.h"
#include "session.h"

#define MONITOR_KEEPER_FD 3
#define MONITOR_EXIT_RELOAD 75 /* a new monitor is wanted: the keeper starts one at once */

struct options {
	const char *config;
	const char *socket; /* NULL: socket of the run directory */
	const char *libexec;
	const char *log_level; /* NULL: of the configuration */
	bool check;
};

struct monitor {
	const struct options *options;
	char *socket;
	struct loop loop;
	struct keeper_link keeper;
	struct source keeper_source;
	struct source signals;
	struct config *config;
	struct catalogue *catalogue;
	struct programs *programs;
	struct sessions sessions;
	struct confined_env env;
	struct confined confined[CONFINED_COUNT];
	struct rootless_gate rootless;
	struct ipc_in in; /* from the keeper */
	int listener; /* until it is served */
	bool serving;
	bool ending;
	struct timer end_timer;
	uint64_t end_deadline_ms;
	int status; /* of the process, when the loop has stopped */
};

/* Everything up to the first request: start.c. Fatal on failure. */
void monitor_start(struct monitor *m, const struct options *options);
/* Then: serve.c. Returns the exit status. */
int monitor_serve(struct monitor *m);

/* --- between the two --- */
extern const struct confined_events monitor_confined_events;
/* What the keeper says at any time. */
void monitor_keeper_record(struct monitor *m, struct ipc_in *in);
/* Loads configuration and catalogue; problems go to the log. False if anything was refused and @strict, or the configuration was. */
bool monitor_load(const struct options *options, struct config **ret_config, struct catalogue **ret_catalogue,
		  bool strict);
/* The capabilities that a monitor with this configuration keeps in its bounding set. */
uint64_t monitor_caps(const struct config *c);
/* The path of the socket; fatal without memory. */
char *monitor_socket(const struct options *options, const struct config *c);

#endif
