/* SPDX-License-Identifier: MIT */
#include "rootctl_known.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "rootctl.h"

static int compare(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* An engine's and a user's name have no line's end in them. */
static char *key_of(const struct root_container *c)
{
	char *key;

	if (asprintf(&key, "%s\n%s\n%s", c->engine, c->user, c->id) < 0)
		(void)must_alloc(NULL);
	return key;
}

static void free_one(struct known *k)
{
	free(k->key);
	free(k->name);
	free(k->engine);
	free(k->id);
	free(k);
}

struct known *known_get(struct known_set *s, const struct root_container *c, bool *ret_new)
{
	const char *name = *c->name ? c->name : c->id;
	struct known wanted = {.key = key_of(c)}, *k;
	void *found = tfind(&wanted, &s->tree, compare);

	*ret_new = !found;
	if (found) {
		k = *(struct known **)found;
		free(wanted.key);
	} else {
		k = must_alloc(calloc(1, sizeof(*k)));
		k->key = wanted.key;
		k->engine = must_alloc(strdup(c->engine));
		k->id = must_alloc(strdup(c->id));
		k->exit_status = ROOT_EXIT_UNKNOWN;
		k->next = s->first;
		s->first = k;
		(void)must_alloc(tsearch(k, &s->tree, compare));
	}
	if (!k->name || strcmp(k->name, name)) {
		free(k->name);
		k->name = must_alloc(strdup(name));
	}
	k->round = s->round;
	return k;
}

/* Takes the entry that @link points to out. */
static void drop(struct known_set *s, struct known **link)
{
	struct known *k = *link;

	(void)tdelete(k, &s->tree, compare);
	*link = k->next;
	free_one(k);
}

void known_remove(struct known_set *s, const struct root_container *c)
{
	char *key = key_of(c);

	for (struct known **link = &s->first; *link; link = &(*link)->next) {
		if (strcmp((*link)->key, key))
			continue;
		drop(s, link);
		break;
	}
	free(key);
}

void known_begin(struct known_set *s)
{
	s->round++;
}

void known_sweep(struct known_set *s, void (*gone)(const struct known *k, void *data), void *data)
{
	for (struct known **link = &s->first; *link;) {
		if ((*link)->round == s->round) {
			link = &(*link)->next;
			continue;
		}
		gone(*link, data);
		drop(s, link);
	}
}

void known_free(struct known_set *s)
{
	while (s->first)
		drop(s, &s->first);
}
