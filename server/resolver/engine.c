/* SPDX-License-Identifier: MIT */
/* What engines share. Runs in: resolver. See engine.h. */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "json.h"
#include "walk.h"

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
	return (struct scope){.engine = d->engine->name,
			      .level = d->engine->level,
			      .owner = d->owner,
			      .user = d->user ? d->user->name : NULL,
			      .dir = d};
}

bool engine_good_id(const char *name, size_t max)
{
	size_t len = strlen(name);

	return len > 0 && len <= max && name[0] != '.' && !strchr(name, '/');
}

int engine_list(int fd, size_t max, void (*found)(void *data, const char *name), void *data)
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
	for (errno = 0; max-- > 0 && (e = readdir(dir)); errno = 0) {
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

bool engine_may_look(struct engine_dir *d)
{
	if (!d->user || owner_may_read(d->user, loop_now_ms()))
		return true;
	if (d->ctx->later && d->ctx->later->deadline_ms == 0)
		timer_set(d->ctx->loop, d->ctx->later, OWNER_SLICE_MS);
	return false;
}

int engine_enter(const struct engine_dir *d, int fd, const char *name)
{
	autoclose int dir = -1;
	struct stat st;

	if (!d->user)
		return engine_open_dir(fd, name);
	dir = walk_step(fd, name, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return take_fd(&dir);
	if (fstat(dir, &st) < 0)
		return -errno;
	return st.st_uid == d->user->uid ? take_fd(&dir) : -EPERM;
}

int engine_json(const struct engine_dir *d, int dir, const char *file, size_t max, json_t **ret_root)
{
	/* Without O_NONBLOCK a FIFO in the place of a file would hold us for ever. */
	autoclose int fd = -1;
	struct stat st;

	if (!d->user)
		return json_load(dir, file, max, ret_root);
	owner_has_read(d->user, OWNER_LOOK_BYTES);
	fd = walk_step(dir, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != d->user->uid)
		return -EPERM;
	owner_has_read(d->user, st.st_size <= OWNER_FILE_MAX ? (size_t)st.st_size : 0);
	return json_load_fd(fd, max < OWNER_FILE_MAX ? max : OWNER_FILE_MAX, OWNER_FILE_BRACKETS, ret_root);
}

bool engine_has_fifo(const struct engine_dir *d, int dir, const char *name)
{
	autoclose int fd = -1;
	struct stat st;

	if (!d->user)
		return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(st.st_mode);
	fd = walk_step(dir, name, O_PATH);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

void engine_complain(const struct engine_dir *d, bool *said, const char *path, const char *id, const char *file,
		     int error)
{
	if (!*said && (!d->user || owner_may_log(d->user, loop_now_ms())))
		log_warning("%s/%s/%s: not understood: %s", path, id, file, strerror(-error));
	*said = true;
}
