/* SPDX-License-Identifier: MIT */
/*
 * Tables. Runs in: rootctl. Trusts: no cell's text.
 */
#ifndef ROOTCTL_TABLE_H
#define ROOTCTL_TABLE_H

#include <libsmartcols/libsmartcols.h>

#include "rootctl.h"

struct column {
	const char *name;
	int json_type;
	int flags;
};

/* All of these end the command when there is no memory. */
struct libscols_table *table_new(bool json, const char *name, const struct column *columns, size_t n);
struct libscols_line *table_line(struct libscols_table *t);
/* Made fit to be shown; empty is null in JSON, and "-" in a table. */
void table_cell(struct libscols_table *t, struct libscols_line *line, size_t column, const char *text);
void table_number(struct libscols_table *t, struct libscols_line *line, size_t column, int32_t n);
/* The broker's own word, as it is. */
void table_word(struct libscols_line *line, size_t column, const char *word);
void table_hide(struct libscols_table *t, size_t column);
/* Prints and frees it; the exit status. */
int table_print(struct libscols_table *t);

#endif
