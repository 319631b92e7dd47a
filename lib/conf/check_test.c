/* SPDX-License-Identifier: ISC */
/* main.cf and master.cf against the registry: links the tables of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/conf_private.h"
#include "conf/mastercf.h"
#include "conf/registry.h"

/* clang-format off */
static const struct {
	const char *main, *master, *want;
} rows[] = {
	{"myhostname = a.example\n", "", ""},
	{"myhostnam = a.example\n", "",
	    "main.cf:1: unknown parameter myhostnam; did you mean "
	    "myhostname?\n"},
	{"mine = 1\nmyhostname = h$mine\n", "", ""},
	{"mine = 1\nmyhostname = h${yours?$mine}\n", "", ""},
	{"zebra_crossing_colour = 1\n", "",
	    "main.cf:1: unknown parameter zebra_crossing_colour\n"},
	{"mine = 1\n", "x unix - - - - - smtpd -o myhostname=$mine\n", ""},
	{"", "x unix - - - - - smtpd -o max_us=3\n",
	    "master.cf:1: service x: unknown parameter max_us; did you mean "
	    "max_use?\n"},
	{"", "x unix - - - - - smtpd -o max_use=0\n",
	    "master.cf:1: service x: max_use = 0: it lies between 1 and "
	    "100000000\n"},
	{"max_use = many\n", "",
	    "main.cf:1: max_use = many: this is a whole number\n"},
	{"ipc_timeout = 5x\n", "",
	    "main.cf:1: ipc_timeout = 5x: a time is a number with ms, s, m, "
	    "h, d or w behind it\n"},
	{"myhostname = $nobody\n", "",
	    "main.cf:1: myhostname: $nobody is neither set nor a "
	    "parameter\n"},
	{"mine = $mine\nmyhostname = $mine\n", "",
	    "main.cf:1: mine: a name leads back to itself\n"
	    "main.cf:2: myhostname: a name leads back to itself\n"},
};
/* clang-format on */

static void checks_names_and_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf errors = buf_new(65536);
		struct conf *conf = conf_parse(
		    str_from(rows[i].main), "main.cf", &errors);
		struct mastercf *m = mastercf_parse(
		    str_from(rows[i].master), "master.cf", &errors);
		int result = conf_check_services(conf, m, &errors);

		assert_string_equal(buf_text(&errors), rows[i].want);
		assert_int_equal(result, rows[i].want[0] == '\0' ? 0 : -1);
		conf_free(&conf);
		mastercf_free(&m);
		buf_free(&errors);
	}
}

struct reach {
	const char *owner, *name;
	struct buf *errors;
};

/* A default refers to what its daemon knows, or to what is empty. */
static void reachable(struct str reference, void *arg)
{
	struct reach *r = arg;
	char name[128];
	const char *owner = "nobody";
	const struct conf_param *row;

	str_copy(name, sizeof(name), reference);
	row = conf_find(name, &owner);
	if (row == NULL ||
	    (strcmp(owner, "house") != 0 && strcmp(owner, r->owner) != 0 &&
		row->fallback[0] != '\0'))
		buf_printf(r->errors,
		    "the default of %s refers to $%s of "
		    "%s\n",
		    r->name, name, owner);
}

/* Every default is a value that the check itself accepts, every name stands
 * once, and every row has a help text. */
static void tables_are_sound(void **state)
{
	(void)state;
	struct buf errors = buf_new(65536);
	struct conf *conf = conf_parse(STR(""), "main.cf", &errors);
	const char *why;

	for (const struct conf_table *t = conf_registry; t->owner; t++) {
		for (const struct conf_param *p = t->params; p->name; p++) {
			conf_check_value(conf, p->name, p->fallback, &errors);
			if (conf_find(p->name, NULL) != p)
				buf_printf(&errors, "%s: %s twice\n", t->owner,
				    p->name);
			conf_names(p->fallback, reachable,
			    &(struct reach){t->owner, p->name, &errors}, &why);
			if (p->help == NULL || p->help[0] == '\0')
				buf_printf(&errors, "%s: no help for %s\n",
				    t->owner, p->name);
		}
	}
	assert_string_equal(buf_text(&errors), "");
	buf_free(&errors);
	conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checks_names_and_values),
	    cmocka_unit_test(tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
