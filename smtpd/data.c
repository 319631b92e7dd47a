/* SPDX-License-Identifier: ISC */
#include "smtpd/data.h"

/* n octets more of the current line. */
static void grow_line(struct data_decoder *d, size_t n)
{
	d->line += n;
	if (d->line > d->longest)
		d->longest = d->line;
}

static void add(struct data_decoder *d, struct buf *out, struct str text)
{
	if (!d->nul && memchr(text.p, '\0', text.len) != NULL)
		d->nul = true;
	grow_line(d, text.len);
	buf_add(out, text);
}

static void end_line(struct data_decoder *d, struct buf *out)
{
	buf_add(out, STR("\r\n"));
	d->line = 0;
}

/*
 * Text up to and with the next CR or LF. Whole lines, which is nearly all
 * there ever is, take two searches and one copy.
 */
static size_t in_line(struct data_decoder *d, struct str in, struct buf *out)
{
	size_t cr = str_find(in, '\r');
	size_t lf = str_find(str_sub(in, 0, cr), '\n');

	if (lf < cr) {
		d->bare_lf = true;
		add(d, out, str_sub(in, 0, lf));
		end_line(d, out);
		return lf + 1; /* still no start of a line: a dot counts not */
	}
	add(d, out, str_sub(in, 0, cr));
	if (cr == in.len)
		return cr;
	if (cr + 1 < in.len && in.p[cr + 1] == '\n') {
		end_line(d, out);
		d->state = DATA_LINE_START;
		return cr + 2;
	}
	d->state = DATA_CR;
	return cr + 1;
}

/* The octet behind a CR that stands in a line. */
static size_t behind_cr(struct data_decoder *d, char c, struct buf *out)
{
	if (c == '\n') {
		end_line(d, out);
		d->state = DATA_LINE_START;
		return 1;
	}
	d->bare_cr = true;
	add(d, out, STR(" "));
	d->state = DATA_IN_LINE;
	return 0;
}

/* Between the dot that begins a line and what it turns out to be. */
static size_t behind_dot(struct data_decoder *d, char c, struct buf *out)
{
	if (d->state == DATA_DOT && c == '\r') {
		d->state = DATA_DOT_CR;
		return 1;
	}
	if (d->state == DATA_DOT_CR && c == '\n') {
		d->state = DATA_ENDED;
		return 1;
	}
	if (d->state == DATA_DOT_CR)
		return behind_cr(d, c, out);
	d->state = DATA_IN_LINE; /* the dot was stuffed: 4.5.2 */
	return 0;
}

size_t data_decode(struct data_decoder *d, struct str in, struct buf *out)
{
	size_t at = 0;

	while (at < in.len && d->state != DATA_ENDED) {
		switch (d->state) {
		case DATA_LINE_START:
			d->state = in.p[at] == '.' ? DATA_DOT : DATA_IN_LINE;
			at += d->state == DATA_DOT;
			break;
		case DATA_DOT:
		case DATA_DOT_CR:
			at += behind_dot(d, in.p[at], out);
			break;
		case DATA_CR:
			at += behind_cr(d, in.p[at], out);
			break;
		case DATA_IN_LINE:
			at += in_line(d, str_skip(in, at), out);
			break;
		case DATA_ENDED:
			break;
		}
	}
	return at;
}
