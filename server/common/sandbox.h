/* SPDX-License-Identifier: MIT */
/*
 * How a confined process locks itself in after exec. Runs in: frontend, resolver, joiner.
 *
 * Policy is data: each binary has one struct sandbox. There is no branch for "sandbox unavailable": a step
 * that fails is returned, and the main ends the process.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "caps.h"

/* A system call that the filter admits; with @has_arg1, only if its argument 1 (from 0) is exactly @arg1. */
struct sandbox_call {
	int nr; /* SCMP_SYS() */
	bool has_arg1;
	uint64_t arg1;
};

struct sandbox {
	uint64_t caps; /* effective and permitted in service */
	bool landlock; /* everything Landlock knows is denied but @paths */
	const struct sandbox_call *calls;
	size_t ncalls;
};

/* What the sanitizers' run-time needs besides: non-empty only in a sanitizer build, which says so in the log. */
extern const struct sandbox_call sandbox_sanitizer_calls[];
extern const size_t sandbox_sanitizer_ncalls;

/*
 * In this order: parent-death signal, dumpable 0, Landlock (read-only below each of @paths, directories and
 * files; one that does not exist is -ENOENT), capabilities to @s->caps with ambient and inheritable empty, everything
 * read back (uid, gid, no root id, groups, capability sets, no_new_privs, dumpable), filter (any other call kills the process).
 * 0, or -errno with @ret_step naming the step.
 */
int sandbox_enter(const struct sandbox *s, const char *const *paths, size_t npaths, const char **ret_step);

/*
 * A Landlock rule: reading at @path and below it. 0 or -errno. It opens files, so it is an object of its own: who is not
 * linked with it has no open() at all, and for him every path is -ENOSYS.
 */
int sandbox_allow_path(int ruleset, const char *path) __attribute__((weak, visibility("hidden")));

/* What sandbox_enter() reads back before the filter, and its judgement: NULL, or what is not as @s and the list above say.
 * Apart, so that tests can make each field wrong. */
struct sandbox_facts {
	uid_t uid[4]; /* real, effective, saved, file system */
	gid_t gid[4];
	int ngroups; /* supplementary: none, or the own gid alone */
	gid_t group;
	struct caps caps;
	int no_new_privs, dumpable, death_signal;
};
int sandbox_read(struct sandbox_facts *ret_facts);
const char *sandbox_judge(const struct sandbox *s, const struct sandbox_facts *f);

#endif
