/* SPDX-License-Identifier: MIT */
/*
 * How a process ended that is nobody's child here. Runs in: resolver. Trusts: the kernel.
 *
 * Linux tells it to whoever has a pidfd, from 6.15 on, and only after the parent has taken the status: POLLIN on a pidfd is the end,
 * POLLHUP that it is told.
 */
#ifndef RESOLVER_EXIT_H
#define RESOLVER_EXIT_H

#include <stdint.h>

/* 0: @ret is the wait(2) word; -EAGAIN: not yet, POLLHUP says when; else nobody will know: -ENOTTY, -ESRCH. */
int exit_status(int pidfd, uint32_t *ret);

#endif
