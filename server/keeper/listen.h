/* SPDX-License-Identifier: MIT */
/*
 * The socket that clients connect to. Runs in: keeper. Trusts: its directory, once that is checked to be root's alone.
 */
#ifndef KEEPER_LISTEN_H
#define KEEPER_LISTEN_H

#include <stddef.h>
#include <sys/un.h>

#define LISTEN_BACKLOG 64

struct listener {
	int fd; /* -1: not bound */
	int lock; /* held on PATH.lock for as long as this is the instance */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};
#define LISTENER_NONE                \
	{                            \
		.fd = -1, .lock = -1 \
	}

/*
 * Binds at @path (absolute): mode 0666, in a directory that only its owner, who runs this, can change; the directory is
 * created if missing. A socket that nobody listens on is removed. Once bound, the same path again is 0.
 * On failure -errno, nothing left behind, and @ret_error (of @size bytes) is "PATH: what is wrong: what to do".
 */
int listen_at(struct listener *l, const char *path, char *ret_error, size_t size);
/* Removes the socket and the lock. Harmless when nothing is bound. */
void listen_end(struct listener *l);

#endif
