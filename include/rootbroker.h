/* SPDX-License-Identifier: MIT */
/*
 * librootbroker: ask the root broker of this host.
 *
 * A connection is an int, the descriptor that rootConnect() returns, so that it can be polled and
 * passed through code that knows nothing of this library. Only the functions below may read from
 * it, write to it or close it.
 *
 * Threads: a connection serves one call at a time; threads use a connection each. Different
 * connections are independent of each other.
 *
 * Blocking: every call ends within the connection's timeout (rootSetTimeout(), 5 seconds at first),
 * except rootProcessWait(), which waits for a program's end, and rootProcessTerminate(), whose
 * deadline is the program's own. Interrupted system calls are continued inside.
 *
 * Errors: a negative errno value from the list that stands with each function, never errno itself.
 * rootErrStr_r() turns it into a sentence, rootErrDetail() says what the server said. The library
 * never writes to a stream, ends the process, installs a handler or changes a signal mask.
 *
 * Ownership: the library keeps no pointer that it is given, and returns none of its own.
 */
#ifndef ROOTBROKER_H
#define ROOTBROKER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Where the server listens, unless the environment variable ROOTBROKER_SOCKET says otherwise. */
#define ROOT_SOCKET_PATH "/run/rootbroker/socket"

/* Limits, in bytes and without the terminating NUL. */
#define ROOT_ENGINE_MAX 31 /* "podman" */
#define ROOT_ID_MAX 255 /* a container's full id */
#define ROOT_NAME_MAX 511 /* a container's name, or what names one: "engine:name", an id, a prefix */
#define ROOT_HOSTNAME_MAX 64 /* the kernel's limit */
#define ROOT_CGROUP_MAX 4096
#define ROOT_PROGRAM_MAX 63 /* a program's label: the name of its file in programs.d */
#define ROOT_DETAIL_MAX 255
#define ROOT_ARGS_MAX 8192 /* all arguments of a start, with their NULs */

/* What connects a program to the one who started it: the ipctype of rootProcessStart(). */
enum root_ipc {
	ROOT_IPC_NONE = 0, /* standard input and output are /dev/null */
	ROOT_IPC_PIPES = 1, /* two pipes */
	ROOT_IPC_SOCKETPAIR = 2, /* one stream socket for both directions */
};

enum root_container_state {
	ROOT_CONTAINER_UNKNOWN = 0,
	ROOT_CONTAINER_CREATED = 1, /* init exists, the program is not started yet */
	ROOT_CONTAINER_RUNNING = 2,
	ROOT_CONTAINER_PAUSED = 3,
	ROOT_CONTAINER_STOPPING = 4,
	ROOT_CONTAINER_STOPPED = 5,
};

/* All that is known of a container. Strings end in NUL. */
struct root_container {
	char engine[ROOT_ENGINE_MAX + 1];
	char id[ROOT_ID_MAX + 1];
	char name[ROOT_NAME_MAX + 1]; /* empty: the engine gave it none that fits */
	char cgroup[ROOT_CGROUP_MAX + 1]; /* of the init process; empty if not running */
	uint32_t state; /* enum root_container_state */
	int32_t pid; /* init PID, 0 if not running */
	uint32_t owner; /* uid whose engine runs it, 0 for the system's engines */
};

/* A program of the catalogue, as far as the caller may start it. */
struct root_program {
	char name[ROOT_PROGRAM_MAX + 1];
	char description[ROOT_DETAIL_MAX + 1];
	uint32_t usable; /* 0: its entry or its executable was refused; description says why */
};

/**
 * rootConnect() - connect to the server of this host
 *
 * The path is ROOTBROKER_SOCKET of the environment (ignored in a set-user-id program), else
 * ROOT_SOCKET_PATH. See rootConnectTo().
 */
int rootConnect(void);

/**
 * rootConnectTo() - connect to the server at a path
 * @path:	of its socket, at most 107 bytes
 *
 * Verifies that root listens there, and agrees on a protocol version.
 *
 * Return: the connection's descriptor, close-on-exec; rootShutdown() ends it. Or one of
 *	-EINVAL		@path is NULL, empty or too long
 *	-ENOENT		no socket at @path
 *	-ECONNREFUSED	nobody listens there
 *	-EPERM		who listens there is not root
 *	-EACCES		no role in the server's policy fits this caller, or @path may not be reached
 *	-EAGAIN		the server's limit of connections of one uid is reached; try later
 *	-EPROTONOSUPPORT	no protocol version in common
 *	-ETIMEDOUT	no answer in time
 *	-ENOTCONN	the server closed the connection
 *	-EPROTO		the answer is not of this protocol
 *	-EMFILE		no descriptor left
 *	-ENOMEM
 */
int rootConnectTo(const char *path);

