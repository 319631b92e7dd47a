/* SPDX-License-Identifier: ISC */
/* Reads main.cf and fills structs from parameter tables. */
#include "conf/conf_private.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/lines.h"
#include "core/file.h"
#include "core/memory.h"

struct conf_entry *conf_entry(const struct conf *conf, const char *name)
{
	uintptr_t at = (uintptr_t)table_get(&conf->by_name, str_from(name));

	return at == 0 ? NULL : &conf->entries[at - 1];
}

static void set(
    struct conf *conf, struct str name, struct str value, unsigned line)
{
	uintptr_t at = (uintptr_t)table_get(&conf->by_name, name);
	struct conf_entry *e;

	if (at != 0) {
		e = &conf->entries[at - 1];
		free(e->value);
		e->value = str_dup(value);
		e->line = line;
		return;
	}
	if (conf->count == conf->room) {
		conf->room = conf->room == 0 ? 64 : conf->room * 2;
		conf->entries = mem_resize(
		    conf->entries, conf->room, sizeof(struct conf_entry));
	}
	conf->entries[conf->count++] = (struct conf_entry){
	    str_dup(name), str_dup(value), line, 0};
	table_put(&conf->by_name, name, (void *)(uintptr_t)conf->count);
}

static bool is_name(struct str name)
{
	if (name.len == 0 || name.len > 127)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

/* "name = value", both trimmed; NULL, or what is wrong. */
static const char *split(struct str text, struct str *name, struct str *value)
{
	size_t equals = str_find(text, '=');

	if (equals == text.len)
		return "this is not \"name = value\"";
	*name = str_trim(str_sub(text, 0, equals));
	*value = str_trim(str_skip(text, equals + 1));
	if (!is_name(*name))
		return "a name consists of letters, digits and underscores";
	return NULL;
}

static void take_line(struct conf *conf, struct lines *l, struct buf *errors)
{
	struct str name, value;
	const char *why = l->why;

	if (why == NULL)
		why = split(buf_str(&l->text), &name, &value);
	if (why != NULL) {
		buf_printf(errors, "%s:%u: %s\n", conf->file, l->first, why);
		return;
	}
	struct conf_entry *before = table_get(&conf->by_name, name) == NULL
	    ? NULL
	    : &conf->entries[(uintptr_t)table_get(&conf->by_name, name) - 1];
	if (before != NULL)
		buf_printf(&conf->warnings,
		    "%s:%u: %s was already set in line %u; this line counts\n",
		    conf->file, l->first, before->name, before->line);
	set(conf, name, value, l->first);
}

struct conf *conf_parse(struct str text, const char *name, struct buf *errors)
{
	struct conf *conf = NEW(struct conf);
	struct lines l = lines_start(text);

	conf->file = str_dup(str_from(name));
	conf->warnings = buf_new(65536);
	while (lines_next(&l))
		take_line(conf, &l, errors);
	lines_end(&l);
	return conf;
}

struct conf *conf_read(const char *path, struct buf *errors)
{
	struct buf text = buf_new(CONF_FILE_MAX);
	struct conf *conf = NULL;

	if (file_read(path, &text) < 0)
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
	else
		conf = conf_parse(buf_str(&text), path, errors);
	buf_free(&text);
	return conf;
}

void conf_free(struct conf **conf)
{
	struct conf *c = *conf;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++) {
		free(c->entries[i].name);
		free(c->entries[i].value);
	}
	for (size_t i = 0; i < c->text_count; i++)
		free(c->texts[i]);
	free(c->entries);
	free(c->texts);
	free(c->tables);
	free(c->file);
	table_free(&c->by_name);
	buf_free(&c->warnings);
	free(c);
	*conf = NULL;
}

int conf_override_at(struct conf *conf, const char *assignment,
    unsigned master_line, struct buf *errors)
{
	struct str name, value;
	const char *why = split(str_from(assignment), &name, &value);

	if (why != NULL) {
		buf_printf(errors, "-o %s: %s\n", assignment, why);
		return -1;
	}
	set(conf, name, value, 0);
	conf->entries[(uintptr_t)table_get(&conf->by_name, name) - 1]
	    .option_line = master_line;
	return 0;
}

int conf_override(struct conf *conf, const char *assignment, struct buf *errors)
{
	return conf_override_at(conf, assignment, 0, errors);
}

const char *conf_raw(const struct conf *conf, const char *name)
{
	const struct conf_entry *e = conf_entry(conf, name);

	return e == NULL ? NULL : e->value;
}

void conf_stress(struct conf *conf, bool stressed)
{
	conf->stressed = stressed;
}

struct str conf_warnings(const struct conf *conf)
{
	return buf_str(&conf->warnings);
}

