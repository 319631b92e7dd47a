/* SPDX-License-Identifier: ISC */
#include "logd/record.h"

#define PROGRAM_MAX 32

static bool is_word(struct str s, size_t most)
{
	if (s.len == 0 || s.len > most)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static enum record_kind cut_line(struct str *rest, struct record *out)
{
	struct str line;

	if (str_find(*rest, '\n') == rest->len)
		return RECORD_BAD;
	line = str_cut(rest, '\n');
	if (!str_eq(str_cut(&line, '\t'), STR(LOG_RECORD)))
		return RECORD_BAD;
	out->level = str_cut(&line, '\t');
	out->program = str_cut(&line, '\t');
	if (!is_word(out->level, 16) || !is_word(out->program, PROGRAM_MAX) ||
	    str_to_u64(str_cut(&line, '\t'), UINT64_MAX, &out->lost) < 0)
		return RECORD_BAD;
	out->text = line;
	return RECORD_LINE;
}

/* All cells of one event, none of another. */
static enum record_kind cut_event(struct str *rest, struct record *out)
{
	const struct trace_cell *cells = (const void *)rest->p;
	size_t there = rest->len / sizeof(*cells), count;

	if (!trace_cell_is_valid(cells))
		return RECORD_BAD;
	count = trace_cell_begins(cells);
	if (count == 0 || count > TRACE_CELLS_MAX || count > there)
		return RECORD_BAD;
	for (size_t i = 1; i < count; i++)
		if (!trace_cell_is_valid(&cells[i]) ||
		    trace_cell_begins(&cells[i]) != 0)
			return RECORD_BAD;
	out->cells = cells;
	out->cell_count = count;
	*rest = str_skip(*rest, count * sizeof(*cells));
	return RECORD_TRACE;
}

enum record_kind record_cut(struct str *rest, struct record *out)
{
	if (rest->len == 0)
		return RECORD_END;
	return trace_cell_looks(*rest) ? cut_event(rest, out)
				       : cut_line(rest, out);
}
