/* SPDX-License-Identifier: MIT */
/*
 * scale SOCKET CGROUPS CGROUP-PREFIX UID SLOTS: a farm of containers, and clients that check what the broker says of them. Told what
 * to do by commands on standard input; answers each with a line of key=value pairs.
 *
 *	grow CRUN RUNC PODMAN [SPARE [LISTED]]	as many running containers of each; more of crun that are absent, of podman that are stopped
 *	first NANOSECONDS		waits for the first complete answer of a broker that was started then (of the epoch)
 *	ask SECONDS THREADS PAUSE-US RATE	clients for so long (none: 0), and RATE changes a second meanwhile
 *	check				each container and the listing, once
 *	visible N			N starts, each asked for at once
 *	rename N			N changes of podman's list, each asked for at once
 *	burst EVENTS			at least so many events, and changes with them, without a pause and without a question
 *
 * Ends at the end of its input, with status 1 if an answer was wrong.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "farm.h"

#define RETRY_US 500

struct scale {
	struct farm farm;
	const char *socket;
	unsigned uid;
	int fd; /* our own connection; -1 */
	uint64_t wrong;
};

static int connection(struct scale *s)
{
	int r = s->fd;

	if (r < 0) {
		r = rootConnectTo(s->socket);
		if (r < 0)
			return r;
		s->fd = r;
		(void)rootSetTimeout(s->fd, 60000);
	}
	return r;
}

static void must_connect(struct scale *s)
{
	int r = connection(s);

	if (r < 0) {
		errno = -r;
		die("connecting");
	}
}

static void forget_connection(struct scale *s)
{
	if (s->fd >= 0)
		rootShutdown(s->fd);
	s->fd = -1;
}

static void report(struct scale *s, const struct score *score)
{
	printf("right=%llu wrong=%llu late=%llu late_ms=%.1f changing=%llu retry=%llu unknown=%llu",
	       (unsigned long long)score->right, (unsigned long long)score->wrong, (unsigned long long)score->late,
	       (double)score->late_us / 1e3, (unsigned long long)score->changing, (unsigned long long)score->retry,
	       (unsigned long long)score->unknown);
	for (int i = 0; i < ASKS; i++)
		printf(" %s_p50=%.0f %s_p99=%.0f", ask_names[i], times_quantile(&score->times[i], 0.5), ask_names[i],
		       times_quantile(&score->times[i], 0.99));
	s->wrong += score->wrong;
}

static void score_free(struct score *score)
{
	(void)munmap(score, sizeof(*score));
}

/* --- Commands ---------------------------------------------------------------------------------------------------- */

static void grow(struct scale *s, const char *args)
{
	unsigned count[ENGINES] = {0}, spare = 0, listed = 0;
	double begin = now();

	if (sscanf(args, "%u %u %u %u %u", &count[CRUN], &count[RUNC], &count[PODMAN], &spare, &listed) < 3)
		die("grow");
	farm_grow(&s->farm, count, spare, listed);
	printf("containers=%u seconds=%.1f", count[CRUN] + count[RUNC] + count[PODMAN], now() - begin);
}

static void first(struct scale *s, const char *args)
{
	const struct slot *last = &s->farm.oracle->slots[0];
	struct timespec t;
	double begin = strtod(args, NULL) / 1e9;
	int r = -ENOTCONN;

	forget_connection(s);
	while (r != truth_now(last)->pid) {
		if (connection(s) >= 0)
			r = rootContainerProcessID(s->fd, last->id, (int)strlen(last->id));
		if (r < 0) {
			if (r == -ENOTCONN)
				forget_connection(s);
			(void)usleep(RETRY_US);
		}
	}
	(void)clock_gettime(CLOCK_REALTIME, &t);
	printf("ms=%.0f", ((double)t.tv_sec + (double)t.tv_nsec / 1e9 - begin) * 1e3);
}

