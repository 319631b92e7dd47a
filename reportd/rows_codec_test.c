/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc/limits.h"
#include "reportd/rows_codec.h"

static struct report_row some_row(void)
{
	return (struct report_row){.client_address = STR_INIT("192.0.2.1"),
	    .author = STR_INIT("own.test"),
	    .policy_domain = STR_INIT("own.test"),
	    .record = STR_INIT("v=DMARC1; p=reject; rua=mailto:a@own.test"),
	    .discovery = REPORT_PSL,
	    .envelope_from = STR_INIT("out.own.test"),
	    .spf_domain = STR_INIT("out.own.test"),
	    .spf = REPORT_SPF_SOFTFAIL,
	    .dkim = STR_INIT("pass own.test s1\nfail a.test s\\2\n"),
	    .dkim_aligned = true,
	    .disposition = REPORT_QUARANTINE,
	    .reason = REPORT_MAILING_LIST,
	    .comment = STR_INIT("list.test\tand\nmore")};
}

static struct period some_period(void)
{
	return (struct period){.domain = STR_INIT("own.test"),
	    .begin = 1795219200,
	    .end = 1795305600,
	    .id = STR_INIT("0123456789ABCDEFGHJKMN"),
	    .record = STR_INIT("v=DMARC1; p=none"),
	    .discovery = REPORT_TREEWALK,
	    .rows = 3,
	    .octets = 700,
	    .messages = UINT64_MAX,
	    .left_out = 9,
	    .attempts = 2,
	    .next = 1795305700,
	    .done = STR_INIT("a@own.test\nb@own.test\n"),
	    .problem = STR_INIT("b: 451 4.3.0 later")};
}

/* What belongs to the period is not in the row. */
static void a_row_comes_back(void **state)
{
	(void)state;
	struct report_row row = some_row(), back;
	struct buf line = buf_new(8192), again = buf_new(8192);

	assert_int_equal(rows_put_row(&line, &row), 0);
	buf_add(&again, buf_str(&line));
	assert_int_equal(rows_get_row(again.p, again.len, &back), 0);
	assert_true(str_eq(back.client_address, row.client_address));
	assert_true(str_eq(back.author, row.author));
	assert_true(str_eq(back.envelope_from, row.envelope_from));
	assert_true(str_eq(back.spf_domain, row.spf_domain));
	assert_true(str_eq(back.dkim, row.dkim));
	assert_true(str_eq(back.comment, row.comment));
	assert_int_equal(back.spf, row.spf);
	assert_int_equal(back.disposition, row.disposition);
	assert_int_equal(back.reason, row.reason);
	assert_true(back.dkim_aligned);
	assert_false(back.spf_aligned);
	assert_true(str_eq(back.record, STR_EMPTY));
	assert_true(str_eq(back.policy_domain, STR_EMPTY));
	assert_int_equal(back.discovery, 0);
	buf_free(&line);
	buf_free(&again);
}

static void a_period_comes_back(void **state)
{
	(void)state;
	struct period p = some_period(), back;
	struct buf line = buf_new(16384);

	assert_int_equal(rows_put_period(&line, &p), 0);
	assert_int_equal(rows_get_period(line.p, line.len, &back), 0);
	assert_true(str_eq(back.domain, p.domain));
	assert_true(str_eq(back.id, p.id));
	assert_true(str_eq(back.record, p.record));
	assert_true(str_eq(back.done, p.done));
	assert_true(str_eq(back.problem, p.problem));
	assert_int_equal(back.begin, p.begin);
	assert_int_equal(back.end, p.end);
	assert_true(back.messages == UINT64_MAX);
	assert_int_equal(back.left_out, 9);
	assert_int_equal(back.attempts, 2);
	assert_int_equal(back.next, p.next);
	buf_free(&line);
}

