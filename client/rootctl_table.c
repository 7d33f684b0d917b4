/* SPDX-License-Identifier: MIT */
#include "rootctl_table.h"

#include <stdlib.h>

#include "rootctl_text.h"

static void must(int r)
{
	if (r)
		(void)must_alloc(NULL);
}

struct libscols_table *table_new(bool json, const char *name, const struct column *columns, size_t n)
{
	struct libscols_table *t = must_alloc(scols_new_table());

	must(scols_table_set_name(t, name));
	must(scols_table_enable_json(t, json) < 0);
	/* Everything is made fit to be shown before it goes into a cell, whatever the locale. */
	must(scols_table_enable_noencoding(t, 1) < 0);
	for (size_t i = 0; i < n; i++) {
		struct libscols_column *c = must_alloc(scols_table_new_column(t, columns[i].name, 0, columns[i].flags));

		must(scols_column_set_json_type(c, columns[i].json_type));
	}
	return t;
}

struct libscols_line *table_line(struct libscols_table *t)
{
	return must_alloc(scols_table_new_line(t, NULL));
}

void table_cell(struct libscols_table *t, struct libscols_line *line, size_t column, const char *text)
{
	bool json = scols_table_is_json(t);

	if (*text)
		must(scols_line_refer_data(line, column, json ? text_utf8(text) : text_escape(text)));
	else if (!json)
		must(scols_line_set_data(line, column, "-"));
}

void table_number(struct libscols_table *t, struct libscols_line *line, size_t column, int32_t n)
{
	char text[16] = "";

	if (n)
		(void)snprintf(text, sizeof(text), "%d", n);
	table_cell(t, line, column, text);
}

void table_word(struct libscols_line *line, size_t column, const char *word)
{
	must(scols_line_set_data(line, column, word));
}

void table_hide(struct libscols_table *t, size_t column)
{
	struct libscols_column *c = must_alloc(scols_table_get_column(t, column));

	must(scols_column_set_flags(c, scols_column_get_flags(c) | SCOLS_FL_HIDDEN));
}

int table_print(struct libscols_table *t)
{
	int r = scols_print_table(t);

	scols_unref_table(t);
	if (r) {
		complain_text("the table cannot be printed: check standard output");
		return ROOTCTL_FAILED;
	}
	return ROOTCTL_OK;
}
