/* SPDX-License-Identifier: MIT */
/*
 * Foreign bytes, made fit to be shown. Runs in: rootctl. Trusts: nothing but the NUL at the end.
 */
#ifndef ROOTCTL_TEXT_H
#define ROOTCTL_TEXT_H

#include <stdio.h>

/* For a terminal, and for lines: printable ASCII as it is, a backslash doubled, every other byte as \xNN. Allocated. */
char *text_escape(const char *s);
/* For JSON: valid UTF-8 as it is, every other byte becomes U+FFFD. Allocated. */
char *text_utf8(const char *s);
/* The same as a JSON string with its quotes. */
void text_json(FILE *out, const char *s);

#endif
