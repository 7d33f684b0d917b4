/* SPDX-License-Identifier: MIT */
/*
 * CRI-O: its containers are in podman's lists, GRAPHROOT/DRIVER-containers/containers.json, under the names that Kubernetes gave
 * them; what they do is in DRIVER-containers/ID/userdata/state.json. Runs in: resolver.
 *
 * That state has the pid and the start time of init, and how it ended. The runtime's own directory usually tells the same, sooner: of
 * what both say of one id, what is alive counts. The sandbox of a pod is a container of its own, most often without a process.
 *
 * What has ended stays listed until Kubernetes removes it, beside the container that was started in its place: the name that both
 * have is the newest one's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../include/rootbroker.h"
#include "../common/cleanup.h"
#include "../common/log.h"
#include "engine_podman.h"
#include "kube.h"
#include "mem.h"

#define STATE_FILE "state.json"
#define STATE_FILE_MAX (1024 * 1024) /* with annotations */
#define USERDATA "userdata"
#define NAME_PREFIX "k8s_"
#define FIELDS 5 /* of a pod's name: k8s_POD_NAMESPACE_UID_ATTEMPT */

struct crio {
	struct podman podman; /* embedded first */
	struct scope run_scope;
	struct map by_name;
	struct container *dirty;
};

struct container {
	struct listed listed; /* embedded first */
	struct entry run; /* what the state says of the process */
	struct listener listener;
	bool inside; /* listens to userdata; else to the directory above it, or to nothing */
	bool is_dirty;
	struct container *next_dirty;
	struct map_node node; /* in by_name */
	char *name,
		*listed_name; /* of Kubernetes; as in the list, which no other container has. NULL: none that fits */
	uint64_t created, attempt; /* in seconds; how often its pod had started it before then */
};

static struct crio *crio_of(const struct container *c)
{
	return container_of(c->listed.of, struct crio, podman);
}

static struct engine_ctx *ctx_of(const struct container *c)
{
	return c->listed.of->dir->ctx;
}

static void mark(struct container *c)
{
	struct crio *x = crio_of(c);

	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = x->dirty;
	x->dirty = c;
}

/* --- Names ------------------------------------------------------------------------------------------------------- */

static json_t *metadata_of(const json_t *item)
{
	const char *name = listed_name(item);
	const json_t *text = json_object_get(item, "metadata");

	/* Before the longer look: podman's are not called so, unless somebody calls them so. */
	if (!name || strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 || !json_is_string(text))
		return NULL;
	return json_loadb(json_string_value(text), json_string_length(text), JSON_REJECT_DUPLICATES, NULL);
}

bool crio_accepts(const json_t *item)
{
	autojson json_t *metadata = metadata_of(item);

	return json_text(metadata, "pod-id", ROOT_ID_MAX) && json_text(metadata, "pod-name", ROOT_NAME_MAX);
}

/* Kubernetes' own names have no '_' in them; where one has, it is not Kubernetes who named it. */
static void name_of(const json_t *metadata, char name[ROOT_NAME_MAX + 1])
{
	const char *text = json_text(metadata, "pod-name", ROOT_NAME_MAX);
	char copy[ROOT_NAME_MAX + 1], *fields[FIELDS + 1] = {NULL}, *next;
	int n = 0;

	name[0] = '\0';
	if (!text || !str_copy(copy, sizeof(copy), str_of(text)))
		return;
	for (char *at = copy; at && n <= FIELDS; at = next) {
		next = strchr(at, '_');
		if (next)
			*next++ = '\0';
		fields[n++] = at;
	}
	if (n != FIELDS || strcmp(fields[0], "k8s") != 0)
		return;
	if (json_is_true(json_object_get(metadata, "pod")))
		(void)kube_sandbox_name(name, fields[2], fields[1]);
	else
		(void)kube_name(name, fields[2], fields[1], json_text(metadata, "metadata-name", ROOT_NAME_MAX));
}

static void forget_name(struct container *c)
{
	if (c->name)
		map_remove(&crio_of(c)->by_name, &c->node);
	free(c->name);
	free(c->listed_name);
	c->name = c->listed_name = NULL;
}

