/* SPDX-License-Identifier: MIT */
/*
 * Starts whose answers nobody waits for any more: too late, lost, or without room for their descriptors. Runs in: the library.
 *
 * The caller was told that no program runs. So the server is asked to end and forget whatever the start started, until it
 * says that it did.
 */
#ifndef CLIENT_CANCEL_H
#define CLIENT_CANCEL_H

#include "conn.h"

/* @start: the serial of the request. Breaks the connection if there are too many: the server ends the programs of one
 * that is gone. */
void cancel_start(struct conn *c, uint32_t start);
/* The answer to a start has come after all. */
void cancel_started(struct conn *c, uint32_t start, uint64_t instance);
/* The answer to a cancellation, or to something else. After an error it is sent again with the next call. */
void cancel_answered(struct conn *c, uint16_t type, uint32_t serial);
/* Is this the status of a program that is being cancelled? It had ended before the server heard of it. */
bool cancel_knows(const struct conn *c, uint64_t instance);
/* Sends what could not be sent before; after a resumption all that is not answered. */
void cancel_send(struct conn *c, bool resumed);

#endif
