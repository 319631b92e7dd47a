/* SPDX-License-Identifier: ISC */
/* What arrives on standard input: its header in memory, its body in a memfd. */
#ifndef SENDMAIL_CONTENT_H
#define SENDMAIL_CONTENT_H

#include "mail/crlf.h"
#include "mail/splitter.h"
#include "sendmail/dots.h"

struct content {
	struct dots dots;
	bool ignore_dots;
	bool ended; /* by a dot */
	struct crlf crlf;
	struct splitter splitter;
	bool begun;       /* the first line was seen */
	bool skipping;    /* within a line "From ..." of a mailbox file */
	int body;         /* memfd */
	uint64_t size;    /* octets of the body */
	bool eight_bit;   /* an octet beyond ASCII in header or body */
	uint64_t most;    /* octets of the whole */
	int error;        /* errno of the first failure to keep it; 0 */
	struct buf start; /* what may be a line "From ..." */
	struct buf work;  /* one piece without dots; */
	struct buf line;  /* and with its line ends made right */
};

/* most: message_size_limit, header_most: header_size_limit. -1 with errno. */
int content_open(struct content *c, uint64_t most, uint64_t header_most);
void content_close(struct content *c);
/* For the next message of the same connection. */
int content_clear(struct content *c);

/*
 * Takes input; returns the octets taken: all, or those up to the end by a dot
 * (c->ended). What is too large is swallowed (content_too_large).
 */
size_t content_feed(struct content *c, struct str in);
/* The input is over. */
void content_end(struct content *c);
bool content_too_large(const struct content *c);
/* The header, whole lines with CRLF, without the empty line. */
struct str content_header(const struct content *c);

#endif
