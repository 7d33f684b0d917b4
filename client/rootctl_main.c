/* SPDX-License-Identifier: MIT */
/*
 * The command line. Runs in: rootctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_text.h"

enum {
	OPT_SOCKET = 256,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_HELP,
	OPT_VERSION,
	OPT_ALL,
	OPT_ENGINE,
	OPT_NO_TRUNC,
	OPT_HOSTNAMES,
	OPT_PRESENT,
	OPT_COUNT
};

/* Those from OPT_ALL on are some commands' own, all others everybody's. */
static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET}, {"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"json", no_argument, NULL, OPT_JSON},           {"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},     {"all", no_argument, NULL, OPT_ALL},
	{"engine", required_argument, NULL, OPT_ENGINE}, {"no-trunc", no_argument, NULL, OPT_NO_TRUNC},
	{"hostnames", no_argument, NULL, OPT_HOSTNAMES}, {"present", no_argument, NULL, OPT_PRESENT},
	{"count", required_argument, NULL, OPT_COUNT},   {NULL, 0, NULL, 0},
};

#define OWN(opt) (1u << ((opt)-OPT_ALL))
#define PS_OPTIONS (OWN(OPT_ALL) | OWN(OPT_ENGINE) | OWN(OPT_NO_TRUNC) | OWN(OPT_HOSTNAMES))
#define WATCH_OPTIONS (OWN(OPT_ENGINE) | OWN(OPT_PRESENT) | OWN(OPT_COUNT))

static const struct command {
	const char *name, *synopsis, *help;
	int min_args, max_args; /* -1: any number */
	bool json; /* has something to show as JSON */
	int (*run)(const struct options *o, int argc, char **argv);
	unsigned own; /* OWN() of each option that only some commands have */
} commands[] = {
	{"ps", "ps [--all] [--engine ENGINE] [--hostnames] [--json] [--no-trunc]",
	 "The containers of this host that are not stopped.\n"
	 "  --all, -a        stopped ones, too, and how each of them ended\n"
	 "  --engine ENGINE  only this engine's\n"
	 "  --hostnames      also each running container's hostname\n"
	 "  --no-trunc       whole ids\n",
	 0, 0, true, rootctl_ps, PS_OPTIONS},
	{"which", "which [--json] PID|CGROUP", "The container that a process or a cgroup belongs to, as ENGINE:NAME.\n",
	 1, 1, true, rootctl_which, 0},
	{"watch", "watch [--count N] [--engine ENGINE] [--json] [--present] [REGEX...]",
	 "What happens to containers, a line for each change, until it is interrupted.\n"
	 "REGEX: only those whose whole name or id it matches; one of several is enough.\n"
	 "  --count N        end after N lines\n"
	 "  --engine ENGINE  only this engine's\n"
	 "  --json           each event as an object on a line, first those of the present state\n"
	 "  --present        first the state of each\n"
	 "  --timeout MS     end after so many milliseconds; with --count that is a failure\n",
	 0, -1, true, rootctl_watch, WATCH_OPTIONS},
	{"hostname", "hostname NAME", "The hostname inside a container, at this moment.\n", 1, 1, true,
	 rootctl_hostname, 0},
	{"pid", "pid NAME", "The PID of a container's init process.\n", 1, 1, true, rootctl_pid, 0},
	{"cgroup", "cgroup NAME", "The cgroup of a container's init process.\n", 1, 1, true, rootctl_cgroup, 0},
	{"inspect", "inspect [--json] NAME", "All that is known of a container, running or not, and from where.\n", 1,
	 1, true, rootctl_inspect, 0},
	{"programs", "programs [--json]", "The programs that you may run.\n", 0, 0, true, rootctl_programs, 0},
	{"run", "run PROGRAM [ARG...]",
	 "Runs a program of the catalogue, connected to standard input, output and error.\n"
	 "The exit status is the program's (128 + N if signal N ended it), or\n"
	 "125 if the broker failed, 126 if it refused, 127 if there is no such program.\n",
	 1, -1, false, rootctl_run, 0},
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	(void)fputs("Usage: rootctl [OPTION...] COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < NCOMMANDS; i++)
		(void)fprintf(out, "  %s\n      %.*s\n", commands[i].synopsis, (int)strcspn(commands[i].help, "\n"),
			      commands[i].help);
	(void)fputs(
		"\nOptions:\n"
		"  --socket PATH  where the broker listens (else ROOTBROKER_SOCKET, else " ROOT_SOCKET_PATH ")\n"
		"  --timeout MS   how long a request may take: 1 to 3600000, 0 for ever (5000)\n"
		"  --json         JSON instead of text\n"
		"  --help         this, or the help of a command\n"
		"  --version      the version\n"
		"\nNAME is a container's full id, its name, or the beginning of its id; ENGINE:NAME asks one engine.\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found or not running. See rootctl(1).\n",
		out);
}

static void command_help(const struct command *c)
{
	(void)printf("Usage: rootctl [OPTION...] %s\n\n%s\n'rootctl --help' shows the options of all commands.\n",
		     c->synopsis, c->help);
}

static bool parse_number(const char *word, long min, long max, int *ret_n)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(word, &end, 10);
	if (errno || end == word || *end || n < min || n > max)
		return false;
	*ret_n = (int)n;
	return true;
}

