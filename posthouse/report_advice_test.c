/* SPDX-License-Identifier: ISC */
/* What a source did, and what is advised: one line of text each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "posthouse/report_advice.h"

#define S(text) STR_INIT(text)

/* clang-format off */
static const struct {
	struct advice_source source;
	const char *name, *said;
} rows[] = {
	{{S("192.0.2.1"), S("e.org"), false, 5, 0, 0, 0, 0, S(""), S(""), false,
	  S("none")},
	 "fine", "192.0.2.1 sent 5 messages as e.org; all passed"},
	{{S("192.0.2.1"), S("e.org"), false, 1, 1, 1, 0, 0, S(""), S(""), false,
	  S("reject")},
	 "unknown-sender",
	 "192.0.2.1 sent 1 message as e.org; it failed, 1 refused"},
	{{S("192.0.2.1"), S("e.org"), false, 9, 4, 0, 3, 0, S("x.test"), S(""),
	  false, S("none")},
	 "other-domain",
	 "192.0.2.1 sent 9 messages as e.org; 4 failed, 3 to Junk; SPF passed "
	 "for x.test, which is not aligned"},
	{{S("::1"), S("e.org"), true, 2, 2, 0, 0, 0, S(""), S("x.test"), false,
	  S("none")},
	 "own-unsigned",
	 "::1 (this house) sent 2 messages as e.org; all failed; signed by "
	 "x.test, which is not aligned"},
	{{S("::1"), S("e.org"), true, 2, 1, 0, 0, 0, S(""), S(""), true,
	  S("none")},
	 "own-broken",
	 "::1 (this house) sent 2 messages as e.org; 1 failed; a signature of "
	 "e.org did not verify"},
	/* a broken signature of ours elsewhere, or what the reporter says */
	{{S("192.0.2.1"), S("e.org"), false, 2, 2, 0, 0, 0, S("x.test"), S(""),
	  true, S("none")},
	 "forwarded",
	 "192.0.2.1 sent 2 messages as e.org; all failed; SPF passed for "
	 "x.test, which is not aligned; a signature of e.org did not verify"},
	{{S("192.0.2.1"), S("e.org"), false, 3, 3, 0, 0, 2, S(""), S(""), false,
	  S("none")},
	 "forwarded", "192.0.2.1 sent 3 messages as e.org; all failed"},
	{{S("192.0.2.1"), S("e.org"), false, 4, 4, 0, 0, 2, S(""), S(""), false,
	  S("none")},
	 "unknown-sender", "192.0.2.1 sent 4 messages as e.org; all failed"},
};
/* clang-format on */

static void says_what_happened(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(4096);

		assert_string_equal(
		    advice_name(advice_of(&rows[i].source)), rows[i].name);
		advice_say(&rows[i].source, &out);
		assert_string_equal(buf_text(&out), rows[i].said);
		buf_free(&out);
	}
}

/* Who is fine hears nothing, everybody else something; the policy that lets it
 * through is named where it does. */
static void advises(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct advice_source s = rows[i].source;
		struct buf open = buf_new(4096), closed = buf_new(4096);
		bool stranger;

		advice_put(&s, &open);
		s.policy = STR("reject");
		advice_put(&s, &closed);
		assert_int_equal(open.len == 0, s.failed == 0);
		stranger = advice_of(&s) == ADVICE_OTHER_DOMAIN ||
		    (advice_of(&s) == ADVICE_UNKNOWN_SENDER &&
			!str_eq(rows[i].source.policy, STR("reject")));
		assert_int_equal(
		    stranger, !str_eq(buf_str(&open), buf_str(&closed)));
		buf_free(&open);
		buf_free(&closed);
	}
}

static void knows_every_failure_of_tls(void **state)
{
	static const char *const results[] = {"starttls-not-supported",
	    "certificate-host-mismatch", "certificate-expired",
	    "certificate-not-trusted", "validation-failure", "tlsa-invalid",
	    "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
	    "sts-policy-invalid", "sts-webpki-invalid"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		assert_string_not_equal(advice_tls(str_from(results[i])),
		    advice_tls(STR("another")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_what_happened),
	    cmocka_unit_test(advises),
	    cmocka_unit_test(knows_every_failure_of_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
