/* SPDX-License-Identifier: MIT */
/*
 * One record in, one record out, over SOCK_SEQPACKET. Runs in: every process, and the library.
 *
 * Descriptors are taken only where the caller has room for them; what comes beyond is closed, and the
 * record counts as malformed. Interrupted calls are continued; no signal is raised (MSG_NOSIGNAL).
 */
#ifndef PROTO_CHAN_H
#define PROTO_CHAN_H

#include <stddef.h>
#include <sys/types.h>

#define CHAN_FDS_MAX 64

/* Two connected, close-on-exec sockets. 0, or -errno. */
int chan_pair(int fds[2]);

/*
 * @flags: 0 or MSG_DONTWAIT. Descriptors stay the caller's.
 * 0, or -EAGAIN, -EPIPE (the peer is gone), -EMSGSIZE, -errno.
 */
int chan_send(int fd, const void *record, size_t len, const int *fds, int nfds, int flags);

/*
 * The length of the record, in @record of @size bytes; 0 when the peer has ended the conversation (its end
 * is closed, or it sent an empty record, which is the same: nothing after it may be read).
 * @fds, @nfds: room for @maxfds descriptors, close-on-exec, the caller's from now on. With @maxfds 0 none is ever
 * installed: the kernel discards them, and the record is malformed only if @maxfds is not 0.
 * -EAGAIN, -EBADMSG (cut record, or descriptors beyond @maxfds: all are closed), -errno.
 */
ssize_t chan_recv(int fd, void *record, size_t size, int *fds, int maxfds, int *nfds, int flags);

#endif
