/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, and what to do next. Runs in: rootctl.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "rootctl.h"
#include "rootctl_text.h"

#define ABOUT_REQUEST (ABOUT_CONTAINER | ABOUT_PROGRAM | ABOUT_LIST | ABOUT_MEMBER)

/* The first row that fits counts. @sentence NULL: the library's. @status 0: run says 125, the others 1. */
static const struct advice {
	int error;
	unsigned about;
	int status;
	const char *sentence, *next;
} advices[] = {
	{ENOENT, ABOUT_CONNECT, 0, "no such socket", "start rootbrokerd, or name its socket with --socket PATH"},
	{ECONNREFUSED, ABOUT_CONNECT, 0, NULL, "start rootbrokerd, or name its socket with --socket PATH"},
	{EPERM, ABOUT_CONNECT, 0, "who listens there is not root, so nothing was said to it",
	 "check --socket and the environment variable ROOTBROKER_SOCKET"},
	{EACCES, ABOUT_CONNECT, 0, "no role of the server fits you, or the path may not be reached",
	 "ask the administrator for a role, see rootbroker.conf(5)"},
	{EINVAL, ABOUT_CONNECT, ROOTCTL_USAGE, "not a socket's path", "a path has 1 to 107 bytes"},
	{EPROTONOSUPPORT, ABOUT_CONNECT, 0, NULL, "install rootctl and rootbrokerd of the same release"},
	{EPROTO, ABOUT_CONNECT, 0, "who answers there does not speak the broker's protocol",
	 "check --socket and the environment variable ROOTBROKER_SOCKET"},
	{EAGAIN, ABOUT_CONNECT, 0, "the server's limit of connections is reached", "try again later"},

	{ENOENT, ABOUT_CONTAINER, ROOTCTL_NOT_FOUND, "no such container", "run 'rootctl ps' to see them"},
	{ESRCH, ABOUT_CONTAINER, ROOTCTL_NOT_FOUND, NULL, "start it with its engine; 'rootctl ps' shows the states"},
	{ENOTUNIQ, ABOUT_CONTAINER, 0, "several containers answer to that name",
	 "say ENGINE:NAME or the full id, as 'rootctl ps --no-trunc' shows them"},
	{EINVAL, ABOUT_CONTAINER, ROOTCTL_USAGE, "not a container's name", "a name has 1 to 511 bytes"},

	{ENOENT, ABOUT_MEMBER, ROOTCTL_NOT_FOUND, "it is in no container", "run 'rootctl ps' to see the containers"},
	{ESRCH, ABOUT_MEMBER, ROOTCTL_NOT_FOUND, "no such process", "give the PID that it has outside its container"},
	{EINVAL, ABOUT_MEMBER, ROOTCTL_USAGE, "neither a PID nor a cgroup",
	 "a cgroup begins with '/', as in /proc/PID/cgroup"},

	{ENOENT, ABOUT_PROGRAM, ROOTCTL_RUN_NOT_FOUND, "no such program", "run 'rootctl programs' to see them"},
	{EACCES, ABOUT_PROGRAM, ROOTCTL_RUN_REFUSED, "its entry does not allow you to start it",
	 "ask the administrator to name you in 'allow' of its entry, see rootbroker.conf(5)"},
	{EDOM, ABOUT_PROGRAM, ROOTCTL_RUN_REFUSED, NULL, "run 'rootctl programs' to see what it expects"},
	{EPERM, ABOUT_PROGRAM, ROOTCTL_RUN_REFUSED, "its entry or its file was refused as not safe",
	 "the administrator finds the reason in the log of rootbrokerd"},
	{ENOEXEC, ABOUT_PROGRAM, ROOTCTL_RUN_REFUSED, "its file is missing or cannot be executed",
	 "the administrator must install it or correct 'exec' of its entry"},
	{EREMOTEIO, ABOUT_PROGRAM, 0, NULL, "the administrator finds the reason in the log of rootbrokerd"},
	{EDQUOT, ABOUT_PROGRAM, 0, "too many programs run at once", "wait for some of them to end"},
	{EINVAL, ABOUT_PROGRAM, ROOTCTL_USAGE, "not a program's name, or its arguments are too long",
	 "a name has 1 to 63 bytes, all arguments together 8192"},
	{EBUSY, ABOUT_PROGRAM, 0, NULL, "the server keeps at it; see its log"},
	{EMFILE, ABOUT_PROGRAM, 0, NULL, "raise the limit of open files (ulimit -n)"},
	{ECHILD, ABOUT_PROGRAM, 0, "the server no longer knows it", "see the log of rootbrokerd"},

	{EACCES, ABOUT_CONTAINER | ABOUT_LIST | ABOUT_MEMBER, 0, NULL,
	 "ask the administrator for a role that may, see rootbroker.conf(5)"},
	{EAGAIN, ABOUT_REQUEST, 0, "the server cannot do it just now", "try again"},
	{ECONNRESET, ABOUT_REQUEST, 0, "the server restarted meanwhile, and nothing was started", "try again"},
	{ETIMEDOUT, ABOUT_REQUEST, 0, NULL, "try again, with --timeout MS if it needs longer"},
	{0, ABOUT_REQUEST | ABOUT_CONNECT, 0, NULL, "see the log of rootbrokerd, and try again"},
};

static const struct advice *advice_for(enum about about, int error)
{
	const struct advice *a = advices;

	while (a->error && (a->error != error || !(a->about & about)))
		a++;
	return a;
}

int complain(enum about about, const char *subject, int error, int fd)
{
	const struct advice *a = advice_for(about, -error);
	char sentence[160], detail[ROOT_DETAIL_MAX + 1];
	char *who = text_escape(subject), *said;

	if (fd < 0 || rootErrDetail(fd, detail, sizeof(detail)) < 0)
		detail[0] = '\0';
	said = text_escape(detail);
	(void)rootErrStr_r(error, sentence, sizeof(sentence));
	(void)fprintf(stderr, "rootctl: %s: %s%s%s%s: %s\n", who, a->sentence ? a->sentence : sentence,
		      *said ? " (" : "", said, *said ? ")" : "", a->next);
	free(said);
	free(who);
	if (a->status)
		return a->status;
	return about == ABOUT_PROGRAM ? ROOTCTL_RUN_BROKER : ROOTCTL_FAILED;
}

void complain_text(const char *format, ...)
{
	va_list args;

	(void)fputs("rootctl: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

void *must_alloc(void *p)
{
	if (!p) {
		complain_text("out of memory: close something and try again");
		exit(ROOTCTL_FAILED);
	}
	return p;
}
