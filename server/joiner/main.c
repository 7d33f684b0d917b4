/* SPDX-License-Identifier: MIT */
/*
 * The joiner: a process's hostname, read in its UTS namespace. Runs in: joiner. Trusts: the records of its two
 * channels to be well-formed, and ends when one is not.
 *
 * One thread, blocking, one request at a time: a joiner that is in the wrong namespace for an instant has nobody to confuse.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../common/cleanup.h"
#include "../common/ipc.h"
#include "../common/log.h"
#include "policy.h"

#define MONITOR_FD 3
#define EX_NO_HOME 71 /* EX_OSERR of sysexits.h */
#define EX_PROTOCOL 76

/* From the lock-in on there is no way to log: the status says what happened. */
static void end(int status) __attribute__((noreturn));
static void end(int status)
{
	_exit(status);
}

static void send_or_end(int fd, const struct wire_wr *w)
{
	int r = ipc_send(fd, w, NULL, 0, 0);

	if (r == -EPIPE)
		end(EXIT_SUCCESS);
	if (r < 0)
		end(EX_PROTOCOL);
}

/* The next record, with the descriptors that every record to the joiner carries. */
static void recv_or_end(int fd, struct ipc_in *in, uint16_t type)
{
	int r = ipc_recv(fd, in, 0);

	if (r == 0)
		end(EXIT_SUCCESS);
	if (r < 0 || in->type != type || in->nfds < 1)
		end(EX_PROTOCOL);
}

/* 0, or the errno of joining; @name is then empty. */
static int read_hostname(int pidfd, int home, struct utsname *name)
{
	int r;

	memset(name, 0, sizeof(*name));
	if (setns(pidfd, CLONE_NEWUTS) < 0)
		return errno;
	r = uname(name) < 0 ? errno : 0;
	/* Where it is now nobody checked, and it would keep a container's namespace alive: end, and be started afresh. */
	if (setns(home, CLONE_NEWUTS) < 0)
		end(EX_NO_HOME);
	return r;
}

static void join(int frontend, struct ipc_in *in, int home)
{
	static char text[IPC_JOIN_MAX][ROOT_HOSTNAME_MAX];
	static struct ipc_joined answer;
	static uint8_t buf[WIRE_RECORD_MAX];
	struct ipc_token request;
	struct utsname name;
	struct wire_wr w;

	recv_or_end(frontend, in, IPC_JOIN);
	if (get_ipc_token(&in->body, &request) < 0)
		end(EX_PROTOCOL);
	answer.token = request.token;
	answer.count = (uint16_t)in->nfds;
	for (int i = 0; i < in->nfds; i++) {
		struct ipc_joined_name *n = &answer.names[i];

		n->error = (uint32_t)read_hostname(in->fds[i], home, &name);
		/* Bytes of a container: 64 of any value, and what follows a NUL is no part of the name. */
		n->hostname = (struct str){text[i], strnlen(name.nodename, ROOT_HOSTNAME_MAX)};
		memcpy(text[i], name.nodename, n->hostname.len);
	}
	/* None is kept: a namespace lives as long as somebody refers to it. */
	ipc_drop(in);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_JOINED, in->serial);
	put_ipc_joined(&w, &answer);
	send_or_end(frontend, &w);
}

static int take_peer(struct ipc_in *in)
{
	struct ipc_peer_msg peer;

	recv_or_end(MONITOR_FD, in, IPC_PEER);
	if (in->nfds != 1 || get_ipc_peer(&in->body, &peer) < 0 || peer.peer != IPC_PEER_FRONTEND)
		end(EX_PROTOCOL);
	return ipc_take_fd(in);
}

static void serve(int home) __attribute__((noreturn));
static void serve(int home)
{
	static struct ipc_in in;
	int frontend = -1;

	for (;;) {
		struct pollfd fds[] = {{.fd = MONITOR_FD, .events = POLLIN}, {.fd = frontend, .events = POLLIN}};

		if (ppoll(fds, 2, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			end(EXIT_FAILURE);
		}
		/* First: a new peer takes the place of one whose end may be readable at the same time. */
		if (fds[0].revents) {
			close_fd(&frontend);
			frontend = take_peer(&in);
		} else if (fds[1].revents) {
			join(frontend, &in, home);
		}
	}
}

static void parse_arguments(int argc, char **argv)
{
	enum log_level level;

	log_init("joiner", LOG_LEVEL_INFO);
	if (argc != 3 || strcmp(argv[1], "--log-level") != 0 || !log_level_parse(argv[2], &level)) {
		log_error(
			"usage: rootbroker-joiner --log-level error|warning|info|debug; rootbroker-monitor starts it");
		exit(2);
	}
	log_init("joiner", level);
}

int main(int argc, char **argv)
{
	const char *step;
	struct wire_wr w;
	uint8_t buf[WIRE_HEADER];
	int home, r;

	parse_arguments(argc, argv);
	home = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		fatal("cannot open /proc/self/ns/uts: %s: is /proc mounted?", strerror(errno));
	log_debug("locking in");
	r = sandbox_enter(&joiner_sandbox, NULL, 0, &step);
	if (r < 0)
		fatal("cannot lock in: %s: %s", step, strerror(-r));

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_READY, 0);
	send_or_end(MONITOR_FD, &w);
	serve(home);
}
