/* SPDX-License-Identifier: MIT */
/*
 * Doubly linked rings: the head and the links in what is listed are the same structure. Runs in: monitor, frontend.
 *
 * Every step costs the same however long the ring is: no client can make another one's step longer.
 */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include <stdbool.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* @l is in no list. */
static inline void list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Harmless for a link that is initialised and in no list. */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* @l was initialised; it leaves the list that it is in for the end of this one. */
static inline void list_move(struct list *head, struct list *l)
{
	list_remove(l);
	list_append(head, l);
}

/* All of @from goes behind what @head has. */
static inline void list_move_all(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

#endif
