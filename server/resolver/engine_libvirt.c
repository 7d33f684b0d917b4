/* SPDX-License-Identifier: MIT */
/*
 * libvirt's LXC driver: a file a running domain, /run/libvirt/lxc/NAME.xml. Runs in: resolver.
 *
 * It has the pids of init and of its controller, the process libvirt_lxc that is init's parent, without start times; and it stays
 * when the controller is killed. While the controller lives it holds a lock on NAME.pid, which no other process can take over. So: init
 * is the child of the process that holds the lock, or it is not that init.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "../common/procfd.h"
#include "engine.h"
#include "plain.h"
#include "xml.h"

#define DOMAIN_FILE_MAX (1024 * 1024)
#define SUFFIX ".xml"
#define CONTROLLER "libvirt_lxc"

struct domain {
	struct claim claim;
	int dir;
	const char *file; /* of the name, without a suffix */
	pid_t controller;
	/* What the file says; "": nothing. */
	char state[16], controller_text[16], init_text[16], type[8];
	char name[ROOT_ID_MAX + 1], uuid[40];
};

/* --- The file ---------------------------------------------------------------------------------------------------- */

#define FIELD(f) offsetof(struct domain, f), sizeof(((struct domain *)0)->f)
static const struct field {
	const char *path, *attribute; /* NULL: its text */
	size_t offset, size;
} fields[] = {
	{"domstatus", "state", FIELD(state)},         {"domstatus", "pid", FIELD(controller_text)},
	{"domstatus/init", "pid", FIELD(init_text)},  {"domstatus/domain", "type", FIELD(type)},
	{"domstatus/domain/name", NULL, FIELD(name)}, {"domstatus/domain/uuid", NULL, FIELD(uuid)},
};

static bool take_fields(const struct xml *x, int event, struct domain *d)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		char *value = (char *)d + f->offset;

		if (event != (f->attribute ? XML_OPEN : XML_TEXT) || !xml_is_at(x, f->path))
			continue;
		/* Twice: which is it? */
		if (value[0] || !(f->attribute ? xml_attribute(x, f->attribute, value, f->size)
					       : xml_decode(x->text, value, f->size)))
			return false;
	}
	return true;
}

static bool parse_pid(const char *text, pid_t *ret)
{
	uint64_t v = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (uint64_t)(*p - '0'); /* 15 digits at most */
	}
	*ret = (pid_t)v;
	return text[0] && v <= INT32_MAX;
}

static bool is_uuid(const char *s)
{
	return strlen(s) == 36 && strspn(s, "0123456789abcdef-") == 36;
}

static bool parse(struct str text, struct domain *d)
{
	struct xml x;
	int r;

	xml_init(&x, text);
	while ((r = xml_next(&x)) != XML_END) {
		if (r < 0 || !take_fields(&x, r, d))
			return false;
	}
	return strcmp(d->type, "lxc") == 0 && strcmp(d->name, d->file) == 0 && is_uuid(d->uuid) &&
	       parse_pid(d->controller_text, &d->controller) &&
	       (d->init_text[0] == '\0' || parse_pid(d->init_text, &d->claim.pid));
}

/* The state of a domain with a live init; UNKNOWN if it has none, or there is no such state. */
static uint32_t state_of(const struct domain *d)
{
	static const struct {
		const char *word;
		uint32_t state;
	} states[] = {
		{"running", ROOT_CONTAINER_RUNNING},   {"blocked", ROOT_CONTAINER_RUNNING},
		{"paused", ROOT_CONTAINER_PAUSED},     {"pmsuspended", ROOT_CONTAINER_PAUSED},
		{"shutdown", ROOT_CONTAINER_STOPPING},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(d->state, states[i].word) == 0)
			return states[i].state;
	}
	return ROOT_CONTAINER_UNKNOWN;
}

/* --- Whether it is that process ---------------------------------------------------------------------------------- */

static bool is_locked_by(int dir, const char *name, pid_t pid)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char file[NAME_MAX + 1];
	autoclose int fd = -1;

	if (snprintf(file, sizeof(file), "%s.pid", name) >= (int)sizeof(file))
		return false;
	fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* The lock that stands in the way of one of ours, which is never taken. */
	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == pid;
}

static bool is_called(int proc, pid_t pid, const char *name)
{
	char path[32], comm[64];
	size_t len = strlen(name);
	ssize_t r;

	(void)snprintf(path, sizeof(path), "%d/comm", (int)pid);
	r = proc_read_file(proc, path, comm, sizeof(comm));
	return r == (ssize_t)len + 1 && memcmp(comm, name, len) == 0 && comm[len] == '\n';
}

static int holds(const struct claim *claim, const struct claim_process *p)
{
	const struct domain *d = (const void *)claim; /* embedded first */
	struct proc_stat st;
	int r;

	if (d->controller <= 1 || p->stat->ppid != d->controller)
		return -ESTALE;
	if (!is_locked_by(d->dir, d->file, d->controller) || !is_called(p->proc, d->controller, CONTROLLER))
		return -ESTALE;
	/* Who loses its parent gets another one for good: the same before and after is the one that was asked about in between. */
	r = proc_read_stat(p->proc, claim->pid, &st);
	if (r < 0)
		return r;
	return st.ppid == d->controller ? 0 : -ESTALE;
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static bool id_of(const char *file, char id[ROOT_ID_MAX + 1])
{
	size_t len = strlen(file), suffix = strlen(SUFFIX);

	return len > suffix && strcmp(file + len - suffix, SUFFIX) == 0 &&
	       str_copy(id, ROOT_ID_MAX + 1, (struct str){file, len - suffix});
}

static void look(struct member *m, int dir)
{
	static char text[DOMAIN_FILE_MAX + 1];
	struct domain domain = {.claim.holds = holds, .dir = dir, .file = m->id};
	char file[NAME_MAX + 1];
	ssize_t r;

	(void)snprintf(file, sizeof(file), "%s" SUFFIX, m->id);
	r = proc_read_file(dir, file, text, sizeof(text));
	if (r == -ENOENT)
		return; /* gone: an event says so, too */
	if (r >= 0)
		r = parse((struct str){text, (size_t)r}, &domain) ? 0 : -EBADMSG;
	if (r < 0) { /* what was good before stays: it may be half of the next one */
		log_warning("%s/%s: not understood: %s", m->of->dir->path, file, strerror((int)-r));
		return;
	}
	if (state_of(&domain) == ROOT_CONTAINER_UNKNOWN)
		domain.claim.pid = 0; /* none that counts */
	member_claim(m, domain.uuid, domain.name, state_of(&domain), &domain.claim);
}

static const char *behind(const struct member *m)
{
	(void)m;
	return SUFFIX;
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops ops = {
	.size = sizeof(struct member),
	.id_of = id_of,
	.init = nothing,
	.look = look,
	.behind = behind,
	.fini = nothing,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int libvirt_open(struct engine_dir *d)
{
	return plain_open(d, &ops);
}

const struct engine engine_libvirt_lxc = {"libvirt-lxc", TABLE_EXACT, libvirt_open, plain_settle,
					  plain_rescan,  plain_ended, plain_close};
