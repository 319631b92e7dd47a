/* SPDX-License-Identifier: ISC */
/* What mailbox_expire may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "store/store_conf.h"

static const struct {
	const char *in, *want;
} rows[] = {
    {"", ""},
    {"\\Trash=30d", "[use 7, 2592000]"},
    {" \\trash = 30d,\\JUNK=1w , Archive/Old=365d,",
	"[use 7, 2592000][use 5, 604800][Archive/Old, 31536000]"},
    {"\"a, b\"=5, c=d=6", "[a, b, 5][c=d, 6]"},
    {"\"\\Trash\"=5", "[\\Trash, 5]"},
    {"INBOX=100ms", "error: a message would go at once"},
    {"Old", "error: this is a list of MAILBOX=TIME"},
    {"=3d", "error: a mailbox without a name"},
    {"\\Nonesuch=3d",
	"error: a special use is \\All, \\Archive, \\Drafts, "
	"\\Flagged, \\Junk, \\Sent or \\Trash"},
    {"Old=soon",
	"error: a time is a number with ms, s, m, h, d or w behind it"},
    {"Old=3d\"",
	"error: a time is a number with ms, s, m, h, d or w behind "
	"it"},
};

static void show(const char *in, char *out, size_t size)
{
	struct store_conf conf = {
	    .mailbox_expire = in, .store_orphan_time = 7000};
	struct upkeep_policy p;
	const char *why;
	size_t n = 0;

	out[0] = '\0';
	if (store_conf_policy(&conf, 3000, &p, &why) < 0) {
		snprintf(out, size, "error: %s", why);
		return;
	}
	assert_int_equal(p.undelete, 3);
	assert_int_equal(p.orphan_age, 7);
	for (size_t i = 0; i < p.expiry_count; i++) {
		const struct upkeep_expiry *e = &p.expiries[i];

		if (e->use == USE_NONE)
			n += (size_t)snprintf(out + n, size - n, "[%.*s, %lld]",
			    STR_FMT(e->mailbox), (long long)e->age);
		else
			n += (size_t)snprintf(out + n, size - n,
			    "[use %d, %lld]", e->use, (long long)e->age);
	}
	free((void *)(uintptr_t)p.expiries);
}

static void lists_are_read(void **state)
{
	char got[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		show(rows[i].in, got, sizeof(got));
		assert_string_equal(got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
