/* SPDX-License-Identifier: ISC */
/* The file and the message that carries it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "mail/header.h"
#include "mail/mime.h"
#include "reportd/aggregate.h"
#include "reportd/aggregate_mail.h"
#include "reportd/xml.h"

#define MOST ((size_t)1 << 20)

static const struct aggregate_from from = {.org_name = "R & D <here>",
    .contact = "postmaster@here.test",
    .receiver = "mx.here.test",
    .software = "Posthouse 0"};

static struct period period(const char *record)
{
	return (struct period){.domain = STR_INIT("own.test"),
	    .begin = 1795219200,
	    .end = 1795305600,
	    .id = STR_INIT("0123456789ABCDEFGHJKMN"),
	    .record = str_from(record),
	    .discovery = REPORT_TREEWALK,
	    .messages = 10,
	    .left_out = 2};
}

static struct counted_row row(void)
{
	return (struct counted_row){
	    .row = {.client_address = STR_INIT("192.0.2.1"),
		.author = STR_INIT("own.test"),
		.envelope_from = STR_EMPTY,
		.spf_domain = STR_EMPTY,
		.dkim = STR_EMPTY,
		.comment = STR_EMPTY},
	    .count = 3};
}

static struct buf expand(struct str file)
{
	struct buf out = buf_new(64u << 20);
	z_stream z = {
	    .next_in = (Bytef *)(uintptr_t)file.p, .avail_in = (uInt)file.len};
	int result = Z_OK;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	while (result == Z_OK) {
		z.next_out = (Bytef *)buf_room(&out, 65536);
		z.avail_out = 65536;
		result = inflate(&z, Z_NO_FLUSH);
		buf_added(&out, 65536 - z.avail_out);
	}
	assert_int_equal(result, Z_STREAM_END);
	inflateEnd(&z);
	return out;
}

static struct buf report(const char *record, const struct counted_row *one)
{
	struct period p = period(record);
	struct aggregate *a = aggregate_new(&p, &from, MOST);
	struct buf xml;

	assert_non_null(a);
	assert_true(aggregate_add(a, one));
	xml = expand(aggregate_end(a));
	aggregate_free(&a);
	return xml;
}

static void has(struct buf *xml, const char *part)
{
	if (strstr(buf_text(xml), part) == NULL)
		fail_msg("there is no %s in %s", part, buf_text(xml));
}

/* ---- escaping ---- */

