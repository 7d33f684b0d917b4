/* SPDX-License-Identifier: MIT */
/*
 * The monitor in service: who is wired to whom, signals, the end. Runs in: monitor.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../common/cleanup.h"
#include "monitor.h"
#include "ops.h"
#include "reply.h"

#define FAILURES_MAX 3 /* of one process, before anything was served: a person must see to it */
#define END_STEP_MS 20
#define END_MAX_MS 8000 /* for programs to end; the keeper waits for 10 s */

static struct monitor *monitor_of(const struct confined *c)
{
	return container_of(c->env, struct monitor, env);
}

/* --- Wiring ------------------------------------------------------------------------------------------------------ */

static void send_peer(struct confined *to, enum ipc_peer peer, int fd)
{
	struct ipc_peer_msg m = {.peer = peer};
	uint8_t buf[32];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PEER, 0);
	(void)put_ipc_peer(&w, &m);
	confined_send(to, &w, &fd, 1);
}

/* A fresh channel between the frontend and @other, if both can use one. */
static void connect_peers(struct monitor *m, enum confined_kind other)
{
	struct confined *frontend = &m->confined[CONFINED_FRONTEND], *c = &m->confined[other];
	int pair[2], r;

	if (frontend->state != CONFINED_RUNNING || c->state != CONFINED_RUNNING)
		return;
	r = chan_pair(pair);
	if (r < 0) {
		log_error("cannot connect the %s: %s", confined_name(c), strerror(-r));
		confined_kill(c, "has no way to the frontend");
		return;
	}
	c->excused = false;
	send_peer(c, IPC_PEER_FRONTEND, pair[0]);
	send_peer(frontend, other == CONFINED_RESOLVER ? IPC_PEER_RESOLVER : IPC_PEER_JOINER, pair[1]);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static void begin_service(struct monitor *m)
{
	int r;

	for (int i = 0; i < CONFINED_COUNT; i++) {
		if (m->confined[i].state != CONFINED_RUNNING)
			return;
	}
	r = sessions_listen(m, take_fd(&m->listener));
	if (r < 0)
		fatal("cannot accept: %s", strerror(-r));
	m->serving = true;
	keeper_serving(&m->keeper);
	log_info("serving %s", m->socket);
}

static void on_ready(struct confined *c)
{
	struct monitor *m = monitor_of(c);

	if (c->kind == CONFINED_FRONTEND) {
		connect_peers(m, CONFINED_RESOLVER);
		connect_peers(m, CONFINED_JOINER);
		sessions_hand(m);
	} else {
		connect_peers(m, c->kind);
	}
	if (!m->serving)
		begin_service(m);
}

static int on_record(struct confined *c, struct ipc_in *in)
{
	return ops_dispatch(monitor_of(c), c->kind, in);
}

static void on_drained(struct confined *c)
{
	if (c->kind == CONFINED_FRONTEND)
		sessions_hand(monitor_of(c));
}

static void on_ended(struct confined *c)
{
	struct monitor *m = monitor_of(c);

	if (c->kind == CONFINED_FRONTEND) {
		sessions_take_back(m);
		/* It ends when its channel to the frontend does. */
		m->confined[CONFINED_JOINER].excused = m->confined[CONFINED_JOINER].state == CONFINED_RUNNING;
	}
	if (c->kind == CONFINED_RESOLVER)
		rootless_gate_ended(m);
	if (!m->serving && !m->ending && c->failures >= FAILURES_MAX)
		fatal("the %s cannot be started: see the messages above", confined_name(c));
}

const struct confined_events monitor_confined_events = {
	.ready = on_ready,
	.record = on_record,
	.drained = on_drained,
	.ended = on_ended,
};

/* --- The keeper -------------------------------------------------------------------------------------------------- */

static void take_listener(struct monitor *m, struct ipc_in *in)
{
	struct ipc_listener msg;

	if (get_ipc_listener(&in->body, &msg) < 0)
		fatal("nonsense from rootbrokerd: LISTENER");
	if (msg.error)
		fatal("cannot listen: %.*s", (int)msg.text.len, msg.text.p);
	close_fd(&m->listener);
	m->listener = ipc_take_fd(in);
	if (m->listener < 0)
		fatal("nonsense from rootbrokerd: LISTENER without one");
}

void monitor_keeper_record(struct monitor *m, struct ipc_in *in)
{
	struct ipc_exited exited;

	if (in->type == IPC_LISTENER && !m->serving)
		take_listener(m, in);
	else if (in->type == IPC_EXITED && get_ipc_exited(&in->body, &exited) == 0)
		programs_exited(m->programs, exited.key, exited.status);
	else
		fatal("nonsense from rootbrokerd: %s", ipc_name(in->type));
}

static void keeper_ready(struct source *source, uint32_t events)
{
	struct monitor *m = container_of(source, struct monitor, keeper_source);
	int r = ipc_recv(source->fd, &m->in, MSG_DONTWAIT);

	(void)events;
	if (r == -EAGAIN)
		return;
	/* Without a keeper nobody would have the programs' statuses: they live on, and this process has no right to end them. */
	if (r == 0)
		fatal("rootbrokerd is gone: ending");
	if (r < 0)
		fatal("nonsense from rootbrokerd: %s", strerror(-r));
	monitor_keeper_record(m, &m->in);
	ipc_drop(&m->in);
}

/* --- Signals, and the end ---------------------------------------------------------------------------------------- */

static void end_expired(struct timer *t)
{
	struct monitor *m = container_of(t, struct monitor, end_timer);

	if (programs_count(m->programs) == 0) {
		loop_stop(&m->loop);
	} else if (loop_now_ms() >= m->end_deadline_ms) {
		log_warning("%u programs are still there: ending without them", programs_count(m->programs));
		loop_stop(&m->loop);
	} else {
		timer_set(&m->loop, t, END_STEP_MS);
	}
}

static void end(struct monitor *m)
{
	if (m->ending) {
		loop_stop(&m->loop);
		return;
	}
	log_info("ending");
	m->ending = true;
	m->status = EXIT_SUCCESS;
	m->end_deadline_ms = loop_now_ms() + END_MAX_MS;
	sessions_close(m);
	for (int i = 0; i < CONFINED_COUNT; i++)
		confined_stop(&m->confined[i]);
	sessions_end_all(m);
	end_expired(&m->end_timer);
}

/* The next monitor would have to live with it, and refuse; better to stay. */
static bool may_follow(const struct monitor *m, const struct config *next)
{
	char missing[256];
	autofree char *socket = monitor_socket(m->options, next);
	uint64_t beyond = next->capability_ceiling & ~monitor_caps(m->config);

	/* Fixed at the start, as a bounding set is: whoever can only reload cannot raise it. */
	if (beyond) {
		log_error("capability_ceiling: %s cannot be added in service: restart rootbrokerd",
			  caps_format(beyond, missing, sizeof(missing)));
		return false;
	}
	if (strcmp(socket, m->socket) != 0) {
		log_error("run_directory: the socket cannot move to %s in service: restart rootbrokerd", socket);
		return false;
	}
	return true;
}

static void reload(struct monitor *m)
{
	struct config *config = NULL;
	struct catalogue *catalogue = NULL;
	bool good = monitor_load(m->options, &config, &catalogue, false) && may_follow(m, config);

	catalogue_free(catalogue);
	config_free(config);
	if (!good) {
		log_error("the new configuration is refused: the old one stays in force");
		return;
	}
	log_info("a new monitor takes the new configuration");
	m->status = MONITOR_EXIT_RELOAD;
	loop_stop(&m->loop);
}

static void signals_ready(struct source *source, uint32_t events)
{
	struct monitor *m = container_of(source, struct monitor, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP)
		end(m);
	else if (!m->ending)
		reload(m);
}

int monitor_serve(struct monitor *m)
{
	int r;

	m->keeper_source = (struct source){.fd = m->keeper.fd, .ready = keeper_ready};
	m->signals.ready = signals_ready;
	m->end_timer = (struct timer){.expired = end_expired};
	if (loop_add(&m->loop, &m->signals, EPOLLIN) < 0 || loop_add(&m->loop, &m->keeper_source, EPOLLIN) < 0)
		fatal("cannot watch signals: %s", strerror(errno));
	for (int i = 0; i < CONFINED_COUNT; i++)
		confined_start(&m->confined[i]);
	r = loop_run(&m->loop);
	if (r < 0)
		fatal("cannot wait for events: %s", strerror(-r));
	return m->status;
}