void conf_where(const struct conf *conf, const char *name, struct buf *out)
{
	const struct conf_entry *e = conf_entry(conf, name);

	if (e == NULL)
		buf_printf(out, "%s: default of ", conf->file);
	else if (e->line == 0)
		buf_printf(out, "%s: -o ", conf->file);
	else
		buf_printf(out, "%s:%u: ", conf->file, e->line);
}

const struct conf_param *conf_row(
    const struct conf_param *params, struct str name)
{
	for (const struct conf_param *p = params; p->name != NULL; p++)
		if (str_eq(str_from(p->name), name))
			return p;
	return NULL;
}

const char *conf_default(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->table_count; i++) {
		const struct conf_param *row = conf_row(
		    conf->tables[i], str_from(name));

		if (row != NULL)
			return row->fallback;
	}
	return NULL;
}

void conf_know(struct conf *conf, const struct conf_param *params)
{
	for (size_t i = 0; i < conf->table_count; i++)
		if (conf->tables[i] == params)
			return;
	conf->tables = mem_resize(conf->tables, conf->table_count + 1,
	    sizeof(const struct conf_param *));
	conf->tables[conf->table_count++] = params;
}

/* A text value: a copy that belongs to conf. */
static const char *keep(struct conf *conf, struct str text)
{
	conf->texts = mem_resize(
	    conf->texts, conf->text_count + 1, sizeof(conf->texts[0]));
	conf->texts[conf->text_count] = str_dup(text);
	return conf->texts[conf->text_count++];
}

static void put(struct conf *conf, const struct conf_param *row,
    const char *text, void *into)
{
	if (row->kind == CONF_KIND_TEXT)
		*(const char **)(void *)((char *)into + row->offset) = keep(
		    conf, str_from(text));
	else
		conf_store(row, text, into, NULL);
}

/* Expanded, and right for its kind; else -1 with an error line. */
static int value_of(struct conf *conf, const struct conf_param *row,
    struct buf *value, struct buf *errors)
{
	struct buf why = buf_new(4096);
	int result = conf_value(conf, row->name, row->fallback, value, errors);

	if (result == 0 && conf_store(row, buf_text(value), NULL, &why) < 0) {
		conf_where(conf, row->name, errors);
		buf_printf(errors, "%s = %s: %s\n", row->name, buf_text(value),
		    buf_text(&why));
		result = -1;
	}
	buf_free(&why);
	return result;
}

/* What counts in place of a wrong value: the default; without its references
 * when they make it wrong too; and at last the first of what is allowed. */
static void default_of(
    struct conf *conf, const struct conf_param *row, struct buf *value)
{
	struct buf why = buf_new(4096);

	buf_clear(value);
	if (conf_expand(conf, row->fallback, value, &why) < 0 ||
	    conf_store(row, buf_text(value), NULL, &why) < 0) {
		buf_clear(value);
		buf_add_text(value, row->fallback);
	}
	if (conf_store(row, buf_text(value), NULL, &why) < 0) {
		buf_clear(value);
		if (row->kind == CONF_KIND_BOOL)
			buf_add_text(value, "no");
		else if (row->kind == CONF_KIND_CHOICE)
			buf_add_text(value, row->choices[0]);
		else
			buf_printf(value, "%lld", (long long)row->least);
	}
	buf_free(&why);
}

static int fill_one(struct conf *conf, const struct conf_param *row, void *into,
    struct buf *errors)
{
	struct buf value = buf_new(CONF_FILE_MAX);
	int result = value_of(conf, row, &value, errors);

	if (result < 0)
		default_of(conf, row, &value);
	put(conf, row, buf_text(&value), into);
	buf_free(&value);
	return result;
}

int conf_fill(struct conf *conf, const struct conf_param *params, void *into,
    struct buf *errors)
{
	int result = 0;

	conf_know(conf, params);
	for (const struct conf_param *row = params; row->name != NULL; row++)
		if (fill_one(conf, row, into, errors) < 0)
			result = -1;
	return result;
}

size_t conf_extent(const struct conf_param *params)
{
	static const size_t sizes[] = {
	    [CONF_KIND_TEXT] = sizeof(const char *),
	    [CONF_KIND_INT] = sizeof(int),
	    [CONF_KIND_BOOL] = sizeof(bool),
	    [CONF_KIND_TIME] = sizeof(int64_t),
	    [CONF_KIND_SIZE] = sizeof(uint64_t),
	    [CONF_KIND_CHOICE] = sizeof(int),
	};
	size_t extent = 0;

	for (const struct conf_param *p = params; p->name != NULL; p++)
		if (p->offset + sizes[p->kind] > extent)
			extent = p->offset + sizes[p->kind];
	return extent;
}

bool conf_next(const struct conf *conf, size_t *at, const char **name,
    const char **value, unsigned *line)
{
	if (*at >= conf->count)
		return false;
	const struct conf_entry *e = &conf->entries[(*at)++];
	if (name != NULL)
		*name = e->name;
	if (value != NULL)
		*value = e->value;
	if (line != NULL)
		*line = e->line;
	return true;
}
