/* SPDX-License-Identifier: MIT */
/*
 * Bounds-checked cursors over one record. Runs in: every process, and the library. Trusts: nothing.
 *
 * Integers are little-endian and unsigned. A cursor is sticky: after the first step that does not fit,
 * every further step does nothing (reading yields zeroes), and the final wire_*_done() says so. One place
 * compares with the end.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_RECORD_MAX 16384 /* bytes in one record, header included */
#define WIRE_HEADER 8 /* u16 type, u16 zero, u32 serial */

/* A view of bytes that somebody else owns; not NUL-terminated. */
struct str {
	const char *p;
	size_t len;
};
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_of(const char *nul_terminated);
bool str_eq(struct str a, struct str b);
/* Copies @s and a NUL to @dst of @size bytes; false, and @dst is "", if it does not fit. */
bool str_copy(char *dst, size_t size, struct str s);

struct wire_wr {
	uint8_t *buf;
	size_t size, len;
	bool bad;
};

void wire_wr_init(struct wire_wr *w, void *buf, size_t size);
void wire_put_u16(struct wire_wr *w, uint16_t v);
void wire_put_u32(struct wire_wr *w, uint32_t v);
void wire_put_u64(struct wire_wr *w, uint64_t v);
/* u16 length, then the bytes. Text: at most @max bytes, no NUL among them. */
void wire_put_str(struct wire_wr *w, struct str s, size_t max);
/* The same for bytes of any value. */
void wire_put_bytes(struct wire_wr *w, struct str s, size_t max);
void wire_put_header(struct wire_wr *w, uint16_t type, uint32_t serial);
/* The length written, or -ENOSPC if anything did not fit or was out of its own bound. */
ssize_t wire_wr_done(const struct wire_wr *w);

struct wire_rd {
	const uint8_t *buf;
	size_t len, pos;
	bool bad;
};

void wire_rd_init(struct wire_rd *r, const void *buf, size_t len);
uint16_t wire_get_u16(struct wire_rd *r);
uint32_t wire_get_u32(struct wire_rd *r);
uint64_t wire_get_u64(struct wire_rd *r);
/* The views point into the record. */
void wire_get_str(struct wire_rd *r, struct str *s, size_t max);
void wire_get_bytes(struct wire_rd *r, struct str *s, size_t max);
/* 0, or -EBADMSG: the record is too short, or its reserved field is not zero. */
int wire_get_header(struct wire_rd *r, uint16_t *type, uint32_t *serial);
/* 0, or -EBADMSG if anything was off or is left over. */
int wire_rd_done(const struct wire_rd *r);

#endif
