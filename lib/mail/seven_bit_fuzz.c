/* SPDX-License-Identifier: ISC */
/*
 * Whatever the message, and in whatever pieces it comes: the result is the
 * same, it has 7 bits and short lines unless it says that something is left,
 * and once it has, another pass changes nothing.
 */
#include <stdlib.h>

#include "mail/header.h"
#include "mail/seven_bit.h"

#define MOST (16u << 20)
#define LOOK 4096

static void keep(struct str octets, void *arg)
{
	buf_add(arg, octets);
}

/* Header, empty line, body; false: something is left. */
static bool convert(struct str header, struct str body, size_t piece,
    struct buf *head, struct buf *out)
{
	struct seven_bit *s = seven_bit_new(header, LOOK, keep, out);

	for (; body.len > 0; body = str_skip(body, piece))
		seven_bit_add(s, str_sub(body, 0, piece));
	seven_bit_end(s);
	seven_bit_header(s, header, head);
	bool whole = seven_bit_left(s) == NULL;
	seven_bit_free(&s);
	if (head->overflow || out->overflow)
		abort();
	return whole;
}

static bool is_seven(struct str s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] > 127 || s.p[i] == '\0')
			return false;
		bool ends = s.p[i] == '\n' && i > 0 && s.p[i - 1] == '\r';
		column = ends ? 0 : column + 1;
		if (column > SEVEN_BIT_LINE + 1)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size);
	struct buf head[3], body[3];

	if (size > 65536)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(head); i++) {
		head[i] = buf_new(MOST);
		body[i] = buf_new(MOST);
	}
	size_t len = header_length(in);
	struct str header = str_sub(in, 0, len);
	if (str_ends(header, STR("\r\n\r\n")))
		header.len -= 2;
	struct str rest = str_skip(in, len);
	bool whole = convert(header, rest, SIZE_MAX, &head[0], &body[0]);
	size_t piece = size > 0 ? 1u + data[size / 2] % 64u : 1;
	if (convert(header, rest, piece, &head[1], &body[1]) != whole ||
	    !str_eq(buf_str(&head[0]), buf_str(&head[1])) ||
	    !str_eq(buf_str(&body[0]), buf_str(&body[1])))
		abort();
	if (whole && !is_seven(buf_str(&body[0])))
		abort();
	if (whole &&
	    (!convert(buf_str(&head[0]), buf_str(&body[0]), SIZE_MAX, &head[2],
		 &body[2]) ||
		!str_eq(buf_str(&body[0]), buf_str(&body[2]))))
		abort();
	for (size_t i = 0; i < ARRAY_LEN(head); i++) {
		buf_free(&head[i]);
		buf_free(&body[i]);
	}
	return 0;
}
