/* SPDX-License-Identifier: MIT */
/*
 * A monitor that is not one, for tests of the keeper. Its configuration's name is the part that it plays: fail, serve, burst,
 * nonsense, stubborn. Beside it lies what it noted: "out", and a byte in "generation" for each start.
 */
#ifndef UNIT_FAKE_MONITOR_H
#define UNIT_FAKE_MONITOR_H

#define FAKE_MONITOR "rootbroker-monitor" /* under this name the test is one */
#define FAKE_CHECK_STATUS 5 /* its answer to --check */

int fake_monitor(int argc, char **argv);

#endif
