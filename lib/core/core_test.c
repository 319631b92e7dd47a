/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/checksum.h"
#include "core/dsn.h"
#include "core/file.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "core/table.h"

static void str_cuts_and_compares(void **state)
{
	struct str rest = STR("a  b\tc");
	uint64_t n = 7;

	(void)state;
	assert_true(str_eq(str_word(&rest, " \t"), STR("a")));
	assert_true(str_eq(str_word(&rest, " \t"), STR("b")));
	assert_true(str_eq(str_word(&rest, " \t"), STR("c")));
	assert_int_equal(str_word(&rest, " \t").len, 0);
	rest = STR("k=v=w");
	assert_true(str_eq(str_cut(&rest, '='), STR("k")));
	assert_true(str_eq(rest, STR("v=w")));
	assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
	assert_true(str_case_eq(STR("MAIL"), STR("mail")));
	assert_true(str_case_ends(STR("x.EXAMPLE"), STR(".example")));
	assert_int_equal(
	    str_to_u64(STR("18446744073709551615"), UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(
	    str_to_u64(STR("18446744073709551616"), UINT64_MAX, &n), -1);
	assert_int_equal(str_to_u64(STR("-1"), UINT64_MAX, &n), -1);
	assert_int_equal(str_to_u64(STR("11"), 10, &n), -1);
	char small[3];
	assert_int_equal(str_copy(small, sizeof(small), STR("abc")), -1);
	assert_int_equal(str_copy(small, sizeof(small), STR("a\0b")), -1);
	assert_int_equal(str_copy(small, sizeof(small), STR("ab")), 0);
}

static void buf_stops_at_its_maximum(void **state)
{
	struct buf b = buf_new(10);

	(void)state;
	assert_int_equal(buf_add_text(&b, "12345"), 0);
	assert_int_equal(buf_printf(&b, "%s", "67890"), 0);
	assert_string_equal(buf_text(&b), "1234567890");
	assert_int_equal(buf_add_char(&b, 'x'), -1);
	assert_true(b.overflow);
	assert_int_equal(b.len, 10);
	buf_clear(&b);
	assert_int_equal(buf_add_u64(&b, 1234567890), 0);
	buf_drop(&b, 8);
	assert_string_equal(buf_text(&b), "90");
	buf_free(&b);
}

static void arena_is_zeroed_bounded_and_reusable(void **state)
{
	struct arena a = arena_new(100000);

	(void)state;
	for (int round = 0; round < 3; round++) {
		char *p = arena_alloc(&a, 40000);

		assert_non_null(p);
		for (int i = 0; i < 40000; i++)
			assert_int_equal(p[i], 0);
		memset(p, 1, 40000);
		assert_non_null(arena_alloc(&a, 50000));
		assert_null(arena_alloc(&a, 20000));
		assert_null(arena_copy(&a, str_of(p, 20000)).p);
		arena_clear(&a);
	}
	arena_free(&a);
}

static void table_keeps_what_is_put(void **state)
{
	struct table t = table_new();
	static int values[5000];
	char key[32];
	size_t at = 0, seen = 0;

	(void)state;
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 5000; i++) {
			snprintf(key, sizeof(key), "key%d", i);
			table_put(&t, str_from(key), &values[i]);
		}
		for (int i = 0; i < 5000; i += 2) {
			snprintf(key, sizeof(key), "key%d", i);
			assert_ptr_equal(
			    table_remove(&t, str_from(key)), &values[i]);
		}
	}
	assert_int_equal(t.count, 2500);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_ptr_equal(table_get(&t, str_from(key)),
		    i % 2 == 0 ? NULL : &values[i]);
	}
	while (table_next(&t, &at, NULL, NULL))
		seen++;
	assert_int_equal(seen, 2500);
	table_free(&t);
}

