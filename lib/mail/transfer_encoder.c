/* SPDX-License-Identifier: ISC */
#include "mail/transfer_encoder.h"

#include "mail/encode.h"

#define LINE_MOST 76

/* ---- base64 ---- */

static void put_group(struct transfer_encoder *e, struct buf *out)
{
	if (e->any)
		buf_add_text(out, "\r\n");
	base64_encode(str_of(e->group, e->filled), out);
	e->filled = 0;
	e->any = true;
}

void base64_stream(struct transfer_encoder *e, struct str in, struct buf *out)
{
	while (in.len > 0) {
		size_t n = sizeof(e->group) - e->filled;

		if (n > in.len)
			n = in.len;
		memcpy(e->group + e->filled, in.p, n);
		e->filled += n;
		in = str_skip(in, n);
		if (e->filled == sizeof(e->group))
			put_group(e, out);
	}
}

void base64_stream_end(struct transfer_encoder *e, struct buf *out)
{
	if (e->filled > 0)
		put_group(e, out);
}

void base64_rewrap(struct transfer_encoder *e, struct str in, struct buf *out)
{
	while (in.len > 0) {
		if (e->column == LINE_MOST) {
			buf_add_text(out, "\r\n");
			e->column = 0;
		}
		struct str part = str_sub(in, 0, LINE_MOST - e->column);
		buf_add(out, part);
		e->column += part.len;
		in = str_skip(in, part.len);
	}
}

/* ---- quoted-printable ---- */

/* One octet in its one or three characters, behind a soft line end where they
 * would not fit before one. */
static void put_token(
    struct transfer_encoder *e, const char *p, size_t len, struct buf *out)
{
	if (e->column + len > LINE_MOST - 1) {
		buf_add_text(out, "=\r\n");
		e->column = 0;
	}
	buf_add_bytes(out, p, len);
	e->column += len;
}

static void put_quoted(struct transfer_encoder *e, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char octet = (unsigned char)c;
	char token[3] = {'=', hex[octet >> 4], hex[octet & 15]};

	put_token(e, token, sizeof(token), out);
}

static void release_blank(struct transfer_encoder *e, struct buf *out)
{
	if (e->blank != 0)
		put_token(e, &e->blank, 1, out);
	e->blank = 0;
}

static bool is_printable(char c)
{
	return c > ' ' && c < 127 && c != '=';
}

void qp_stream(struct transfer_encoder *e, struct str in, struct buf *out)
{
	bool from = e->column == 0 && e->blank == 0 &&
	    str_starts(in, STR("From "));

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		release_blank(e, out);
		if (c == ' ' || c == '\t')
			e->blank = c;
		/* What some hosts change at the start of a line. */
		else if (!is_printable(c) || (from && i == 0) ||
		    (c == '.' && e->column == 0))
			put_quoted(e, c, out);
		else
			put_token(e, &c, 1, out);
	}
}

void qp_stream_end(struct transfer_encoder *e, struct buf *out)
{
	if (e->blank != 0)
		put_quoted(e, e->blank, out);
	e->blank = 0;
}

void qp_stream_line(struct transfer_encoder *e, struct buf *out)
{
	qp_stream_end(e, out);
	buf_add_text(out, "\r\n");
	e->column = 0;
}

static bool is_hex(unsigned char c)
{
	return ascii_digit((char)c) ||
	    (ascii_lower((char)c) >= 'a' && ascii_lower((char)c) <= 'f');
}

static void put_encoded(struct transfer_encoder *e, char c, struct buf *out)
{
	if (c == '\t' || (c >= ' ' && c < 127))
		put_token(e, &c, 1, out);
	else
		put_quoted(e, c, out);
}

/* "=" and two characters, which belong together, in whatever pieces they
 * come. */
static void put_triple(struct transfer_encoder *e, struct buf *out)
{
	char rest[2] = {(char)e->group[1], (char)e->group[2]};

	e->filled = 0;
	if (is_hex(e->group[1]) && is_hex(e->group[2])) {
		put_token(e, (const char *)e->group, 3, out);
	} else {
		put_token(e, "=", 1, out);
		qp_rewrap(e, str_of(rest, sizeof(rest)), out);
	}
}

void qp_rewrap(struct transfer_encoder *e, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (e->filled == 0 && in.p[i] != '=') {
			put_encoded(e, in.p[i], out);
			continue;
		}
		e->group[e->filled++] = (unsigned char)in.p[i];
		if (e->filled == 3)
			put_triple(e, out);
	}
}

void qp_rewrap_end(struct transfer_encoder *e, struct buf *out)
{
	for (size_t i = 0; i < e->filled; i++)
		if (e->group[i] == '=')
			buf_add_char(out, '=');
		else
			put_encoded(e, (char)e->group[i], out);
	e->filled = 0;
	e->column = 0;
}
