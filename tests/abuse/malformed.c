/* SPDX-License-Identifier: MIT */
/*
 * malformed SOCKET SEED COUNT: every kind of malformed record, and COUNT random changes of good ones.
 *
 * Defended: a malformed record ends the session that sent it, and no other. A witness, whose session lives from the beginning
 * to the end, is answered after each.
 */
#include "raw.h"

static const char *path;
static int witness = -1;
static uint32_t serial = 100;
static int sent, bad;

static void complain(const char *what, uint16_t type, size_t len)
{
	const struct msg_info *i = msg_info(type);

	fprintf(stderr, "%s: %s, %zu bytes\n", what, i ? i->name : "unknown type", len);
	bad++;
}

static void ask_witness(const char *after, uint16_t type, size_t len)
{
	if (raw_list(witness, ++serial))
		return;
	fprintf(stderr, "the witness is not answered after: %s\n", after);
	complain(after, type, len);
	close(witness);
	witness = raw_session_soon(path);
	if (witness < 0) {
		fprintf(stderr, "no session can be had any more\n");
		exit(1);
	}
}

/* A good record of each type that a client sends. */
static size_t good(uint16_t type, uint8_t *buf, size_t size)
{
	struct wire_wr w;

	if (type == MSG_HELLO)
		return raw_hello(buf, size);
	wire_wr_init(&w, buf, size);
	wire_put_header(&w, type, 7);
	switch (type) {
	case MSG_CONTAINER_HOSTNAME:
	case MSG_CONTAINER_PID:
	case MSG_CONTAINER_CGROUP:
	case MSG_CONTAINER_GET:
	case MSG_CONTAINER_FACTS:
		return (size_t)put_name_request(&w, &(struct name_request){0, STR("no-such-container")});
	case MSG_CONTAINER_OF_PROCESS:
		return (size_t)put_process_request(&w, &(struct process_request){1, 0});
	case MSG_CONTAINER_OF_CGROUP:
		return (size_t)put_cgroup_request(&w, &(struct cgroup_request){0, STR("/no/such/cgroup")});
	case MSG_CONTAINER_WATCH:
		return (size_t)put_watch_request(&w, &(struct watch_request){1, 2, 0});
	case MSG_CONTAINER_LIST:
	case MSG_PROGRAM_LIST:
		return (size_t)put_list_request(&w, &(struct list_request){0, 0});
	case MSG_PROCESS_START:
		return (size_t)put_start_request(
			&w, &(struct start_request){ROOT_IPC_NONE, 0, STR("no-such-program"), {"a\0b", 4}});
	case MSG_PROCESS_WAIT:
		return (size_t)put_wait_request(&w, &(struct wait_request){1, 0, 0});
	case MSG_PROCESS_ACK:
		return (size_t)put_ack_request(&w, &(struct ack_request){1});
	case MSG_PROCESS_CANCEL:
		return (size_t)put_cancel_request(&w, &(struct cancel_request){1});
	case MSG_PROCESS_TERMINATE:
		return (size_t)put_terminate_request(&w, &(struct terminate_request){1});
	default:
		fprintf(stderr, "malformed: no good record of type %u: add it\n", type);
		exit(1);
	}
}

