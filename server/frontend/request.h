/* SPDX-License-Identifier: MIT */
/*
 * Every byte that a client sends is parsed here. Runs in: frontend. Trusts: nothing.
 */
#ifndef FRONTEND_REQUEST_H
#define FRONTEND_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "park.h"

/*
 * Deals with one record. NULL, and @s may be gone; or why it is malformed: the caller ends the session.
 */
const char *request_received(struct session *s, const void *record, size_t len);

/* Answers a container request from the index, or parks it. */
void query_run(struct frontend *f, struct query *q);
/* A record as a client is told of it. */
struct container_record query_describe(const struct record *r, bool alive);
/* The joiner's answers, one for each process that it was asked about. */
void query_joined(struct frontend *f, struct parked *p, const struct ipc_joined_name *names);
/* The resolver's answers: @error is an errno value, or 0. @rid 0: in no container. The facts are in @f->in; 0, or -EBADMSG: they
 * do not fit. */
void query_found(struct frontend *f, struct parked *p, uint32_t error, uint64_t rid);
int query_facts(struct frontend *f, struct parked *p, uint32_t error);
/* It waited for too long. */
void query_timed_out(struct parked *p);
/* No memory to let it wait. */
void query_refused(struct query *q);

#endif
