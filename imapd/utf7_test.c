/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imapd/utf7.h"

// clang-format off
static const struct {
	const char *utf7, *utf8; /* utf8 NULL: refused */
} rows[] = {
    {"INBOX", "INBOX"},
    {"", ""},
    {"&-", "&"},
    {"a&-b", "a&b"},
    {"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
        "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
    {"&2D3eAA-", "\xf0\x9f\x98\x80"},
    {"&AAk-", "\t"},
    {"&", NULL},            /* no end */
    {"a&APw", NULL},        /* no end */
    {"&AGE-", NULL},        /* an "a" needs no encoding */
    {"&APw-&AOQ-", NULL},   /* two shifts that should be one */
    {"&APx-", NULL},        /* bits left over */
    {"&APwA-", NULL},       /* half a unit */
    {"&2D0-", NULL},        /* high surrogate alone */
    {"&3gA-", NULL},        /* low surrogate alone */
    {"&A/w-", NULL},        /* "/" is "," here */
    {"\xc3\xbc", NULL},     /* 8 bits */
    {"a\tb", NULL},
    {"&AAA-", NULL},        /* NUL */
};
// clang-format on

static void decodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(1000);
		int r = utf7_decode(str_from(rows[i].utf7), &out);

		assert_string_equal(r < 0 ? "refused" : buf_text(&out),
		    rows[i].utf8 == NULL ? "refused" : rows[i].utf8);
		buf_free(&out);
	}
}

static void encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(1000);

		if (rows[i].utf8 == NULL)
			continue;
		assert_int_equal(utf7_encode(str_from(rows[i].utf8), &out), 0);
		assert_string_equal(buf_text(&out), rows[i].utf7);
		buf_free(&out);
	}
}

static void refuses_what_is_no_utf8(void **state)
{
	struct buf out = buf_new(100);

	(void)state;
	assert_int_equal(utf7_encode(STR("\xff"), &out), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(encodes),
	    cmocka_unit_test(refuses_what_is_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
