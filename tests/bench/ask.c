/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "farm.h"

#define PAGE 64
#define LIST_PAUSE_US 200000
#define COMPLAINTS 20

const char *const ask_names[ASKS] = {"hostname", "pid", "cgroup", "record", "missing", "listing"};

/* How a container is named in a question. */
enum key { BY_ID, BY_NAME, BY_PREFIX, BY_ENGINE, BY_OLD_NAME, KEYS };
static const char *const key_names[KEYS] = {"id", "name", "prefix", "engine:name", "old name"};

struct answer {
	int error; /* 0, or what the library said */
	struct root_container record; /* as much of it as was asked for */
	char hostname[ROOT_HOSTNAME_MAX + 1];
};

struct question {
	const struct slot *slot;
	enum what what;
	enum key key;
	char text[ROOT_NAME_MAX + 1];
};

struct client {
	pthread_t thread;
	const char *socket;
	struct oracle *oracle;
	struct score *score;
	unsigned seed, pause_us;
};

/* --- Times ------------------------------------------------------------------------------------------------------- */

void times_add(struct times *t, double seconds)
{
	uint64_t ns = seconds > 0 ? (uint64_t)(seconds * 1e9) | 8 : 8;
	int top = 63 - __builtin_clzll(ns);

	atomic_fetch_add(&t->n[(top * 8 + (int)(ns >> (top - 3) & 7)) % BUCKETS], 1);
}

double times_quantile(const struct times *t, double q)
{
	uint64_t all = 0, want;

	for (int i = 0; i < BUCKETS; i++)
		all += t->n[i];
	if (all == 0)
		return 0;
	want = (uint64_t)((double)(all - 1) * q);
	for (int i = 0; i < BUCKETS; i++) {
		if (want < t->n[i])
			return (double)((UINT64_C(8) + (uint64_t)(i % 8)) << (i / 8)) / 8e3;
		want -= t->n[i];
	}
	return 0;
}

struct score *score_new(void)
{
	struct score *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		die("memory");
	return s;
}

/* --- Judgement --------------------------------------------------------------------------------------------------- */

static bool same_record(const struct slot *s, const struct truth *t, const struct root_container *r)
{
	bool running = t->kind == RUNNING;

	return strcmp(r->engine, engine_names[s->engine]) == 0 && strcmp(r->id, s->id) == 0 &&
	       strcmp(r->name, s->engine == PODMAN ? t->name : s->id) == 0 && r->owner == 0 &&
	       r->state == (running ? ROOT_CONTAINER_RUNNING : ROOT_CONTAINER_STOPPED) &&
	       r->pid == (running ? t->pid : 0) && strcmp(r->cgroup, running ? t->cgroup : "") == 0;
}

/* Is it what follows from @t? */
static bool fits(const struct question *q, const struct truth *t, const struct answer *a)
{
	bool named = q->slot->engine != PODMAN || q->key == BY_ID || q->key == BY_PREFIX ||
		     strcmp(strchr(q->text, ':') ? strchr(q->text, ':') + 1 : q->text, t->name) == 0;

	if (t->kind == ABSENT || !named)
		return a->error == -ENOENT;
	if (q->what == ASK_RECORD)
		return a->error == 0 && same_record(q->slot, t, &a->record);
	if (t->kind == STOPPED)
		return a->error == -ESRCH;
	if (a->error)
		return false;
	switch (q->what) {
	case ASK_HOSTNAME:
		return strcmp(a->hostname, t->hostname) == 0;
	case ASK_PID:
		return a->record.pid == t->pid;
	case ASK_CGROUP:
	default:
		return strcmp(a->record.cgroup, t->cgroup) == 0;
	}
}

/* What lies between two truths: no process, or nothing at all. */
static bool fits_between(const struct question *q, const struct window *w, const struct answer *a)
{
	struct truth t = w->truths[w->to % TRUTHS_KEPT];

	t.kind = ABSENT;
	if ((w->via & VIA_ABSENT) && fits(q, &t, a))
		return true;
	for (uint32_t n = w->from; n <= w->to && (w->via & VIA_STOPPED); n++) {
		t = w->truths[n % TRUTHS_KEPT];
		t.kind = STOPPED;
		if (fits(q, &t, a))
			return true;
	}
	return false;
}

