/* SPDX-License-Identifier: ISC */
/*
 * What is set against what is known. A name is known when the registry has
 * it, when another value refers to it (a macro of the user's own), when
 * smtpd_restriction_classes lists it, or when it is TRANSPORT_ and the end of
 * a default_ parameter (smtp_destination_concurrency_limit).
 */
#include "conf/conf_private.h"

#include <stdlib.h>

#include "conf/mastercf.h"
#include "conf/registry.h"

struct check {
	struct conf *conf;
	struct buf *errors;
	struct table referred; /* names that values refer to */
	const char *name;      /* whose value is looked at */
	const char *owner;
	bool failed;
};

static void refer(struct str name, void *arg)
{
	struct check *c = arg;

	table_put(&c->referred, name, c);
}

/* The row of a name, that of default_... for TRANSPORT_... . */
static const struct conf_param *row_of(const char *name, const char **owner)
{
	static const char *const ends[] = {"_destination_", "_initial_"};
	const struct conf_param *row = conf_find(name, owner);

	for (size_t i = 0; row == NULL && i < ARRAY_LEN(ends); i++) {
		const char *end = strstr(name, ends[i]);
		struct buf other = buf_new(256);

		if (end != NULL && end != name) {
			buf_printf(&other, "default%s", end);
			row = conf_find(buf_text(&other), owner);
		}
		buf_free(&other);
	}
	return row;
}

/*
 * A daemon knows the defaults of the house and its own only: a value may
 * refer to another daemon's parameter when that one is set.
 */
static void resolvable(struct str reference, void *arg)
{
	struct check *c = arg;
	char name[128];
	const char *owner = NULL;
	const struct conf_param *row = NULL;

	if (str_copy(name, sizeof(name), reference) == 0 &&
	    conf_raw(c->conf, name) == NULL)
		row = row_of(name, &owner);
	if (row == NULL)
		return; /* set, or told by the expansion */
	if (strcmp(owner, "house") == 0 ||
	    (c->owner != NULL && strcmp(owner, c->owner) == 0))
		return;
	conf_where(c->conf, c->name, c->errors);
	buf_printf(c->errors,
	    "%s refers to $%s, a parameter of %s; set %s too "
	    "to use it here\n",
	    c->name, name, owner, name);
	c->failed = true;
}

static void check_known(struct check *c, const char *name)
{
	const struct conf_param *row = row_of(name, &c->owner);
	struct buf value = buf_new(CONF_FILE_MAX), why = buf_new(4096);
	const char *raw = conf_raw(c->conf, name), *reason;

	c->name = name;
	if (row == NULL)
		c->owner = NULL;
	if (conf_value(c->conf, name, "", &value, c->errors) < 0) {
		c->failed = true;
	} else if (row != NULL &&
	    conf_store(row, buf_text(&value), NULL, &why) < 0) {
		conf_where(c->conf, name, c->errors);
		buf_printf(c->errors, "%s = %s: %s\n", name, buf_text(&value),
		    buf_text(&why));
		c->failed = true;
	} else if (row != NULL) {
		conf_names(raw, resolvable, c, &reason);
	}
	buf_free(&value);
	buf_free(&why);
}

static bool is_known(struct check *c, const char *name)
{
	struct str classes = str_from(
	    conf_raw(c->conf, "smtpd_restriction_classes"));
	struct str class;

	if (row_of(name, NULL) != NULL ||
	    table_get(&c->referred, str_from(name)) != NULL)
		return true;
	while ((class = str_word(&classes, ", \t")).len > 0)
		if (str_eq(class, str_from(name)))
			return true;
	return false;
}

static void say_unknown(struct buf *errors, const char *name)
{
	const char *nearest = conf_nearest(name);

	buf_printf(errors, "unknown parameter %s", name);
	if (nearest != NULL)
		buf_printf(errors, "; did you mean %s?", nearest);
	buf_add_char(errors, '\n');
}

static void collect(struct check *c, const char *value)
{
	const char *why;

	conf_names(value, refer, c, &why);
}

/* name=value behind the -o of a service. */
static void check_option(
    struct check *c, const struct service *s, const char *option)
{
	struct str rest = str_from(option);
	struct str word = str_trim(str_cut(&rest, '='));
	struct buf line = buf_new(4096);
	char name[128];

	if (str_copy(name, sizeof(name), word) < 0 || name[0] == '\0' ||
	    strchr(option, '=') == NULL)
		buf_printf(&line, "-o %s is not name=value\n", option);
	else if (!is_known(c, name))
		say_unknown(&line, name);
	else if (row_of(name, NULL) != NULL)
		conf_check_value(
		    c->conf, name, option + (rest.p - option), &line);
	if (line.len > 0) {
		buf_printf(c->errors, "%s:%u: service %s: %s", service_place(s),
		    s->line, s->name, buf_text(&line));
		c->failed = true;
	}
	buf_free(&line);
}

static void each_option(struct check *c, const struct mastercf *m,
    void (*act)(struct check *, const struct service *, const char *))
{
	for (size_t i = 0; m != NULL && i < m->count; i++) {
		char *const *args = m->services[i].args;

		for (size_t a = 0; args != NULL && args[a] != NULL; a++)
			if (strcmp(args[a], "-o") == 0 && args[a + 1] != NULL)
				act(c, &m->services[i], args[++a]);
	}
}

static void collect_option(
    struct check *c, const struct service *s, const char *option)
{
	(void)s;
	collect(c, option);
}

/* What is set, once more as it counts under stress. */
static void check_stressed(struct check *c)
{
	if (c->failed || table_get(&c->referred, STR("stress")) == NULL)
		return;
	conf_stress(c->conf, true);
	for (size_t i = 0; i < c->conf->count; i++)
		if (is_known(c, c->conf->entries[i].name))
			check_known(c, c->conf->entries[i].name);
	conf_stress(c->conf, false);
}

int conf_check_services(
    struct conf *conf, const struct mastercf *m, struct buf *errors)
{
	struct check c = {.conf = conf, .errors = errors};

	for (const struct conf_table *t = conf_registry; t->owner; t++)
		conf_know(conf, t->params);
	for (size_t i = 0; i < conf->count; i++)
		collect(&c, conf->entries[i].value);
	each_option(&c, m, collect_option);
	for (size_t i = 0; i < conf->count; i++) {
		const char *name = conf->entries[i].name;

		if (is_known(&c, name)) {
			check_known(&c, name);
			continue;
		}
		conf_where(conf, name, errors);
		say_unknown(errors, name);
		c.failed = true;
	}
	each_option(&c, m, check_option);
	check_stressed(&c);
	table_free(&c.referred);
	return c.failed ? -1 : 0;
}

int conf_check(struct conf *conf, struct buf *errors)
{
	return conf_check_services(conf, NULL, errors);
}

int conf_check_value(
    struct conf *conf, const char *name, const char *value, struct buf *errors)
{
	const struct conf_param *row = row_of(name, NULL);
	struct buf text = buf_new(CONF_FILE_MAX), why = buf_new(4096);
	int result = -1;

	for (const struct conf_table *t = conf_registry; t->owner; t++)
		conf_know(conf, t->params);
	if (row == NULL) {
		say_unknown(errors, name);
	} else if (conf_expand(conf, value, &text, &why) < 0 ||
	    conf_store(row, buf_text(&text), NULL, &why) < 0) {
		buf_printf(
		    errors, "%s = %s: %s\n", name, value, buf_text(&why));
	} else {
		result = 0;
	}
	buf_free(&text);
	buf_free(&why);
	return result;
}
