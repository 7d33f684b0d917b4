/* SPDX-License-Identifier: MIT */
/*
 * A program's arguments: the entry's templates, filled by the client. Runs in: monitor. Trusts: the templates; nothing of
 * what fills them.
 *
 * A template is literal text ("{{" is one brace) that may end in one placeholder:
 *	{int:LOW-HIGH}	a decimal number without needless zeroes or signs
 *	{enum:a|b|c}	one of these words
 *	{name}		letters, digits, '_', '.', '-', not beginning with '-' or '.'
 *	{path:/below/}	an absolute path below that directory, without "..", ".", or empty components
 * The client's arguments fill the placeholders in their order, one each. None of them can become an option: only a
 * number may begin with '-', where the range says so.
 */
#ifndef MONITOR_ARGS_H
#define MONITOR_ARGS_H

#include "../../proto/wire.h"

#define ARGS_TEMPLATES_MAX 256 /* of an entry */
#define ARGS_NAME_MAX 255

/* 0, or -EINVAL with "what: remedy" in @ret_error; or as exec_chain_directory() for the directory of a {path:}. */
int args_check_template(const char *text, char *ret_error, int size);

/*
 * @client: the arguments, each with its NUL. On success *@ret_argv is @argv0 and the filled templates, NULL-terminated, one
 * allocation to free(). -EINVAL with @ret_detail: which argument does not fit, and what was expected; -ENOMEM.
 */
int args_build(const char *argv0, char *const *templates, struct str client, char ***ret_argv, char *ret_detail,
	       int size);

#endif
