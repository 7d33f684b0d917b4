/* SPDX-License-Identifier: MIT */
/* The event loop: nothing is called after it was removed, timers come in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/common/loop.h"

static struct loop loop;

struct counter {
	struct source source;
	struct counter *victim;
	int calls;
};

static void count_and_remove(struct source *s, uint32_t events)
{
	struct counter *c = container_of(s, struct counter, source);

	(void)events;
	c->calls++;
	if (c->victim) {
		loop_del(&loop, &c->victim->source);
		(void)close(c->victim->source.fd);
		free(c->victim);
		c->victim = NULL;
	}
}

static struct counter *new_counter(void)
{
	struct counter *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->source = (struct source){.fd = eventfd(1, EFD_CLOEXEC), .ready = count_and_remove};
	assert_int_equal(loop_add(&loop, &c->source, EPOLLIN), 0);
	return c;
}

static void a_source_freed_by_another_callback_is_not_called(void **state)
{
	struct counter *a, *b;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	a = new_counter();
	b = new_counter();
	/* Both are ready in one batch, and whichever comes first frees the other: the sanitizer build sees a use after free. */
	a->victim = b;
	b->victim = NULL;
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(a->calls, 1);
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(a->calls, 2);
	loop_del(&loop, &a->source);
	(void)close(a->source.fd);
	free(a);
	loop_fini(&loop);
}

static void a_paused_source_is_silent(void **state)
{
	struct counter *a;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	a = new_counter();
	assert_int_equal(loop_mod(&loop, &a->source, 0), 0);
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(a->calls, 0);
	assert_int_equal(loop_mod(&loop, &a->source, EPOLLIN), 0);
	assert_int_equal(loop_once(&loop, 0), 0);
	assert_int_equal(a->calls, 1);
	loop_del(&loop, &a->source);
	loop_del(&loop, &a->source); /* harmless */
	(void)close(a->source.fd);
	free(a);
	loop_fini(&loop);
}

static char order[16];
static struct timer timers[3];

static void note(struct timer *t)
{
	order[strlen(order)] = (char)('a' + (t - timers));
	if (strlen(order) == 2)
		loop_stop(&loop);
}

static void timers_expire_in_order_and_can_be_cancelled(void **state)
{
	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	memset(order, 0, sizeof(order));
	for (int i = 0; i < 3; i++)
		timers[i] = (struct timer){.expired = note};
	timer_set(&loop, &timers[0], 20);
	timer_set(&loop, &timers[1], 10);
	timer_set(&loop, &timers[2], 15);
	timer_cancel(&loop, &timers[2]);
	timer_set(&loop, &timers[0], 30); /* again: later */
	assert_int_equal(loop_run(&loop), 0);
	assert_string_equal(order, "ba");
	assert_null(loop.timers);
	assert_null(loop.last_timer);
	loop_fini(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_freed_by_another_callback_is_not_called),
		cmocka_unit_test(a_paused_source_is_silent),
		cmocka_unit_test(timers_expire_in_order_and_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
