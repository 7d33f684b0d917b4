/* SPDX-License-Identifier: MIT */
/* A monitor that is not one, see the header. What goes wrong in it ends it with a status of 80 and more. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../proto/chan.h"
#include "../../server/common/ipc.h"
#include "../../server/common/procfd.h"
#include "../../server/keeper/child.h"
#include "fake_monitor.h"

#define CHANNEL 3
#define PROGRAMS 40
#define SESSION 1000

static struct {
	const char *socket, *part;
	char dir[PATH_MAX];
	bool check;
	int generation;
} fake;

static struct ipc_in in;

/* Appends to a file beside the configuration. */
static void note(const char *name, const char *text)
{
	char path[PATH_MAX + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fake.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(80);
	(void)close(fd);
}

static void fake_send(uint16_t type, ssize_t (*body)(struct wire_wr *w, const void *m), const void *m, int fd)
{
	struct wire_wr w;
	uint8_t buf[512];

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, type, 0);
	if (body)
		(void)body(&w, m);
	if (ipc_send(CHANNEL, &w, &fd, fd >= 0, 0) < 0)
		_exit(81);
}

static ssize_t body_bind(struct wire_wr *w, const void *m)
{
	return put_ipc_bind(w, m);
}
static ssize_t body_item(struct wire_wr *w, const void *m)
{
	return put_ipc_item(w, m);
}

static void fake_put(uint64_t key, uint32_t kind, pid_t pid, int fd)
{
	struct ipc_item m = {.key = key, .kind = kind, .pid = (uint32_t)pid, .record = STR("opaque")};

	fake_send(IPC_PUT, body_item, &m, fd);
}

static uint16_t fake_recv(void)
{
	if (ipc_recv(CHANNEL, &in, 0) != 1)
		_exit(82);
	return in.type;
}

/* Each program's status is its key; half of them end when their monitor may be gone already. */
static void leave_programs_behind(void)
{
	int fds[2];

	for (int key = 1; key <= PROGRAMS; key++) {
		pid_t pid = fork();
		int pidfd;

		if (pid == 0) {
			if (key % 2)
				(void)poll(NULL, 0, key * 3);
			_exit(key);
		}
		pidfd = procfd_open(pid);
		if (pidfd < 0)
			_exit(83);
		fake_put((uint64_t)key, IPC_KIND_PROGRAM, pid, pidfd);
		(void)close(pidfd);
	}
	if (chan_pair(fds) < 0 || send(fds[0], "hello", 5, 0) != 5)
		_exit(84);
	fake_put(SESSION, IPC_KIND_SESSION, 0, fds[1]);
	(void)close(fds[1]);
}

static bool status_is_right(uint64_t key, uint32_t status)
{
	return WIFEXITED((int)status) && (uint64_t)WEXITSTATUS((int)status) == key;
}

/* Takes everything over; true if nothing is missing or wrong. */
static bool take_over(void)
{
	int left = 0, programs = 0, sessions = 0;
	struct ipc_exited e;
	struct ipc_item m;
	char text[8];

	while (fake_recv() == IPC_ITEM) {
		if (get_ipc_item(&in.body, &m) < 0 || in.nfds != 1 || !str_eq(m.record, STR("opaque")))
			return false;
		programs += m.kind == IPC_KIND_PROGRAM;
		if (m.kind == IPC_KIND_SESSION)
			sessions += recv(in.fds[0], text, sizeof(text), 0) == 5 && memcmp(text, "hello", 5) == 0;
		else if (m.exited && !status_is_right(m.key, m.status))
			return false;
		left += m.kind == IPC_KIND_PROGRAM && !m.exited;
	}
	for (; left > 0; left--)
		if (fake_recv() != IPC_EXITED || get_ipc_exited(&in.body, &e) < 0 || !status_is_right(e.key, e.status))
			return false;
	return programs == PROGRAMS && sessions == 1;
}

static bool ignored_or_blocked(int signo)
{
	struct sigaction a;
	sigset_t mask;

	return sigprocmask(SIG_BLOCK, NULL, &mask) < 0 || sigismember(&mask, signo) || sigaction(signo, NULL, &a) < 0 ||
	       a.sa_handler != SIG_DFL;
}

