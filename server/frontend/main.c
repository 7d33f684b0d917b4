/* SPDX-License-Identifier: MIT */
/*
 * rootbroker-frontend: the process that clients talk to. Started by the monitor with descriptor 3 connected to it.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "../common/log.h"
#include "frontend.h"
#include "policy.h"

#define MONITOR_FD 3

static struct frontend frontend;

/* Each session and each running container takes one. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	enum log_level level = LOG_LEVEL_INFO;
	const char *step = "";
	int r;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--log-level") != 0 || !log_level_parse(argv[2], &level)))
		return EX_USAGE;
	log_init("frontend", level);
	raise_descriptors();
	r = frontend_init(&frontend, MONITOR_FD);
	if (r < 0)
		fatal("cannot begin: %s", strerror(-r));
	r = sandbox_enter(&frontend_sandbox, NULL, 0, &step);
	if (r < 0)
		fatal("cannot lock itself in: %s: %s", step, strerror(-r));
	r = monitor_ready(&frontend);
	if (r < 0)
		fatal("the monitor is not there: %s", strerror(-r));
	r = loop_run(&frontend.loop);
	if (r < 0)
		fatal("cannot wait for events: %s", strerror(-r));
	frontend_fini(&frontend);
	return frontend.status;
}
