/* SPDX-License-Identifier: MIT */
#include "rootctl_text.h"

#include <stdlib.h>
#include <string.h>

#include "rootctl.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

char *text_escape(const char *s)
{
	static const char hex[] = "0123456789abcdef";
	char *escaped = must_alloc(malloc(4 * strlen(s) + 1)), *p = escaped;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\\') {
			*p++ = '\\';
			*p++ = '\\';
		} else if (c >= 0x20 && c < 0x7f) {
			*p++ = (char)c;
		} else {
			*p++ = '\\';
			*p++ = 'x';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	return escaped;
}

/* The length of the UTF-8 sequence at @s, 0 if there is none: overlong forms, surrogates and what lies beyond U+10FFFF are
 * none. */
static size_t utf8_length(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p < 0x80                 ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

char *text_utf8(const char *s)
{
	char *clean = must_alloc(malloc(strlen(REPLACEMENT) * strlen(s) + 1)), *p = clean;

	while (*s) {
		size_t n = utf8_length(s);

		memcpy(p, n ? s : REPLACEMENT, n ? n : strlen(REPLACEMENT));
		p += n ? n : strlen(REPLACEMENT);
		s += n ? n : 1;
	}
	*p = '\0';
	return clean;
}

void text_json(FILE *out, const char *s)
{
	char *clean = text_utf8(s);

	(void)fputc('"', out);
	for (const char *p = clean; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
	free(clean);
}
