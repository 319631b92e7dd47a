/* SPDX-License-Identifier: ISC */
/*
 * header_next consumes everything exactly once, in order, and its views lie
 * inside the field; header_length agrees with it; what header_put writes is
 * one field again, whatever the value; decoded text is UTF-8.
 */
#include <stdlib.h>

#include "mail/encode.h"
#include "mail/header.h"

static void check_field(const struct header_field *f, int got)
{
	const char *end = f->whole.p + f->whole.len;

	if (f->whole.len == 0 || f->value.len > f->whole.len)
		abort();
	if (got > 0 &&
	    (f->name.p != f->whole.p || f->name.len == 0 ||
		(f->value.len > 0 &&
		    (f->value.p <= f->name.p + f->name.len ||
			f->value.p + f->value.len > end))))
		abort();
}

static void once(struct str in)
{
	struct str rest = in;
	struct header_field f;
	const char *at = in.p;
	int got;

	while ((got = header_next(&rest, &f)) != 0) {
		if (f.whole.p != at || rest.p != at + f.whole.len)
			abort();
		check_field(&f, got);
		at = rest.p;
	}
	size_t consumed = in.len - rest.len;
	if (consumed != header_length(in) || (size_t)(rest.p - at) > 2)
		abort();
	if (consumed < in.len && in.p[consumed - 1] != '\n')
		abort();
}

static void put(struct str in)
{
	struct buf out = buf_new(in.len * 3 + 100);
	struct str rest;
	struct header_field f;

	header_put(&out, "X-Test", in);
	if (out.overflow)
		abort();
	rest = buf_str(&out);
	if (header_next(&rest, &f) != 1 || rest.len > 0)
		abort();
	buf_free(&out);
}

static void decode(struct str in)
{
	struct buf out = buf_new(1 << 20);

	header_decode(in, &out);
	if (!utf8_valid(buf_str(&out)))
		abort();
	struct str id = header_message_id(in);
	if (id.len > in.len)
		abort();
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};

	once(in);
	put(in);
	decode(in);
	return 0;
}
