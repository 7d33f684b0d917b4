/* SPDX-License-Identifier: MIT */
/*
 * The client protocol's names: message types, statuses, limits. Runs in: every process, and the library.
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include <stdint.h>

#define PROTO_VERSION_MIN 1
#define PROTO_VERSION_MAX 1

#define PROTO_INFLIGHT_MAX 64 /* requests of one session that wait for an answer */

enum msg_sender { MSG_FROM_CLIENT, MSG_FROM_SERVER };

enum msg_type {
#define MSG(name, number, sender, fds) MSG_##name = (number),
#include "messages.def"
#undef MSG
};

struct msg_info {
	uint16_t type;
	uint8_t sender; /* enum msg_sender */
	uint8_t fds; /* most descriptors that may come with it */
	const char *name;
};

/* The row of a type, or NULL if there is none. */
const struct msg_info *msg_info(uint16_t type);

enum status {
#define STATUS(name, number, error, text) STATUS_##name = (number),
#include "statuses.def"
#undef STATUS
};

/* The library's errno value (positive) for a status from the wire; EPROTO for an unknown one. */
int status_errno(uint16_t status);
/* The sentence for one of those errno values, or NULL. */
const char *status_text(int error);

#endif
