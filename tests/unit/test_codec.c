/* SPDX-License-Identifier: MIT */
/*
 * The client protocol's bodies, against the test vectors that other implementations use too: each vector decodes to
 * its meaning and encodes to the same bytes; cut at every length, or with a byte more, it is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../include/rootbroker.h"
#include "../../proto/codec.h"
#include "../../proto/proto.h"

/* Decodes one body, says what it means, and encodes it again. */
struct codec_case {
	uint16_t type;
	int (*decode)(struct wire_rd *r, char *meaning, size_t size, struct wire_wr *again);
};

#define SV(s) (int)(s).len, (s).p

static int case_hello(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct hello m;
	int e = get_hello(r, &m);

	(void)put_hello(w, &m);
	(void)snprintf(t, n, "min=%u max=%u client=%.*s", m.version_min, m.version_max, SV(m.client));
	return e;
}

static int case_welcome(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct welcome m;
	int e = get_welcome(r, &m);

	(void)put_welcome(w, &m);
	(void)snprintf(t, n, "version=%u session=%llu", m.version, (unsigned long long)m.session);
	return e;
}

static int case_error(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct error_reply m;
	int e = get_error_reply(r, &m);

	(void)put_error_reply(w, &m);
	(void)snprintf(t, n, "status=%u detail=%.*s", m.status, SV(m.detail));
	return e;
}

static int case_nothing(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	(void)w;
	(void)snprintf(t, n, "-");
	return get_nothing(r);
}

static int case_name(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct name_request m;
	int e = get_name_request(r, &m);

	(void)put_name_request(w, &m);
	(void)snprintf(t, n, "flags=%u name=%.*s", m.flags, SV(m.name));
	return e;
}

static int case_hostname(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct hostname_reply m;
	int e = get_hostname_reply(r, &m);

	(void)put_hostname_reply(w, &m);
	(void)snprintf(t, n, "hostname=%.*s", SV(m.hostname));
	return e;
}

static int case_pid(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct pid_reply m;
	int e = get_pid_reply(r, &m);

	(void)put_pid_reply(w, &m);
	(void)snprintf(t, n, "pid=%u", m.pid);
	return e;
}

static int case_cgroup(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct cgroup_reply m;
	int e = get_cgroup_reply(r, &m);

	(void)put_cgroup_reply(w, &m);
	(void)snprintf(t, n, "cgroup=%.*s", SV(m.cgroup));
	return e;
}

static void describe_container(const struct container_record *m, char *t, size_t n)
{
	(void)snprintf(
		t, n,
		"rid=%llu generation=%llu state=%u flags=%u pid=%u owner=%u exit=%u engine=%.*s id=%.*s name=%.*s "
		"user=%.*s cgroup=%.*s init_cgroup=%.*s hostname=%.*s",
		(unsigned long long)m->rid, (unsigned long long)m->generation, m->state, m->flags, m->pid, m->owner,
		m->exit, SV(m->engine), SV(m->id), SV(m->name), SV(m->user), SV(m->cgroup), SV(m->init_cgroup),
		SV(m->hostname));
}

static int case_container(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct container_record m;
	int e = get_container_record(r, &m);

	(void)put_container_record(w, &m);
	describe_container(&m, t, n);
	return e;
}

static int case_containers(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct container_record m;
	struct page_wr page;
	uint64_t next;
	uint16_t count;
	int at;

	page_begin(&page, w);
	get_page(r, &next, &count);
	at = snprintf(t, n, "next=%llu count=%u", (unsigned long long)next, count);
	for (uint16_t i = 0; i < count && !r->bad; i++) {
		page_next_container(r, &m);
		(void)page_add_container(&page, &m);
		at += snprintf(t + at, n - (size_t)at, " ");
		describe_container(&m, t + at, n - (size_t)at);
		at = (int)strlen(t);
	}
	(void)page_end(&page, next);
	return wire_rd_done(r);
}

static int case_programs(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct program_record m;
	struct page_wr page;
	uint64_t next;
	uint16_t count;
	int at;

	page_begin(&page, w);
	get_page(r, &next, &count);
	at = snprintf(t, n, "next=%llu count=%u", (unsigned long long)next, count);
	for (uint16_t i = 0; i < count && !r->bad; i++) {
		page_next_program(r, &m);
		(void)page_add_program(&page, &m);
		at += snprintf(t + at, n - (size_t)at, " usable=%u name=%.*s description=%.*s", m.usable, SV(m.name),
			       SV(m.description));
	}
	(void)page_end(&page, next);
	return wire_rd_done(r);
}

