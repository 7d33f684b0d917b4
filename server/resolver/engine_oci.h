/* SPDX-License-Identifier: MIT */
/*
 * State directories of crun and runc, for the engines whose containers they run. Runs in: resolver. Trusts: nothing.
 */
#ifndef RESOLVER_ENGINE_OCI_H
#define RESOLVER_ENGINE_OCI_H

#include "json.h"
#include "members.h"

struct runtime {
	const char *file;
	/* The claim of a state file; strings stay the file's. False: it is none. */
	bool (*parse)(const json_t *root, struct claim *ret);
};
extern const struct runtime runtime_crun, runtime_runc;

/* A change of @file is one of the container's state. */
bool runtime_matters(const struct runtime *runtime, const char *file);
/* The state file in @dir, the directory of @m. 0; -ENOENT; or -errno, which is logged: what was good before stays, it may be half of
 * the next one. Strings of @ret are those of @ret_root. */
int runtime_load(const struct runtime *runtime, struct member *m, int dir, json_t **ret_root, struct claim *ret);
/* Puts @m into the table, if it is not, and there what @claim turns out to be worth. Whose process it has
 * to be is set here. */
void runtime_apply(struct member *m, int dir, struct claim *claim, const char *name);

#endif
