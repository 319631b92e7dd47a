/* SPDX-License-Identifier: ISC */
#include "smtpd/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL (EXT_SIZE | EXT_8BITMIME | EXT_DSN | EXT_AUTH)

static void mail_text(const char *in, unsigned extensions, char *got)
{
	struct mail_args m;
	struct refusal why;

	if (mail_args_parse(str_from(in), extensions, &m, &why) < 0) {
		snprintf(got, 600, "%d %s", why.code, why.dsn);
		return;
	}
	int n = snprintf(got, 600, "<%.*s>", STR_FMT(m.sender));
	if (m.has_size)
		n += snprintf(
		    got + n, 200, " size=%llu", (unsigned long long)m.size);
	snprintf(got + n, 400, "%s%s%s%s%s%s", m.body[0] ? " " : "", m.body,
	    m.ret[0] ? " " : "", m.ret, m.envid[0] ? " envid=" : "", m.envid);
}

static void reads_mail(void **state)
{
	/* clang-format off */
	static const struct {
		const char *in;
		unsigned extensions;
		const char *want;
	} rows[] = {
		{"FROM:<a@b.example>",               ALL, "<a@b.example>"},
		{"from:<a@b.example>",               0,   "<a@b.example>"},
		{"FROM: <a@b.example>",              ALL, "<a@b.example>"},
		{"FROM:<>",                          ALL, "<>"},
		{"FROM:<@x.example:a@b.example>",    ALL, "<a@b.example>"},
		{"FROM:<\"a b\"@c.example>",         ALL, "<\"a b\"@c.example>"},
		{"FROM:<a@[192.0.2.1]>",             ALL, "<a@[192.0.2.1]>"},
		{"FROM:<a@b.example> SIZE=1000",     ALL, "<a@b.example> size=1000"},
		{"FROM:<a@b.example> size=0",        ALL, "<a@b.example> size=0"},
		{"FROM:<a@b.example>  BODY=8bitmime  RET=hdrs", ALL,
		    "<a@b.example> 8BITMIME HDRS"},
		{"FROM:<a@b.example> ENVID=QQ+2B1",  ALL, "<a@b.example> envid=QQ+1"},
		{"FROM:<a@b.example> AUTH=<>",       ALL, "<a@b.example>"},
		/* refused */
		{"",                                 ALL, "501 5.5.4"},
		{"TO:<a@b.example>",                 ALL, "501 5.5.4"},
		{"FROM:a@b.example",                 ALL, "501 5.1.7"},
		{"FROM:<a@b.example",                ALL, "501 5.1.7"},
		{"FROM:<a@b@c.example>",             ALL, "501 5.1.7"},
		{"FROM:<a>",                         ALL, "501 5.1.7"},
		{"FROM:<a b@c.example>",             ALL, "501 5.1.7"},
		{"FROM:<\xc3\xa9@c.example>",        ALL, "501 5.1.7"},
		{"FROM:<a@b.example>SIZE=1",         ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SIZE=",         ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SIZE=1x",       ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SIZE=-1",       ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SIZE=99999999999999999999", ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SIZE=1 SIZE=1", ALL, "501 5.5.4"},
		{"FROM:<a@b.example> BODY=BINARYMIME", ALL, "501 5.5.4"},
		{"FROM:<a@b.example> RET=ALL",       ALL, "501 5.5.4"},
		{"FROM:<a@b.example> ENVID=a+0Ab",   ALL, "501 5.5.4"},
		{"FROM:<a@b.example> ENVID=a+zz",    ALL, "501 5.5.4"},
		{"FROM:<a@b.example> ENVID=",        ALL, "501 5.5.4"},
		{"FROM:<a@b.example> SMTPUTF8",      ALL, "555 5.5.4"},
		{"FROM:<a@b.example> SIZE=1",        0,   "555 5.5.4"},
		{"FROM:<a@b.example> RET=HDRS", EXT_SIZE, "555 5.5.4"},
		{"FROM:<a@b.example> NOTIFY=NEVER",  ALL, "555 5.5.4"},
		{"FROM:<a@b.example> X=1",           ALL, "555 5.5.4"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[600];
		mail_text(rows[i].in, rows[i].extensions, got);
		assert_string_equal(got, rows[i].want);
	}
}

static void reads_rcpt(void **state)
{
	/* clang-format off */
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"TO:<a@b.example>",                   "a@b.example||"},
		{"to: <a@b.example> ",                 "a@b.example||"},
		{"TO:<PostMaster>",                    "Postmaster||"},
		{"TO:<a@b.example> NOTIFY=NEVER",      "a@b.example|NEVER|"},
		{"TO:<a@b.example> NOTIFY=delay,success",
		    "a@b.example|SUCCESS,DELAY|"},
		{"TO:<a@b.example> NOTIFY=FAILURE",    "a@b.example|FAILURE|"},
		{"TO:<a@b.example> NOTIFY=FAILURE,SUCCESS,DELAY",
		    "a@b.example|SUCCESS,FAILURE,DELAY|"},
		{"TO:<a@b.example> ORCPT=rfc822;x+2By@z.example",
		    "a@b.example||rfc822;x+y@z.example"},
		{"TO:<>",                              "501 5.1.3"},
		{"TO:<a>",                             "501 5.1.3"},
		{"TO:a@b.example",                     "501 5.1.3"},
		{"FROM:<a@b.example>",                 "501 5.5.4"},
		{"TO:<a@b.example> SIZE=1",            "555 5.5.4"},
		{"TO:<a@b.example> NOTIFY=NEVER,DELAY", "501 5.5.4"},
		{"TO:<a@b.example> NOTIFY=DELAY,DELAY", "501 5.5.4"},
		{"TO:<a@b.example> NOTIFY=",           "501 5.5.4"},
		{"TO:<a@b.example> NOTIFY=DELAY,",     "501 5.5.4"},
		{"TO:<a@b.example> ORCPT=x",           "501 5.5.4"},
		{"TO:<a@b.example> ORCPT=rfc822;",     "501 5.5.4"},
		{"TO:<a@b.example> ORCPT=;x",          "501 5.5.4"},
		{"TO:<a@b.example> ORCPT=rfc822;a+0D", "501 5.5.4"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rcpt_args r;
		struct refusal why;
		char got[900];
		if (rcpt_args_parse(str_from(rows[i].in), ALL, &r, &why) < 0)
			snprintf(got, sizeof(got), "%d %s", why.code, why.dsn);
		else
			snprintf(got, sizeof(got), "%.*s|%s|%s",
			    STR_FMT(r.recipient), r.notify, r.original);
		assert_string_equal(got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_mail),
	    cmocka_unit_test(reads_rcpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
