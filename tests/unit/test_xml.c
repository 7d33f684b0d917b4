/* SPDX-License-Identifier: MIT */
/* What is defended: only well-formed XML is understood, wherever it is cut, and no byte behind its end is read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/resolver/xml.h"

/* Its events as "<a>", "</a>" and texts; "!" at the end if it is refused. */
static const char *events(const char *text, size_t len)
{
	static char said[1024];
	/* Of exactly that size: a byte too far is seen by the sanitizer. */
	char *copy = malloc(len ? len : 1);
	struct xml x;
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	xml_init(&x, (struct str){copy, len});
	said[0] = '\0';
	while ((r = xml_next(&x)) != XML_END && r >= 0) {
		struct str what = r == XML_TEXT ? x.text : x.open[x.depth - 1];
		size_t n = strlen(said);

		(void)snprintf(said + n, sizeof(said) - n, "%s%.*s%s",
			       r == XML_OPEN    ? "<"
			       : r == XML_CLOSE ? "</"
						: "",
			       (int)what.len, what.p, r == XML_TEXT ? "" : ">");
	}
	assert_true(r == XML_END || r == -EBADMSG);
	if (r < 0)
		strcat(said, "!");
	free(copy);
	return said;
}

static const char *all_events(const char *text)
{
	return events(text, strlen(text));
}

static void well_formed_documents_are_told(void **state)
{
	(void)state;
	assert_string_equal(all_events("<a/>"), "<a></a>");
	assert_string_equal(all_events("<?xml version='1.0'?>\n<!-- > -- <b> -->\n<a x='1' y=\">/\" ><b />t</a >\n"),
			    "<a><b></b>t</a>");
	assert_string_equal(all_events("<a>1<!--<c>--><![CDATA[</a>]]]]>2<?x <b>?><n:b/></a>"), "<a>12<n:b></n:b></a>");
}

static void what_is_malformed_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"x",
		"<a>",
		"<a></b>",
		"<a></a></a>",
		"<a/><b/>",
		"<a/>x",
		"x<a/>",
		"<a",
		"<a/",
		"<a / >",
		"< a/>",
		"<>",
		"</a>",
		"<a x/>",
		"<a x=1/>",
		"<a x='1/>",
		"<a x='1\"/>",
		"<a x='<'/>",
		"<a x='1'y='2'/>",
		"<a ='1'/>",
		"<!DOCTYPE a><a/>",
		"<![CDATA[x]]><a/>",
		"<a><![CDATA[x]]</a>",
		"<a><!-- --</a>",
		"<?xml <a/>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *said = all_events(bad[i]);

		if (said[strlen(said) - 1] != '!')
			fail_msg("%s: told as %s", bad[i], said);
	}
}

static void no_part_of_a_document_is_one(void **state)
{
	static const char whole[] = "<?xml?><a x='1'><b y=\"2\">t&amp;</b><!-- c --><c/><![CDATA[d]]></a>";

	(void)state;
	assert_string_equal(all_events(whole), "<a><b>t&amp;</b><c></c></a>");
	for (size_t n = 0; n < strlen(whole); n++) {
		const char *said = events(whole, n);

		assert_int_equal(said[strlen(said) - 1], '!');
	}
}

static void depth_is_bounded(void **state)
{
	char text[XML_DEPTH_MAX * 7 + 16] = "";
	struct xml x;
	int r;

	(void)state;
	for (int extra = 0; extra <= 1; extra++) {
		text[0] = '\0';
		for (int i = 0; i < XML_DEPTH_MAX + extra; i++)
			strcat(text, "<a>");
		for (int i = 0; i < XML_DEPTH_MAX + extra; i++)
			strcat(text, "</a>");
		xml_init(&x, str_of(text));
		while ((r = xml_next(&x)) > XML_END)
			;
		assert_int_equal(r, extra ? -EBADMSG : XML_END);
	}
}

static void paths_are_whole(void **state)
{
	struct xml x;

	(void)state;
	xml_init(&x, STR("<a><bc/></a>"));
	assert_int_equal(xml_next(&x), XML_OPEN);
	assert_true(xml_is_at(&x, "a"));
	assert_false(xml_is_at(&x, "a/bc"));
	assert_int_equal(xml_next(&x), XML_OPEN);
	assert_true(xml_is_at(&x, "a/bc"));
	assert_false(xml_is_at(&x, "a"));
	assert_false(xml_is_at(&x, "a/b"));
	assert_false(xml_is_at(&x, "a/bcd"));
	assert_false(xml_is_at(&x, "bc"));
	assert_int_equal(xml_next(&x), XML_CLOSE);
	assert_int_equal(xml_next(&x), XML_CLOSE);
	assert_true(xml_is_at(&x, "a"));
	assert_int_equal(xml_next(&x), XML_END);
	assert_false(xml_is_at(&x, ""));
}

static void attributes_by_name(void **state)
{
	char value[8];
	struct xml x;

	(void)state;
	xml_init(&x, STR("<a pid='12' q = \"&lt;'\" twice='1' twice='2' long='12345678' bad='&x;'/>"));
	assert_int_equal(xml_next(&x), XML_OPEN);
	assert_true(xml_attribute(&x, "pid", value, sizeof(value)));
	assert_string_equal(value, "12");
	assert_true(xml_attribute(&x, "q", value, sizeof(value)));
	assert_string_equal(value, "<'");
	assert_false(xml_attribute(&x, "twice", value, sizeof(value)));
	assert_false(xml_attribute(&x, "long", value, sizeof(value)));
	assert_false(xml_attribute(&x, "bad", value, sizeof(value)));
	assert_false(xml_attribute(&x, "pi", value, sizeof(value)));
}

static void entities_mean_one_thing(void **state)
{
	static const struct {
		const char *raw, *means; /* NULL: refused */
	} cases[] = {
		{"a&lt;&gt;&amp;&quot;&apos;b", "a<>&\"'b"},
		{"&amp;lt;", "&lt;"},
		{"&#65;&#x42;&#xe4;&#x20AC;&#x1F600;", "AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"&", NULL},
		{"&amp", NULL},
		{"&nbsp;", NULL},
		{"&;", NULL},
		{"&#;", NULL},
		{"&#x;", NULL},
		{"&#0;", NULL},
		{"&#xd800;", NULL},
		{"&#x110000;", NULL},
		{"&#99999999999999999999;", NULL},
		{"&#-1;", NULL},
	};
	char value[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = xml_decode(str_of(cases[i].raw), value, sizeof(value));

		assert_int_equal(good, cases[i].means != NULL);
		if (good)
			assert_string_equal(value, cases[i].means);
	}
	assert_false(xml_decode((struct str){"a\0b", 3}, value, sizeof(value)));
	assert_true(xml_decode(STR("abc"), value, 4));
	assert_false(xml_decode(STR("abcd"), value, 4));
	assert_false(xml_decode(STR("ab&#xe4;"), value, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_documents_are_told),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(no_part_of_a_document_is_one),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(paths_are_whole),
		cmocka_unit_test(attributes_by_name),
		cmocka_unit_test(entities_mean_one_thing),
	};

	return cmocka_run_group_tests_name("xml", tests, NULL, NULL);
}
