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

enum record_kind record_cut(struct str *rest, struct record *out)
{
	uint32_t magic = 0;

	if (rest->len == 0)
		return RECORD_END;
	if (rest->len >= sizeof(out->trace))
		memcpy(&magic, rest->p, sizeof(magic));
	if (magic != TRACE_MAGIC)
		return cut_line(rest, out);
	memcpy(&out->trace, rest->p, sizeof(out->trace));
	*rest = str_skip(*rest, sizeof(out->trace));
	return trace_is_valid(&out->trace) ? RECORD_TRACE : RECORD_BAD;
}
