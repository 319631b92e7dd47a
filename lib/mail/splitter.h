/* SPDX-License-Identifier: ISC */
/* Where the header of a message ends. Pure. */
#ifndef MAIL_SPLITTER_H
#define MAIL_SPLITTER_H

#include "core/buf.h"

/*
 * Takes content in pieces and keeps the header. The header ends at the empty
 * line; or where a line stands that is no field, which then begins the body
 * (senders that forget the empty line are old, and many).
 */
struct splitter {
	struct buf
	    header;  /* fields, without the empty line; in the body: all */
	size_t line; /* where the last, unfinished line begins in header */
	bool in_body;
};

static inline struct splitter splitter_new(size_t most)
{
	return (struct splitter){buf_new(most), 0, false};
}

/*
 * Takes what of p belongs to the header and returns how many octets that is;
 * the rest is body. When `rest` is not empty afterwards, these octets had
 * been taken for a header line and begin the body (a view, until the next
 * call). header.overflow tells that the header is too large; all is taken
 * then.
 */
size_t splitter_feed(
    struct splitter *s, const char *p, size_t len, struct str *rest);
/* The content is over: what is left of an unfinished line is decided. */
void splitter_end(struct splitter *s, struct str *rest);

#endif