static void crc32c_matches_its_standard(void **state)
{
	char zeroes[32] = {0};

	(void)state;
	/* RFC 3720 appendix B.4 */
	assert_int_equal(crc32c(0, zeroes, 32), 0x8a9136aa);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void ids_are_unique_and_sort_by_time(void **state)
{
	struct id a = id_new(), b = id_new(), c;

	(void)state;
	assert_string_not_equal(a.text, b.text);
	assert_int_equal(id_parse(id_str(&a), &c), 0);
	assert_int_equal(id_parse(STR("../../../../etc/passwd"), &c), -1);
	c = id_derive(&a, "bounce", 1);
	b = id_derive(&a, "bounce", 1);
	assert_string_equal(b.text, c.text);
	b = id_derive(&a, "bounce", 2);
	assert_string_not_equal(b.text, c.text);
	assert_true(id_time_ms(&a) == id_time_ms(&c));
	assert_int_equal(id_parse(id_str(&c), &b), 0);
}

static void a_child_does_not_repeat_its_parents_ids(void **state)
{
	struct id a = id_new(), b;
	int ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		a = id_new();
		_exit(write(ends[1], &a, sizeof(a)) != sizeof(a));
	}
	assert_true(child > 0);
	b = id_new();
	assert_int_equal(read(ends[0], &a, sizeof(a)), sizeof(a));
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ends[0]);
	close(ends[1]);
	assert_string_not_equal(a.text + 9, b.text + 9);
}

static void json_is_valid_whatever_the_bytes(void **state)
{
	struct buf out = buf_new(1000);
	struct json j = json_start(&out);

	(void)state;
	json_object(&j, NULL);
	json_text(&j, "a", STR("q\"\\\x01\xff\xc3\xa9"));
	json_array(&j, "b");
	json_u64(&j, NULL, 1);
	json_bool(&j, NULL, true);
	json_end(&j);
	json_i64(&j, "c", -5);
	json_end(&j);
	assert_string_equal(buf_text(&out),
	    "{\"a\":\"q\\\"\\\\\\u0001\xef\xbf\xbd\xc3\xa9\",\"b\":[1,true],"
	    "\"c\":-5}\n");
	buf_free(&out);
}

static void dsn_codes_are_read_strictly(void **state)
{
	struct str text = STR("5.1.1 no such user");
	char code[DSN_CODE_MAX];

	(void)state;
	assert_int_equal(dsn_cut_code(&text, code), 0);
	assert_string_equal(code, "5.1.1");
	assert_true(str_eq(text, STR("no such user")));
	static const char *const bad[] = {
	    "", "5.1", "3.1.1 x", "5.1.1x", "5..1 x", "5.1234.1 x", "x"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		text = str_from(bad[i]);
		assert_int_equal(dsn_cut_code(&text, code), -1);
	}
	assert_string_equal(
	    dsn_make(DSN_FAILED, "5.0.0", "a%cb", '\n').text, "a b");
}

static void a_strangers_name_cannot_forge_a_field(void **state)
{
	char out[24];

	(void)state;
	log_name(out, sizeof(out), STR("x>, rip=1.2.3.4\n"));
	assert_string_equal(out, "x???rip=1.2.3.4?");
	log_name(out, 4, STR("abcdef"));
	assert_string_equal(out, "abc");
}

static void file_replace_is_whole(void **state)
{
	char dir[] = "/tmp/posthouse-core-XXXXXX", path[64];
	struct buf in = buf_new(100);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(file_replace(path, STR("one"), 0600), 0);
	assert_int_equal(file_replace(path, STR("two"), 0600), 0);
	assert_int_equal(file_read(path, &in), 0);
	assert_string_equal(buf_text(&in), "two");
	buf_free(&in);
	in = buf_new(2);
	assert_int_equal(file_read(path, &in), -1);
	buf_free(&in);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(str_cuts_and_compares),
	    cmocka_unit_test(buf_stops_at_its_maximum),
	    cmocka_unit_test(arena_is_zeroed_bounded_and_reusable),
	    cmocka_unit_test(table_keeps_what_is_put),
	    cmocka_unit_test(crc32c_matches_its_standard),
	    cmocka_unit_test(ids_are_unique_and_sort_by_time),
	    cmocka_unit_test(a_child_does_not_repeat_its_parents_ids),
	    cmocka_unit_test(json_is_valid_whatever_the_bytes),
	    cmocka_unit_test(dsn_codes_are_read_strictly),
	    cmocka_unit_test(a_strangers_name_cannot_forge_a_field),
	    cmocka_unit_test(file_replace_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
