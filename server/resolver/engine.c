/* SPDX-License-Identifier: MIT */
/* What engines share. Runs in: resolver. See engine.h. */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"

static const struct engine *const engines[] = {
	&engine_podman, &engine_docker,      &engine_containerd, &engine_crio, &engine_crun,
	&engine_runc,   &engine_youki,       &engine_lxc,        &engine_lxd,  &engine_incus,
	&engine_nspawn, &engine_libvirt_lxc, &engine_apptainer};

const struct engine *engine_find(const char *name)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	}
	return NULL;
}

struct scope engine_scope(struct engine_dir *d)
{
	return (struct scope){.engine = d->engine->name, .level = d->engine->level, .owner = d->owner, .dir = d};
}

bool engine_good_id(const char *name, size_t max)
{
	size_t len = strlen(name);

	return len > 0 && len <= max && name[0] != '.' && !strchr(name, '/');
}

int engine_list(int fd, void (*found)(void *data, const char *name), void *data)
{
	/* Its own open file: the offset of @fd is not ours to move. */
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;
	int r;

	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		r = -errno;
		(void)close(copy);
		return r;
	}
	for (errno = 0; (e = readdir(dir)); errno = 0) {
		if (engine_good_id(e->d_name, ROOT_ID_MAX))
			found(data, e->d_name);
	}
	r = -errno;
	(void)closedir(dir);
	return r;
}

int engine_open_dir(int fd, const char *name)
{
	int r = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return r < 0 ? -errno : r;
}
