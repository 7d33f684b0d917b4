/* SPDX-License-Identifier: MIT */
/*
 * From the command line to the first request, in the order that the security asks for. Runs in: monitor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/caps.h"
#include "../common/cleanup.h"
#include "cgroup.h"
#include "monitor.h"
#include "reply.h"

#define FILES_OWN 128 /* of the monitor itself, at most */
#define FILES_PROGRAM 8 /* of a program that is being started */
#define OLD_END_MS 10000

static void log_problem(void *data, const char *text)
{
	(void)data;
	log_error("%s", text);
}

bool monitor_load(const struct options *options, struct config **ret_config, struct catalogue **ret_catalogue,
		  bool strict)
{
	struct config *config = NULL;
	char error[1024];
	int refused = 0;

	if (config_read(options->config, &config, log_problem, NULL) < 0)
		return false;
	if (catalogue_load(config, ret_catalogue, &refused, error, sizeof(error)) < 0) {
		log_error("%s", error);
		config_free(config);
		return false;
	}
	if (strict && refused) {
		catalogue_free(*ret_catalogue);
		config_free(config);
		return false;
	}
	*ret_config = config;
	return true;
}

uint64_t monitor_caps(const struct config *c)
{
	return CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_KILL) |
	       CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_PTRACE) | CAPS_BIT(CAP_DAC_READ_SEARCH) |
	       c->capability_ceiling;
}

char *monitor_socket(const struct options *options, const struct config *c)
{
	char *path = NULL;

	if (options->socket)
		path = strdup(options->socket);
	else if (asprintf(&path, "%s/socket", c->run_directory) < 0)
		path = NULL;
	if (!path)
		fatal("out of memory");
	return path;
}

/* --- Who we are -------------------------------------------------------------------------------------------------- */

/* In a user namespace of its own, every uid that has no place in it is the same one, nobody: then peers cannot be told apart. */
static void check_namespace(void)
{
	unsigned long inside = 1, outside = 1, count = 0;
	FILE *map = fopen("/proc/self/uid_map", "re");

	if (!map || fscanf(map, "%lu %lu %lu", &inside, &outside, &count) != 3)
		fatal("cannot read /proc/self/uid_map: is /proc mounted?");
	(void)fclose(map);
	if (inside != 0 || outside != 0 || count != UINT32_MAX)
		fatal("in a user namespace the clients' uids cannot be told apart: start rootbrokerd outside of it");
}

static void check_keeper(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(MONITOR_KEEPER_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		fatal("rootbrokerd starts this: descriptor %d is not its channel", MONITOR_KEEPER_FD);
	if (fcntl(MONITOR_KEEPER_FD, F_SETFD, FD_CLOEXEC) < 0)
		fatal("fcntl: %s", strerror(errno));
}

/* What no program may have, and this process does not need, it gives up: nothing below can get it back. */
static void limit_capabilities(struct monitor *m)
{
	uint64_t keep = monitor_caps(m->config), missing;
	struct caps now;
	char names[1024];
	int r = caps_read(&now);

	if (r < 0)
		fatal("cannot read the capabilities: %s", strerror(-r));
	missing = keep & ~(now.bounding & now.permitted);
	if (missing)
		fatal("needs %s, which it does not have: start rootbrokerd with it, or lower capability_ceiling",
		      caps_format(missing, names, sizeof(names)));
	r = caps_limit_bounding(keep);
	if (r == 0)
		r = caps_set_final(keep);
	if (r < 0)
		fatal("cannot limit the capabilities: %s", strerror(-r));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fatal("PR_SET_DUMPABLE: %s", strerror(errno));
}

/* Sessions beyond the descriptors that there are could only be accepted to fail. */
static uint32_t session_limit(const struct config *c)
{
	uint64_t others = FILES_OWN + (uint64_t)c->max_programs * FILES_PROGRAM, room;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		fatal("getrlimit: %s", strerror(errno));
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		fatal("cannot raise RLIMIT_NOFILE: %s", strerror(errno));
	room = files.rlim_cur > others + 16 ? files.rlim_cur - others : 16;
	if (c->max_sessions <= room)
		return c->max_sessions;
	log_warning("sessions = %u is more than RLIMIT_NOFILE leaves room for: %llu", c->max_sessions,
		    (unsigned long long)room);
	return (uint32_t)room;
}

/* --- What an earlier monitor left -------------------------------------------------------------------------------- */

struct leftover {
	uint64_t key;
	int pidfd;
};

struct leftovers {
	struct leftover *all;
	size_t n;
};

/* Killed at once: it holds the sessions that another is to serve. */
static void kill_confined(struct monitor *m, struct leftovers *l, const struct ipc_item *item, int pidfd)
{
	struct leftover *bigger;

	if (item->exited || pidfd < 0) {
		if (pidfd >= 0)
			(void)close(pidfd);
		keeper_drop(&m->keeper, item->key);
		return;
	}
	(void)procfd_signal(pidfd, SIGKILL);
	bigger = reallocarray(l->all, l->n + 1, sizeof(*bigger));
	if (!bigger)
		fatal("out of memory");
	l->all = bigger;
	l->all[l->n++] = (struct leftover){.key = item->key, .pidfd = pidfd};
}

static void wait_confined(struct monitor *m, struct leftovers *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct pollfd end = {.fd = l->all[i].pidfd, .events = POLLIN};

		if (poll(&end, 1, OLD_END_MS) <= 0)
			fatal("a process of an earlier monitor does not end");
		(void)close(end.fd);
		keeper_drop(&m->keeper, l->all[i].key);
	}
	free(l->all);
}

