/* SPDX-License-Identifier: MIT */
/*
 * rootbroker-monitor: policy and privilege. Runs in: monitor, as root; rootbrokerd starts it. Trusts: its command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "monitor.h"

#define EXIT_USAGE 2

static const char help[] =
	"Usage: rootbroker-monitor [OPTION]...\n"
	"The part of rootbroker that decides. rootbrokerd(8) starts it; by hand it is of use with --check only.\n"
	"\n"
	"      --config FILE      read FILE instead of " SYSCONFDIR "/rootbroker/rootbroker.conf\n"
	"      --socket PATH      listen at PATH instead of the configured run directory's socket\n"
	"      --libexec DIR      find the confined processes in DIR instead of " LIBEXECDIR "\n"
	"      --log-level LEVEL  error, warning, info or debug; overrides the configuration\n"
	"      --check            check the configuration and the catalogue of programs, and end\n"
	"      --help             print this and end\n"
	"      --version          print the version and end\n"
	"\n"
	"Status: 0, 1 for a failure, 2 for a wrong command line.\n";

static void usage_error(void) __attribute__((noreturn));
static void usage_error(void)
{
	(void)fputs("Try 'rootbroker-monitor --help'.\n", stderr);
	exit(EXIT_USAGE);
}

static void print(const char *text) __attribute__((noreturn));
static void print(const char *text)
{
	exit(fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void check_level(const char *word)
{
	enum log_level level;

	if (log_level_parse(word, &level))
		return;
	(void)fprintf(stderr, "rootbroker-monitor: --log-level %s: not one of error, warning, info, debug\n", word);
	usage_error();
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { CONFIG = 256, SOCKET, LIBEXEC, LEVEL, CHECK, HELP, VERSION };
	static const struct option table[] = {
		{"config", required_argument, NULL, CONFIG},   {"socket", required_argument, NULL, SOCKET},
		{"libexec", required_argument, NULL, LIBEXEC}, {"log-level", required_argument, NULL, LEVEL},
		{"check", no_argument, NULL, CHECK},           {"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},       {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case CONFIG:
			o->config = optarg;
			break;
		case SOCKET:
			o->socket = optarg;
			break;
		case LIBEXEC:
			o->libexec = optarg;
			break;
		case LEVEL:
			check_level(optarg);
			o->log_level = optarg;
			break;
		case CHECK:
			o->check = true;
			break;
		case HELP:
			print(help);
		case VERSION:
			print("rootbroker-monitor " ROOTBROKER_VERSION "\n");
		default:
			usage_error();
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "rootbroker-monitor: %s: takes no arguments, only options\n", argv[optind]);
		usage_error();
	}
}

static int check(const struct options *o)
{
	struct config *config;
	struct catalogue *catalogue;

	if (!monitor_load(o, &config, &catalogue, true))
		return EXIT_FAILURE;
	(void)printf("%s: no problem found; %d programs in %s\n", o->config, catalogue->nentries,
		     config->programs_directory);
	catalogue_free(catalogue);
	config_free(config);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options = {.config = SYSCONFDIR "/rootbroker/rootbroker.conf", .libexec = LIBEXECDIR};
	static struct monitor m;

	log_init("monitor", LOG_LEVEL_INFO);
	parse(&options, argc, argv);
	if (options.check)
		return check(&options);
	monitor_start(&m, &options);
	return monitor_serve(&m);
}
