/* SPDX-License-Identifier: ISC */
/*
 * The result of doing something with mail: never a bare integer, but what
 * happened, an enhanced status code (RFC 3463) and words. When in doubt,
 * defer: mail is late, not lost.
 */
#ifndef CORE_DSN_H
#define CORE_DSN_H

#include <stdarg.h>

#include "core/str.h"

#define DSN_CODE_MAX 12  /* "5.123.123" and its NUL */
#define DSN_TEXT_MAX 512 /* octets, with the NUL */

enum dsn_action { DSN_DELIVERED, DSN_DEFERRED, DSN_FAILED };

struct dsn {
	enum dsn_action action;
	char code[DSN_CODE_MAX]; /* "2.0.0" */
	char text[DSN_TEXT_MAX]; /* one line, no control octets */
};

/* Text that is too long is cut; control octets become spaces. */
struct dsn dsn_make(enum dsn_action action, const char *code,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for who has an argument list of his own. */
struct dsn dsn_vmake(enum dsn_action action, const char *code,
    const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/*
 * Reads "D.D.D" at the start of *text and cuts it off with one space behind
 * it. Returns 0, or -1 (and leaves *text) when there is none or its class is
 * not 2, 4 or 5.
 */
int dsn_cut_code(struct str *text, char code[DSN_CODE_MAX]);

/* "delivered", "deferred", "failed" */
const char *dsn_action_name(enum dsn_action action);

#endif
