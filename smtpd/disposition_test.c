/* SPDX-License-Identifier: ISC */
/* What becomes of a message, from its verdict and the parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "smtpd/disposition.h"

static const struct {
	const char *name, *text;
} zone[] = {
    {"good.test", "v=spf1 ip4:192.0.2.0/24 -all"},
    {"_dmarc.good.test", "v=DMARC1; p=reject"},
    {"list.test", "v=spf1 ip4:192.0.2.0/24 -all"},
    {"_dmarc.strict.test", "v=DMARC1; p=reject"},
    {"_dmarc.soft.test", "v=DMARC1; p=quarantine"},
    {"_dmarc.trial.test", "v=DMARC1; p=reject; t=y"},
    {"_dmarc.mild.test", "v=DMARC1; p=none"},
    {"_dmarc.late.test", NULL}, /* no answer */
    {"slow.test", NULL},
    {"_dmarc.slow.test", "v=DMARC1; p=reject"},
    {"idle.test", NULL},
    {"_dmarc.idle.test", "v=DMARC1; p=quarantine"},
};

static void answer(struct questions *q)
{
	enum dns_type type;
	struct str name;

	while (questions_open(q, &name, &type)) {
		struct dns_reply r = {.status = DNS_NO_NAME, .why = "NXDOMAIN"};
		struct dns_record record = {.type = DNS_TXT, .name = STR_EMPTY};

		for (size_t i = 0; i < ARRAY_LEN(zone); i++) {
			if (type != DNS_TXT ||
			    !str_case_eq(name, str_from(zone[i].name)))
				continue;
			if (zone[i].text == NULL) {
				r.status = DNS_TEMPORARY;
				continue;
			}
			record.text = str_from(zone[i].text);
			r = (struct dns_reply){.status = DNS_OK,
			    .why = "",
			    .count = 1,
			    .records = &record};
		}
		questions_answer(q, name, type, &r);
	}
}

/* Lists of those who are spared; a table that one names has list.test and
 * 192.0.2.1, "text:away" is away. */
static struct house_conf house;

static enum map_result ask(
    void *arg, const struct rule *rule, struct str table, struct str keys)
{
	(void)arg;
	(void)rule;
	if (str_eq(table, STR("text:away")))
		return MAP_ERROR;
	return str_starts(keys, STR("list.test")) ||
		str_eq(keys, STR("192.0.2.1"))
	    ? MAP_FOUND
	    : MAP_NONE;
}

static struct smtpd_conf defaults(void)
{
	house = (struct house_conf){.dmarc_trusted_forwarders = "",
	    .dmarc_mailing_lists = "",
	    .arc_trusted_sealers = ""};
	return (struct smtpd_conf){.dmarc_reject_action = DMARC_DO_REJECT,
	    .dmarc_quarantine_action = DMARC_DO_JUNK,
	    .dmarc_doubtful_author_action = DMARC_DO_JUNK,
	    .dmarc_temperror_defer = DEFER_REJECT};
}

/* "applied spared rule", of a message from 192.0.2.1. */
static void expect(const struct smtpd_conf *conf, const char *sender,
    const char *header, const char *want)
{
	struct verdict_policy policy = {.receiver = "here.test",
	    .dkim = {.signatures_most = 5, .bits_least = 1024},
	    .budget_ms = 1000};
	struct verdict *v = verdict_new(NULL, NULL, &policy);
	struct netaddr client;
	struct disposition d;
	char got[200];

	netaddr_parse(STR("192.0.2.1"), 0, &client);
	questions_answer_by(verdict_questions(v), answer);
	questions_answer_by(verdict_policy_questions(v), answer);
	verdict_begin(v, &client, STR("helo.test"));
	verdict_sender(v, str_from(sender));
	verdict_header(v, str_from(header));
	verdict_end(v);
	disposition_of(
	    v, &(struct decision){conf, &house, &client, ask, NULL}, &d);
	snprintf(got, sizeof(got), "%s %s %s", applied_names[d.applied],
	    spared_names[d.spared], d.rule != NULL ? d.rule->name : "");
	assert_string_equal(got, want);
	assert_true((d.why[0] != '\0') == (d.rule != NULL || d.spared != 0));
	verdict_free(&v);
}

