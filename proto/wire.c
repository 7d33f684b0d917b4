/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <errno.h>
#include <string.h>

struct str str_of(const char *nul_terminated)
{
	return (struct str){nul_terminated, strlen(nul_terminated)};
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_copy(char *dst, size_t size, struct str s)
{
	if (s.len >= size) {
		if (size > 0)
			dst[0] = '\0';
		return false;
	}
	if (s.len > 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return true;
}

void wire_wr_init(struct wire_wr *w, void *buf, size_t size)
{
	*w = (struct wire_wr){.buf = buf, .size = size};
}

/* The one place that compares with the end of what is written. */
static uint8_t *wr_room(struct wire_wr *w, size_t n)
{
	uint8_t *at = w->buf + w->len;

	if (w->bad || n > w->size - w->len) {
		w->bad = true;
		return NULL;
	}
	w->len += n;
	return at;
}

static void put_int(struct wire_wr *w, uint64_t v, size_t bytes)
{
	uint8_t *at = wr_room(w, bytes);

	for (size_t i = 0; at && i < bytes; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

void wire_put_u16(struct wire_wr *w, uint16_t v)
{
	put_int(w, v, 2);
}

void wire_put_u32(struct wire_wr *w, uint32_t v)
{
	put_int(w, v, 4);
}

void wire_put_u64(struct wire_wr *w, uint64_t v)
{
	put_int(w, v, 8);
}

void wire_put_bytes(struct wire_wr *w, struct str s, size_t max)
{
	uint8_t *at;

	if (s.len > max || s.len > UINT16_MAX) {
		w->bad = true;
		return;
	}
	wire_put_u16(w, (uint16_t)s.len);
	at = wr_room(w, s.len);
	if (at && s.len > 0)
		memcpy(at, s.p, s.len);
}

static bool has_nul(struct str s)
{
	return s.len > 0 && memchr(s.p, '\0', s.len);
}

void wire_put_str(struct wire_wr *w, struct str s, size_t max)
{
	if (has_nul(s))
		w->bad = true;
	wire_put_bytes(w, s, max);
}

void wire_put_header(struct wire_wr *w, uint16_t type, uint32_t serial)
{
	wire_put_u16(w, type);
	wire_put_u16(w, 0);
	wire_put_u32(w, serial);
}

ssize_t wire_wr_done(const struct wire_wr *w)
{
	return w->bad ? -ENOSPC : (ssize_t)w->len;
}

void wire_rd_init(struct wire_rd *r, const void *buf, size_t len)
{
	*r = (struct wire_rd){.buf = buf, .len = len};
}

/* The one place that compares with the end of what is read. */
static const uint8_t *rd_take(struct wire_rd *r, size_t n)
{
	const uint8_t *at = r->buf + r->pos;

	if (r->bad || n > r->len - r->pos) {
		r->bad = true;
		return NULL;
	}
	r->pos += n;
	return at;
}

static uint64_t get_int(struct wire_rd *r, size_t bytes)
{
	const uint8_t *at = rd_take(r, bytes);
	uint64_t v = 0;

	for (size_t i = 0; at && i < bytes; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

uint16_t wire_get_u16(struct wire_rd *r)
{
	return (uint16_t)get_int(r, 2);
}

uint32_t wire_get_u32(struct wire_rd *r)
{
	return (uint32_t)get_int(r, 4);
}

uint64_t wire_get_u64(struct wire_rd *r)
{
	return get_int(r, 8);
}

void wire_get_bytes(struct wire_rd *r, struct str *s, size_t max)
{
	size_t len = wire_get_u16(r);
	const uint8_t *at;

	*s = (struct str){"", 0};
	if (len > max)
		r->bad = true;
	at = rd_take(r, len);
	if (at)
		*s = (struct str){(const char *)at, len};
}

void wire_get_str(struct wire_rd *r, struct str *s, size_t max)
{
	wire_get_bytes(r, s, max);
	if (has_nul(*s)) {
		r->bad = true;
		*s = (struct str){"", 0};
	}
}

int wire_get_header(struct wire_rd *r, uint16_t *type, uint32_t *serial)
{
	uint16_t reserved;

	*type = wire_get_u16(r);
	reserved = wire_get_u16(r);
	*serial = wire_get_u32(r);
	if (reserved != 0)
		r->bad = true;
	return r->bad ? -EBADMSG : 0;
}

int wire_rd_done(const struct wire_rd *r)
{
	return r->bad || r->pos != r->len ? -EBADMSG : 0;
}
