/* SPDX-License-Identifier: ISC */
/*
 * The log: one line for each event, in Postfix's shape ("QUEUEID: key=value,
 * ..."). Libraries return reasons and do not log; daemons log once, where the
 * decision is taken. Where lines go is decided by a sink: stderr until the
 * skeleton has connected to logd (lib/ipc/logsink.h).
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>

#include "core/str.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_FATAL
};

/* Octets of one line; what is longer is cut, with "..." at its end. */
#define LOG_LINE_MAX 2048

/*
 * Takes one line without line feed; control octets are already escaped as
 * \xHH (so a stranger cannot forge a line), text is not NUL-terminated.
 */
typedef void log_sink(enum log_level level, struct str line, void *arg);

/* program: "smtpd"; kept by pointer. The default sink writes to stderr. */
void log_open(const char *program);
const char *log_program(void);
void log_set_sink(log_sink *sink, void *arg);
/* Below it nothing is logged; the default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level least);
/* "debug", "info", "warning", "error" or "fatal". */
const char *log_level_name(enum log_level level);

void log_at(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A name that a stranger chose, fit to stand between < and > in a log line:
 * what could end it or look like another field (blanks, commas, < and >,
 * control octets) becomes "?". out holds at most size - 1 octets and a NUL.
 */
void log_name(char *out, size_t size, struct str name);

#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, "warning: " __VA_ARGS__)
#define log_error(...)   log_at(LOG_LEVEL_ERROR, "error: " __VA_ARGS__)

/*
 * The daemon cannot start or go on: configuration, permission, missing file.
 * Logs and exits with status 1 (master then waits before it tries again).
 * Only for the skeleton, before_jail and the start of commands.
 */
void log_fatal(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

#endif
