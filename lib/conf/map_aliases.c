/* SPDX-License-Identifier: ISC */
/* aliases:, the text of /etc/aliases: "name: target, target ...". */
#include "conf/map_private.h"

#include <errno.h>

#include "conf/lines.h"
#include "core/file.h"
#include "core/memory.h"

/* The name before the colon, without its quotes; NULL, or what is wrong. */
static const char *cut_name(struct str *line, struct str *name)
{
	bool quoted = line->len > 0 && line->p[0] == '"';

	if (quoted)
		*line = str_skip(*line, 1);
	*name = str_trim(str_cut(line, quoted ? '"' : ':'));
	*line = str_trim(*line);
	if (quoted && (line->len == 0 || line->p[0] != ':'))
		return "behind the name in quotes stands no colon";
	if (quoted)
		*line = str_trim(str_skip(*line, 1));
	if (name->len == 0 || line->len == 0)
		return "an alias is written name: address, address ...";
	return name->len > MAP_KEY_MAX ? "the name is too long" : NULL;
}

/* What a walk over the file is for. */
struct walk {
	struct table *table; /* gets all of it; or: */
	struct str key;      /* is looked for, */
	struct buf *value;   /* its targets, */
	unsigned line;       /* its place; 0: not there */
};

static bool take(
    struct walk *w, struct str name, struct str targets, unsigned n)
{
	if (w->table != NULL) {
		map_text_add(w->table, name, targets);
		return true;
	}
	if (!str_case_eq(name, w->key))
		return true;
	buf_add(w->value, targets);
	w->line = n;
	return false;
}

/* -1 with an error line for each that is wrong; those are passed over. */
static int read_aliases(const char *path, struct walk *w, struct buf *errors)
{
	struct buf text = buf_new(MAP_TEXT_MAX);
	int result = 0;
	struct lines l;
	struct str name;

	if (file_read(path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
		buf_free(&text);
		return -1;
	}
	l = lines_start(buf_str(&text));
	while (lines_next(&l)) {
		struct str targets = buf_str(&l.text);
		const char *wrong = l.why != NULL ? l.why
						  : cut_name(&targets, &name);

		if (wrong != NULL) {
			buf_printf(errors, "%s:%u: %s\n", path, l.first, wrong);
			result = -1;
		} else if (!take(w, name, targets, l.first)) {
			break;
		}
	}
	lines_end(&l);
	buf_free(&text);
	return result;
}

static void *load(const char *where, struct buf *why)
{
	struct walk w = {.table = NEW(struct table)};
	struct buf errors = buf_new(65536);

	if (read_aliases(where, &w, &errors) < 0) {
		struct str all = buf_str(&errors);

		buf_add(why, str_cut(&all, '\n'));
		map_text_unload(w.table);
		w.table = NULL;
	}
	buf_free(&errors);
	return w.table;
}

static int check(const char *where, struct buf *errors)
{
	struct walk w = {.table = NEW(struct table)};
	int result = read_aliases(where, &w, errors);

	map_text_unload(w.table);
	return result;
}

static void unload(void *data)
{
	map_text_unload(data);
}

static unsigned line_of(
    void *data, const char *where, struct str key, struct buf *value)
{
	struct buf ignored = buf_new(8192);
	struct walk w = {.key = key, .value = value};

	(void)data;
	read_aliases(where, &w, &ignored);
	buf_free(&ignored);
	return w.line;
}

const struct map_kind map_aliases = {
    "aliases", true, load, map_text_find, unload, check, line_of};