static int case_events(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct events_head head;
	struct event_record m;
	struct page_wr page;
	uint64_t until;
	uint16_t count;
	int at;

	get_events_head(r, &head);
	put_events_head(w, &head);
	page_begin(&page, w);
	get_page(r, &until, &count);
	at = snprintf(t, n, "flags=%u after=%llu until=%llu count=%u", head.flags, (unsigned long long)head.after,
		      (unsigned long long)until, count);
	for (uint16_t i = 0; i < count && !r->bad; i++) {
		page_next_event(r, &m);
		(void)page_add_event(&page, &m);
		at += snprintf(t + at, n - (size_t)at, " kind=%u ", m.kind);
		describe_container(&m.container, t + at, n - (size_t)at);
		at = (int)strlen(t);
	}
	(void)page_end(&page, until);
	return wire_rd_done(r);
}

static int case_facts(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct fact_record m;
	struct page_wr page;
	uint64_t next;
	uint16_t count;
	int at;

	page_begin(&page, w);
	get_page(r, &next, &count);
	at = snprintf(t, n, "next=%llu count=%u", (unsigned long long)next, count);
	for (uint16_t i = 0; i < count && !r->bad; i++) {
		page_next_fact(r, &m);
		(void)page_add_fact(&page, &m);
		at += snprintf(t + at, n - (size_t)at, " key=%.*s value=%.*s source=%.*s", SV(m.key), SV(m.value),
			       SV(m.source));
	}
	(void)page_end(&page, next);
	return wire_rd_done(r);
}

static int case_process(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct process_request m;
	int e = get_process_request(r, &m);

	(void)put_process_request(w, &m);
	(void)snprintf(t, n, "pid=%u flags=%u", m.pid, m.flags);
	return e;
}

static int case_of_cgroup(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct cgroup_request m;
	int e = get_cgroup_request(r, &m);

	(void)put_cgroup_request(w, &m);
	(void)snprintf(t, n, "flags=%u cgroup=%.*s", m.flags, SV(m.cgroup));
	return e;
}

static int case_watch(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct watch_request m;
	int e = get_watch_request(r, &m);

	(void)put_watch_request(w, &m);
	(void)snprintf(t, n, "after=%llu until=%llu flags=%u", (unsigned long long)m.after, (unsigned long long)m.until,
		       m.flags);
	return e;
}

static int case_list(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct list_request m;
	int e = get_list_request(r, &m);

	(void)put_list_request(w, &m);
	(void)snprintf(t, n, "cursor=%llu flags=%u", (unsigned long long)m.cursor, m.flags);
	return e;
}

static int case_start(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct start_request m;
	int e = get_start_request(r, &m);
	int at;

	(void)put_start_request(w, &m);
	at = snprintf(t, n, "ipc=%u flags=%u label=%.*s args=", m.ipc, m.flags, SV(m.label));
	for (size_t i = 0; i < m.args.len; i++)
		t[at++] = m.args.p[i] ? m.args.p[i] : '|';
	t[at] = '\0';
	return e;
}

static int case_started(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct started_reply m;
	int e = get_started_reply(r, &m);

	(void)put_started_reply(w, &m);
	(void)snprintf(t, n, "pid=%u instance=%llu", m.pid, (unsigned long long)m.instance);
	return e;
}

static int case_wait(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct wait_request m;
	int e = get_wait_request(r, &m);

	(void)put_wait_request(w, &m);
	(void)snprintf(t, n, "pid=%u flags=%u ack=%llu", m.pid, m.flags, (unsigned long long)m.ack);
	return e;
}

static int case_waited(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct waited_reply m;
	int e = get_waited_reply(r, &m);

	(void)put_waited_reply(w, &m);
	(void)snprintf(t, n, "pid=%u status=%u instance=%llu", m.pid, m.status, (unsigned long long)m.instance);
	return e;
}

static int case_ack(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct ack_request m;
	int e = get_ack_request(r, &m);

	(void)put_ack_request(w, &m);
	(void)snprintf(t, n, "instance=%llu", (unsigned long long)m.instance);
	return e;
}

static int case_terminate(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct terminate_request m;
	int e = get_terminate_request(r, &m);

	(void)put_terminate_request(w, &m);
	(void)snprintf(t, n, "pid=%u", m.pid);
	return e;
}

static int case_cancel(struct wire_rd *r, char *t, size_t n, struct wire_wr *w)
{
	struct cancel_request m;
	int e = get_cancel_request(r, &m);

	(void)put_cancel_request(w, &m);
	(void)snprintf(t, n, "start=%u", m.start);
	return e;
}

