/* SPDX-License-Identifier: MIT */
/*
 * systemd-machined: a file a machine, /run/systemd/machines/NAME. Runs in: resolver.
 *
 * systemd-nspawn registers its containers there, and others do. Lines of KEY=VALUE, where the pid, LEADER, has no start time with it. What
 * tells another process with that number is that it began after the machine was registered (MONOTONIC), that it is in another unit
 * than the machine's (SCOPE), and from systemd 262 on the number that is no other process's until the next boot (LEADER_PIDFDID).
 *
 * A machine is registered before its leader is where it will be: systemd-nspawn moves it into a cgroup below the unit's, and a systemd in
 * the container moves itself further. No file tells of that, but the cgroups' directories do.
 *
 * Virtual machines are registered as well (CLASS=vm): no containers. Those of libvirt are its own engine's, under a better name.
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
#include "began.h"
#include "engine.h"
#include "mem.h"
#include "plain.h"
#include "unit.h"

#define MACHINE_FILE_MAX (64 * 1024)
#define HIERARCHY_MAX 64
#define MOVES_MAX 8 /* of a leader, while we look */

struct container {
	struct member member;
	char *path; /* of the leader's cgroup, as watched; NULL: none */
	struct listener here,
		below; /* that cgroup, where new ones are made, and one below, which it may be moved into */
};

struct machine {
	struct claim claim;
	char *hierarchy; /* HIERARCHY_MAX bytes: of the cgroup that was found; "" is the unified one */
	char *name, *class, *scope, *service, *leader, *monotonic, *pidfd_id; /* in the text; NULL: not there */
	uint64_t registered_us, inode; /* MONOTONIC; LEADER_PIDFDID or 0 */
};

/* --- The file ---------------------------------------------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* What stands behind a backslash, in @p; NULL if nothing does. Letters and digits are C's, any other is meant itself. */
static const char *unescape(const char *p, char *ret)
{
	static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";
	const char *letter = *p ? strchr(letters, *p) : NULL;
	int value = 0, base = *p == 'x' ? 16 : 8, length = *p == 'x' ? 2 : 3;

	if (letter) {
		*ret = bytes[letter - letters];
		return p + 1;
	}
	if (*p != 'x' && digit(*p) >= 16) {
		*ret = *p;
		return *p ? p + 1 : NULL;
	}
	p += *p == 'x';
	for (; length > 0; length--, p++) {
		if (digit(*p) >= base)
			return NULL;
		value = value * base + digit(*p);
	}
	*ret = (char)value;
	return value > 0 && value <= 255 ? p : NULL;
}

/* A value as it was before it was written, in place: escaped as in C, by later versions in double quotes too. */
static bool take_value(char *value)
{
	const char *p = value;
	bool quoted = *p == '"';
	char *to = value;

	for (p += quoted; *p && !(quoted && *p == '"'); to++) {
		if (*p != '\\') {
			*to = *p++;
			continue;
		}
		p = unescape(p + 1, to);
		if (!p)
			return false;
	}
	if (quoted && (p[0] != '"' || p[1] != '\0'))
		return false;
	*to = '\0';
	return true;
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v) || v > max)
			return false;
	}
	*ret = v;
	return true;
}

/* A line without its end. */
static bool take_line(struct machine *m, char *line)
{
	const struct {
		const char *key;
		char **value;
	} keys[] = {
		{"NAME", &m->name},
		{"CLASS", &m->class},
		{"SCOPE", &m->scope},
		{"SERVICE", &m->service},
		{"LEADER", &m->leader},
		{"MONOTONIC", &m->monotonic},
		{"LEADER_PIDFDID", &m->pidfd_id},
	};
	char *value = strchr(line, '=');

	if (line[0] == '#' || line[0] == '\0')
		return true;
	if (!value)
		return false;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(line, keys[i].key) != 0)
			continue;
		if (*keys[i].value || !take_value(value)) /* twice: which is it? */
			return false;
		*keys[i].value = value;
	}
	return true;
}

/* Cuts @text up. Half a file must not count, and least of all half a number: every line has its end, and MONOTONIC is there. */
static bool parse(char *text, size_t len, struct machine *m)
{
	uint64_t pid;
	char *end;

	if (strlen(text) != len)
		return false;
	for (; *text; text = end + 1) {
		end = strchr(text, '\n');
		if (!end)
			return false;
		*end = '\0';
		if (!take_line(m, text))
			return false;
	}
	if (!m->name || !m->class || !number(m->leader, INT32_MAX, &pid) ||
	    !number(m->monotonic, UINT64_MAX, &m->registered_us) ||
	    (m->pidfd_id && !number(m->pidfd_id, UINT64_MAX, &m->inode)))
		return false;
	m->claim.pid = (pid_t)pid;
	m->claim.unit = m->scope;
	return true;
}

/* --- Whether it is that process ---------------------------------------------------------------------------------- */

/* The cgroup that is in @unit is the machine's: the unit's other hierarchies show those that it shares with others, up to the host. */
static bool is_in_unit(const struct machine *m, const struct claim_process *p)
{
	const char *text = p->cgroups;
	size_t len = p->cgroups_len;
	struct cgroup_line line;

	while (proc_next_cgroup(&text, &len, &line)) {
		struct str name = {line.controllers, line.controllers_len}, prefix = STR("name=");

		if (!unit_prefix(line.path, line.path_len, m->scope))
			continue;
		if (name.len > prefix.len && memcmp(name.p, prefix.p, prefix.len) == 0)
			name = (struct str){name.p + prefix.len, name.len - prefix.len};
		(void)str_copy(m->hierarchy, HIERARCHY_MAX, name);
		return str_copy(p->cgroup, ROOT_CGROUP_MAX + 1, (struct str){line.path, line.path_len});
	}
	return false;
}

