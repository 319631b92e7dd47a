/* SPDX-License-Identifier: ISC */
#include "imapd/write.h"

#include "mail/encode.h"
#include "store/mailbox.h"

#include "imapd/parser.h"

char *write_number(char *p, uint64_t value)
{
	char digits[WRITE_NUMBER_MAX];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

char *write_str(char *p, struct str s)
{
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return p + s.len;
}

static char *write_two(char *p, unsigned value)
{
	*p++ = (char)('0' + value / 10 % 10);
	*p++ = (char)('0' + value % 10);
	return p;
}

/* Days since 1970 to a date of the Gregorian calendar (years 0 to 9999). */
static void civil(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	int64_t z = days + 719468; /* since 0000-03-01 */
	int64_t era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*year = (unsigned)(yoe + era * 400 + (*month <= 2));
}

char *write_date(char *p, int64_t seconds)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned year, month, day;

	/* What does not fit four digits is cut to what does. */
	if (seconds < -62135596800)
		seconds = -62135596800;
	if (seconds > 253402300799)
		seconds = 253402300799;
	int64_t days = seconds / 86400, rest = seconds % 86400;
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	civil(days, &year, &month, &day);
	*p++ = '"';
	*p++ = day < 10 ? ' ' : (char)('0' + day / 10);
	*p++ = (char)('0' + day % 10);
	*p++ = '-';
	memcpy(p, months + ((size_t)month - 1) * 3, 3);
	p += 3;
	*p++ = '-';
	p = write_two(p, year / 100);
	p = write_two(p, year % 100);
	*p++ = ' ';
	p = write_two(p, (unsigned)(rest / 3600));
	*p++ = ':';
	p = write_two(p, (unsigned)(rest / 60 % 60));
	*p++ = ':';
	p = write_two(p, (unsigned)(rest % 60));
	return write_str(p, STR(" +0000\""));
}

char *write_system_flags(char *p, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		struct str name;
	} names[] = {
	    {FLAG_ANSWERED, STR_INIT("\\Answered")},
	    {FLAG_FLAGGED, STR_INIT("\\Flagged")},
	    {FLAG_DELETED, STR_INIT("\\Deleted")},
	    {FLAG_SEEN, STR_INIT("\\Seen")},
	    {FLAG_DRAFT, STR_INIT("\\Draft")},
	};
	char *start = p;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(flags & names[i].flag))
			continue;
		if (p != start)
			*p++ = ' ';
		p = write_str(p, names[i].name);
	}
	return p;
}

void put_literal_head(struct buf *out, uint64_t len)
{
	buf_add_char(out, '{');
	buf_add_u64(out, len);
	buf_add_text(out, "}\r\n");
}

/* Can stand between quotes (RFC 9051 section 4.3). */
static bool quotable(struct str s, bool utf8)
{
	bool high = false;

	if (s.len > 1000)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == 0 || c == '\r' || c == '\n')
			return false;
		high |= c >= 128;
	}
	return !high || (utf8 && utf8_valid(s));
}

void put_string(struct buf *out, struct str s, bool utf8)
{
	if (!quotable(s, utf8)) {
		put_literal_head(out, s.len);
		buf_add(out, s);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, s.p[i]);
	}
	buf_add_char(out, '"');
}

void put_astring(struct buf *out, struct str s, bool utf8)
{
	bool atom = s.len > 0 && !str_case_eq(s, STR("NIL"));

	for (size_t i = 0; i < s.len && atom; i++)
		atom = parser_is_atom_char(s.p[i]);
	if (atom)
		buf_add(out, s);
	else
		put_string(out, s, utf8);
}

void put_uids(struct buf *out, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && uids[end] == uids[end - 1] + 1)
			end++;
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_u64(out, uids[i]);
		if (end - i > 1) {
			buf_add_char(out, ':');
			buf_add_u64(out, uids[end - 1]);
		}
		i = end;
	}
}
