/* SPDX-License-Identifier: ISC */
#include "mail/encode.h"

#define BAD 0xff

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a base64 digit, or BAD. */
static unsigned char base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned char)(c - 'a' + 26);
	if (ascii_digit(c))
		return (unsigned char)(c - '0' + 52);
	if (c == '+')
		return 62;
	return c == '/' ? 63 : BAD;
}

/* Encodes in.len octets to p, which has room; returns the octets written. */
static size_t encode_to(struct str in, char *p)
{
	const unsigned char *s = (const unsigned char *)in.p;
	size_t at = 0, i = 0;

	for (; i + 3 <= in.len; i += 3) {
		unsigned v = (unsigned)s[i] << 16 | (unsigned)s[i + 1] << 8 |
		    s[i + 2];

		p[at++] = base64_digits[v >> 18];
		p[at++] = base64_digits[v >> 12 & 63];
		p[at++] = base64_digits[v >> 6 & 63];
		p[at++] = base64_digits[v & 63];
	}
	if (i < in.len) {
		bool two = i + 2 == in.len;
		unsigned v = (unsigned)s[i] << 16 |
		    (two ? (unsigned)s[i + 1] << 8 : 0);

		p[at++] = base64_digits[v >> 18];
		p[at++] = base64_digits[v >> 12 & 63];
		p[at++] = two ? base64_digits[v >> 6 & 63] : '=';
		p[at++] = '=';
	}
	return at;
}

void base64_encode(struct str in, struct buf *out)
{
	char *room = in.len / 3 >= SIZE_MAX / 4 - 1
	    ? NULL
	    : buf_room(out, (in.len + 2) / 3 * 4);

	if (room != NULL)
		buf_added(out, encode_to(in, room));
}

void base64_encode_mime(struct str in, struct buf *out)
{
	while (in.len > 0 && !out->overflow) {
		base64_encode(str_sub(in, 0, 57), out);
		buf_add(out, STR("\r\n"));
		in = str_skip(in, 57);
	}
}

int base64_decode(struct str in, struct buf *out)
{
	size_t padding = 0, len, at = 0;
	unsigned v = 0;
	char *p;

	if (in.len % 4 != 0)
		return -1;
	while (padding < 2 && in.len > padding &&
	    in.p[in.len - 1 - padding] == '=')
		padding++;
	len = in.len / 4 * 3 - padding;
	p = buf_room(out, len);
	if (p == NULL)
		return -1;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char d = i >= in.len - padding ? 0
							: base64_value(in.p[i]);

		if (d == BAD)
			return -1;
		v = v << 6 | d;
		if (i % 4 != 3)
			continue;
		for (int shift = 16; shift >= 0 && at < len; shift -= 8)
			p[at++] = (char)(v >> shift & 255);
	}
	/* The bits that padding leaves over are zero (RFC 4648 3.5). */
	if ((padding == 1 && (v & 0xff) != 0) ||
	    (padding == 2 && (v & 0xffff) != 0))
		return -1;
	buf_added(out, len);
	return 0;
}

/* Digits that do not make a group of four yet. */
struct group {
	unsigned v, digits;
};

/* The octets of a group of two or three digits that ended early. */
static char *flush_group(struct group *g, char *p)
{
	if (g->digits >= 2)
		*p++ = (char)(g->v >> (g->digits == 2 ? 4 : 10) & 255);
	if (g->digits == 3)
		*p++ = (char)(g->v >> 2 & 255);
	*g = (struct group){0, 0};
	return p;
}

static char *decode_block(struct str in, struct group *g, char *p)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char d = base64_value(in.p[i]);

		if (in.p[i] == '=')
			p = flush_group(g, p);
		if (d == BAD)
			continue;
		g->v = g->v << 6 | d;
		if (++g->digits == 4) {
			*p++ = (char)(g->v >> 16 & 255);
			*p++ = (char)(g->v >> 8 & 255);
			*p++ = (char)(g->v & 255);
			*g = (struct group){0, 0};
		}
	}
	return p;
}

void base64_decode_mime(struct str in, struct buf *out)
{
	struct group g = {0, 0};
	char block[1024 / 4 * 3 + 3], *p;

	while (in.len > 0 && !out->overflow) {
		p = decode_block(str_sub(in, 0, 1024), &g, block);
		in = str_skip(in, 1024);
		if (in.len == 0)
			p = flush_group(&g, p);
		buf_add_bytes(out, block, (size_t)(p - block));
	}
}

