/* SPDX-License-Identifier: MIT */
/*
 * rootctl watch. Runs in: rootctl.
 *
 * As text, the lines of lxc-monitor for every engine: what it knew of each container says what has changed, also when the server had
 * to tell the present state anew. As JSON, each event as it comes.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_known.h"
#include "rootctl_record.h"
#include "rootctl_text.h"

#define PAGE 64

struct watcher {
	const struct options *o;
	regex_t *patterns;
	int npatterns;
	struct known_set known;
	bool synced; /* the first present state has been told */
	int lines;
};

static bool done(const struct watcher *w)
{
	return (w->o->count && w->lines >= w->o->count) || ferror(stdout);
}

/* --- Which containers */

/* As lxc-monitor has it: the whole name. The word must be an expression by itself, or its brackets could pair with ours. */
static int compile(regex_t *re, const char *word)
{
	char *whole;
	int r = regcomp(re, word, REG_EXTENDED | REG_NOSUB);

	if (r)
		return r;
	regfree(re);
	if (asprintf(&whole, "^(%s)$", word) < 0)
		(void)must_alloc(NULL);
	r = regcomp(re, whole, REG_EXTENDED | REG_NOSUB);
	free(whole);
	return r;
}

static int compile_all(struct watcher *w, int argc, char **argv)
{
	w->patterns = must_alloc(calloc((size_t)argc + 1, sizeof(*w->patterns)));
	for (; w->npatterns < argc; w->npatterns++) {
		const char *word = argv[w->npatterns];
		char why[128], *shown;
		int r = compile(&w->patterns[w->npatterns], word);

		if (!r)
			continue;
		(void)regerror(r, &w->patterns[w->npatterns], why, sizeof(why));
		shown = text_escape(word);
		complain_text("%s: %s: say a POSIX extended regular expression, see regex(7)", shown, why);
		free(shown);
		return ROOTCTL_USAGE;
	}
	return ROOTCTL_OK;
}

static bool wanted(const struct watcher *w, const char *engine, const char *name, const char *id)
{
	if (w->o->engine && strcmp(w->o->engine, engine))
		return false;
	for (int i = 0; i < w->npatterns; i++) {
		if (!regexec(&w->patterns[i], name, 0, NULL, 0) || !regexec(&w->patterns[i], id, 0, NULL, 0))
			return true;
	}
	return !w->npatterns;
}

/* --- Text */

static void line(struct watcher *w, const struct known *k, const char *verb, const char *what)
{
	char *shown;

	if (done(w) || !wanted(w, k->engine, k->name, k->id))
		return;
	shown = text_escape(k->name);
	(void)printf("'%s' ", shown);
	free(shown);
	(void)printf("%s [%s]\n", verb, what);
	w->lines++;
}

static void line_state(struct watcher *w, const struct known *k, uint32_t state)
{
	char word[16];
	const char *name = state == ROOT_CONTAINER_PAUSED ? "frozen" : state_name(state);
	size_t n = 0;

	for (; name[n] && n < sizeof(word) - 1; n++)
		word[n] = (char)toupper((unsigned char)name[n]);
	word[n] = '\0';
	line(w, k, "changed state to", word);
}

static void line_exit(struct watcher *w, const struct known *k, const struct root_container *c)
{
	char status[16];

	(void)snprintf(status, sizeof(status), "%d", record_exit_number(c));
	line(w, k, "exited with status", status);
}

/* What has become of a container since it was last told of. */
static void tell(struct watcher *w, const struct root_event *e)
{
	const struct root_container *c = &e->container;
	bool new, ended;
	struct known *k = known_get(&w->known, c, &new);
	bool quiet = e->kind == ROOT_EVENT_PRESENT && !w->synced && !w->o->present;

	if (e->kind == ROOT_EVENT_PRESENT)
		ended = !new && k->exit_status != c->exit_status;
	else
		ended = e->kind == ROOT_EVENT_EXITED;
	if (ended && !quiet && c->exit_status != ROOT_EXIT_UNKNOWN)
		line_exit(w, k, c);
	if ((new || k->state != c->state) && !quiet)
		line_state(w, k, c->state);
	k->state = c->state;
	k->exit_status = c->exit_status;
}

