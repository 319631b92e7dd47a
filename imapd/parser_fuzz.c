/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "imapd/fetch.h"
#include "imapd/input.h"
#include "imapd/parser.h"
#include "imapd/search.h"

/*
 * However the input is split, the same commands come out of it; and whatever
 * they are, the parser's views stay inside them.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void inside(struct str s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s.len; i++)
		sum += (unsigned char)s.p[i]; /* for the sanitizer */
	if (sum > s.len * 255)
		abort();
}

static void parse(struct str text, struct buf *out)
{
	struct arena arena = arena_new((size_t)4 << 20);
	struct parser in = parser_new(text, &arena);
	struct str s;

	while (in.p < in.end) {
		struct parser before = in;
		struct fetch fetch;
		struct search search;

		if (parser_astring(&in, &s))
			inside(s);
		else if (in.p == before.p)
			in.p++;
		in.why = NULL;
		before.why = NULL;
		struct parser again = before;
		fetch_parse(&again, &fetch);
		again = before;
		again.why = NULL;
		search_parse(&again, 100, &search);
		buf_printf(out, "%d,", (int)(in.p - text.p));
		if (in.p < before.p || in.p > in.end)
			abort();
		if (arena.used > (size_t)3 << 20)
			arena_clear(&arena);
	}
	arena_free(&arena);
}

static void run(struct str rest, unsigned split, bool deep, struct buf *out)
{
	struct input in;

	input_init(&in, 200);
	while (rest.len > 0) {
		enum input_event event;
		size_t piece = split == 0 ? rest.len : 1 + rest.len % split;
		size_t n = input_feed(&in, str_sub(rest, 0, piece), &event);

		rest = str_skip(rest, n);
		if (event == INPUT_MORE && n == 0)
			abort();
		if (event == INPUT_LITERAL && input_take(&in) < 0) {
			buf_add_char(out, 'r');
			input_refuse(&in);
		}
		if (event == INPUT_COMMAND || event == INPUT_TOO_LONG) {
			buf_add(out, buf_str(&in.text));
			buf_add_char(out, '|');
			if (deep && event == INPUT_COMMAND)
				parse(buf_str(&in.text), out);
		}
	}
	input_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = str_of(data, len);
	struct buf whole = buf_new((size_t)1 << 24);
	struct buf deep = buf_new((size_t)1 << 24);

	run(text, 0, false, &whole);
	run(text, 0, true, &deep);
	for (unsigned split = 1; split < 6; split++) {
		struct buf pieces = buf_new((size_t)1 << 24);

		run(text, split, false, &pieces);
		if (!str_eq(buf_str(&whole), buf_str(&pieces)))
			abort();
		buf_free(&pieces);
	}
	buf_free(&whole);
	buf_free(&deep);
	return 0;
}
