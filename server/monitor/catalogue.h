/* SPDX-License-Identifier: MIT */
/*
 * The catalogue: programs.d/NAME.conf. Runs in: monitor. Trusts: files of root that nobody else may write.
 *
 * Clients name an entry; they never describe a program. An entry whose file or executable is refused stays in the
 * catalogue as refused, with the reason, so that a start says why.
 */
#ifndef MONITOR_CATALOGUE_H
#define MONITOR_CATALOGUE_H

#include <time.h>

#include "../../include/rootbroker.h"
#include "../../proto/wire.h"
#include "config.h"

#define ENTRY_GRACE_MS_MAX 600000

struct entry {
	char name[ROOT_PROGRAM_MAX + 1];
	char *description;
	char *refused; /* NULL, or "FILE:LINE: what is wrong: what to do" */
	bool exec_refused; /* only the executable is at fault: it is checked again at each start */
	int exec_line; /* of its file, where exec stands */
	char *exec; /* as written: argv[0] */
	char *path; /* every link resolved, chain checked */
	dev_t dev; /* of @path when it was checked last */
	ino_t ino;
	struct timespec ctime;
	char **arguments; /* NULL-terminated templates, see args.h */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int ngroups;
	uint64_t caps;
	bool no_new_privs;
	char **environment; /* NULL-terminated */
	char *directory;
	mode_t umask;
	int stop_signal;
	uint32_t grace_ms;
	uint32_t instances; /* at once; 0: no limit of its own */
	uid_t *allow_uids;
	int nallow_uids;
	gid_t *allow_gids;
	int nallow_gids;
	uint64_t allow_roles; /* bits as config.roles */
};

struct catalogue {
	struct entry *entries; /* by name */
	int nentries;
};

/*
 * Loads every *.conf of config->programs_directory; a missing directory is an empty catalogue. A bad entry is refused, logged,
 * and counted in @ret_refused; -errno (with @ret_error) only when the directory itself cannot be trusted or read.
 */
int catalogue_load(const struct config *config, struct catalogue **ret, int *ret_refused, char *ret_error, int size);
void catalogue_free(struct catalogue *c);
struct entry *catalogue_find(const struct catalogue *c, struct str label);
/*
 * Before each start: is the executable still the one that was checked? If not, it is checked anew and its change logged. 0, or an
 * error of exec_chain_check() with its text.
 */
int entry_check_exec(struct entry *e, char *ret_error, int size);
bool entry_allows(const struct entry *e, uid_t uid, gid_t gid, const gid_t *groups, int ngroups, uint64_t roles);

#endif
