/* SPDX-License-Identifier: MIT */
/*
 * What is known of a container, and how.
 */
#include <errno.h>

#include "lookup.h"
#include "record.h"

#define FACTS_MAX 32 /* the header's promise: an array of so many always suffices */

static const struct call facts_call = LOOKUP(CONTAINER_FACTS, FACTS, 0, CALL_STATUS(AMBIGUOUS));

/* Reads the page, which is the only one, to its end; into @facts if that is not NULL. How many there are, or -EPROTO. */
static int read_facts(struct wire_rd rd, char *facts, size_t factsize)
{
	uint64_t next;
	uint16_t n;

	get_page(&rd, &next, &n);
	if (next || n > FACTS_MAX)
		return -EPROTO;
	for (uint16_t i = 0; i < n && !rd.bad; i++) {
		struct fact_record m;
		struct root_fact full;

		page_next_fact(&rd, &m);
		if (rd.bad || !record_fact(&full, &m))
			return -EPROTO;
		if (facts)
			record_give(facts + (size_t)i * factsize, factsize, &full, sizeof(full));
	}
	return wire_rd_done(&rd) ? -EPROTO : n;
}

int rootContainerFacts(int fd, const char *name, int namelen, struct root_fact *facts, size_t factsize, int count)
{
	struct answer a;
	struct conn *c;
	int r;

	r = conn_get(fd, &c);
	if (!r && (!facts || !factsize || count < 1))
		r = -EINVAL;
	if (!r)
		r = lookup_name(c, &facts_call, 0, name, namelen, &a);
	if (r)
		return r;
	r = read_facts(a.body, NULL, factsize);
	if (r < 0)
		return call_nonsense(c, &a);
	if (r > count)
		return -ENOSPC;
	return read_facts(a.body, (char *)facts, factsize);
}
