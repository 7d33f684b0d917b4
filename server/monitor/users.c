/* SPDX-License-Identifier: MIT */
/*
 * Names of users and groups, from /etc/passwd and /etc/group themselves. Runs in: monitor.
 *
 * NSS would load whatever /etc/nsswitch.conf names into a process of root, and may ask the network.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits only; (uid_t)-1 names nobody. */
static bool parse_id(const char *word, uint32_t *ret)
{
	uint64_t n = 0;

	if (!*word || strspn(word, "0123456789") != strlen(word) || strlen(word) > 10)
		return false;
	for (const char *p = word; *p; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int config_find_user(const char *word, uid_t *ret_uid, gid_t *ret_gid)
{
	FILE *passwd;
	struct passwd *p;
	uint32_t uid = 0;
	bool number = parse_id(word, &uid);
	int r = -ENOENT;

	/* A number needs no line; with one, it has that line's group. */
	if (number) {
		*ret_uid = uid;
		*ret_gid = uid;
		r = 0;
	}
	passwd = fopen("/etc/passwd", "re");
	if (!passwd)
		return r;
	while ((p = fgetpwent(passwd))) {
		if (number ? p->pw_uid == uid : strcmp(p->pw_name, word) == 0) {
			*ret_uid = p->pw_uid;
			*ret_gid = p->pw_gid;
			r = 0;
			break;
		}
	}
	(void)fclose(passwd);
	return r;
}

int config_find_group(const char *word, gid_t *ret_gid)
{
	FILE *groups;
	struct group *g;
	uint32_t gid;
	int r = -ENOENT;

	if (parse_id(word, &gid)) {
		*ret_gid = gid;
		return 0;
	}
	groups = fopen("/etc/group", "re");
	if (!groups)
		return r;
	while ((g = fgetgrent(groups))) {
		if (strcmp(g->gr_name, word) == 0) {
			*ret_gid = g->gr_gid;
			r = 0;
			break;
		}
	}
	(void)fclose(groups);
	return r;
}