static void does_what_the_domain_asks_for(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	expect(&c, "a@good.test", "From: a@good.test\r\n", "none  ");
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
	expect(&c, "a@good.test", "From: a@soft.test\r\n",
	    "junk  dmarc_quarantine_action");
	expect(&c, "a@good.test", "From: a@trial.test\r\n",
	    "junk policy_test_mode dmarc_quarantine_action");
	expect(&c, "a@good.test", "From: a@mild.test\r\n", "none  ");
	expect(&c, "a@good.test", "From: a@none.test\r\n", "none  ");
	expect(&c, "a@good.test", "From: a@late.test\r\n", "none  ");
	expect(&c, "a@slow.test", "From: a@slow.test\r\n",
	    "defer  dmarc_temperror_defer");
	expect(&c, "a@good.test", "From: a@slow.test\r\n",
	    "reject  dmarc_reject_action");
	expect(&c, "a@idle.test", "From: a@idle.test\r\n", "none  ");
	c.dmarc_temperror_defer = DEFER_NONE;
	expect(&c, "a@slow.test", "From: a@slow.test\r\n", "none  ");
}

static void does_what_the_parameters_say(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	c.dmarc_reject_action = DMARC_DO_JUNK;
	c.dmarc_quarantine_action = DMARC_DO_REJECT;
	c.dmarc_temperror_defer = DEFER_ALL;
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "junk local_policy dmarc_reject_action");
	expect(&c, "a@good.test", "From: a@soft.test\r\n",
	    "reject  dmarc_quarantine_action");
	expect(&c, "a@good.test", "From: a@late.test\r\n",
	    "defer  dmarc_temperror_defer");
	c.dmarc_reject_action = DMARC_DO_NOTHING;
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "none local_policy dmarc_reject_action");
}

static void authors_in_doubt(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	expect(&c, "a@good.test", "Subject: x\r\n",
	    "junk  dmarc_doubtful_author_action");
	expect(&c, "a@good.test", "From: a@good.test\r\nFrom: b@good.test\r\n",
	    "junk  dmarc_doubtful_author_action");
	expect(&c, "a@good.test",
	    "From: a@good.test\r\nFrom: b@strict.test\r\n",
	    "reject  dmarc_reject_action");
	expect(&c, "a@good.test", "From: a@good.test\r\nFrom: b@soft.test\r\n",
	    "junk  dmarc_quarantine_action");
	c.dmarc_doubtful_author_action = DMARC_DO_REJECT;
	expect(&c, "a@good.test", "From: a@good.test\r\nFrom: b@soft.test\r\n",
	    "reject  dmarc_doubtful_author_action");
	c.dmarc_doubtful_author_action = DMARC_DO_NOTHING;
	expect(&c, "a@good.test", "Subject: x\r\n", "none  ");
}

/* What is hidden behind more than anybody reads is as strict as can be. */
static void authors_that_nobody_reads(void **state)
{
	struct smtpd_conf c = defaults();
	struct buf text = buf_new(1 << 20);

	(void)state;
	buf_add_text(&text, "From: a@good.test");
	for (int i = 0; i < 6; i++)
		buf_printf(&text, ", a@d%d.test", i);
	buf_add_text(&text, ", a@strict.test\r\n");
	expect(
	    &c, "a@good.test", buf_text(&text), "reject  dmarc_reject_action");
	buf_clear(&text);
	for (int i = 0; i < HEADER_FIELDS_MOST; i++)
		buf_add_text(&text, "X: x\r\n");
	buf_add_text(&text, "From: a@strict.test\r\n");
	expect(
	    &c, "a@good.test", buf_text(&text), "reject  dmarc_reject_action");
	c.dmarc_reject_action = DMARC_DO_NOTHING;
	expect(&c, "a@good.test", buf_text(&text),
	    "junk  dmarc_doubtful_author_action");
	c = defaults();
	/* A long one is read. */
	buf_clear(&text);
	buf_add_text(&text, "From: a@strict.test (");
	for (int i = 0; i < 5000; i++)
		buf_add_text(&text, "\r\n long comment");
	buf_add_text(&text, ")\r\n");
	expect(
	    &c, "a@good.test", buf_text(&text), "reject  dmarc_reject_action");
	buf_free(&text);
}

