/* SPDX-License-Identifier: MIT */
/*
 * Listings. The caller's array and the server's page need not be of one size: what of a page does not fit is asked for again,
 * by a cursor that the library makes.
 */
#include <errno.h>

#include "call.h"
#include "record.h"

#define LIST_END UINT64_MAX /* the caller's cursor after the last page: nothing is asked any more */

static const struct call container_call = {
	.request = MSG_CONTAINER_LIST,
	.reply = MSG_CONTAINERS,
	.flags = CALL_RESEND,
	.statuses = CALL_COMMON | CALL_STATUS(TIMED_OUT),
};
static const struct call program_call = {
	.request = MSG_PROGRAM_LIST,
	.reply = MSG_PROGRAMS,
	.flags = CALL_RESEND,
	.statuses = CALL_COMMON | CALL_STATUS(TIMED_OUT),
};

static int list_get(int fd, unsigned flags, unsigned known, const uint64_t *cursor, const void *records,
		    size_t recordsize, int count, struct conn **ret_conn)
{
	int r = conn_get(fd, ret_conn);

	if (r)
		return r;
	return flags & ~known || !cursor || !records || !recordsize || count < 1 ? -EINVAL : 0;
}

static int ask(struct conn *c, const struct call *call, unsigned flags, uint64_t cursor, struct answer *ret)
{
	struct list_request m = {.cursor = cursor, .flags = flags};
	struct wire_wr w;

	call_begin(c, call, &w);
	return call_run(c, call, put_list_request(&w, &m), ret);
}

/*
 * A page is read twice: to its end, to see that it is well-formed, and then into the caller's records (NULL the first time),
 * so that an error leaves them as they were.
 */
typedef int page_reader(struct wire_rd rd, uint64_t *cursor, char *records, size_t recordsize, int count);

static int list(struct conn *c, const struct call *call, unsigned flags, page_reader *read_page, int shift,
		uint64_t *cursor, void *records, size_t recordsize, int count)
{
	uint64_t at = *cursor, check;
	int r = 0;

	while (!r && at != LIST_END) {
		struct answer a;

		r = ask(c, call, flags, at >> shift, &a);
		if (r)
			return r;
		check = at;
		if (read_page(a.body, &check, NULL, recordsize, count) < 0)
			return call_nonsense(c, &a);
		r = read_page(a.body, &at, records, recordsize, count);
	}
	*cursor = at;
	return r;
}

/* Containers come in the order of their rids, and the cursor is the last one seen: any of them can be the last of a call. The
 * number filled, or -EPROTO. */
static int container_page(struct wire_rd rd, uint64_t *cursor, char *records, size_t recordsize, int count)
{
	uint64_t next, last = *cursor;
	uint16_t n;
	int filled = 0;

	get_page(&rd, &next, &n);
	for (uint16_t i = 0; i < n && !rd.bad; i++) {
		struct container_record m;
		struct root_container full;

		page_next_container(&rd, &m);
		if (rd.bad || m.rid <= last || m.rid == LIST_END || !record_container(&full, &m))
			return -EPROTO;
		last = m.rid;
		if (filled == count)
			continue;
		if (records)
			record_give(records + (size_t)filled * recordsize, recordsize, &full, sizeof(full));
		filled++;
		*cursor = last;
	}
	if (wire_rd_done(&rd) || (next && next < last) || (next && next <= *cursor && !filled))
		return -EPROTO;
	if (filled == n)
		*cursor = next ? next : LIST_END;
	return filled;
}

int rootContainerList(int fd, unsigned flags, uint64_t *cursor, struct root_container *records, size_t recordsize,
		      int count)
{
	struct conn *c;
	int r;

	r = list_get(fd, flags, ROOT_LIST_HOSTNAMES, cursor, records, recordsize, count, &c);
	if (r)
		return r;
	return list(c, &container_call, flags & ROOT_LIST_HOSTNAMES ? LIST_HOSTNAMES : 0, container_page, 0, cursor,
		    records, recordsize, count);
}

/*
 * Programs carry no number. The caller's cursor is the server's cursor of a page and how many of that page were handed
 * out already.
 */
#define SKIP_BITS 16

static int program_page(struct wire_rd rd, uint64_t *cursor, char *records, size_t recordsize, int count)
{
	uint64_t at = *cursor >> SKIP_BITS, next;
	uint16_t skip = *cursor & UINT16_MAX, n;
	int filled = 0;

	get_page(&rd, &next, &n);
	for (uint16_t i = 0; i < n && !rd.bad; i++) {
		struct program_record m;
		struct root_program full;

		page_next_program(&rd, &m);
		if (rd.bad || !record_program(&full, &m))
			return -EPROTO;
		if (i < skip || filled == count)
			continue;
		if (records)
			record_give(records + (size_t)filled * recordsize, recordsize, &full, sizeof(full));
		filled++;
	}
	if (wire_rd_done(&rd) || (next && next <= at) || next >= LIST_END >> SKIP_BITS)
		return -EPROTO;
	if (skip + filled >= n)
		*cursor = next ? next << SKIP_BITS : LIST_END;
	else
		*cursor += (uint64_t)filled;
	return filled;
}

int rootProgramList(int fd, unsigned flags, uint64_t *cursor, struct root_program *records, size_t recordsize,
		    int count)
{
	struct conn *c;
	int r;

	r = list_get(fd, flags, 0, cursor, records, recordsize, count, &c);
	if (r)
		return r;
	return list(c, &program_call, 0, program_page, SKIP_BITS, cursor, records, recordsize, count);
}
