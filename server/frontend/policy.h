/* SPDX-License-Identifier: MIT */
/*
 * What the frontend may still do once it serves. Runs in: frontend.
 */
#ifndef FRONTEND_POLICY_H
#define FRONTEND_POLICY_H

#include "../common/sandbox.h"

extern const struct sandbox frontend_sandbox;

#endif
