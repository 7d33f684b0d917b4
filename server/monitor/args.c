/* SPDX-License-Identifier: MIT */
/*
 * A program's arguments: the entry's templates, filled by the client. Runs in: monitor.
 */
#include "args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_chain.h"

enum kind { LITERAL, INT, ENUM, NAME, PATH };

/* A template taken apart; views point into its text. */
struct template
{
	struct str literal; /* as written: "{{" still doubled */
	enum kind kind;
	struct str spec; /* behind the colon */
	int64_t low, high; /* of INT */
};

static bool starts_with(struct str s, struct str prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

/* Canonical decimal at the beginning of @s: how many bytes, or 0. One spelling only, so that a program's own parser (octal,
 * hexadecimal) cannot read another number than the range check did. */
static size_t parse_int(struct str s, int64_t *ret)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	size_t i = minus ? 1 : 0, first = i;
	int64_t v = 0;

	for (; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s.p[i] - '0', &v))
			return 0;
	}
	if (i == first || (s.p[first] == '0' && (i > first + 1 || minus)))
		return 0;
	if (!minus && __builtin_sub_overflow(0, v, &v))
		return 0;
	*ret = v;
	return i;
}

static bool parse_range(struct template *t)
{
	size_t n = parse_int(t->spec, &t->low);
	struct str rest;

	if (n == 0 || n + 1 >= t->spec.len || t->spec.p[n] != '-')
		return false;
	rest = (struct str){t->spec.p + n + 1, t->spec.len - n - 1};
	return parse_int(rest, &t->high) == rest.len && t->low <= t->high;
}

/* The next word of an enumeration, @more false behind the last. */
static struct str next_word(struct str *rest, bool *more)
{
	const char *bar = memchr(rest->p, '|', rest->len);
	struct str word = {rest->p, bar != NULL ? (size_t)(bar - rest->p) : rest->len};

	*more = bar != NULL;
	if (bar != NULL)
		*rest = (struct str){bar + 1, rest->len - word.len - 1};
	return word;
}

static bool check_words(struct str rest)
{
	struct str word;
	bool more = true;

	while (more) {
		word = next_word(&rest, &more);
		if (word.len == 0)
			return false;
	}
	return true;
}

/* Bytes below a directory: no way up, nothing that two parsers could read in two ways. */
static bool clean_components(struct str s)
{
	const char *slash;
	size_t i, len;

	for (i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	for (;;) {
		slash = memchr(s.p, '/', s.len);
		len = slash != NULL ? (size_t)(slash - s.p) : s.len;
		if (len == 0 || (len == 1 && s.p[0] == '.') || (len == 2 && s.p[0] == '.' && s.p[1] == '.'))
			return false;
		if (slash == NULL)
			return true;
		s = (struct str){slash + 1, s.len - len - 1};
	}
}

static bool check_directory(struct str spec)
{
	if (spec.len == 0 || spec.len >= PATH_MAX || spec.p[0] != '/' || spec.p[spec.len - 1] != '/')
		return false;
	return spec.len == 1 || clean_components((struct str){spec.p + 1, spec.len - 2});
}

static bool parse_placeholder(struct template *t, struct str s)
{
	static const struct {
		struct str prefix;
		enum kind kind;
	} kinds[] = {
		{{"int:", 4}, INT},
		{{"enum:", 5}, ENUM},
		{{"path:", 5}, PATH},
	};
	size_t i;

	if (str_eq(s, STR("name"))) {
		t->kind = NAME;
		return true;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!starts_with(s, kinds[i].prefix))
			continue;
		t->kind = kinds[i].kind;
		t->spec = (struct str){s.p + kinds[i].prefix.len, s.len - kinds[i].prefix.len};
		if (t->kind == INT)
			return parse_range(t);
		return t->kind == ENUM ? check_words(t->spec) : check_directory(t->spec);
	}
	return false;
}

/* NULL, or what is wrong with the text. */
static const char *parse_template(const char *text, struct template *t)
{
	const char *p = text;
	size_t len;

	memset(t, 0, sizeof(*t));
	while ((p = strchr(p, '{')) != NULL && p[1] == '{')
		p += 2;
	t->literal = (struct str){text, p != NULL ? (size_t)(p - text) : strlen(text)};
	if (p == NULL)
		return NULL;
	len = strlen(p);
	if (p[len - 1] != '}' || memchr(p, '}', len - 1) != NULL || strchr(p + 1, '{') != NULL)
		return "a placeholder must be the end of its argument: write one placeholder, last, and {{ for a brace";
	if (!parse_placeholder(t, (struct str){p + 1, len - 2}))
		return "not a placeholder: write {int:LOW-HIGH}, {enum:a|b}, {name} or {path:/directory/}";
	return NULL;
}

int args_check_template(const char *text, char *ret_error, int size)
{
	const char *wrong;
	struct template t;
	char path[PATH_MAX];

	wrong = parse_template(text, &t);
	if (wrong != NULL) {
		(void)snprintf(ret_error, (size_t)size, "%s", wrong);
		return -EINVAL;
	}
	if (t.kind != PATH || !str_copy(path, sizeof(path), t.spec))
		return 0;
	return exec_chain_directory(path, ret_error, size);
}

