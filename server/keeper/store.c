/* SPDX-License-Identifier: MIT */
/*
 * Labelled descriptors that outlive the monitor. Runs in: keeper.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "store.h"

/* From the end: what came last is asked for most. */
struct item *store_find(struct store *s, uint64_t key)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->items[i].key == key)
			return &s->items[i];
	return NULL;
}

static int grow(struct store *s)
{
	size_t size = s->size ? 2 * s->size : 64;
	struct item *items;

	if (s->n >= (s->max ? s->max : STORE_MAX))
		return -ENOSPC;
	if (s->n < s->size)
		return 0;
	items = reallocarray(s->items, size, sizeof(*items));
	if (!items)
		return -ENOMEM;
	s->items = items;
	s->size = size;
	return 0;
}

int store_put(struct store *s, const struct ipc_item *m, int fd)
{
	autoclose int own = fd;
	struct item *item = store_find(s, m->key);
	/* One byte more, so that an empty record is not NULL. */
	char *record = malloc(m->record.len + 1);
	int r = record ? 0 : -ENOMEM;

	if (r == 0 && !item)
		r = own < 0 ? -ENOENT : grow(s);
	if (r < 0) {
		free(record);
		return r;
	}
	if (!item) {
		item = &s->items[s->n++];
		*item = (struct item){.key = m->key, .fd = -1};
	}
	if (m->record.len > 0)
		memcpy(record, m->record.p, m->record.len);
	free(item->record);
	item->record = record;
	item->record_len = m->record.len;
	item->kind = m->kind;
	item->known = true;
	if (own >= 0) {
		close_fd(&item->fd);
		item->fd = take_fd(&own);
		item->pid = m->pid;
		item->exited = item->status = 0;
		item->told = false;
	}
	return 0;
}

static void let_go(struct item *item)
{
	close_fd(&item->fd);
	free(item->record);
}

void store_drop(struct store *s, uint64_t key)
{
	struct item *item = store_find(s, key);
	size_t after;

	if (!item)
		return;
	let_go(item);
	after = (size_t)(s->items + s->n - (item + 1));
	memmove(item, item + 1, after * sizeof(*item));
	s->n--;
}

struct item *store_exited(struct store *s, uint32_t pid, uint32_t status)
{
	/* From the end: should the number be in use again because a monitor died between reaping and dropping, the
	 * later item is the one that it belongs to. */
	for (size_t i = s->n; i-- > 0;) {
		struct item *item = &s->items[i];

		if (item->pid == pid && pid != 0 && !item->exited) {
			item->exited = 1;
			item->status = status;
			item->told = false;
			return item;
		}
	}
	return NULL;
}

void store_forget_known(struct store *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->items[i].known = s->items[i].told = false;
}

void store_fini(struct store *s)
{
	for (size_t i = 0; i < s->n; i++)
		let_go(&s->items[i]);
	free(s->items);
	*s = (struct store){0};
}
