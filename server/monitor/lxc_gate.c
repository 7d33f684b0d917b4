/* SPDX-License-Identifier: MIT */
#include "lxc_gate.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "monitor.h"

/* Commands and states of LXC's own protocol, native byte order; the same in 5.0, 6.0 and 7.0. */
#define LXC_CMD_GET_STATE 3
#define LXC_CMD_ADD_STATE_CLIENT 10
#define LXC_CMD_GET_INIT_PIDFD 18
#define LXC_STATES 8

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* Linux 6.5 */
#endif

struct lxc_request {
	int cmd;
	int datalen;
	uint64_t data; /* a pointer in LXC's own structure; unused */
};

/* Which states a watcher is told of. RUNNING is not among them: LXC answers at once when the current state is. */
static const int watched_states[LXC_STATES] = {
	1, /* STOPPED */
	1, /* STARTING */
	0, /* RUNNING */
	1, /* STOPPING */
	1, /* ABORTING */
	1, /* FREEZING */
	1, /* FROZEN */
	1, /* THAWED */
};

const char *lxc_gate_path(const struct config *c, uint32_t index)
{
	static const char *const engines[] = {"lxc", "lxd", "incus"};

	for (size_t i = 0; index < (uint32_t)c->ndirs && i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strcmp(c->dirs[index].engine, engines[i]) == 0)
			return c->dirs[index].path;
	}
	return NULL;
}

bool lxc_gate_name_ok(struct str name)
{
	return name.len > 0 && name.len <= ROOT_ID_MAX && !memchr(name.p, '/', name.len) &&
	       !memchr(name.p, '\0', name.len) && !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

static uint64_t fnv1a_64(const char *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
	return hash;
}

/* "LXCPATH/NAME/command" in the abstract name space; too long for an address, a hash of the first two takes their place. */
socklen_t lxc_gate_address(const char *lxcpath, struct str name, struct sockaddr_un *ret)
{
	char text[IPC_PATH_MAX + ROOT_ID_MAX + 16];
	int len = snprintf(text, sizeof(text), "%s/%.*s/command", lxcpath, (int)name.len, name.p);

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (len >= (int)sizeof(ret->sun_path) - 2) {
		uint64_t hash = fnv1a_64(text, (size_t)len - strlen("/command"));

		len = snprintf(text, sizeof(text), "lxc/%016llx/command", (unsigned long long)hash);
	}
	memcpy(ret->sun_path + 1, text, (size_t)len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Any local user can take the abstract name of a container that is stopped, and then answer for it. */
static int check_listener(int fd, const char *lxcpath)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct stat st;

	if (stat(lxcpath, &st) < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	return cred.uid == st.st_uid ? 0 : -EPERM;
}

/* Root of a container without a user namespace, in the host's network namespace, passes for root there. Whose process listened is of no use
 * against it: lxc-start has ended by then, and so may have the impostor's. But who answers is alive, and the resolver is told by the kernel
 * which process that is, if it was to be told before the answer was sent. */
static int want_sender(int fd)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		return -errno;
	return setsockopt(fd, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof(one)) < 0 && errno != ENOPROTOOPT ? -errno : 0;
}

static int send_request(int fd, int cmd, const void *data, int datalen)
{
	struct lxc_request request = {.cmd = cmd, .datalen = datalen};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control = {.space = {0}};
	struct ucred cred = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	struct iovec iov = {.iov_base = &request, .iov_len = sizeof(request)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_CREDENTIALS;
	control.header.cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(&control.header), &cred, sizeof(cred));
	if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(request))
		return errno ? -errno : -EAGAIN;
	if (datalen > 0 && send(fd, data, (size_t)datalen, MSG_DONTWAIT | MSG_NOSIGNAL) != datalen)
		return errno ? -errno : -EAGAIN;
	return 0;
}

int lxc_gate_open(const char *lxcpath, struct str name, enum ipc_lxc_command command)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t len = lxc_gate_address(lxcpath, name, &address);
	int r;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, len) < 0)
		return -errno;
	/* Before a byte is sent: the request carries our credentials. */
	r = check_listener(fd, lxcpath);
	if (r == 0)
		r = want_sender(fd);
	if (r < 0)
		return r;
	errno = 0;
	switch (command) {
	case IPC_LXC_STATE:
		r = send_request(fd, LXC_CMD_GET_STATE, NULL, 0);
		break;
	case IPC_LXC_INIT_PIDFD:
		r = send_request(fd, LXC_CMD_GET_INIT_PIDFD, NULL, 0);
		break;
	case IPC_LXC_WATCH:
		r = send_request(fd, LXC_CMD_ADD_STATE_CLIENT, watched_states, sizeof(watched_states));
		break;
	default:
		r = -EINVAL;
	}
	return r < 0 ? r : take_fd(&fd);
}

int lxc_gate_ask(struct monitor *m, const struct ipc_lxc_ask *q)
{
	const char *lxcpath = lxc_gate_path(m->config, q->path);
	struct ipc_lxc_socket answer = {.token = q->token};
	autoclose int fd = -1;
	uint8_t buf[64];
	struct wire_wr w;

	if (!lxcpath || !lxc_gate_name_ok(q->name) || q->command < IPC_LXC_STATE || q->command > IPC_LXC_WATCH)
		return -EBADMSG;
	fd = lxc_gate_open(lxcpath, q->name, (enum ipc_lxc_command)q->command);
	if (fd < 0)
		answer.error = (uint32_t)-fd;
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_LXC_SOCKET, 0);
	(void)put_ipc_lxc_socket(&w, &answer);
	confined_send(&m->confined[CONFINED_RESOLVER], &w, &fd, fd >= 0 ? 1 : 0);
	return 0;
}
