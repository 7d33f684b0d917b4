/* SPDX-License-Identifier: MIT */
/*
 * A server that says what a test wants, in a process of its own, over the real protocol. What it does not expect ends it with
 * status 1, and fake_stop() fails the test.
 */
#ifndef FAKE_SERVER_H
#define FAKE_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../proto/chan.h"
#include "../../proto/codec.h"
#include "../../proto/proto.h"

struct fake {
	char dir[32], path[64];
	pid_t pid;
};

/* Serves @clients connections at a time, each with @script in its own process. Listens as @uid. */
void fake_start(struct fake *f, int clients, void (*script)(int fd));
void fake_start_as(struct fake *f, uid_t uid, int clients, void (*script)(int fd));
void fake_stop(struct fake *f);

/* For scripts. */
extern int fake_connection; /* which of the clients this one serves, from 0 */
struct fake_in {
	uint8_t buf[WIRE_RECORD_MAX];
	uint32_t serial;
	struct wire_rd body;
};
#define FAKE_CHECK(condition)                                      \
	do {                                                       \
		if (!(condition))                                  \
			fake_fail(__FILE__, __LINE__, #condition); \
	} while (0)
void fake_fail(const char *file, int line, const char *what) __attribute__((noreturn));
void fake_hello(int fd); /* HELLO, WELCOME */
void fake_expect(int fd, uint16_t type, struct fake_in *in);
void fake_expect_end(int fd); /* the client has closed */
void fake_begin(struct wire_wr *w, uint16_t type, uint32_t serial); /* in a static buffer */
void fake_send(int fd, const struct wire_wr *w);
void fake_pid(int fd, uint32_t serial, uint32_t pid); /* PID */
void fake_send_fds(int fd, const struct wire_wr *w, const int *fds, int n);
void fake_nothing(int fd, uint16_t type, uint32_t serial); /* a message without a body */
void fake_error(int fd, uint32_t serial, uint16_t status, const char *detail);
void fake_started(int fd, uint32_t serial, uint32_t pid, uint64_t instance, const int *fds, int n);
void fake_waited(int fd, uint32_t serial, uint32_t pid, uint64_t instance, uint32_t status);

/* For tests. */
int open_descriptors(void); /* of this process */
bool under_valgrind(void); /* it keeps a limit of descriptors of its own, which received ones pass by */
int fake_connect(const struct fake *f); /* rootConnectTo() that must succeed */

#endif