static void some_are_spared(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	house.dmarc_mailing_lists = "other.test, list.test";
	expect(&c, "a@list.test", "From: a@strict.test\r\n",
	    "none mailing_list dmarc_mailing_lists");
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
	c = defaults();
	house.dmarc_trusted_forwarders = "198.51.100.0/24 192.0.2.1/32";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "none trusted_forwarder dmarc_trusted_forwarders");
	expect(&c, "a@slow.test", "From: a@slow.test\r\n", "none  ");
	house.dmarc_trusted_forwarders = "198.51.100.0/24";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
	house.dmarc_trusted_forwarders = "!192.0.2.1 192.0.2.0/24";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
}

static void tables_spare(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	house.dmarc_mailing_lists = "hash:lists";
	expect(&c, "a@list.test", "From: a@strict.test\r\n",
	    "none mailing_list dmarc_mailing_lists");
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
	house.dmarc_trusted_forwarders = "cidr:forwarders";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "none trusted_forwarder dmarc_trusted_forwarders");
	house.dmarc_trusted_forwarders = "!cidr:forwarders 192.0.2.0/24";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
}

/* Neither lost nor let in: put off, where it makes a difference. */
static void a_table_that_is_away(void **state)
{
	struct smtpd_conf c = defaults();

	(void)state;
	house.dmarc_trusted_forwarders = "text:away";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "defer  dmarc_trusted_forwarders");
	expect(&c, "a@good.test", "From: a@soft.test\r\n",
	    "defer  dmarc_trusted_forwarders");
	expect(&c, "a@good.test", "From: a@good.test\r\n", "none  ");
	expect(&c, "a@good.test", "From: a@mild.test\r\n", "none  ");
	expect(&c, "a@slow.test", "From: a@slow.test\r\n",
	    "defer  dmarc_temperror_defer");
	c.dmarc_reject_action = DMARC_DO_NOTHING;
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "none local_policy dmarc_reject_action");
	c = defaults();
	/* What another list knows counts; of one, what stands before. */
	house.dmarc_trusted_forwarders = "text:away";
	house.dmarc_mailing_lists = "hash:lists";
	expect(&c, "a@list.test", "From: a@strict.test\r\n",
	    "none mailing_list dmarc_mailing_lists");
	house.dmarc_trusted_forwarders = "192.0.2.1 text:away";
	expect(&c, "a@good.test", "From: a@strict.test\r\n",
	    "none trusted_forwarder dmarc_trusted_forwarders");
	/* Nobody vouches for who is asked about: there is no question. */
	c = defaults();
	house.dmarc_mailing_lists = "text:away";
	house.arc_trusted_sealers = "text:away";
	expect(&c, "a@none.test", "From: a@strict.test\r\n",
	    "reject  dmarc_reject_action");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(does_what_the_domain_asks_for),
	    cmocka_unit_test(does_what_the_parameters_say),
	    cmocka_unit_test(authors_in_doubt),
	    cmocka_unit_test(authors_that_nobody_reads),
	    cmocka_unit_test(some_are_spared),
	    cmocka_unit_test(tables_spare),
	    cmocka_unit_test(a_table_that_is_away),
	};

	return cmocka_run_group_tests_name("disposition", tests, NULL, NULL);
}
