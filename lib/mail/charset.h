/* SPDX-License-Identifier: ISC */
/*
 * Charsets. us-ascii, utf-8, iso-8859-1 and windows-1252 are converted here;
 * all others by iconv(3), whose tables are files: a jailed daemon has only
 * those that it used before the jail.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "core/buf.h"

/* Whether charset_to_utf8 can convert from it; any case. */
bool charset_known(struct str charset);

/* Appends text (in charset) as UTF-8; what cannot be converted becomes
 * U+FFFD. Of an unknown charset all that is not ASCII does. */
void charset_to_utf8(struct str charset, struct str text, struct buf *out);

/* Appends text case-folded for SEARCH (i;unicode-casemap, RFC 5051, by
 * libunistring's full case folding); octets that are not UTF-8 stay. */
void text_casefold(struct str utf8, struct buf *out);

#endif
