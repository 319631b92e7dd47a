/* SPDX-License-Identifier: ISC */
/* Dates of RFC 5322, IMAP and logs. Pure: no clock, no time zone data. */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "core/str.h"

#define DATE_TEXT_MAX 40

/* "Sat, 21 Nov 2026 19:22:18 +0000"; zone in minutes east of UTC. */
void date_rfc5322(int64_t seconds, int zone, char out[DATE_TEXT_MAX]);
/* "21-Nov-2026 19:22:18 +0000", day padded with a blank (RFC 9051
 * date-time). */
void date_imap(int64_t seconds, int zone, char out[DATE_TEXT_MAX]);
/* Both read back; obsolete years and zones are taken. 0, or -1. zone may be
 * NULL. */
int date_parse_rfc5322(struct str in, int64_t *seconds, int *zone);
int date_parse_imap(struct str in, int64_t *seconds, int *zone);
/* "21-Nov-2026" of SEARCH: days since 1970. */
int date_parse_imap_day(struct str in, int64_t *day);

#endif
