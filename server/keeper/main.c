/* SPDX-License-Identifier: MIT */
/*
 * rootbrokerd, the keeper: what must outlive the part that can have bugs. Runs in: keeper, as root. Trusts: its command
 * line, and the monitor.
 *
 * It owns the listener, keeps what the monitor gives it, reaps what the monitor leaves behind, and starts the monitor again. It
 * reads no configuration, and no byte of a client's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "../common/cleanup.h"
#include "../common/log.h"
#include "child.h"
#include "link.h"
#include "options.h"

#define STOP_MS 10000 /* for a monitor to end after SIGTERM */
#define LATER_MS 10

struct keeper {
	struct options options;
	struct link link;
	struct backoff backoff;
	pid_t monitor; /* 0: none */
	uint64_t serving_ms; /* since when; 0: not yet */
	bool ever_served;
	bool stopping;
	bool ended;
	int status;
	uint64_t deadline_ms; /* to start the monitor, or to kill it when stopping; 0: none */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void end(struct keeper *k, int status)
{
	k->ended = true;
	k->status = status;
}

static void start_monitor(struct keeper *k)
{
	int fd = child_start(k->options.monitor_argv, &k->monitor);

	k->deadline_ms = 0;
	k->serving_ms = 0;
	if (fd < 0) {
		log_error("cannot start the monitor: %s: trying again", strerror(-fd));
		k->monitor = 0;
		k->deadline_ms = now_ms() + backoff_next(&k->backoff, 0) + 1;
		return;
	}
	link_open(&k->link, fd);
}

static void kill_monitor(struct keeper *k)
{
	/* Not reaped yet, or this would be 0: the number is the monitor's. */
	if (k->monitor > 0)
		(void)kill(k->monitor, SIGKILL);
}

/* A channel that is over, or talks nonsense, is of no use: a new monitor gets a new one. */
static void check_link(struct keeper *k, int r)
{
	if (r >= 0)
		return;
	if (r != -EPIPE)
		log_error("the monitor's channel: %s: killing the monitor", strerror(-r));
	link_close(&k->link);
	kill_monitor(k);
}

static void drain(struct keeper *k)
{
	if (k->link.fd < 0)
		return;
	check_link(k, link_drain(&k->link));
	if (!k->link.serving || k->serving_ms)
		return;
	k->serving_ms = now_ms();
	if (!k->ever_served)
		log_info("version " ROOTBROKER_VERSION " serves %s", k->link.listener.path);
	k->ever_served = true;
}

static void monitor_ended(struct keeper *k, int status)
{
	uint64_t served = k->serving_ms ? now_ms() - k->serving_ms : 0;

	k->monitor = 0;
	k->deadline_ms = 0;
	link_close(&k->link);
	if (k->stopping) {
		end(k, EXIT_SUCCESS);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_RELOAD_STATUS) {
		log_info("the monitor asked to be replaced");
		k->deadline_ms = now_ms();
	} else if (!k->ever_served) {
		/* It has said why. To begin with, that is for a person to mend. */
		log_error("the monitor could not start: ending");
		end(k, EXIT_FAILURE);
	} else {
		uint64_t delay = backoff_next(&k->backoff, served);

		log_error("the monitor ended (%s %d): a new one in %llu ms", WIFSIGNALED(status) ? "signal" : "status",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (unsigned long long)delay);
		k->deadline_ms = now_ms() + delay;
	}
}

static void reap(struct keeper *k)
{
	for (;;) {
		siginfo_t info = {0};
		int status;

		/* Look, read, reap. An orphan is here because its monitor is dead, so that whatever that one said about it
		 * can be read now; reaped before, its status would belong to nothing. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		drain(k);
		if (waitpid(info.si_pid, &status, 0) != info.si_pid)
			return;
		if (info.si_pid == k->monitor)
			monitor_ended(k, status);
		else
			link_exited(&k->link, (uint32_t)info.si_pid, (uint32_t)status);
	}
}

static void stop(struct keeper *k)
{
	if (k->stopping || k->monitor == 0) {
		kill_monitor(k);
		if (k->monitor == 0)
			end(k, EXIT_SUCCESS);
		return;
	}
	k->stopping = true;
	k->deadline_ms = now_ms() + STOP_MS;
	(void)kill(k->monitor, SIGTERM);
}

static void take_signal(struct keeper *k, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		stop(k);
	else if (info.ssi_signo == SIGHUP && k->monitor > 0)
		(void)kill(k->monitor, SIGHUP);
	/* SIGCHLD: reap() runs after every wake-up. */
}

static void deadline(struct keeper *k)
{
	if (!k->deadline_ms || now_ms() < k->deadline_ms)
		return;
	k->deadline_ms = 0;
	if (!k->stopping) {
		start_monitor(k);
		return;
	}
	log_error("the monitor does not end: killing it");
	kill_monitor(k);
}

static int wait_ms(const struct keeper *k, int pumped)
{
	uint64_t now = now_ms(), wait;

	if (!k->deadline_ms)
		return pumped == LINK_LATER ? LATER_MS : -1;
	wait = k->deadline_ms > now ? k->deadline_ms - now : 0;
	return pumped == LINK_LATER && wait > LATER_MS ? LATER_MS : (int)wait;
}

static int serve(struct keeper *k, int signals)
{
	start_monitor(k);
	while (!k->ended) {
		int pumped = link_pump(&k->link);
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = k->link.fd, .events = (short)(POLLIN | (pumped == LINK_FULL ? POLLOUT : 0))},
		};

		check_link(k, pumped);
		fds[1].fd = k->link.fd;
		if (poll(fds, 2, wait_ms(k, pumped)) < 0 && errno != EINTR)
			fatal("poll: %s", strerror(errno));
		if (fds[0].revents)
			take_signal(k, signals);
		if (fds[1].revents)
			drain(k);
		reap(k);
		if (!k->ended)
			deadline(k);
	}
	return k->status;
}

static int open_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	static struct keeper k = {.link = LINK_NONE};
	const char *step;
	int r, signals, status;

	log_init("keeper", LOG_LEVEL_INFO);
	/* Before the clean start: names on the command line may be relative to where it was typed. */
	options_parse(&k.options, argc, argv);
	r = child_clean_start(&step);
	if (r < 0)
		fatal("%s: %s", step, strerror(-r));
	log_init("keeper", k.options.log_level);
	if (k.options.check) {
		(void)execve(k.options.monitor_argv[0], k.options.monitor_argv, (char *[]){NULL});
		fatal("cannot execute %s: %s", k.options.monitor_argv[0], strerror(errno));
	}
	if (geteuid() != 0)
		fatal("must be started by root");
	signals = open_signals();
	if (signals < 0)
		fatal("signalfd: %s", strerror(errno));
	status = serve(&k, signals);
	listen_end(&k.link.listener);
	store_fini(&k.link.store);
	return status;
}
