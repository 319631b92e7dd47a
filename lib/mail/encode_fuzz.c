/* SPDX-License-Identifier: ISC */
/*
 * What is encoded comes back: base64 in both forms, quoted-printable, xtext.
 * What base64_decode takes is the one way to write those octets. Encoded
 * lines keep to 76 octets.
 */
#include <stdlib.h>

#include "mail/charset.h"
#include "mail/date.h"
#include "mail/encode.h"

static void same(struct str in, struct buf *got)
{
	if (!str_eq(in, buf_str(got)))
		abort();
	buf_free(got);
}

static void base64(struct str in)
{
	struct buf text = buf_new(in.len * 2 + 10), back = buf_new(in.len);

	base64_encode(in, &text);
	if (base64_decode(buf_str(&text), &back) < 0)
		abort();
	same(in, &back);
	buf_clear(&text);
	base64_encode_mime(in, &text);
	back = buf_new(in.len + 4);
	base64_decode_mime(buf_str(&text), &back);
	same(in, &back);
	buf_clear(&text);
	if (base64_decode(in, &text) == 0) {
		back = buf_new(in.len);
		base64_encode(buf_str(&text), &back);
		same(in, &back);
	}
	buf_free(&text);
}

static void quoted_printable(struct str in)
{
	struct buf text = buf_new(in.len * 4 + 10), back = buf_new(in.len);
	struct str rest;

	qp_encode(in, &text);
	rest = buf_str(&text);
	while (rest.len > 0)
		if (str_cut(&rest, '\n').len > 77)
			abort();
	qp_decode(buf_str(&text), false, &back);
	same(in, &back);
	buf_free(&text);
}

static void xtext(struct str in)
{
	struct buf text = buf_new(in.len * 3), back = buf_new(in.len);

	xtext_encode(in, &text);
	if (xtext_decode(buf_str(&text), &back) < 0)
		abort();
	same(in, &back);
	buf_clear(&text);
	(void)xtext_decode(in, &text);
	buf_free(&text);
}

static void texts(struct str in)
{
	static const char *const charsets[] = {
	    "utf-8", "windows-1252", "iso-2022-jp", "utf-7", "gb18030", "?"};
	struct buf out = buf_new(in.len * 20 + 100);
	int64_t n;

	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		charset_to_utf8(str_from(charsets[i]), in, &out);
		if (!utf8_valid(buf_str(&out)))
			abort();
		buf_clear(&out);
	}
	text_casefold(in, &out);
	if (utf8_valid(in) && !utf8_valid(buf_str(&out)))
		abort();
	buf_clear(&out);
	qp_decode(in, true, &out);
	buf_free(&out);
	(void)date_parse_rfc5322(in, &n, NULL);
	(void)date_parse_imap(in, &n, NULL);
	(void)date_parse_imap_day(in, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len};

	base64(in);
	quoted_printable(in);
	xtext(in);
	texts(in);
	return 0;
}
