/* SPDX-License-Identifier: ISC */
/* The whole verdict of a message, and its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/clock.h"
#include "mailauth/results.h"

struct zone {
	const char *name;
	enum dns_type type;
	const char *text;
};

/* clang-format off */
static const struct zone zone[] = {
	{"example.com", DNS_TXT, "v=spf1 ip4:192.0.2.0/24 -all"},
	{"far.example.com", DNS_TXT, "v=spf1 redirect=example.com"},
	{"users.example", DNS_TXT, "v=spf1 exists:%{l}.users.example ip4:192.0.2.0/24"},
	{"mx.example.com", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all"},
	{"_dmarc.example.com", DNS_TXT, "v=DMARC1; p=reject"},
	{"example.net", DNS_TXT, "v=spf1 -all"},
	{"_dmarc.example.net", DNS_TXT, "v=DMARC1; p=quarantine"},
	{"slow.example", DNS_TXT, "TIMEOUT"},
	{"_dmarc.slow.example", DNS_TXT, "v=DMARC1; p=reject"},
	{"vast.example", DNS_TXT, "v=spf1 a:1.vast.example a:2.vast.example "
	    "a:3.vast.example a:4.vast.example a:5.vast.example "
	    "a:6.vast.example a:7.vast.example a:8.vast.example -all"},
	{"huge.example", DNS_TXT, "v=spf1 a:1.huge.example a:2.huge.example "
	    "a:3.huge.example a:4.huge.example a:5.huge.example "
	    "a:6.huge.example a:7.huge.example a:8.huge.example -all"},
	{NULL, DNS_TXT, NULL},
};
/* clang-format on */

static void answer(struct questions *q)
{
	struct dns_record record;
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type)) {
		struct dns_reply r = {.status = DNS_NO_NAME, .why = "NXDOMAIN"};
		for (const struct zone *z = zone; z->name != NULL; z++) {
			if (!str_case_eq(name, str_from(z->name)) ||
			    type != z->type)
				continue;
			record = (struct dns_record){.type = type,
			    .name = STR_EMPTY,
			    .text = str_from(z->text)};
			r = strcmp(z->text, "TIMEOUT") == 0
			    ? (struct dns_reply){.status = DNS_TEMPORARY,
				  .why = "timeout"}
			    : (struct dns_reply){.status = DNS_OK,
				  .why = "",
				  .count = 1,
				  .records = &record};
		}
		questions_answer(q, name, type, &r);
	}
}

struct message {
	const char *client, *helo, *sender, *header;
};

/* A name server that swallows: time goes by. */
static void answer_nothing(struct questions *q)
{
	(void)q;
	clock_skip(5000);
}

/* Each host has a thousand addresses. */
static void answer_much(struct questions *q)
{
	static struct dns_record records[1000];
	static char text[250];
	struct dns_reply r = {.status = DNS_OK,
	    .why = "",
	    .count = ARRAY_LEN(records),
	    .records = records};
	enum dns_type type;
	struct str name;

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		records[i] = (struct dns_record){.type = DNS_A,
		    .name = str_of(text, sizeof(text)),
		    .text = STR_EMPTY};
		netaddr_parse(STR("203.0.113.1"), 0, &records[i].addr);
	}
	while (questions_open(q, &name, &type) && type == DNS_A)
		questions_answer(q, name, type, &r);
	answer(q);
}

/* pause_ms: what the client takes between its commands. */
static struct verdict *run_with(const struct message *m,
    void (*answers)(struct questions *q), int64_t pause_ms)
{
	struct verdict_policy policy = {.receiver = "here.example.org",
	    .dkim = {.signatures_most = 5, .bits_least = 1024},
	    .budget_ms = 20000};
	struct verdict *v = verdict_new(NULL, NULL, &policy);
	struct netaddr client;

	netaddr_parse(str_from(m->client), 0, &client);
	questions_answer_by(verdict_questions(v), answers);
	questions_answer_by(verdict_policy_questions(v), answer);
	verdict_begin(v, &client, str_from(m->helo));
	verdict_sender(v, str_from(m->sender));
	if (answers == answer_much) { /* before the client says DATA */
		verdict_spf_helo(v);
		verdict_spf_sender(v);
	}
	clock_skip(pause_ms);
	verdict_header(v, str_from(m->header));
	verdict_body(v, STR("text\r\n"));
	clock_skip(pause_ms);
	verdict_end(v);
	return v;
}

static struct verdict *run(const struct message *m)
{
	return run_with(m, answer, 0);
}

