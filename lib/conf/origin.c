/* SPDX-License-Identifier: ISC */
/* Which line of which file a parameter's value comes from. */
#include "conf/conf_private.h"

/* The end of a path: who asks knows the directory. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

struct conf_origin conf_origin(const struct conf *conf, const char *name)
{
	const struct conf_entry *e = conf_entry(conf, name);

	if (e == NULL)
		return (struct conf_origin){CONF_BY_DEFAULT, NULL, 0};
	if (e->line != 0)
		return (struct conf_origin){
		    CONF_BY_FILE, last_part(conf->file), e->line};
	return (struct conf_origin){CONF_BY_OPTION,
	    e->option_line != 0 ? "master.cf" : NULL, e->option_line};
}

static void add_own(const struct conf_origin *o, struct buf *out)
{
	if (o->source == CONF_BY_DEFAULT)
		buf_add_text(out, "default");
	if (o->file != NULL)
		buf_printf(out, "%s:%u", o->file, o->line);
	if (o->source == CONF_BY_OPTION)
		buf_add_text(out, o->file != NULL ? " -o" : "-o");
}

/* What stands behind the $names of a value, one in the other. */
struct walk {
	const struct conf *conf;
	struct buf *out;
	const char *seen[CONF_DEPTH_MAX]; /* names told, of conf's entries */
	size_t count;
};

static void add_name(struct str name, void *arg)
{
	struct walk *w = arg;
	struct conf_origin o;
	const char *ignored;
	struct conf_entry *e;
	char text[128];

	if (str_copy(text, sizeof(text), name) < 0)
		return;
	e = conf_entry(w->conf, text);
	if (e == NULL) {
		const char *value = conf_default(w->conf, text);

		/* A default says something only by what it refers to. */
		if (value != NULL && w->count < CONF_DEPTH_MAX) {
			w->seen[w->count++] = value;
			conf_names(value, add_name, w, &ignored);
		}
		return;
	}
	for (size_t i = 0; i < w->count; i++)
		if (w->seen[i] == e->name)
			return;
	if (w->count == CONF_DEPTH_MAX)
		return;
	w->seen[w->count++] = e->name;
	o = conf_origin(w->conf, e->name);
	buf_printf(w->out, "%s$%s, ", w->out->len == 0 ? "" : "; ", e->name);
	add_own(&o, w->out);
	conf_names(e->value, add_name, w, &ignored);
}

void conf_origin_text(
    const struct conf *conf, const char *name, struct buf *out)
{
	struct conf_origin o = conf_origin(conf, name);
	struct conf_entry *e = conf_entry(conf, name);
	const char *value = e != NULL ? e->value : conf_default(conf, name);
	struct buf others = buf_new(4096);
	struct walk w = {.conf = conf, .out = &others};
	const char *ignored;

	add_own(&o, out);
	if (e != NULL)
		w.seen[w.count++] = e->name;
	if (value != NULL)
		conf_names(value, add_name, &w, &ignored);
	if (others.len > 0) {
		buf_add_text(out, ": ");
		buf_add(out, buf_str(&others));
	}
	buf_free(&others);
}
