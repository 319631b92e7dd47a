/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Where CR LF "." CR LF (or "." CR LF at the very start) ends; len + 1 when
 * nowhere: the plain definition, against which the decoder is held. */
static size_t plain_end(const char *p, size_t len)
{
	if (len >= 3 && memcmp(p, ".\r\n", 3) == 0)
		return 3;
	for (size_t i = 0; i + 5 <= len; i++)
		if (memcmp(p + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	return len + 1;
}

/*
 * The message ends at the first CRLF.CRLF and nowhere else; how the input is
 * cut changes nothing; the output has no CR and no LF but as CRLF; and
 * stuffing it again gives the input back, when that had no bare CR or LF.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2 || len > 4096)
		return 0;
	size_t step = data[0] % 17 + 1u;
	struct str in = str_of(data + 1, len - 1);
	struct data_decoder whole = data_decoder_new();
	struct data_decoder cut = data_decoder_new();
	struct buf a = buf_new(2 * in.len + 2), b = buf_new(2 * in.len + 2);
	size_t taken = data_decode(&whole, in, &a), at = 0;

	while (at < in.len && cut.state != DATA_ENDED)
		at += data_decode(&cut, str_sub(in, at, step), &b);
	if (at != taken || cut.state != whole.state ||
	    !str_eq(buf_str(&a), buf_str(&b)) || a.overflow ||
	    cut.bare_cr != whole.bare_cr || cut.bare_lf != whole.bare_lf ||
	    cut.longest != whole.longest || cut.nul != whole.nul)
		abort();
	size_t end = plain_end(in.p, in.len);
	if ((whole.state == DATA_ENDED) != (end <= in.len) ||
	    taken != (end <= in.len ? end : in.len))
		abort();
	for (size_t i = 0; i < a.len; i++)
		if ((a.p[i] == '\r' &&
			(i + 1 == a.len || a.p[i + 1] != '\n')) ||
		    (a.p[i] == '\n' && (i == 0 || a.p[i - 1] != '\r')))
			abort();
	if (whole.state == DATA_ENDED && !whole.bare_cr && !whole.bare_lf) {
		struct buf again = buf_new(4 * in.len + 8);
		struct str rest = buf_str(&a);
		/* a dot that stood alone in front of text was not stuffed
		 * right; it is the one thing that does not come back */
		size_t lost = 0;
		for (size_t i = 0; i < taken - 3; i++)
			lost += in.p[i] == '.' &&
			    (i == 0 || in.p[i - 1] == '\n') &&
			    in.p[i + 1] != '.';
		while (rest.len > 0) {
			size_t lf = str_find(rest, '\n');
			if (rest.p[0] == '.')
				buf_add_char(&again, '.');
			buf_add(&again, str_sub(rest, 0, lf + 1));
			rest = str_skip(rest, lf + 1);
		}
		buf_add_text(&again, ".\r\n");
		if (lost == 0 &&
		    !str_eq(buf_str(&again), str_sub(in, 0, taken)))
			abort();
		buf_free(&again);
	}
	buf_free(&a);
	buf_free(&b);
	return 0;
}
