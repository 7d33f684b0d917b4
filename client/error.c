/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../proto/proto.h"
#include "conn.h"

/* What only the library knows, and what means more to it than the status of the same number. */
static const struct {
	int error;
	const char *text;
} local[] = {
	{ENOENT, "no such container, program or socket"},
	{EPERM, "not safe: the program's entry or file was refused, or who listens is not root"},
	{ENOSPC, "the buffer is too small"},
	{EBADF, "not a connection to the server"},
	{ENOTCONN, "the server closed the connection"},
	{ECONNREFUSED, "no server listens there"},
	{ECONNRESET, "the server restarted meanwhile, and nothing was done; try again"},
	{EPROTO, "the server's answer makes no sense; close the connection"},
	{EMFILE, "no file descriptor left in this process"},
	{ENOMEM, "out of memory"},
};

static const char *text_of(int error)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (local[i].error == error)
			return local[i].text;
	}
	return status_text(error);
}

char *rootErrStr_r(int error, char *buffer, int buflen)
{
	const char *text = error >= 0 ? status_text(0) : error == INT_MIN ? NULL : text_of(-error);

	if (!buffer || buflen < 1)
		return buffer;
	if (text)
		(void)snprintf(buffer, (size_t)buflen, "%s", text);
	else
		(void)snprintf(buffer, (size_t)buflen, "unknown error %d", error);
	return buffer;
}

int rootErrDetail(int fd, char *buffer, int buflen)
{
	struct conn *c = conn_peek(fd);
	struct str detail;

	if (!c)
		return -EBADF;
	detail = str_of(c->detail);
	if (!buffer || buflen < 1 || (size_t)buflen <= detail.len)
		return -ENOSPC;
	(void)str_copy(buffer, (size_t)buflen, detail);
	return (int)detail.len;
}
