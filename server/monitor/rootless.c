/* SPDX-License-Identifier: MIT */
/* The engines of users: whose they are. Runs in: monitor. See rootless.h. */
#include "rootless.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/rootbroker.h"

#define LINES_MAX 4096 /* of /etc/subuid */
#define LINE_MAX_BYTES 256
#define HOME_MAX 1024

/* A line of /etc/subuid. */
struct grant {
	char *who; /* a name, or a number */
	struct config_range range;
};

struct grants {
	struct grant all[LINES_MAX];
	int n;
};

/* --- /etc/subuid -------------------------------------------------------------------------------------------------- */

static bool parse_number(const char *text, uint32_t *ret)
{
	uint64_t n = 0;

	if (!*text || strlen(text) > 10 || text[strspn(text, "0123456789")])
		return false;
	for (; *text; text++)
		n = n * 10 + (uint64_t)(*text - '0');
	*ret = (uint32_t)n;
	return n < UINT32_MAX;
}

/* "alice:100000:65536". False: nothing of the kind. */
static bool parse_grant(char *line, struct grant *ret)
{
	char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;

	if (!count || first == line)
		return false;
	*first++ = *count++ = '\0';
	if (!parse_number(first, &ret->range.first) || !parse_number(count, &ret->range.count))
		return false;
	/* A range with root's uid in it would make root's processes somebody's. */
	if (ret->range.first == 0 || ret->range.count == 0 || ret->range.count > UINT32_MAX - ret->range.first)
		return false;
	ret->who = line;
	return true;
}

static int add_grant(struct grants *g, const struct grant *e)
{
	char *who = strdup(e->who);

	if (!who)
		return -ENOMEM;
	g->all[g->n] = *e;
	g->all[g->n++].who = who;
	return 0;
}

/* False at the end. A line that is too long is read to its end; it is empty then, and @ret_long. */
static bool read_line(FILE *f, char line[LINE_MAX_BYTES], bool *ret_long)
{
	size_t len;
	int c = 0;

	if (!fgets(line, LINE_MAX_BYTES, f))
		return false;
	len = strlen(line);
	*ret_long = len == LINE_MAX_BYTES - 1 && line[len - 1] != '\n';
	if (*ret_long) {
		while ((c = getc(f)) != EOF && c != '\n')
			;
		len = 0;
	}
	line[len > 0 && line[len - 1] == '\n' ? len - 1 : len] = '\0';
	return true;
}

static int read_grants(const char *path, struct grants *g)
{
	char line[LINE_MAX_BYTES], why[512];
	int r = config_check_owned(path, why, sizeof(why)), number = 0, bad = 0, first_bad = 0;
	struct grant e;
	bool overlong;
	FILE *f;

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		log_warning("%s: %s: the engines of users are not watched", path, why);
		return 0;
	}
	f = fopen(path, "re");
	if (!f) {
		log_warning("%s: %s: the engines of users are not watched", path, strerror(errno));
		return 0;
	}
	for (r = 0; r == 0 && read_line(f, line, &overlong);) {
		number++;
		if (!overlong && (!line[0] || line[0] == '#'))
			continue;
		if (g->n == LINES_MAX) {
			log_warning("%s:%d: more than %d lines: the rest is ignored", path, number, LINES_MAX);
			break;
		}
		if (!overlong && parse_grant(line, &e))
			r = add_grant(g, &e);
		else if (bad++ == 0)
			first_bad = number;
	}
	if (bad)
		log_warning("%s:%d: not USER:FIRST:COUNT: ignored, as %d lines in all", path, first_bad, bad);
	(void)fclose(f);
	return r;
}

/* --- Users -------------------------------------------------------------------------------------------------------- */

static bool is_granted(const struct grant *e, const struct passwd *p)
{
	uint32_t uid;

	return strcmp(e->who, p->pw_name) == 0 || (parse_number(e->who, &uid) && uid == p->pw_uid);
}