/* A rename is no event of the kernel's: until the list is read again, a live container is known by the name it had. How long after
 * the new one was announced it was asked for, or -1 if the answer was not true then either. */
static double lateness(const struct question *q, const struct window *w, const struct answer *a, double asked)
{
	const struct truth *first = &w->truths[w->from % TRUTHS_KEPT];

	for (uint32_t n = w->from; first->kind == RUNNING && n-- > w->oldest;) {
		const struct truth *t = &w->truths[n % TRUTHS_KEPT];
		struct truth then = *first;

		if (t->kind != RUNNING || t->pid != first->pid)
			break;
		memcpy(then.name, t->name, sizeof(then.name));
		if (fits(q, &then, a))
			return asked - w->truths[(n + 1) % TRUTHS_KEPT].since;
	}
	return -1;
}

static void most(_Atomic uint64_t *at, uint64_t value)
{
	uint64_t old = atomic_load(at);

	while (old < value && !atomic_compare_exchange_weak(at, &old, value))
		;
}

static void complain(const struct question *q, const struct window *w, const struct answer *a, struct score *score)
{
	const struct truth *t = &w->truths[w->from % TRUTHS_KEPT];

	if (atomic_load(&score->wrong) >= COMPLAINTS)
		return;
	fprintf(stderr,
		"wrong: %s of %s (by %s): error %d engine %s id %s name %s state %u pid %d cgroup %s hostname %s;"
		" truth %u of %u: kind %u pid %d name %s cgroup %s hostname %s\n",
		ask_names[q->what], q->text, key_names[q->key], a->error, a->record.engine, a->record.id,
		a->record.name, a->record.state, a->record.pid, a->record.cgroup, a->hostname, w->from, w->to, t->kind,
		t->pid, t->name, t->cgroup, t->hostname);
}

static void judge(const struct question *q, uint32_t opened, double asked, const struct answer *a, struct score *score)
{
	struct window w;
	double late;

	if (a->error == -EAGAIN || a->error == -ETIMEDOUT) {
		score->retry++;
		return;
	}
	if (!window_close(q->slot, opened, &w)) {
		score->unknown++;
		return;
	}
	for (uint32_t n = w.from; n <= w.to; n++) {
		if (fits(q, &w.truths[n % TRUTHS_KEPT], a)) {
			score->right++;
			score->changing += w.from != w.to;
			return;
		}
	}
	if (fits_between(q, &w, a)) {
		score->right++;
		score->changing++;
		return;
	}
	late = q->slot->engine == PODMAN ? lateness(q, &w, a, asked) : -1;
	if (late >= 0) {
		score->late++;
		most(&score->late_us, (uint64_t)(late * 1e6));
		return;
	}
	complain(q, &w, a, score);
	score->wrong++;
}

/* --- Questions --------------------------------------------------------------------------------------------------- */

static void name_it(struct question *q, const struct truth *t, const struct truth *before)
{
	const char *name = q->slot->engine == PODMAN ? t->name : q->slot->id;

	if (q->slot->engine != PODMAN && q->key != BY_ENGINE)
		q->key = BY_ID; /* it has no other name, and a name has no prefixes */
	switch (q->key) {
	case BY_OLD_NAME:
		if (before->name[0])
			name = before->name;
		/* fall through */
	case BY_NAME:
		(void)snprintf(q->text, sizeof(q->text), "%s", name);
		break;
	case BY_PREFIX:
		(void)snprintf(q->text, sizeof(q->text), "%.12s", q->slot->id);
		break;
	case BY_ENGINE:
		(void)snprintf(q->text, sizeof(q->text), "%s:%s", engine_names[q->slot->engine], name);
		break;
	case BY_ID:
	case KEYS:
	default:
		(void)snprintf(q->text, sizeof(q->text), "%s", q->slot->id);
	}
}

