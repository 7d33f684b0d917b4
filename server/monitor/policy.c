/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/procfd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static const char *const host_namespaces[] = {"pid", "user", "uts"};

/* Linux 6.5 and later pin the process that connected. Before, its number could be another's by now; only if all of them went round
 * since connect(), which is why the credentials are taken as soon as a client is accepted. */
static int open_peer(int fd, pid_t pid)
{
	int pidfd;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	return errno == ENOPROTOOPT ? procfd_open(pid) : -errno;
}

static bool same_namespace(int proc, pid_t pid, const char *name)
{
	char path[64];
	struct stat own, theirs;

	(void)snprintf(path, sizeof(path), "self/ns/%s", name);
	if (fstatat(proc, path, &own, 0) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%d/ns/%s", pid, name);
	return fstatat(proc, path, &theirs, 0) == 0 && own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

/* False whenever it cannot be shown: a process that is gone is not of the host. */
static bool is_of_host(int fd, pid_t pid)
{
	autoclose int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int pidfd = open_peer(fd, pid);

	if (proc < 0 || pidfd < 0 || procfd_pid(proc, pidfd) != pid)
		return false;
	for (size_t i = 0; i < sizeof(host_namespaces) / sizeof(host_namespaces[0]); i++) {
		if (!same_namespace(proc, pid, host_namespaces[i]))
			return false;
	}
	/* Asked last: then all that was read belonged to that process. */
	return procfd_alive(pidfd);
}

static int read_groups(int fd, gid_t **ret_groups, int *ret_n)
{
	socklen_t len = 64 * sizeof(gid_t);
	gid_t *groups = malloc(len);
	int r;

	/* The first call tells how long the list is; it cannot grow, a socket's credentials are those of connect(). */
	for (int attempt = 0; groups && attempt < 2; attempt++) {
		gid_t *bigger;

		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0) {
			*ret_groups = groups;
			*ret_n = (int)(len / sizeof(gid_t));
			return 0;
		}
		if (errno != ERANGE) {
			r = -errno;
			free(groups);
			return r;
		}
		bigger = realloc(groups, len);
		if (!bigger)
			break;
		groups = bigger;
	}
	r = groups ? -ERANGE : -ENOMEM;
	free(groups);
	return r;
}

int policy_peer(int fd, struct peer *ret_peer)
{
	struct peer peer = {.uid = (uid_t)-1};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	/* No pid: the client is in a PID namespace that ours cannot see into, or the credentials are not a process's. */
	if (len != sizeof(cred) || cred.pid <= 0 || cred.uid == (uid_t)-1 || cred.gid == (gid_t)-1)
		return -EPERM;
	r = read_groups(fd, &peer.groups, &peer.ngroups);
	if (r < 0)
		return r;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.pid = cred.pid;
	peer.host = is_of_host(fd, cred.pid);
	*ret_peer = peer;
	return 0;
}

void policy_peer_free(struct peer *p)
{
	free(p->groups);
	p->groups = NULL;
	p->ngroups = 0;
}

static bool has_group(const struct peer *p, gid_t gid)
{
	if (p->gid == gid)
		return true;
	for (int i = 0; i < p->ngroups; i++) {
		if (p->groups[i] == gid)
			return true;
	}
	return false;
}

static bool role_fits(const struct role *role, const struct peer *p)
{
	for (int i = 0; i < role->nuids; i++) {
		if (role->uids[i] == p->uid)
			return true;
	}
	for (int i = 0; i < role->ngids; i++) {
		if (has_group(p, role->gids[i]))
			return true;
	}
	return false;
}

void policy_rights(const struct config *c, const struct peer *p, uint32_t *ret_rights, uint64_t *ret_roles)
{
	*ret_rights = 0;
	*ret_roles = 0;
	/* Root inside a container without a user namespace is uid 0 as well, if it can reach the socket. */
	if (p->uid == 0 && !p->host)
		return;
	for (int i = 0; i < c->nroles; i++) {
		if (role_fits(&c->roles[i], p)) {
			*ret_rights |= c->roles[i].rights;
			*ret_roles |= UINT64_C(1) << i;
		}
	}
}
