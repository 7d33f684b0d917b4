/* SPDX-License-Identifier: MIT */
/* LXC's fifo of changes. Runs in: resolver. See lxc_fifo.h. */
#include "lxc_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/log.h"

#define FIFO "monitor-fifo"
#define AT_ONCE 1024 /* messages, before others have their turn */
#define DELAY_MIN_MS 1000
#define DELAY_MAX_MS 60000

/* As LXC writes it; shorter than PIPE_BUF, so that messages do not mix. */
struct message {
	int32_t type;
	char name[NAME_MAX + 1];
	int32_t value;
};
#define MESSAGE_STATE 0
#define MESSAGE_EXIT_CODE 2

bool lxc_fifo_reads(const struct lxc_fifo *f)
{
	return f->source.fd >= 0;
}

static void ask(struct lxc_fifo *f)
{
	struct ipc_lxc_fifo m = {.path = f->dir->index};
	struct lxc_asker *k = f->dir->ctx->asker;

	if (f->asked || f->refused)
		return;
	timer_cancel(f->dir->ctx->loop, &f->timer);
	f->asked = true;
	k->send_fifo(k, &m);
}

static void ask_later(struct lxc_fifo *f)
{
	timer_set(f->dir->ctx->loop, &f->timer, f->delay_ms);
	f->delay_ms = f->delay_ms * 2 < DELAY_MAX_MS ? f->delay_ms * 2 : DELAY_MAX_MS;
}

static void on_timer(struct timer *t)
{
	struct lxc_fifo *f = container_of(t, struct lxc_fifo, timer);

	if (!lxc_fifo_reads(f)) /* otherwise settle() goes on reading */
		ask(f);
}

/* Nobody's monitor must wait for us: a fifo that is open for reading and not read holds up who writes, once it is full. */
static void leave(struct lxc_fifo *f)
{
	timer_cancel(f->dir->ctx->loop, &f->timer);
	loop_del(f->dir->ctx->loop, &f->source);
	close_fd(&f->source.fd);
}

/* --- Reading ----------------------------------------------------------------------------------------------------- */

/* Asked before each message. An lxc-monitord that takes its lock between this and the read loses that one message to us, which its
 * lxc-monitor does not print then; later ones it gets. What it reads we do not hear: that is made good by the questions after a gap, but
 * states that came and went meanwhile, and the exit status, are not known then. */
