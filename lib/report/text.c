/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>

#include "mail/encode.h"
#include "mail/header.h"
#include "report/parts.h"

int report_fail(struct report_reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
	return -1;
}

/*
 * Whether a character must not reach a terminal: C0 and C1 controls, and what
 * turns the direction of writing (U+202A to U+202E, U+2066 to U+2069).
 */
static bool is_control(const char *p, size_t len)
{
	const unsigned char *c = (const unsigned char *)p;

	if (len == 1)
		return c[0] < 0x20 || c[0] == 0x7f;
	if (len == 2)
		return c[0] == 0xc2 && c[1] < 0xa0;
	return len == 3 && c[0] == 0xe2 &&
	    ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) ||
		(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

/* Octets of the character at the start of s; 0: it is no UTF-8. */
static size_t character(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return len <= s.len && utf8_valid(str_sub(s, 0, len)) ? len : 0;
}

struct str report_text(struct arena *arena, struct str in)
{
	char text[REPORT_TEXT_MAX];
	size_t used = 0;
	struct str rest = str_trim(in), out;
	bool blank = false;

	while (rest.len > 0) {
		size_t len = character(rest);
		char c = rest.p[0];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			blank = true;
			rest = str_skip(rest, 1);
			continue;
		}
		if (used + blank + (len == 0 ? 1 : len) > sizeof(text))
			break;
		if (blank)
			text[used++] = ' ';
		blank = false;
		if (len == 0 || is_control(rest.p, len)) {
			text[used++] = '?';
		} else {
			memcpy(text + used, rest.p, len);
			used += len;
		}
		rest = str_skip(rest, len == 0 ? 1 : len);
	}
	out = arena_copy(arena, str_of(text, used));
	return out.p == NULL ? STR_EMPTY : out;
}

struct str report_lower(struct arena *arena, struct str in)
{
	struct str text = report_text(arena, in);

	for (size_t i = 0; i < text.len; i++)
		/* the arena's copy is ours */
		((char *)(uintptr_t)text.p)[i] = ascii_lower(text.p[i]);
	return text;
}

struct str report_header(struct arena *arena, struct str value)
{
	struct buf text = buf_new(16 * REPORT_TEXT_MAX);
	struct str out;

	header_decode(value, &text);
	out = report_text(arena, buf_str(&text));
	buf_free(&text);
	return out;
}

void *report_list_add(
    struct arena *arena, void **list, size_t *count, size_t size, size_t most)
{
	/* Full at every power of two, from 4 on. */
	bool full = *count == 0 ||
	    (*count >= 4 && (*count & (*count - 1)) == 0);

	if (*count >= most)
		return NULL;
	if (full) {
		size_t room = *count == 0 ? 4 : *count * 2;
		void *larger = arena_alloc(arena, room * size);

		if (larger == NULL)
			return NULL;
		if (*count > 0)
			memcpy(larger, *list, *count * size);
		*list = larger;
	}
	return (char *)*list + size * (*count)++;
}
