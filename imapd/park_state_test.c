/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "imapd/park.h"

#define LINE                                                                   \
	"imap1\tselected=1\treadonly=1\tenabled=5\tbad=2\toctets="             \
	"11\tmessages=12\tmailbox=3"                                           \
	"\tuidvalidity=4\tuidnext=5\tcount=6\texpunged=7\tflags=8\thash=9"     \
	"\tkeywords=10\tidle=a1\tsaved=1:3\n"

static const struct park_state sample = {.selected = true,
    .read_only = true,
    .enabled = 5,
    .bad_in_a_row = 2,
    .quota_octets = 11,
    .quota_messages = 12,
    .view = {3, 4, 5, 6, 7, 8, 9},
    .keywords_told = 10,
    .idle = {"a1", 2},
    .saved = {"1:3", 3}};

static void a_state_becomes_a_line_and_again_a_state(void **state)
{
	struct buf out = buf_new(PARK_PLAIN_MAX);
	struct park_state s;
	const char *why = "";
	char line[] = LINE;

	(void)state;
	assert_int_equal(park_state_encode(&sample, &out), 0);
	assert_string_equal(buf_text(&out), LINE);
	assert_int_equal(park_state_decode(line, strlen(line), &s, &why), 0);
	assert_true(s.selected && s.read_only);
	assert_int_equal(s.enabled, 5);
	assert_int_equal(s.bad_in_a_row, 2);
	assert_int_equal(s.quota_octets, 11);
	assert_int_equal(s.quota_messages, 12);
	assert_memory_equal(&s.view, &sample.view, sizeof(s.view));
	assert_int_equal(s.keywords_told, 10);
	assert_true(str_eq(s.idle, STR("a1")) && str_eq(s.saved, STR("1:3")));
	buf_free(&out);
}

/* One change each to a good line. */
static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const changes[][2] = {{"imap1", "imap2"},
	    {"selected=1", "selected=2"}, {"enabled=5", "enabled=8"},
	    {"mailbox=3", "mailbox=4294967296"}, {"count=6", "count=-6"},
	    {"keywords=10", "keywords=65"}, {"idle=a1", "idle=a b"},
	    {"idle=a1", "idle=*"}, {"idle=a1", "idle=a\\r\\n"},
	    {"saved=1:3\n", "saved=1:3"}, {"saved=1:3", "saved=1\tx=1"},
	    {"\tbad=2", ""}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct buf line = buf_new(PARK_PLAIN_MAX);
		const char *at = strstr(LINE, changes[i][0]), *why;
		struct park_state s;

		buf_add(&line, str_of(LINE, (size_t)(at - LINE)));
		buf_add_text(&line, changes[i][1]);
		buf_add_text(&line, at + strlen(changes[i][0]));
		assert_int_equal(
		    park_state_decode(line.p, line.len, &s, &why), -1);
		buf_free(&line);
	}
}

static void long_things_do_not_fit(void **state)
{
	static char text[PARK_SAVED_MAX + 2];
	struct park_state s = sample;
	struct buf out = buf_new(PARK_PLAIN_MAX);
	uint32_t *uids = calloc(5000, sizeof(*uids));

	(void)state;
	memset(text, '1', sizeof(text));
	s.saved = str_of(text, PARK_SAVED_MAX + 1);
	assert_int_equal(park_state_encode(&s, &out), -1);
	s = sample;
	s.idle = str_of(text, 129);
	assert_int_equal(park_state_encode(&s, &out), -1);
	assert_int_equal(out.len, 0);
	buf_free(&out);
	out = buf_new(PARK_SAVED_MAX);
	for (uint32_t i = 0; i < 5000; i++)
		uids[i] = 2 * i + 1; /* no two touch */
	assert_int_equal(park_saved_encode(uids, 5000, &out), -1);
	buf_free(&out);
	for (uint32_t i = 0; i < 5000; i++)
		uids[i] = i + 1;
	assert_int_equal(park_saved_encode(uids, 5000, &out), 0);
	assert_string_equal(buf_text(&out), "1:5000");
	buf_free(&out);
	free(uids);
}

static void a_saved_result_comes_back(void **state)
{
	uint32_t *uids;
	size_t count;

	(void)state;
	assert_int_equal(park_saved_decode(STR("2,5:7"), 10, &uids, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(uids[0], 2);
	assert_int_equal(uids[3], 7);
	free(uids);
	assert_int_equal(park_saved_decode(STR(""), 10, &uids, &count), 0);
	assert_null(uids);
	assert_int_equal(
	    park_saved_decode(STR("1:4294967295"), 10, &uids, &count), -1);
	assert_int_equal(park_saved_decode(STR("1:11"), 10, &uids, &count), -1);
	assert_int_equal(park_saved_decode(STR("$"), 10, &uids, &count), -1);
	assert_int_equal(park_saved_decode(STR("x"), 10, &uids, &count), -1);
	assert_null(uids);
}

static int open_with(const char *key, struct str sealed)
{
	struct buf space = buf_new(SESSION_STATE_MAX);
	struct park_state s;
	const char *why;
	int r = park_open(str_from(key), sealed, &space, &s, &why);

	buf_free(&space);
	return r;
}

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void a_seal_holds(void **state)
{
	unsigned char key[SEAL_KEY];
	struct buf sealed = buf_new(SESSION_STATE_MAX), again = sealed;

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)i;
	assert_int_equal(seal_close(key, STR(LINE), &sealed), 0);
	assert_int_equal(sealed.len, strlen(LINE) + SEAL_OVERHEAD);
	assert_int_equal(open_with(KEY, buf_str(&sealed)), 0);
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.p[i] ^= 1;
		assert_int_equal(open_with(KEY, buf_str(&sealed)), -1);
		sealed.p[i] ^= 1;
	}
	for (size_t n = 0; n < sealed.len; n++)
		assert_int_equal(
		    open_with(KEY, str_sub(buf_str(&sealed), 0, n)), -1);
	assert_int_equal(open_with(KEY, buf_str(&sealed)), 0);
	assert_int_equal(open_with("00", buf_str(&sealed)), -1);
	assert_int_equal(open_with("", buf_str(&sealed)), -1);
	/* The same is never sealed to the same. */
	assert_int_equal(seal_close(key, STR(LINE), &again), 0);
	assert_memory_not_equal(sealed.p, again.p, sealed.len);
	buf_free(&sealed);
	buf_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_state_becomes_a_line_and_again_a_state),
	    cmocka_unit_test(what_makes_no_sense_is_refused),
	    cmocka_unit_test(long_things_do_not_fit),
	    cmocka_unit_test(a_saved_result_comes_back),
	    cmocka_unit_test(a_seal_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
