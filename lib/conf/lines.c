/* SPDX-License-Identifier: ISC */
#include "conf/lines.h"

struct lines lines_start(struct str text)
{
	return (struct lines){
	    .rest = text, .next = 1, .text = buf_new(LINES_MAX)};
}

void lines_end(struct lines *l)
{
	buf_free(&l->text);
}

static bool is_skipped(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static bool continues(struct str line)
{
	return line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

static void add(struct lines *l, struct str line)
{
	if (str_find(line, '\0') < line.len)
		l->why = "there is a NUL in the line";
	if (l->text.len > 0)
		buf_add_char(&l->text, ' ');
	buf_add(&l->text, str_trim(line));
	if (l->text.overflow)
		l->why = "the line is too long";
}

/* The parts that follow; stops before the next logical line. */
static void join(struct lines *l)
{
	while (l->rest.len > 0) {
		struct str rest = l->rest;
		struct str line = str_cut(&rest, '\n');

		if (!is_skipped(line)) {
			if (!continues(line))
				return;
			add(l, line);
		}
		l->rest = rest;
		l->next++;
	}
}

bool lines_next(struct lines *l)
{
	buf_clear(&l->text);
	l->why = NULL;
	while (l->rest.len > 0) {
		struct str line = str_cut(&l->rest, '\n');

		l->first = l->next++;
		if (is_skipped(line))
			continue;
		if (continues(line))
			l->why = "begins with a blank, but there is no line "
				 "before it to continue";
		add(l, line);
		join(l);
		return true;
	}
	return false;
}
