/* SPDX-License-Identifier: ISC */
/* Times as an operator writes them. */
#ifndef POSTHOUSE_TIME_POINT_H
#define POSTHOUSE_TIME_POINT_H

#include "core/str.h"

#define TIME_POINT_TEXT 40

/*
 * A time in the past or present, in microseconds since 1970:
 *	2026-11-21, 2026-11-21T14:30, 2026-11-21 14:30:05.25	local time
 *	2026-11-21T14:30Z, 2026-11-21T14:30+01:00		ISO 8601
 *	@1795271400, @1795271400.5	seconds since 1970
 *	2h, 30m, 90s, 3d, 1w, "2h ago"	before now
 * now: microseconds since 1970. 0, or -1 and *why: a phrase.
 */
int time_point_parse(
    const char *text, int64_t now, int64_t *out, const char **why);

/* "2026-11-21T14:30:05+0100", in local time. */
const char *time_point_text(int64_t us, char out[TIME_POINT_TEXT]);

#endif
