/* SPDX-License-Identifier: MIT */
/* See resolver_ends.h. */
#include "resolver_ends.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../proto/chan.h"
#include "../../server/common/cleanup.h"

#define TIMEOUT_MS 20000

struct rig rig;
struct ends ends;
struct ends_index ix;

/* The next record, the resolver working meanwhile if it is in this process. */
int ends_recv_record(int fd, struct ipc_in *in)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (int i = 0; ends.r && i < 200 && poll(&p, 1, 0) == 0 && !ends.r->loop.stop; i++)
		assert_int_equal(resolver_once(ends.r, 50), 0);
	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	return ipc_recv(fd, in, MSG_DONTWAIT);
}

void ends_send(int fd, const struct wire_wr *w, int passed)
{
	assert_int_equal(ipc_send(fd, w, &passed, passed >= 0 ? 1 : 0, MSG_DONTWAIT), 0);
}

void ends_send_peer(uint32_t who)
{
	struct ipc_peer_msg m = {.peer = who};
	struct wire_wr w;
	uint8_t buf[64];
	int fds[2];

	assert_int_equal(chan_pair(fds), 0);
	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_PEER, 0);
	put_ipc_peer(&w, &m);
	ends_send(ends.monitor, &w, fds[1]);
	(void)close(fds[1]);
	close_fd(&ends.frontend);
	ends.frontend = fds[0];
	ix.begun = false; /* a new frontend begins with nothing */
}

void ends_send_token(int fd, uint16_t type, uint64_t token)
{
	struct ipc_token m = {.token = token};
	struct wire_wr w;
	uint8_t buf[64];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	put_ipc_token(&w, &m);
	ends_send(fd, &w, -1);
}

static void index_forget(size_t i)
{
	close_fd(&ix.pidfds[i]);
	ix.n--;
	ix.records[i] = ix.records[ix.n];
	ix.pidfds[i] = ix.pidfds[ix.n];
}

static void index_put(struct ipc_in *in)
{
	struct container_record m;
	size_t i;

	assert_int_equal(get_container_record(&in->body, &m), 0);
	for (i = 0; i < ix.n && ix.records[i].rid != m.rid; i++)
		;
	if (i < ix.n)
		index_forget(i);
	assert_true(ix.n < 64);
	i = ix.n++;
	ix.records[i] = (struct rig_record){.rid = m.rid, .state = m.state, .pid = m.pid, .owner = m.owner};
	assert_true(str_copy(ix.records[i].engine, sizeof(ix.records[i].engine), m.engine));
	assert_true(str_copy(ix.records[i].id, sizeof(ix.records[i].id), m.id));
	assert_true(str_copy(ix.records[i].name, sizeof(ix.records[i].name), m.name));
	ix.pidfds[i] = ipc_take_fd(in);
	assert_int_equal(m.pid != 0, ix.pidfds[i] >= 0);
}

static void index_remove(struct ipc_in *in)
{
	struct ipc_rid m;
	size_t i;

	assert_int_equal(get_ipc_rid(&in->body, &m), 0);
	for (i = 0; i < ix.n && ix.records[i].rid != m.rid; i++)
		;
	assert_true(i < ix.n);
	index_forget(i);
}

/* Reads what the resolver tells, up to a record of @type; its token if it has one. */
uint64_t ends_read_until(uint16_t type)
{
	struct ipc_in *in = &ends.in;
	struct ipc_token m = {0};

	for (;;) {
		assert_int_equal(ends_recv_record(ends.frontend, in), 1);
		if (in->type == IPC_INDEX_BEGIN) {
			while (ix.n > 0)
				index_forget(ix.n - 1);
			ix.begun = true;
			ix.whole = false;
		} else if (in->type == IPC_INDEX_PUT) {
			assert_true(ix.begun);
			index_put(in);
		} else if (in->type == IPC_INDEX_REMOVE) {
			index_remove(in);
		} else if (in->type == IPC_INDEX_END) {
			ix.whole = true;
		} else if (in->type != type || type == IPC_SYNCED) {
			assert_int_equal(in->type, IPC_SYNCED);
			assert_int_equal(get_ipc_token(&in->body, &m), 0);
		}
		if (in->type == type)
			return m.token;
	}
}

void ends_sync_index(void)
{
	static uint64_t token = UINT64_C(0x1122334455667788);

	ends_send_token(ends.frontend, IPC_SYNC, ++token);
	assert_true(ends_read_until(IPC_SYNCED) == token);
	assert_true(ix.whole); /* never an answer before the index is complete */
}

/* All zero if there is none. */
const struct rig_record *ends_lookup(const char *engine, const char *id)
{
	static const struct rig_record none;

	for (size_t i = 0; i < ix.n; i++) {
		if (strcmp(ix.records[i].engine, engine) == 0 && strcmp(ix.records[i].id, id) == 0)
			return &ix.records[i];
	}
	return &none;
}

void ends_tree_make(void)
{
	strcpy(rig.tmp, "/tmp/test_resolver.XXXXXX");
	assert_non_null(mkdtemp(rig.tmp));
	ix.n = 0;
	ix.whole = false;
	ends = (struct ends){.monitor = -1, .frontend = -1};
}

void ends_tree_remove(void)
{
	while (ix.n > 0)
		index_forget(ix.n - 1);
	close_fd(&ends.monitor);
	close_fd(&ends.frontend);
	rig_rmtree(&rig, "");
}