/* Another container has the name, and is newer. */
static bool is_superseded(const struct crio *x, const struct container *c)
{
	for (struct map_node *n = map_find(&x->by_name, map_hash_text(c->name)); n; n = map_find_next(n)) {
		const struct container *o = container_of(n, struct container, node);

		if (o == c || strcmp(o->name, c->name) != 0)
			continue;
		if (o->created > c->created || (o->created == c->created && o->attempt > c->attempt))
			return true;
	}
	return false;
}

static void give_names(struct podman *p)
{
	struct crio *x = container_of(p, struct crio, podman);

	MAP_EACH(&x->by_name, i, n)
	{
		struct container *c = container_of(n, struct container, node);

		table_set_name(p->dir->ctx->table, &c->listed.entry, is_superseded(x, c) ? c->listed_name : c->name);
	}
}

/* --- State ------------------------------------------------------------------------------------------------------- */

static bool parse_ticks(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (!text || !*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v * 10 + (uint64_t)(*text - '0'); /* 19 digits at most */
	}
	*ret = v;
	return true;
}

/* The state of a container with a live init; UNKNOWN if it has none, or there is no such state. */
static uint32_t state_of(const char *status)
{
	if (strcmp(status, "running") == 0)
		return ROOT_CONTAINER_RUNNING;
	if (strcmp(status, "created") == 0)
		return ROOT_CONTAINER_CREATED;
	return strcmp(status, "paused") == 0 ? ROOT_CONTAINER_PAUSED : ROOT_CONTAINER_UNKNOWN;
}

static void take_state(struct container *c, const json_t *root, const char *status)
{
	struct engine_ctx *ctx = ctx_of(c);
	struct claim claim = {.has_start = true};
	struct init init = INIT_NONE;
	uint32_t state = state_of(status);
	uint64_t pid = 0, code;

	/* Without a start time, as older versions write it, a pid is a rumour. */
	if (state != ROOT_CONTAINER_UNKNOWN && json_number(root, "initPid", &pid) && pid <= INT32_MAX &&
	    parse_ticks(json_text(root, "initStartTime", 19), &claim.start_ticks))
		claim.pid = (pid_t)pid;
	if (claim_check(ctx->proc, &claim, &init) == 0)
		table_set_running(ctx->table, &c->run, state, &init);
	else
		table_set_stopped(ctx->table, &c->run);
	if (strcmp(status, "stopped") == 0 && json_number(root, "exitCode", &code) && code <= 255) {
		table_claim_exit(ctx->table, &c->run, (uint32_t)code << 8);
	}
}

static void read_state(struct container *c, int userdata)
{
	const char *id = table_id(&c->listed.entry), *status;
	autojson json_t *root = NULL;
	int r = json_load(userdata, STATE_FILE, STATE_FILE_MAX, &root);

	if (r == -ENOENT)
		return; /* not written yet, or being deleted */
	status = json_text(root, "status", 16);
	if (r == 0 && !status)
		r = -EBADMSG;
	if (r == 0)
		take_state(c, root, status);
	else /* what was good before stays */
		log_warning("%s/%s/%s/" USERDATA "/" STATE_FILE ": not understood: %s", c->listed.of->dir->path,
			    c->listed.store, id, strerror(-r));
}

/* Listens where the state is or, until that is there, above it: what comes after the look is told. */
static int open_userdata(struct container *c)
{
	struct engine_dir *d = c->listed.of->dir;
	autoclose int store = engine_open_dir(d->fd, c->listed.store), dir = -1;
	int r;

	dir = store < 0 ? store : engine_open_dir(store, table_id(&c->listed.entry));
	if (dir < 0)
		return dir; /* appeared() will tell */
	if (!c->inside)
		(void)watch_add(d->ctx->watch, &c->listener, dir, WATCH_COMES);
	r = engine_open_dir(dir, USERDATA);
	if (r >= 0 && !c->inside) {
		watch_remove(d->ctx->watch, &c->listener);
		(void)watch_add(d->ctx->watch, &c->listener, r, IN_MOVED_TO | IN_CLOSE_WRITE);
		c->inside = true;
	}
	return r;
}