static const struct codec_case cases[] = {
	{MSG_HELLO, case_hello},
	{MSG_WELCOME, case_welcome},
	{MSG_ERROR, case_error},
	{MSG_RESUMED, case_nothing},
	{MSG_CONTAINER_HOSTNAME, case_name},
	{MSG_HOSTNAME, case_hostname},
	{MSG_CONTAINER_PID, case_name},
	{MSG_PID, case_pid},
	{MSG_CONTAINER_CGROUP, case_name},
	{MSG_CGROUP, case_cgroup},
	{MSG_CONTAINER_GET, case_name},
	{MSG_CONTAINER, case_container},
	{MSG_CONTAINER_LIST, case_list},
	{MSG_CONTAINERS, case_containers},
	{MSG_CONTAINER_OF_PROCESS, case_process},
	{MSG_CONTAINER_OF_CGROUP, case_of_cgroup},
	{MSG_CONTAINER_WATCH, case_watch},
	{MSG_EVENTS, case_events},
	{MSG_CONTAINER_FACTS, case_name},
	{MSG_FACTS, case_facts},
	{MSG_PROCESS_START, case_start},
	{MSG_STARTED, case_started},
	{MSG_PROCESS_WAIT, case_wait},
	{MSG_WAITED, case_waited},
	{MSG_PROCESS_ACK, case_ack},
	{MSG_PROCESS_TERMINATE, case_terminate},
	{MSG_TERMINATED, case_nothing},
	{MSG_PROGRAM_LIST, case_list},
	{MSG_PROGRAMS, case_programs},
	{MSG_PROCESS_CANCEL, case_cancel},
};

static const struct codec_case *find_case(uint16_t type)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].type == type)
			return &cases[i];
	}
	return NULL;
}

/* Decodes a whole record of exactly @len bytes, copied so that a sanitizer sees every byte read beyond it. */
static int decode(const uint8_t *record, size_t len, char *meaning, size_t size, uint8_t *again, size_t *again_len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct wire_rd r;
	struct wire_wr w;
	uint16_t type;
	uint32_t serial;
	int e;

	assert_non_null(copy);
	memcpy(copy, record, len);
	wire_rd_init(&r, copy, len);
	e = wire_get_header(&r, &type, &serial);
	if (e == 0) {
		const struct msg_info *info = msg_info(type);
		const struct codec_case *c = find_case(type);
		int at;

		if (!info || !c)
			abort();
		at = snprintf(meaning, size, "%s %u ", info->name, serial);
		wire_wr_init(&w, again, WIRE_RECORD_MAX);
		wire_put_header(&w, type, serial);
		e = c->decode(&r, meaning + at, size - (size_t)at, &w);
		*again_len = w.bad ? 0 : w.len;
	}
	free(copy);
	return e;
}

struct vector {
	uint8_t bytes[WIRE_RECORD_MAX];
	size_t len;
	char meaning[2048];
};

/* Vectors are pairs of lines, hex and meaning; '#' begins a comment. */
static bool next_vector(FILE *f, struct vector *v)
{
	char line[4096];
	bool have_bytes = false;

	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (have_bytes) {
			(void)snprintf(v->meaning, sizeof(v->meaning), "%.2000s", line);
			return true;
		}
		v->len = 0;
		for (const char *p = line; *p;) {
			unsigned byte;
			int used;

			if (sscanf(p, " %2x%n", &byte, &used) != 1)
				break;
			v->bytes[v->len++] = (uint8_t)byte;
			p += used;
		}
		have_bytes = true;
	}
	return false;
}

static FILE *open_vectors(void)
{
	FILE *f = fopen("proto/vectors.txt", "re");

	if (!f)
		fail_msg("proto/vectors.txt: run the tests from the top of the tree");
	return f;
}

static void every_vector_means_what_it_says_and_encodes_to_itself(void **state)
{
	FILE *f = open_vectors();
	static struct vector v;
	static uint8_t again[WIRE_RECORD_MAX];
	char meaning[4096];
	size_t again_len;

	(void)state;
	while (next_vector(f, &v)) {
		again_len = 0;
		assert_int_equal(decode(v.bytes, v.len, meaning, sizeof(meaning), again, &again_len), 0);
		assert_string_equal(meaning, v.meaning);
		assert_int_equal(again_len, v.len);
		assert_memory_equal(again, v.bytes, v.len);
	}
	(void)fclose(f);
}

static void a_vector_cut_anywhere_or_one_byte_longer_is_refused(void **state)
{
	FILE *f = open_vectors();
	static struct vector v;
	static uint8_t again[WIRE_RECORD_MAX];
	char meaning[4096];
	size_t again_len;

	(void)state;
	while (next_vector(f, &v)) {
		for (size_t len = 0; len < v.len; len++)
			assert_int_equal(decode(v.bytes, len, meaning, sizeof(meaning), again, &again_len), -EBADMSG);
		v.bytes[v.len] = 0;
		assert_int_equal(decode(v.bytes, v.len + 1, meaning, sizeof(meaning), again, &again_len), -EBADMSG);
	}
	(void)fclose(f);
}

