/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#include <stdio.h>

#define DAY_SECONDS 86400

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {
    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct civil {
	int64_t year;
	int month, day; /* from 1 */
	int hour, minute, second;
};

/* Days since 1970 of a date of the Gregorian calendar, whose years are taken
 * to begin in March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 +
	    day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	    in_year - 719468;
}

static void civil_of(int64_t days, struct civil *c)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 -
			in_era / 146096) /
	    365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	c->day = (int)(in_year - (153 * m + 2) / 5 + 1);
	c->month = (int)(m < 10 ? m + 3 : m - 9);
	c->year = y + era * 400 + (c->month <= 2);
}

/* What a clock in the zone shows. Years that nobody writes are clipped. */
static int64_t split(int64_t seconds, int zone, struct civil *c)
{
	const int64_t most = (int64_t)253402300799; /* end of 9999 */
	int64_t days, rest;

	seconds = seconds < -most ? -most : seconds > most ? most : seconds;
	seconds += (int64_t)zone * 60;
	days = seconds / DAY_SECONDS;
	rest = seconds % DAY_SECONDS;
	if (rest < 0) {
		rest += DAY_SECONDS;
		days--;
	}
	civil_of(days, c);
	c->hour = (int)(rest / 3600);
	c->minute = (int)(rest / 60 % 60);
	c->second = (int)(rest % 60);
	return days;
}

/* "+0130" as a number for %+05d. */
static int zone_number(int zone)
{
	zone = zone < -5999 ? -5999 : zone > 5999 ? 5999 : zone;
	return zone / 60 * 100 + zone % 60;
}

void date_rfc5322(int64_t seconds, int zone, char out[DATE_TEXT_MAX])
{
	struct civil c;
	int64_t days = split(seconds, zone, &c);

	snprintf(out, DATE_TEXT_MAX, "%s, %d %s %04d %02d:%02d:%02d %+05d",
	    weekdays[((days + 4) % 7 + 7) % 7], c.day, months[c.month - 1],
	    (int)c.year, c.hour, c.minute, c.second, zone_number(zone));
}

void date_imap(int64_t seconds, int zone, char out[DATE_TEXT_MAX])
{
	struct civil c;

	split(seconds, zone, &c);
	snprintf(out, DATE_TEXT_MAX, "%2d-%s-%04d %02d:%02d:%02d %+05d", c.day,
	    months[c.month - 1], (int)c.year, c.hour, c.minute, c.second,
	    zone_number(zone));
}

/* ---- reading ---- */

static int month_of(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(months); i++)
		if (str_case_starts(name, str_from(months[i])))
			return (int)i + 1;
	return 0;
}

/* Cuts 1 to `most` digits; their number, or 0. */
static size_t cut_number(struct str *s, size_t most, int *value)
{
	size_t n = 0;

	*value = 0;
	while (n < most && n < s->len && ascii_digit(s->p[n]))
		*value = *value * 10 + (s->p[n++] - '0');
	*s = str_skip(*s, n);
	return n;
}

static bool cut_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

static bool civil_is_valid(const struct civil *c)
{
	static const int length[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (c->month < 1 || c->month > 12 || c->day < 1)
		return false;
	bool leap = c->month == 2 && c->year % 4 == 0 &&
	    (c->year % 100 != 0 || c->year % 400 == 0);
	return c->day <= length[c->month - 1] + leap && c->hour <= 23 &&
	    c->minute <= 59 && c->second <= 60;
}

static int64_t seconds_of(const struct civil *c, int zone)
{
	return days_of(c->year, c->month, c->day) * DAY_SECONDS +
	    c->hour * 3600 + c->minute * 60 + c->second - (int64_t)zone * 60;
}

/* Blanks, line ends and comments (RFC 5322 3.2.2). */
static void skip_cfws(struct str *s)
{
	int depth = 0;

	while (s->len > 0) {
		char c = s->p[0];

		if (c == '\\' && depth > 0)
			*s = str_skip(*s, 1);
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
		    c != '\n')
			return;
		*s = str_skip(*s, 1);
	}
}

static struct str cut_word(struct str *s)
{
	size_t n = 0;

	while (n < s->len && ascii_alpha(s->p[n]))
		n++;
	struct str word = str_of(s->p, n);
	*s = str_skip(*s, n);
	return word;
}

