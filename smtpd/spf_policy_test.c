/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "smtpd/spf_policy.h"

/* A parameter for each result, its default, and what its refusal says. */
static const struct row {
	enum spf_result result;
	const char *parameter;
	size_t offset;
	int by_default;
	int code;
	const char *dsn;
} rows[] = {
    {SPF_FAIL, "spf_fail_action", offsetof(struct smtpd_conf, spf_fail_action),
	SPF_GREYLIST, 550, "5.7.23"},
    {SPF_SOFTFAIL, "spf_softfail_action",
	offsetof(struct smtpd_conf, spf_softfail_action), SPF_GREYLIST, 550,
	"5.7.23"},
    {SPF_NONE, "spf_none_action", offsetof(struct smtpd_conf, spf_none_action),
	SPF_GREYLIST, 550, "5.7.1"},
    {SPF_NEUTRAL, "spf_none_action",
	offsetof(struct smtpd_conf, spf_none_action), SPF_GREYLIST, 550,
	"5.7.1"},
    {SPF_PERMERROR, "spf_permerror_action",
	offsetof(struct smtpd_conf, spf_permerror_action), SPF_GREYLIST, 550,
	"5.7.24"},
    {SPF_TEMPERROR, "spf_temperror_action",
	offsetof(struct smtpd_conf, spf_temperror_action), SPF_ACCEPT, 451,
	"4.7.24"},
};

static int *action_of(struct smtpd_conf *c, const struct row *r)
{
	return (int *)(void *)((char *)c + r->offset);
}

static void set_all(struct smtpd_conf *c, int action)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		*action_of(c, &rows[i]) = action;
}

static struct spf_decision decide(
    const struct smtpd_conf *c, enum spf_result result)
{
	return spf_decide(&(struct spf_verdict){.result = result}, c);
}

static void each_result_has_a_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtpd_conf c = {
		    .smtpd_greylisting = GREYLISTING_SELECTIVE};
		struct spf_decision d;

		set_all(&c, SPF_ACCEPT);
		for (int action = SPF_ACCEPT; action <= SPF_REFUSE; action++) {
			*action_of(&c, &rows[i]) = action;
			d = decide(&c, rows[i].result);
			assert_int_equal(d.action, action);
			assert_string_equal(d.rule->name, rows[i].parameter);
			assert_int_equal(
			    d.code, action == SPF_REFUSE ? rows[i].code : 0);
			assert_string_equal(
			    d.dsn, action == SPF_REFUSE ? rows[i].dsn : "");
			assert_int_equal(
			    decide(&c, SPF_PASS).action, SPF_ACCEPT);
		}
	}
}

static void defaults_refuse_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct conf_param *p = smtpd_params;

		while (strcmp(p->name, rows[i].parameter) != 0)
			p++;
		assert_string_equal(
		    p->fallback, p->choices[rows[i].by_default]);
	}
}

static void without_greylisting_nobody_is_greylisted(void **state)
{
	struct smtpd_conf c = {.smtpd_greylisting = GREYLISTING_NEVER};

	(void)state;
	set_all(&c, SPF_GREYLIST);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(decide(&c, rows[i].result).action, SPF_ACCEPT);
	assert_false(spf_decides(&c));
	c.smtpd_greylisting = GREYLISTING_ALWAYS;
	assert_true(spf_decides(&c));
	set_all(&c, SPF_ACCEPT);
	assert_true(spf_decides(&c));
}

static void waits_only_for_what_decides(void **state)
{
	struct smtpd_conf c = {.smtpd_greylisting = GREYLISTING_NEVER};

	(void)state;
	assert_false(spf_decides(&c));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		set_all(&c, SPF_ACCEPT);
		*action_of(&c, &rows[i]) = SPF_DELAY;
		assert_true(spf_decides(&c));
		*action_of(&c, &rows[i]) = SPF_REFUSE;
		assert_true(spf_decides(&c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_result_has_a_parameter),
	    cmocka_unit_test(defaults_refuse_nobody),
	    cmocka_unit_test(without_greylisting_nobody_is_greylisted),
	    cmocka_unit_test(waits_only_for_what_decides),
	};

	return cmocka_run_group_tests_name("spf_policy", tests, NULL, NULL);
}
