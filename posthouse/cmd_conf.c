/* SPDX-License-Identifier: ISC */
/* posthouse conf: the parameters of main.cf, from the registry. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/registry.h"
#include "core/memory.h"
#include "daemon/config.h"
#include "posthouse/conf_command.h"
#include "posthouse/edit.h"
#include "posthouse/edit_service.h"

#define VALUE_MAX (1024u * 1024u)

static const char *const kinds[] = {
    "text", "number", "yes or no", "time", "size", "choice"};

/* ---- values ---- */

static void value_of(
    struct posthouse *p, const struct conf_param *row, struct buf *value)
{
	struct buf errors = buf_new(4096);

	if (conf_value(p->conf, row->name, row->fallback, value, &errors) < 0)
		buf_add_text(value, row->fallback);
	buf_free(&errors);
}

/* The line of main.cf that sets a name; 0: the default counts. */
static unsigned line_of(struct posthouse *p, const char *name)
{
	const char *each;
	unsigned line;
	size_t at = 0;

	while (conf_next(p->conf, &at, &each, NULL, &line))
		if (strcmp(each, name) == 0)
			return line;
	return 0;
}

/* Reads main.cf with the defaults of all tables known to it. */
static int read_conf(struct posthouse *p)
{
	struct buf ignored = buf_new(4096);

	if (posthouse_conf(p) < 0)
		return -1;
	conf_check_value(p->conf, "myhostname", "", &ignored);
	buf_free(&ignored);
	return 0;
}

static void put_json(struct posthouse *p, struct json *j,
    const struct conf_param *row, const char *owner)
{
	struct buf value = buf_new(VALUE_MAX), origin = buf_new(VALUE_MAX);

	value_of(p, row, &value);
	json_object(j, NULL);
	json_text(j, "name", str_from(row->name));
	json_text(j, "value", buf_str(&value));
	json_text(j, "default", str_from(row->fallback));
	json_bool(j, "set", line_of(p, row->name) != 0);
	json_text(j, "kind", str_from(kinds[row->kind]));
	conf_origin_text(p->conf, row->name, &origin);
	json_text(j, "origin", buf_str(&origin));
	json_text(j, "of", str_from(owner));
	json_text(j, "help", str_from(row->help));
	json_end(j);
	buf_free(&value);
	buf_free(&origin);
}

/* ---- list ---- */

struct named {
	const struct conf_param *row;
	const char *owner;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->row->name, y->row->name);
}

/* All rows in order of their names; the caller frees. */
static struct named *sorted(size_t *count)
{
	struct named *all = NULL;
	size_t n = 0;

	for (const struct conf_table *t = conf_registry; t->owner; t++)
		for (const struct conf_param *r = t->params; r->name; r++)
			n++;
	all = mem_array(n + 1, sizeof(*all));
	n = 0;
	for (const struct conf_table *t = conf_registry; t->owner; t++)
		for (const struct conf_param *r = t->params; r->name; r++)
			all[n++] = (struct named){r, t->owner};
	qsort(all, n, sizeof(*all), by_name);
	*count = n;
	return all;
}

static int list(struct posthouse *p)
{
	struct buf out = buf_new(16u << 20), value = buf_new(VALUE_MAX);
	struct json j = json_start(&out);
	struct named *all;
	size_t count;

	if (read_conf(p) < 0)
		return 1;
	all = sorted(&count);
	if (p->json)
		json_array(&j, NULL);
	for (size_t i = 0; i < count; i++) {
		const struct conf_param *row = all[i].row;

		if (p->json) {
			put_json(p, &j, row, all[i].owner);
			continue;
		}
		buf_clear(&value);
		value_of(p, row, &value);
		buf_printf(&out, "%s = %s\n", row->name, buf_text(&value));
	}
	if (p->json)
		json_end(&j);
	fputs(buf_text(&out), stdout);
	free(all);
	buf_free(&out);
	buf_free(&value);
	return 0;
}

/* ---- get, explain ---- */