/** rootShutdown() - close the connection @fd. Programs that it started are terminated. */
void rootShutdown(int fd);

/**
 * rootSetTimeout() - how long a call on this connection may take
 * @timeout_ms:	milliseconds, 1 to 3600000; 0 waits for ever
 *
 * Return: 0, or
 *	-EINVAL		out of range
 *	-EBADF		@fd is not a connection
 */
int rootSetTimeout(int fd, int timeout_ms);

/**
 * rootErrStr_r() - a sentence for an error of this library
 * @error:	what a function returned
 * @buffer:	receives the text, cut to @buflen - 1 bytes and NUL-terminated
 * @buflen:	size of @buffer in bytes, at least 1
 *
 * Return: @buffer.
 */
char *rootErrStr_r(int error, char *buffer, int buflen);

/**
 * rootErrDetail() - what the server said when the last call on a connection failed
 * @buffer:	receives the text, NUL-terminated; empty if there is nothing to say.
 *		ROOT_DETAIL_MAX + 1 bytes always suffice
 *
 * Return: the length in bytes, or
 *	-EBADF		@fd is not a connection
 *	-ENOSPC		@buflen is too small; @buffer is untouched
 */
int rootErrDetail(int fd, char *buffer, int buflen);

/*
 * Containers. A container is named by its full id, its name or a unique prefix of its id (4 bytes or
 * more unless the server is configured otherwise), tried in this order over all engines; "engine:name"
 * asks one engine only. An id that is the container's name as well, as LXC's are, has no prefixes. @name need not be NUL-terminated; @namelen is its length, 1 to ROOT_NAME_MAX.
 *
 * Each of the four lookups below fails with
 *	-EINVAL		@name is NULL, empty, too long or contains NUL; @buffer is NULL
 *	-ENOENT		no container has that name
 *	-ESRCH		it is not running (not rootContainerGet())
 *	-ENOTUNIQ	several containers answer to it; say engine:name or the full id
 *	-ENOSPC		@buflen is too small; @buffer is untouched (not rootContainerProcessID(),
 *			not rootContainerGet())
 *	-EACCES		policy refuses this caller
 *	-EAGAIN		the server cannot answer just now; try again
 *	-ETIMEDOUT	no answer in time; the connection stays usable
 *	-ENOTCONN	the server went away
 *	-EPROTO		malformed answer; close the connection
 *	-EBADF		@fd is not a connection
 */

/**
 * rootContainerHostName() - hostname as seen inside a container, at this moment
 * @buffer:	receives the NUL-terminated hostname, on success only. The bytes are the container's
 *		own choice: any but NUL. Escape them before showing them
 * @buflen:	size of @buffer in bytes; ROOT_HOSTNAME_MAX + 1 always suffices
 *
 * Return: the length in bytes without the NUL, 0 for an empty hostname; or an error as above.
 */
int rootContainerHostName(int fd, const char *name, int namelen, char *buffer, int buflen);

/**
 * rootContainerProcessID() - PID of a container's init process, in the server's PID namespace
 *
 * Return: the PID, or an error as above.
 */
int rootContainerProcessID(int fd, const char *name, int namelen);

/**
 * rootContainerCGroupName() - cgroup of a container's init process, as of when the server took notice of it
 * @buffer:	receives the NUL-terminated path below the cgroup mount, beginning with '/';
 *		ROOT_CGROUP_MAX + 1 bytes always suffice
 *
 * Return: the length in bytes without the NUL, or an error as above.
 */
int rootContainerCGroupName(int fd, const char *name, int namelen, char *buffer, int buflen);

/**
 * rootContainerGet() - everything that is known of a container, running or not
 * @record:	filled on success only
 * @recordsize:	sizeof *@record; a newer library fills no more than this
 *
 * Return: 0, or an error as above, with -EINVAL if @recordsize is 0.
 */
int rootContainerGet(int fd, const char *name, int namelen, struct root_container *record, size_t recordsize);

/**
 * rootContainerList() - the containers of this host, a page at a time
 * @flags:	0
 * @cursor:	0 to begin with; moved on success
 * @records:	array of @count records, each @recordsize bytes long
 *
 * Containers that live through the whole listing appear exactly once; if the server restarts meanwhile, some may appear
 * twice, but none is left out. Call until it returns 0.
 *
 * Return: how many records were filled, 0 at the end; or
 *	-EINVAL		an argument is NULL, @flags is not 0, or @count is less than 1
 *	-EACCES, -EAGAIN, -ETIMEDOUT, -ENOTCONN, -EPROTO, -EBADF as above
 */
int rootContainerList(int fd, unsigned flags, uint64_t *cursor, struct root_container *records, size_t recordsize,
		      int count);

