/* SPDX-License-Identifier: ISC */
#include "posthouse/time_point.h"

#include <stdio.h>
#include <time.h>

#include "conf/conf.h"

#define SECOND INT64_C(1000000) /* microseconds */

/* ---- digits ---- */

/* Exactly count digits at the start of *s. */
static int digits(struct str *s, size_t count, int *out)
{
	uint64_t n;

	if (str_to_u64(str_sub(*s, 0, count), 9999, &n) < 0 || s->len < count)
		return -1;
	*s = str_skip(*s, count);
	*out = (int)n;
	return 0;
}

static bool eat(struct str *s, const char *any)
{
	if (s->len == 0 || s->p[0] == '\0' || strchr(any, s->p[0]) == NULL)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* ".25" as microseconds; nothing is 0. */
static int fraction(struct str *s, int64_t *us)
{
	int64_t unit = SECOND / 10;

	*us = 0;
	if (!eat(s, ".,"))
		return 0;
	if (s->len == 0 || !ascii_digit(s->p[0]))
		return -1;
	for (; s->len > 0 && ascii_digit(s->p[0]); *s = str_skip(*s, 1)) {
		*us += unit * (s->p[0] - '0');
		unit /= 10;
	}
	return 0;
}

/* ---- ISO 8601 ---- */

static int date(struct str *s, struct tm *tm)
{
	if (digits(s, 4, &tm->tm_year) < 0 || !eat(s, "-") ||
	    digits(s, 2, &tm->tm_mon) < 0 || !eat(s, "-") ||
	    digits(s, 2, &tm->tm_mday) < 0)
		return -1;
	if (tm->tm_year < 1970 || tm->tm_mon < 1 || tm->tm_mon > 12 ||
	    tm->tm_mday < 1 || tm->tm_mday > 31)
		return -1;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return 0;
}

static int clock_time(struct str *s, struct tm *tm, int64_t *us)
{
	*us = 0;
	if (!eat(s, "Tt "))
		return s->len == 0 ? 0 : -1;
	if (digits(s, 2, &tm->tm_hour) < 0 || !eat(s, ":") ||
	    digits(s, 2, &tm->tm_min) < 0)
		return -1;
	if (eat(s, ":") &&
	    (digits(s, 2, &tm->tm_sec) < 0 || fraction(s, us) < 0))
		return -1;
	return tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60 ? -1 : 0;
}

/* 1: there is a zone, in seconds east; 0: there is none. */
static int zone(struct str *s, int *east)
{
	bool west = s->len > 0 && s->p[0] == '-';
	int hours, minutes = 0;

	*east = 0;
	if (s->len == 0)
		return 0;
	if (eat(s, "Zz"))
		return s->len == 0 ? 1 : -1;
	if (!eat(s, "+-") || digits(s, 2, &hours) < 0)
		return -1;
	eat(s, ":");
	if (s->len > 0 && digits(s, 2, &minutes) < 0)
		return -1;
	*east = (hours * 60 + minutes) * (west ? -60 : 60);
	return s->len == 0 && hours <= 14 && minutes < 60 ? 1 : -1;
}

static int iso(struct str s, int64_t *out)
{
	struct tm tm = {.tm_isdst = -1};
	int64_t us;
	int east, zoned, day;
	time_t t;

	if (date(&s, &tm) < 0 || clock_time(&s, &tm, &us) < 0)
		return -1;
	zoned = zone(&s, &east);
	if (zoned < 0)
		return -1;
	day = tm.tm_mday;
	t = zoned ? timegm(&tm) - east : mktime(&tm);
	/* The 31st of a short month is no day. */
	if (tm.tm_mday != day)
		return -1;
	*out = (int64_t)t * SECOND + us;
	return 0;
}

/* ---- all forms ---- */

static int epoch(struct str s, int64_t *out)
{
	struct str whole = str_sub(s, 0, 0);
	uint64_t n;
	int64_t us;

	while (whole.len < s.len && ascii_digit(s.p[whole.len]))
		whole.len++;
	s = str_skip(s, whole.len);
	if (str_to_u64(whole, (uint64_t)(INT64_MAX / SECOND - 1), &n) < 0 ||
	    fraction(&s, &us) < 0 || s.len > 0)
		return -1;
	*out = (int64_t)n * SECOND + us;
	return 0;
}

static int ago(struct str s, int64_t now, int64_t *out)
{
	char text[32];
	const char *why;
	int64_t ms;

	if (str_case_ends(s, STR("ago")))
		s = str_trim(str_sub(s, 0, s.len - 3));
	/* A bare number could be anything. */
	if (s.len == 0 || ascii_digit(s.p[s.len - 1]) ||
	    str_copy(text, sizeof(text), s) < 0 ||
	    conf_parse_time(text, &ms, &why) < 0 || ms > now / 1000)
		return -1;
	*out = now - ms * 1000;
	return 0;
}

int time_point_parse(
    const char *text, int64_t now, int64_t *out, const char **why)
{
	struct str s = str_trim(str_from(text));
	int r;

	*why = "a time is 2026-11-21T14:30 (local, or with Z or +01:00 behind "
	       "it), @SECONDS since 1970, or 2h, 30m, 3d before now";
	if (s.len > 0 && s.p[0] == '@')
		r = epoch(str_skip(s, 1), out);
	else if (s.len > 4 && s.p[4] == '-')
		r = iso(s, out);
	else
		r = ago(s, now, out);
	if (r == 0 && *out > now) {
		*why = "this time lies in the future";
		r = -1;
	}
	return r;
}

const char *time_point_text(int64_t us, char out[TIME_POINT_TEXT])
{
	time_t t = (time_t)(us / SECOND);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, TIME_POINT_TEXT, "%Y-%m-%dT%H:%M:%S%z", &tm) == 0)
		snprintf(out, TIME_POINT_TEXT, "-");
	return out;
}
