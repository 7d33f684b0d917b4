/* SPDX-License-Identifier: MIT */
/*
 * Capability sets as 64-bit masks. Runs in: monitor, and each confined process at its start.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "caps.h"

#define MASK_BITS 64

static int read_flag(cap_t state, cap_flag_t flag, uint64_t *ret_mask)
{
	uint64_t mask = 0;
	cap_flag_value_t value;

	for (int cap = 0; cap < MASK_BITS; cap++) {
		/* The library knows no more from here on. */
		if (cap_get_flag(state, cap, flag, &value) < 0)
			break;
		if (value == CAP_SET)
			mask |= CAPS_BIT(cap);
	}
	*ret_mask = mask;
	return 0;
}

/* The bounding and ambient sets are asked bit by bit; the kernel says where its bits end. */
static int read_each(int (*get)(cap_value_t), uint64_t *ret_mask)
{
	uint64_t mask = 0;

	for (int cap = 0; cap < MASK_BITS; cap++) {
		int r = get(cap);

		if (r < 0 && cap == 0)
			return errno ? -errno : -EINVAL;
		if (r < 0)
			break;
		if (r > 0)
			mask |= CAPS_BIT(cap);
	}
	*ret_mask = mask;
	return 0;
}

int caps_read(struct caps *ret_caps)
{
	struct caps c = {0};
	cap_t state = cap_get_proc();
	int r;

	if (!state)
		return -errno;
	r = read_flag(state, CAP_EFFECTIVE, &c.effective);
	if (r == 0)
		r = read_flag(state, CAP_PERMITTED, &c.permitted);
	if (r == 0)
		r = read_flag(state, CAP_INHERITABLE, &c.inheritable);
	if (r == 0)
		r = read_each(cap_get_bound, &c.bounding);
	if (r == 0)
		r = read_each(cap_get_ambient, &c.ambient);
	(void)cap_free(state);
	if (r == 0)
		*ret_caps = c;
	return r;
}

int caps_limit_bounding(uint64_t keep)
{
	for (int cap = 0; cap < MASK_BITS; cap++) {
		int r = cap_get_bound(cap);

		if (r < 0)
			return cap > 0 ? 0 : -errno;
		if (r > 0 && !(keep & CAPS_BIT(cap)) && cap_drop_bound(cap) < 0)
			return -errno;
	}
	return 0;
}

static int raise_flag(cap_t state, cap_flag_t flag, uint64_t mask)
{
	for (cap_value_t cap = 0; cap < MASK_BITS; cap++)
		if ((mask & CAPS_BIT(cap)) && cap_set_flag(state, flag, 1, &cap, CAP_SET) < 0)
			return -errno;
	return 0;
}

static int set_all(uint64_t permitted, uint64_t inheritable)
{
	cap_t state = cap_init();
	int r;

	if (!state)
		return -errno;
	r = raise_flag(state, CAP_PERMITTED, permitted);
	if (r == 0)
		r = raise_flag(state, CAP_EFFECTIVE, permitted);
	if (r == 0)
		r = raise_flag(state, CAP_INHERITABLE, inheritable);
	if (r == 0 && cap_set_proc(state) < 0)
		r = -errno;
	(void)cap_free(state);
	return r;
}

int caps_set(uint64_t mask)
{
	return set_all(mask, mask);
}

int caps_set_final(uint64_t mask)
{
	/* Said, not left to the rule that ambient is within inheritable. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return set_all(mask, 0);
}

int caps_raise_ambient(uint64_t mask)
{
	for (int cap = 0; cap < MASK_BITS; cap++)
		if ((mask & CAPS_BIT(cap)) && cap_set_ambient(cap, CAP_SET) < 0)
			return -errno;
	return 0;
}

/* libcap's own lookup takes numbers, too; a configuration says names. */
static int parse_word(const char *word, uint64_t *mask)
{
	cap_value_t cap;
	char *name;
	bool same;

	if (cap_from_name(word, &cap) < 0 || cap < 0 || cap >= MASK_BITS)
		return -EINVAL;
	name = cap_to_name(cap);
	if (!name)
		return -ENOMEM;
	same = strcasecmp(name, word) == 0 && strncasecmp(word, "cap_", 4) == 0;
	(void)cap_free(name);
	if (!same)
		return -EINVAL;
	*mask |= CAPS_BIT(cap);
	return 0;
}

int caps_parse(const char *words, uint64_t *ret_mask, char *ret_bad, int size)
{
	static const char separators[] = " \t,";
	uint64_t mask = 0;
	bool none = false;
	int nwords = 0;

	for (const char *p = words + strspn(words, separators); *p; p += strspn(p, separators)) {
		char word[64];
		size_t len = strcspn(p, separators);
		bool is_none = len == 4 && strncasecmp(p, "none", len) == 0;

		nwords++;
		none |= is_none;
		(void)snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : sizeof(word)), p);
		/* "none" says that there is nothing else. */
		if ((none && nwords > 1) || len >= sizeof(word) || (!is_none && parse_word(word, &mask) < 0)) {
			(void)snprintf(ret_bad, (size_t)size, "%s", word);
			return -EINVAL;
		}
		p += len;
	}
	*ret_mask = mask;
	return 0;
}

char *caps_format(uint64_t mask, char *buffer, int size)
{
	int at = 0;

	if (size <= 0)
		return buffer;
	if (!mask)
		(void)snprintf(buffer, (size_t)size, "none");
	for (int cap = 0; cap < MASK_BITS && at < size; cap++) {
		char *name;

		if (!(mask & CAPS_BIT(cap)))
			continue;
		name = cap_to_name(cap); /* a number if the library has no name for it */
		at += snprintf(buffer + at, (size_t)(size - at), "%s%s", at ? " " : "", name ? name : "?");
		(void)cap_free(name);
	}
	return buffer;
}
