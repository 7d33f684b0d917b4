/* SPDX-License-Identifier: MIT */
/*
 * What a watcher knows of each container. Runs in: rootctl.
 */
#ifndef ROOTCTL_KNOWN_H
#define ROOTCTL_KNOWN_H

#include <stdbool.h>

#include "../include/rootbroker.h"

struct known {
	struct known *next;
	char *key; /* engine, user and id */
	char *name; /* as it is shown; the id if it has none */
	char *engine, *id;
	uint32_t state;
	int32_t exit_status;
	unsigned round; /* of the present state that it was last seen in */
};

struct known_set {
	void *tree; /* by key */
	struct known *first;
	unsigned round;
};

/* The entry of a container, with the name that it has now; *@ret_new if it was not known. Ends the command when there is no memory. */
struct known *known_get(struct known_set *s, const struct root_container *c, bool *ret_new);
void known_remove(struct known_set *s, const struct root_container *c);
/* A present state begins; and once it has been told, each entry that it lacks is given to @gone, and forgotten. */
void known_begin(struct known_set *s);
void known_sweep(struct known_set *s, void (*gone)(const struct known *k, void *data), void *data);
void known_free(struct known_set *s);

#endif
