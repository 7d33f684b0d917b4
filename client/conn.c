/* SPDX-License-Identifier: MIT */
#include "conn.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn **table; /* by descriptor; freed with the last connection */
static size_t table_size, table_used;

static void conn_free(struct conn *c)
{
	free(c->watch.record);
	free(c);
}

static void table_clear(int fd)
{
	conn_free(table[fd]);
	table[fd] = NULL;
	if (--table_used)
		return;
	free(table);
	table = NULL;
	table_size = 0;
}

static int table_set(int fd, struct conn *c)
{
	size_t need = (size_t)fd + 1;

	if (need > table_size) {
		struct conn **grown;
		size_t size = table_size ? table_size : 16;

		while (size < need)
			size *= 2;
		grown = realloc(table, size * sizeof(struct conn *));
		if (!grown)
			return -ENOMEM;
		for (size_t i = table_size; i < size; i++)
			grown[i] = NULL;
		table = grown;
		table_size = size;
	}
	if (table[fd])
		conn_free(table[fd]); /* closed behind our back: its number is ours again */
	else
		table_used++;
	table[fd] = c;
	return 0;
}

/* An entry whose descriptor is no longer the socket that it was made for is forgotten, never used: what the number means
 * now belongs to somebody else. */
static struct conn *table_get(int fd)
{
	struct conn *c;
	struct stat st;

	if (fd < 0 || (size_t)fd >= table_size || !table[fd])
		return NULL;
	c = table[fd];
	if (!fstat(fd, &st) && st.st_dev == c->dev && st.st_ino == c->ino)
		return c;
	table_clear(fd);
	return NULL;
}

int conn_add(int fd, struct conn **ret_conn)
{
	struct conn *c;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -ENOMEM;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	c->timeout_ms = CONN_TIMEOUT_MS;

	pthread_mutex_lock(&lock);
	r = table_set(fd, c);
	pthread_mutex_unlock(&lock);
	if (r) {
		free(c);
		return r;
	}
	*ret_conn = c;
	return 0;
}

struct conn *conn_peek(int fd)
{
	struct conn *c;

	pthread_mutex_lock(&lock);
	c = table_get(fd);
	pthread_mutex_unlock(&lock);
	return c;
}

int conn_get(int fd, struct conn **ret_conn)
{
	struct conn *c = conn_peek(fd);

	if (!c)
		return -EBADF;
	c->detail[0] = '\0';
	*ret_conn = c;
	return c->broken;
}

void conn_remove(int fd)
{
	pthread_mutex_lock(&lock);
	if (table_get(fd)) {
		table_clear(fd);
		(void)close(fd); /* under the lock: else another thread's connect could get the number and be cleared */
	}
	pthread_mutex_unlock(&lock);
}

int conn_break(struct conn *c, int error)
{
	if (!c->broken) {
		c->broken = error;
		(void)shutdown(c->fd, SHUT_RDWR);
	}
	return error;
}

uint32_t conn_next_serial(struct conn *c)
{
	if (!++c->serial)
		c->serial = 1; /* 0 is the server's own */
	return c->serial;
}
