/* SPDX-License-Identifier: ISC */
/* Lists of words and tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "conf/listed.h"

static void domains_of_a_list(void **state)
{
	static const struct {
		const char *domain, *list;
		bool in;
	} rows[] = {{"a.test", "a.test", true},
	    {"A.test", "b.test a.TEST", true}, {"x.a.test", "a.test", false},
	    {"x.a.test", ".a.test", true}, {"a.test", ".a.test", false},
	    {"xa.test", "a.test", false}, {"a.test", "", false},
	    {".a.test", ".a.test", false}, {"", ".", false},
	    {"", "a.test", false}, {"a.test", ", \tb.test,a.test", true},
	    {"a.test", "!a.test a.test", false}, {"a.test", "!", false},
	    {"b.a.test", "!b.a.test .a.test", false},
	    {"c.a.test", "!b.a.test .a.test", true},
	    /* Nobody asks its tables: that is not known, so not listed. */
	    {"a.test", "hash:x a.test", false},
	    {"a.test", "a.test hash:x", true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(listed_domain(str_from(rows[i].list),
				     str_from(rows[i].domain)),
		    rows[i].in);
}

/* The table has what its name says behind the colon. */
static enum map_result ask(void *arg, struct str table, struct str keys)
{
	size_t *asked = arg;
	struct str key;

	++*asked;
	(void)str_cut(&table, ':');
	if (str_eq(table, STR("away")))
		return MAP_ERROR;
	while ((key = str_cut(&keys, '\n')).len > 0)
		if (str_eq(key, table))
			return MAP_FOUND;
	return MAP_NONE;
}

static void tables_of_a_list(void **state)
{
	static const struct {
		const char *list;
		enum map_result want;
		const char *by;
		size_t asked;
	} rows[] = {{"text:x.a.test", MAP_FOUND, "text:x.a.test", 1},
	    {"text:b hash:.a.test", MAP_FOUND, "hash:.a.test", 2},
	    {"text:a.test", MAP_NONE, "", 1},
	    {"text:.test", MAP_FOUND, "text:.test", 1},
	    {"!text:.test .a.test", MAP_NONE, "!text:.test", 1},
	    {"text:b .a.test", MAP_FOUND, ".a.test", 1},
	    {".a.test text:away", MAP_FOUND, ".a.test", 0},
	    {"text:away .a.test", MAP_ERROR, "text:away", 1},
	    {"!text:away .a.test", MAP_ERROR, "!text:away", 1},
	    {"hahs:x.a.test", MAP_NONE, "", 0}, {"text:", MAP_NONE, "", 0},
	    {"", MAP_NONE, "", 0}};
	struct str domain = STR("X.a.test");
	struct buf keys = buf_new(LISTED_KEYS_MAX);

	(void)state;
	listed_domain_keys(domain, &keys);
	assert_string_equal(buf_text(&keys), "x.a.test\n.a.test\n.test");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t asked = 0;
		struct listed l = {.is = listed_is_domain,
		    .what = &domain,
		    .keys = buf_str(&keys),
		    .ask = ask,
		    .arg = &asked};

		assert_int_equal(
		    listed_find(str_from(rows[i].list), &l), rows[i].want);
		assert_true(str_eq(l.by, str_from(rows[i].by)));
		assert_int_equal(asked, rows[i].asked);
	}
	buf_free(&keys);
}

static void the_longest_name_has_room(void **state)
{
	struct buf name = buf_new(300), keys = buf_new(LISTED_KEYS_MAX);

	(void)state;
	while (name.len < 252)
		buf_add_text(&name, "a.");
	buf_add_text(&name, "a");
	listed_domain_keys(buf_str(&name), &keys);
	assert_false(keys.overflow);
	buf_free(&name);
	buf_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(domains_of_a_list),
	    cmocka_unit_test(tables_of_a_list),
	    cmocka_unit_test(the_longest_name_has_room),
	};

	return cmocka_run_group_tests_name("listed", tests, NULL, NULL);
}
