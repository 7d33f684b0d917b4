/* SPDX-License-Identifier: MIT */
/* cc -o hostname hostname.c $(pkg-config --cflags --libs rootbroker) && ./hostname CONTAINER */
#include <rootbroker.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	char hostname[ROOT_HOSTNAME_MAX + 1], text[128];
	int fd = rootConnect();
	int r = fd < 0 || argc < 2
			? fd
			: rootContainerHostName(fd, argv[1], (int)strlen(argv[1]), hostname, sizeof(hostname));

	if (r < 0 || argc < 2)
		return fprintf(stderr, "%s\n",
			       argc < 2 ? "usage: hostname CONTAINER" : rootErrStr_r(r, text, sizeof(text))) > 0;
	printf("%s\n", hostname); /* its own choice of bytes: escape them before a person sees them */
	rootShutdown(fd);
	return 0;
}
