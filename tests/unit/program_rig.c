/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "../../server/common/cleanup.h"
#include "program_rig.h"

struct programs *programs;
struct catalogue *catalogue;
struct config config = {.max_programs = 400, .max_programs_per_uid = 300};
struct note notes[2048];
int nnotes;
struct kept kept[512];
int nkept;

static struct loop loop;
static struct keeper_link keeper = {.fd = -1, .next_key = 1000};
static int fds_before;

/* --- The keeper ---------------------------------------------------------------------------------------------------- */

uint64_t keeper_new_key(struct keeper_link *k)
{
	return k->next_key++;
}

static struct kept *kept_key(uint64_t key)
{
	int i;

	for (i = 0; i < nkept; i++) {
		if (kept[i].item.key == key)
			return &kept[i];
	}
	return NULL;
}

void keeper_put(struct keeper_link *k, const struct ipc_item *item, int fd)
{
	struct kept *e = kept_key(item->key);

	(void)k;
	assert_int_equal(item->kind, IPC_KIND_PROGRAM);
	if (e == NULL) {
		assert_true(fd >= 0 && nkept < 512);
		e = &kept[nkept++];
		e->puts = 0;
		e->orphan = false;
		e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	} else {
		assert_int_equal(fd, -1);
	}
	e->item = *item;
	assert_true(item->record.len <= sizeof(e->record));
	memcpy(e->record, item->record.p, item->record.len);
	e->item.record.p = e->record;
	e->puts++;
}

void keeper_drop(struct keeper_link *k, uint64_t key)
{
	struct kept *e = kept_key(key);

	(void)k;
	if (e == NULL) {
		fail_msg("an item is dropped that the keeper does not have");
		return;
	}
	(void)close(e->fd);
	*e = kept[--nkept];
	e->item.record.p = e->record;
}

struct kept *kept_of(uint32_t pid)
{
	int i;

	for (i = 0; i < nkept; i++) {
		if (kept[i].item.pid == pid)
			return &kept[i];
	}
	return NULL;
}

/* --- The monitor --------------------------------------------------------------------------------------------------- */

static struct note *take_note(enum answer answer, uint64_t session, uint32_t serial)
{
	struct note *n = &notes[nnotes++];

	assert_true(nnotes < 2048);
	*n = (struct note){.answer = answer, .session = session, .serial = serial};
	return n;
}

static void on_started(void *data, uint64_t session, uint32_t serial, const struct started_reply *m, const int *fds,
		       int nfds)
{
	struct note *n = take_note(STARTED, session, serial);
	int i;

	(void)data;
	n->pid = m->pid;
	n->instance = m->instance;
	n->nfds = nfds;
	for (i = 0; i < nfds; i++)
		n->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
}

static void on_failed(void *data, uint64_t session, uint32_t serial, uint16_t status, const char *detail)
{
	struct note *n = take_note(FAILED, session, serial);

	(void)data;
	n->status = status;
	(void)snprintf(n->detail, sizeof(n->detail), "%s", detail);
}

static void on_waited(void *data, uint64_t session, uint32_t serial, const struct waited_reply *m)
{
	struct note *n = take_note(WAITED, session, serial);

	(void)data;
	n->pid = m->pid;
	n->status = m->status;
	n->instance = m->instance;
}

static void on_terminated(void *data, uint64_t session, uint32_t serial)
{
	(void)data;
	(void)take_note(TERMINATED, session, serial);
}

/* --- Around a test ------------------------------------------------------------------------------------------------- */

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void entry(const char *name, const char *exec, const char *more)
{
	char file[64], text[2048];

	(void)snprintf(file, sizeof(file), "d/%s.conf", name);
	(void)snprintf(text, sizeof(text), "[program]\nexec = %s\nuser = 64000\n%s%s\n", exec, more,
		       strstr(more, "allow =") != NULL ? "" : "allow = user:1000");
	tree_file(file, 0644, text);
}

static void script(const char *name, const char *text, const char *more)
{
	char body[1024];

	(void)snprintf(body, sizeof(body), "#!/bin/sh\n%s\n", text);
	tree_file(name, 0755, body);
	entry(name, tree_path(name), more);
}

