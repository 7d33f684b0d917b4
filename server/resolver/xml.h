/* SPDX-License-Identifier: MIT */
/*
 * A small strict scanner of XML, for finding a few elements of a file that an engine wrote. Runs in: resolver. Trusts: nothing.
 *
 * What is not well-formed is refused, as far as it is looked at; so are DOCTYPE, and entities other than XML's own and characters'
 * numbers. CDATA, comments and processing instructions are passed over. Nothing is allocated, and nothing is followed.
 */
#ifndef RESOLVER_XML_H
#define RESOLVER_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "../../proto/wire.h"

#define XML_DEPTH_MAX 256

enum xml_event {
	XML_END, /* of the document, which has been well-formed */
	XML_OPEN, /* an element; its attributes can be asked for */
	XML_CLOSE,
	XML_TEXT, /* in the element that is open */
};

struct xml {
	struct str rest; /* not read yet */
	struct str open[XML_DEPTH_MAX]; /* names of the elements that are open */
	unsigned depth;
	bool empty; /* <x/>: its end comes next */
	bool closing; /* its name is taken off before the next event */
	bool rooted; /* the outermost element has begun */
	struct str attributes, text;
};

void xml_init(struct xml *x, struct str text);
/* enum xml_event, or -EBADMSG. At XML_CLOSE the element is still on the path. */
int xml_next(struct xml *x);
/* The element that is open is "a/b/c", from the outermost one. */
bool xml_is_at(const struct xml *x, const char *path);
/* After XML_OPEN: an attribute's value; false if there is none or it does not fit. */
bool xml_attribute(const struct xml *x, const char *name, char *buffer, size_t size);
/* What a text or a value means; false if it does not fit or is malformed. */
bool xml_decode(struct str raw, char *buffer, size_t size);

#endif
