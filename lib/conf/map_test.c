/* SPDX-License-Identifier: ISC */
/* Lookup tables of all types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/map.h"
#include "core/file.h"

static char dir[] = "/tmp/map_test.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static const char *const names[] = {"t", "t.db", "p", "c"};

static int remove_dir(void **state)
{
	char path[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(file_replace(path_of(name), str_from(text), 0644), 0);
}

/* The value, "-" when there is none, "error: why". */
static const char *find(struct map *m, const char *key)
{
	static struct buf out = {.most = 4096};
	enum map_result r;

	buf_clear(&out);
	r = map_find(m, str_from(key), &out);
	if (r == MAP_NONE)
		buf_add_text(&out, "-");
	if (r == MAP_ERROR)
		buf_printf(&out, "error: %s", map_why(m));
	return buf_text(&out);
}

static struct map *open_ok(const char *spec)
{
	const char *why = "";
	struct map *m = map_open(spec, dir, &why);

	if (m == NULL)
		fail_msg("%s: %s", spec, why);
	return m;
}

static void tables_in_memory(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *spec, *key, *want;
	} rows[] = {
		{"static:x y", "any", "x y"},
		{"static:{ x y }", "any", "x y"},
		{"inline:{a=b}", "a", "b"},
		{"inline:{ a=b, C = }", "c", "error"},
		{"inline:{ a=b, { C d = e f } }", "c D", "e f"},
		{"inline:{ a=b a=c }", "A", "b"},
		{"inline:{ a=b }", "x", "-"},
		{"inline: {a={b}}", "a", "{b}"},
		{"proxy:inline:{a=b}", "a", "b"},
		{"inline:{a=b", "a", "error"},
		{"inline:{a=b}}", "a", "error"},
		{"inline:{a}", "a", "error"},
		{"inline:", "a", "error"},
		{"sdbm:x", "a", "error"},
		{"x", "a", "error"},
		{"text:missing", "a", "error"},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;
		struct map *m = map_open(rows[i].spec, dir, &why);

		if (m == NULL)
			assert_non_null(why);
		assert_string_equal(
		    m == NULL ? "error" : find(m, rows[i].key), rows[i].want);
		map_close(&m);
	}
}

static int collect(struct str key, struct str value, unsigned line, void *arg)
{
	buf_printf(arg, "%u:%.*s=%.*s|", line, STR_FMT(key), STR_FMT(value));
	return 0;
}

static void text_is_read_and_walked(void **state)
{
	(void)state;
	struct buf got = buf_new(4096), errors = buf_new(4096);
	struct map *m;

	put("t", "# c\nA@x  1 2\nb\n c\n\n d\ne\n");
	assert_int_equal(map_each(path_of("t"), collect, &got, &errors), 0);
	assert_string_equal(buf_text(&got), "2:A@x=1 2|3:b=c d|7:e=|");
	m = open_ok("text:t");
	assert_string_equal(find(m, "a@X"), "1 2");
	assert_string_equal(find(m, "b"), "c d");
	assert_string_equal(find(m, "e"), "");
	assert_string_equal(find(m, "d"), "-");
	map_close(&m);
	buf_free(&got);
	buf_free(&errors);
}

/* As if the file had been written s seconds ago. */
static void aliases_are_names_and_targets(void **state)
{
	static const struct {
		const char *text, *wrong;
	} bad[] = {
	    {"a b\n", "t:1: an alias is written name: address, address ..."},
	    {"a: b\nc:\n",
		"t:2: an alias is written name: address, address ..."},
	    {"\"a b\" c\n", "t:1: behind the name in quotes stands no colon"},
	    {": b\n", "t:1: an alias is written name: address, address ..."},
	};
	struct map *m;
	const char *why;

	(void)state;
	put("t",
	    "# c\nPostmaster: root\nroot:\tann, bob\n  carl\n"
	    "\"two words\" : \"|/bin/x y\"\nroot: second\nx :y:z\n");
	m = open_ok("aliases:t");
	assert_string_equal(find(m, "postmaster"), "root");
	assert_string_equal(find(m, "ROOT"), "ann, bob carl");
	assert_string_equal(find(m, "two words"), "\"|/bin/x y\"");
	assert_string_equal(find(m, "x"), "y:z");
	assert_string_equal(find(m, "root:"), "-");
	map_close(&m);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("t", bad[i].text);
		assert_null(map_open("aliases:t", dir, &why));
		assert_non_null(strstr(why, bad[i].wrong));
	}
}

static void age(const char *name, time_t s)
{
	struct timespec t[2];

	clock_gettime(CLOCK_REALTIME, &t[0]);
	t[0].tv_sec -= s;
	t[1] = t[0];
	assert_int_equal(utimensat(AT_FDCWD, path_of(name), t, 0), 0);
}

