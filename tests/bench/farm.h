/* SPDX-License-Identifier: MIT */
/*
 * Containers that are nothing but what an engine's files and the kernel show of one: a process in UTS namespace and cgroup of its
 * own, and the state files of crun, runc and podman, written as those write them. Thousands are made in seconds.
 */
#ifndef BENCH_FARM_H
#define BENCH_FARM_H

#include "truth.h"

struct farm {
	struct oracle *oracle;
	const char *cgroups; /* a directory of a cgroup hierarchy: .../LAB_ID */
	const char *cgroup_prefix; /* the same as seen in /proc/PID/cgroup: /LAB_ID */
	int home; /* our own UTS namespace */
	unsigned room; /* for slots */
	unsigned count[ENGINES]; /* slots that were made with a running container */
	unsigned generation; /* of names, hostnames and cgroups: none is used twice */
	uint64_t random;
	char **items; /* of podman's list: the text of each, or NULL */
	unsigned long changes;
};

/* Where there is room for @nslots. Ends the program on failure, as everything here does. */
void farm_init(struct farm *f, unsigned nslots, const char *cgroups, const char *cgroup_prefix);
/* All of it: processes, files, cgroups. */
void farm_fini(struct farm *f);
/* Makes running containers until there are as many of each engine; then @spare of crun that are absent, and @listed of podman
 * that are stopped. */
void farm_grow(struct farm *f, const unsigned count[ENGINES], unsigned spare, unsigned listed);

/* Each one change, announced in the oracle. */
void farm_start(struct farm *f, struct slot *s); /* also again, under the same id, when it runs */
void farm_stop(struct farm *f, struct slot *s); /* its process ends */
void farm_delete(struct farm *f, struct slot *s); /* its files go */
void farm_rename(struct farm *f, struct slot *s); /* podman */
void farm_set_hostname(struct farm *f, struct slot *s);
/* One of these, on a container chosen at random: a start or a stop most of the time. */
void farm_change(struct farm *f);
/* Makes podman's list anew, without a change. */
void farm_write_list(struct farm *f);
/* Writes the state file of @s once more, as it is. */
void farm_touch(struct farm *f, struct slot *s);
struct slot *farm_any(struct farm *f);

void die(const char *what) __attribute__((noreturn));

#endif