static void every_message_has_a_vector(void **state)
{
	(void)state;
	for (uint16_t type = 0; type < 1000; type++) {
		FILE *f;
		static struct vector v;
		bool found = false;

		if (!msg_info(type))
			continue;
		assert_non_null(find_case(type));
		f = open_vectors();
		while (!found && next_vector(f, &v))
			found = v.bytes[0] + 256 * v.bytes[1] == type;
		(void)fclose(f);
		if (!found)
			fail_msg("%s has no vector", msg_info(type)->name);
	}
}

/* A text of @len times 'x'. */
static struct str text_of(size_t len)
{
	static char xs[WIRE_RECORD_MAX];

	memset(xs, 'x', sizeof(xs));
	return (struct str){xs, len};
}

static void the_longest_field_fits_and_one_byte_more_does_not(void **state)
{
	static uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;
	struct wire_rd r;
	struct name_request name;
	struct cgroup_reply cgroup;
	struct hostname_reply hostname;

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		wire_wr_init(&w, buf, sizeof(buf));
		name = (struct name_request){.name = text_of(ROOT_NAME_MAX + more)};
		assert_true((put_name_request(&w, &name) > 0) == (more == 0));
		wire_wr_init(&w, buf, sizeof(buf));
		cgroup.cgroup = text_of(ROOT_CGROUP_MAX + more);
		assert_true((put_cgroup_reply(&w, &cgroup) > 0) == (more == 0));
		wire_wr_init(&w, buf, sizeof(buf));
		hostname.hostname = text_of(ROOT_HOSTNAME_MAX + more);
		assert_true((put_hostname_reply(&w, &hostname) > 0) == (more == 0));
		/* The reader has the same limit, whoever wrote. */
		wire_wr_init(&w, buf, sizeof(buf));
		wire_put_str(&w, text_of(ROOT_HOSTNAME_MAX + more), WIRE_RECORD_MAX);
		wire_rd_init(&r, buf, w.len);
		assert_true((get_hostname_reply(&r, &hostname) == 0) == (more == 0));
	}
}

static void empty_names_are_refused(void **state)
{
	static uint8_t buf[64];
	struct wire_wr w;
	struct wire_rd r;
	struct name_request name = {.name = {"", 0}};
	struct start_request start = {.label = STR("a"), .args = STR("no nul")};

	(void)state;
	wire_wr_init(&w, buf, sizeof(buf));
	(void)put_name_request(&w, &name);
	wire_rd_init(&r, buf, w.len);
	assert_int_equal(get_name_request(&r, &name), -EBADMSG);
	/* Arguments end in NUL, or there are none. */
	wire_wr_init(&w, buf, sizeof(buf));
	(void)put_start_request(&w, &start);
	wire_rd_init(&r, buf, w.len);
	assert_int_equal(get_start_request(&r, &start), -EBADMSG);
}

static void a_page_takes_what_fits_and_stays_valid(void **state)
{
	static uint8_t buf[WIRE_RECORD_MAX];
	struct container_record in = {.rid = 1, .engine = STR("podman"), .id = STR("i"), .name = STR("n")}, out;
	struct wire_wr w;
	struct wire_rd r;
	struct page_wr page;
	uint64_t next;
	uint16_t count, added = 0;

	(void)state;
	in.cgroup = text_of(ROOT_CGROUP_MAX);
	wire_wr_init(&w, buf, sizeof(buf));
	page_begin(&page, &w);
	while (page_add_container(&page, &in)) {
		added++;
		in.rid++;
	}
	assert_true(added == 3);
	in.cgroup = text_of(1); /* a smaller one still fits behind the refused one */
	assert_true(page_add_container(&page, &in));
	assert_true(page_end(&page, 77) > 0);
	wire_rd_init(&r, buf, w.len);
	get_page(&r, &next, &count);
	assert_int_equal(next, 77);
	assert_int_equal(count, 4);
	for (uint16_t i = 0; i < count; i++)
		page_next_container(&r, &out);
	assert_int_equal(wire_rd_done(&r), 0);
	assert_int_equal(out.rid, 4);
}

static void statuses_map_to_the_librarys_errors(void **state)
{
	(void)state;
	assert_int_equal(status_errno(STATUS_AMBIGUOUS), ENOTUNIQ);
	assert_int_equal(status_errno(STATUS_OK), 0);
	assert_int_equal(status_errno(9999), EPROTO);
	assert_non_null(status_text(ENOENT));
	assert_null(status_text(ENOSYS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_means_what_it_says_and_encodes_to_itself),
		cmocka_unit_test(a_vector_cut_anywhere_or_one_byte_longer_is_refused),
		cmocka_unit_test(every_message_has_a_vector),
		cmocka_unit_test(the_longest_field_fits_and_one_byte_more_does_not),
		cmocka_unit_test(empty_names_are_refused),
		cmocka_unit_test(a_page_takes_what_fits_and_stays_valid),
		cmocka_unit_test(statuses_map_to_the_librarys_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
