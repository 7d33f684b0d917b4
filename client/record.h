/* SPDX-License-Identifier: MIT */
/*
 * Records of the wire as the structures of the header. Runs in: the library.
 */
#ifndef CLIENT_RECORD_H
#define CLIENT_RECORD_H

#include "../include/rootbroker.h"
#include "../proto/codec.h"

/* False if the record makes no sense. */
bool record_container(struct root_container *dst, const struct container_record *src);
bool record_fact(struct root_fact *dst, const struct fact_record *src);
bool record_program(struct root_program *dst, const struct program_record *src);

/* Fills no more of @dst than both sides know; what only the caller knows becomes 0. */
void record_give(void *dst, size_t dstsize, const void *src, size_t srcsize);

#endif
