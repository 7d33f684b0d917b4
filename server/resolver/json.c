/* SPDX-License-Identifier: MIT */
/* Engine files that are JSON. Runs in: resolver. See json.h. */
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/procfd.h"
#include "mem.h"

#define SLACK 4096 /* a file may grow between the look at its size and the reading */

int json_load(int dir, const char *file, size_t max, json_t **ret_root)
{
	autofree char *text = NULL;
	struct stat st;
	json_error_t error;
	size_t size;
	ssize_t len;

	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	size = (size_t)st.st_size + SLACK;
	text = mem_checked(malloc(size));
	len = proc_read_file(dir, file, text, size);
	if (len < 0)
		return (int)len;
	*ret_root = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &error);
	return *ret_root ? 0 : -EBADMSG;
}

static size_t brackets(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '[' || text[i] == '{';
	return n;
}

int json_load_fd(int fd, size_t max, size_t max_brackets, json_t **ret_root)
{
	autofree char *text = NULL;
	struct stat st;
	json_error_t error;
	size_t size, len = 0;
	ssize_t r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	size = (size_t)st.st_size + SLACK;
	text = mem_checked(malloc(size));
	while (len < size) {
		r = read(fd, text + len, size - len);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			break;
		len += r > 0 ? (size_t)r : 0;
	}
	if (len == size)
		return -EFBIG; /* it grows while it is read */
	if (brackets(text, len) > max_brackets)
		return -E2BIG;
	*ret_root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	return *ret_root ? 0 : -EBADMSG;
}

const char *json_text(const json_t *object, const char *key, size_t max)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) && json_string_length(v) <= max ? json_string_value(v) : NULL;
}

bool json_number(const json_t *object, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}
