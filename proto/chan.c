/* SPDX-License-Identifier: MIT */
#include "chan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int chan_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	return 0;
}

/* Room for the most descriptors; the kernel is told CMSG_LEN of what is wanted, since CMSG_SPACE of one admits two. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(CHAN_FDS_MAX * sizeof(int))];
};

int chan_send(int fd, const void *record, size_t len, const int *fds, int nfds, int flags)
{
	union control control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)record, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfds < 0 || nfds > CHAN_FDS_MAX)
		return -EINVAL;
	if (nfds > 0) {
		size_t bytes = (size_t)nfds * sizeof(int);

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.header), fds, bytes);
	}
	do
		n = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* Collects the descriptors of a message. False if some other control message came along. */
static bool take_fds(struct msghdr *msg, int *fds, int maxfds, int *nfds)
{
	bool good = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			good = false;
			continue;
		}
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (*nfds < maxfds) {
				fds[(*nfds)++] = fd;
			} else {
				(void)close(fd);
				good = false;
			}
		}
	}
	return good;
}

ssize_t chan_recv(int fd, void *record, size_t size, int *fds, int maxfds, int *nfds, int flags)
{
	union control control;
	struct iovec iov = {.iov_base = record, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	bool good = true;
	ssize_t n;

	if (maxfds < 0 || maxfds > CHAN_FDS_MAX)
		return -EINVAL;
	if (nfds)
		*nfds = 0;
	do {
		if (maxfds > 0) {
			memset(&control, 0, sizeof(control));
			msg.msg_control = &control;
			msg.msg_controllen = CMSG_LEN((size_t)maxfds * sizeof(int));
		}
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (maxfds > 0)
		good = take_fds(&msg, fds, maxfds, nfds) && !(msg.msg_flags & MSG_CTRUNC);
	if (!good || msg.msg_flags & MSG_TRUNC) {
		for (int i = 0; nfds && i < *nfds; i++)
			(void)close(fds[i]);
		if (nfds)
			*nfds = 0;
		return -EBADMSG;
	}
	return n;
}
