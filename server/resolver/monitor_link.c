/* SPDX-License-Identifier: MIT */
/* The channel to the monitor. Runs in: resolver. Trusts: that the monitor sends well-formed records. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../common/log.h"
#include "lxc_fifo.h"
#include "resolver.h"

static bool take_peer(struct resolver *r)
{
	struct ipc_peer_msg m;

	return r->in.nfds == 1 && get_ipc_peer(&r->in.body, &m) == 0 && m.peer == IPC_PEER_FRONTEND &&
	       frontend_connect(r, ipc_take_fd(&r->in)) == 0;
}

static bool take_lxc_socket(struct resolver *r)
{
	struct ipc_lxc_socket m;

	return get_ipc_lxc_socket(&r->in.body, &m) == 0 && lxc_asker_socket(&r->asker, &m, ipc_take_fd(&r->in)) == 0;
}

static bool take_lxc_fifo(struct resolver *r)
{
	struct ipc_lxc_fifo_end m;

	return get_ipc_lxc_fifo_end(&r->in.body, &m) == 0 && lxc_fifo_answer(&r->asker, &m, ipc_take_fd(&r->in)) == 0;
}

static bool take_moved_answer(struct resolver *r)
{
	struct ipc_moved m;

	return get_ipc_moved(&r->in.body, &m) == 0 && m.now <= 1 && roots_answered(r, m.uid, m.now);
}

void monitor_ready(struct source *s, uint32_t events)
{
	struct resolver *r = container_of(s, struct resolver, monitor);
	int n = ipc_recv(s->fd, &r->in, MSG_DONTWAIT);
	bool good = false;

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == 0 || n == -ECONNRESET) {
		resolver_stop(r, EXIT_SUCCESS);
		return;
	}
	if (n > 0 && r->in.type == IPC_PEER)
		good = take_peer(r);
	else if (n > 0 && r->in.type == IPC_LXC_SOCKET)
		good = take_lxc_socket(r);
	else if (n > 0 && r->in.type == IPC_LXC_FIFO_END)
		good = take_lxc_fifo(r);
	else if (n > 0 && r->in.type == IPC_MOVED_REPLY)
		good = take_moved_answer(r);
	if (!good) {
		log_error("nonsense from the monitor");
		resolver_stop(r, EX_PROTOCOL);
	}
}

static void send_monitor(struct resolver *r, const struct wire_wr *w)
{
	int e = ipc_send(r->monitor.fd, w, NULL, 0, 0);

	if (e < 0)
		resolver_stop(r, e == -EPIPE || e == -ECONNRESET ? EXIT_SUCCESS : EXIT_FAILURE);
}

void monitor_ask(struct lxc_asker *k, const struct ipc_lxc_ask *m)
{
	uint8_t buf[512];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_LXC_ASK, 0);
	(void)put_ipc_lxc_ask(&w, m);
	send_monitor(container_of(k, struct resolver, asker), &w);
}

void monitor_ask_fifo(struct lxc_asker *k, const struct ipc_lxc_fifo *m)
{
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_LXC_FIFO, 0);
	(void)put_ipc_lxc_fifo(&w, m);
	send_monitor(container_of(k, struct resolver, asker), &w);
}

void monitor_tell_moved(struct resolver *r, uint32_t uid)
{
	struct ipc_moved m = {.uid = uid};
	uint8_t buf[64];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_MOVED, 0);
	(void)put_ipc_moved(&w, &m);
	send_monitor(r, &w);
}