static bool is_anothers(const struct lxc_fifo *f)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(f->source.fd, F_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static bool understand(const struct message *m, struct lxc_message *ret)
{
	if (m->name[0] == '\0' || !memchr(m->name, '\0', sizeof(m->name)))
		return false;
	*ret = (struct lxc_message){.exited = m->type == MESSAGE_EXIT_CODE};
	if (ret->exited) {
		ret->status = (uint32_t)m->value;
		return true;
	}
	ret->state = (enum lxc_state)m->value;
	return m->type == MESSAGE_STATE && m->value >= 0 && m->value < LXC_STATES;
}

/* Not a message, so that the next one need not begin where this ended. */
static void skip_all(struct lxc_fifo *f)
{
	char rest[4096];

	log_warning("%s: what is in its fifo is not of LXC: left out", f->dir->path);
	for (int i = 0; i < AT_ONCE && read(f->source.fd, rest, sizeof(rest)) > 0; i++)
		;
	f->gap(f);
}

static void read_all(struct lxc_fifo *f)
{
	struct lxc_message said;
	struct message m;
	ssize_t n;

	for (int i = 0; i < AT_ONCE; i++) {
		if (is_anothers(f)) {
			log_info("%s: an lxc-monitord reads its fifo", f->dir->path);
			leave(f);
			ask_later(f);
			f->gap(f);
			return;
		}
		n = read(f->source.fd, &m, sizeof(m));
		if (n <= 0) /* 0: nobody has it open for writing now */
			return;
		if ((size_t)n != sizeof(m) || !understand(&m, &said)) {
			skip_all(f);
			return;
		}
		f->heard(f, m.name, &said);
	}
	timer_set(f->dir->ctx->loop, &f->timer, 0);
}

/* Reading is settle()'s: what inotify said before, of a new container, is known by then. */
static void on_readable(struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
}

/* --- Which fifo -------------------------------------------------------------------------------------------------- */

static bool is_current(const struct lxc_fifo *f)
{
	char path[PATH_MAX];
	struct stat own, now;

	return snprintf(path, sizeof(path), "%s/" FIFO, f->chain.path) < (int)sizeof(path) &&
	       fstat(f->source.fd, &own) == 0 && stat(path, &now) == 0 && own.st_dev == now.st_dev &&
	       own.st_ino == now.st_ino;
}

/* An lxc-monitord removes the fifo when it ends. */
static void look(struct lxc_fifo *f)
{
	if (lxc_fifo_reads(f) && is_current(f))
		return;
	if (lxc_fifo_reads(f)) {
		leave(f);
		f->gap(f);
	}
	f->delay_ms = DELAY_MIN_MS;
	ask(f);
}

static void on_directory(struct listener *l, uint32_t mask, const char *name)
{
	struct lxc_fifo *f = container_of(l, struct lxc_fifo, listener);

	if ((mask & (IN_IGNORED | IN_UNMOUNT)) || strcmp(name, FIFO) == 0)
		f->look = true;
}

static void on_moved(struct chain *c)
{
	struct lxc_fifo *f = container_of(c, struct lxc_fifo, chain);
	autoclose int fd = open(c->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	watch_remove(c->watch, &f->listener);
	if (fd >= 0)
		(void)watch_add(c->watch, &f->listener, fd, WATCH_NAMES);
	f->look = true;
}

int lxc_fifo_answer(struct lxc_asker *k, const struct ipc_lxc_fifo_end *m, int fd)
{
	autoclose int end = fd;
	struct lxc_fifo *f = k->fifos;
	int r;

	while (f && f->dir->index != m->path)
		f = f->next;
	if (!f || !f->asked || (m->error == 0) != (fd >= 0))
		return -EPROTO;
	f->asked = false;
	if (m->error) {
		log_debug("%s: no fifo: %s", f->dir->path, strerror((int)m->error));
		f->refused = m->error == EPERM; /* a user's */
		if (!f->refused)
			ask_later(f);
		return 0;
	}
	f->source.fd = take_fd(&end);
	/* Edges: after the first writer is gone it hangs up for ever, which is nothing to wake up for. */
	r = loop_add(f->dir->ctx->loop, &f->source, EPOLLIN | EPOLLET);
	if (r < 0) {
		close_fd(&f->source.fd);
		ask_later(f);
		return 0;
	}
	f->delay_ms = DELAY_MIN_MS;
	f->look = true; /* it may have been replaced while it was on its way */
	f->gap(f);
	return 0;
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

void lxc_fifo_settle(struct lxc_fifo *f)
{
	chain_settle(&f->chain);
	if (f->look) {
		f->look = false;
		look(f);
	}
	if (lxc_fifo_reads(f))
		read_all(f);
}

void lxc_fifo_rescan(struct lxc_fifo *f)
{
	f->chain.dirty = true;
	f->look = true;
}

void lxc_fifo_open(struct lxc_fifo *f, struct engine_dir *d)
{
	char path[PATH_MAX];

	f->dir = d;
	f->source = (struct source){.fd = -1, .ready = on_readable};
	f->listener.event = on_directory;
	f->timer.expired = on_timer;
	f->delay_ms = DELAY_MIN_MS;
	f->look = true;
	f->chain.moved = on_moved;
	(void)snprintf(path, sizeof(path), "%s%s", d->ctx->run_lxc, d->path);
	chain_open(&f->chain, d->ctx->watch, path);
	f->next = d->ctx->asker->fifos;
	d->ctx->asker->fifos = f;
}

void lxc_fifo_close(struct lxc_fifo *f)
{
	struct lxc_fifo **at = &f->dir->ctx->asker->fifos;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (lxc_fifo_reads(f))
		leave(f);
	timer_cancel(f->dir->ctx->loop, &f->timer);
	watch_remove(f->dir->ctx->watch, &f->listener);
	chain_close(&f->chain);
}
