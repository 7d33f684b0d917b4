/* SPDX-License-Identifier: MIT */
/*
 * A user whose engines' files are read. Runs in: resolver. Trusts: the monitor's argument about him; nothing that is his.
 *
 * He may write into those files what he likes, as often and as much as he likes. So a process counts as a container's only if it is
 * made of uids that he has, and what he costs is counted: memory by containers, time by bytes, the log by lines. Beyond that his
 * own containers are missing or late, and nobody else's.
 */
#ifndef RESOLVER_OWNER_H
#define RESOLVER_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OWNER_CONTAINERS_MAX 1024 /* at each of the two levels, names and processes */
#define OWNER_FILE_MAX (1024 * 1024)
#define OWNER_FILE_BRACKETS \
	(64 * 1024) /* of its arrays and objects, each of which takes a hundred times its two bytes */
#define OWNER_LOOK_BYTES 4096 /* what looking costs, whatever is found */
#define OWNER_LIST_MAX (4 * OWNER_CONTAINERS_MAX) /* names in a directory that are looked at */
#define OWNER_SLICE_BYTES (1024 * 1024) /* of files, and then others have their turn for so long: */
#define OWNER_SLICE_MS 100
#define OWNER_LINES 10 /* of the log, in the time below */
#define OWNER_LINES_MS (10 * 60 * 1000)

struct proc_stat;

struct owner_range {
	uint32_t first, count;
};

struct owner {
	uint32_t uid;
	char *name;
	struct owner_range *ranges; /* of subordinate uids */
	unsigned nranges;
	size_t containers;
	bool full; /* that he had too many was said, once and for all: he may come and go over the limit all day */
	size_t bytes;
	uint64_t pause_ms; /* since when he has had his share; 0: he has not */
	unsigned lines;
	uint64_t lines_ms;
	bool moved; /* his directories changed: the monitor was asked, and has not answered */
};

/* "1000:alice:100000+65536,200000+65536", the ranges of subordinate uids last, maybe none. False if it is not like that, or root's. */
bool owner_parse(const char *text, size_t len, struct owner *ret);
void owner_fini(struct owner *o);

/* Are all of these uids his, his own or subordinate ones? */
bool owner_has(const struct owner *o, uint32_t first, uint32_t count);
/* Is the process, pinned by the caller, in a user namespace that is made of his uids alone, and run by one? 0; -EPERM: no; -errno. */
int owner_check(const struct owner *o, int proc, pid_t pid, const struct proc_stat *stat);

/* Was the cgroup, a path within a hierarchy, given to him? Whatever is below such a one is his, too. */
bool owner_has_cgroup(const struct owner *o, const char *path, size_t len);

/* One more container; false (said once) if he has too many. owner_give() takes it off. */
bool owner_take(struct owner *o);
void owner_give(struct owner *o);

/* May another file of his be read now? Else in OWNER_SLICE_MS at the latest. */
bool owner_may_read(struct owner *o, uint64_t now_ms);
void owner_has_read(struct owner *o, size_t bytes);
/* May another line about his files be logged? */
bool owner_may_log(struct owner *o, uint64_t now_ms);

#endif
