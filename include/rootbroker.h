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
 * except rootProcessWait(), which waits for a program's end, rootProcessTerminate(), whose
 * deadline is the program's own, and rootContainerWatch(), which is told how long. Interrupted system calls are continued inside.
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
#define ROOT_USER_MAX 63 /* the name of whoever runs a rootless engine */
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
	/* On the way from one to another, where the engine says so. */
	ROOT_CONTAINER_STARTING = 6,
	ROOT_CONTAINER_ABORTING = 7,
	ROOT_CONTAINER_FREEZING = 8,
	ROOT_CONTAINER_THAWED = 9,
};
#define ROOT_CONTAINER_STATES 10

#define ROOT_EXIT_UNKNOWN (-1)

/* All that is known of a container. Strings end in NUL. */
struct root_container {
	char engine[ROOT_ENGINE_MAX + 1];
	char id[ROOT_ID_MAX + 1];
	char name[ROOT_NAME_MAX + 1]; /* empty: the engine gave it none that fits */
	char cgroup[ROOT_CGROUP_MAX + 1]; /* the container's own; empty if not running, or if it has none */
	uint32_t state; /* enum root_container_state */
	int32_t pid; /* init PID, 0 if not running */
	uint32_t owner; /* uid whose engine runs it, 0 for the system's engines */
	int32_t exit_status; /* of its init's last end, the wait(2) word; ROOT_EXIT_UNKNOWN */
	uint64_t generation; /* of the last change that the server noticed, ascending over all containers */
	char user[ROOT_USER_MAX + 1]; /* the owner's name; empty for the system's engines */
	char init_cgroup[ROOT_CGROUP_MAX + 1]; /* of the init process, where that is deeper than @cgroup; else empty */
	char hostname[ROOT_HOSTNAME_MAX + 1]; /* only if ROOT_LIST_HOSTNAMES asked for it; any bytes but NUL */
};

/* What happened to a container: the kind of a struct root_event. */
enum root_event_kind {
	ROOT_EVENT_PRESENT = 1, /* part of the present state */
	ROOT_EVENT_ADDED = 2,
	ROOT_EVENT_CHANGED = 3,
	ROOT_EVENT_EXITED = 4, /* its exit_status has become known */
	ROOT_EVENT_REMOVED = 5,
	ROOT_EVENT_SYNCED = 6, /* the present state has been told; without a container */
	ROOT_EVENT_RESYNC = 7, /* changes may be missing here: the present state follows; without a container */
};

struct root_event {
	uint32_t kind; /* enum root_event_kind */
	uint32_t reserved; /* 0 */
	struct root_container container; /* after the change; what was removed, as it was before */
};

/* Where a watcher is. All zero: at the beginning. */
struct root_watch {
	uint64_t after, until; /* the server's */
	uint32_t state; /* the library's */
	uint32_t reserved;
};

#define ROOT_FACT_KEY_MAX 31
#define ROOT_FACT_SOURCE_MAX 1023

/* One thing that is known of a container, and how. */
struct root_fact {
	char key[ROOT_FACT_KEY_MAX + 1]; /* "pid" */
	char value[ROOT_CGROUP_MAX + 1]; /* any bytes but NUL */
	char source[ROOT_FACT_SOURCE_MAX + 1]; /* "/run/crun/web/status" */
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
 * more unless the server is configured otherwise), tried in this order over all engines of the system; only if none of
 * their containers answers, over those of users. "engine:name" asks one engine only, "engine@user:name" those of one user, given by
 * name or uid. An id that is the container's name as well, as LXC's are, has no prefixes. @name need not be NUL-terminated; @namelen
 * is its length, 1 to ROOT_NAME_MAX.
 *
 * Each of the lookups below by name fails with
 *	-EINVAL		@name is NULL, empty, too long or contains NUL; @buffer is NULL
 *	-ENOENT		no container has that name
 *	-ESRCH		it is not running (not rootContainerGet(), not rootContainerGetPidFD(), not rootContainerFacts())
 *	-ENOTUNIQ	several containers answer to it; say engine:name, engine@user:name or the full id
 *	-ENOSPC		@buflen is too small; @buffer is untouched (not rootContainerProcessID(),
 *			not rootContainerGet(), not rootContainerGetPidFD())
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
 * rootContainerCGroupName() - a container's own cgroup, as of when the server took notice of its init process
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
 * rootContainerGetPidFD() - the same, with a descriptor of its init process
 * @pidfd:	receives a pidfd, close-on-exec, the caller's from now on; -1 if the container is not running
 *
 * Return: 0, or an error as above, with -EINVAL if @pidfd is NULL, and -EMFILE if this process has no room for it.
 */