static void wait_for_check(void)
{
	usleep(1100000);
}

static void the_newer_counts(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096);
	const char *const types[] = {"hash", "btree"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char spec[20];
		struct map *m;

		snprintf(spec, sizeof(spec), "%s:t", types[i]);
		unlink(path_of("t.db"));
		put("t", "Key one\n");
		assert_int_equal(map_is_stale(path_of("t")), 1);
		m = open_ok(spec); /* from the text alone */
		assert_string_equal(find(m, "kEY"), "one");
		map_close(&m);

		assert_int_equal(
		    map_compile(types[i], path_of("t"), &errors), 0);
		assert_int_equal(map_is_stale(path_of("t")), 0);
		/* The text changes without a new time: the database serves. */
		struct stat st;
		assert_int_equal(stat(path_of("t"), &st), 0);
		put("t", "key two\n");
		const struct timespec t[2] = {st.st_mtim, st.st_mtim};
		assert_int_equal(utimensat(AT_FDCWD, path_of("t"), t, 0), 0);
		m = open_ok(spec);
		assert_string_equal(find(m, "KEY"), "one");
		assert_string_equal(find(m, "none"), "-");
		/* A newer text counts, within a second. */
		put("t", "key three\n");
		assert_int_equal(map_is_stale(path_of("t")), 1);
		wait_for_check();
		assert_string_equal(find(m, "key"), "three");
		/* Compiled again. */
		put("t", "key four\nother five\n");
		assert_int_equal(
		    map_compile(types[i], path_of("t"), &errors), 0);
		wait_for_check();
		assert_string_equal(find(m, "key"), "four");
		assert_string_equal(find(m, "other"), "five");
		map_close(&m);
		assert_string_equal(buf_text(&errors), "");
	}
	buf_free(&errors);
}

static void a_bad_change_leaves_the_old(void **state)
{
	(void)state;
	struct buf warning = buf_new(4096);
	struct map *m;

	unlink(path_of("t.db"));
	put("t", "key one\n");
	age("t", 10);
	m = open_ok("hash:t");
	assert_int_equal(map_take_warning(m, &warning), 0);
	put("t", " key two\n");
	wait_for_check();
	assert_string_equal(find(m, "key"), "one");
	assert_int_equal(map_take_warning(m, &warning), 1);
	assert_non_null(strstr(buf_text(&warning), "begins with a blank"));
	assert_int_equal(map_take_warning(m, &warning), 0);
	put("t", "key three\n");
	wait_for_check();
	assert_string_equal(find(m, "key"), "three");
	map_close(&m);
	buf_free(&warning);
}

static void compiling_tells_what_is_wrong(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096);
	struct map *m;

	put("t", "a 1\nb 2\nA 3\n");
	assert_int_equal(map_compile("hash", path_of("t"), &errors), 0);
	assert_non_null(strstr(buf_text(&errors), ":3: A stands here twice"));
	m = open_ok("hash:t");
	assert_string_equal(find(m, "a"), "1");
	map_close(&m);
	put("t", " a 1\n");
	assert_int_equal(map_compile("hash", path_of("t"), &errors), -1);
	assert_int_equal(map_compile("hash", path_of("missing"), &errors), -1);
	buf_free(&errors);
}

static void expect_errors(const char *spec, const char *want)
{
	struct buf errors = buf_new(4096), seen = buf_new(4096);
	struct str rest;

	int result = map_check(spec, dir, &errors);
	rest = buf_str(&errors);
	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, str_from(dir)))
			line = str_skip(line, strlen(dir) + 1);
		buf_printf(&seen, "%.*s\n", STR_FMT(line));
	}
	assert_string_equal(buf_text(&seen), want);
	assert_int_equal(result, want[0] == '\0' ? 0 : -1);
	buf_free(&errors);
	buf_free(&seen);
}