static void tell_gone(const struct known *k, void *data)
{
	struct watcher *w = data;

	if (k->state != ROOT_CONTAINER_STOPPED && (w->synced || w->o->present))
		line_state(w, k, ROOT_CONTAINER_STOPPED);
}

static void tell_removed(struct watcher *w, const struct root_container *c)
{
	bool new;
	struct known *k = known_get(&w->known, c, &new);

	if (!new)
		tell_gone(k, w);
	known_remove(&w->known, c);
}

static void text_event(struct watcher *w, const struct root_event *e)
{
	switch (e->kind) {
	case ROOT_EVENT_RESYNC:
		known_begin(&w->known);
		break;
	case ROOT_EVENT_SYNCED:
		known_sweep(&w->known, tell_gone, w);
		w->synced = true;
		break;
	case ROOT_EVENT_REMOVED:
		tell_removed(w, &e->container);
		break;
	default:
		tell(w, e);
		break;
	}
}

/* --- JSON */

static void json_event(struct watcher *w, const struct root_event *e)
{
	static const char *const names[] = {
		[ROOT_EVENT_PRESENT] = "present", [ROOT_EVENT_ADDED] = "added",     [ROOT_EVENT_CHANGED] = "changed",
		[ROOT_EVENT_EXITED] = "exited",   [ROOT_EVENT_REMOVED] = "removed", [ROOT_EVENT_SYNCED] = "synced",
		[ROOT_EVENT_RESYNC] = "resync",
	};
	const struct root_container *c = &e->container;
	bool mark = e->kind == ROOT_EVENT_SYNCED || e->kind == ROOT_EVENT_RESYNC;

	if (!e->kind || e->kind >= sizeof(names) / sizeof(names[0]) || (!mark && !wanted(w, c->engine, c->name, c->id)))
		return;
	(void)printf("{\"event\": \"%s\"", names[e->kind]);
	if (!mark) {
		(void)fputs(", ", stdout);
		record_json(stdout, c, false);
	}
	(void)puts("}");
	w->lines++;
}

/* --- */

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until there may be something to ask for: 1. 0: the time is over. -1: nobody reads what we write, so that nothing would tell us
 * before the next event. */
static int wait_for_more(int fd, int64_t deadline)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
	int64_t left = deadline ? deadline - now_ms() : -1;
	int r = poll(p, 2, deadline && left < 0 ? 0 : (int)left);

	if (r < 0)
		return errno == EINTR ? 1 : -1;
	return r && p[1].revents ? -1 : r;
}

static int watch(struct watcher *w, int fd, struct root_event *events)
{
	int64_t deadline = w->o->timeout_ms > 0 ? now_ms() + w->o->timeout_ms : 0;
	struct root_watch at = {0};
	int n, more;

	while (!done(w)) {
		n = rootContainerWatch(fd, &at, events, sizeof(*events), PAGE, 0);
		if (n < 0)
			return complain(ABOUT_LIST, "the watch", n, fd);
		for (int i = 0; i < n && !done(w); i++) {
			if (w->o->json)
				json_event(w, &events[i]);
			else
				text_event(w, &events[i]);
		}
		if (n)
			continue;
		more = wait_for_more(fd, deadline);
		if (more < 0)
			return ROOTCTL_FAILED;
		if (!more)
			break;
	}
	return w->o->count && w->lines < w->o->count ? ROOTCTL_FAILED : ROOTCTL_OK;
}

int rootctl_watch(const struct options *o, int argc, char **argv)
{
	struct watcher w = {.o = o};
	struct root_event *events;
	int fd, r = compile_all(&w, argc, argv);

	if (r == ROOTCTL_OK) {
		fd = rootctl_connect(o, ROOTCTL_FAILED);
		r = fd < 0 ? -fd : ROOTCTL_OK;
	}
	if (r == ROOTCTL_OK) {
		/* Each line is for somebody who waits for it. */
		(void)setvbuf(stdout, NULL, _IOLBF, 0);
		events = must_alloc(calloc(PAGE, sizeof(*events)));
		r = watch(&w, fd, events);
		free(events);
		rootShutdown(fd);
	}
	for (int i = 0; i < w.npatterns; i++)
		regfree(&w.patterns[i]);
	free(w.patterns);
	known_free(&w.known);
	return r;
}