static int hex_value(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet of two hexadecimal digits at s[at], or -1. */
static int hex_octet(struct str s, size_t at)
{
	if (s.len < 2 || at > s.len - 2)
		return -1;
	int high = hex_value(s.p[at]), low = hex_value(s.p[at + 1]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void put_hex(struct buf *out, char prefix, char octet)
{
	static const char digits[] = "0123456789ABCDEF";
	const char text[3] = {
	    prefix, digits[(unsigned char)octet >> 4], digits[octet & 15]};

	buf_add_bytes(out, text, sizeof(text));
}

/*
 * Octets of a line end at s[at] with blanks before it allowed (RFC 2045 6.7
 * rule 3: they were added on the way); 0 when there is none. *blanks is how
 * many of them are blanks.
 */
static size_t blank_line_end(struct str s, size_t at, size_t *blanks)
{
	size_t i = at;

	while (i < s.len && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	*blanks = i - at;
	if (i == s.len)
		return i - at;
	if (s.p[i] == '\n')
		return i + 1 - at;
	if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
		return i + 2 - at;
	return 0;
}

/* What stands behind a "=": the octets it takes. */
static size_t qp_escape(struct str in, size_t at, struct buf *out)
{
	size_t blanks, soft;
	int octet = hex_octet(in, at);

	if (octet >= 0) {
		buf_add_char(out, (char)octet);
		return 2;
	}
	soft = blank_line_end(in, at, &blanks);
	if (soft == 0 && at < in.len)
		buf_add_char(out, '='); /* not an escape: left as it is */
	return soft;
}

void qp_decode(struct str in, bool header, struct buf *out)
{
	size_t at = 0;

	while (at < in.len && !out->overflow) {
		char c = in.p[at];
		size_t blanks, skip;

		if (c == '=') {
			at += 1 + qp_escape(in, at + 1, out);
		} else if (header) {
			buf_add_char(out, c == '_' ? ' ' : c);
			at++;
		} else if (c == ' ' || c == '\t') {
			skip = blank_line_end(in, at, &blanks);
			if (skip == 0)
				buf_add_bytes(out, in.p + at, blanks);
			at += blanks;
		} else {
			size_t from = at;

			while (at < in.len && in.p[at] != '=' &&
			    in.p[at] != ' ' && in.p[at] != '\t')
				at++;
			buf_add_bytes(out, in.p + from, at - from);
		}
	}
}

/* Whether the octet at `at` stands for itself (RFC 2045 6.7 rules 2, 3). */
static bool qp_plain(struct str in, size_t at)
{
	size_t blanks;
	char c = in.p[at];

	if (c == ' ' || c == '\t')
		return at + 1 < in.len && in.p[at + 1] != '\n' &&
		    (in.p[at + 1] != '\r' ||
			blank_line_end(in, at + 1, &blanks) == 0);
	return c > ' ' && c < 127 && c != '=';
}

void qp_encode(struct str in, struct buf *out)
{
	size_t column = 0;

	for (size_t at = 0; at < in.len && !out->overflow; at++) {
		if (in.p[at] == '\r' && at + 1 < in.len &&
		    in.p[at + 1] == '\n') {
			buf_add(out, STR("\r\n"));
			column = 0;
			at++;
			continue;
		}
		size_t width = qp_plain(in, at) ? 1 : 3;
		if (column + width > 75) { /* 76 with the "=" */
			buf_add(out, STR("=\r\n"));
			column = 0;
		}
		if (width == 1)
			buf_add_char(out, in.p[at]);
		else
			put_hex(out, '=', in.p[at]);
		column += width;
	}
}

static bool is_xchar(char c)
{
	return c >= 33 && c <= 126 && c != '+' && c != '=';
}

void xtext_encode(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len && !out->overflow; i++) {
		if (is_xchar(in.p[i]))
			buf_add_char(out, in.p[i]);
		else
			put_hex(out, '+', in.p[i]);
	}
}

int xtext_decode(struct str in, struct buf *out)
{
	size_t before = out->len;

	for (size_t i = 0; i < in.len; i++) {
		int octet = (unsigned char)in.p[i];

		if (in.p[i] == '+') {
			octet = hex_octet(in, i + 1);
			i += 2;
		} else if (!is_xchar(in.p[i])) {
			octet = -1;
		}
		if (octet < 0 || buf_add_char(out, (char)octet) < 0) {
			out->len = before;
			return -1;
		}
	}
	return 0;
}

/* Octets of the UTF-8 sequence at p (RFC 3629 section 4), 0 when malformed. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	unsigned char c = p[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || left < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
	    (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

size_t utf8_valid_length(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i < s.len) {
		uint64_t eight;

		if (s.len - i >= 8) {
			memcpy(&eight, p + i, 8);
			if ((eight & 0x8080808080808080u) == 0) {
				i += 8;
				continue;
			}
		}
		size_t n = utf8_sequence(p + i, s.len - i);
		if (n == 0)
			return i;
		i += n;
	}
	return i;
}

bool utf8_valid(struct str s)
{
	return utf8_valid_length(s) == s.len;
}
