/* SPDX-License-Identifier: ISC */
/*
 * Every table that a parameter names is read as its daemon would, all of it:
 * a daemon that met a bad line would tell the first alone, and say 451 for what
 * the table decides.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "core/table.h"
#include "posthouse/check.h"

#define ERRORS_MAX (1u << 18)

/* "hahs:users": which type was meant. NULL when none is near, or it is one. */
static const char *nearest_type(struct str spec)
{
	struct str type = str_cut(&spec, ':');
	const char *best = NULL, *name;
	size_t least = 3;

	for (size_t i = 0; (name = map_type(i)) != NULL; i++) {
		size_t far = conf_distance(type, str_from(name));

		if (far > 0 && far < least) {
			least = far;
			best = name;
		}
		if (far == 0)
			return NULL;
	}
	return best;
}

/* Each line of a table with the parameter that names it. */
static void tell(struct check *c, struct str lines, struct str spec,
    const char *name, const char *place)
{
	const char *nearest = nearest_type(spec);

	while (lines.len > 0) {
		struct str line = str_cut(&lines, '\n');

		buf_printf(&c->problems, "%.*s%s%s%s (%s, %s)\n", STR_FMT(line),
		    nearest != NULL ? "; did you mean " : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "?" : "",
		    name, place);
	}
}

static void look_at_age(struct check *c, struct str spec, const char *path)
{
	if ((str_starts(spec, STR("hash:")) ||
		str_starts(spec, STR("btree:"))) &&
	    access(path, F_OK) == 0 && map_is_stale(path) > 0)
		buf_printf(
		    &c->warnings, "%s: newer than its compiled form\n", path);
}

/* A table that only root and its daemon may read says nothing to others. */
static bool is_hidden(struct check *c, const char *path)
{
	if (geteuid() == 0 || access(path, R_OK) == 0 || errno != EACCES)
		return false;
	buf_printf(
	    &c->warnings, "%s: not looked at: %s\n", path, strerror(EACCES));
	return true;
}

static void look_at_table(
    struct check *c, struct str spec, const char *name, const char *place)
{
	const char *base = c->config->house.config_directory;
	char *text = str_dup(spec), *path = map_path(text, base);
	struct buf errors = buf_new(ERRORS_MAX);

	if (path != NULL && is_hidden(c, path)) {
		/* told */
	} else if (map_check(text, base, &errors) < 0) {
		tell(c, buf_str(&errors), spec, name, place);
	} else if (path != NULL) {
		look_at_age(c, spec, path);
	}
	buf_free(&errors);
	free(path);
	free(text);
}

/* Once for each table, however many parameters name it. */
static void look_at_value(struct check *c, const struct conf_param *row,
    const char *value, const char *place, void *arg)
{
	bool all = str_ends(str_from(row->name), STR("_maps"));
	struct str rest = str_from(value), spec;
	struct table *seen = arg;

	while ((spec = map_cut_spec(&rest)).len > 0) {
		spec = str_skip(spec, spec.p[0] == '!');
		/* Of other lists the words that are tables. */
		if ((!all && !map_is_spec(spec)) ||
		    table_get(seen, spec) != NULL)
			continue;
		table_put(seen, spec, c);
		look_at_table(c, spec, row->name, place);
	}
}

void check_tables(struct check *c)
{
	struct table seen = table_new();

	check_each_setting(c, look_at_value, &seen);
	table_free(&seen);
}
