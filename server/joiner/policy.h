/* SPDX-License-Identifier: MIT */
/*
 * What the joiner may do, as data. Runs in: joiner.
 */
#ifndef JOINER_POLICY_H
#define JOINER_POLICY_H

#include "../common/sandbox.h"

extern const struct sandbox joiner_sandbox;

#endif
