/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>

#include "lookup.h"
#include "record.h"

static const struct call hostname_call =
	LOOKUP(CONTAINER_HOSTNAME, HOSTNAME, 0, CALL_STATUS(AMBIGUOUS) | CALL_STATUS(NOT_RUNNING));
static const struct call pid_call = LOOKUP(CONTAINER_PID, PID, 0, CALL_STATUS(AMBIGUOUS) | CALL_STATUS(NOT_RUNNING));
static const struct call cgroup_call =
	LOOKUP(CONTAINER_CGROUP, CGROUP, 0, CALL_STATUS(AMBIGUOUS) | CALL_STATUS(NOT_RUNNING));
static const struct call get_call = LOOKUP(CONTAINER_GET, CONTAINER, 0, CALL_STATUS(AMBIGUOUS));
static const struct call get_pidfd_call = LOOKUP(CONTAINER_GET, CONTAINER, CALL_FDS, CALL_STATUS(AMBIGUOUS));

/* Copies a text of the answer out, or leaves the buffer as it was. */
static int give_text(struct str text, char *buffer, int buflen)
{
	if (buflen < 1 || (size_t)buflen <= text.len)
		return -ENOSPC;
	(void)str_copy(buffer, (size_t)buflen, text);
	return (int)text.len;
}

int rootContainerHostName(int fd, const char *name, int namelen, char *buffer, int buflen)
{
	struct hostname_reply m;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && !buffer)
		r = -EINVAL;
	if (!r)
		r = lookup_name(c, &hostname_call, 0, name, namelen, &a);
	if (r)
		return r;
	if (get_hostname_reply(&a.body, &m))
		return call_nonsense(c, &a);
	return give_text(m.hostname, buffer, buflen);
}

int rootContainerProcessID(int fd, const char *name, int namelen)
{
	struct pid_reply m;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r)
		r = lookup_name(c, &pid_call, 0, name, namelen, &a);
	if (r)
		return r;
	if (get_pid_reply(&a.body, &m) || !m.pid || m.pid > INT_MAX)
		return call_nonsense(c, &a);
	return (int)m.pid;
}

int rootContainerCGroupName(int fd, const char *name, int namelen, char *buffer, int buflen)
{
	struct cgroup_reply m;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && !buffer)
		r = -EINVAL;
	if (!r)
		r = lookup_name(c, &cgroup_call, 0, name, namelen, &a);
	if (r)
		return r;
	if (get_cgroup_reply(&a.body, &m) || !m.cgroup.len || m.cgroup.p[0] != '/')
		return call_nonsense(c, &a);
	return give_text(m.cgroup, buffer, buflen);
}

int rootContainerGet(int fd, const char *name, int namelen, struct root_container *record, size_t recordsize)
{
	struct root_container full;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (!record || !recordsize))
		r = -EINVAL;
	if (!r)
		r = lookup_name(c, &get_call, 0, name, namelen, &a);
	if (!r)
		r = lookup_record(c, &a, &full);
	if (!r)
		record_give(record, recordsize, &full, sizeof(full));
	return r;
}

int rootContainerGetPidFD(int fd, const char *name, int namelen, struct root_container *record, size_t recordsize,
			  int *pidfd)
{
	struct root_container full;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (!record || !recordsize || !pidfd))
		r = -EINVAL;
	if (!r)
		r = lookup_name(c, &get_pidfd_call, GET_PIDFD, name, namelen, &a);
	if (!r)
		r = lookup_record(c, &a, &full);
	if (r)
		return r;
	/* A process without its descriptor, or the reverse. */
	if (a.nfds != (full.pid ? 1 : 0))
		return call_nonsense(c, &a);
	*pidfd = a.nfds ? a.fds[0] : -1;
	record_give(record, recordsize, &full, sizeof(full));
	return 0;
}