/* What the keeper passes on is clean, whatever it was started with. */
static bool inheritance_is_clean(void)
{
	char cwd[8];

	for (int fd = 0; fd <= CHANNEL; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return false;
	for (int fd = CHANNEL + 1; fd < 200; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	if (ignored_or_blocked(SIGCHLD) || ignored_or_blocked(SIGTERM) || ignored_or_blocked(SIGPIPE))
		return false;
	return (!environ || !environ[0]) && getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/") == 0 && umask(022) == 022;
}

/* As one that is not ready for signals yet. */
static void await_reload(void)
{
	sigset_t pending;

	for (int ms = 0; ms < 30000; ms += 10) {
		if (sigpending(&pending) < 0 || sigismember(&pending, SIGHUP))
			return;
		(void)poll(NULL, 0, 10);
	}
}

static void fake_serve(void) __attribute__((noreturn));
static void fake_serve(void)
{
	struct pollfd fds[] = {{.fd = CHANNEL, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	note("out", "serving\n");
	fake_send(IPC_SERVING, NULL, NULL, -1);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && ipc_recv(CHANNEL, &in, 0) == 0) {
			note("out", "eof\n");
			_exit(0);
		}
		if (!fds[1].revents || read(fds[1].fd, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGHUP)
			_exit(CHILD_RELOAD_STATUS);
		note("out", "sigterm\n");
		if (strcmp(fake.part, "stubborn") != 0)
			_exit(0);
	}
	_exit(85);
}

static void fake_bind(void)
{
	struct ipc_bind b = {.path = str_of(fake.socket)};
	struct ipc_listener l;

	fake_send(IPC_BIND, body_bind, &b, -1);
	if (fake_recv() != IPC_LISTENER || get_ipc_listener(&in.body, &l) < 0)
		_exit(86);
	if (l.error) {
		note("out", "refused\n");
		_exit(1);
	}
	if (in.nfds != 1)
		_exit(87);
}

static void fake_arguments(int argc, char **argv)
{
	char *config = NULL, path[PATH_MAX + 16];
	struct stat st;

	for (int i = 1; i < argc; i++) {
		fake.check |= strcmp(argv[i], "--check") == 0;
		if (strcmp(argv[i], "--config") == 0)
			config = argv[i + 1];
		if (strcmp(argv[i], "--socket") == 0)
			fake.socket = argv[i + 1];
	}
	if (!config || config[0] != '/')
		_exit(88);
	(void)snprintf(fake.dir, sizeof(fake.dir), "%s", config);
	fake.part = basename(config);
	*strrchr(fake.dir, '/') = '\0';
	note("generation", "x");
	(void)snprintf(path, sizeof(path), "%s/generation", fake.dir);
	fake.generation = stat(path, &st) == 0 ? (int)st.st_size : 0;
}

int fake_monitor(int argc, char **argv)
{
	bool clean = inheritance_is_clean(), burst, first;

	fake_arguments(argc, argv);
	if (fake.check)
		return FAKE_CHECK_STATUS;
	if (strcmp(fake.part, "fail") == 0)
		return 3;
	burst = strcmp(fake.part, "burst") == 0;
	first = fake.generation == 1;
	note("out", clean ? "clean\n" : "not clean\n");
	if (first && strcmp(fake.part, "slow") == 0)
		await_reload();
	if (burst && !first)
		note("out", take_over() ? "complete\n" : "incomplete\n");
	else if (fake_recv() != IPC_ITEMS_END)
		return 89;
	fake_bind();
	if (first && (burst || strcmp(fake.part, "nonsense") == 0)) {
		fake_send(IPC_SERVING, NULL, NULL, -1);
		if (burst) {
			leave_programs_behind();
			_exit(9);
		}
		fake_send(IPC_ITEMS_END, NULL, NULL, -1);
		(void)poll(NULL, 0, -1); /* the keeper kills it */
	}
	fake_serve();
}
