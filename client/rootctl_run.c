/* SPDX-License-Identifier: MIT */
/*
 * rootctl run. Runs in: rootctl.
 *
 * The program has ended when the broker says so; the end of its output says only that nobody holds it open any more. The
 * connection serves one call at a time: this thread asks without blocking, and when a signal comes, another one makes the
 * call that terminates the program, so that what it writes meanwhile is still copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_relay.h"

enum { IN, OUT, ERR, RELAYS };
enum { POLL_SIGNAL, POLL_BROKER, POLL_RELAYS, POLLS = POLL_RELAYS + RELAYS * RELAY_POLLS };

struct run {
	const char *program;
	int fd, pid;
	int signal_fd;
	int told[2]; /* the terminating thread writes its result here */
	bool terminating, ended;
	int status; /* of rootctl, once @ended */
	struct relay relays[RELAYS];
};

/* One block of strings. -1 if it is longer than any start may be. */
static int join_args(int argc, char **argv, char *args)
{
	size_t used = 0;

	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]) + 1;

		if (n > ROOT_ARGS_MAX - used)
			return -1;
		memcpy(args + used, argv[i], n);
		used += n;
	}
	return (int)used;
}

static int start(struct run *run, int argc, char **argv)
{
	char args[ROOT_ARGS_MAX];
	int n = join_args(argc - 1, argv + 1, args);
	int in, out, err, r;

	r = n < 0 ? -EINVAL
		  : rootProcessStartStderr(run->fd, ROOT_IPC_PIPES, argv[0],
					   (int)strnlen(argv[0], ROOT_PROGRAM_MAX + 1), args, n, &run->pid, &in, &out,
					   &err);
	if (r)
		return complain(ABOUT_PROGRAM, argv[0], r, run->fd);
	relay_init(&run->relays[IN], STDIN_FILENO, out, out);
	relay_init(&run->relays[OUT], in, STDOUT_FILENO, in);
	relay_init(&run->relays[ERR], err, STDERR_FILENO, err);
	return 0;
}

/* Signals that ask us to end, but for those that we were told to ignore (nohup). */
static int watch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t set, pipe_set;

	(void)sigemptyset(&set);
	(void)sigemptyset(&pipe_set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			(void)sigaddset(&set, signals[i]);
	}
	(void)sigaddset(&pipe_set, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigprocmask(SIG_BLOCK, &pipe_set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void *terminate(void *data)
{
	struct run *run = data;
	int r = rootProcessTerminate(run->fd, run->pid);

	(void)!write(run->told[1], &r, sizeof(r));
	return NULL;
}

static void on_signal(struct run *run)
{
	struct signalfd_siginfo info;
	pthread_t thread;

	if (read(run->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	/* The second one, or one while only output is left to copy: at once. The server ends the program when the connection does. */
	if (run->terminating || run->ended)
		_exit(run->ended ? run->status : 128 + (int)info.ssi_signo);
	if (pthread_create(&thread, NULL, terminate, run)) {
		complain_text("%s: no thread to terminate it: it ends with the connection", run->program);
		_exit(ROOTCTL_RUN_BROKER);
	}
	(void)pthread_detach(thread);
	run->terminating = true;
}

static void set_ended(struct run *run, int status)
{
	run->ended = true;
	run->status = status;
	relay_end(&run->relays[IN]);
	relay_finish(&run->relays[OUT]);
	relay_finish(&run->relays[ERR]);
}

static void ask_status(struct run *run)
{
	int status, r = rootProcessPoll(run->fd, run->pid, &status);

	if (r == -EAGAIN || !r)
		return;
	if (r < 0)
		set_ended(run, complain(ABOUT_PROGRAM, run->program, r, run->fd));
	else
		set_ended(run, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* The terminating thread is done with the connection. */
static void on_terminated(struct run *run)
{
	int r;

	if (read(run->told[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = -EPROTO;
	run->terminating = false;
	if (r == -EBUSY || r == -EACCES || r == -EAGAIN) /* the others are told by the status, or instead of it */
		(void)complain(ABOUT_PROGRAM, run->program, r, run->fd);
	ask_status(run);
}

static bool copying(const struct run *run)
{
	return !run->relays[OUT].ended || !run->relays[ERR].ended;
}

static int loop(struct run *run)
{
	struct pollfd p[POLLS];

	ask_status(run);
	while (!run->ended || copying(run)) {
		p[POLL_SIGNAL] = (struct pollfd){.fd = run->signal_fd, .events = POLLIN};
		p[POLL_BROKER] = (struct pollfd){.fd = run->ended         ? -1
						       : run->terminating ? run->told[0]
									  : run->fd,
						 .events = POLLIN};
		for (int i = 0; i < RELAYS; i++)
			relay_poll(&run->relays[i], p + POLL_RELAYS + i * RELAY_POLLS);
		if (poll(p, POLLS, -1) < 0 && errno != EINTR)
			return complain(ABOUT_PROGRAM, run->program, -EPROTO, -1);
		for (int i = 0; i < RELAYS; i++)
			relay_run(&run->relays[i], p + POLL_RELAYS + i * RELAY_POLLS);
		if (p[POLL_BROKER].revents && run->terminating)
			on_terminated(run);
		else if (p[POLL_BROKER].revents)
			ask_status(run);
		if (p[POLL_SIGNAL].revents)
			on_signal(run);
	}
	return run->status;
}

int rootctl_run(const struct options *o, int argc, char **argv)
{
	static struct run run;
	int r;

	run.program = argv[0];
	run.fd = rootctl_connect(o, ROOTCTL_RUN_BROKER);
	if (run.fd < 0)
		return -run.fd;
	run.signal_fd = watch_signals();
	if (run.signal_fd < 0 || pipe2(run.told, O_CLOEXEC)) {
		complain_text("%s: %s: it was not started", argv[0], strerror(errno));
		return ROOTCTL_RUN_BROKER;
	}
	r = start(&run, argc, argv);
	if (!r)
		r = loop(&run);
	rootShutdown(run.fd);
	return r;
}
