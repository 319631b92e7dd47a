/* SPDX-License-Identifier: ISC */
/*
 * What SORT and THREAD compare (RFC 5256, RFC 5957), computed once from a
 * message's header. Pure.
 *
 *	0   version (1)
 *	1   flags: SORT_REPLY
 *	2   lengths of the texts, 2 octets each
 *	16  Date, seconds since 1970 in UTC; SORT_NO_DATE: none or malformed
 *	24  the texts, in the order of enum sort_text
 *
 * Little-endian. Texts are case-folded UTF-8, cut at SORT_TEXT_MAX.
 */
#ifndef MAIL_SORT_KEYS_H
#define MAIL_SORT_KEYS_H

#include "core/buf.h"

#define SORT_TEXT_MAX 240
#define SORT_REPLY    1u /* the subject said so: Re:, Fwd: ... */
#define SORT_NO_DATE  INT64_MIN

enum sort_text {
	SORT_SUBJECT,      /* the base subject (RFC 5256 2.1) */
	SORT_FROM,         /* local part of the first address */
	SORT_TO,           /* likewise */
	SORT_CC,           /* likewise */
	SORT_DISPLAY_FROM, /* display name of the first, else its address */
	SORT_DISPLAY_TO,   /* likewise */
	SORT_TEXTS
};

struct sort_keys {
	struct str texts[SORT_TEXTS];
	int64_t date;
	unsigned flags;
};

/* Appends the keys of a header to out. */
void sort_keys_put(struct str header, struct buf *out);
/* Reads them; the texts are views into `in`. -1: malformed, or of a later
 * version. */
int sort_keys_get(struct str in, struct sort_keys *out);

/* The base subject, case-folded, appended to out; true when there was
 * something before or behind it that says reply or forward. */
bool subject_base(struct str decoded, struct buf *out);

#endif
