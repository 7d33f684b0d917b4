/* SPDX-License-Identifier: MIT */
/*
 * What is known of a container, and how: for people. Runs in: resolver.
 */
#ifndef RESOLVER_FACTS_H
#define RESOLVER_FACTS_H

#include "engine.h"
#include "published.h"

/* Writes a page of facts about @k; what finds no room is left out. What the kernel says is what it says now. */
void facts_write(const struct engine_ctx *ctx, const struct known *k, struct wire_wr *w);

#endif