static void text_is_escaped(void **state)
{
	(void)state;
	static const struct {
		struct str in;
		const char *want;
	} rows[] = {
	    {STR_INIT("a<b>&\"c'"), "<x>a&lt;b&gt;&amp;\"c'</x>\n"},
	    {STR_INIT("]]>"), "<x>]]&gt;</x>\n"},
	    {STR_INIT("a\0b\x01\x1f\x7f"), "<x>a?b\?\?\?</x>\n"},
	    {STR_INIT("line\r\nend\t"), "<x>line\?\?end?</x>\n"},
	    {STR_INIT("Z\xc3\xbcrich"), "<x>Z\xc3\xbcrich</x>\n"},
	    {STR_INIT("\xf0\x9f\x93\xae"), "<x>\xf0\x9f\x93\xae</x>\n"},
	    /* cut, alone, too long, a surrogate, no characters */
	    {STR_INIT("\xc3"), "<x>?</x>\n"},
	    {STR_INIT("\xc3\x28"), "<x>?(</x>\n"},
	    {STR_INIT("\x80\x80"), "<x>\?\?</x>\n"},
	    {STR_INIT("\xc0\xaf"), "<x>\?\?</x>\n"},
	    {STR_INIT("\xed\xa0\x80"), "<x>\?\?\?</x>\n"},
	    {STR_INIT("\xef\xbf\xbe|\xef\xbf\xbf"), "<x>?|?</x>\n"},
	    {STR_INIT(""), "<x></x>\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = buf_new(1000);

		xml_text(&out, "x", rows[i].in);
		assert_string_equal(buf_text(&out), rows[i].want);
		buf_free(&out);
	}
}

static void what_strangers_chose_is_escaped(void **state)
{
	(void)state;
	struct counted_row r = row();
	struct buf xml;

	r.row.envelope_from = STR("<evil>&.test");
	r.row.dkim = STR("pass a.test </selector><x>\n");
	r.row.reason = REPORT_OTHER;
	r.row.comment = STR("</comment>");
	xml = report("v=DMARC1; p=none; fo=<x>", &r);
	has(&xml, "<org_name>R &amp; D &lt;here&gt;</org_name>");
	has(&xml, "<envelope_from>&lt;evil&gt;&amp;.test</envelope_from>");
	has(&xml, "<selector>&lt;/selector&gt;&lt;x&gt;</selector>");
	has(&xml, "<comment>&lt;/comment&gt;</comment>");
	assert_null(strstr(buf_text(&xml), "<x>"));
	buf_free(&xml);
}

/* ---- the policy and a row ---- */

static void what_the_record_leaves_out_has_its_default(void **state)
{
	(void)state;
	struct counted_row r = row();
	struct buf xml = report("v=DMARC1; p=quarantine", &r);

	has(&xml,
	    "<domain>own.test</domain>\n"
	    "<discovery_method>treewalk</discovery_method>\n"
	    "<p>quarantine</p>\n<sp>quarantine</sp>\n<np>quarantine</np>\n"
	    "<fo>0</fo>\n<adkim>r</adkim>\n<aspf>r</aspf>\n"
	    "<testing>n</testing>\n");
	has(&xml, "<begin>1795219200</begin>\n<end>1795305599</end>");
	buf_free(&xml);
	xml = report("v=DMARC1; p=none; sp=reject; aspf=s; t=y", &r);
	has(&xml,
	    "<p>none</p>\n<sp>reject</sp>\n<np>reject</np>\n<fo>0</fo>\n"
	    "<adkim>r</adkim>\n<aspf>s</aspf>\n<testing>y</testing>\n");
	/* What is not there is left out, not written empty. */
	assert_null(strstr(buf_text(&xml), "<spf></spf>"));
	assert_null(strstr(buf_text(&xml), "<reason>"));
	buf_free(&xml);
}

static void results_are_in_their_order(void **state)
{
	(void)state;
	struct counted_row r = row();
	struct buf xml;

	r.row.spf_domain = STR("helo.test");
	r.row.spf = REPORT_SPF_PERMERROR;
	r.row.spf_aligned = true;
	/* "magic" is no result of DKIM: the schema has none such. */
	r.row.dkim = STR("pass a.test one\nmagic b.test two\n"
			 "temperror c.test three\n");
	r.row.disposition = REPORT_PASS;
	xml = report("v=DMARC1; p=reject", &r);
	has(&xml,
	    "<row><source_ip>192.0.2.1</source_ip>\n<count>3</count>\n"
	    "<policy_evaluated><disposition>pass</disposition>\n"
	    "<dkim>fail</dkim>\n<spf>pass</spf>\n</policy_evaluated>\n");
	has(&xml,
	    "<auth_results><dkim><domain>a.test</domain>\n"
	    "<selector>one</selector>\n<result>pass</result>\n</dkim>\n"
	    "<dkim><domain>c.test</domain>\n<selector>three</selector>\n"
	    "<result>temperror</result>\n</dkim>\n"
	    "<spf><domain>helo.test</domain>\n<scope>mfrom</scope>\n"
	    "<result>permerror</result>\n</spf>\n</auth_results>\n");
	assert_null(strstr(buf_text(&xml), "b.test"));
	buf_free(&xml);
}

/* ---- limits ---- */

static void rows_beyond_the_size_are_left_out(void **state)
{
	(void)state;
	struct period p = period("v=DMARC1; p=none");
	struct aggregate *a = aggregate_new(&p, &from, 262144);
	struct counted_row r = row();
	uint64_t tried = 0;
	char noise[201];
	unsigned random = 1;
	struct str file;

	/* Noise, so that nothing is gained by packing it. */
	do {
		for (size_t i = 0; i < sizeof(noise) - 1; i++) {
			random = random * 1664525 + 1013904223;
			noise[i] = (char)('!' + (random >> 16) % 90);
		}
		noise[sizeof(noise) - 1] = '\0';
		r.row.comment = str_from(noise);
		r.row.reason = REPORT_OTHER;
		assert_true(++tried < 100000);
	} while (aggregate_add(a, &r));
	assert_true(aggregate_rows(a) > 100);
	assert_int_equal(aggregate_rows(a), tried - 1);
	assert_int_equal(aggregate_messages(a), 3 * (tried - 1));
	file = aggregate_end(a);
	assert_in_range(file.len, 262144 / 4, 262144);

	/* It is whole, with as many records as it says. */
	struct buf xml = expand(file);
	const char *at = buf_text(&xml);
	uint64_t records = 0;
	while ((at = strstr(at, "<record>")) != NULL) {
		records++;
		at++;
	}
	assert_int_equal(records, aggregate_rows(a));
	assert_true(str_ends(buf_str(&xml), STR("</feedback>\n")));
	buf_free(&xml);
	aggregate_free(&a);
}

static void a_record_that_is_none_makes_no_report(void **state)
{
	(void)state;
	struct period p = period("v=spf1 -all");
	struct aggregate *none = NULL;

	assert_null(aggregate_new(&p, &from, MOST));
	aggregate_free(&none);
}

/* ---- the message ---- */

static struct buf message(struct str file, struct str to)
{
	static struct period p;
	struct buf out = buf_new(MOST);

	p = period("v=DMARC1; p=none");
	struct aggregate_mail m = {.period = &p,
	    .sender = STR("noreply-dmarc@here.test"),
	    .to = to,
	    .receiver = "mx.here.test",
	    .contact = "postmaster@here.test",
	    .message_id = STR("ABCDEFGHJKMNPQRSTVWXYZ"),
	    .now = 1795305700,
	    .file = file,
	    .rows = 2,
	    .messages = 10};
	assert_int_equal(aggregate_mail_write(&m, &out), 0);
	return out;
}

/* RFC 9990 section 3.5.2. */
static void the_message_names_what_it_carries(void **state)
{
	(void)state;
	static char octets[5000];
	struct buf out = message(
	    str_of(octets, sizeof(octets)), STR("dmarc@own.test"));
	struct arena arena = arena_new(1 << 20);
	const struct mime_part *root = mime_parse(buf_str(&out), &arena);
	struct header_field f;
	struct str name;
	struct buf content = buf_new(10000);

	assert_true(header_find(buf_str(&out), STR("Subject"), &f));
	assert_non_null(strstr(buf_text(&out),
	    "Subject: Report Domain: own.test\r\n"
	    "\tSubmitter: mx.here.test\r\n"
	    "\tReport-ID: <0123456789ABCDEFGHJKMN>\r\n"));
	assert_non_null(strstr(buf_text(&out), "To: <dmarc@own.test>\r\n"));
	assert_true(header_find(buf_str(&out), STR("Auto-Submitted"), &f));
	assert_non_null(root);
	assert_non_null(root->child);
	const struct mime_part *file = root->child->next;
	assert_non_null(file);
	assert_true(
	    mime_param_find(file->disposition_params, STR("filename"), &name));
	assert_true(str_eq(name,
	    STR("mx.here.test!own.test!1795219200!1795305599!"
		"0123456789ABCDEFGHJKMN.xml.gz")));
	mime_decode_body(file, buf_str(&out), &content);
	assert_int_equal(content.len, sizeof(octets));
	assert_memory_equal(content.p, octets, sizeof(octets));
	assert_non_null(
	    strstr(buf_text(&out), "2 more messages are not in it"));
	buf_free(&content);
	arena_free(&arena);
	buf_free(&out);
}

/* RFC 5321 section 4.5.3.1.6: 998 octets and CRLF at most; ours are short. */
static void lines_are_short(void **state)
{
	(void)state;
	static char octets[100000];
	struct buf out = message(
	    str_of(octets, sizeof(octets)), STR("dmarc@own.test"));
	struct str rest = buf_str(&out);

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		assert_in_range(line.len, 1, 200);
		assert_int_equal(line.p[line.len - 1], '\r');
	}
	buf_free(&out);
}

static void a_message_that_does_not_fit_is_none(void **state)
{
	(void)state;
	static char octets[10000];
	struct period p = period("v=DMARC1; p=none");
	struct aggregate_mail m = {.period = &p,
	    .sender = STR_INIT("a@here.test"),
	    .to = STR_INIT("b@own.test"),
	    .receiver = "mx.here.test",
	    .contact = "c@here.test",
	    .message_id = STR_INIT("x"),
	    .file = str_of(octets, sizeof(octets))};
	struct buf out = buf_new(10000);

	assert_int_equal(aggregate_mail_write(&m, &out), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_is_escaped),
	    cmocka_unit_test(what_strangers_chose_is_escaped),
	    cmocka_unit_test(what_the_record_leaves_out_has_its_default),
	    cmocka_unit_test(results_are_in_their_order),
	    cmocka_unit_test(rows_beyond_the_size_are_left_out),
	    cmocka_unit_test(a_record_that_is_none_makes_no_report),
	    cmocka_unit_test(the_message_names_what_it_carries),
	    cmocka_unit_test(lines_are_short),
	    cmocka_unit_test(a_message_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
