/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of a configuration file, over inih. Runs in: monitor. Trusts: a file that config_check_owned() passed.
 *
 * What inih would guess about is refused here with its line: lines that are too long or hold a NUL, comments behind a value
 * (it would cut the value), keys before any section, sections twice. A line that begins with a blank continues nothing.
 */
#ifndef MONITOR_INIFILE_H
#define MONITOR_INIFILE_H

#include <stdbool.h>

#define INIFILE_SECTIONS_MAX 128
#define INIFILE_SECTION_MAX 64
#define INIFILE_TEXT_MAX 512 /* of one problem */

struct inifile {
	/* Set by the caller. */
	const char *path;
	void (*section)(struct inifile *f, const char *name); /* a section begins; may refuse */
	void (*key)(struct inifile *f, const char *section, const char *name, const char *value);
	void (*problem)(struct inifile *f, const char *text); /* "FILE:LINE: what is wrong: what to do" */
	void *data;
	/* Of the reader. */
	int line;
	int problems;
	int nsections;
	bool skip; /* the section was refused: its keys would only be refused again */
	char sections[INIFILE_SECTIONS_MAX][INIFILE_SECTION_MAX];
};

/* Reads all of it and reports every problem. 0, or -EINVAL if there was one; one in the file itself is reported as well. */
int inifile_read(struct inifile *f);

/* Refuses what is at @line (0: the file as a whole). The text is "what is wrong: what to do". */
void inifile_refuse(struct inifile *f, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
