/* SPDX-License-Identifier: ISC */
#include "imapd/utf7.h"

#include "mail/encode.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static bool direct(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static void put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_add_char(out, (char)c);
	} else if (c < 0x800) {
		buf_add_char(out, (char)(0xc0 | c >> 6));
		buf_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_add_char(out, (char)(0xe0 | c >> 12));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_add_char(out, (char)(0xf0 | c >> 18));
		buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* One UTF-16 unit; *high is the open high surrogate, 0 when there is none. */
static int put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return -1;
		put_utf8(
		    out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return 0;
	}
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return -1;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return 0;
	}
	if (unit < 0x80 && direct((char)unit))
		return -1; /* needed no encoding */
	if (unit == 0)
		return -1;
	put_utf8(out, unit);
	return 0;
}

/* The base64 between & and -, neither of them in s; not empty. */
static int decode_shifted(struct str s, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned have = 0;

	for (size_t i = 0; i < s.len; i++) {
		int value = digit_value(s.p[i]);

		if (value < 0)
			return -1;
		bits = (bits << 6 | (uint32_t)value) & 0x3fffff;
		have += 6;
		if (have >= 16) {
			have -= 16;
			if (put_unit(out, bits >> have & 0xffff, &high) < 0)
				return -1;
		}
	}
	/* What is left is padding: less than a digit, and zero. */
	if (high != 0 || have >= 6 || (bits & ((1u << have) - 1)) != 0)
		return -1;
	return 0;
}

int utf7_decode(struct str in, struct buf *out)
{
	bool after_shift = false;

	while (in.len > 0) {
		char c = in.p[0];

		if (!direct(c))
			return -1;
		if (c != '&') {
			buf_add_char(out, c);
			in = str_skip(in, 1);
			after_shift = false;
			continue;
		}
		size_t end = str_find(in, '-');
		if (end == in.len)
			return -1;
		if (end == 1) {
			buf_add_char(out, '&');
			after_shift = false;
		} else {
			/* Two shifts in a row have one right form: joined. */
			if (after_shift ||
			    decode_shifted(str_sub(in, 1, end - 1), out) < 0)
				return -1;
			after_shift = true;
		}
		in = str_skip(in, end + 1);
	}
	return out->overflow ? -1 : 0;
}

/* The next character of valid UTF-8. */
static uint32_t cut_utf8(struct str *in)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	*in = str_skip(*in, n);
	return c;
}

struct encoder {
	struct buf *out;
	uint32_t bits;
	unsigned have;
	bool shifted;
};

static void encode_unit(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->have += 16;
	while (e->have >= 6) {
		e->have -= 6;
		buf_add_char(e->out, digits[e->bits >> e->have & 63]);
	}
	e->bits &= 63;
}

static void end_shift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->have > 0)
		buf_add_char(e->out, digits[e->bits << (6 - e->have) & 63]);
	buf_add_char(e->out, '-');
	e->bits = 0;
	e->have = 0;
	e->shifted = false;
}

int utf7_encode(struct str in, struct buf *out)
{
	struct encoder e = {out, 0, 0, false};

	if (!utf8_valid(in))
		return -1;
	while (in.len > 0) {
		uint32_t c = cut_utf8(&in);

		if (c < 0x80 && direct((char)c)) {
			end_shift(&e);
			buf_add_char(out, (char)c);
			if (c == '&')
				buf_add_char(out, '-');
			continue;
		}
		if (!e.shifted)
			buf_add_char(out, '&');
		e.shifted = true;
		if (c >= 0x10000) {
			encode_unit(&e, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		encode_unit(&e, c);
	}
	end_shift(&e);
	return out->overflow ? -1 : 0;
}
