/* SPDX-License-Identifier: MIT */
/*
 * For tests of the resolver's parts: engine directories in a scratch tree, real processes for their pids, and a sink
 * that keeps the records as a frontend would.
 */
#ifndef TESTS_RESOLVER_RIG_H
#define TESTS_RESOLVER_RIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../include/rootbroker.h"
#include "../../server/resolver/engine.h"
#include "../../server/common/log.h"
#include "../../server/resolver/lxc_ask.h"

#define RIG_RECORDS 4096
#define RIG_DIRS 4
#define FIXTURES "tests/fixtures/engines/"

struct rig_record {
	uint64_t rid;
	uint32_t state, pid, owner;
	char user[ROOT_USER_MAX + 1];
	char engine[32], id[ROOT_ID_MAX + 1], name[ROOT_NAME_MAX + 1], cgroup[ROOT_CGROUP_MAX + 1];
	char init_cgroup[ROOT_CGROUP_MAX + 1];
	bool had_pidfd;
	bool exited;
	uint32_t exit;
};

struct rig {
	char tmp[64];
	struct loop loop;
	struct watcher watch;
	struct table table;
	struct table_sink sink;
	struct lxc_asker asker;
	struct engine_ctx ctx;
	struct engine_dir dirs[RIG_DIRS];
	char paths[RIG_DIRS][160];
	unsigned ndirs;
	struct owner *user; /* whose the engines are that are opened from now on; NULL: the system's */
	struct rig_record *records;
	size_t nrecords;
	unsigned puts, removes; /* since the last rig_round() began */
	char order[64]; /* "-+": a removal, then a put, in this round */
	char history
		[512]; /* the states of all that was put, in order: "stopped running "; whoever wants it clears it */
};

int rig_setup(void **state); /* cmocka; *state is a struct rig */
int rig_teardown(void **state);

/* Opens an engine on the directory @name of the scratch tree, which is made if need be. */
struct engine_dir *rig_engine(struct rig *g, const char *engine, const char *name);
/* What the resolver does between two waits. */
void rig_round(struct rig *g);
/* The one record of that engine and id; NULL if there is none. More than one fails the test. */
const struct rig_record *rig_find(const struct rig *g, const char *engine, const char *id);

/* Files of the scratch tree. */
const char *rig_path(const struct rig *g, const char *name); /* valid for the next seven calls */
void rig_mkdir(const struct rig *g, const char *name);
void rig_rmtree(const struct rig *g, const char *name);
/* As engines do it: a temporary, renamed. */
void rig_put(const struct rig *g, const char *name, const char *text, size_t len);
/* As nobody should: in place. */
void rig_scribble(const struct rig *g, const char *name, const char *text, size_t len);
void rig_put_json(const struct rig *g, const char *name, const json_t *root);
json_t *rig_fixture(const char *name);

/* The text of a fixture; free() it. */
char *rig_text(const char *name);
/* The text with every @from replaced; frees @text. */
char *rig_replace(char *text, const char *from, const char *to);

/* From now on /proc is a directory of the scratch tree, with these processes in it. */
struct rig_process {
	pid_t pid, ppid;
	uint64_t start_ticks;
	const char *comm, *cgroups; /* the text of /proc/PID/cgroup */
};
void rig_process(struct rig *g, const struct rig_process *p);

/* Real processes, which end with the test. */
struct rig_child {
	pid_t pid;
	uint64_t start_ticks;
	char cgroup[ROOT_CGROUP_MAX + 1];
};
void child_start(struct rig_child *c);
void child_end(struct rig_child *c); /* and reaped */
void child_zombie(struct rig_child *c); /* not reaped; child_end() does that */
/* State files about one. @cgroup NULL: its real one. */
json_t *crun_status(const char *fixture, const struct rig_child *c, const char *cgroup);
/* Makes crun/ID/status about it; there may be one before. */
void rig_crun(const struct rig *g, const char *id, const struct rig_child *c);
json_t *runc_state(const char *fixture, const struct rig_child *c, const char *cgroup);

#endif
