/* SPDX-License-Identifier: MIT */
/* cc -o watch watch.c $(pkg-config --cflags --libs rootbroker) && ./watch: each container and its init PID, and whatever changes */
#include <rootbroker.h>
#include <stdio.h>

int main(void)
{
	static struct root_event events[16];
	struct root_watch watch = {0};
	char text[128];
	int fd = rootConnect(), n = fd;

	while (n >= 0) {
		n = rootContainerWatch(fd, &watch, events, sizeof(events[0]), 16, -1);
		for (int i = 0; i < n; i++) {
			const struct root_container *c = &events[i].container;

			if (events[i].kind == ROOT_EVENT_RESYNC)
				printf("all anew\n");
			else if (events[i].kind == ROOT_EVENT_REMOVED)
				printf("- %s %s\n", c->engine, c->id);
			else if (events[i].kind != ROOT_EVENT_SYNCED)
				printf("+ %s %s %d\n", c->engine, c->id, (int)c->pid);
		}
		fflush(stdout);
	}
	fprintf(stderr, "%s\n", rootErrStr_r(n, text, sizeof(text)));
	rootShutdown(fd);
	return 1;
}
