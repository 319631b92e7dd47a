/* SPDX-License-Identifier: ISC */
#include "mail/splitter.h"

#include "mail/header.h"

/* What the line that begins at s->line, and is whole, means. */
static void decide(struct splitter *s, bool whole, struct str *rest)
{
	struct str line = str_skip(buf_str(&s->header), s->line);
	struct header_field field;
	struct str in = line;

	if (s->line > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		goto stays; /* goes on with the field before */
	switch (header_next(&in, &field)) {
	case 1:
		goto stays;
	case 0:
		break;
	default:
		/* An empty line too, but for its octets. */
		*rest = line;
	}
	s->in_body = true;
	s->header.len = s->line;
	return;
stays:
	if (!whole)
		buf_add(&s->header, STR("\r\n"));
	s->line = s->header.len;
}

size_t splitter_feed(
    struct splitter *s, const char *p, size_t len, struct str *rest)
{
	size_t at = 0;

	*rest = STR_EMPTY;
	while (!s->in_body && at < len) {
		struct str line = str_of(p + at, len - at);
		size_t end = str_find(line, '\n');
		bool whole = end < line.len;

		if (whole)
			line.len = end + 1;
		at += line.len;
		if (buf_add(&s->header, line) < 0)
			return len;
		if (whole)
			decide(s, true, rest);
	}
	return at;
}

void splitter_end(struct splitter *s, struct str *rest)
{
	*rest = STR_EMPTY;
	if (!s->in_body && !s->header.overflow && s->header.len > s->line)
		decide(s, false, rest);
	s->in_body = true;
}
