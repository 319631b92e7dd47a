/* SPDX-License-Identifier: ISC */
/*
 * The one decoder of what follows DATA (RFC 5321 sections 4.1.1.4 and 4.5.2).
 * Pure.
 *
 * Only CR LF "." CR LF ends a message, wherever the pieces of input begin and
 * end. A CR or LF that stands alone never ends a line: that is what SMTP
 * smuggling lives on (CVE-2023-51764). It is noted, and normalised in the
 * output: LF becomes CR LF, CR a space.
 */
#ifndef SMTPD_DATA_H
#define SMTPD_DATA_H

#include "core/buf.h"

enum data_state {
	DATA_LINE_START,
	DATA_DOT,
	DATA_DOT_CR,
	DATA_IN_LINE,
	DATA_CR,
	DATA_ENDED
};

struct data_decoder {
	enum data_state state;
	bool bare_cr, bare_lf; /* seen so far */
	bool nul;
	uint64_t line;    /* octets of the line so far */
	uint64_t longest; /* octets of the longest, without CRLF */
};

static inline struct data_decoder data_decoder_new(void)
{
	return (struct data_decoder){.state = DATA_LINE_START};
}

/*
 * Decodes input, appending content (CRLF line ends, no dot stuffing) to out,
 * which must have room for 2 * in.len + 2 octets. Returns the octets taken:
 * all, or up to the end of the message (state is then DATA_ENDED), behind
 * which the next command stands.
 */
size_t data_decode(struct data_decoder *d, struct str in, struct buf *out);

#endif
