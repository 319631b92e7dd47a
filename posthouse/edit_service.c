/* SPDX-License-Identifier: ISC */
#include "posthouse/edit_service.h"

#define TEXT_MAX (1u << 20)

static bool is_skipped(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static bool continues(struct str line)
{
	return line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
}

static bool is_row_of(struct str line, struct str service)
{
	struct str name = str_word(&line, " \t"), type = str_word(&line, " \t");
	size_t slash = str_find_last(service, '/');

	return slash < service.len &&
	    str_eq(name, str_sub(service, 0, slash)) &&
	    str_eq(type, str_skip(service, slash + 1));
}

/* Octets of the row in the text, its last line feed included. */
static bool find_row(
    struct str text, struct str service, size_t *start, size_t *end)
{
	struct str rest = text;
	bool found = false;

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');
		size_t after = (size_t)(rest.p - text.p);

		if (is_skipped(line))
			continue;
		if (!continues(line)) {
			if (found)
				return true;
			found = is_row_of(line, service);
			*start = (size_t)(line.p - text.p);
		}
		if (found)
			*end = after;
	}
	return found;
}

/* The end of the word at `at`; one in braces may have blanks. */
static size_t word_end(struct str s, size_t at)
{
	size_t depth = 0;

	for (; at < s.len; at++) {
		if (s.p[at] == '{')
			depth++;
		else if (s.p[at] == '}' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(" \t\r\n", s.p[at]) != NULL)
			break;
	}
	return at;
}

static size_t skip_blanks(struct str s, size_t at)
{
	while (at < s.len && strchr(" \t\r\n", s.p[at]) != NULL)
		at++;
	return at;
}

/* Comment lines within a row have no options. */
static size_t skip_comments(struct str s, size_t at)
{
	for (;;) {
		size_t from = skip_blanks(s, at);

		if (from >= s.len || s.p[from] != '#')
			return from;
		at = from + str_find(str_skip(s, from), '\n');
	}
}

/* "-o name=value" in a row: from the - to behind the value. */
static bool find_option(struct str row, struct str name, size_t *from,
    size_t *to, struct str *value)
{
	bool found = false;
	size_t at = 0;

	while ((at = skip_comments(row, at)) < row.len) {
		size_t end = word_end(row, at), next;
		struct str word, key;

		if (!str_eq(str_sub(row, at, end - at), STR("-o"))) {
			at = end;
			continue;
		}
		next = skip_blanks(row, end);
		end = word_end(row, next);
		word = str_sub(row, next, end - next);
		if (word.len >= 2 && word.p[0] == '{')
			word = str_trim(str_sub(word, 1, word.len - 2));
		key = str_trim(str_cut(&word, '='));
		if (str_eq(key, name)) { /* the last one counts */
			*from = at;
			*to = end;
			*value = str_trim(word);
			found = true;
		}
		at = end;
	}
	return found;
}

static void put_option(struct buf *out, struct str name, const char *value)
{
	bool blanks = strpbrk(value, " \t") != NULL || value[0] == '{';

	buf_printf(out, blanks ? "-o { %.*s = %s }" : "-o %.*s=%s",
	    STR_FMT(name), value);
}

/* The line that becomes empty goes too. */
static void widen(struct str text, size_t *from, size_t *to)
{
	size_t start = *from, end = *to;

	while (start > 0 &&
	    (text.p[start - 1] == ' ' || text.p[start - 1] == '\t'))
		start--;
	while (end < text.len && (text.p[end] == ' ' || text.p[end] == '\t'))
		end++;
	if (start > 0 && text.p[start - 1] == '\n' && end < text.len &&
	    text.p[end] == '\n') {
		*from = start;
		*to = end + 1;
	} else {
		*from = start; /* the blank before it */
	}
}

int edit_service(struct buf *text, struct str service, struct str name,
    const char *value, struct buf *old, bool *was)
{
	struct str all = buf_str(text), before = STR_EMPTY;
	struct buf out = buf_new(TEXT_MAX);
	size_t start = 0, end = 0, from = 0, to = 0;

	if (!find_row(all, service, &start, &end))
		return -1;
	*was = find_option(
	    str_sub(all, start, end - start), name, &from, &to, &before);
	buf_add(old, before);
	from += start;
	to += start;
	if (!*was)
		from = to = end;
	else if (value == NULL)
		widen(all, &from, &to);
	buf_add(&out, str_sub(all, 0, from));
	if (value != NULL && !*was) {
		if (end > 0 && all.p[end - 1] != '\n')
			buf_add_char(&out, '\n');
		buf_add_text(&out, "    ");
	}
	if (value != NULL)
		put_option(&out, name, value);
	if (value != NULL && !*was)
		buf_add_char(&out, '\n');
	buf_add(&out, str_skip(all, to));
	buf_free(text);
	*text = out;
	return 0;
}
