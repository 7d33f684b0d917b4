/* SPDX-License-Identifier: MIT */
/* What is defended: no change of a watched directory is missed, and none is told to who no longer listens. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/common/loop.h"
#include "../../server/resolver/chain.h"
#include "../../server/resolver/mem.h"
#include "resolver_rig.h"

struct ear {
	struct listener listener;
	unsigned count;
	uint32_t masks;
	char last[64];
	/* What it does when it hears something. */
	struct rig *g;
	struct listener *removes, *adds;
	const char *where;
};

static void heard(struct listener *l, uint32_t mask, const char *name)
{
	struct ear *e = container_of(l, struct ear, listener);

	e->count++;
	e->masks |= mask;
	(void)snprintf(e->last, sizeof(e->last), "%s", name);
	if (e->removes)
		watch_remove(&e->g->watch, e->removes);
	if (e->adds) {
		int fd = open(e->where, O_PATH | O_CLOEXEC);

		(void)watch_add(&e->g->watch, e->adds, fd, WATCH_NAMES);
		(void)close(fd);
	}
}

static void listen_to(struct rig *g, struct ear *e, const char *name)
{
	int fd = open(rig_path(g, name), O_PATH | O_DIRECTORY | O_CLOEXEC);

	e->listener.event = heard;
	e->g = g;
	assert_int_equal(watch_add(&g->watch, &e->listener, fd, WATCH_NAMES), 0);
	(void)close(fd);
}

static void drain(struct rig *g)
{
	assert_int_equal(watch_drain(&g->watch), 0);
}

static void who_listens_hears(void **state)
{
	struct rig *g = *state;
	struct ear a = {0}, b = {0};

	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	listen_to(g, &b, "d"); /* the same directory */
	listen_to(g, &b, "d"); /* twice is once */
	rig_mkdir(g, "d/x");
	drain(g);
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 1);
	assert_string_equal(a.last, "x");
	watch_remove(&g->watch, &a.listener);
	watch_remove(&g->watch, &a.listener);
	rig_rmtree(g, "d/x");
	drain(g);
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 2);
	watch_remove(&g->watch, &b.listener);
	rig_mkdir(g, "d/y");
	drain(g);
	assert_int_equal(b.count, 2);
	listen_to(g, &b, "d");
	rig_mkdir(g, "d/z");
	drain(g);
	assert_string_equal(b.last, "z");
	watch_remove(&g->watch, &b.listener);
	assert_false(g->watch.overflow);
}