static const struct conf_param *find(const char *name, const char **owner)
{
	const struct conf_param *row = conf_find(name, owner);
	const char *nearest;

	if (row != NULL)
		return row;
	nearest = conf_nearest(name);
	posthouse_fail("conf", "there is no parameter %s%s%s%s", name,
	    nearest == NULL ? "" : "; did you mean ",
	    nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
	return NULL;
}

static int get(struct posthouse *p, const char *name)
{
	const char *owner, *raw;
	struct buf value = buf_new(VALUE_MAX);
	const struct conf_param *row;
	int result = 1;

	if (read_conf(p) < 0)
		return 1;
	raw = conf_raw(p->conf, name);
	row = conf_find(name, &owner);
	if (row == NULL && raw == NULL) {
		find(name, &owner);
	} else {
		struct buf errors = buf_new(4096);
		struct json j = json_start(&value);

		if (p->json && row != NULL)
			put_json(p, &j, row, owner);
		else if (row != NULL)
			value_of(p, row, &value);
		else /* a macro of the user's own */
			conf_value(p->conf, name, "", &value, &errors);
		printf("%s%s", buf_text(&value),
		    p->json && row != NULL ? "" : "\n");
		buf_free(&errors);
		result = 0;
	}
	buf_free(&value);
	return result;
}

static void explain_bounds(const struct conf_param *row, struct buf *out)
{
	const char *unit = row->kind == CONF_KIND_TIME ? " s"
	    : row->kind == CONF_KIND_SIZE              ? " octets"
						       : "";

	if (row->kind == CONF_KIND_CHOICE) {
		for (int i = 0; row->choices[i] != NULL; i++)
			buf_printf(
			    out, "%s%s", i == 0 ? ": " : ", ", row->choices[i]);
	} else if (row->kind == CONF_KIND_INT || row->kind == CONF_KIND_TIME ||
	    row->kind == CONF_KIND_SIZE) {
		buf_printf(
		    out, ", at least %lld%s", (long long)row->least, unit);
		if (row->most != INT64_MAX)
			buf_printf(out, ", at most %lld%s",
			    (long long)row->most, unit);
	}
	buf_add_char(out, '\n');
}

static int explain(struct posthouse *p, const char *name)
{
	const char *owner = "";
	const struct conf_param *row = find(name, &owner);
	struct buf out = buf_new(VALUE_MAX), value = buf_new(VALUE_MAX);
	struct json j = json_start(&out);

	if (row == NULL || read_conf(p) < 0)
		return 1;
	if (p->json) {
		put_json(p, &j, row, owner);
	} else {
		unsigned line = line_of(p, name);

		value_of(p, row, &value);
		buf_printf(&out, "%s\n    %s\n\n    kind:    %s", name,
		    row->help, kinds[row->kind]);
		explain_bounds(row, &out);
		buf_printf(&out, "    default: %s\n    value:   %s\n",
		    row->fallback, buf_text(&value));
		if (line != 0)
			buf_printf(&out, "    set in:  %s/main.cf:%u\n",
			    p->config_directory, line);
		buf_add_text(&out, "    origin:  ");
		conf_origin_text(p->conf, name, &out);
		buf_add_char(&out, '\n');
		buf_printf(&out, "    used by: %s\n",
		    strcmp(owner, "house") == 0 ? "everybody" : owner);
	}
	fputs(buf_text(&out), stdout);
	buf_free(&out);
	buf_free(&value);
	return 0;
}

/* ---- set, unset, check ---- */

/* What one call changes: main.cf, or the options of one service. */
struct change {
	struct posthouse *p;
	const char *service; /* NULL: main.cf */
	bool removes, reloads;
	struct edit e;
	struct buf told; /* a line for each */
};

static int change_one(struct change *c, const char *assignment)
{
	struct str value = str_from(assignment);
	struct str name = str_trim(str_cut(&value, '='));
	struct buf old = buf_new(VALUE_MAX);
	bool was = false, has_equals = strchr(assignment, '=') != NULL;
	char *text = str_dup(str_trim(value));
	int result = 0;

	if (has_equals == c->removes || name.len == 0 ||
	    strchr(assignment, '\n') != NULL) {
		result = posthouse_fail("conf", "%s is not %s", assignment,
		    c->removes ? "a NAME" : "NAME=VALUE");
	} else if (c->service == NULL) {
		was = edit_get(&c->e, name, &old);
		if (c->removes)
			edit_delete(&c->e, name);
		else
			edit_set(&c->e, name, str_trim(value));
	} else if (edit_service(&c->e.text, str_from(c->service), name,
		       c->removes ? NULL : text, &old, &was) < 0) {
		result = posthouse_fail("conf",
		    "master.cf has no service %s; they are written NAME/TYPE, "
		    "as smtp/inet",
		    c->service);
	}
	if (result == 0 && c->removes && !was)
		result = posthouse_fail("conf", "%.*s is not set in %s%s%s",
		    STR_FMT(name),
		    c->service == NULL ? "main.cf" : "master.cf for ",
		    c->service == NULL ? "" : c->service, "");
	if (result == 0)
		buf_printf(&c->told, "%s%s%.*s: %s -> %s\n",
		    c->service == NULL ? "" : c->service,
		    c->service == NULL ? "" : ": ", STR_FMT(name),
		    was ? buf_text(&old) : "not set",
		    c->removes ? "not set" : text);
	free(text);
	buf_free(&old);
	return result;
}

/* The new text against the registry and the other file. */
static int check_text(struct change *c)
{
	struct buf errors = buf_new(65536), ignored = buf_new(65536);
	const char *other_name = c->service == NULL ? "master.cf" : "main.cf";
	char *path = posthouse_path(c->p, other_name);
	struct mastercf *m;
	struct conf *conf;
	int result = 0;

	if (c->service == NULL) {
		conf = conf_parse(buf_str(&c->e.text), c->e.path, &errors);
		m = mastercf_read(c->p->config_directory, NULL, &ignored);
	} else {
		conf = conf_read(path, &ignored);
		m = mastercf_parse(buf_str(&c->e.text), c->e.path, &errors);
	}
	if (conf != NULL)
		conf_check_services(conf, m, &errors);
	if (errors.len > 0)
		result = posthouse_fail(
		    "conf", "nothing was changed:\n%s", buf_text(&errors));
	mastercf_free(&m);
	conf_free(&conf);
	free(path);
	buf_free(&errors);
	buf_free(&ignored);
	return result;
}

static int save(struct change *c)
{
	c->e.is_conf = true; /* no table: nothing to compile */
	if (edit_save(&c->e, "conf", 0644) < 0)
		return 1;
	if (!c->p->json)
		fputs(buf_text(&c->told), stdout);
	if (c->reloads)
		return cmd_reload(c->p, 1, (char *[]){"reload", NULL});
	if (!c->p->json)
		printf("\"posthouse -c %s reload\" makes it work\n",
		    c->p->config_directory);
	return 0;
}

static int change(struct posthouse *p, char **words, bool removes)
{
	int lock = edit_lock(p, "conf"), result = 1;
	struct change c = {
	    .p = p, .removes = removes, .told = buf_new(VALUE_MAX)};

	if (words[0] != NULL && strchr(words[0], '/') != NULL &&
	    strchr(words[0], '=') == NULL)
		c.service = *words++;
	if (lock >= 0 &&
	    edit_open(&c.e, p, "conf",
		c.service == NULL ? "main.cf" : "master.cf") == 0) {
		result = words[0] == NULL ? posthouse_usage("conf") : 0;
		for (; result == 0 && *words != NULL; words++) {
			if (strcmp(*words, "--reload") == 0)
				c.reloads = true;
			else
				result = change_one(&c, *words);
		}
		if (result == 0)
			result = check_text(&c);
		if (result == 0)
			result = save(&c);
		edit_close(&c.e);
	}
	if (lock >= 0)
		close(lock);
	buf_free(&c.told);
	return result;
}

static int check(struct posthouse *p)
{
	struct buf errors = buf_new(1u << 20), out = buf_new(2u << 20);
	struct config *config = config_read(p->config_directory, &errors);
	struct json j = json_start(&out);
	struct str rest = buf_str(&errors);

	if (p->json) {
		json_object(&j, NULL);
		json_bool(&j, "ok", config != NULL);
		json_array(&j, "errors");
		while (rest.len > 0)
			json_text(&j, NULL, str_cut(&rest, '\n'));
		json_end(&j);
		json_end(&j);
		fputs(buf_text(&out), stdout);
	} else {
		fputs(buf_text(&errors), stderr);
		if (config != NULL)
			fprintf(stderr, "%.*s",
			    STR_FMT(conf_warnings(config->conf)));
	}
	int result = config == NULL;
	config_free(&config);
	buf_free(&errors);
	buf_free(&out);
	return result;
}

int cmd_conf(struct posthouse *p, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list(p);
	if (argc >= 2 && strcmp(argv[1], "diff") == 0)
		return conf_diff(p, argc - 2, argv + 2);
	if (argc == 3 && strcmp(argv[1], "get") == 0)
		return get(p, argv[2]);
	if (argc == 3 && strcmp(argv[1], "explain") == 0)
		return explain(p, argv[2]);
	if (argc >= 3 && strcmp(argv[1], "set") == 0)
		return change(p, argv + 2, false);
	if (argc >= 3 && strcmp(argv[1], "unset") == 0)
		return change(p, argv + 2, true);
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check(p);
	if (argc >= 2 && strcmp(argv[1], "import") == 0)
		return conf_import(p, argc - 2, argv + 2);
	return posthouse_usage("conf");
}