static void send_question(int fd, const struct question *q, struct answer *a)
{
	int len = (int)strlen(q->text), r;

	memset(a, 0, sizeof(*a));
	switch (q->what) {
	case ASK_HOSTNAME:
		r = rootContainerHostName(fd, q->text, len, a->hostname, sizeof(a->hostname));
		break;
	case ASK_PID:
		r = a->record.pid = rootContainerProcessID(fd, q->text, len);
		break;
	case ASK_CGROUP:
		r = rootContainerCGroupName(fd, q->text, len, a->record.cgroup, sizeof(a->record.cgroup));
		break;
	default:
		r = rootContainerGet(fd, q->text, len, &a->record, sizeof(a->record));
	}
	a->error = r < 0 ? r : 0;
}

static void ask(int fd, const struct slot *s, enum what what, enum key key, struct score *score)
{
	struct question q = {.slot = s, .what = what, .key = key};
	uint32_t opened = window_open(s);
	/* Names may be half written by now: they are looked at again when the window is closed. */
	struct truth t = s->truths[opened / 2 % TRUTHS_KEPT], before = {0};
	struct answer a;
	double begin;

	if (opened / 2 > 0)
		before = s->truths[(opened / 2 - 1) % TRUTHS_KEPT];
	name_it(&q, &t, &before);
	if (!q.text[0])
		return;
	begin = now();
	send_question(fd, &q, &a);
	if (a.error != -EAGAIN && a.error != -ETIMEDOUT)
		times_add(&score->times[a.error == -ENOENT ? ASK_MISSING : what], now() - begin);
	judge(&q, opened, begin, &a, score);
}

void ask_pid(int fd, const struct slot *s, struct score *score)
{
	ask(fd, s, ASK_PID, s->engine == PODMAN ? BY_NAME : BY_ID, score);
}

/* --- Listings ---------------------------------------------------------------------------------------------------- */

struct listing {
	uint32_t *opened;
	unsigned *seen; /* how often */
	struct root_container *page;
};

static struct listing listing_new(const struct oracle *o)
{
	struct listing l = {
		.opened = calloc(o->nslots, sizeof(*l.opened)),
		.seen = calloc(o->nslots, sizeof(*l.seen)),
		.page = calloc(PAGE, sizeof(*l.page)),
	};

	if (!l.opened || !l.seen || !l.page)
		die("memory");
	return l;
}

static void listing_free(struct listing *l)
{
	free(l->opened);
	free(l->seen);
	free(l->page);
}

/* The slot of an id that farm.c made: its number, or, podman's, the first word of it, which is a multiple. */
static struct slot *find_slot(struct oracle *o, const struct root_container *r)
{
	const char *dash = strrchr(r->id, '-');
	char word[9];
	uint32_t n;

	(void)snprintf(word, sizeof(word), "%.8s", dash ? dash + 1 : r->id);
	n = (uint32_t)strtoul(word, NULL, dash ? 10 : 16) * (dash ? 1 : ID_INVERSE);
	return n < o->nslots && strcmp(o->slots[n].id, r->id) == 0 ? &o->slots[n] : NULL;
}

static void list_all(int fd, struct oracle *o, struct score *score, struct listing *l)
{
	struct question q = {.what = ASK_RECORD, .key = BY_ID};
	struct answer a = {0};
	uint64_t cursor = 0;
	double begin;
	int n;

	memset(l->seen, 0, o->nslots * sizeof(*l->seen));
	for (unsigned i = 0; i < o->nslots; i++)
		l->opened[i] = window_open(&o->slots[i]);
	begin = now();
	while ((n = rootContainerList(fd, 0, &cursor, l->page, sizeof(*l->page), PAGE)) > 0) {
		for (int i = 0; i < n; i++) {
			struct slot *s = find_slot(o, &l->page[i]);

			if (!s) {
				fprintf(stderr, "wrong: listed: %s %s\n", l->page[i].engine, l->page[i].id);
				score->wrong++;
				continue;
			}
			l->seen[s - o->slots]++;
			q.slot = s;
			(void)snprintf(q.text, sizeof(q.text), "a listing");
			a.record = l->page[i];
			judge(&q, l->opened[s - o->slots], begin, &a, score);
		}
	}
	if (n < 0) {
		score->retry++;
		return;
	}
	times_add(&score->times[ASK_LISTING], now() - begin);
	for (unsigned i = 0; i < o->nslots; i++) {
		bool changed = window_open(&o->slots[i]) != l->opened[i] || l->opened[i] % 2;
		unsigned want = truth_now(&o->slots[i])->kind == ABSENT ? 0 : 1;

		if (!changed && l->seen[i] != want) {
			fprintf(stderr, "wrong: %s is listed %u times instead of %u\n", o->slots[i].id, l->seen[i],
				want);
			score->wrong++;
		}
	}
}