static void ask(struct scale *s, const char *args)
{
	double seconds, rate, begin = now(), slowest = 0;
	unsigned long before = s->farm.changes, done = 0;
	struct score *score = score_new();
	unsigned pause_us;
	int threads, pid;

	if (sscanf(args, "%lf %d %u %lf", &seconds, &threads, &pause_us, &rate) != 4)
		die("ask");
	pid = threads ? ask_begin(s->socket, s->farm.oracle, score, s->uid, threads, pause_us) : 0;
	while (now() < begin + seconds) {
		double due = begin + (double)(done + 1) / rate, late;

		if (rate <= 0 || due > now()) {
			(void)usleep(rate > 0 ? (unsigned)((due - now()) * 1e6) + 1 : 10000);
			continue;
		}
		farm_change(&s->farm);
		done++;
		late = now() - due;
		slowest = late > slowest ? late : slowest;
	}
	if (pid)
		ask_end(score, pid);
	printf("seconds=%.1f changes=%lu ", now() - begin, s->farm.changes - before);
	report(s, score);
	printf(" behind_ms=%.0f", slowest * 1e3);
	score_free(score);
}

static void check(struct scale *s)
{
	struct score *score = score_new();
	double begin = now();

	must_connect(s);
	ask_all(s->fd, s->farm.oracle, score);
	printf("seconds=%.1f ", now() - begin);
	report(s, score);
	score_free(score);
}

/* How long after the last file was written it takes until the answer is there. */
static void visible(struct scale *s, const char *args, bool list)
{
	struct score *score = score_new();
	unsigned n = (unsigned)strtoul(args, NULL, 10);
	struct times times = {0};

	must_connect(s);
	for (unsigned done = 0; done < n;) {
		struct slot *slot = farm_any(&s->farm);
		bool running = truth_now(slot)->kind == RUNNING;

		if ((slot->engine == PODMAN) != list || (list && !running))
			continue;
		if (list)
			farm_rename(&s->farm, slot);
		else
			farm_start(&s->farm, slot);
		ask_pid(s->fd, slot, score);
		times_add(&times, now() - truth_now(slot)->since);
		done++;
	}
	printf("changes=%u visible_p50=%.0f visible_p99=%.0f ", n, times_quantile(&times, 0.5),
	       times_quantile(&times, 0.99));
	report(s, score);
	score_free(score);
}

static void burst(struct scale *s, const char *args)
{
	unsigned long want = strtoul(args, NULL, 10), events = 0;
	unsigned changes = 0;

	/* What is lost is what comes last: so there are changes before, and many after. */
	for (unsigned i = 0; i < 50; i++, changes++)
		farm_change(&s->farm);
	while (events < want) {
		struct slot *slot = farm_any(&s->farm);

		if (truth_now(slot)->kind != RUNNING)
			continue;
		farm_touch(&s->farm, slot);
		events += 4; /* created, written, moved from, moved to */
	}
	for (unsigned i = 0; i < 300; i++, changes++)
		farm_change(&s->farm);
	printf("changes=%u events=%lu", changes, events);
}

static bool command(struct scale *s, char *line)
{
	size_t len = strcspn(line, " \n");
	const char *args = line + len;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "grow ", 5) == 0)
		grow(s, args);
	else if (strncmp(line, "first ", 6) == 0)
		first(s, args);
	else if (strncmp(line, "ask ", 4) == 0)
		ask(s, args);
	else if (strcmp(line, "check") == 0)
		check(s);
	else if (strncmp(line, "visible ", 8) == 0)
		visible(s, args, false);
	else if (strncmp(line, "rename ", 7) == 0)
		visible(s, args, true);
	else if (strncmp(line, "burst ", 6) == 0)
		burst(s, args);
	else
		return false;
	(void)putchar('\n');
	(void)fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	static struct scale s = {.fd = -1};
	char line[256];

	if (argc != 6) {
		fprintf(stderr, "usage: scale SOCKET CGROUPS CGROUP-PREFIX UID SLOTS\n");
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	s.socket = argv[1];
	s.uid = (unsigned)strtoul(argv[4], NULL, 10);
	farm_init(&s.farm, (unsigned)strtoul(argv[5], NULL, 10), argv[2], argv[3]);
	while (fgets(line, sizeof(line), stdin)) {
		if (!command(&s, line)) {
			fprintf(stderr, "scale: no such command: %s\n", line);
			return 2;
		}
	}
	forget_connection(&s);
	farm_fini(&s.farm);
	return s.wrong ? 1 : 0;
}