static int take_ranges(struct config_rootless *u, const struct grants *g, const struct passwd *p)
{
	for (int i = 0; i < g->n; i++) {
		if (!is_granted(&g->all[i], p))
			continue;
		if (u->nranges == CONFIG_RANGES_MAX) {
			log_warning("user %s has more than %d ranges of uids: the others are ignored", u->name,
				    CONFIG_RANGES_MAX);
			break;
		}
		u->ranges[u->nranges++] = g->all[i].range;
	}
	return u->nranges;
}

static bool is_named(const struct config *c, uid_t uid)
{
	for (int i = 0; i < c->nrootless_uids; i++) {
		if (c->rootless_uids[i] == uid)
			return true;
	}
	return false;
}

static bool is_known(const struct config *c, uid_t uid)
{
	for (int i = 0; i < c->nrootless; i++) {
		if (c->rootless[i].uid == uid)
			return true;
	}
	return false;
}

/* What a record can hold, and podman@NAME:container can say. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("/:@=", name[i]))
			return false;
	}
	return len > 0 && len <= ROOT_USER_MAX;
}

static int set_names(struct config_rootless *u, const struct passwd *p)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", p->pw_uid);
	u->uid = p->pw_uid;
	u->name = strdup(is_name(p->pw_name) ? p->pw_name : number);
	u->home = strdup(p->pw_dir);
	return u->name && u->home ? 0 : -ENOMEM;
}

/* 0; 1: is none of them; -ENOMEM. */
static int consider(struct config *c, const struct grants *g, const struct passwd *p, int *left_out)
{
	struct config_rootless *u = &c->rootless[c->nrootless], none = {0};
	bool granted;
	int r;

	if (p->pw_uid == 0 || p->pw_uid == (uid_t)-1 || is_known(c, p->pw_uid) ||
	    (c->rootless_named && !is_named(c, p->pw_uid)))
		return 1;
	if (c->nrootless == CONFIG_ROOTLESS_MAX) {
		*left_out += take_ranges(&none, g, p) > 0 || c->rootless_named;
		return 1;
	}
	r = set_names(u, p);
	granted = r == 0 && take_ranges(u, g, p) > 0;
	/* Whoever is named is meant, also if he has nothing but his own uid. */
	if (r == 0 && (granted || c->rootless_named)) {
		if (u->home[0] == '/' && strlen(u->home) <= HOME_MAX) {
			c->nrootless++;
			return 0;
		}
		log_warning(
			"user %s has no home that is an absolute path of at most %d bytes: his engines are not watched",
			u->name, HOME_MAX);
	}
	free(u->name);
	free(u->home);
	*u = none;
	return r < 0 ? r : 1;
}

static int read_users(struct config *c, const struct grants *g, const char *path)
{
	FILE *f = fopen(path, "re");
	struct passwd *p;
	int r = 0, left_out = 0;

	if (!f)
		return 0;
	while (r >= 0 && (p = fgetpwent(f)))
		r = consider(c, g, p, &left_out);
	(void)fclose(f);
	if (left_out)
		log_warning("the engines of %d users are watched, and those of %d more are not: name the users in "
			    "[rootless]",
			    CONFIG_ROOTLESS_MAX, left_out);
	return r < 0 ? r : 0;
}

int rootless_load(struct config *c, const char *passwd, const char *subuid)
{
	struct grants *g;
	int r;

	if (c->rootless_named && c->nrootless_uids == 0)
		return 0;
	g = calloc(1, sizeof(*g));
	c->rootless = calloc(CONFIG_ROOTLESS_MAX, sizeof(*c->rootless));
	r = g && c->rootless ? read_grants(subuid, g) : -ENOMEM;
	if (r == 0)
		r = read_users(c, g, passwd);
	for (int i = 0; g && i < g->n; i++)
		free(g->all[i].who);
	free(g);
	return r;
}

void rootless_free(struct config *c)
{
	for (int i = 0; i < c->nrootless; i++) {
		free(c->rootless[i].name);
		free(c->rootless[i].home);
	}
	free(c->rootless);
	free(c->rootless_uids);
}
