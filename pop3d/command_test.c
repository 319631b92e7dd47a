/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "pop3d/command.h"

static void splits(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
	    {"STAT", "STAT"},
	    {"RETR 1", "RETR 1"},
	    {"TOP 1 0", "TOP 1 0"},
	    {"TOP  1   10 ", "TOP 1 10"},
	    {"RETR", "RETR"},
	    {"", ""},
	    {"RETR x", "error"},
	    {"RETR -1", "error"},
	    {"RETR 1x", "error"},
	    {"RETR 4294967296", "error"},
	    {"RETR 4294967295", "RETR 4294967295"},
	    {"TOP 1 2 3", "error"},
	    {"TOP 1 2 x", "error"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t n[2];
		struct str verb;
		char got[80];
		int count = command_split(str_from(rows[i].in), &verb, n);
		int at = snprintf(got, sizeof(got), "%.*s", STR_FMT(verb));

		for (int k = 0; k < count; k++)
			at += snprintf(got + at, sizeof(got) - (size_t)at,
			    " %llu", (unsigned long long)n[k]);
		assert_string_equal(count < 0 ? "error" : got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