/* Sends @len bytes on a session of its own, which must end. */
static void must_end(const char *what, const uint8_t *buf, size_t len, bool hello)
{
	uint16_t type = len >= 2 ? (uint16_t)(buf[0] | buf[1] << 8) : 0;
	int fd = hello ? raw_session_soon(path) : raw_connect(path);

	if (fd < 0) {
		complain("no session for", type, len);
		return;
	}
	sent++;
	if (send(fd, buf, len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		fprintf(stderr, "send: %s\n", strerror(errno));
	switch (raw_outcome(fd)) {
	case RAW_ENDED:
		break;
	case RAW_ANSWERED:
		complain(what, type, len);
		fprintf(stderr, "  it was answered, and the session goes on\n");
		break;
	case RAW_SILENT:
		complain(what, type, len);
		fprintf(stderr, "  it was ignored, and the session goes on\n");
		break;
	}
	close(fd);
	ask_witness(what, type, len);
}

static void one_type(uint16_t type)
{
	uint8_t buf[WIRE_RECORD_MAX], b[WIRE_RECORD_MAX];
	size_t len = good(type, buf, sizeof(buf));
	bool hello = type != MSG_HELLO;

	for (size_t cut = 0; cut < len; cut++)
		must_end("a record cut short", buf, cut, hello);
	buf[len] = 0;
	must_end("a record with a byte too many", buf, len + 1, hello);
	memcpy(b, buf, len);
	b[2] = 1;
	must_end("a reserved field that is not zero", b, len, hello);
	if (hello)
		must_end("a request before hello", buf, len, false);
	else
		must_end("a second hello", buf, len, true);
}

static void types(void)
{
	static const uint16_t wrong[] = {0, 5, 9, 26, 29, 40, 99, 255, 256, 4096, 65535};
	uint8_t buf[WIRE_HEADER + 64] = {0};

	for (uint32_t t = 0; t < 100; t++) {
		const struct msg_info *i = msg_info((uint16_t)t);

		if (i && i->sender == MSG_FROM_CLIENT) {
			one_type((uint16_t)t);
		} else if (i) {
			buf[0] = (uint8_t)t;
			must_end("a message that only servers send", buf, sizeof(buf), true);
		}
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf[0] = (uint8_t)wrong[i];
		buf[1] = (uint8_t)(wrong[i] >> 8);
		must_end("an unknown type", buf, sizeof(buf), true);
		must_end("an unknown type before hello", buf, sizeof(buf), false);
	}
}

static void names(void)
{
	uint8_t buf[WIRE_RECORD_MAX];
	struct wire_wr w;
	static char longer[ROOT_NAME_MAX + 2];

	memset(longer, 'a', sizeof(longer));
	for (uint16_t t = MSG_CONTAINER_HOSTNAME; t <= MSG_CONTAINER_GET; t = (uint16_t)(t + 2)) {
		const struct str names[] = {{"", 0}, {"a\0b", 3}, {"\0", 1}, {longer, ROOT_NAME_MAX + 1}};

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			wire_wr_init(&w, buf, sizeof(buf));
			wire_put_header(&w, t, 7);
			wire_put_u32(&w, 0);
			wire_put_bytes(&w, names[i], sizeof(longer));
			must_end("a name that is empty, too long or contains NUL", buf, (size_t)wire_wr_done(&w), true);
		}
	}
}

static void sizes(void)
{
	static uint8_t big[65536];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)i;
	(void)good(MSG_CONTAINER_PID, big, WIRE_RECORD_MAX);
	must_end("a record of the largest size with rubbish in it", big, WIRE_RECORD_MAX, true);
	must_end("a record one byte too large", big, WIRE_RECORD_MAX + 1, true);
	must_end("a record of 64 KiB", big, sizeof(big), true);
}

/* Random changes: what comes of them may even be good. Only the witness counts. */
static void random_changes(int count)
{
	static const uint16_t of[] = {MSG_HELLO,           MSG_CONTAINER_HOSTNAME,   MSG_CONTAINER_GET,
				      MSG_CONTAINER_LIST,  MSG_PROCESS_START,        MSG_PROCESS_WAIT,
				      MSG_PROCESS_ACK,     MSG_PROCESS_TERMINATE,    MSG_PROGRAM_LIST,
				      MSG_PROCESS_CANCEL,  MSG_CONTAINER_OF_PROCESS, MSG_CONTAINER_OF_CGROUP,
				      MSG_CONTAINER_FACTS, MSG_CONTAINER_WATCH};
	uint8_t buf[WIRE_RECORD_MAX];

	for (int i = 0; i < count; i++) {
		int fd = random() % 4 ? raw_session_soon(path) : raw_connect(path);
		int records = 1 + (int)(random() % 4);

		if (fd < 0) {
			fprintf(stderr, "no session can be had any more\n");
			bad++;
			return;
		}
		while (records-- > 0) {
			uint16_t type = of[(size_t)random() % (sizeof(of) / sizeof(of[0]))];
			size_t len = good(type, buf, sizeof(buf));
			int changes = 1 + (int)(random() % 6);

			while (changes-- > 0)
				buf[(size_t)random() % len] = (uint8_t)random();
			if (random() % 4 == 0)
				len = (size_t)random() % (len + 200);
			sent++;
			if (send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
		}
		close(fd);
		if (i % 8 == 0)
			ask_witness("a random change", 0, 0);
	}
	ask_witness("the random changes", 0, 0);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: malformed SOCKET SEED COUNT\n");
		return 2;
	}
	path = argv[1];
	srandom((unsigned)atoi(argv[2]));
	witness = raw_session_soon(path);
	if (witness < 0) {
		fprintf(stderr, "malformed: no session\n");
		return 1;
	}
	types();
	names();
	sizes();
	random_changes(atoi(argv[3]));
	close(witness);
	printf("sent=%d bad=%d\n", sent, bad);
	return bad ? 1 : 0;
}
