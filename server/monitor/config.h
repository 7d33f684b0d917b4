/* SPDX-License-Identifier: MIT */
/*
 * rootbroker.conf(5), parsed. Runs in: monitor. Trusts: files of root that nobody else may write.
 *
 * A configuration is read whole, checked whole, and never changed afterwards. Users and groups are resolved from
 * /etc/passwd and /etc/group directly, never through NSS.
 */
#ifndef MONITOR_CONFIG_H
#define MONITOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/log.h"

#define CONFIG_ROLES_MAX 64
#define CONFIG_ENGINE_DIRS 32 /* directories over all engines */
#define CONFIG_ROOTLESS_MAX 256 /* users whose engines are watched */
#define CONFIG_RANGES_MAX 16 /* of subordinate uids, of one user */

/* Which process of ours; indexes config.user[]. */
enum confined_kind { CONFINED_FRONTEND, CONFINED_RESOLVER, CONFINED_JOINER, CONFINED_COUNT };

struct config_user {
	uid_t uid; /* never 0 */
	gid_t gid;
};

struct role {
	char *name;
	uid_t *uids;
	int nuids;
	gid_t *gids;
	int ngids;
	uint32_t rights; /* RIGHT_* */
};

struct engine_dir {
	char *engine; /* of config_engines: "podman" */
	char *path; /* absolute */
};

struct config_range {
	uint32_t first, count;
};

/* A user whose engines are watched. */
struct config_rootless {
	char *name; /* his uid's digits if the name is unusable */
	char *home;
	uid_t uid; /* never 0 */
	struct config_range ranges[CONFIG_RANGES_MAX];
	int nranges;
};

struct config {
	char *run_directory;
	char *programs_directory;
	char *programs_cgroup; /* none, auto, or a path below the mount of cgroup v2 */
	uint64_t capability_ceiling;
	enum log_level log_level;
	uint32_t prefix_min; /* shortest id prefix that names a container */
	uint32_t max_sessions, max_sessions_per_uid;
	uint32_t max_programs, max_programs_per_uid;
	struct config_user user[CONFINED_COUNT];
	struct role *roles;
	int nroles;
	struct engine_dir dirs[CONFIG_ENGINE_DIRS];
	int ndirs;
	bool rootless_named; /* only the following, maybe none; else all who have subordinate uids */
	uid_t *rootless_uids;
	int nrootless_uids;
	struct config_rootless *rootless; /* from /etc/passwd and /etc/subuid, as of the reading */
	int nrootless;
};

/*
 * Reads @path. On failure -errno, everything freed, and @ret_error (of @size bytes) holds
 * "FILE:LINE: what is wrong: what to do".
 */
int config_load(const char *path, struct config **ret_config, char *ret_error, int size);
/* The same; every problem is reported, one call each, before it returns. */
int config_read(const char *path, struct config **ret_config, void (*problem)(void *data, const char *text),
		void *data);
void config_free(struct config *c);

/* Names as a configuration may write them: a name of /etc/passwd (/etc/group), or a number. 0 or -ENOENT. */
int config_find_user(const char *word, uid_t *ret_uid, gid_t *ret_gid);
int config_find_group(const char *word, gid_t *ret_gid);

/*
 * A file or directory of root's, and every directory above it, that only root can change. 0, or -EPERM with the offending
 * component and the remedy in @ret_error. Follows no symbolic link at the last component.
 */
int config_check_owned(const char *path, char *ret_error, int size);

#endif
