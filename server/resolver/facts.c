/* SPDX-License-Identifier: MIT */
/* What is known of a container, and how. Runs in: resolver. See facts.h. */
#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../include/rootbroker.h"
#include "../common/procfd.h"

struct facts {
	const struct engine_ctx *ctx;
	const struct known *k;
	struct page_wr page;
	/* Where it is listed, and where its process is noted; the same, or other engines' files. */
	const struct entry *listed, *run;
	char listed_source[FACT_SOURCE_MAX + 1], run_source[FACT_SOURCE_MAX + 1];
};

static void add(struct facts *f, const char *key, struct str value, const char *source)
{
	struct fact_record m = {.key = str_of(key), .value = value, .source = str_of(source)};

	(void)page_add_fact(&f->page, &m);
}

static void add_number(struct facts *f, const char *key, uint64_t value, const char *source)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add(f, key, str_of(text), source);
}

static void source_of(const struct entry *e, char text[FACT_SOURCE_MAX + 1])
{
	text[0] = '\0';
	if (e && e->scope->source)
		e->scope->source(e, text, FACT_SOURCE_MAX + 1);
	if (e && !text[0])
		(void)snprintf(text, FACT_SOURCE_MAX + 1, "%s", e->scope->dir->path);
}

static void find_sources(struct facts *f)
{
	char id[ROOT_ID_MAX + 1];

	if (!str_copy(id, sizeof(id), f->k->m.id))
		return;
	for (const struct entry *e = table_entries(f->ctx->table, f->k->m.user.len ? f->k->m.owner : 0, id); e;
	     e = e->next) {
		if (e->rid == f->k->m.rid)
			f->listed = e;
		if (e->init.pidfd >= 0 && (uint32_t)e->init.pid == f->k->m.pid)
			f->run = e;
	}
	source_of(f->listed, f->listed_source);
	source_of(f->run ? f->run : f->listed, f->run_source);
}

/* --- What the files say ------------------------------------------------------------------------------------------ */

static void add_state(struct facts *f)
{
	static const char *const names[ROOT_CONTAINER_STATES] = {
		[ROOT_CONTAINER_UNKNOWN] = "unknown",   [ROOT_CONTAINER_CREATED] = "created",
		[ROOT_CONTAINER_RUNNING] = "running",   [ROOT_CONTAINER_PAUSED] = "paused",
		[ROOT_CONTAINER_STOPPING] = "stopping", [ROOT_CONTAINER_STOPPED] = "stopped",
		[ROOT_CONTAINER_STARTING] = "starting", [ROOT_CONTAINER_ABORTING] = "aborting",
		[ROOT_CONTAINER_FREEZING] = "freezing", [ROOT_CONTAINER_THAWED] = "thawed",
	};
	bool alive = procfd_alive(f->k->pidfd);
	char source[FACT_SOURCE_MAX + 1];

	(void)snprintf(source, sizeof(source), "%s; %.900s", alive ? "pidfd of the init" : "no live init",
		       f->run_source);
	add(f, "state", str_of(names[alive || f->k->pidfd < 0 ? f->k->m.state : ROOT_CONTAINER_STOPPED]), source);
}

static void add_owner(struct facts *f)
{
	char source[FACT_SOURCE_MAX + 1];

	(void)snprintf(source, sizeof(source), "owner of %.1000s", f->listed ? f->listed->scope->dir->path : "");
	add_number(f, "owner", f->k->m.owner, source);
	if (f->k->m.user.len)
		add(f, "user", f->k->m.user, "name of the owner");
}

static void add_exit(struct facts *f)
{
	int word = (int)f->k->m.exit;
	char text[64], source[FACT_SOURCE_MAX + 1];

	if (!(f->k->m.flags & RECORD_EXITED))
		return;
	if (WIFSIGNALED(word))
		(void)snprintf(text, sizeof(text), "killed by signal %d", WTERMSIG(word));
	else
		(void)snprintf(text, sizeof(text), "exited with status %d", WEXITSTATUS(word));
	(void)snprintf(source, sizeof(source), "the kernel at the init's end, or %.900s", f->run_source);
	add(f, "exit", str_of(text), source);
}

/* --- What the kernel says ---------------------------------------------------------------------------------------- */

static ssize_t read_uid_map(const struct facts *f, char *text, size_t size)
{
	char path[64];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "%u/uid_map", f->k->m.pid);
	len = proc_read_file(f->ctx->proc, path, text, size);
	return len > 0 && text[len - 1] == '\n' ? len - 1 : len;
}

static void add_kernel(struct facts *f)
{
	const struct known *k = f->k;
	char cgroup[ROOT_CGROUP_MAX + 1], uids[1024];
	ssize_t cgroup_len, uids_len;
	struct proc_stat st;
	uint64_t inode;

	if (k->pidfd < 0 || proc_read_stat(f->ctx->proc, (pid_t)k->m.pid, &st) < 0)
		return;
	cgroup_len = proc_read_cgroup(f->ctx->proc, (pid_t)k->m.pid, cgroup, sizeof(cgroup));
	uids_len = read_uid_map(f, uids, sizeof(uids));
	/* Read by number: it counts if the number was this process's all the time. */
	if (!procfd_alive(k->pidfd))
		return;
	add_number(f, "pid", k->m.pid, f->run_source);
	add_number(f, "start_ticks", st.start_ticks, "/proc/PID/stat");
	inode = procfd_inode(k->pidfd);
	if (inode)
		add_number(f, "pidfd_inode", inode, "pidfd of the init");
	if (cgroup_len > 0)
		add(f, "init_cgroup", (struct str){cgroup, (size_t)cgroup_len}, "/proc/PID/cgroup, now");
	if (uids_len > 0)
		add(f, "uid_map", (struct str){uids, (size_t)uids_len}, "/proc/PID/uid_map, now");
}

void facts_write(const struct engine_ctx *ctx, const struct known *k, struct wire_wr *w)
{
	struct facts f = {.ctx = ctx, .k = k};

	find_sources(&f);
	page_begin(&f.page, w);
	add(&f, "engine", k->m.engine, f.listed ? f.listed->scope->dir->path : "");
	add(&f, "id", k->m.id, f.listed_source);
	if (k->m.name.len)
		add(&f, "name", k->m.name, f.listed_source);
	add_state(&f);
	add_owner(&f);
	add_exit(&f);
	add_kernel(&f);
	/* The longest one, last. */
	if (k->pidfd >= 0 && k->m.cgroup.len)
		add(&f, "cgroup", k->m.cgroup, "/proc/PID/cgroup, when the init was noticed");
	(void)page_end(&f.page, 0);
}
