/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 1024
#define LINE_MAX_BYTES 1200

static const char *process_name = "rootbroker";
static enum log_level threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_init(const char *process, enum log_level level)
{
	process_name = process;
	threshold = level;
}

bool log_level_parse(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(word, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

enum log_level log_level(void)
{
	return threshold;
}

/* Appends @text to the line at @len, each byte that is not printable as \xNN; leaves room for the newline. */
static size_t append_escaped(char *line, size_t len, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f) {
			if (len + 2 > LINE_MAX_BYTES)
				break;
			line[len++] = (char)c;
		} else {
			if (len + 5 > LINE_MAX_BYTES)
				break;
			line[len++] = '\\';
			line[len++] = 'x';
			line[len++] = hex[c >> 4];
			line[len++] = hex[c & 15];
		}
	}
	return len;
}

static void log_line(enum log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void log_line(enum log_level level, const char *format, va_list args)
{
	char text[TEXT_MAX], line[LINE_MAX_BYTES];
	int saved_errno = errno;
	size_t len;

	if (level > threshold)
		return;
	(void)vsnprintf(text, sizeof(text), format, args);
	len = append_escaped(line, 0, process_name);
	len = append_escaped(line, len,
			     level == LOG_LEVEL_ERROR     ? ": error: "
			     : level == LOG_LEVEL_WARNING ? ": warning: "
							  : ": ");
	len = append_escaped(line, len, text);
	line[len++] = '\n';
	/* One write a line, so that lines of several processes do not mix. */
	(void)!write(STDERR_FILENO, line, len);
	errno = saved_errno;
}

#define LOG_AT(level)                          \
	do {                                   \
		va_list args;                  \
		va_start(args, format);        \
		log_line(level, format, args); \
		va_end(args);                  \
	} while (0)

void log_error(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_ERROR);
}

void log_warning(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_WARNING);
}

void log_info(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_INFO);
}

void log_debug(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_DEBUG);
}

void fatal(const char *format, ...)
{
	LOG_AT(LOG_LEVEL_ERROR);
	exit(1);
}
