/* SPDX-License-Identifier: ISC */
#include "mail/crlf.h"

static void end_line(struct crlf *c, struct buf *out)
{
	buf_add(out, STR("\r\n"));
	c->in_line = false;
}

static void add(struct crlf *c, struct str text, struct buf *out)
{
	if (text.len == 0)
		return;
	buf_add(out, text);
	c->in_line = true;
}

void crlf_feed(struct crlf *c, struct str in, struct buf *out)
{
	while (in.len > 0) {
		size_t lf = str_find(in, '\n');
		size_t cr = str_find(str_sub(in, 0, lf), '\r');

		if (c->cr && in.p[0] != '\n')
			add(c, STR(" "), out);
		c->cr = false;
		add(c, str_sub(in, 0, cr), out);
		in = str_skip(in, cr);
		if (in.len == 0)
			return;
		c->cr = in.p[0] == '\r';
		if (!c->cr)
			end_line(c, out);
		in = str_skip(in, 1);
	}
}

void crlf_end(struct crlf *c, struct buf *out)
{
	if (c->in_line || c->cr)
		end_line(c, out);
	c->cr = false;
}
