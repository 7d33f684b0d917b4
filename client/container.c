/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "call.h"
#include "record.h"

#define LOOKUP_STATUSES (CALL_COMMON | CALL_STATUS(NOT_FOUND) | CALL_STATUS(AMBIGUOUS) | CALL_STATUS(TIMED_OUT))
#define LOOKUP(request_, reply_, more)                                                  \
	{                                                                               \
		.request = MSG_##request_, .reply = MSG_##reply_, .flags = CALL_RESEND, \
		.statuses = LOOKUP_STATUSES | (more)                                    \
	}

static const struct call hostname_call = LOOKUP(CONTAINER_HOSTNAME, HOSTNAME, CALL_STATUS(NOT_RUNNING));
static const struct call pid_call = LOOKUP(CONTAINER_PID, PID, CALL_STATUS(NOT_RUNNING));
static const struct call cgroup_call = LOOKUP(CONTAINER_CGROUP, CGROUP, CALL_STATUS(NOT_RUNNING));
static const struct call get_call = LOOKUP(CONTAINER_GET, CONTAINER, 0);

/* Any of the four: the answer's body in @ret. */
static int lookup(struct conn *c, const struct call *call, const char *name, int namelen, struct answer *ret)
{
	struct name_request m = {.flags = 0};
	struct wire_wr w;

	if (!name || namelen < 1 || namelen > ROOT_NAME_MAX || memchr(name, '\0', (size_t)namelen))
		return -EINVAL;
	m.name = (struct str){name, (size_t)namelen};
	call_begin(c, call, &w);
	return call_run(c, call, put_name_request(&w, &m), ret);
}

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
		r = lookup(c, &hostname_call, name, namelen, &a);
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
		r = lookup(c, &pid_call, name, namelen, &a);
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
		r = lookup(c, &cgroup_call, name, namelen, &a);
	if (r)
		return r;
	if (get_cgroup_reply(&a.body, &m) || !m.cgroup.len || m.cgroup.p[0] != '/')
		return call_nonsense(c, &a);
	return give_text(m.cgroup, buffer, buflen);
}

int rootContainerGet(int fd, const char *name, int namelen, struct root_container *record, size_t recordsize)
{
	struct container_record m;
	struct root_container full;
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (!record || !recordsize))
		r = -EINVAL;
	if (!r)
		r = lookup(c, &get_call, name, namelen, &a);
	if (r)
		return r;
	if (get_container_record(&a.body, &m) || !record_container(&full, &m))
		return call_nonsense(c, &a);
	record_give(record, recordsize, &full, sizeof(full));
	return 0;
}