static void results_have(
    struct verdict *v, const struct message *m, const char *expected)
{
	struct results_context c = {.server = STR("here.example.org"),
	    .name_asked = true,
	    .client_name = STR("unknown"),
	    .name_status = DNS_NO_DATA,
	    .helo = str_from(m->helo),
	    .sender = str_from(m->sender),
	    .user = STR_EMPTY};
	struct buf out = buf_new(10000);

	netaddr_parse(str_from(m->client), 0, &c.client);
	results_write(v, &c, &out);
	assert_non_null(strstr(buf_text(&out), expected));
	buf_free(&out);
}

static void test_aligned(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com",
	    "a@example.com", "From: A <a@Example.com>\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	assert_int_equal(verdict_dmarc(v)->result, DMARC_PASS);
	assert_true(verdict_dmarc(v)->spf_aligned);
	assert_false(verdict_doubtful(v));
	results_have(v, &m, "here.example.org;\r\n\tiprev=fail");
	results_have(v, &m,
	    ";\r\n\tspf=pass (ip4:192.0.2.1) "
	    "smtp.helo=mx.example.com");
	results_have(v, &m, "smtp.mailfrom=example.com;\r\n\tdkim=none");
	results_have(
	    v, &m, ";\r\n\tdmarc=pass (p=reject) header.from=example.com");
	verdict_free(&v);
}

/* Several authors: the worst counts, and it is told that there is doubt. */
static void test_several_authors(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com",
	    "a@example.com", "From: a@example.com, b@example.net\r\n"};
	static const struct message twice = {"192.0.2.1", "mx.example.com",
	    "a@example.com", "From: b@example.net\r\nfrom: a@example.com\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	assert_int_equal(verdict_dmarc(v)->asked, DMARC_QUARANTINE);
	assert_true(str_eq(verdict_author(v), STR("example.net")));
	verdict_free(&v);
	v = run(&twice);
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	assert_true(verdict_doubtful(v));
	verdict_free(&v);
}

/* What DNS does not say is no reason to refuse. */
static void test_temporary(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com",
	    "a@slow.example", "From: a@slow.example\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	assert_int_equal(verdict_spf_sender(v)->result, SPF_TEMPERROR);
	assert_int_equal(verdict_dmarc(v)->result, DMARC_TEMPERROR);
	verdict_free(&v);
}

/* A forger whose own DNS is silent, in SPF and in a signature, does not get
 * round the policy of the domain that he forges. */
static void test_silence_of_others(void **state)
{
	static const struct message m = {"192.0.2.1", "silent.example",
	    "a@silent.example",
	    "DKIM-Signature: v=1; a=rsa-sha256; d=silent.example; s=s; h=From;"
	    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
	    "From: a@example.com\r\n"};
	struct verdict *v = run_with(&m, answer_nothing, 0);

	(void)state;
	assert_int_equal(verdict_spf_sender(v)->result, SPF_TEMPERROR);
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	assert_int_equal(verdict_dmarc(v)->asked, DMARC_REJECT);
	verdict_free(&v);
}

/* Answers for example.com come late, those for silent.example never. */
static void answer_late(struct questions *q)
{
	struct dns_record record = {.type = DNS_TXT, .name = STR_EMPTY};
	struct dns_reply r = {.status = DNS_OK, .count = 1, .records = &record};
	bool slow = true;

	for (const struct zone *z = zone; z->name != NULL; z++) {
		unsigned before = questions_answered(q);

		record.text = str_from(z->text);
		if (strstr(z->name, "example.com") != NULL)
			questions_answer(q, str_from(z->name), z->type, &r);
		slow = slow && questions_answered(q) == before;
	}
	clock_skip(slow ? 5000 : 100);
}

/* Nor does one who only says HELO with a name of such a DNS, when the sender's
 * SPF takes more than one answer. */
static void test_silence_of_helo(void **state)
{
	static const struct message m = {"198.51.100.1", "silent.example",
	    "a@far.example.com", "From: a@far.example.com\r\n"};
	struct verdict *v = run_with(&m, answer_late, 0);

	(void)state;
	assert_int_equal(verdict_spf_sender(v)->result, SPF_FAIL);
	assert_int_equal(verdict_spf_helo(v)->result, SPF_TEMPERROR);
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	verdict_free(&v);
}

/* A forger whose own DNS has more to say than is listened to, so that there is
 * no room for the key of a signature that he made up for another domain. */
static void test_too_much_of_others(void **state)
{
	static const struct message m = {"192.0.2.1", "vast.example",
	    "a@huge.example",
	    "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s; h=From;"
	    " bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=AAAA\r\n"
	    "From: a@example.com\r\n"};
	struct verdict *v = run_with(&m, answer_much, 0);

	(void)state;
	assert_int_equal(verdict_dkim(v, 0)->result, DKIM_TEMPERROR);
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	assert_int_equal(verdict_dmarc(v)->asked, DMARC_REJECT);
	verdict_free(&v);
}

