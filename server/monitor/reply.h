/* SPDX-License-Identifier: MIT */
/*
 * The monitor's answers to session requests, on their way to the frontend. Runs in: monitor.
 *
 * An answer for a session that no frontend has now is lost; the library asks again.
 */
#ifndef MONITOR_REPLY_H
#define MONITOR_REPLY_H

#include "../../proto/proto.h"
#include "program.h"

struct monitor;

/* For programs_new(), whose data is the struct monitor. */
extern const struct program_replies reply_programs_callbacks;

void reply_error(struct monitor *m, uint64_t session, uint32_t serial, enum status status, const char *detail);
/* Answers PROGRAM_LIST_REQ. */
void reply_programs(struct monitor *m, const struct program_owner *owner, uint32_t serial,
		    const struct list_request *q);

#endif