/*
 * Programs. They are described by the administrator in the server's catalogue; a client names one and
 * fills what the entry leaves open. A connection waits for and terminates only programs that it
 * started itself.
 */

/**
 * rootProcessStart() - start a program of the catalogue
 * @ipctype:	enum root_ipc
 * @label:	the program's name in the catalogue, need not be NUL-terminated
 * @labellen:	length of @label in bytes, 1 to ROOT_PROGRAM_MAX
 * @args:	the arguments, one after the other, each with its NUL; may be NULL if @argslen is 0
 * @argslen:	length of all of them in bytes, with the NULs, 0 to ROOT_ARGS_MAX
 * @pid:	receives the PID
 * @infd:	receives a descriptor to read the program's output from; -1 for ROOT_IPC_NONE.
 *		NULL is allowed for ROOT_IPC_NONE
 * @outfd:	receives a descriptor to write the program's input to, likewise. With
 *		ROOT_IPC_SOCKETPAIR it is the same descriptor as *@infd
 *
 * Descriptors are close-on-exec and belong to the caller. On failure nothing is stored, and no program
 * runs on behalf of the caller.
 *
 * Return: 0 once the program was executed, or
 *	-EINVAL		an argument is out of range
 *	-ENOENT		the catalogue has no such program
 *	-EACCES		the entry does not allow this caller to start it
 *	-EDOM		the arguments do not fit the entry
 *	-EPERM		the entry was refused, or its file is not safe: see rootErrDetail()
 *	-ENOEXEC	its file is missing or cannot be executed
 *	-EREMOTEIO	setting it up failed: see rootErrDetail()
 *	-EDQUOT		too many programs at once
 *	-EAGAIN		the server cannot start it just now; try again
 *	-ECONNRESET	the server restarted meanwhile; what it may have started is terminated
 *	-EMFILE		no descriptor left for the program's; it is terminated
 *	-ETIMEDOUT	no answer in time; if it starts later, it is terminated
 *	-ENOTCONN, -EPROTO, -EBADF
 */
int rootProcessStart(int fd, int ipctype, const char *label, int labellen, const char *args, int argslen, int *pid,
		     int *infd, int *outfd);

/**
 * rootProcessStartStderr() - as rootProcessStart(), with the program's standard error
 * @errfd:	receives a descriptor to read it from; not NULL
 *
 * With rootProcessStart(), standard error is discarded.
 */
int rootProcessStartStderr(int fd, int ipctype, const char *label, int labellen, const char *args, int argslen,
			   int *pid, int *infd, int *outfd, int *errfd);

/**
 * rootProcessWait() - wait for a program's end
 * @pid:	of a program that this connection started, or -1 for any of them
 * @status:	receives the wait(2) word: WIFEXITED() and its relatives work on it
 *
 * Blocks until the program has ended, the timeout notwithstanding. Each status is delivered once.
 *
 * Return: the PID of the program that ended, or
 *	-EINVAL		@pid is 0 or below -1, or @status is NULL
 *	-ECHILD		@pid is not a program of this connection, or it has none
 *	-EACCES		policy refuses this caller
 *	-EAGAIN		too many waits are pending; the server cannot do it just now
 *	-ENOTCONN, -EPROTO, -EBADF
 */
int rootProcessWait(int fd, int pid, int *status);

/**
 * rootProcessPoll() - has a program ended? For an event loop
 * @pid:	as for rootProcessWait()
 * @status:	as for rootProcessWait()
 *
 * Does not block. The first call asks the server; when it returns 0, @fd becomes readable once there is something
 * to call again for. Other calls may be made meanwhile. At most 24 different @pid can be asked for at a time; -1 asks for all.
 *
 * Return: the PID of the program that ended, 0 if there is none yet, or an error as of rootProcessWait().
 */
int rootProcessPoll(int fd, int pid, int *status);

/**
 * rootProcessTerminate() - end a program
 * @pid:	of a program that this connection started
 *
 * The program's stop signal, then, after the entry's grace, SIGKILL. Blocks until it has ended, or
 * until the entry's deadline. Its status can be waited for as ever.
 *
 * Return: 0 when it has ended, or
 *	-EINVAL		@pid is less than 1
 *	-ECHILD		@pid is not a program of this connection
 *	-EBUSY		it is still there at the deadline; the server keeps at it
 *	-EACCES, -EAGAIN, -ENOTCONN, -EPROTO, -EBADF
 */
int rootProcessTerminate(int fd, int pid);

/**
 * rootProgramList() - programs that this caller may start, a page at a time
 *
 * Arguments, return value and errors as rootContainerList().
 */
int rootProgramList(int fd, unsigned flags, uint64_t *cursor, struct root_program *records, size_t recordsize,
		    int count);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