static void restore(struct monitor *m, struct leftovers *l, const struct ipc_item *item, int fd)
{
	if (item->kind == IPC_KIND_CONFINED) {
		kill_confined(m, l, item, fd);
	} else if (item->kind == IPC_KIND_SESSION && fd >= 0) {
		sessions_restore(m, item, fd);
	} else if (item->kind == IPC_KIND_PROGRAM) {
		programs_restore(m->programs, item, fd);
	} else {
		log_error("rootbrokerd kept something that this version does not know: kind %u", item->kind);
		if (fd >= 0)
			(void)close(fd);
		keeper_drop(&m->keeper, item->key);
	}
}

static void receive(struct monitor *m)
{
	int r = ipc_recv(m->keeper.fd, &m->in, 0);

	if (r == 0)
		fatal("rootbrokerd is gone: ending");
	if (r < 0)
		fatal("nonsense from rootbrokerd: %s", strerror(-r));
}

static bool session_exists(void *data, uint64_t session)
{
	return session_find(data, session) != NULL;
}

static void restore_all(struct monitor *m)
{
	struct leftovers leftovers = {0};
	struct ipc_item item;

	for (receive(m); m->in.type == IPC_ITEM; receive(m)) {
		if (get_ipc_item(&m->in.body, &item) < 0)
			fatal("nonsense from rootbrokerd: ITEM");
		restore(m, &leftovers, &item, ipc_take_fd(&m->in));
	}
	if (m->in.type != IPC_ITEMS_END)
		fatal("nonsense from rootbrokerd: %s instead of ITEMS_END", ipc_name(m->in.type));
	wait_confined(m, &leftovers);
	programs_restored(m->programs, session_exists);
	if (m->sessions.count || programs_count(m->programs))
		log_info("resuming %u sessions and %u programs", m->sessions.count, programs_count(m->programs));
}

/* --- The order --------------------------------------------------------------------------------------------------- */

static void init_confined(struct monitor *m)
{
	m->env.loop = &m->loop;
	m->env.keeper = &m->keeper;
	m->env.config = m->config;
	m->env.libexec = m->options->libexec;
	m->env.ready_ms = CONFINED_READY_MS;
	m->env.stuck_ms = CONFINED_STUCK_MS;
	m->env.events = &monitor_confined_events;
	m->env.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->env.proc < 0)
		fatal("/proc: %s", strerror(errno));
	for (int i = 0; i < CONFINED_COUNT; i++)
		confined_init(&m->confined[i], &m->env, (enum confined_kind)i);
}

/* An inherited SIG_IGN would lose the statuses; a log that nobody reads must not end the monitor. */
static int open_signals(void)
{
	sigset_t set;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_log_level(const struct monitor *m)
{
	enum log_level level = m->config->log_level;

	if (m->options->log_level)
		(void)log_level_parse(m->options->log_level, &level);
	log_init("monitor", level);
}

void monitor_start(struct monitor *m, const struct options *options)
{
	int r;

	*m = (struct monitor){.options = options, .listener = -1};
	check_keeper();
	check_namespace();
	m->signals.fd = open_signals();
	if (m->signals.fd < 0)
		fatal("signalfd: %s", strerror(errno));
	if (!monitor_load(options, &m->config, &m->catalogue, false))
		fatal("the configuration is refused");
	take_log_level(m);
	m->socket = monitor_socket(options, m->config);
	cgroups_prepare(m->config->programs_cgroup);
	limit_capabilities(m);

	r = loop_init(&m->loop);
	if (r < 0)
		fatal("epoll: %s", strerror(-r));
	keeper_link_init(&m->keeper, MONITOR_KEEPER_FD);
	sessions_init(m, session_limit(m->config));
	rootless_gate_init(m);
	init_confined(m);
	r = programs_new(&m->programs, &m->loop, &m->keeper, m->config, m->catalogue, &reply_programs_callbacks, m);
	if (r < 0)
		fatal("programs: %s", strerror(-r));
	restore_all(m);
	keeper_bind(&m->keeper, m->socket);
	while (m->listener < 0) {
		receive(m);
		monitor_keeper_record(m, &m->in);
		ipc_drop(&m->in);
	}
}
