/* SPDX-License-Identifier: MIT */
/* What is mounted where. Runs in: resolver. See mounts.h. */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/loop.h"
#include "../common/procfd.h"
#include "mem.h"

#define TEXT_FIRST (64 * 1024)
#define TEXT_MAX (64 * 1024 * 1024) /* some 400,000 mounts: the kernel's own limit is 100,000 */

struct mount {
	struct map_node node;
	enum mounts_kind kind;
	uint64_t id;
	char path[];
};

/* In memory, on a disk, or made of these. Whatever is not listed is not entered: FUSE and all that is built on it (virtiofs),
 * NFS, CIFS, Ceph, 9p, AFS, autofs ... */
static const char *const local[] = {
	"bcachefs", "btrfs", "erofs",  "ext2",     "ext3",  "ext4", "f2fs", "jfs",
	"overlay",  "ramfs", "rootfs", "squashfs", "tmpfs", "xfs",  "zfs",
};

static bool is_local(const char *type)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (strcmp(local[i], type) == 0)
			return true;
	}
	return false;
}

static struct mount *find(const struct mounts *m, const char *path)
{
	for (struct map_node *n = map_find(&m->by_path, map_hash_text(path)); n; n = map_find_next(n)) {
		struct mount *found = container_of(n, struct mount, node);

		if (strcmp(found->path, path) == 0)
			return found;
	}
	return NULL;
}

static void add(struct mounts *m, const char *path, enum mounts_kind kind, uint64_t id)
{
	struct mount *e = find(m, path);
	size_t size = strlen(path) + 1;

	if (!e) {
		e = mem_new(sizeof(*e) + size);
		memcpy(e->path, path, size);
		e->kind = kind;
		map_insert(&m->by_path, &e->node, map_hash_text(path));
	}
	/* One upon the other: which is the upper one the order does not tell for sure, so each has to be good. */
	if (kind == MOUNTS_REFUSED)
		e->kind = kind;
	e->id = e->id * 31 + id;
}

/* The kernel writes blanks, backslashes and the like as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && strspn(p + 1, "01234567") >= 3) {
			*to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAGS...] - TYPE SOURCE OPTIONS" */
static void take_line(struct mounts *m, char *line)
{
	char *save, *id, *path = NULL, *word, *type = NULL;

	id = strtok_r(line, " ", &save);
	for (int i = 0; i < 4; i++)
		path = strtok_r(NULL, " ", &save);
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "-") != 0)
		;
	if (word)
		type = strtok_r(NULL, " ", &save);
	if (!id || !path || !type)
		return;
	unescape(path);
	add(m, path, is_local(type) ? MOUNTS_LOCAL : MOUNTS_REFUSED, strtoull(id, NULL, 10));
}

void mounts_parse(struct mounts *m, char *text)
{
	char *save;

	mounts_clear(m);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(m, line);
}

int mounts_read(struct mounts *m, int proc)
{
	for (size_t size = TEXT_FIRST; size <= TEXT_MAX; size *= 4) {
		autofree char *text = mem_checked(malloc(size));
		ssize_t len = proc_read_file(proc, "self/mountinfo", text, size);

		if (len == -EFBIG)
			continue;
		if (len < 0)
			return (int)len;
		mounts_parse(m, text);
		return 0;
	}
	return -EFBIG;
}

void mounts_clear(struct mounts *m)
{
	struct map_node *n;

	while ((n = map_any(&m->by_path))) {
		map_remove(&m->by_path, n);
		free(container_of(n, struct mount, node));
	}
	map_fini(&m->by_path);
}

enum mounts_kind mounts_at(const struct mounts *m, const char *path, uint64_t *ret_id)
{
	const struct mount *e = find(m, path);

	if (ret_id)
		*ret_id = e ? e->id : 0;
	return e ? e->kind : MOUNTS_NONE;
}
