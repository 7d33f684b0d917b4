/* SPDX-License-Identifier: MIT */
#include "fake_server.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60 /* a test that hangs ends */

int fake_connection;

void fake_fail(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "# fake server: %s:%d: %s\n", file, line, what);
	_exit(1);
}

static int make_listener(struct fake *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	(void)strcpy(f->dir, "/tmp/rootbroker-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_return_code(chmod(f->dir, 0777), errno);
	(void)snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	(void)strcpy(addr.sun_path, f->path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_return_code(chmod(f->path, 0666), errno);
	return fd;
}

static void serve(int listener, int clients, void (*script)(int fd))
{
	int bad = 0, status;

	for (int i = 0; i < clients; i++) {
		int fd = accept(listener, NULL, NULL);
		pid_t pid;

		FAKE_CHECK(fd >= 0);
		pid = fork();
		FAKE_CHECK(pid >= 0);
		if (!pid) {
			fake_connection = i;
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)close(listener);
			(void)alarm(PATIENCE_S);
			script(fd);
			_exit(0);
		}
		(void)close(fd);
	}
	(void)close(listener);
	while (waitpid(-1, &status, 0) > 0)
		bad |= status;
	_exit(bad ? 1 : 0);
}

void fake_start_as(struct fake *f, uid_t uid, int clients, void (*script)(int fd))
{
	int listener = make_listener(f), ready[2];
	char byte;

	assert_return_code(pipe(ready), errno);
	f->pid = fork();
	assert_return_code(f->pid, errno);
	if (!f->pid) {
		(void)close(ready[0]);
		(void)signal(SIGALRM, SIG_DFL);
		FAKE_CHECK(!uid || !setuid(uid));
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Whoever calls this is who the client sees. */
		FAKE_CHECK(!listen(listener, 16));
		(void)close(ready[1]);
		(void)alarm(PATIENCE_S);
		serve(listener, clients, script);
	}
	(void)close(listener);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0);
	(void)close(ready[0]);
}

void fake_start(struct fake *f, int clients, void (*script)(int fd))
{
	fake_start_as(f, 0, clients, script);
}

void fake_stop(struct fake *f)
{
	int status;
	pid_t r;

	do
		r = waitpid(f->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	assert_int_equal(r, f->pid);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
	assert_int_equal(status, 0);
}

void fake_expect(int fd, uint16_t type, struct fake_in *in)
{
	ssize_t n = chan_recv(fd, in->buf, sizeof(in->buf), NULL, 0, NULL, 0);
	uint16_t its;

	FAKE_CHECK(n > 0);
	wire_rd_init(&in->body, in->buf, (size_t)n);
	FAKE_CHECK(!wire_get_header(&in->body, &its, &in->serial));
	if (its != type)
		(void)fprintf(stderr, "# fake server: type %u came, not %u\n", its, type);
	FAKE_CHECK(its == type);
	FAKE_CHECK(in->serial);
}

void fake_expect_end(int fd)
{
	char byte;

	FAKE_CHECK(!chan_recv(fd, &byte, 1, NULL, 0, NULL, 0));
}

void fake_hello(int fd)
{
	struct welcome welcome = {.version = PROTO_VERSION_MAX, .session = 7};
	struct fake_in in;
	struct hello m;
	struct wire_wr w;

	fake_expect(fd, MSG_HELLO, &in);
	FAKE_CHECK(!get_hello(&in.body, &m));
	FAKE_CHECK(m.version_min <= PROTO_VERSION_MAX && m.version_max >= PROTO_VERSION_MIN && m.client.len > 0);
	fake_begin(&w, MSG_WELCOME, in.serial);
	(void)put_welcome(&w, &welcome);
	fake_send(fd, &w);
}

void fake_begin(struct wire_wr *w, uint16_t type, uint32_t serial)
{
	static uint8_t buf[WIRE_RECORD_MAX];

	wire_wr_init(w, buf, sizeof(buf));
	wire_put_header(w, type, serial);
}

void fake_send_fds(int fd, const struct wire_wr *w, const int *fds, int n)
{
	FAKE_CHECK(wire_wr_done(w) > 0);
	FAKE_CHECK(!chan_send(fd, w->buf, w->len, fds, n, 0));
}

void fake_send(int fd, const struct wire_wr *w)
{
	fake_send_fds(fd, w, NULL, 0);
}

void fake_nothing(int fd, uint16_t type, uint32_t serial)
{
	struct wire_wr w;

	fake_begin(&w, type, serial);
	fake_send(fd, &w);
}

void fake_error(int fd, uint32_t serial, uint16_t status, const char *detail)
{
	struct error_reply m = {.status = status, .detail = str_of(detail)};
	struct wire_wr w;

	fake_begin(&w, MSG_ERROR, serial);
	(void)put_error_reply(&w, &m);
	fake_send(fd, &w);
}

void fake_pid(int fd, uint32_t serial, uint32_t pid)
{
	struct pid_reply m = {.pid = pid};
	struct wire_wr w;

	fake_begin(&w, MSG_PID, serial);
	(void)put_pid_reply(&w, &m);
	fake_send(fd, &w);
}

void fake_started(int fd, uint32_t serial, uint32_t pid, uint64_t instance, const int *fds, int n)
{
	struct started_reply m = {.pid = pid, .instance = instance};
	struct wire_wr w;

	fake_begin(&w, MSG_STARTED, serial);
	(void)put_started_reply(&w, &m);
	fake_send_fds(fd, &w, fds, n);
}

void fake_waited(int fd, uint32_t serial, uint32_t pid, uint64_t instance, uint32_t status)
{
	struct waited_reply m = {.pid = pid, .instance = instance, .status = status};
	struct wire_wr w;

	fake_begin(&w, MSG_WAITED, serial);
	(void)put_waited_reply(&w, &m);
	fake_send(fd, &w);
}

int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

int fake_connect(const struct fake *f)
{
	int fd = rootConnectTo(f->path);

	assert_return_code(fd, -fd);
	return fd;
}