static int bad_option(const struct command *c, int opt, const char *word)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	char *shown = text_escape(opt == '?' && optopt > 0 && optopt < OPT_SOCKET ? letter : word);

	complain_text("%s: %s: run 'rootctl %s%s--help'", shown,
		      opt == ':' ? "the option needs a value" : "no such option", c ? c->name : "", c ? " " : "");
	free(shown);
	return ROOTCTL_USAGE;
}

/* 0, or -1 if the value is none. */
static int set_own(struct options *o, int opt)
{
	switch (opt) {
	case OPT_ALL:
		o->all = true;
		break;
	case OPT_ENGINE:
		o->engine = optarg;
		break;
	case OPT_NO_TRUNC:
		o->no_trunc = true;
		break;
	case OPT_HOSTNAMES:
		o->hostnames = true;
		break;
	case OPT_PRESENT:
		o->present = true;
		break;
	default:
		return parse_number(optarg, 1, INT_MAX, &o->count) ? 0 : -1;
	}
	return 0;
}

static const char *long_name(int opt, char *buffer, size_t size)
{
	const struct option *o = long_options;

	while (o->val != opt)
		o++;
	(void)snprintf(buffer, size, "--%s", o->name);
	return buffer;
}

/* Options up to the first word that is none. -1 to go on, else the exit status. @c NULL: those before the command. */
static int parse_options(const struct command *c, int argc, char **argv, struct options *o)
{
	char name[32];
	int opt;

	optind = 0; /* glibc: begin anew */
	while ((opt = getopt_long(argc, argv, "+:ha", long_options, NULL)) != -1) {
		if (opt == 'a')
			opt = OPT_ALL;
		if (opt >= OPT_ALL) {
			if (!c || !(c->own & OWN(opt)))
				return bad_option(c, '?', long_name(opt, name, sizeof(name)));
			if (!set_own(o, opt))
				continue;
			complain_text("--count: not a number from 1 to %d: say how many lines, 10 for example",
				      INT_MAX);
			return ROOTCTL_USAGE;
		}
		switch (opt) {
		case OPT_SOCKET:
			o->socket = optarg;
			break;
		case OPT_TIMEOUT:
			if (parse_number(optarg, 0, 3600000, &o->timeout_ms))
				break;
			complain_text(
				"--timeout: not a number from 0 to 3600000: say the milliseconds, 5000 for example");
			return ROOTCTL_USAGE;
		case OPT_JSON:
			o->json = true;
			break;
		case 'h':
		case OPT_HELP:
			if (c)
				command_help(c);
			else
				help(stdout);
			return ROOTCTL_OK;
		case OPT_VERSION:
			(void)puts("rootctl " ROOTBROKER_VERSION);
			return ROOTCTL_OK;
		default:
			return bad_option(c, opt, argv[optind - 1]);
		}
	}
	return -1;
}

static int run_command(const struct command *c, int argc, char **argv, struct options *o)
{
	int r = parse_options(c, argc, argv, o);

	if (r >= 0)
		return r;
	argc -= optind;
	argv += optind;
	if (argc < c->min_args || (c->max_args >= 0 && argc > c->max_args)) {
		complain_text("%s: %s: the usage is 'rootctl %s'", c->name,
			      argc < c->min_args ? "an argument is missing" : "too many arguments", c->synopsis);
		return ROOTCTL_USAGE;
	}
	if (o->json && !c->json) {
		complain_text("%s: it has nothing to show as JSON: leave --json out", c->name);
		return ROOTCTL_USAGE;
	}
	return c->run(o, argc, argv);
}

/* A closed standard descriptor would be given to the connection, and be written to by whoever prints. */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int rootctl(int argc, char **argv)
{
	struct options o = {.timeout_ms = -1};
	char *shown;
	int r;

	open_standard();
	r = parse_options(NULL, argc, argv, &o);
	if (r >= 0)
		return r;
	argc -= optind;
	argv += optind;
	if (!argc) {
		help(stderr);
		return ROOTCTL_USAGE;
	}
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name))
			continue;
		r = run_command(&commands[i], argc, argv, &o);
		if (fflush(stdout) && r == ROOTCTL_OK) {
			complain_text("standard output: %s: nothing more was written", strerror(errno));
			return ROOTCTL_FAILED;
		}
		return r;
	}
	shown = text_escape(argv[0]);
	complain_text("%s: no such command: run 'rootctl --help' to see them", shown);
	free(shown);
	return ROOTCTL_USAGE;
}

int rootctl_connect(const struct options *o, int exit_status)
{
	const char *path = o->socket;
	int fd;

	if (!path)
		path = getenv("ROOTBROKER_SOCKET");
	fd = o->socket ? rootConnectTo(o->socket) : rootConnect();
	if (fd < 0) {
		int status = complain(ABOUT_CONNECT, path && (o->socket || *path) ? path : ROOT_SOCKET_PATH, fd, -1);

		return -(status == ROOTCTL_FAILED ? exit_status : status);
	}
	if (o->timeout_ms >= 0)
		(void)rootSetTimeout(fd, o->timeout_ms);
	return fd;
}
