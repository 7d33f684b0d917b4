/* SPDX-License-Identifier: MIT */
/*
 * A test's body in a process of its own: what it gives up, or dies of, is its own affair.
 */
#ifndef UNIT_SUB_H
#define UNIT_SUB_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Prints why, which cmocka's own skip() does not. */
#define SKIP_IF(condition, why)                                \
	do {                                                   \
		if (condition) {                               \
			print_message("# skipped: %s\n", why); \
			skip();                                \
		}                                              \
	} while (0)

#ifdef ROOTBROKER_SANITIZE
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* The wait(2) word of a child that runs @body and exits with what it returns. */
static inline int sub_run(int (*body)(const void *arg), const void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* The wait(2) word of a child that has its reason to end; one that does not is killed, and is not what the test wants. */
static inline int sub_wait(pid_t pid, int timeout_ms)
{
	int status;

	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += 10) {
		if (ms >= timeout_ms) {
			(void)kill(pid, SIGKILL);
			return waitpid(pid, &status, 0) == pid ? status : -1;
		}
		(void)poll(NULL, 0, 10);
	}
	return status;
}

/* In a body: names the first thing that is not so, by the status and on standard error. */
#define EXPECT(condition)                                                                      \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			(void)dprintf(STDERR_FILENO, "# line %d: %s\n", __LINE__, #condition); \
			return 1;                                                              \
		}                                                                              \
	} while (0)

/* The same where writing would be the end. */
#define EXPECT_QUIET(condition, status)  \
	do {                             \
		if (!(condition))        \
			return (status); \
	} while (0)

#define assert_exit(status, code)                          \
	do {                                               \
		int word = (status);                       \
		assert_true(WIFEXITED(word));              \
		assert_int_equal(WEXITSTATUS(word), code); \
	} while (0)

#define assert_signal(status, signo)                     \
	do {                                             \
		int word = (status);                     \
		assert_true(WIFSIGNALED(word));          \
		assert_int_equal(WTERMSIG(word), signo); \
	} while (0)

#endif