static void listeners_of_one_directory_may_want_different_things(void **state)
{
	struct rig *g = *state;
	struct ear a = {0}, b = {.listener.event = heard};
	int fd;

	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	fd = open(rig_path(g, "d"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(watch_add(&g->watch, &b.listener, fd, IN_CLOSE_WRITE), 0);
	(void)close(fd);
	rig_scribble(g, "d/x", "", 0); /* created, then closed */
	drain(g);
	assert_int_equal(a.masks, IN_CREATE);
	assert_int_equal(b.masks, IN_CLOSE_WRITE);
	watch_remove(&g->watch, &a.listener);
	watch_remove(&g->watch, &b.listener);
}

static void events_of_before_the_removal_are_not_told(void **state)
{
	struct rig *g = *state;
	struct ear a = {0}, b = {0};

	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	rig_mkdir(g, "d/x");
	watch_remove(&g->watch, &a.listener);
	listen_to(g, &b, "d");
	drain(g);
	assert_int_equal(a.count, 0);
	assert_int_equal(b.count, 0); /* x was there before b listened */
	watch_remove(&g->watch, &b.listener);
}

static void listeners_may_remove_themselves_and_each_other(void **state)
{
	struct rig *g = *state;
	struct ear a = {0}, b = {0}, c = {0};

	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	listen_to(g, &b, "d");
	listen_to(g, &c, "d");
	c.removes = &b.listener; /* c is asked first: the one after it goes */
	a.removes = &a.listener;
	rig_mkdir(g, "d/x");
	rig_mkdir(g, "d/y");
	drain(g);
	assert_int_equal(c.count, 2);
	assert_int_equal(b.count, 0);
	assert_int_equal(a.count, 1);
	c.removes = &c.listener;
	rig_mkdir(g, "d/z");
	drain(g);
	assert_int_equal(c.count, 3);
	assert_int_equal(g->watch.by_wd.count, 0);
	/* The last one leaves and comes back in the same call. */
	listen_to(g, &a, "d");
	a.removes = a.adds = &a.listener;
	a.where = rig_path(g, "d");
	a.count = 0;
	rig_mkdir(g, "d/v");
	drain(g);
	rig_mkdir(g, "d/w");
	drain(g);
	assert_int_equal(a.count, 2);
	watch_remove(&g->watch, &a.listener);
}

static void a_directory_that_goes_says_so_and_is_forgotten(void **state)
{
	struct rig *g = *state;
	struct ear a = {0}, b = {0};

	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	listen_to(g, &b, "d");
	a.removes = &b.listener;
	b.removes = &a.listener;
	rig_rmtree(g, "d");
	drain(g);
	assert_true((a.masks | b.masks) & IN_IGNORED);
	assert_null(a.listener.on);
	assert_null(b.listener.on);
	assert_int_equal(g->watch.by_wd.count, 0);
}

static void an_overflow_is_noticed(void **state)
{
	struct rig *g = *state;
	struct ear a = {0};
	char name[64];
	unsigned max = 16384;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	if (f) {
		if (fscanf(f, "%u", &max) != 1)
			max = 16384;
		(void)fclose(f);
	}
	if (max > 100000) {
		print_message("# skipped: a queue of %u events takes too long to fill\n", max);
		skip();
	}
	rig_mkdir(g, "d");
	listen_to(g, &a, "d");
	for (unsigned i = 0; i <= max / 2; i++) {
		(void)snprintf(name, sizeof(name), "d/%u", i % 7);
		rig_mkdir(g, name);
		(void)rmdir(rig_path(g, name));
	}
	drain(g);
	assert_true(g->watch.overflow);
	watch_remove(&g->watch, &a.listener);
}

/* --- Paths that may not exist */

struct path {
	struct chain chain;
	unsigned moves;
};

static void moved(struct chain *c)
{
	container_of(c, struct path, chain)->moves++;
}

static void expect(struct rig *g, struct path *p, unsigned moves, bool there)
{
	struct place none = {0};

	drain(g);
	chain_settle(&p->chain);
	assert_int_equal(p->moves, moves);
	assert_int_equal(!place_equal(p->chain.place, none), there);
}

static void a_path_is_noticed_however_it_comes_and_goes(void **state)
{
	struct rig *g = *state;
	struct path p = {.chain.moved = moved};

	chain_open(&p.chain, &g->watch, rig_path(g, "a/b//c/"));
	expect(g, &p, 0, false);
	rig_mkdir(g, "a");
	expect(g, &p, 0, false);
	rig_mkdir(g, "a/other");
	drain(g);
	assert_false(p.chain.dirty);
	expect(g, &p, 0, false);
	rig_mkdir(g, "a/b"); /* two at once: the second was made before anybody watched */
	rig_mkdir(g, "a/b/c");
	expect(g, &p, 1, true);
	rig_mkdir(g, "a/b/c/inside");
	expect(g, &p, 1, true);
	rig_rmtree(g, "a/b/c");
	expect(g, &p, 2, false);
	rig_mkdir(g, "a/b/c");
	expect(g, &p, 3, true);
	/* Replaced by another of the same name, between two looks. */
	assert_int_equal(rename(rig_path(g, "a/b/c"), rig_path(g, "a/b/old")), 0);
	rig_mkdir(g, "a/b/c");
	expect(g, &p, 4, true);
	/* A parent is moved away: the directory itself hears nothing of it. */
	assert_int_equal(rename(rig_path(g, "a"), rig_path(g, "z")), 0);
	expect(g, &p, 5, false);
	rig_mkdir(g, "z/b/c/d");
	assert_int_equal(rename(rig_path(g, "z"), rig_path(g, "a")), 0);
	expect(g, &p, 6, true);
	/* A file is no directory. */
	rig_rmtree(g, "a/b/c");
	rig_put(g, "a/b/c", "", 0);
	expect(g, &p, 7, false);
	chain_close(&p.chain);
}

static void links_on_the_way_are_followed(void **state)
{
	struct rig *g = *state;
	struct path p = {.chain.moved = moved};

	rig_mkdir(g, "real");
	rig_mkdir(g, "real/c");
	rig_mkdir(g, "real2");
	rig_mkdir(g, "real2/c");
	chain_open(&p.chain, &g->watch, rig_path(g, "link/c"));
	expect(g, &p, 0, false);
	assert_int_equal(symlink("real", rig_path(g, "link")), 0);
	expect(g, &p, 1, true);
	rig_rmtree(g, "real/c"); /* told by the directory behind the link */
	expect(g, &p, 2, false);
	assert_int_equal(symlink("real2", rig_path(g, "new")), 0);
	assert_int_equal(rename(rig_path(g, "new"), rig_path(g, "link")), 0);
	expect(g, &p, 3, true);
	chain_close(&p.chain);
}

static void two_paths_share_their_parents(void **state)
{
	struct rig *g = *state;
	struct path p = {.chain.moved = moved}, q = {.chain.moved = moved};

	rig_mkdir(g, "a");
	chain_open(&p.chain, &g->watch, rig_path(g, "a/p"));
	chain_open(&q.chain, &g->watch, rig_path(g, "a/q"));
	expect(g, &p, 0, false);
	expect(g, &q, 0, false);
	rig_mkdir(g, "a/q");
	expect(g, &p, 0, false);
	expect(g, &q, 1, true);
	chain_close(&p.chain);
	rig_rmtree(g, "a/q");
	expect(g, &q, 2, false);
	chain_close(&q.chain);
}

/* --- The table below all that */

struct thing {
	struct map_node node;
	unsigned key;
};

static void a_map_finds_what_is_in_it_and_nothing_else(void **state)
{
	static struct thing things[5000];
	struct map m = {0};
	unsigned seen = 0;

	(void)state;
	assert_null(map_find(&m, 1));
	assert_null(map_any(&m));
	for (unsigned i = 0; i < 5000; i++) {
		things[i].key = i;
		map_insert(&m, &things[i].node, map_hash_number(i / 2)); /* two of each hash */
	}
	MAP_EACH(&m, i, n)
	seen++;
	assert_int_equal(seen, 5000);
	for (unsigned i = 0; i < 5000; i += 2)
		map_remove(&m, &things[i].node);
	assert_int_equal(m.count, 2500);
	for (unsigned i = 0; i < 5000; i++) {
		struct map_node *n = map_find(&m, map_hash_number(i / 2));

		assert_non_null(n);
		assert_int_equal(container_of(n, struct thing, node)->key, i | 1);
		assert_null(map_find_next(n));
	}
	assert_null(map_find(&m, map_hash_number(123456)));
	map_fini(&m);
	assert_int_equal(map_hash_text("abc"), map_hash("abcd", 3));
	assert_int_not_equal(map_hash_text("abc"), map_hash_text("abd"));
	assert_int_not_equal(map_hash_text("ab"), map_hash_text("ba"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_listens_hears),
		T(listeners_of_one_directory_may_want_different_things),
		T(events_of_before_the_removal_are_not_told),
		T(listeners_may_remove_themselves_and_each_other),
		T(a_directory_that_goes_says_so_and_is_forgotten),
		T(an_overflow_is_noticed),
		T(a_path_is_noticed_however_it_comes_and_goes),
		T(links_on_the_way_are_followed),
		T(two_paths_share_their_parents),
		cmocka_unit_test(a_map_finds_what_is_in_it_and_nothing_else),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