static bool fits_enum(struct str rest, struct str arg)
{
	bool more = true;

	while (more) {
		if (str_eq(next_word(&rest, &more), arg))
			return true;
	}
	return false;
}

static bool fits_name(struct str arg)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t i;

	if (arg.len == 0 || arg.len > ARGS_NAME_MAX || arg.p[0] == '-' || arg.p[0] == '.')
		return false;
	for (i = 0; i < arg.len; i++) {
		if (memchr(allowed, arg.p[i], sizeof(allowed) - 1) == NULL)
			return false;
	}
	return true;
}

static bool fits_path(struct str below, struct str arg)
{
	if (arg.len >= PATH_MAX || arg.len <= below.len || !starts_with(arg, below))
		return false;
	return clean_components((struct str){arg.p + below.len, arg.len - below.len});
}

static bool fits(const struct template *t, struct str arg)
{
	int64_t v;

	switch (t->kind) {
	case INT:
		return parse_int(arg, &v) == arg.len && arg.len > 0 && v >= t->low && v <= t->high;
	case ENUM:
		return fits_enum(t->spec, arg);
	case NAME:
		return fits_name(arg);
	case PATH:
		return fits_path(t->spec, arg);
	case LITERAL:
		break;
	}
	return false;
}

static void expected(const struct template *t, int position, char *detail, int size)
{
	int len = (int)t->spec.len;

	switch (t->kind) {
	case INT:
		(void)snprintf(detail, (size_t)size, "argument %d: expected a whole number from %lld to %lld", position,
			       (long long)t->low, (long long)t->high);
		break;
	case ENUM:
		(void)snprintf(detail, (size_t)size, "argument %d: expected one of %.*s", position, len, t->spec.p);
		break;
	case NAME:
		(void)snprintf(detail, (size_t)size,
			       "argument %d: expected a name of letters, digits, '_', '.', '-', not beginning with '-' "
			       "or '.'",
			       position);
		break;
	case PATH:
		(void)snprintf(detail, (size_t)size,
			       "argument %d: expected a path below %.*s, without \"..\", \".\" or empty parts",
			       position, len, t->spec.p);
		break;
	case LITERAL:
		break;
	}
}

static int count_placeholders(char *const *templates, int *ret_n)
{
	struct template t;
	int placeholders = 0;

	for (*ret_n = 0; templates[*ret_n] != NULL; ++*ret_n) {
		if (parse_template(templates[*ret_n], &t) != NULL)
			return -EINVAL;
		if (t.kind != LITERAL)
			placeholders++;
	}
	return placeholders;
}

static int count_arguments(struct str client)
{
	int n = 0;
	size_t i;

	if (client.len > 0 && client.p[client.len - 1] != '\0')
		return -EINVAL;
	for (i = 0; i < client.len; i++)
		n += client.p[i] == '\0';
	return n;
}

/* Appends the literal, one brace for two, and the client's argument. */
static char *fill(char *at, const struct template *t, struct str arg)
{
	size_t i;

	for (i = 0; i < t->literal.len; i++) {
		*at++ = t->literal.p[i];
		if (t->literal.p[i] == '{')
			i++;
	}
	if (arg.len > 0)
		memcpy(at, arg.p, arg.len);
	at += arg.len;
	*at++ = '\0';
	return at;
}

static size_t bytes_of(const char *argv0, char *const *templates, struct str client)
{
	size_t n = strlen(argv0) + 1 + client.len;
	int i;

	for (i = 0; templates[i] != NULL; i++)
		n += strlen(templates[i]) + 1;
	return n;
}

int args_build(const char *argv0, char *const *templates, struct str client, char ***ret_argv, char *ret_detail,
	       int size)
{
	int n, placeholders = count_placeholders(templates, &n), given = count_arguments(client), position = 0, i;
	struct template t;
	struct str arg;
	char **argv, *at;

	if (placeholders < 0 || given < 0) {
		(void)snprintf(ret_detail, (size_t)size, "the arguments are not NUL-terminated");
		return -EINVAL;
	}
	if (placeholders != given) {
		(void)snprintf(ret_detail, (size_t)size, "%d argument%s given, expected %d", given,
			       given == 1 ? "" : "s", placeholders);
		return -EINVAL;
	}
	argv = malloc(((size_t)n + 2) * sizeof(*argv) + bytes_of(argv0, templates, client));
	if (argv == NULL)
		return -ENOMEM;
	at = (char *)(argv + n + 2);
	argv[0] = at;
	at = stpcpy(at, argv0) + 1;
	for (i = 0; i < n; i++) {
		(void)parse_template(templates[i], &t);
		arg = (struct str){NULL, 0};
		if (t.kind != LITERAL) {
			position++;
			arg = str_of(client.p);
			client = (struct str){client.p + arg.len + 1, client.len - arg.len - 1};
			if (!fits(&t, arg)) {
				expected(&t, position, ret_detail, size);
				free(argv);
				return -EINVAL;
			}
		}
		argv[i + 1] = at;
		at = fill(at, &t, arg);
	}
	argv[n + 1] = NULL;
	*ret_argv = argv;
	return 0;
}
