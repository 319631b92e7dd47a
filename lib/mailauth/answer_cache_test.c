/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "mailauth/answer_cache.h"
#include "mailauth/questions.h"

static struct dns_reply text_reply(
    struct dns_record *r, const char *text, uint32_t ttl)
{
	*r = (struct dns_record){.type = DNS_TXT,
	    .ttl = ttl,
	    .name = STR_EMPTY,
	    .text = str_from(text)};
	return (struct dns_reply){.status = DNS_OK,
	    .why = "",
	    .authentic = true,
	    .count = 1,
	    .records = r};
}

static void an_answer_lives_for_its_ttl(void **state)
{
	struct answer_cache *c = answer_cache_new(10000, 50000);
	struct dns_record r;
	char text[] = "v=DKIM1";
	struct dns_reply reply = text_reply(&r, text, 20);
	const struct dns_reply *got;

	(void)state;
	answer_cache_put(c, STR("16 a"), &reply);
	memset(text, 'x', sizeof(text) - 1);
	got = answer_cache_get(c, STR("16 a"));
	assert_non_null(got);
	assert_int_equal(got->count, 1);
	assert_true(got->authentic);
	assert_memory_equal(got->records[0].text.p, "v=DKIM1", 7);
	assert_null(answer_cache_get(c, STR("16 b")));
	clock_skip(19000);
	assert_non_null(answer_cache_get(c, STR("16 a")));
	clock_skip(2000);
	assert_null(answer_cache_get(c, STR("16 a")));
	/* No longer than the cache allows, whatever the TTL. */
	reply = text_reply(&r, "y", 4000000000u);
	answer_cache_put(c, STR("16 a"), &reply);
	clock_skip(49000);
	assert_non_null(answer_cache_get(c, STR("16 a")));
	clock_skip(2000);
	assert_null(answer_cache_get(c, STR("16 a")));
	/* That there is none is known for a while, a failure is not kept, nor
	 * what may not be. */
	answer_cache_put(c, STR("16 n"),
	    &(struct dns_reply){.status = DNS_NO_NAME, .why = "NXDOMAIN"});
	assert_int_equal(answer_cache_get(c, STR("16 n"))->status, DNS_NO_NAME);
	answer_cache_put(c, STR("16 t"),
	    &(struct dns_reply){.status = DNS_TEMPORARY, .why = "timeout"});
	assert_null(answer_cache_get(c, STR("16 t")));
	reply = text_reply(&r, "y", 0);
	answer_cache_put(c, STR("16 z"), &reply);
	assert_null(answer_cache_get(c, STR("16 z")));
	answer_cache_free(&c);
	answer_cache_free(&c);
}

static void it_never_grows_beyond_its_bound(void **state)
{
	struct answer_cache *c = answer_cache_new(20000, 50000);
	struct dns_record r;
	char large[3000], key[32];
	struct dns_reply reply;

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	reply = text_reply(&r, large, 60);
	answer_cache_put(c, STR("large"), &reply);
	assert_null(answer_cache_get(c, STR("large")));
	for (int i = 0; i < 5000; i++) {
		/* The same name twice, in between. */
		snprintf(key, sizeof(key), "16 %d", i % 3 == 0 ? i / 2 : i);
		reply = text_reply(&r, i % 2 ? "short" : "a longer text", 60);
		answer_cache_put(c, str_from(key), &reply);
		assert_true(answer_cache_size(c) <= 20000);
		assert_non_null(answer_cache_get(c, str_from(key)));
	}
	assert_null(answer_cache_get(c, STR("16 1")));
	answer_cache_free(&c);
}

static unsigned asked;

static void answer_one(struct questions *q)
{
	struct str name;
	enum dns_type type;
	struct dns_record r;
	struct dns_reply reply = text_reply(&r, "v=x", 60);

	while (questions_open(q, &name, &type)) {
		asked++;
		questions_answer(q, name, type, &reply);
	}
}

static void the_next_message_does_not_ask_again(void **state)
{
	struct answer_cache *c = answer_cache_new(20000, 50000);
	struct questions *q = questions_new(NULL);

	(void)state;
	questions_cache(q, c);
	questions_answer_by(q, answer_one);
	for (int i = 0; i < 3; i++) {
		const struct dns_reply *got;

		questions_clear(q, DEADLINE_NEVER);
		got = questions_ask(q, STR("Sel.example.org."), DNS_TXT);
		assert_true((got == NULL) == (i == 0));
		if (got == NULL)
			questions_wait(q, NULL);
		got = questions_ask(q, STR("sel.EXAMPLE.org"), DNS_TXT);
		assert_memory_equal(got->records[0].text.p, "v=x", 3);
	}
	assert_int_equal(asked, 1);
	assert_null(questions_ask(q, STR("sel.example.org"), DNS_A));
	questions_free(&q);
	answer_cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_lives_for_its_ttl),
	    cmocka_unit_test(it_never_grows_beyond_its_bound),
	    cmocka_unit_test(the_next_message_does_not_ask_again),
	};

	return cmocka_run_group_tests_name("answer_cache", tests, NULL, NULL);
}
