/* SPDX-License-Identifier: ISC */
/* Mailbox patterns of LIST (RFC 9051 section 6.3.9): "*" matches anything,
 * "%" anything but the delimiter. Pure. */
#ifndef IMAPD_LIST_MATCH_H
#define IMAPD_LIST_MATCH_H

#include "core/str.h"

/*
 * Works in time proportional to pattern times name, whatever the pattern. A
 * first level of INBOX matches in any case.
 */
bool list_match(struct str pattern, struct str name);

#endif
