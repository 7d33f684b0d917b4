/* SPDX-License-Identifier: MIT */
/*
 * rootbrokerd's command line. Runs in: keeper.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

#define EXIT_USAGE 2
#define MONITOR "rootbroker-monitor"

static const char help[] =
	"Usage: rootbrokerd [OPTION]...\n"
	"Answer what only root can answer, and start what only root may start, for clients of a local socket.\n"
	"\n"
	"      --config FILE      read FILE instead of " SYSCONFDIR "/rootbroker/rootbroker.conf\n"
	"      --socket PATH      listen at PATH instead of the configured run directory's socket\n"
	"      --libexec DIR      find " MONITOR " and the others in DIR; without it beside\n"
	"                         rootbrokerd itself, or else in " LIBEXECDIR "\n"
	"      --log-level LEVEL  error, warning, info or debug; overrides the configuration\n"
	"      --check            check the configuration and the catalogue of programs, and end\n"
	"      --help             print this and end\n"
	"      --version          print the version and end\n"
	"\n"
	"Runs in the foreground. SIGHUP reads the configuration again, SIGTERM ends it.\n"
	"Status: 0, 1 for a failure, 2 for a wrong command line.\n";

static void usage_error(void) __attribute__((noreturn));
static void usage_error(void)
{
	(void)fputs("Try 'rootbrokerd --help'.\n", stderr);
	exit(EXIT_USAGE);
}

static void print(const char *text) __attribute__((noreturn));
static void print(const char *text)
{
	exit(fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static char *join(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) < 0)
		fatal("out of memory");
	return path;
}

static char *copy(const char *text)
{
	char *s = strdup(text);

	if (!s)
		fatal("out of memory");
	return s;
}

/* The process will be in / soon. */
static char *absolute(const char *path)
{
	char here[PATH_MAX];

	if (path[0] == '/')
		return copy(path);
	if (!getcwd(here, sizeof(here)) || here[0] != '/')
		fatal("%s: cannot tell where this is: give an absolute path", path);
	return join(here, path);
}

static bool has_monitor(const char *dir)
{
	char *path = join(dir, MONITOR);
	bool has = access(path, X_OK) == 0;

	free(path);
	return has;
}

/* The directory of this very executable, by the kernel's word, or NULL. */
static char *own_directory(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	slash[slash == path] = '\0';
	return copy(path);
}

static char *find_libexec(const char *given)
{
	char *own;

	if (given) {
		char *dir = absolute(given);

		if (!has_monitor(dir))
			fatal("--libexec %s: there is no executable " MONITOR " in it", dir);
		return dir;
	}
	own = own_directory();
	if (own && has_monitor(own))
		return own;
	free(own);
	if (!has_monitor(LIBEXECDIR))
		fatal("found no executable " MONITOR " beside rootbrokerd or in " LIBEXECDIR
		      ": say where with --libexec DIR");
	return copy(LIBEXECDIR);
}

struct words {
	const char *config, *socket, *libexec, *log_level;
};

static void build(struct options *o, const struct words *w)
{
	char *libexec = find_libexec(w->libexec);
	char **argv = o->monitor_argv;

	*argv++ = join(libexec, MONITOR);
	if (o->check)
		*argv++ = copy("--check");
	*argv++ = copy("--config");
	*argv++ = w->config ? absolute(w->config) : copy(SYSCONFDIR "/rootbroker/rootbroker.conf");
	if (w->socket) {
		*argv++ = copy("--socket");
		*argv++ = absolute(w->socket);
	}
	*argv++ = copy("--libexec");
	*argv++ = libexec;
	if (w->log_level) {
		*argv++ = copy("--log-level");
		*argv++ = copy(w->log_level);
	}
	*argv = NULL;
}

void options_parse(struct options *o, int argc, char **argv)
{
	enum { CONFIG = 256, SOCKET, LIBEXEC, LEVEL, CHECK, HELP, VERSION };
	static const struct option table[] = {
		{"config", required_argument, NULL, CONFIG},   {"socket", required_argument, NULL, SOCKET},
		{"libexec", required_argument, NULL, LIBEXEC}, {"log-level", required_argument, NULL, LEVEL},
		{"check", no_argument, NULL, CHECK},           {"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},       {NULL, 0, NULL, 0},
	};
	struct words w = {0};
	int c;

	*o = (struct options){.log_level = LOG_LEVEL_INFO};
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case CONFIG:
			w.config = optarg;
			break;
		case SOCKET:
			w.socket = optarg;
			break;
		case LIBEXEC:
			w.libexec = optarg;
			break;
		case LEVEL:
			w.log_level = optarg;
			break;
		case CHECK:
			o->check = true;
			break;
		case HELP:
			print(help);
		case VERSION:
			print("rootbrokerd " ROOTBROKER_VERSION "\n");
		default:
			usage_error(); /* getopt_long() has said what is wrong */
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "rootbrokerd: %s: takes no arguments, only options\n", argv[optind]);
		usage_error();
	}
	if (w.log_level && !log_level_parse(w.log_level, &o->log_level)) {
		(void)fprintf(stderr, "rootbrokerd: --log-level %s: not one of error, warning, info, debug\n",
			      w.log_level);
		usage_error();
	}
	build(o, &w);
}
