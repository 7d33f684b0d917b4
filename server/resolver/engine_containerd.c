/* SPDX-License-Identifier: MIT */
/*
 * containerd: its runtime's state directories, a level deeper than the runtime's own: DIR/NAMESPACE/ID/state.json (runc) or status
 * (crun). Runs in: resolver.
 *
 * The runtime notes the annotations of the bundle's config.json in its state, and whoever runs containers with containerd notes there
 * what they are called: Kubernetes and nerdctl. So the bundles, next to which the containers' file systems are mounted, need not be
 * readable. Ids are unique in a namespace only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../include/rootbroker.h"
#include "engine_oci.h"
#include "kube.h"
#include "nested.h"
#include "plain.h"

#define BUNDLE_FILE_MAX (1024 * 1024)

/* --- Names ------------------------------------------------------------------------------------------------------- */

enum note { NAMESPACE, POD, CONTAINER, TYPE, NERDCTL, NOTES };

static const char *const keys[NOTES] = {
	[NAMESPACE] = "io.kubernetes.cri.sandbox-namespace",
	[POD] = "io.kubernetes.cri.sandbox-name",
	[CONTAINER] = "io.kubernetes.cri.container-name",
	[TYPE] = "io.kubernetes.cri.container-type",
	[NERDCTL] = "nerdctl/name",
};

/* runc's: ["KEY=VALUE", ...] */
static void notes_of_labels(const json_t *labels, const char *ret[NOTES])
{
	const json_t *item;
	size_t i;

	json_array_foreach(labels, i, item)
	{
		const char *text = json_is_string(item) ? json_string_value(item) : "";

		for (int n = 0; n < NOTES; n++) {
			size_t len = strlen(keys[n]);

			if (strncmp(text, keys[n], len) == 0 && text[len] == '=')
				ret[n] = text + len + 1;
		}
	}
}

/* {"KEY": "VALUE", ...} */
static void notes_of_annotations(const json_t *annotations, const char *ret[NOTES])
{
	for (int n = 0; n < NOTES; n++)
		ret[n] = json_text(annotations, keys[n], ROOT_NAME_MAX);
}

static bool is_kubernetes(const char *const notes[NOTES], char name[ROOT_NAME_MAX + 1])
{
	if (!notes[TYPE])
		return false;
	if (strcmp(notes[TYPE], "sandbox") == 0)
		return kube_sandbox_name(name, notes[NAMESPACE], notes[POD]);
	return kube_name(name, notes[NAMESPACE], notes[POD], notes[CONTAINER]);
}

/* What Kubernetes calls it; else the id, with its namespace if that is not the one that everybody is in who does not say otherwise. */
static void make_name(const struct member *m, const char *const notes[NOTES], char name[ROOT_NAME_MAX + 1])
{
	const char *namespace = container_of(m->of, const struct nested, inner)->member.id;
	const char *own = kube_is_word(notes[NERDCTL]) ? notes[NERDCTL] : m->id;
	bool is_default = strcmp(namespace, "default") == 0;

	if (is_kubernetes(notes, name))
		return;
	if (snprintf(name, ROOT_NAME_MAX + 1, "%s%s%s", is_default ? "" : namespace, is_default ? "" : "/", own) >
	    ROOT_NAME_MAX)
		(void)snprintf(name, ROOT_NAME_MAX + 1, "%s", m->id);
}

/* --- Containers -------------------------------------------------------------------------------------------------- */

static bool matters(const struct member *m, const char *file)
{
	(void)m;
	return runtime_matters(&runtime_runc, file) || runtime_matters(&runtime_crun, file);
}

static void look(struct member *m, int dir)
{
	autojson json_t *root = NULL, *bundle = NULL;
	const char *notes[NOTES] = {NULL};
	char name[ROOT_NAME_MAX + 1];
	struct claim claim;
	int r = runtime_load(&runtime_runc, m, dir, &root, &claim);

	if (r == 0) {
		notes_of_labels(json_object_get(json_object_get(root, "config"), "labels"), notes);
	} else if (r == -ENOENT) {
		r = runtime_load(&runtime_crun, m, dir, &root, &claim);
		if (r == 0 && json_load(dir, "config.json", BUNDLE_FILE_MAX, &bundle) == 0)
			notes_of_annotations(json_object_get(bundle, "annotations"), notes);
	}
	if (r < 0) /* no file: not written yet, or being deleted */
		return;
	make_name(m, notes, name);
	runtime_apply(m, dir, &claim, name);
}

static const char *behind(const struct member *m)
{
	char path[ROOT_ID_MAX + sizeof("/state.json")];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/state.json", m->id);
	return fstatat(m->of->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? "/state.json" : "/status";
}

static void nothing(struct member *m)
{
	(void)m;
}

static const struct member_ops container_ops = {
	.size = sizeof(struct member),
	.mask = WATCH_NAMES | IN_CLOSE_WRITE,
	.matters = matters,
	.init = nothing,
	.look = look,
	.behind = behind,
	.fini = nothing,
};

/* --- Namespaces -------------------------------------------------------------------------------------------------- */

static void look_namespace(struct member *m, int dir)
{
	nested_look(m, dir, &container_ops);
	/* docker's, which lists them under their names. */
	if (strcmp(m->id, "moby") == 0)
		container_of(m, struct nested, member)->inner.scope.level = TABLE_RUN;
}

static const struct member_ops namespace_ops = {
	.size = sizeof(struct nested),
	.mask = WATCH_NAMES,
	.matters = nested_matters,
	.init = nested_init,
	.look = look_namespace,
	.fini = nested_fini,
	.rescanned = nested_rescanned,
	.settle = nested_settle,
};

/* --- The engine -------------------------------------------------------------------------------------------------- */

static int containerd_open(struct engine_dir *d)
{
	return plain_open(d, &namespace_ops);
}

const struct engine engine_containerd = {"containerd", TABLE_OWN,   containerd_open, plain_settle,
					 plain_rescan, plain_ended, plain_close};
