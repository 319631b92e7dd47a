/* SPDX-License-Identifier: ISC */
/*
 * However content arrives in pieces, it splits into the same header and body,
 * loses no octet, and the completed header is one that ends where it should.
 *
 * The first octet is the size of the pieces, the rest is content.
 */
#include <stdlib.h>

#include "cleanup/header.h"

#define MOST 65536

static void split(
    struct str in, size_t step, struct buf *header, struct buf *body)
{
	struct splitter s = splitter_new(MOST);
	struct str rest;

	while (in.len > 0) {
		struct str piece = str_sub(in, 0, step);
		size_t taken = 0;

		if (!s.in_body) {
			taken = splitter_feed(&s, piece.p, piece.len, &rest);
			if (taken > piece.len || (rest.len > 0 && !s.in_body))
				abort();
			buf_add(body, rest);
		}
		buf_add(body, str_skip(piece, taken));
		in = str_skip(in, piece.len);
	}
	splitter_end(&s, &rest);
	buf_add(body, rest);
	buf_add(header, buf_str(&s.header));
	buf_free(&s.header);
}

/* The content again, but for an empty line or a line end put in. */
static void check_octets(struct str in, struct str header, struct str body)
{
	size_t sum = header.len + body.len;

	/* At most CRLF of the empty line is neither; at most CRLF is new. */
	if (sum > in.len + 2 || sum + 2 < in.len)
		abort();
	if (body.len > in.len ||
	    memcmp(body.p, in.p + in.len - body.len, body.len) != 0)
		abort();
	size_t same = header.len < in.len ? header.len : in.len;
	if (memcmp(header.p, in.p, same) != 0)
		abort();
}

static void check_completion(struct str header)
{
	struct cleanup_message m = {.origin = ORIGIN_SUBMISSION,
	    .helo = header,
	    .client_name = header,
	    .client_address = header,
	    .protocol = header,
	    .tls = STR_EMPTY,
	    .login = header};
	struct header_completion c = {.from = &m,
	    .only_recipient = header,
	    .myhostname = "h",
	    .mail_name = "n",
	    .id = "i",
	    .date = "d",
	    .name_login = true,
	    .add_missing = true,
	    .drop_bcc = true,
	    .results = STR("h; none"),
	    .forged_results = STR("h")};
	struct buf out = buf_new(16 * MOST);
	struct header_facts facts, after;

	header_look(header, &facts);
	header_check_author(&facts);
	header_complete(&c, header, &facts, &out);
	/* Received is one field whatever the words in it are, the header ends
	 * with the first empty line, and what was missing is there. */
	if (out.overflow || header_length(buf_str(&out)) != out.len)
		abort();
	header_look(buf_str(&out), &after);
	if (after.received != facts.received + 1 || after.date == 0 ||
	    after.message_id == 0 || after.from != facts.from)
		abort();
	struct header_field f;
	if (header_find(buf_str(&out), STR("Bcc"), &f) ||
	    header_find(buf_str(&out), STR("Return-Path"), &f))
		abort();
	/* Of ours there is the one that is ours. */
	if (!header_find(buf_str(&out), STR("Authentication-Results"), &f) ||
	    f.whole.p != out.p)
		abort();
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf header = buf_new(MOST + 2), body = buf_new(MOST + 2);
	struct buf again = buf_new(MOST + 2), rest = buf_new(MOST + 2);
	struct str in;

	if (len < 1 || len > MOST - 16)
		return 0;
	in = str_of(data + 1, len - 1);
	split(in, in.len + 1, &header, &body);
	split(in, 1 + data[0] % 50u, &again, &rest);
	if (!str_eq(buf_str(&header), buf_str(&again)) ||
	    !str_eq(buf_str(&body), buf_str(&rest)))
		abort();
	check_octets(in, buf_str(&header), buf_str(&body));
	check_completion(buf_str(&header));
	buf_free(&header);
	buf_free(&body);
	buf_free(&again);
	buf_free(&rest);
	return 0;
}
