/* SPDX-License-Identifier: ISC */
/* text:, inline: and static:, which live in memory; and map_each. */
#include "conf/map_private.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/lines.h"
#include "core/file.h"
#include "core/memory.h"

int map_each(const char *text_path,
    int (*row)(struct str key, struct str value, unsigned line, void *arg),
    void *arg, struct buf *errors)
{
	struct buf text = buf_new(MAP_TEXT_MAX);
	struct lines l;
	int result = 0;

	if (file_read(text_path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", text_path, strerror(errno));
		buf_free(&text);
		return -1;
	}
	l = lines_start(buf_str(&text));
	while (lines_next(&l)) {
		struct str value = buf_str(&l.text);
		struct str key = str_word(&value, " \t");

		if (l.why == NULL && key.len > MAP_KEY_MAX)
			l.why = "the key is too long";
		if (l.why != NULL) {
			buf_printf(
			    errors, "%s:%u: %s\n", text_path, l.first, l.why);
			result = -1;
		} else if (row(key, str_trim(value), l.first, arg) != 0) {
			break;
		}
	}
	lines_end(&l);
	buf_free(&text);
	return result;
}

void map_text_add(struct table *t, struct str key, struct str value)
{
	char space[MAP_KEY_MAX];
	struct str folded = map_fold(key, space);

	if (folded.p != NULL && table_get(t, folded) == NULL)
		table_put(t, folded, str_dup(value));
}

static int add_row(struct str key, struct str value, unsigned line, void *arg)
{
	(void)line;
	map_text_add(arg, key, value);
	return 0;
}

struct table *map_text_load(const char *path, struct buf *why)
{
	struct table *t = NEW(struct table);
	struct buf errors = buf_new(65536);

	if (map_each(path, add_row, t, &errors) < 0) {
		struct str all = buf_str(&errors);

		buf_add(why, str_cut(&all, '\n'));
		map_text_unload(t);
		t = NULL;
	}
	buf_free(&errors);
	return t;
}

void map_text_unload(struct table *t)
{
	size_t at = 0;
	void *value;

	while (table_next(t, &at, NULL, &value))
		free(value);
	table_free(t);
	free(t);
}

struct sought {
	struct str key; /* folded */
	unsigned line;
	struct buf *value;
};

/* The first of two equal keys counts. */
static int seek_row(struct str key, struct str value, unsigned line, void *arg)
{
	struct sought *s = arg;

	if (!str_case_eq(key, s->key))
		return 0;
	s->line = line;
	buf_add(s->value, value);
	return 1;
}

unsigned map_text_line(
    void *data, const char *where, struct str key, struct buf *value)
{
	struct buf errors = buf_new(4096);
	struct sought s = {key, 0, value};

	(void)data;
	map_each(where, seek_row, &s, &errors);
	buf_free(&errors);
	return s.line;
}

static int any_row(struct str key, struct str value, unsigned line, void *arg)
{
	(void)key;
	(void)value;
	(void)line;
	(void)arg;
	return 0;
}

int map_text_check(const char *path, struct buf *errors)
{
	return map_each(path, any_row, NULL, errors);
}

static void *text_load(const char *where, struct buf *why)
{
	return map_text_load(where, why);
}

static void text_unload(void *data)
{
	map_text_unload(data);
}

enum map_result map_text_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	char space[MAP_KEY_MAX];
	struct str folded = map_fold(key, space);
	const char *value;

	(void)why;
	if (folded.p == NULL)
		return MAP_NONE;
	value = table_get(data, folded);
	if (value == NULL)
		return MAP_NONE;
	buf_add_text(out, value);
	return MAP_FOUND;
}

const struct map_kind map_text = {"text", true, text_load, map_text_find,
    text_unload, map_text_check, map_text_line};
const struct map_kind map_texthash = {"texthash", true, text_load,
    map_text_find, text_unload, map_text_check, map_text_line};

/* ---- inline:{ key=value, { key = value with blanks }, ... } ---- */

/* Position of the brace that closes the one before s; s.len without. */
static size_t closing(struct str s)
{
	size_t depth = 1;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '{')
			depth++;
		if (s.p[i] == '}' && --depth == 0)
			return i;
	}
	return s.len;
}

/* The next pair; false at the end. */
static bool cut_pair(struct str *rest, struct str *pair)
{
	while (rest->len > 0 && strchr(", \t\r\n", rest->p[0]) != NULL &&
	    rest->p[0] != '\0')
		*rest = str_skip(*rest, 1);
	if (rest->len == 0)
		return false;
	if (rest->p[0] == '{') {
		*rest = str_skip(*rest, 1);
		size_t end = closing(*rest);

		*pair = str_trim(str_sub(*rest, 0, end));
		*rest = str_skip(*rest, end + 1);
		return true;
	}
	*pair = str_word(rest, ", \t\r\n");
	return true;
}

static void *inline_load(const char *where, struct buf *why)
{
	struct str rest = str_trim(str_from(where)), pair;
	struct table *t;

	if (rest.len < 2 || rest.p[0] != '{' ||
	    closing(str_skip(rest, 1)) != rest.len - 2) {
		buf_add_text(why, "inline: wants { key=value, ... }");
		return NULL;
	}
	rest = str_sub(rest, 1, rest.len - 2);
	t = NEW(struct table);
	while (cut_pair(&rest, &pair)) {
		struct str value = pair;
		struct str key = str_trim(str_cut(&value, '='));

		if (key.len == 0 || str_find(pair, '=') == pair.len) {
			buf_printf(why, "inline: \"%.*s\" is not key=value",
			    STR_FMT(pair));
			map_text_unload(t);
			return NULL;
		}
		map_text_add(t, key, str_trim(value));
	}
	return t;
}

const struct map_kind map_inline = {
    "inline", false, inline_load, map_text_find, text_unload, NULL, NULL};

/* ---- static:value, static:{ value with blanks } ---- */

static void *static_load(const char *where, struct buf *why)
{
	struct str value = str_trim(str_from(where));

	(void)why;
	if (value.len >= 2 && value.p[0] == '{' &&
	    value.p[value.len - 1] == '}')
		value = str_trim(str_sub(value, 1, value.len - 2));
	return str_dup(value);
}

static enum map_result static_find(
    void *data, struct str key, struct buf *out, struct buf *why)
{
	(void)key;
	(void)why;
	buf_add_text(out, data);
	return MAP_FOUND;
}

static void static_unload(void *data)
{
	free(data);
}

const struct map_kind map_static = {
    "static", false, static_load, static_find, static_unload, NULL, NULL};