int rootContainerGetPidFD(int fd, const char *name, int namelen, struct root_container *record, size_t recordsize,
			  int *pidfd);

/**
 * rootContainerOfProcess() - whose process is it?
 * @pid:	of any process, in the server's PID namespace
 *
 * Return: 0, or
 *	-EINVAL		@pid is less than 1, or @record is NULL or of size 0
 *	-ENOENT		it is in no container
 *	-ESRCH		there is no such process
 *	-ENOTUNIQ	it is in a cgroup that several containers share, and nothing else tells which
 *	-EACCES, -EAGAIN, -ETIMEDOUT, -ENOTCONN, -EPROTO, -EBADF as above
 */
int rootContainerOfProcess(int fd, int pid, struct root_container *record, size_t recordsize);

/**
 * rootContainerOfCGroup() - whose cgroup is it?
 * @cgroup:	path below the cgroup mount, beginning with '/', as of /proc/PID/cgroup: a container's own, or one below that.
 *		A user's container has one of its own only below "user-UID.slice"
 * @len:	length of @cgroup in bytes, 1 to ROOT_CGROUP_MAX
 *
 * Return: 0, or
 *	-EINVAL		@cgroup is NULL, empty, too long, contains NUL, does not begin with '/' or has an empty component, or @record is
 *			NULL or of size 0
 *	-ENOENT		it is no running container's
 *	-ENOTUNIQ	several containers share it
 *	-EACCES, -EAGAIN, -ETIMEDOUT, -ENOTCONN, -EPROTO, -EBADF as above
 */
int rootContainerOfCGroup(int fd, const char *cgroup, int len, struct root_container *record, size_t recordsize);

/**
 * rootContainerFacts() - everything that is known of a container, each with its source
 * @facts:	array of @count facts, each @factsize bytes long; 32 always suffice
 *
 * For people: which keys there are depends on the engine.
 *
 * Return: how many facts were filled, or an error as above, with -EINVAL if @facts is NULL, @factsize is 0 or @count is less than 1,
 * and -ENOSPC if @count is too small.
 */
int rootContainerFacts(int fd, const char *name, int namelen, struct root_fact *facts, size_t factsize, int count);

/**
 * rootContainerList() - the containers of this host, a page at a time
 * @flags:	0, or ROOT_LIST_HOSTNAMES: the hostnames of those that run, at this moment
 * @cursor:	0 to begin with; moved on success
 * @records:	array of @count records, each @recordsize bytes long
 *
 * Containers that live through the whole listing appear exactly once; if the server restarts meanwhile, some may appear
 * twice, but none is left out. Call until it returns 0.
 *
 * Return: how many records were filled, 0 at the end; or
 *	-EINVAL		an argument is NULL, @flags has other bits, or @count is less than 1
 *	-EACCES, -EAGAIN, -ETIMEDOUT, -ENOTCONN, -EPROTO, -EBADF as above
 */
#define ROOT_LIST_HOSTNAMES 1u
int rootContainerList(int fd, unsigned flags, uint64_t *cursor, struct root_container *records, size_t recordsize,
		      int count);

/**
 * rootContainerWatch() - the present state, and then whatever happens to containers
 * @watch:	all zero to begin with; moved on success. One for a connection
 * @events:	array of @count events, each @eventsize bytes long
 * @timeout_ms:	how long to wait for the first of them: 0 not at all, -1 for ever
 *
 * First comes the present state: a PRESENT for each container, then SYNCED. From then on each change, in order: nothing is left
 * out, and nothing is told twice. A watcher that is too slow, or that outlives a part of the server, gets RESYNC, and the present
 * state again: what was REMOVED meanwhile is what is not PRESENT. When it returned 0, @fd becomes readable once there may be
 * something to call again for. Other calls may be made meanwhile; they may take what made @fd readable, so call again after them.
 *
 * Return: how many events were filled, 0 if there was none in time; or
 *	-EINVAL		an argument is NULL, @watch is not of this function, @eventsize is 0, @count is less than 1, or @timeout_ms is
 *			less than -1
 *	-ENOMEM
 *	-EACCES, -EAGAIN, -ENOTCONN, -EPROTO, -EBADF as above
 */
int rootContainerWatch(int fd, struct root_watch *watch, struct root_event *events, size_t eventsize, int count,
		       int timeout_ms);

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
 * The program's stop signal, then, after the entry's grace, SIGKILL, to all that it has started too. Blocks
 * until all of these have ended, or until the entry's deadline. Its status can be waited for as ever.
 *
 * Return: 0 when they have ended, or
 *	-EINVAL		@pid is less than 1
 *	-ECHILD		@pid is not a program of this connection
 *	-EBUSY		it, or what it has started, is still there at the deadline
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