/* "+0100" in minutes; -1 when malformed. */
static int cut_zone_digits(struct str *s, int *zone)
{
	bool minus = s->len > 0 && s->p[0] == '-';
	int value;

	if (!cut_char(s, '+') && !cut_char(s, '-'))
		return -1;
	if (cut_number(s, 4, &value) != 4 || value % 100 > 59)
		return -1;
	*zone = value / 100 * 60 + value % 100;
	if (minus)
		*zone = -*zone;
	return 0;
}

/* Also the obsolete names (RFC 5322 4.3); one that is not known says nothing
 * about the zone and counts as UTC. */
static int cut_zone(struct str *s, int *zone)
{
	static const struct {
		struct str name;
		int hours;
	} names[] = {{STR_INIT("EST"), -5}, {STR_INIT("EDT"), -4},
	    {STR_INIT("CST"), -6}, {STR_INIT("CDT"), -5}, {STR_INIT("MST"), -7},
	    {STR_INIT("MDT"), -6}, {STR_INIT("PST"), -8},
	    {STR_INIT("PDT"), -7}};
	struct str word;

	*zone = 0;
	if (s->len > 0 && (s->p[0] == '+' || s->p[0] == '-'))
		return cut_zone_digits(s, zone);
	word = cut_word(s);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_case_eq(word, names[i].name))
			*zone = names[i].hours * 60;
	return 0;
}

static int cut_time(struct str *s, struct civil *c, bool seconds_optional)
{
	if (cut_number(s, 2, &c->hour) == 0)
		return -1;
	skip_cfws(s);
	if (!cut_char(s, ':'))
		return -1;
	skip_cfws(s);
	if (cut_number(s, 2, &c->minute) == 0)
		return -1;
	skip_cfws(s);
	c->second = 0;
	if (!cut_char(s, ':'))
		return seconds_optional ? 0 : -1;
	skip_cfws(s);
	return cut_number(s, 2, &c->second) == 0 ? -1 : 0;
}

int date_parse_rfc5322(struct str in, int64_t *seconds, int *zone)
{
	struct civil c;
	int year, minutes;
	size_t digits;

	skip_cfws(&in);
	if (cut_word(&in).len > 0) { /* day of the week; not checked */
		skip_cfws(&in);
		cut_char(&in, ',');
		skip_cfws(&in);
	}
	if (cut_number(&in, 2, &c.day) == 0)
		return -1;
	skip_cfws(&in);
	cut_char(&in, '-');
	c.month = month_of(cut_word(&in));
	skip_cfws(&in);
	cut_char(&in, '-');
	digits = cut_number(&in, 4, &year);
	if (digits < 2)
		return -1;
	/* RFC 5322 4.3: years of two and three digits */
	c.year = digits == 2 && year < 50 ? year + 2000
	    : digits < 4                  ? year + 1900
					  : year;
	skip_cfws(&in);
	if (cut_time(&in, &c, true) < 0 || !civil_is_valid(&c))
		return -1;
	skip_cfws(&in);
	if (cut_zone(&in, &minutes) < 0)
		return -1;
	*seconds = seconds_of(&c, minutes);
	if (zone != NULL)
		*zone = minutes;
	return 0;
}

/* date-day-fixed or date-day, "-", month, "-", four digits. */
static int cut_imap_date(struct str *in, struct civil *c)
{
	int year;

	cut_char(in, ' ');
	if (cut_number(in, 2, &c->day) == 0 || !cut_char(in, '-'))
		return -1;
	struct str month = cut_word(in);
	c->month = month.len == 3 ? month_of(month) : 0;
	if (!cut_char(in, '-') || cut_number(in, 4, &year) != 4)
		return -1;
	c->year = year;
	return 0;
}

int date_parse_imap(struct str in, int64_t *seconds, int *zone)
{
	struct civil c;
	int minutes;

	if (cut_imap_date(&in, &c) < 0 || !cut_char(&in, ' ') ||
	    cut_time(&in, &c, false) < 0 || !cut_char(&in, ' ') ||
	    cut_zone_digits(&in, &minutes) < 0 || in.len > 0 ||
	    !civil_is_valid(&c))
		return -1;
	*seconds = seconds_of(&c, minutes);
	if (zone != NULL)
		*zone = minutes;
	return 0;
}

int date_parse_imap_day(struct str in, int64_t *day)
{
	struct civil c = {.hour = 0, .minute = 0, .second = 0};

	if (cut_imap_date(&in, &c) < 0 || in.len > 0 || !civil_is_valid(&c))
		return -1;
	*day = days_of(c.year, c.month, c.day);
	return 0;
}
