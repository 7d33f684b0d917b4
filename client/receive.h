/* SPDX-License-Identifier: MIT */
/*
 * What to do with a record that came: call_receive()'s half of call.h. Runs in: the library.
 */
#ifndef CLIENT_RECEIVE_H
#define CLIENT_RECEIVE_H

#include "call.h"

void answer_close(struct answer *a);

#endif