static void make_entries(void)
{
	tree_dir("d", 0755);
	tree_dir("out", 0777);
	entry("true", "/bin/true", "description = does nothing, well\n");
	entry("sleep", "/bin/sleep", "argument = 1000\n");
	script("exit", "exit $1", "argument = {int:0-255}\n");
	script("suicide", "kill -9 $$", "");
	script("polite", "trap 'exit 9' TERM; echo >$0.d; while :; do sleep 0.05; done", "grace_ms = 20000\n");
	script("stubborn", "trap '' TERM; sleep 1000 & echo $! >$0.d; while :; do sleep 0.05; done", "grace_ms = 50\n");
	script("parent", "sleep 1000 & echo $! >$0.d; exec sleep 1000", "grace_ms = 20000\n");
	script("cat", "cat; echo err >&2", "");
	script("one", "sleep 1000", "instances = 1\n");
	script("others", "exit 0", "allow = user:2000\n");
	script("forroot", "exit 0", "allow = user:0\n");
	entry("missing", tree_path("not-there"), "");
	script("vanishing", "exit 0", "");
	entry("nonsense", tree_path("garbage"), "");
	tree_file("garbage", 0755, "neither ELF nor script");
	script("loose", "exit 0", "");
	tree_file("env", 0755, "#!/usr/bin/env sh\n");
	entry("viaenv", tree_path("env"), "");
	entry("private", "/bin/true", "directory = /root-only-nowhere\n");
	tree_file("d/broken.conf", 0644, "[program]\nfrobnicate = yes\n");
}

int rig_make(void **state)
{
	int r = tree_make(state);

	log_init("test", LOG_LEVEL_ERROR);
	if (r != 0 || !tree_ready())
		return r;
	make_entries();
	/* Where the scripts say that they are ready: theirs to write. */
	for (const char *const *n = (const char *const[]){"polite.d", "stubborn.d", "parent.d", NULL}; *n != NULL;
	     n++) {
		tree_file(*n, 0666, "");
	}
	config.programs_directory = strdup(tree_path("d"));
	return 0;
}

int rig_remove(void **state)
{
	free(config.programs_directory);
	return tree_remove(state);
}

static void new_programs(void)
{
	static const struct program_replies replies = {on_started, on_failed, on_waited, on_terminated};
	char why[512];
	int refused;

	assert_int_equal(catalogue_load(&config, &catalogue, &refused, why, (int)sizeof(why)), 0);
	assert_int_equal(programs_new(&programs, &loop, &keeper, &config, catalogue, &replies, NULL), 0);
}

int rig_new(void **state)
{
	(void)state;
	if (!tree_ready())
		return 0;
	fds_before = count_fds();
	nnotes = nkept = 0;
	config.max_programs = 400;
	config.max_programs_per_uid = 300;
	/* Emptied: each test sees only its own programs' words. */
	for (const char *const *n = (const char *const[]){"polite.d", "stubborn.d", "parent.d", NULL}; *n != NULL; n++)
		tree_file(*n, 0666, "");
	assert_int_equal(loop_init(&loop), 0);
	new_programs();
	return 0;
}

static void reap_orphans(void)
{
	int i, word;

	for (i = 0; i < nkept; i++) {
		if (kept[i].orphan && waitpid((pid_t)kept[i].item.pid, &word, WNOHANG) > 0) {
			programs_exited(programs, kept[i].item.key, (uint32_t)word);
			return;
		}
	}
}