static void a_check_tells_all_that_is_wrong(void **state)
{
	(void)state;
	put("t", " a 1\nb 2\n");
	expect_errors("text:t",
	    "t:1: begins with a blank, but there is no line before it to "
	    "continue\n");
	expect_errors("hash:t",
	    "t:1: begins with a blank, but there is no line before it to "
	    "continue\n");
	put("t", "a: b\nc d\n\"e f: g\n");
	expect_errors("aliases:t",
	    "t:2: an alias is written name: address, address ...\n"
	    "t:3: behind the name in quotes stands no colon\n");
	put("p", "/a(/ x\n/b/ $3\nif /c/\n");
	expect_errors("pcre:p",
	    "p:1: the pattern is not a regular expression (missing closing "
	    "parenthesis, at octet 2)\n"
	    "p:2: the pattern has no group of this number\n");
	put("p", "/b/ x\nif /c/\n/d/ y\n");
	expect_errors("pcre:p", "p:2: an if has no endif\n");
	put("p", "1.2.3.4/33 x\n1.2.3.0/24 y\n1.2.3.4/24 z\n");
	expect_errors("cidr:p",
	    "p:1: what follows the slash is not a number of bits\n"
	    "p:3: there are bits set behind the network's\n");
	expect_errors("cidr:none", "none: No such file or directory\n");
	expect_errors("inline:{a}", "inline: \"a\" is not key=value\n");
	put("p", "1.2.3.0/24 y\n");
	expect_errors("cidr:p", "");
	put("t", "a 1\n");
	expect_errors("proxy:hash:t", "");
	expect_errors("static:x", "");
}

#ifndef WITHOUT_BDB
/* What Postfix compiled and left without its text; what is no database. */
static void a_check_opens_the_compiled_form(void **state)
{
	(void)state;
	struct buf errors = buf_new(4096);

	put("t", "a 1\n");
	assert_int_equal(map_compile("hash", path_of("t"), &errors), 0);
	expect_errors("hash:t", "");
	assert_int_equal(unlink(path_of("t")), 0);
	expect_errors("hash:t", "");
	put("t.db", "this is no database, and it is long enough");
	assert_int_equal(map_check("hash:t", dir, &errors), -1);
	assert_non_null(strstr(buf_text(&errors), "t.db: "));
	assert_int_equal(unlink(path_of("t.db")), 0);
	buf_free(&errors);
}
#endif

struct rule_row {
	const char *text, *key, *want;
};

static void try_rules(
    const char *type, const struct rule_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char spec[20];
		const char *why, *got;
		struct map *m;

		snprintf(spec, sizeof(spec), "%s:p", type);
		put("p", rows[i].text);
		m = map_open(spec, dir, &why);
		got = m == NULL ? strrchr(why, ':') + 2 : find(m, rows[i].key);
		assert_string_equal(got, rows[i].want);
		map_close(&m);
	}
}

static void cidr_rules(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct rule_row rows[] = {
		{"192.0.2.0/24 yes", "192.0.2.200", "yes"},
		{"192.0.2.0/24 yes", "192.0.3.1", "-"},
		{"192.0.2.1 one\n0.0.0.0/0 rest", "192.0.2.1", "one"},
		{"192.0.2.1 one\n0.0.0.0/0 rest", "192.0.2.2", "rest"},
		{"0.0.0.0/0 rest", "2001:db8::1", "-"},
		{"2001:db8::/33 six", "2001:db8:7fff::1", "six"},
		{"2001:db8::/33 six", "2001:db8:8000::1", "-"},
		{"[2001:db8::1] six", "2001:db8::1", "six"},
		{"!10.0.0.0/8 not ten", "11.0.0.1", "not ten"},
		{"!10.0.0.0/8 not ten", "10.0.0.1", "-"},
		{"if 10.0.0.0/8\n10.1.0.0/16 a\nendif\n0.0.0.0/0 b",
		    "10.1.2.3", "a"},
		{"if 10.0.0.0/8\n0.0.0.0/0 a\nendif\n0.0.0.0/0 b",
		    "11.1.2.3", "b"},
		{"10.0.0.0/8 x", "no address", "-"},
		{"10.0.0.1/8 x", "", "there are bits set behind the "
		    "network's"},
		{"10.0.0.0/33 x", "", "what follows the slash is not a number "
		    "of bits"},
		{"example x", "", "this is not an address"},
		{"if 10.0.0.0/8\n", "", "an if has no endif"},
		{"endif\n", "", "an endif has no if"},
		{"if 10.0.0.0/8 x\nendif", "", "an if has no value"},
	};
	/* clang-format on */

	try_rules("cidr", rows, ARRAY_LEN(rows));
}

