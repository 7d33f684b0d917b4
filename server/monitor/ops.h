/* SPDX-License-Identifier: MIT */
/*
 * What the confined processes may ask of root: one table. Runs in: monitor. Trusts: nothing in a record.
 */
#ifndef MONITOR_OPS_H
#define MONITOR_OPS_H

#include "../common/ipc.h"
#include "confined.h"

struct monitor;

/* Carries out one record of the process @from. 0, or -EBADMSG: @from was taken over or is broken, since it never sends that. */
int ops_dispatch(struct monitor *m, enum confined_kind from, struct ipc_in *in);

#endif