/* --- Clients ----------------------------------------------------------------------------------------------------- */

static int connect_to(const char *socket)
{
	int fd = rootConnectTo(socket);

	if (fd < 0) {
		errno = -fd;
		die("connecting");
	}
	return fd;
}

/* Any container, one that was changed a moment ago, or the one that is being changed. */
static const struct slot *choose(struct client *c)
{
	struct oracle *o = c->oracle;
	uint32_t n = (uint32_t)rand_r(&c->seed), recent = atomic_load(&o->nrecent);

	switch (n % 4) {
	case 0:
		return &o->slots[atomic_load(&o->changing)];
	case 1:
		recent = recent < RECENT_KEPT ? recent : RECENT_KEPT;
		return &o->slots[recent ? atomic_load(&o->recent[n / 4 % recent]) : 0];
	default:
		return &o->slots[n / 4 % o->nslots];
	}
}

static void *ask_always(void *data)
{
	struct client *c = data;
	int fd = connect_to(c->socket);

	while (!atomic_load(&c->score->stop)) {
		ask(fd, choose(c), (enum what)(rand_r(&c->seed) % (ASK_RECORD + 1)),
		    (enum key)(rand_r(&c->seed) % KEYS), c->score);
		if (c->pause_us)
			(void)usleep(c->pause_us / 2 + (unsigned)rand_r(&c->seed) % c->pause_us);
	}
	rootShutdown(fd);
	return NULL;
}

static void *list_always(void *data)
{
	struct client *c = data;
	struct listing l = listing_new(c->oracle);
	int fd = connect_to(c->socket);

	while (!atomic_load(&c->score->stop)) {
		list_all(fd, c->oracle, c->score, &l);
		(void)usleep(LIST_PAUSE_US);
	}
	rootShutdown(fd);
	listing_free(&l);
	return NULL;
}

int ask_begin(const char *socket, struct oracle *o, struct score *score, unsigned uid, int threads, unsigned pause_us)
{
	int pid = fork();
	struct client *c;

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		die("becoming an unprivileged user");
	c = calloc((size_t)threads + 1, sizeof(*c));
	if (!c)
		die("memory");
	for (int i = 0; i <= threads; i++) {
		c[i] = (struct client){.socket = socket, .oracle = o, .score = score, .pause_us = pause_us};
		c[i].seed = (unsigned)i + 1;
		if (pthread_create(&c[i].thread, NULL, i < threads ? ask_always : list_always, &c[i]) != 0)
			die("a thread");
	}
	for (int i = 0; i <= threads; i++)
		(void)pthread_join(c[i].thread, NULL);
	_exit(0);
}

void ask_end(struct score *score, int pid)
{
	int status;

	atomic_store(&score->stop, true);
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		errno = ECHILD;
		die("a client failed");
	}
}

void ask_all(int fd, struct oracle *o, struct score *score)
{
	struct listing l = listing_new(o);

	list_all(fd, o, score, &l);
	listing_free(&l);
	for (unsigned i = 0; i < o->nslots; i++) {
		for (int what = ASK_HOSTNAME; what <= ASK_RECORD; what++)
			ask(fd, &o->slots[i], (enum what)what, (enum key)(what % KEYS), score);
	}
}
