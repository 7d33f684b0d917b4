/* SPDX-License-Identifier: MIT */
/*
 * The monitor's records. Runs in: keeper.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "link.h"

void link_open(struct link *l, int fd)
{
	link_close(l);
	store_forget_known(&l->store);
	l->fd = fd;
	l->due = true;
	l->handed_over = l->answer_bind = l->serving = false;
}

void link_close(struct link *l)
{
	close_fd(&l->fd);
	l->due = false;
}

/* --- What the monitor says --------------------------------------------------------------------------------------- */

static int take_bind(struct link *l, struct ipc_in *in)
{
	struct ipc_bind m;
	char path[IPC_PATH_MAX + 1];
	int r = get_ipc_bind(&in->body, &m);

	if (r < 0)
		return r;
	if (!str_copy(path, sizeof(path), m.path) || m.path.len == 0)
		return -EBADMSG;
	r = listen_at(&l->listener, path, l->trouble, sizeof(l->trouble));
	l->answer = (struct ipc_listener){.error = r < 0 ? (uint32_t)-r : 0, .text = STR("")};
	if (r < 0)
		l->answer.text = str_of(l->trouble);
	l->answer_bind = l->due = true;
	return 0;
}

static int take_put(struct link *l, struct ipc_in *in)
{
	struct ipc_item m;
	int r = get_ipc_item(&in->body, &m);

	if (r < 0)
		return r;
	r = store_put(&l->store, &m, ipc_take_fd(in));
	if (r == -ENOENT)
		return -EBADMSG;
	/* The broker works on; the next monitor will not have this one. */
	if (r < 0)
		log_error("cannot keep a descriptor (%zu kept): %s: it will not survive a restart", l->store.n,
			  strerror(-r));
	return 0;
}

static int take_drop(struct link *l, struct ipc_in *in)
{
	struct ipc_key m;
	int r = get_ipc_key(&in->body, &m);

	if (r == 0)
		store_drop(&l->store, m.key);
	return r;
}

static int take_serving(struct link *l, struct ipc_in *in)
{
	if (wire_rd_done(&in->body) < 0)
		return -EBADMSG;
	l->serving = true;
	return 0;
}

/* All that the monitor may ask of its keeper. */
static const struct {
	uint16_t type;
	int (*take)(struct link *l, struct ipc_in *in);
} takers[] = {
	{IPC_BIND, take_bind},
	{IPC_PUT, take_put},
	{IPC_DROP, take_drop},
	{IPC_SERVING, take_serving},
};

static int take(struct link *l, struct ipc_in *in)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (takers[i].type == in->type)
			return takers[i].take(l, in);
	return -EBADMSG;
}

int link_drain(struct link *l)
{
	static struct ipc_in in;
	int r;

	if (l->fd < 0)
		return -EPIPE;
	while ((r = ipc_recv(l->fd, &in, MSG_DONTWAIT)) > 0) {
		r = take(l, &in);
		ipc_drop(&in);
		if (r < 0)
			return r;
	}
	if (r == 0)
		return -EPIPE;
	return r == -EAGAIN ? 0 : r;
}

/* --- What the keeper says ---------------------------------------------------------------------------------------- */

static uint8_t out[WIRE_HEADER + IPC_OPAQUE_MAX + 64];

static struct wire_wr begin(uint16_t type)
{
	struct wire_wr w;

	wire_wr_init(&w, out, sizeof(out));
	wire_put_header(&w, type, 0);
	return w;
}

static int say(struct link *l, const struct wire_wr *w, int fd)
{
	return ipc_send(l->fd, w, &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
}

static int say_item(struct link *l, struct item *item)
{
	struct wire_wr w = begin(IPC_ITEM);
	struct ipc_item m = {
		.key = item->key,
		.kind = item->kind,
		.pid = item->pid,
		.exited = item->exited,
		.status = item->status,
		.record = {item->record, item->record_len},
	};
	int r;

	put_ipc_item(&w, &m);
	r = say(l, &w, item->fd);
	if (r == 0) {
		item->known = true;
		item->told = item->exited;
	}
	return r;
}

static int say_exited(struct link *l, struct item *item)
{
	struct wire_wr w = begin(IPC_EXITED);
	struct ipc_exited m = {.key = item->key, .status = item->status};
	int r;

	put_ipc_exited(&w, &m);
	r = say(l, &w, -1);
	if (r == 0)
		item->told = true;
	return r;
}

static int say_listener(struct link *l)
{
	struct wire_wr w = begin(IPC_LISTENER);

	put_ipc_listener(&w, &l->answer);
	return say(l, &w, l->answer.error ? -1 : l->listener.fd);
}

static int hand_over(struct link *l)
{
	struct wire_wr w;
	int r = 0;

	for (size_t i = 0; i < l->store.n && r == 0; i++)
		if (!l->store.items[i].known)
			r = say_item(l, &l->store.items[i]);
	if (r < 0)
		return r;
	w = begin(IPC_ITEMS_END);
	return say(l, &w, -1);
}

static int pump(struct link *l)
{
	int r = 0;

	if (!l->handed_over) {
		r = hand_over(l);
		l->handed_over = r == 0;
	}
	if (r == 0 && l->answer_bind) {
		r = say_listener(l);
		l->answer_bind = r < 0;
	}
	for (size_t i = 0; i < l->store.n && r == 0; i++)
		if (l->store.items[i].exited && !l->store.items[i].told)
			r = say_exited(l, &l->store.items[i]);
	return r;
}

int link_pump(struct link *l)
{
	int r;

	if (l->fd < 0 || !l->due)
		return 0;
	r = pump(l);
	if (r == -EAGAIN)
		return LINK_FULL;
	/* Too many descriptors in flight, perhaps not even ours. */
	if (r == -ETOOMANYREFS)
		return LINK_LATER;
	l->due = false;
	return r;
}

void link_exited(struct link *l, uint32_t pid, uint32_t status)
{
	if (store_exited(&l->store, pid, status))
		l->due = true;
}
