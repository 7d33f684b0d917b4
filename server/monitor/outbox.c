/* SPDX-License-Identifier: MIT */
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../proto/chan.h"

struct outbox_record {
	struct outbox_record *next;
	size_t len;
	int fds[IPC_FDS_MAX];
	int nfds;
	uint8_t bytes[];
};

static void free_record(struct outbox_record *r)
{
	for (int i = 0; i < r->nfds; i++)
		(void)close(r->fds[i]);
	free(r);
}

static int enqueue(struct outbox *o, const void *bytes, size_t len, const int *fds, int nfds)
{
	struct outbox_record *r;

	if (o->bytes + len > OUTBOX_BYTES_MAX)
		return -ENOBUFS;
	r = calloc(1, sizeof(*r) + len);
	if (!r)
		return -ENOMEM;
	for (int i = 0; i < nfds; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			int error = -errno;

			free_record(r);
			return error;
		}
		r->fds[r->nfds++] = copy;
	}
	memcpy(r->bytes, bytes, len);
	r->len = len;
	*(o->last ? &o->last->next : &o->first) = r;
	o->last = r;
	o->bytes += len;
	o->fds += nfds;
	return 0;
}

int outbox_send(struct outbox *o, int fd, const struct wire_wr *w, const int *fds, int nfds)
{
	ssize_t len = wire_wr_done(w);
	int r = -EAGAIN;

	if (len < 0)
		return (int)len;
	if (nfds < 0 || nfds > IPC_FDS_MAX)
		return -EINVAL;
	if (!o->first)
		r = chan_send(fd, w->buf, (size_t)len, fds, nfds, MSG_DONTWAIT);
	return r == -EAGAIN ? enqueue(o, w->buf, (size_t)len, fds, nfds) : r;
}

int outbox_flush(struct outbox *o, int fd)
{
	while (o->first) {
		struct outbox_record *first = o->first;
		int r = chan_send(fd, first->bytes, first->len, first->fds, first->nfds, MSG_DONTWAIT);

		if (r < 0)
			return r;
		o->first = first->next;
		if (!o->first)
			o->last = NULL;
		o->bytes -= first->len;
		o->fds -= first->nfds;
		free_record(first);
	}
	return 0;
}

bool outbox_empty(const struct outbox *o)
{
	return !o->first;
}

bool outbox_high(const struct outbox *o)
{
	return o->bytes > OUTBOX_BYTES_HIGH || o->fds > OUTBOX_FDS_HIGH;
}

void outbox_clear(struct outbox *o)
{
	while (o->first) {
		struct outbox_record *next = o->first->next;

		free_record(o->first);
		o->first = next;
	}
	*o = (struct outbox){0};
}
