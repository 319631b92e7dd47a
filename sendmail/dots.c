/* SPDX-License-Identifier: ISC */
#include "sendmail/dots.h"

/* What was held back turned out to be text. */
static void give_back(struct dots *d, struct buf *out)
{
	if (!d->unstuff)
		buf_add_char(out, '.');
	if (d->state == DOT_CR)
		buf_add_char(out, '\r');
	d->state = IN_LINE;
}

/* Text up to and with the next LF. */
static size_t line(struct dots *d, struct str in, struct buf *out)
{
	size_t lf = str_find(in, '\n');
	size_t n = lf < in.len ? lf + 1 : lf;

	buf_add(out, str_sub(in, 0, n));
	if (n > 0)
		d->state = lf < in.len ? LINE_START : IN_LINE;
	return n;
}

size_t dots_feed(struct dots *d, struct str in, struct buf *out, bool *ended)
{
	size_t at = 0;

	*ended = false;
	while (at < in.len) {
		char c = in.p[at];

		if (d->state == LINE_START && c == '.') {
			d->state = DOT;
			at++;
		} else if (d->state == DOT && c == '\r') {
			d->state = DOT_CR;
			at++;
		} else if ((d->state == DOT || d->state == DOT_CR) &&
		    c == '\n') {
			*ended = true;
			return at + 1;
		} else {
			if (d->state == DOT || d->state == DOT_CR)
				give_back(d, out);
			at += line(d, str_skip(in, at), out);
		}
	}
	return at;
}

void dots_end(struct dots *d, struct buf *out)
{
	if (d->state == DOT || d->state == DOT_CR)
		give_back(d, out);
}
