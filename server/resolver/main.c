/* SPDX-License-Identifier: MIT */
/*
 * The resolver: which containers there are, from the engines' own files. Runs in: resolver. Started by the monitor alone.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../common/ipc.h"
#include "../common/log.h"
#include "mem.h"
#include "policy.h"
#include "resolver.h"

#define MONITOR_FD 3

static struct resolver resolver;

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
	log_error("usage: rootbroker-resolver --log-level error|warning|info|debug [ENGINE=/DIRECTORY]... "
		  "[@UID:NAME:RANGES ENGINE@UID=/DIRECTORY...]...; "
		  "rootbroker-monitor starts it");
	exit(2);
}

static void parse_arguments(int argc, char **argv)
{
	enum log_level level;

	log_init("resolver", LOG_LEVEL_INFO);
	if (argc < 3 || strcmp(argv[1], "--log-level") != 0 || !log_level_parse(argv[2], &level))
		usage();
	log_init("resolver", level);
	for (int i = 3; i < argc; i++) {
		if (!resolver_add(&resolver, argv[i]))
			usage();
	}
}

/* What Landlock lets us read: /proc, the cgroups, and those of the engines' directories that there are. */
static const char **readable_paths(size_t *ret_n)
{
	const char **paths = mem_new((resolver.nroots + 2) * sizeof(*paths));
	char(*buffers)[32] = mem_new((resolver.nroots + 1) * sizeof(*buffers));
	size_t n = 0;

	paths[n++] = "/proc";
	if (resolver.table.freezers.root >= 0)
		paths[n++] = RESOLVER_CGROUPS;
	for (unsigned i = 0; i < resolver.nroots; i++) {
		paths[n] = root_readable(resolver.roots[i], buffers[i]);
		n += paths[n] != NULL;
	}
	*ret_n = n;
	return paths;
}

static void say_ready(void)
{
	uint8_t buf[WIRE_HEADER];
	struct wire_wr w;

	wire_wr_init(&w, buf, sizeof(buf));
	wire_put_header(&w, IPC_READY, 0);
	if (ipc_send(MONITOR_FD, &w, NULL, 0, 0) < 0)
		exit(EXIT_SUCCESS); /* the monitor is gone already */
}

int main(int argc, char **argv)
{
	const char **paths, *step;
	size_t npaths;
	int r;

	/* jansson takes the seed of its hash tables from a file that is out of reach later. */
	json_object_seed(0);
	r = resolver_init(&resolver, MONITOR_FD);
	if (r < 0)
		fatal("cannot begin: %s", strerror(-r));
	parse_arguments(argc, argv);
	paths = readable_paths(&npaths);
	r = sandbox_enter(&resolver_sandbox, paths, npaths, &step);
	if (r < 0)
		fatal("cannot lock in: %s: %s", step, strerror(-r));
	say_ready();
	resolver_open(&resolver);
	exit(resolver_run(&resolver));
}
