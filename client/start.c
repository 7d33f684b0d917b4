/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "call.h"

static const struct call start_call = {
	.request = MSG_PROCESS_START,
	.reply = MSG_STARTED,
	.flags = CALL_FDS,
	.statuses = CALL_COMMON | CALL_STATUS(NOT_FOUND) | CALL_STATUS(TIMED_OUT) | CALL_STATUS(BAD_ARGUMENTS) |
		    CALL_STATUS(REFUSED) | CALL_STATUS(NOT_EXECUTABLE) | CALL_STATUS(SETUP_FAILED) |
		    CALL_STATUS(TOO_MANY),
};

/* How many descriptors a start brings, without standard error. */
static int descriptors(uint32_t ipc)
{
	return ipc == ROOT_IPC_PIPES ? 2 : ipc == ROOT_IPC_SOCKETPAIR ? 1 : 0;
}

static int fill_request(struct start_request *m, int ipctype, const char *label, int labellen, const char *args,
			int argslen)
{
	if (ipctype < ROOT_IPC_NONE || ipctype > ROOT_IPC_SOCKETPAIR)
		return -EINVAL;
	if (!label || labellen < 1 || labellen > ROOT_PROGRAM_MAX || memchr(label, '\0', (size_t)labellen))
		return -EINVAL;
	if (argslen < 0 || argslen > ROOT_ARGS_MAX || (argslen && (!args || args[argslen - 1])))
		return -EINVAL;
	m->ipc = (uint32_t)ipctype;
	m->label = (struct str){label, (size_t)labellen};
	m->args = (struct str){argslen ? args : "", (size_t)argslen};
	return 0;
}

static int start(int fd, const struct start_request *m, int *pid, int *infd, int *outfd, int *errfd)
{
	bool with_stderr = m->flags & START_STDERR;
	int n = descriptors(m->ipc);
	struct started_reply reply;
	struct answer a;
	struct wire_wr w;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (r)
		return r;
	call_begin(c, &start_call, &w);
	r = call_run(c, &start_call, put_start_request(&w, m), &a);
	if (r)
		return r;
	if (get_started_reply(&a.body, &reply) || !reply.pid || reply.pid > INT_MAX || a.nfds != n + with_stderr)
		return call_nonsense(c, &a);
	*pid = (int)reply.pid;
	if (infd)
		*infd = n ? a.fds[0] : -1;
	if (outfd)
		*outfd = n ? a.fds[n - 1] : -1;
	if (with_stderr)
		*errfd = a.fds[n];
	return 0;
}

int rootProcessStart(int fd, int ipctype, const char *label, int labellen, const char *args, int argslen, int *pid,
		     int *infd, int *outfd)
{
	struct start_request m = {.flags = 0};

	if (!conn_peek(fd))
		return -EBADF;
	if (fill_request(&m, ipctype, label, labellen, args, argslen) || !pid ||
	    (ipctype != ROOT_IPC_NONE && (!infd || !outfd)))
		return -EINVAL;
	return start(fd, &m, pid, infd, outfd, NULL);
}

int rootProcessStartStderr(int fd, int ipctype, const char *label, int labellen, const char *args, int argslen,
			   int *pid, int *infd, int *outfd, int *errfd)
{
	struct start_request m = {.flags = START_STDERR};

	if (!conn_peek(fd))
		return -EBADF;
	if (fill_request(&m, ipctype, label, labellen, args, argslen) || !pid || !errfd ||
	    (ipctype != ROOT_IPC_NONE && (!infd || !outfd)))
		return -EINVAL;
	return start(fd, &m, pid, infd, outfd, errfd);
}
