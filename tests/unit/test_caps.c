/* SPDX-License-Identifier: MIT */
/* Capability sets: what is read is what the kernel has, and a word that is no capability is never taken for one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include "../../server/common/caps.h"
#include "sub.h"

#define TWO (CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_KILL))

static void words_become_bits(void **state)
{
	char bad[64] = "untouched";
	uint64_t mask = 1;

	(void)state;
	assert_int_equal(caps_parse("cap_net_raw, CAP_KILL\tcap_Net_Raw", &mask, bad, sizeof(bad)), 0);
	assert_true(mask == TWO);
	assert_int_equal(caps_parse("", &mask, bad, sizeof(bad)), 0);
	assert_true(mask == 0);
	mask = 1;
	assert_int_equal(caps_parse(" None ", &mask, bad, sizeof(bad)), 0);
	assert_true(mask == 0);
	assert_string_equal(bad, "untouched");
}

static void what_is_no_capability_is_refused_by_name(void **state)
{
	/* Numbers, masks, sets and signs are what libcap's own texts may hold; a configuration may not. */
	static const char *const refused[] = {
		"cap_net_rawx",
		"net_raw",
		"13",
		"0x2000",
		"all",
		"=ep",
		"cap_kill+ep",
		"cap_",
		"cap_13",
		"none cap_kill",
		"none none",
		"cap_kill none",
		"cap_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	char bad[64];
	uint64_t mask = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		memset(bad, 0, sizeof(bad));
		assert_int_equal(caps_parse(refused[i], &mask, bad, sizeof(bad)), -EINVAL);
		assert_true(bad[0] != '\0' && strstr(refused[i], bad));
	}
	assert_int_equal(caps_parse("cap_kill cap_kil", &mask, bad, sizeof(bad)), -EINVAL);
	assert_string_equal(bad, "cap_kil");
	assert_true(mask == 77);
	/* A small buffer is not overrun. */
	assert_int_equal(caps_parse("abcdefgh", &mask, bad, 4), -EINVAL);
	assert_string_equal(bad, "abc");
}

static void bits_become_words(void **state)
{
	char text[128];
	uint64_t mask;

	(void)state;
	assert_string_equal(caps_format(TWO, text, sizeof(text)), "cap_kill cap_net_raw");
	assert_string_equal(caps_format(0, text, sizeof(text)), "none");
	assert_string_equal(caps_format(TWO, text, 6), "cap_k");
	assert_string_equal(caps_format(UINT64_MAX, text, 1), "");
	assert_int_equal(caps_parse(caps_format(TWO, text, sizeof(text)), &mask, text, 0), 0);
	assert_true(mask == TWO);
}

static void reading_agrees_with_the_kernel(void **state)
{
	struct caps c;
	uint64_t bounding = 0;

	(void)state;
	assert_int_equal(caps_read(&c), 0);
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			bounding |= CAPS_BIT(cap);
	assert_true(c.bounding == bounding);
	assert_true((c.effective & ~c.permitted) == 0);
	assert_true((c.ambient & ~(c.permitted & c.inheritable)) == 0);
}

static int sets(const void *arg)
{
	struct caps c;

	(void)arg;
	EXPECT(caps_limit_bounding(TWO) == 0);
	EXPECT(caps_set(TWO) == 0);
	EXPECT(caps_read(&c) == 0);
	EXPECT(c.bounding == TWO && c.permitted == TWO && c.effective == TWO && c.inheritable == TWO && c.ambient == 0);
	EXPECT(caps_raise_ambient(CAPS_BIT(CAP_KILL)) == 0);
	EXPECT(caps_read(&c) == 0);
	EXPECT(c.ambient == CAPS_BIT(CAP_KILL));
	/* What is gone does not come back, and asking says so. */
	EXPECT(caps_set(TWO | CAPS_BIT(CAP_SYS_ADMIN)) == -EPERM);
	EXPECT(caps_raise_ambient(CAPS_BIT(CAP_SYS_ADMIN)) == -EPERM);
	EXPECT(caps_limit_bounding(0) == -EPERM);
	EXPECT(caps_set_final(CAPS_BIT(CAP_NET_RAW)) == 0);
	EXPECT(caps_read(&c) == 0);
	EXPECT(c.permitted == CAPS_BIT(CAP_NET_RAW) && c.effective == CAPS_BIT(CAP_NET_RAW));
	EXPECT(c.inheritable == 0 && c.ambient == 0 && c.bounding == TWO);
	EXPECT(caps_set_final(0) == 0);
	EXPECT(caps_read(&c) == 0);
	EXPECT(c.permitted == 0 && c.effective == 0);
	return 0;
}

static void sets_become_what_was_asked_and_no_more(void **state)
{
	struct caps c;

	(void)state;
	assert_int_equal(caps_read(&c), 0);
	SKIP_IF(!(c.effective & CAPS_BIT(CAP_SETPCAP)) || (TWO & ~c.permitted), "needs root's capabilities");
	assert_exit(sub_run(sets, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_bits),
		cmocka_unit_test(what_is_no_capability_is_refused_by_name),
		cmocka_unit_test(bits_become_words),
		cmocka_unit_test(reading_agrees_with_the_kernel),
		cmocka_unit_test(sets_become_what_was_asked_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
