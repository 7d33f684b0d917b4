/* SPDX-License-Identifier: MIT */
/* A small strict scanner of XML. Runs in: resolver. See xml.h. */
#include "xml.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct str *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

static void skip_blanks(struct str *s)
{
	while (s->len > 0 && is_blank(s->p[0]))
		skip(s, 1);
}

static bool begins(struct str s, struct str with)
{
	return s.len >= with.len && memcmp(s.p, with.p, with.len) == 0;
}

/* Up to and over @end. */
static bool skip_over(struct str *s, struct str end)
{
	for (; s->len >= end.len; skip(s, 1)) {
		if (begins(*s, end)) {
			skip(s, end.len);
			return true;
		}
	}
	return false;
}

static bool take_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	skip(s, 1);
	return true;
}

/* Anything but what separates: which letters XML permits is nobody's danger. */
static bool take_name(struct str *s, struct str *ret)
{
	const char *begin = s->p;

	while (s->len > 0 && (unsigned char)s->p[0] > ' ' && !strchr("<>&='\"/", s->p[0]))
		skip(s, 1);
	*ret = (struct str){begin, (size_t)(s->p - begin)};
	return ret->len > 0;
}

/* One more attribute: 1; 0: there is none; -EBADMSG. */
static int take_attribute(struct str *s, struct str *name, struct str *value)
{
	bool blank = s->len > 0 && is_blank(s->p[0]);
	const char *end;
	char quote;

	skip_blanks(s);
	if (s->len == 0 || s->p[0] == '/' || s->p[0] == '>' || s->p[0] == '?')
		return 0;
	if (!blank || !take_name(s, name))
		return -EBADMSG;
	skip_blanks(s);
	if (!take_char(s, '='))
		return -EBADMSG;
	skip_blanks(s);
	quote = s->len > 0 ? s->p[0] : '\0';
	if (quote != '\'' && quote != '"')
		return -EBADMSG;
	skip(s, 1);
	end = memchr(s->p, quote, s->len);
	if (!end)
		return -EBADMSG;
	*value = (struct str){s->p, (size_t)(end - s->p)};
	skip(s, value->len + 1);
	return memchr(value->p, '<', value->len) ? -EBADMSG : 1;
}

static int open_element(struct xml *x)
{
	struct str name, value;
	int r;

	if ((x->depth == 0 && x->rooted) || x->depth == XML_DEPTH_MAX || !take_name(&x->rest, &x->open[x->depth]))
		return -EBADMSG;
	x->attributes = x->rest;
	do
		r = take_attribute(&x->rest, &name, &value);
	while (r > 0);
	if (r < 0)
		return r;
	x->attributes.len -= x->rest.len;
	x->empty = take_char(&x->rest, '/');
	if (!take_char(&x->rest, '>'))
		return -EBADMSG;
	x->depth++;
	x->rooted = true;
	return XML_OPEN;
}

static int close_element(struct xml *x)
{
	struct str name;

	if (x->depth == 0 || !take_name(&x->rest, &name) || !str_eq(name, x->open[x->depth - 1]))
		return -EBADMSG;
	skip_blanks(&x->rest);
	if (!take_char(&x->rest, '>'))
		return -EBADMSG;
	x->closing = true;
	return XML_CLOSE;
}

static int take_text(struct xml *x)
{
	const char *end = memchr(x->rest.p, '<', x->rest.len);

	x->text = (struct str){x->rest.p, end ? (size_t)(end - x->rest.p) : x->rest.len};
	skip(&x->rest, x->text.len);
	return XML_TEXT;
}

static int take_end(const struct xml *x)
{
	return x->depth == 0 && x->rooted ? XML_END : -EBADMSG;
}

int xml_next(struct xml *x)
{
	static const struct str comment = {"<!--", 4}, instruction = {"<?", 2}, cdata = {"<![CDATA[", 9},
				end = {"</", 2};

	if (x->closing)
		x->depth--;
	x->closing = x->empty;
	if (x->empty) {
		x->empty = false;
		return XML_CLOSE;
	}
	for (;;) {
		if (x->depth == 0)
			skip_blanks(&x->rest);
		if (x->rest.len == 0)
			return take_end(x);
		if (x->rest.p[0] != '<')
			return x->depth > 0 ? take_text(x) : -EBADMSG;
		if (begins(x->rest, comment)) {
			skip(&x->rest, comment.len);
			if (!skip_over(&x->rest, STR("-->")))
				return -EBADMSG;
		} else if (begins(x->rest, instruction)) {
			if (!skip_over(&x->rest, STR("?>")))
				return -EBADMSG;
		} else if (x->depth > 0 && begins(x->rest, cdata)) {
			if (!skip_over(&x->rest, STR("]]>")))
				return -EBADMSG;
		} else if (begins(x->rest, end)) {
			skip(&x->rest, end.len);
			return close_element(x);
		} else {
			skip(&x->rest, 1);
			return open_element(x);
		}
	}
}

void xml_init(struct xml *x, struct str text)
{
	*x = (struct xml){.rest = text};
}

bool xml_is_at(const struct xml *x, const char *path)
{
	for (unsigned i = 0; i < x->depth; i++) {
		size_t n = x->open[i].len;

		if (strncmp(path, x->open[i].p, n) != 0 || path[n] != (i + 1 < x->depth ? '/' : '\0'))
			return false;
		path += n + 1;
	}
	return x->depth > 0;
}

bool xml_attribute(const struct xml *x, const char *name, char *buffer, size_t size)
{
	struct str rest = x->attributes, n, value, found = {NULL, 0};

	while (take_attribute(&rest, &n, &value) > 0) {
		if (!str_eq(n, str_of(name)))
			continue;
		if (found.p) /* twice */
			return false;
		found = value;
	}
	return found.p && xml_decode(found, buffer, size);
}

/* --- Entities ---------------------------------------------------------------------------------------------------- */

static size_t put_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* "65" or "x41": the character of that number; 0 if there is none. */
static uint32_t character(struct str digits)
{
	uint32_t base = take_char(&digits, 'x') ? 16 : 10, c = 0;

	if (digits.len == 0)
		return 0;
	for (; digits.len > 0; skip(&digits, 1)) {
		char d = digits.p[0];
		uint32_t v = d >= '0' && d <= '9'   ? (uint32_t)(d - '0')
			     : d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a') + 10
			     : d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A') + 10
						    : base;

		if (v >= base)
			return 0;
		c = c * base + v;
		if (c > 0x10ffff)
			return 0;
	}
	return c >= 0xd800 && c <= 0xdfff ? 0 : c;
}

/* What "&NAME;" stands for; 0 if that is no entity. */
static uint32_t entity(struct str name)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};

	if (take_char(&name, '#'))
		return character(name);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_eq(name, str_of(known[i].name)))
			return (unsigned char)known[i].c;
	}
	return 0;
}

bool xml_decode(struct str raw, char *buffer, size_t size)
{
	char utf8[4];
	size_t n = 0;

	while (raw.len > 0) {
		size_t len = 1;

		utf8[0] = raw.p[0];
		if (raw.p[0] == '&') {
			const char *end = memchr(raw.p, ';', raw.len);
			uint32_t c = end ? entity((struct str){raw.p + 1, (size_t)(end - raw.p) - 1}) : 0;

			if (c == 0)
				return false;
			len = put_utf8(c, utf8);
			skip(&raw, (size_t)(end - raw.p));
		}
		if (utf8[0] == '\0' || n + len >= size)
			return false;
		memcpy(buffer + n, utf8, len);
		n += len;
		skip(&raw, 1);
	}
	buffer[n] = '\0';
	return true;
}
