/* SPDX-License-Identifier: MIT */
/*
 * Questions about one container. Runs in: the library.
 */
#ifndef CLIENT_LOOKUP_H
#define CLIENT_LOOKUP_H

#include "call.h"

/* A row of struct call: what each of them may be answered with, and @more. */
#define LOOKUP(request_, reply_, flags_, more)                                                     \
	{                                                                                          \
		.request = MSG_##request_, .reply = MSG_##reply_, .flags = CALL_RESEND | (flags_), \
		.statuses = CALL_COMMON | CALL_STATUS(NOT_FOUND) | CALL_STATUS(TIMED_OUT) | (more) \
	}

/* By name: the answer in @ret. 0, or a negative errno of the header. */
int lookup_name(struct conn *c, const struct call *call, uint32_t flags, const char *name, int namelen,
		struct answer *ret);

/* An answer that is one container. Its descriptors stay in @a. 0, or -EPROTO, and the connection is given up. */
int lookup_record(struct conn *c, struct answer *a, struct root_container *ret);

#endif
