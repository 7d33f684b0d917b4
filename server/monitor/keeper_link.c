/* SPDX-License-Identifier: MIT */
#include "keeper_link.h"

#include <string.h>
#include <time.h>

#include "../common/log.h"

void keeper_link_init(struct keeper_link *k, int fd)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	k->fd = fd;
	/* Microseconds since the host was started: ahead of every key that an earlier monitor took, however many it took, since
	 * taking one needs more than a microsecond. */
	k->next_key = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + 1;
}

uint64_t keeper_new_key(struct keeper_link *k)
{
	if (k->next_key == 0)
		k->next_key = 1;
	return k->next_key++;
}

static void tell(struct keeper_link *k, const struct wire_wr *w, int fd)
{
	int r;

	if (k->fd < 0)
		return;
	r = ipc_send(k->fd, w, &fd, fd >= 0 ? 1 : 0, 0);
	/* Without the keeper a restart would lose programs and sessions: better none than that. */
	if (r < 0)
		fatal("cannot tell rootbrokerd: %s", strerror(-r));
}

void keeper_put(struct keeper_link *k, const struct ipc_item *item, int fd)
{
	uint8_t buf[IPC_OPAQUE_MAX + 64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PUT, 0);
	(void)put_ipc_item(&w, item);
	tell(k, &w, fd);
}

void keeper_drop(struct keeper_link *k, uint64_t key)
{
	struct ipc_key m = {.key = key};
	uint8_t buf[WIRE_HEADER + 8];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_DROP, 0);
	(void)put_ipc_key(&w, &m);
	tell(k, &w, -1);
}

void keeper_bind(struct keeper_link *k, const char *path)
{
	struct ipc_bind m = {.path = str_of(path)};
	uint8_t buf[IPC_PATH_MAX + 64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_BIND, 0);
	(void)put_ipc_bind(&w, &m);
	tell(k, &w, -1);
}

void keeper_serving(struct keeper_link *k)
{
	uint8_t buf[WIRE_HEADER];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_SERVING, 0);
	tell(k, &w, -1);
}
