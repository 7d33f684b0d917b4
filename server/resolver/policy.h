/* SPDX-License-Identifier: MIT */
/*
 * What the resolver may do, as data. Runs in: resolver.
 */
#ifndef RESOLVER_POLICY_H
#define RESOLVER_POLICY_H

#include "../common/sandbox.h"

extern const struct sandbox resolver_sandbox;

#endif