static void on_event(struct listener *l, uint32_t mask, const char *name)
{
	struct container *c = container_of(l, struct container, listener);

	if (mask & IN_IGNORED)
		c->inside = false;
	if (mask & IN_IGNORED || strcmp(name, c->inside ? STATE_FILE : USERDATA) == 0)
		mark(c);
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static struct container *of_listed(struct listed *l)
{
	return container_of(l, struct container, listed);
}

static void listed(struct listed *l, const json_t *item)
{
	struct container *c = of_listed(l);
	autojson json_t *metadata = metadata_of(item);
	const char *text = listed_name(item);
	char name[ROOT_NAME_MAX + 1];

	if (!table_has(&c->run)) {
		c->listener.event = on_event;
		table_add(ctx_of(c)->table, &c->run, &crio_of(c)->run_scope, table_id(&l->entry));
		mark(c);
	}
	forget_name(c);
	c->listed_name = text ? mem_strdup(text) : NULL;
	c->created = c->attempt = 0;
	(void)json_number(metadata, "created-at", &c->created);
	(void)json_number(metadata, "attempt", &c->attempt); /* 0 is left out */
	name_of(metadata, name);
	if (!name[0] || !text) {
		table_set_name(ctx_of(c)->table, &l->entry, text);
		return;
	}
	c->name = mem_strdup(name);
	map_insert(&crio_of(c)->by_name, &c->node, map_hash_text(name));
}

static void appeared(struct listed *l)
{
	struct container *c = of_listed(l);

	watch_remove(ctx_of(c)->watch, &c->listener);
	c->inside = false;
	mark(c);
}

static void fini(struct listed *l)
{
	struct container *c = of_listed(l);

	for (struct container **at = &crio_of(c)->dirty; *at; at = &(*at)->next_dirty) {
		if (*at == c) {
			*at = c->next_dirty;
			break;
		}
	}
	forget_name(c);
	watch_remove(ctx_of(c)->watch, &c->listener);
	table_remove(ctx_of(c)->table, &c->run);
}

static const struct listed_ops ops = {
	.size = sizeof(struct container),
	.sign = NAME_PREFIX,
	.accepts = crio_accepts,
	.listed = listed,
	.fini = fini,
	.appeared = appeared,
	.complete = give_names,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static void run_source(const struct entry *e, char *text, size_t size)
{
	const struct container *c = (const void *)((const char *)e - offsetof(struct container, run));

	(void)snprintf(text, size, "%s/%s/%s/" USERDATA "/" STATE_FILE, c->listed.of->dir->path, c->listed.store,
		       table_id(e));
}

static int crio_open(struct engine_dir *d)
{
	struct crio *x = mem_new(sizeof(*x));

	d->own = x;
	x->run_scope = engine_scope(d);
	x->run_scope.level = TABLE_RUN;
	x->run_scope.source = run_source;
	return podman_open_lists(&x->podman, d, &ops);
}

static void crio_settle(struct engine_dir *d)
{
	struct crio *x = d->own;
	struct container *c;

	podman_settle_lists(&x->podman);
	while ((c = x->dirty)) {
		autoclose int userdata = -1;

		x->dirty = c->next_dirty;
		c->is_dirty = false;
		userdata = open_userdata(c);
		if (userdata >= 0)
			read_state(c, userdata);
	}
}

static void crio_rescan(struct engine_dir *d)
{
	struct crio *x = d->own;

	podman_rescan_lists(&x->podman);
	for (size_t s = 0; s < PODMAN_DRIVERS * PODMAN_FILES; s++) {
		const struct list *l = &x->podman.stores[s / PODMAN_FILES].lists[s % PODMAN_FILES];

		MAP_EACH(&l->by_id, i, n)
		appeared(container_of(n, struct listed, node));
	}
}

static void crio_ended(struct engine_dir *d, struct entry *e)
{
	(void)d;
	mark(container_of(e, struct container, run));
}

static void crio_close(struct engine_dir *d)
{
	struct crio *x = d->own;

	podman_close_lists(&x->podman);
	map_fini(&x->by_name);
	free(x);
}

const struct engine engine_crio = {"cri-o", TABLE_NAME, crio_open, crio_settle, crio_rescan, crio_ended, crio_close};
