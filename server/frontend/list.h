/* SPDX-License-Identifier: MIT */
/*
 * Doubly linked rings. Runs in: frontend.
 *
 * The head is a node too. Every step costs the same however long the ring is: no client can make another one's step
 * longer.
 */
#ifndef FRONTEND_LIST_H
#define FRONTEND_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct node {
	struct node *prev, *next;
};

static inline void list_init(struct node *n)
{
	n->prev = n->next = n;
}

static inline bool list_empty(const struct node *head)
{
	return head->next == head;
}

/* Out of whatever ring it is in; harmless when it is in none. */
static inline void list_remove(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* @n was initialised; it leaves the ring that it is in. */
static inline void list_append(struct node *head, struct node *n)
{
	list_remove(n);
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_prepend(struct node *head, struct node *n)
{
	list_remove(n);
	list_append(head->next, n);
}

/* All of @from goes behind what @head has. */
static inline void list_move_all(struct node *head, struct node *from)
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