static int holds(const struct claim *claim, const struct claim_process *p)
{
	const struct machine *m = (const void *)claim; /* embedded first */
	uint64_t inode = procfd_inode(p->pidfd); /* 0: older kernels number no pidfds */
	bool known = inode && m->inode == inode;

	if (inode && m->inode && !known)
		return -ESTALE;
	if (began_after(p->stat->start_ticks, m->registered_us))
		return -ESTALE;
	/* A machine without a unit needs the better proof. */
	if (m->scope && m->scope[0] ? !is_in_unit(m, p) : !known)
		return -ESTALE;
	return 0;
}

/* --- Where the leader is ----------------------------------------------------------------------------------------- */

static void unwatch(struct container *c)
{
	struct watcher *w = c->member.of->dir->ctx->watch;

	watch_remove(w, &c->here);
	watch_remove(w, &c->below);
	free(c->path);
	c->path = NULL;
}

static void on_below(struct listener *l, uint32_t mask, const char *name)
{
	(void)name;
	if (!(mask & IN_IGNORED))
		member_mark(&container_of(l, struct container, below)->member);
}

static void watch_below(struct container *c, const char *name)
{
	char path[PATH_MAX];
	autoclose int fd = -1;

	if (snprintf(path, sizeof(path), "%s/%s", c->path, name) >= (int)sizeof(path))
		return;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		(void)watch_add(c->member.of->dir->ctx->watch, &c->below, fd, IN_CLOSE_WRITE);
}

static void on_here(struct listener *l, uint32_t mask, const char *name)
{
	struct container *c = container_of(l, struct container, here);

	if ((mask & IN_IGNORED) || !(mask & WATCH_COMES))
		return;
	watch_below(c, name);
	member_mark(&c->member);
}

/* Watches the cgroup that the leader is in. True: that is new, and it may have moved on in the meantime. */
static bool watch_leader(struct container *c, const char *hierarchy)
{
	const struct engine_ctx *ctx = c->member.of->dir->ctx;
	const char *mounts[] = {hierarchy[0] ? hierarchy : "unified", hierarchy[0] ? NULL : ""};
	const struct init *init = &c->member.entry.init;
	const char *cgroup = init->init_cgroup ? init->init_cgroup : init->cgroup;
	char path[PATH_MAX];

	for (size_t i = 0; cgroup && i < 2 && mounts[i]; i++) {
		autoclose int fd = -1;

		if (snprintf(path, sizeof(path), "%s/%s%s", ctx->cgroup_root, mounts[i], cgroup) >= (int)sizeof(path))
			continue;
		if (c->path && strcmp(c->path, path) == 0 && c->here.on)
			return false;
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		unwatch(c);
		c->path = mem_strdup(path);
		if (watch_add(ctx->watch, &c->here, fd, WATCH_NAMES) < 0)
			return false;
		/* Those that will be used may be left from an earlier run. */
		watch_below(c, "init.scope");
		watch_below(c, "payload");
		return true;
	}
	unwatch(c);
	return false;
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static bool id_of(const char *file, char id[ROOT_ID_MAX + 1])
{
	/* unit:SCOPE, a link to the machine's file */
	return !strchr(file, ':') && str_copy(id, ROOT_ID_MAX + 1, str_of(file));
}

static void look(struct member *m, int dir)
{
	static char text[MACHINE_FILE_MAX];
	struct container *c = container_of(m, struct container, member);
	char hierarchy[HIERARCHY_MAX] = "";
	struct machine machine = {.claim.holds = holds, .hierarchy = hierarchy};
	ssize_t r = proc_read_file(dir, m->id, text, sizeof(text));

	if (r == -ENOENT)
		return; /* gone: an event says so, too */
	if (r >= 0)
		r = parse(text, (size_t)r, &machine) && strcmp(machine.name, m->id) == 0 ? 0 : -EBADMSG;
	if (r < 0) { /* what was good before stays: it may be half of the next one */
		log_warning("%s/%s: not understood: %s", m->of->dir->path, m->id, strerror((int)-r));
		return;
	}
	if (strcmp(machine.class, "container") != 0 ||
	    (machine.service && strcmp(machine.service, "libvirt-lxc") == 0)) {
		unwatch(c);
		member_unlist(m);
		return;
	}
	for (int i = 0; i < MOVES_MAX; i++) {
		member_claim(m, m->id, m->id, ROOT_CONTAINER_RUNNING, &machine.claim);
		if (!watch_leader(c, hierarchy))
			break;
	}
}

static void init(struct member *m)
{
	struct container *c = container_of(m, struct container, member);

	c->here.event = on_here;
	c->below.event = on_below;
}

static void fini(struct member *m)
{
	unwatch(container_of(m, struct container, member));
}

static const struct member_ops ops = {
	.size = sizeof(struct container),
	.id_of = id_of,
	.init = init,
	.look = look,
	.fini = fini,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int nspawn_open(struct engine_dir *d)
{
	return plain_open(d, &ops);
}

const struct engine engine_nspawn = {"nspawn",     TABLE_OWN,   nspawn_open, plain_settle,
				     plain_rescan, plain_ended, plain_close};
