/* SPDX-License-Identifier: MIT */
/*
 * tree N: a program that starts N processes: its children, children of theirs, sessions of their own, with and without a
 * parent that lives, a third of them stopped; all ignore SIGTERM. Says "ready" when all are there.
 *
 * tree run: one that runs away: a process that is only there until it has started the next, in a session of its own.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int there[2];

static void stay(int i)
{
	if (write(there[1], "x", 1) != 1)
		_exit(1);
	if (i % 3 == 0)
		(void)raise(SIGSTOP);
	for (;;)
		(void)pause();
}

static void grow(int i)
{
	pid_t pid = fork();
	int word;

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid > 0) {
		if (i % 4 >= 2)
			(void)waitpid(pid, &word, 0);
		return;
	}
	if (i % 4 >= 1)
		(void)setsid();
	if (i % 4 < 2)
		stay(i);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	if (i % 4 == 3)
		(void)setsid();
	stay(i);
}

static void run_away(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		if (pid == 0)
			(void)setsid();
	}
}

int main(int argc, char **argv)
{
	int i, n = argc == 2 ? atoi(argv[1]) : 0;
	char c;

	(void)signal(SIGTERM, SIG_IGN);
	if (pipe(there) < 0)
		return 1;
	if (n == 0 && fork() == 0)
		run_away();
	for (i = 0; i < n; i++)
		grow(i);
	for (i = 0; i < n; i++) {
		if (read(there[0], &c, 1) != 1)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		(void)pause();
}