/* What the client takes is not taken off the budget. */
static void test_slow_client(void **state)
{
	static const struct message m = {
	    "192.0.2.1", "evil.test", "a@evil.test", "From: a@example.com\r\n"};
	struct verdict *v = run_with(&m, answer, 30000);

	(void)state;
	assert_int_equal(verdict_dmarc(v)->result, DMARC_FAIL);
	verdict_free(&v);
}

/* RFC 7208 section 4.6.4: of the default budget SPF has 20 seconds, and DMARC
 * the rest. */
static void test_time_of_spf(void **state)
{
	struct verdict_policy policy = {
	    .receiver = "here.example.org", .budget_ms = 30000};
	struct verdict *v = verdict_new(NULL, NULL, &policy);
	struct netaddr client;

	(void)state;
	netaddr_parse(STR("192.0.2.1"), 0, &client);
	questions_answer_by(verdict_questions(v), answer_nothing);
	verdict_begin(v, &client, STR("mx.example.com"));
	verdict_sender(v, STR("a@example.com"));
	int64_t began = clock_ms();
	assert_int_equal(verdict_spf_sender(v)->result, SPF_TEMPERROR);
	assert_true(clock_ms() - began >= 20000);
	verdict_free(&v);
}

static void test_no_sender(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com", "",
	    "From: postmaster@example.com\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	assert_null(verdict_spf_sender(v));
	assert_int_equal(verdict_dmarc(v)->result, DMARC_PASS);
	verdict_free(&v);
}

static void test_doubtful_authors(void **state)
{
	static const char *const headers[] = {"Subject: x\r\n", "From: \r\n",
	    "From: undisclosed:;\r\n", "From: me\r\n",
	    "From: a@a.b, a@b.b, a@c.b, a@d.b, a@e.b, a@f.b\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct message m = {
		    "192.0.2.1", "mx.example.com", "", headers[i]};
		struct verdict *v = run(&m);
		assert_true(verdict_doubtful(v));
		verdict_free(&v);
	}
}

/* RFC 8601 section 2.7.2: a local part is named when a policy asked for it. */
static void test_local_part_of_sender(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com",
	    "joe=x/y@users.example", "From: joe@users.example\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	results_have(v, &m, " smtp.mailfrom=joe=x/y@users.example;");
	verdict_free(&v);
}

/* Nothing that a stranger chose ends a value or a comment. */
static void test_text_is_quoted(void **state)
{
	static const struct message m = {"192.0.2.1", "x; dmarc=pass (\"\\",
	    "\"a; spf=pass\"@slow.example", "From: a@slow.example\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	results_have(v, &m, "smtp.helo=\"x; dmarc=pass (\\\"\\\\\"");
	results_have(v, &m, "smtp.mailfrom=slow.example;");
	verdict_free(&v);
}

/* Of the longest text that strangers choose no line is longer than SMTP takes,
 * whatever has to be quoted in it. */
static void test_lines_are_short(void **state)
{
	char quotes[251], sender[300];
	struct buf header = buf_new(10000), out = buf_new(20000);
	struct message m = {"192.0.2.1", quotes, sender, ""};
	struct results_context c = {.server = STR("here.example.org"),
	    .helo = str_of(quotes, sizeof(quotes) - 1),
	    .sender = str_from("")};

	(void)state;
	memset(quotes, '"', sizeof(quotes) - 1);
	quotes[sizeof(quotes) - 1] = '\0';
	snprintf(sender, sizeof(sender), "%.240s@example.com", quotes);
	buf_printf(&header,
	    "DKIM-Signature: v=1; a=%s; d=%s; s=%s; i=%s@%.200s; h=From;"
	    " bh=x; b=AAAA\r\nFrom: a@example.com\r\n",
	    quotes, quotes, quotes, "", quotes);
	m.header = buf_text(&header);
	struct verdict *v = run(&m);
	netaddr_parse(STR("192.0.2.1"), 0, &c.client);
	c.sender = str_from(sender);
	results_write(v, &c, &out);
	buf_add_text(&out, "\r\n");
	results_write_spf(verdict_spf_sender(v), &c, &out);
	assert_non_null(strstr(buf_text(&out), "header.s=\"\\\"\\\""));
	for (struct str rest = buf_str(&out); rest.len > 0;)
		assert_true(str_cut(&rest, '\n').len <= 900);
	verdict_free(&v);
	buf_free(&header);
	buf_free(&out);
}

