/* SPDX-License-Identifier: ISC */
/*
 * Whatever a program pipes into sendmail -t: it becomes header and body of
 * CRLF lines whatever the pieces, every recipient is an address, and a header
 * that is finished is a header, with one From when it had none, and stays as
 * it is when it is finished again.
 *
 * The first octet is the size of the pieces, the rest is the input.
 */
#include <stdlib.h>

#include "core/file.h"
#include "mail/address.h"
#include "mail/header.h"
#include "sendmail/content.h"
#include "sendmail/header.h"

#define MOST 1048576

static void check_lines(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) ||
		    (s.p[i] == '\r' && (i + 1 == s.len || s.p[i + 1] != '\n')))
			abort();
	if (s.len > 0 && s.p[s.len - 1] != '\n')
		abort();
}

static void check_body(const struct content *c)
{
	struct buf body = buf_new(MOST);
	char *room = buf_room(&body, (size_t)c->size + 1);

	if (room == NULL ||
	    file_pread_full(c->body, room, (size_t)c->size, 0) < 0)
		abort();
	check_lines(str_of(room, (size_t)c->size));
	buf_free(&body);
}

static void check_recipients(struct str header)
{
	struct arena arena = arena_new(MOST);
	struct addresses a = {NULL, 0, 0, STR_EMPTY, false};
	struct address parts;
	const char *why;

	header_recipients(header, "site.test", &arena, &a);
	for (size_t i = 0; i < a.count; i++)
		if (address_split(a.list[i], true, &parts, &why) < 0)
			abort();
	arena_free(&arena);
}

static size_t froms(struct str header)
{
	struct header_field f;
	size_t n = 0;
	int got;

	while ((got = header_next(&header, &f)) != 0) {
		if (got < 0)
			abort();
		n += str_case_eq(f.name, STR("From"));
	}
	if (header.len > 0)
		abort();
	return n;
}

static void check_header(struct str header)
{
	struct buf out = buf_new(16 * MOST), again = buf_new(16 * MOST);
	size_t before = froms(header);

	header_finish(header, "site.test", "A \"B\"\n\xfc", STR("a@x"), &out);
	check_lines(buf_str(&out));
	if (froms(buf_str(&out)) != (before > 0 ? before : 1))
		abort();
	header_finish(buf_str(&out), "site.test", "", STR("b@y"), &again);
	if (!str_eq(buf_str(&out), buf_str(&again)))
		abort();
	header_wrong(header);
	buf_free(&out);
	buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct content c;
	struct str in;

	if (len < 2)
		return 0;
	in = str_of(data + 1, len - 1);
	if (content_open(&c, MOST / 4, MOST / 4) < 0)
		abort();
	c.ignore_dots = data[0] & 1;
	c.dots.unstuff = data[0] & 2;
	while (in.len > 0 && !c.ended)
		in = str_skip(
		    in, content_feed(&c, str_sub(in, 0, 1 + data[0] / 4u)));
	content_end(&c);
	if (!content_too_large(&c)) {
		check_body(&c);
		check_lines(content_header(&c));
		check_recipients(content_header(&c));
		check_header(content_header(&c));
	}
	content_close(&c);
	return 0;
}
