/* SPDX-License-Identifier: MIT */
/*
 * Apptainer, and SingularityCE: instances of a user, DIR/HOST/USER/NAME/NAME.json. Runs in: resolver. Trusts: nothing, and all that is
 * in there is the user's own to write.
 *
 * The file has the pids of the instance's init and of its parent, without start times; it stays when they are killed. It is written in
 * place, once, after both have started. So: init is the child of that parent, and began before the file was written, or it is not that
 * init. A home may be one of several hosts: what is under the name of another host is about processes there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/log.h"
#include "../common/procfd.h"
#include "began.h"
#include "json.h"
#include "nested.h"
#include "plain.h"

#define FILE_MAX (1024 * 1024) /* with the engine's configuration */
#define SUFFIX ".json"

struct instance {
	struct claim claim;
	struct stat written;
	pid_t parent;
};

/* --- Instances --------------------------------------------------------------------------------------------------- */

static int holds(const struct claim *claim, const struct claim_process *p)
{
	const struct instance *i = (const void *)claim; /* embedded first */

	return p->stat->ppid == i->parent && !began_after_file(p->stat->start_ticks, &i->written) ? 0 : -ESTALE;
}

static bool file_of(const struct member *m, char file[NAME_MAX + 1])
{
	return snprintf(file, NAME_MAX + 1, "%s" SUFFIX, m->id) <= NAME_MAX;
}

static bool parse(const json_t *root, const char *want, struct instance *i)
{
	const char *name = json_text(root, "name", ROOT_ID_MAX);
	uint64_t pid, parent;

	if (!name || strcmp(name, want) != 0 || !json_number(root, "pid", &pid) || pid > INT32_MAX ||
	    !json_number(root, "ppid", &parent) || parent > INT32_MAX)
		return false;
	i->claim.pid = (pid_t)pid;
	i->parent = (pid_t)parent;
	return true;
}

static bool matters(const struct member *m, const char *file)
{
	char want[NAME_MAX + 1];

	return file_of(m, want) && strcmp(file, want) == 0;
}

static void look(struct member *m, int dir)
{
	autojson json_t *root = NULL;
	struct instance i = {.claim.holds = holds};
	char file[NAME_MAX + 1];
	int r;

	/* It is emptied before it is written. */
	if (!file_of(m, file) || fstatat(dir, file, &i.written, AT_SYMLINK_NOFOLLOW) < 0 || i.written.st_size == 0)
		return;
	r = json_load(dir, file, FILE_MAX, &root);
	if (r == 0 && !parse(root, m->id, &i))
		r = -EBADMSG;
	if (r < 0) { /* what was good before stays */
		if (r != -ENOENT)
			log_warning("%s/%s/%s: not understood: %s", m->of->path, m->id, file, strerror(-r));
		return;
	}
	member_claim(m, m->id, m->id, ROOT_CONTAINER_RUNNING, &i.claim);
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops instance_ops = {
	.size = sizeof(struct member),
	.mask = IN_MOVED_TO | IN_CLOSE_WRITE,
	.matters = matters,
	.init = nothing,
	.look = look,
	.fini = nothing,
};

/* --- Hosts and users --------------------------------------------------------------------------------------------- */

static void look_user(struct member *m, int dir)
{
	nested_look(m, dir, &instance_ops);
}

static const struct member_ops user_ops = {
	.size = sizeof(struct nested),
	.mask = WATCH_NAMES,
	.matters = nested_matters,
	.init = nested_init,
	.look = look_user,
	.fini = nested_fini,
	.rescanned = nested_rescanned,
	.settle = nested_settle,
};

static bool is_here(const struct members *s, const char *name)
{
	char host[ROOT_HOSTNAME_MAX + 2];
	ssize_t len = proc_read_file(s->dir->ctx->proc, "sys/kernel/hostname", host, sizeof(host));

	return len > 0 && strlen(name) == (size_t)len - 1 && memcmp(name, host, (size_t)len - 1) == 0;
}

static void look_host(struct member *m, int dir)
{
	nested_look(m, dir, &user_ops);
}

static const struct member_ops host_ops = {
	.size = sizeof(struct nested),
	.mask = WATCH_NAMES,
	.matters = nested_matters,
	.accepts = is_here,
	.init = nested_init,
	.look = look_host,
	.fini = nested_fini,
	.rescanned = nested_rescanned,
	.settle = nested_settle,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int apptainer_open(struct engine_dir *d)
{
	return plain_open(d, &host_ops);
}

const struct engine engine_apptainer = {"apptainer",  TABLE_OWN,   apptainer_open, plain_settle,
					plain_rescan, plain_ended, plain_close};
