/* SPDX-License-Identifier: MIT */
/* A tree of root's own for tests: below it a file is believed as below /etc or /usr. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* Group set-up and tear-down. Without root there is no tree, and tests skip(): see tree_ready(). */
int tree_make(void **state);
int tree_remove(void **state);
bool tree_ready(void);

/* A path below the tree; valid for the next seven calls. "" is the tree itself. */
const char *tree_path(const char *name);
void tree_file(const char *name, mode_t mode, const char *text);
void tree_dir(const char *name, mode_t mode);
void tree_link(const char *target, const char *name);
/* The running executable once more, so that any user can reach it. */
void tree_copy_self(const char *name);

#define NEEDS_TREE()               \
	do {                       \
		if (!tree_ready()) \
			skip();    \
	} while (0)

#endif
