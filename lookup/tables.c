/* SPDX-License-Identifier: ISC */
#include "lookup/tables.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"

#define RETRY_MS 1000

struct open_table {
	struct map *map;  /* NULL: could not be opened */
	int64_t next_try; /* clock_ms */
	char *why;        /* what was logged last */
};

struct tables tables_new(const char *base)
{
	return (struct tables){table_new(), base};
}

static void open_table_free(struct open_table *o)
{
	map_close(&o->map);
	free(o->why);
	free(o);
}

void tables_free(struct tables *t)
{
	size_t at = 0;
	void *value;

	while (table_next(&t->by_spec, &at, NULL, &value))
		open_table_free(value);
	table_free(&t->by_spec);
}

/* Logs a reason unless it was the last one. */
static void tell(struct open_table *o, struct str spec, const char *why)
{
	if (o->why != NULL && strcmp(o->why, why) == 0)
		return;
	free(o->why);
	o->why = str_dup(str_from(why));
	log_error("table %.*s: %s", STR_FMT(spec), why);
}

static void try_open(struct tables *t, struct open_table *o, struct str spec)
{
	int64_t now = clock_ms();
	const char *why;
	char *text;

	if (o->map != NULL || now < o->next_try)
		return;
	o->next_try = now + RETRY_MS;
	text = str_dup(spec);
	o->map = map_open(text, t->base, &why);
	if (o->map == NULL)
		tell(o, spec, why);
	free(text);
}

/* NULL when too many are open. */
static struct open_table *get(struct tables *t, struct str spec)
{
	struct open_table *o = table_get(&t->by_spec, spec);

	if (o == NULL && t->by_spec.count < TABLES_MAX) {
		o = NEW(struct open_table);
		table_put(&t->by_spec, spec, o);
	}
	if (o != NULL)
		try_open(t, o, spec);
	return o;
}

static void tell_warning(struct open_table *o, struct str spec)
{
	struct buf warning = buf_new(1024);

	if (map_take_warning(o->map, &warning))
		log_warning("table %.*s: %s; the old content goes on serving",
		    STR_FMT(spec), buf_text(&warning));
	buf_free(&warning);
}

enum map_result tables_find(struct tables *t, struct str spec, struct str key,
    struct buf *out, const char **why)
{
	struct open_table *o = get(t, spec);
	enum map_result result;

	*why = "too many tables are open";
	if (o == NULL)
		return MAP_ERROR;
	*why = o->why == NULL ? "it cannot be opened" : o->why;
	if (o->map == NULL)
		return MAP_ERROR;
	result = map_find(o->map, key, out);
	if (result == MAP_ERROR) {
		*why = map_why(o->map);
		tell(o, spec, *why);
	}
	tell_warning(o, spec);
	return result;
}

enum map_result tables_find_any(struct tables *t, const char *maps,
    struct str key, struct buf *out, const char **why)
{
	struct str rest = str_from(maps), spec;

	while ((spec = map_cut_spec(&rest)).len > 0) {
		enum map_result r = tables_find(t, spec, key, out, why);

		if (r != MAP_NONE)
			return r;
	}
	return MAP_NONE;
}

static bool has_dots(struct str path)
{
	while (path.len > 0)
		if (str_eq(str_cut(&path, '/'), STR("..")))
			return true;
	return false;
}

static bool is_below(struct str path, struct str directory)
{
	if (path.len > 0 && path.p[0] != '/')
		return true; /* relative names are */
	return str_starts(path, directory) && path.len > directory.len &&
	    path.p[directory.len] == '/';
}

/* The file's own name, without its folder. */
static struct str name_of(const char *path)
{
	struct str s = str_from(path);
	size_t slash = str_find_last(s, '/');

	return slash < s.len ? str_skip(s, slash + 1) : s;
}

bool tables_may_ask(const struct tables *t, struct str spec,
    const char *allowed, const char *secrets)
{
	struct str rest = str_from(allowed), other, path = spec;

	while ((other = map_cut_spec(&rest)).len > 0)
		if (str_eq(str_skip(other, other.p[0] == '!'), spec))
			return true;
	if (str_starts(path, STR("proxy:")))
		path = str_skip(path, 6);
	struct str type = str_cut(&path, ':');
	if (str_eq(type, STR("inline")) || str_eq(type, STR("static")))
		return true;
	/* auth alone answers for passwords, and what signs stays here. */
	return !has_dots(path) && is_below(path, str_from(t->base)) &&
	    !str_ends(path, STR("passwords")) &&
	    (name_of(secrets).len == 0 || !str_ends(path, name_of(secrets)));
}
