/* SPDX-License-Identifier: ISC */
/*
 * Replies of an SMTP or LMTP server (RFC 5321 section 4.2, RFC 2034). Pure:
 * octets in, a struct out, whatever pieces they come in.
 *
 * Strict where it matters: three digits, a blank or a hyphen or the end of
 * the line, the same code on all lines. A bare LF ends a line too. What a
 * server may say is bounded: REPLY_TEXT_MAX octets are kept, REPLY_OCTETS_MAX
 * are read.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "core/dsn.h"

#define REPLY_LINE_MAX   1000
#define REPLY_TEXT_MAX   4096
#define REPLY_OCTETS_MAX 65536

enum reply_result { REPLY_MORE, REPLY_DONE, REPLY_BAD };

struct reply {
	unsigned code;             /* 200 to 599 */
	char dsn[DSN_CODE_MAX];    /* of the first line; "" when it has none,
	                             * or one of another class */
	size_t len;                /* of text */
	char text[REPLY_TEXT_MAX]; /* the lines without code and hyphen, each
	                             * with a LF; control octets are spaces */
	/* of the parser */
	size_t octets;
	size_t line_len;
	bool cr;
	bool started;
	char line[REPLY_LINE_MAX];
};

/* For the next reply. */
void reply_start(struct reply *r);
/*
 * Takes octets up to the end of the reply and sets *used. REPLY_MORE: all
 * were used. REPLY_BAD: this is no reply, *why tells; the connection is of no
 * use any more.
 */
enum reply_result reply_feed(
    struct reply *r, const char *p, size_t len, size_t *used, const char **why);

/* "550 5.1.1 user unknown" in one line, the lines joined by blanks; cut at
 * size - 1. */
void reply_words(const struct reply *r, char *out, size_t size);
/* The next line of the text: start with *at = 0. false at the end. */
bool reply_line(const struct reply *r, size_t *at, struct str *line);

#endif
