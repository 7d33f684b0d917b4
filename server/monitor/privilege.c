/* SPDX-License-Identifier: MIT */
/*
 * Giving up privilege between fork and exec. Runs in: a child of the monitor.
 */
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../common/caps.h"

/* Being uid 0 gives nothing, and no change of uid gives or takes capabilities; for good. */
#define SECUREBITS (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED)

static int drop_groups(const struct privilege *p)
{
	if (p->ngroups < 0 || p->ngroups > PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX)
		return -EINVAL;
	return setgroups((size_t)p->ngroups, p->groups) < 0 ? -errno : 0;
}

static int drop_bounding(const struct privilege *p)
{
	return caps_limit_bounding(p->caps);
}

/* Needs CAP_SETPCAP, so it stands before the capabilities. From here on the change of uid keeps them: they are set by name. */
static int drop_securebits(const struct privilege *p)
{
	(void)p;
	return prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_gid(const struct privilege *p)
{
	return setresgid(p->gid, p->gid, p->gid) < 0 ? -errno : 0;
}

static int drop_uid(const struct privilege *p)
{
	return setresuid(p->uid, p->uid, p->uid) < 0 ? -errno : 0;
}

/* Also takes out of the ambient set what an ancestor had raised and @p does not name. */
static int drop_caps(const struct privilege *p)
{
	return caps_set(p->caps);
}

static int drop_ambient(const struct privilege *p)
{
	return caps_raise_ambient(p->caps);
}

static int drop_new_privs(const struct privilege *p)
{
	if (!p->no_new_privs)
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* The kernel sorts the list, so it is compared as a set; the counts are equal, duplicates included. */
static bool groups_are(const struct privilege *p)
{
	gid_t have[PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX];
	int i, k, n = getgroups(PRIVILEGE_GROUPS_MAX + PRIVILEGE_MARKS_MAX, have);

	if (n != p->ngroups)
		return false;
	for (i = 0; i < n; i++) {
		for (k = 0; k < n && have[i] != p->groups[k]; k++)
			;
		if (k == n)
			return false;
	}
	return true;
}

static bool ids_are(const struct privilege *p)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return false;
	if (ruid != p->uid || euid != p->uid || suid != p->uid)
		return false;
	if (rgid != p->gid || egid != p->gid || sgid != p->gid)
		return false;
	/* An impossible id changes nothing and tells the one in force. */
	return (uid_t)setfsuid((uid_t)-1) == p->uid && (gid_t)setfsgid((gid_t)-1) == p->gid;
}

/*
 * A set that is not what was asked for means that one of the calls lied (a filter that answers success, a kernel without
 * the feature): the process must not go on.
 */
static int read_back(const struct privilege *p)
{
	struct caps c;
	int r = caps_read(&c);

	if (r < 0)
		return r;
	if (!ids_are(p) || !groups_are(p))
		return -EPERM;
	if (c.effective != p->caps || c.permitted != p->caps || c.inheritable != p->caps || c.ambient != p->caps ||
	    c.bounding != p->caps)
		return -EPERM;
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != SECUREBITS)
		return -EPERM;
	if (p->no_new_privs && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return -EPERM;
	return 0;
}

int privilege_drop(const struct privilege *p, const char **ret_step)
{
	static const struct {
		const char *name;
		int (*run)(const struct privilege *p);
	} steps[] = {
		{"supplementary groups", drop_groups},
		{"bounding set", drop_bounding},
		{"securebits", drop_securebits},
		{"gid", drop_gid},
		{"uid", drop_uid},
		{"capabilities", drop_caps},
		{"ambient set", drop_ambient},
		{"no_new_privs", drop_new_privs},
		{"reading the privileges back", read_back},
	};
	size_t i;
	int r;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		r = steps[i].run(p);
		if (r < 0) {
			*ret_step = steps[i].name;
			return r;
		}
	}
	return 0;
}