/* Cut at any octet it is none, and nothing beyond its end is read. */
static void cut_short_it_is_none(void **state)
{
	(void)state;
	struct period p = some_period(), period;
	struct report_row r = some_row(), row;
	struct buf line = buf_new(16384);

	assert_int_equal(rows_put_period(&line, &p), 0);
	for (size_t len = 0; len < line.len; len++) {
		char *piece = str_dup(str_of(line.p, len));

		assert_int_equal(rows_get_period(piece, len, &period), -1);
		free(piece);
	}
	buf_clear(&line);
	assert_int_equal(rows_put_row(&line, &r), 0);
	for (size_t len = 0; len < line.len; len++) {
		char *piece = str_dup(str_of(line.p, len));

		assert_int_equal(rows_get_row(piece, len, &row), -1);
		free(piece);
	}
	buf_free(&line);
}

/* One kind is not taken for the other, a field of another version is refused,
 * and so is one that is there twice. */
static void what_is_none_is_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {"", "\n", "row\n", "period\n",
	    "row\tclient_address=192.0.2.1\n", "hello\tworld=1\n"};
	struct period p = some_period(), period;
	struct report_row r = some_row(), row;
	struct buf line = buf_new(16384), other = buf_new(16384);

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char *copy = str_dup(str_from(lines[i]));

		assert_int_equal(rows_get_row(copy, strlen(copy), &row), -1);
		free(copy);
		copy = str_dup(str_from(lines[i]));
		assert_int_equal(
		    rows_get_period(copy, strlen(copy), &period), -1);
		free(copy);
	}
	rows_put_row(&line, &r);
	assert_int_equal(rows_get_period(line.p, line.len, &period), -1);
	buf_clear(&line);
	rows_put_period(&line, &p);
	assert_int_equal(rows_get_row(line.p, line.len, &row), -1);

	/* a later version's field, and one twice */
	buf_clear(&line);
	rows_put_row(&line, &r);
	line.len--;
	buf_add(&other, buf_str(&line));
	buf_add_text(&line, "\tcolour=red\n");
	assert_int_equal(rows_get_row(line.p, line.len, &row), -1);
	buf_add_text(&other, "\tcomment=again\n");
	assert_int_equal(rows_get_row(other.p, other.len, &row), -1);
	buf_free(&line);
	buf_free(&other);
}

/* Every text has its bound, in both directions. */
static void too_long_is_refused(void **state)
{
	(void)state;
	static char long_text[ROWS_DONE_MAX + 2];
	struct report_row r = some_row(), row;
	struct period p = some_period(), period;
	struct buf line = buf_new(65536);

	memset(long_text, 'x', sizeof(long_text) - 1);
	r.comment = str_of(long_text, IPC_HOST_MAX);
	assert_int_equal(rows_put_row(&line, &r), 0);
	assert_int_equal(rows_get_row(line.p, line.len, &row), 0);
	buf_clear(&line);
	r.comment = str_of(long_text, IPC_HOST_MAX + 1);
	assert_int_equal(rows_put_row(&line, &r), -1);

	buf_clear(&line);
	p.done = str_of(long_text, ROWS_DONE_MAX);
	assert_int_equal(rows_put_period(&line, &p), 0);
	/* The same with one octet more, which nobody here writes. */
	struct buf more = buf_new(65536);
	size_t at = 0;
	while (at < line.len &&
	    !str_starts(str_skip(buf_str(&line), at), STR("\tdone=")))
		at++;
	assert_true(at < line.len);
	buf_add(&more, str_sub(buf_str(&line), 0, at + strlen("\tdone=")));
	buf_add_char(&more, 'x');
	buf_add(&more, str_skip(buf_str(&line), at + strlen("\tdone=")));
	assert_int_equal(rows_get_period(line.p, line.len, &period), 0);
	assert_int_equal(rows_get_period(more.p, more.len, &period), -1);
	buf_clear(&line);
	p.done = str_of(long_text, ROWS_DONE_MAX + 1);
	assert_int_equal(rows_put_period(&line, &p), -1);
	buf_clear(&line);
	p = some_period();
	p.id = STR("short");
	assert_int_equal(rows_put_period(&line, &p), -1);
	buf_free(&line);
	buf_free(&more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_row_comes_back),
	    cmocka_unit_test(a_period_comes_back),
	    cmocka_unit_test(cut_short_it_is_none),
	    cmocka_unit_test(what_is_none_is_refused),
	    cmocka_unit_test(too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
