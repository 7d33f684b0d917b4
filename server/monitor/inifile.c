/* SPDX-License-Identifier: MIT */
#include "inifile.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "config.h"

#define BLANKS " \t"

void inifile_refuse(struct inifile *f, int line, const char *format, ...)
{
	char text[INIFILE_TEXT_MAX];
	va_list args;
	int n;

	n = line > 0 ? snprintf(text, sizeof(text), "%s:%d: ", f->path, line)
		     : snprintf(text, sizeof(text), "%s: ", f->path);
	if (n >= 0 && (size_t)n < sizeof(text)) {
		va_start(args, format);
		(void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
		va_end(args);
	}
	f->problems++;
	f->problem(f, text);
}

/* inih says nothing when a section begins, so an empty or repeated one would pass. */
static void begin_section(struct inifile *f, char *text)
{
	char *end = strchr(text, ']');

	f->skip = true;
	if (!end || end[1 + strspn(end + 1, BLANKS)] != '\0') {
		inifile_refuse(f, f->line, "not a section: write [name], with nothing behind it");
		return;
	}
	*end = '\0';
	if (strlen(text + 1) >= INIFILE_SECTION_MAX || f->nsections == INIFILE_SECTIONS_MAX) {
		inifile_refuse(f, f->line, "too many sections, or too long a name: at most %d of %d bytes",
			       INIFILE_SECTIONS_MAX, INIFILE_SECTION_MAX - 1);
		return;
	}
	for (int i = 0; i < f->nsections; i++) {
		if (strcmp(f->sections[i], text + 1) == 0) {
			inifile_refuse(f, f->line, "section [%s] stands here twice: put its keys together", text + 1);
			return;
		}
	}
	(void)strcpy(f->sections[f->nsections++], text + 1);
	f->skip = false;
	f->section(f, text + 1);
}

/* True if a line is fit for inih; the line is without its newline and leading blanks. */
static bool check_line(struct inifile *f, char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			inifile_refuse(f, f->line, "a control character (byte %u): remove it", c);
			return false;
		}
		if (c == ';' && i > 0 && strchr(BLANKS, text[i - 1])) {
			inifile_refuse(f, f->line, "a comment behind a value: give it a line of its own");
			return false;
		}
	}
	if (text[0] == '[') {
		begin_section(f, text);
		return false;
	}
	if (text[0] == '=' || text[0] == ':' || !strpbrk(text, "=:")) {
		inifile_refuse(f, f->line, "not a section, a key or a comment: write key = value");
		return false;
	}
	if (f->nsections == 0 && !f->skip) {
		inifile_refuse(f, f->line, "a key before the first section: write a line like [broker] above it");
		return false;
	}
	return !f->skip;
}

struct reader {
	struct inifile *f;
	FILE *stream;
	char *text; /* getline()'s */
	size_t size;
};

/*
 * inih's fgets: one call, one line. It gets the key lines as they are, and everything else as empty lines; sections reach
 * it as a key's own line would, so the callback takes the section from us.
 */
static char *read_line(char *line, int num, void *data)
{
	struct reader *r = data;
	ssize_t n = getline(&r->text, &r->size, r->stream);
	size_t len, blanks;

	if (n < 0)
		return NULL;
	r->f->line++;
	len = (size_t)n;
	if (len > 0 && r->text[len - 1] == '\n')
		r->text[--len] = '\0';
	line[0] = '\0';
	if (len + 2 > (size_t)num) {
		inifile_refuse(r->f, r->f->line, "a line of %zu bytes: at most %d", len, num - 2);
		return line;
	}
	if (memchr(r->text, '\0', len)) {
		inifile_refuse(r->f, r->f->line, "a NUL byte: this is no text file");
		return line;
	}
	blanks = strspn(r->text, BLANKS);
	if (r->text[blanks] == '\0' || r->text[blanks] == '#' || r->text[blanks] == ';')
		return line;
	if (check_line(r->f, r->text + blanks, len - blanks))
		(void)strcpy(line, r->text + blanks);
	return line;
}

static int take_key(void *data, const char *section, const char *name, const char *value)
{
	struct reader *r = data;

	(void)section;
	r->f->key(r->f, r->f->sections[r->f->nsections - 1], name, value);
	return 1;
}

static FILE *open_file(struct inifile *f)
{
	char why[INIFILE_TEXT_MAX];
	autoclose int fd = -1;
	struct stat st;
	FILE *stream;
	int r;

	r = config_check_owned(f->path, why, sizeof(why));
	if (r < 0) {
		inifile_refuse(f, 0, "%s",
			       r == -ENOENT ? "there is no such file: create it, or name another one" : why);
		return NULL;
	}
	fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		inifile_refuse(f, 0, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		inifile_refuse(f, 0, "not a file: put the configuration there");
		return NULL;
	}
	stream = fdopen(fd, "re");
	if (stream)
		(void)take_fd(&fd);
	else
		inifile_refuse(f, 0, "cannot be read: %s", strerror(errno));
	return stream;
}

int inifile_read(struct inifile *f)
{
	struct reader r = {.f = f};
	int status;

	f->line = f->problems = f->nsections = 0;
	f->skip = false;
	r.stream = open_file(f);
	if (!r.stream)
		return -EINVAL;
	status = ini_parse_stream(read_line, &r, take_key, &r);
	if (ferror(r.stream))
		inifile_refuse(f, 0, "cannot be read: %s", strerror(errno));
	else if (status != 0 && f->problems == 0)
		inifile_refuse(f, status > 0 ? status : 0, "not a section, a key or a comment: write key = value");
	free(r.text);
	(void)fclose(r.stream);
	return f->problems ? -EINVAL : 0;
}