/* RFC 8601's and RFC 7208's grammars: an IPv6 address and an address of mail
 * are no tokens. */
static void test_grammar(void **state)
{
	static const struct message m = {
	    "2001:db8::1", "a/b", "a@example.com", "From: a@example.com\r\n"};
	struct verdict *v = run(&m);
	struct results_context c = {.server = STR("here.example.org"),
	    .helo = str_from(m.helo),
	    .sender = str_from(m.sender)};
	struct buf out = buf_new(10000);

	(void)state;
	results_have(v, &m, " policy.iprev=\"2001:db8::1\"");
	results_have(v, &m, " smtp.helo=\"a/b\"");
	netaddr_parse(str_from(m.client), 0, &c.client);
	results_write_spf(verdict_spf_sender(v), &c, &out);
	assert_non_null(
	    strstr(buf_text(&out), "\r\n\treceiver=here.example.org"));
	buf_free(&out);
	verdict_free(&v);
}

/* RFC 6008 section 4: as much of b= as tells it from the others. */
static void test_signatures_are_told_apart(void **state)
{
	static const struct message m = {"192.0.2.1", "mx.example.com",
	    "a@example.com",
	    "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=From; bh=AAAA;"
	    " b=ABC\r\n DEFGHIJKL\r\n"
	    "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=From; bh=AAAA;"
	    " b=ABCDEFGHIJKM\r\n"
	    "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=From; bh=AAAA;"
	    " b=ABCDEFGHIJKL\r\n"
	    "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=From; bh=AAAA;"
	    " b=ZBCDE+/FGHIJ\r\n"
	    "From: a@example.com\r\n"};
	struct verdict *v = run(&m);

	(void)state;
	assert_int_equal(verdict_dkim_count(v), 4);
	results_have(v, &m, " header.b=ABCDEFGHIJKL;");
	results_have(v, &m, " header.b=ABCDEFGHIJKM;");
	results_have(v, &m, " header.b=\"ZBCDE+/F\";");
	verdict_free(&v);
}

static void test_what_a_sealer_says(void **state)
{
	static const struct {
		const char *value;
		bool passed;
	} rows[] = {
	    {"l.test; dmarc=pass header.from=bank.test", true},
	    {"i=1; l.test;\r\n\tspf=fail smtp.mailfrom=a;\r\n\tDMARC=Pass "
	     "(p=reject; x) header.from=Bank.test",
		true},
	    {"l.test; dmarc = pass policy.x=1 header.from = \"bank.test\"",
		true},
	    {"l.test; dmarc=pass header.from=other.test", false},
	    {"l.test; dmarc=pass", false},
	    {"l.test; dmarc=passed header.from=bank.test", false},
	    {"l.test; dmarc=fail header.from=bank.test", false},
	    {"l.test; xdmarc=pass header.from=bank.test", false},
	    {"l.test; dmarc=fail header.from=bank.test; dmarc=pass "
	     "header.from=other.test",
		false},
	    {"l.test; spf=pass smtp.mailfrom=\"x; dmarc=pass "
	     "header.from=bank.test\"",
		false},
	    {"l.test; spf=pass smtp.mailfrom=\"x\\\"; dmarc=pass "
	     "header.from=bank.test; \"",
		false},
	    {"l.test; spf=pass (; dmarc=pass header.from=bank.test;)", false},
	    {"l.test; spf=pass (\\); dmarc=pass header.from=bank.test;)",
		false},
	    {"", false},
	    {"\"", false},
	    {"(", false},
	    {"\\", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(results_passed_dmarc(
				     str_from(rows[i].value), STR("bank.test")),
		    rows[i].passed);
	assert_false(results_passed_dmarc(
	    STR("l.test; dmarc=pass header.from="), STR_EMPTY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_a_sealer_says),
	    cmocka_unit_test(test_aligned),
	    cmocka_unit_test(test_several_authors),
	    cmocka_unit_test(test_temporary),
	    cmocka_unit_test(test_silence_of_others),
	    cmocka_unit_test(test_silence_of_helo),
	    cmocka_unit_test(test_too_much_of_others),
	    cmocka_unit_test(test_slow_client),
	    cmocka_unit_test(test_time_of_spf),
	    cmocka_unit_test(test_no_sender),
	    cmocka_unit_test(test_doubtful_authors),
	    cmocka_unit_test(test_local_part_of_sender),
	    cmocka_unit_test(test_text_is_quoted),
	    cmocka_unit_test(test_lines_are_short),
	    cmocka_unit_test(test_grammar),
	    cmocka_unit_test(test_signatures_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