int rig_free(void **state)
{
	int i, k;

	(void)state;
	if (!tree_ready())
		return 0;
	/* Whatever a test left running is ended as if its session had. */
	for (i = 0; i < 20; i++)
		programs_session_end(programs, (uint64_t)i);
	for (i = 0; i < 3000 && programs_count(programs) > 0; i++) {
		(void)loop_once(&loop, 10);
		reap_orphans();
	}
	assert_int_equal(programs_count(programs), 0);
	assert_int_equal(nkept, 0);
	programs_free(programs);
	catalogue_free(catalogue);
	loop_fini(&loop);
	for (i = 0; i < nnotes; i++) {
		for (k = 0; k < notes[i].nfds; k++)
			(void)close(notes[i].fds[k]);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

void rig_replace(bool (*exists)(void *data, uint64_t session))
{
	int i, n = nkept;
	struct kept items[512];

	programs_free(programs);
	catalogue_free(catalogue);
	new_programs();
	for (i = 0; i < n; i++)
		kept[i].orphan = true;
	memcpy(items, kept, sizeof(items));
	for (i = 0; i < n; i++) {
		items[i].item.record.p = items[i].record;
		programs_restore(programs, &items[i].item, fcntl(items[i].fd, F_DUPFD_CLOEXEC, 3));
	}
	programs_restored(programs, exists);
}

void rig_keeper_reaps(pid_t pid)
{
	struct kept *k = kept_of((uint32_t)pid);
	int word = 0;

	assert_int_equal(waitpid(pid, &word, 0), pid);
	if (k == NULL)
		fail_msg("the keeper does not have pid %d", pid);
	else
		programs_exited(programs, k->item.key, (uint32_t)word);
}

/* --- Requests ------------------------------------------------------------------------------------------------------ */

void start_as(uid_t uid, uint64_t session, uint32_t serial, const char *label, struct str args, uint32_t ipc,
	      uint32_t flags)
{
	struct peer peer = {.uid = uid, .gid = uid, .host = true};
	struct program_owner owner = {.session = session, .peer = &peer};
	struct start_request m = {.ipc = ipc, .flags = flags, .label = str_of(label), .args = args};

	programs_start(programs, &owner, serial, &m);
}

void start(uint32_t serial, const char *label)
{
	start_as(1000, SESSION, serial, label, (struct str){NULL, 0}, ROOT_IPC_NONE, 0);
}

void wait_for(uint64_t session, uint32_t serial, uint32_t pid, uint64_t acknowledged)
{
	struct wait_request m = {.pid = pid, .ack = acknowledged};

	programs_wait(programs, session, serial, &m);
}

void ack(uint64_t session, uint64_t instance)
{
	struct ack_request m = {.instance = instance};

	programs_ack(programs, session, &m);
}

void cancel(uint64_t session, uint32_t serial, uint32_t start_serial)
{
	struct cancel_request m = {.start = start_serial};

	programs_cancel(programs, session, serial, &m);
}

void terminate(uint64_t session, uint32_t serial, uint32_t pid)
{
	struct terminate_request m = {.pid = pid};

	programs_terminate(programs, session, serial, &m);
}

struct note *note_of(uint64_t session, uint32_t serial)
{
	int i;

	for (i = nnotes - 1; i >= 0; i--) {
		if (notes[i].session == session && notes[i].serial == serial)
			return &notes[i];
	}
	return NULL;
}

struct note *answer_to(uint64_t session, uint32_t serial)
{
	uint64_t until = loop_now_ms() + 20000;
	struct note *n;

	while ((n = note_of(session, serial)) == NULL && loop_now_ms() < until)
		assert_int_equal(loop_once(&loop, 100), 0);
	if (n == NULL)
		fail_msg("no answer to %u", serial);
	return n;
}

void turn(int ms)
{
	uint64_t until = loop_now_ms() + (uint64_t)ms;

	do
		assert_int_equal(loop_once(&loop, 5), 0);
	while (loop_now_ms() < until);
}

uint32_t started(uint32_t serial, const char *label)
{
	struct note *n;

	start(serial, label);
	n = answer_to(SESSION, serial);
	if (n->answer != STARTED)
		fail_msg("%s: status %u %s", label, n->status, n->detail);
	return n->pid;
}

uint32_t finished(uint32_t serial, uint32_t pid)
{
	struct note *n;

	wait_for(SESSION, serial, pid, 0);
	n = answer_to(SESSION, serial);
	assert_int_equal(n->answer, WAITED);
	assert_true(pid == 0 || n->pid == pid);
	ack(SESSION, n->instance);
	return n->status;
}

void expect_failure(uint64_t session, uint32_t serial, uint16_t status, const char *text)
{
	struct note *n = answer_to(session, serial);

	if (n->answer != FAILED || n->status != status || strstr(n->detail, text) == NULL)
		fail_msg("%u: answer %d status %u \"%s\", expected %u \"%s\"", serial, n->answer, n->status, n->detail,
			 status, text);
}

void rig_until_none(void)
{
	uint64_t until = loop_now_ms() + 20000;

	while (programs_count(programs) > 0 && loop_now_ms() < until)
		assert_int_equal(loop_once(&loop, 100), 0);
	assert_int_equal(programs_count(programs), 0);
}

bool process_exists(pid_t pid)
{
	return kill(pid, 0) == 0;
}

void await_file(const char *name)
{
	uint64_t until = loop_now_ms() + 20000;

	while (loop_now_ms() < until) {
		char text[8];
		autoclose int fd = open(tree_path(name), O_RDONLY | O_CLOEXEC);

		if (read(fd, text, sizeof(text)) > 0)
			return;
		turn(10);
	}
	fail_msg("%s stays empty", name);
}
