/* SPDX-License-Identifier: ISC */
/*
 * A client that takes the dots off again has the message, and nothing in it
 * looks like the end. The first octet says where to cut the rest in chunks.
 * The same octets as a command line: what is split off is what stands there.
 */
#include <stdlib.h>

#include "core/buf.h"
#include "pop3d/command.h"
#include "pop3d/stuff.h"

static void add(struct stuffer *st, struct str chunk, struct buf *out)
{
	while (chunk.len > 0) {
		bool dot;
		size_t before = chunk.len;
		struct str run = stuff_next(st, &chunk, &dot);

		if (run.len == 0 || run.len + chunk.len != before)
			abort();
		if (dot)
			buf_add_char(out, '.');
		buf_add(out, run);
	}
}

/* Lines end with LF here, as for the most careless client. */
static void unstuff(struct str wire, struct buf *out)
{
	while (wire.len > 0) {
		size_t n = str_find(wire, '\n') + 1;
		struct str line = str_sub(wire, 0, n);

		wire = str_skip(wire, n);
		if (str_eq(line, STR(".\r\n")) || str_eq(line, STR(".\n"))) {
			if (wire.len > 0)
				abort();
			return;
		}
		buf_add(out, line.p[0] == '.' ? str_skip(line, 1) : line);
	}
	abort(); /* no end */
}

static void stuffing(struct str in, size_t step)
{
	struct buf wire = buf_new(in.len * 2 + 10), back = buf_new(in.len + 2);
	struct stuffer st = {false};

	for (size_t at = 0; at < in.len; at += step)
		add(&st, str_sub(in, at, step), &wire);
	buf_add(&wire, stuff_end(&st));
	unstuff(buf_str(&wire), &back);
	if (back.overflow || !str_eq(str_sub(buf_str(&back), 0, in.len), in) ||
	    (back.len != in.len && back.len != in.len + 2))
		abort();
	buf_free(&wire);
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str in = {(const char *)data, len}, verb;
	uint64_t numbers[2];
	int count;

	if (len == 0)
		return 0;
	stuffing(str_skip(in, 1), (size_t)data[0] + 1);
	count = command_split(in, &verb, numbers);
	if (count > 2 || verb.len > len || str_find(verb, ' ') < verb.len)
		abort();
	for (int i = 0; i < count; i++)
		if (numbers[i] > UINT32_MAX)
			abort();
	return 0;
}
