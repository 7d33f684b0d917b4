/* SPDX-License-Identifier: MIT */
/*
 * Whose is it? From a process or a cgroup to its container.
 */
#include <errno.h>
#include <string.h>

#include "lookup.h"
#include "record.h"

static const struct call process_call = LOOKUP(CONTAINER_OF_PROCESS, CONTAINER, 0, CALL_STATUS(NOT_RUNNING));
static const struct call cgroup_call = LOOKUP(CONTAINER_OF_CGROUP, CONTAINER, 0, 0);

static int ask(struct conn *c, const struct call *call, ssize_t len, struct root_container *record, size_t recordsize)
{
	struct root_container full;
	struct answer a;
	int r;

	r = call_run(c, call, len, &a);
	if (!r)
		r = lookup_record(c, &a, &full);
	if (!r)
		record_give(record, recordsize, &full, sizeof(full));
	return r;
}

int rootContainerOfProcess(int fd, int pid, struct root_container *record, size_t recordsize)
{
	struct process_request m = {.flags = 0};
	struct wire_wr w;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (pid < 1 || !record || !recordsize))
		r = -EINVAL;
	if (r)
		return r;
	m.pid = (uint32_t)pid;
	call_begin(c, &process_call, &w);
	return ask(c, &process_call, put_process_request(&w, &m), record, recordsize);
}

int rootContainerOfCGroup(int fd, const char *cgroup, int len, struct root_container *record, size_t recordsize)
{
	struct cgroup_request m = {.flags = 0};
	struct wire_wr w;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (!cgroup || len < 1 || len > ROOT_CGROUP_MAX || cgroup[0] != '/' ||
		   memchr(cgroup, '\0', (size_t)len) || !record || !recordsize))
		r = -EINVAL;
	if (r)
		return r;
	m.cgroup = (struct str){cgroup, (size_t)len};
	call_begin(c, &cgroup_call, &w);
	return ask(c, &cgroup_call, put_cgroup_request(&w, &m), record, recordsize);
}