static void pcre_rules(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct rule_row rows[] = {
		{"/^a+$/ yes", "AAA", "yes"},
		{"/^a+$/i yes", "AAA", "-"},
		{"/^a+$/ yes", "b", "-"},
		{"/(.*)@(.*)/ $2:${1}$$$(2)", "u@d", "d:u$d"},
		{"!/x/ no x", "abc", "no x"},
		{"!/x/ no x", "xyz", "-"},
		{"/a\\/b/ slash", "a/b", "slash"},
		{"|a/b| slash", "a/b", "slash"},
		{"if /^a/\n/b$/ both\nendif\n/b/ one", "ab", "both"},
		{"if /^a/\n/b$/ both\nendif\n/b/ one", "cb", "one"},
		{"/(a)|(b)/ <$1$2>", "b", "<b>"},
		{"/(a+)+$/ slow", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		    "error: rule 1: matching took too long or failed (-47)"},
		{"/(/ x", "",
		    "the pattern is not a regular expression (missing closing "
		    "parenthesis, at octet 1)"},
		{"/a/q x", "", "a flag behind the pattern is none of i m s x A "
		    "E U"},
		{"/a x", "", "the pattern has no end"},
		{"a x", "", "a pattern stands between two slashes"},
		{"/a/ $1", "", "the pattern has no group of this number"},
		{"!/(a)/ $1", "", "the pattern has no group of this number"},
		{"/a/ $x", "", "$ in a value is followed by the number of a "
		    "group, or by $"},
		{"/a/ x$", "", "$ in a value is followed by the number of a "
		    "group, or by $"},
	};
	/* clang-format on */

	try_rules("pcre", rows, ARRAY_LEN(rows));
}

/* What takes too many steps is an error, and soon. */
static void pcre_is_bounded(void **state)
{
	(void)state;
	struct map *m;
	char key[60];
	time_t before = time(NULL);

	put("p", "/^(([a-z])+.)+[A-Z]([a-z])+$/i x\n");
	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 2] = '1';
	key[sizeof(key) - 1] = '\0';
	m = open_ok("pcre:p");
	find(m, key);
	assert_true(time(NULL) - before < 5);
	map_close(&m);
}

/* "line", "line differs" or "no file", of a table of this type. */
static void expect_place(const char *spec, const char *key, const char *want)
{
	struct map *m = open_ok(spec);
	struct map_place place;
	char got[64];

	map_place(m, str_from(key), &place);
	if (place.file == NULL)
		snprintf(got, sizeof(got), "no file");
	else
		snprintf(got, sizeof(got), "%u%s", place.line,
		    place.differs ? " differs" : "");
	assert_string_equal(got, want);
	map_close(&m);
}

static void entries_have_places(void **state)
{
	(void)state;
	put("t", "# a\na 1\nB  2\n 3\n\na 4\n");
	expect_place("text:t", "a", "2");
	expect_place("text:t", "b", "3");
	expect_place("text:t", "c", "0");
	expect_place("hash:t", "A", "2");
	put("t", "a: 1\n# x\nB : 2\n 3\n\nb: 4\n");
	expect_place("aliases:t", "b", "3");
	expect_place("aliases:t", "c", "0");
	expect_place("inline:{ a=1 }", "a", "no file");
	expect_place("static:x", "a", "no file");
	put("c",
	    "# x\nif 10.0.0.0/8\n10.1.0.0/16 one\nendif\n\n"
	    "0.0.0.0/0 all\n");
	expect_place("cidr:c", "10.1.2.3", "3");
	expect_place("cidr:c", "10.2.2.3", "6");
	expect_place("cidr:c", "::1", "0");
	put("p", "/^a/ one\n/(b)/\n  two $1\n");
	expect_place("pcre:p", "ab", "1");
	expect_place("pcre:p", "cb", "2");
	expect_place("pcre:p", "c", "0");
}

#ifndef WITHOUT_BDB
/* What is compiled counts, and that the text says something else is told. */
static void a_compiled_entry_has_the_place_of_its_text(void **state)
{
	const struct timespec old[2] = {{1, 0}, {1, 0}};
	struct buf errors = buf_new(4096);

	(void)state;
	put("t", "x 0\na 1\n");
	assert_int_equal(map_compile("hash", path_of("t"), &errors), 0);
	expect_place("hash:t", "a", "2");
	put("t", "a 2\n");
	assert_int_equal(utimensat(AT_FDCWD, path_of("t"), old, 0), 0);
	expect_place("hash:t", "a", "1 differs");
	expect_place("hash:t", "x", "0 differs");
	buf_free(&errors);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_in_memory),
	    cmocka_unit_test(text_is_read_and_walked),
	    cmocka_unit_test(aliases_are_names_and_targets),
	    cmocka_unit_test(the_newer_counts),
	    cmocka_unit_test(a_bad_change_leaves_the_old),
	    cmocka_unit_test(compiling_tells_what_is_wrong),
	    cmocka_unit_test(a_check_tells_all_that_is_wrong),
	    cmocka_unit_test(cidr_rules),
	    cmocka_unit_test(pcre_rules),
	    cmocka_unit_test(pcre_is_bounded),
	    cmocka_unit_test(entries_have_places),
#ifndef WITHOUT_BDB
	    cmocka_unit_test(a_compiled_entry_has_the_place_of_its_text),
	    cmocka_unit_test(a_check_opens_the_compiled_form),
#endif
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
