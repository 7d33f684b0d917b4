/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <errno.h>
#include <string.h>

#include "record.h"

int lookup_name(struct conn *c, const struct call *call, uint32_t flags, const char *name, int namelen,
		struct answer *ret)
{
	struct name_request m = {.flags = flags};
	struct wire_wr w;

	if (!name || namelen < 1 || namelen > ROOT_NAME_MAX || memchr(name, '\0', (size_t)namelen))
		return -EINVAL;
	m.name = (struct str){name, (size_t)namelen};
	call_begin(c, call, &w);
	return call_run(c, call, put_name_request(&w, &m), ret);
}

int lookup_record(struct conn *c, struct answer *a, struct root_container *ret)
{
	struct container_record m;

	if (get_container_record(&a->body, &m) || !record_container(ret, &m))
		return call_nonsense(c, a);
	return 0;
}
