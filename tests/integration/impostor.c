/* SPDX-License-Identifier: MIT */
/*
 * impostor NAME PID: binds the abstract socket NAME, as any local user can while the container is stopped, and tells whoever
 * asks that it is running, with PID as its init.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct lxc_message { /* of the LXC command protocol, both ways */
	int number, length;
	void *data;
};

static void answer(int fd, int pid)
{
	struct lxc_message m;
	struct msghdr h = {0};
	struct iovec v = {&m, sizeof(m)};
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	int pidfd = -1;

	if (recv(fd, &m, sizeof(m), MSG_WAITALL) != (ssize_t)sizeof(m))
		return;
	h.msg_iov = &v;
	h.msg_iovlen = 1;
	if (m.number == 18) { /* GET_INIT_PIDFD */
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pidfd, sizeof(pidfd));
	}
	m.data = (void *)(uintptr_t)(m.number == 3 ? 2 : pid); /* GET_STATE: RUNNING */
	m.number = 0;
	m.length = 0;
	(void)sendmsg(fd, &h, MSG_NOSIGNAL);
	if (pidfd >= 0)
		close(pidfd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len;

	if (argc != 3 || (len = strlen(argv[1])) > sizeof(a.sun_path) - 2)
		return 2;
	memcpy(a.sun_path + 1, argv[1], len);
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)(sizeof(a.sun_family) + 1 + len)) < 0 || listen(fd, 8) < 0) {
		perror("impostor");
		return 1;
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			continue;
		answer(conn, atoi(argv[2]));
		close(conn);
	}
}
