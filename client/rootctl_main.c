/* SPDX-License-Identifier: MIT */
/*
 * The command line. Runs in: rootctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootctl.h"
#include "rootctl_text.h"

enum { OPT_SOCKET = 256, OPT_TIMEOUT, OPT_JSON, OPT_NO_TRUNC, OPT_HOSTNAMES, OPT_HELP, OPT_VERSION };

/* Each command knows the global options, too, and ps two of its own. */
static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET}, {"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"json", no_argument, NULL, OPT_JSON},           {"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},     {"no-trunc", no_argument, NULL, OPT_NO_TRUNC},
	{"hostnames", no_argument, NULL, OPT_HOSTNAMES}, {NULL, 0, NULL, 0},
};

static const struct command {
	const char *name, *synopsis, *help;
	int min_args, max_args; /* -1: any number */
	bool json; /* has something to show as JSON */
	int (*run)(const struct options *o, int argc, char **argv);
} commands[] = {
	{"ps", "ps [--json] [--no-trunc] [--hostnames]",
	 "The containers of this host.\n"
	 "  --no-trunc   whole ids\n"
	 "  --hostnames  also each running container's hostname\n",
	 0, 0, true, rootctl_ps},
	{"hostname", "hostname NAME", "The hostname inside a container, at this moment.\n", 1, 1, true,
	 rootctl_hostname},
	{"pid", "pid NAME", "The PID of a container's init process.\n", 1, 1, true, rootctl_pid},
	{"cgroup", "cgroup NAME", "The cgroup of a container's init process.\n", 1, 1, true, rootctl_cgroup},
	{"inspect", "inspect [--json] NAME", "All that is known of a container, running or not.\n", 1, 1, true,
	 rootctl_inspect},
	{"programs", "programs [--json]", "The programs that you may run.\n", 0, 0, true, rootctl_programs},
	{"run", "run PROGRAM [ARG...]",
	 "Runs a program of the catalogue, connected to standard input, output and error.\n"
	 "The exit status is the program's (128 + N if signal N ended it), or\n"
	 "125 if the broker failed, 126 if it refused, 127 if there is no such program.\n",
	 1, -1, false, rootctl_run},
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	(void)fputs("Usage: rootctl [OPTION...] COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < NCOMMANDS; i++)
		(void)fprintf(out, "  %-42s %.*s\n", commands[i].synopsis, (int)strcspn(commands[i].help, "\n"),
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

static bool parse_timeout(const char *word, int *ret_ms)
{
	char *end;
	long ms;

	errno = 0;
	ms = strtol(word, &end, 10);
	if (errno || end == word || *end || ms < 0 || ms > 3600000)
		return false;
	*ret_ms = (int)ms;
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

/* Options up to the first word that is none. -1 to go on, else the exit status. @c NULL: those before the command. */
static int parse_options(const struct command *c, int argc, char **argv, struct options *o)
{
	int opt;

	optind = 0; /* glibc: begin anew */
	while ((opt = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
		switch (opt) {
		case OPT_SOCKET:
			o->socket = optarg;
			break;
		case OPT_TIMEOUT:
			if (parse_timeout(optarg, &o->timeout_ms))
				break;
			complain_text(
				"--timeout: not a number from 0 to 3600000: say the milliseconds, 5000 for example");
			return ROOTCTL_USAGE;
		case OPT_JSON:
			o->json = true;
			break;
		case OPT_NO_TRUNC:
		case OPT_HOSTNAMES:
			if (!c || c->run != rootctl_ps)
				return bad_option(c, '?', opt == OPT_NO_TRUNC ? "--no-trunc" : "--hostnames");
			*(opt == OPT_NO_TRUNC ? &o->no_trunc : &o->hostnames) = true;
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
