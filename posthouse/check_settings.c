/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "conf/registry.h"
#include "posthouse/check.h"

#define VALUE_MAX (1u << 20)

struct seeing {
	struct check *check;
	void (*see)(struct check *c, const struct conf_param *row,
	    const char *value, const char *place, void *arg);
	void *arg;
};

/* A value that is wrong was told when the parameters were checked. */
static void show(
    struct seeing *s, struct conf *conf, const struct conf_param *row)
{
	struct buf value = buf_new(VALUE_MAX), place = buf_new(8192);
	struct buf ignored = buf_new(65536);

	if (row->kind == CONF_KIND_TEXT &&
	    conf_value(conf, row->name, row->fallback, &value, &ignored) == 0) {
		conf_origin_text(conf, row->name, &place);
		s->see(
		    s->check, row, buf_text(&value), buf_text(&place), s->arg);
	}
	buf_free(&value);
	buf_free(&place);
	buf_free(&ignored);
}

/* What a service has of its own, by the rules that its daemon reads it. */
static void show_options(struct seeing *s, const struct service *row)
{
	const struct config *config = s->check->config;
	struct buf ignored = buf_new(65536);
	struct conf *conf = NULL;

	for (char *const *a = row->args; a != NULL && *a != NULL; a++) {
		if (strcmp(*a, "-o") != 0 || *++a == NULL)
			continue;
		struct str rest = str_from(*a);
		char *name = str_dup(str_trim(str_cut(&rest, '=')));
		const struct conf_param *param = conf_find(name, NULL);

		free(name);
		if (conf == NULL)
			conf = conf_parse(
			    str_of(config->text, config->text_len), "main.cf",
			    &ignored);
		if (param != NULL &&
		    conf_override_at(conf, *a, row->line, &ignored) == 0)
			show(s, conf, param);
	}
	conf_free(&conf);
	buf_free(&ignored);
}

void check_each_setting(struct check *c,
    void (*see)(struct check *c, const struct conf_param *row,
	const char *value, const char *place, void *arg),
    void *arg)
{
	struct seeing s = {c, see, arg};

	for (const struct conf_table *t = conf_registry; t->owner != NULL; t++)
		for (const struct conf_param *p = t->params; p->name != NULL;
		     p++)
			show(&s, c->config->conf, p);
	for (size_t i = 0; i < c->config->mastercf->count; i++)
		show_options(&s, &c->config->mastercf->services[i]);
}

void check_value_of(struct check *c, const char *name, struct buf *value)
{
	const struct conf_param *row = conf_find(name, NULL);
	struct buf ignored = buf_new(8192);

	if (row != NULL)
		conf_value(
		    c->config->conf, name, row->fallback, value, &ignored);
	buf_free(&ignored);
}
