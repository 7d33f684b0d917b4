/* SPDX-License-Identifier: MIT */
/*
 * Log lines on standard error, "process: text". Runs in: every server process.
 *
 * Every byte that is not printable ASCII is written as \xNN, so that nobody's name can forge a line. A line is cut
 * at 1 KiB. Either log or return an error, not both.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* @process is kept. */
void log_init(const char *process, enum log_level level);
bool log_level_parse(const char *word, enum log_level *ret_level); /* error, warning, info, debug */
const char *log_level_name(enum log_level level);
enum log_level log_level(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Logs an error and ends the process with status 1. Only in keeper, monitor and the mains. */
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
