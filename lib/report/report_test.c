/* SPDX-License-Identifier: ISC */
/* Each mail in, one line out: what was read, or why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zip.h>
#include <zlib.h>

#include "mail/encode.h"
#include "report/parts.h"

#define MAIL_MAX ((size_t)64 << 20)

static const struct report_limits limits = {.expanded = (size_t)8 << 20,
    .ratio = 200,
    .host = {"mail.example.org", 16},
    .site = {"example.org", 11}};

struct fixture {
	struct arena arena;
	struct report report;
	struct buf mail, line;
};

static struct fixture *begin(void)
{
	static struct fixture f;

	f.arena = arena_new(REPORT_ARENA_MAX);
	f.mail = buf_new(MAIL_MAX);
	f.line = buf_new(65536);
	return &f;
}

static void end(struct fixture *f)
{
	arena_free(&f->arena);
	buf_free(&f->mail);
	buf_free(&f->line);
}

/* ---- mails ---- */

static void put_mail(
    struct buf *out, const char *type, const char *name, struct str content)
{
	buf_printf(out,
	    "From: Reports <noreply-dmarc@reporter.example>\r\n"
	    "Subject: =?UTF-8?Q?Report_domain:_example.org?=\r\n"
	    "Message-ID: <one@reporter.example>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=cut\r\n\r\n"
	    "--cut\r\nContent-Type: text/plain\r\n\r\n"
	    "This is a report.\r\n"
	    "--cut\r\nContent-Type: %s; name=\"%s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    type, name);
	base64_encode_mime(content, out);
	buf_add_text(out, "\r\n--cut--\r\n");
}

static void gzip(struct str in, struct buf *out)
{
	z_stream z = {0};
	char *room;

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8,
			     Z_DEFAULT_STRATEGY),
	    Z_OK);
	room = buf_room(out, deflateBound(&z, in.len) + 64);
	z.next_in = (z_const Bytef *)in.p;
	z.avail_in = (uInt)in.len;
	z.next_out = (Bytef *)room;
	z.avail_out = (uInt)deflateBound(&z, in.len) + 64;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_added(out, z.total_out);
	deflateEnd(&z);
}

/* files is so many copies of it. */
static void zip(struct str in, int files, struct buf *out)
{
	zip_source_t *space = zip_source_buffer_create(NULL, 0, 0, NULL);
	zip_t *z = zip_open_from_source(space, ZIP_TRUNCATE, NULL);
	zip_int64_t got;
	char *room;

	assert_non_null(z);
	zip_source_keep(space);
	zip_dir_add(z, "folder", 0);
	for (int i = 0; i < files; i++) {
		char name[40];

		snprintf(name, sizeof(name), "folder/report%d.xml", i);
		assert_true(zip_file_add(z, name,
				zip_source_buffer(z, in.p, in.len, 0), 0) >= 0);
	}
	assert_int_equal(zip_close(z), 0);
	assert_int_equal(zip_source_open(space), 0);
	room = buf_room(out, 1 << 20);
	got = zip_source_read(space, room, 1 << 20);
	assert_true(got > 0);
	buf_added(out, (size_t)got);
	zip_source_close(space);
	zip_source_free(space);
}

/* ---- what came out ---- */

static void say_dmarc(const struct report *r, struct buf *out)
{
	buf_printf(out, " p=%.*s sp=%.*s adkim=%.*s method=%.*s",
	    STR_FMT(r->dmarc.p), STR_FMT(r->dmarc.sp), STR_FMT(r->dmarc.adkim),
	    STR_FMT(r->dmarc.discovery_method));
	for (size_t i = 0; i < r->dmarc.row_count && i < 3; i++) {
		const struct report_row *row = &r->dmarc.rows[i];

		buf_printf(out,
		    " | %.*s %llu %.*s dkim=%.*s spf=%.*s from=%.*s",
		    STR_FMT(row->source), (unsigned long long)row->count,
		    STR_FMT(row->disposition), STR_FMT(row->dkim),
		    STR_FMT(row->spf), STR_FMT(row->header_from));
		if (row->override.len > 0)
			buf_printf(out, " %.*s (%.*s)", STR_FMT(row->override),
			    STR_FMT(row->comment));
		for (size_t k = 0; k < row->auth_count; k++)
			buf_printf(out, " %.*s:%.*s:%.*s:%.*s",
			    STR_FMT(row->auth[k].method),
			    STR_FMT(row->auth[k].domain),
			    STR_FMT(row->auth[k].selector),
			    STR_FMT(row->auth[k].result));
	}
}

static void say_tls(const struct report *r, struct buf *out)
{
	for (size_t i = 0; i < r->tls.policy_count; i++) {
		const struct report_policy *p = &r->tls.policies[i];

		buf_printf(out, " | %.*s %.*s strings=%zu mx=%zu +%llu -%llu",
		    STR_FMT(p->type), STR_FMT(p->domain), p->string_count,
		    p->host_count, (unsigned long long)p->passed,
		    (unsigned long long)p->failed);
		for (size_t k = 0; k < p->failure_count; k++)
			buf_printf(out, " %.*s:%llu:%.*s:%.*s",
			    STR_FMT(p->failures[k].result),
			    (unsigned long long)p->failures[k].count,
			    STR_FMT(p->failures[k].receiving_host),
			    STR_FMT(p->failures[k].sending_address));
	}
}

static void say_arf(const struct report *r, struct buf *out)
{
	const struct report_arf *a = &r->arf;

	buf_printf(out,
	    " | %.*s source=%.*s from=%.*s to=%.*s times=%llu id=%.*s "
	    "queue=%.*s failure=%.*s",
	    STR_FMT(a->type), STR_FMT(a->source), STR_FMT(a->from),
	    STR_FMT(a->recipient), (unsigned long long)a->incidents,
	    STR_FMT(a->message_id), STR_FMT(a->queue_id),
	    STR_FMT(a->auth_failure));
}

static const char *say(struct fixture *f)
{
	const struct report *r = &f->report;

	buf_clear(&f->line);
	buf_printf(&f->line, "%s", report_kind_names[r->kind]);
	if (r->kind == REPORT_UNREADABLE) {
		buf_printf(&f->line, ": %.*s", STR_FMT(r->reason));
		return buf_text(&f->line);
	}
	buf_printf(&f->line, " by %.*s id %.*s for %.*s %llu-%llu",
	    STR_FMT(r->reporter), STR_FMT(r->id), STR_FMT(r->domain),
	    (unsigned long long)r->begin, (unsigned long long)r->end);
	if (r->kind == REPORT_DMARC)
		say_dmarc(r, &f->line);
	else if (r->kind == REPORT_TLS)
		say_tls(r, &f->line);
	else
		say_arf(r, &f->line);
	return buf_text(&f->line);
}

static const char *read_mail(struct fixture *f)
{
	arena_clear(&f->arena);
	report_read(buf_str(&f->mail), &limits, &f->arena, &f->report);
	return say(f);
}

static const char *read_attached(
    struct fixture *f, const char *type, const char *name, struct str content)
{
	buf_clear(&f->mail);
	put_mail(&f->mail, type, name, content);
	return read_mail(f);
}

/* ---- DMARC ---- */

#define ROW_1                                                                  \
	"<record><row><source_ip>192.0.2.5</source_ip><count>120</count>"      \
	"<policy_evaluated><disposition>none</disposition><dkim>fail</dkim>"   \
	"<spf>fail</spf></policy_evaluated></row><identifiers>"                \
	"<header_from>Example.ORG</header_from></identifiers><auth_results>"   \
	"<spf><domain>bulk.example</domain><result>pass</result></spf>"        \
	"</auth_results></record>"
#define META                                                                   \
	"<report_metadata><org_name>Reporter Inc.</org_name><email>"           \
	"dmarc@reporter.example</email><report_id>17</report_id><date_range>"  \
	"<begin>1795219200</begin><end>1795305599</end></date_range>"          \
	"</report_metadata>"
#define POLICY                                                                 \
	"<policy_published><domain>example.org</domain><adkim>r</adkim>"       \
	"<aspf>r</aspf><p>none</p><sp>reject</sp><pct>100</pct>"               \
	"</policy_published>"
#define HEAD                                                                   \
	"dmarc by Reporter Inc. id 17 for example.org 1795219200-1795305599"
#define SAID                                                                   \
	" p=none sp=reject adkim=r method="                                    \
	" | 192.0.2.5 120 none dkim=fail spf=fail from=example.org"            \
	" spf:bulk.example::pass"

/* clang-format off */
static const struct {
	const char *xml, *want;
} xml_rows[] = {
	{"<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>" META POLICY
	 ROW_1 "</feedback>", HEAD SAID},
	/* a mark, a comment and blanks first */
	{"\xef\xbb\xbf<?xml version='1.0'?>\r\n<!-- made -->\n<feedback>\n " META
	 POLICY ROW_1 "</feedback>\n\n", HEAD SAID},
	/* the namespaces of two generations */
	{"<feedback xmlns=\"http://dmarc.org/dmarc-xml/0.1\"><version>0.1"
	 "</version>" META POLICY ROW_1 "</feedback>", HEAD SAID},
	{"<d:feedback xmlns:d=\"urn:ietf:params:xml:ns:dmarc-2.0\"><d:version>"
	 "1.0</d:version><d:report_metadata><d:org_name>A &amp; B</d:org_name>"
	 "<d:report_id>x</d:report_id></d:report_metadata><d:policy_published>"
	 "<d:domain>example.org</d:domain><d:discovery_method>treewalk"
	 "</d:discovery_method><d:p>reject</d:p></d:policy_published>"
	 "<d:record><d:row><d:source_ip>2001:DB8::0:1</d:source_ip><d:count>3"
	 "</d:count></d:row></d:record></d:feedback>",
	 "dmarc by A & B id x for example.org 0-0 p=reject sp= adkim= "
	 "method=treewalk | 2001:db8::1 3  dkim= spf= from="},
	/* an extension, whose names are like ours, is not ours */
	{"<feedback xmlns='urn:ietf:params:xml:ns:dmarc-2.0' xmlns:x='urn:x'>"
	 META POLICY "<extension><x:record><x:row/></x:record></extension>"
	 "<record><row><source_ip>192.0.2.5</source_ip><count>1</count>"
	 "<x:count>9</x:count></row><x:row><x:source_ip>bad</x:source_ip>"
	 "</x:row></record></feedback>",
	 HEAD " p=none sp=reject adkim=r method= | 192.0.2.5 1  dkim= spf= from="},
	/* signatures, overrides, no envelope, another order */
	{"<feedback><record><auth_results><dkim><domain>example.org</domain>"
	 "<selector>s1</selector><result>pass</result></dkim><dkim><domain>"
	 "list.example</domain><result>fail</result></dkim></auth_results>"
	 "<identifiers><header_from>example.org</header_from></identifiers>"
	 "<row><source_ip>198.51.100.7</source_ip><count>2</count>"
	 "<policy_evaluated><disposition>none</disposition><dkim>pass</dkim>"
	 "<spf>fail</spf><reason><type>mailing_list</type><comment>a\n  list"
	 "</comment></reason></policy_evaluated></row></record></feedback>",
	 "dmarc by reporter.example id  for example.org 0-0 p= sp= adkim= "
	 "method= | 198.51.100.7 2 none dkim=pass spf=fail from=example.org "
	 "mailing_list (a list) dkim:example.org:s1:pass "
	 "dkim:list.example::fail"},
	/* a terminal is not the reporter's */
	{"<feedback><report_metadata><org_name>a\xc2\x9b" "31mb\xe2\x80\xae"
	 "c&#x9;d</org_name></report_metadata>" POLICY "</feedback>",
	 "dmarc by a?31mb?c d id  for example.org 0-0 p=none sp=reject adkim=r "
	 "method="},
	/* hostile or broken */
	{"<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>"
	 "<feedback>&lol2;</feedback>",
	 "unreadable: XML line 1: it has a document type, which is refused"},
	{"<!DOCTYPE f [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><feedback>"
	 "<version>&x;</version></feedback>",
	 "unreadable: XML line 1: it has a document type, which is refused"},
	{"<feedback>&undefined;</feedback>",
	 "unreadable: XML line 1: undefined entity"},
	{"<feedback>" META POLICY "<record><row><source_ip>mail.example"
	 "</source_ip></row></record></feedback>",
	 "unreadable: XML line 1: source_ip is no address"},
	{"<feedback>" META POLICY "<record><row><count>1</count></row></record>"
	 "</feedback>", "unreadable: XML line 1: a record has no source_ip"},
	{"<feedback>" META POLICY "\n<record><row><source_ip>192.0.2.1"
	 "</source_ip><count>-1</count></row></record></feedback>",
	 "unreadable: XML line 2: count is no number"},
	{"<feedback>" META "</feedback>",
	 "unreadable: the report does not say for which domain"},
	{"<html><body>no</body></html>",
	 "unreadable: XML line 1: the root element is not feedback"},
	{"<feedback>" META POLICY ROW_1,
	 "unreadable: XML line 1: no element found"},
	{"<feedback><x:y/></feedback>", "unreadable: XML line 1: unbound prefix"},
	{"nothing", "unreadable: the attachment is neither XML nor JSON"},
};
/* clang-format on */

static void reads_xml(void **state)
{
	struct fixture *f = begin();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(xml_rows); i++)
		assert_string_equal(read_attached(f, "text/xml", "r.xml",
					str_from(xml_rows[i].xml)),
		    xml_rows[i].want);
	end(f);
}

static void bounds_xml(void **state)
{
	struct fixture *f = begin();
	struct buf xml = buf_new(MAIL_MAX);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_add_text(&xml, i == 0 ? "<feedback>" : "<a>");
	assert_string_equal(
	    read_attached(f, "text/xml", "r.xml", buf_str(&xml)),
	    "unreadable: XML line 1: elements are nested too deep");
	buf_clear(&xml);
	buf_add_text(&xml, "<feedback xmlns:x='urn:x'>");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&xml, "<x:a>");
	assert_string_equal(
	    read_attached(f, "text/xml", "r.xml", buf_str(&xml)),
	    "unreadable: XML line 1: elements are nested too deep");
	buf_clear(&xml);
	buf_add_text(&xml, "<feedback>" META POLICY);
	for (int i = 0; i <= REPORT_ROWS_MAX; i++)
		buf_add_text(&xml,
		    "<record><row><source_ip>::1</source_ip></row></record>");
	assert_string_equal(
	    read_attached(f, "text/xml", "r.xml", buf_str(&xml)),
	    "unreadable: XML line 1: there are too many records");
	/* a text of megabytes is cut, signatures beyond the bound are dropped */
	buf_clear(&xml);
	buf_add_text(&xml, "<feedback>" POLICY "<report_metadata><org_name>");
	for (int i = 0; i < 3000000; i++)
		buf_add_char(&xml, 'o');
	buf_add_text(&xml,
	    "</org_name></report_metadata><record><row>"
	    "<source_ip>::1</source_ip></row><auth_results>");
	for (int i = 0; i < 300; i++)
		buf_add_text(&xml, "<dkim><result>pass</result></dkim>");
	buf_add_text(&xml, "</auth_results></record></feedback>");
	read_attached(f, "text/xml", "r.xml", buf_str(&xml));
	assert_int_equal(f->report.kind, REPORT_DMARC);
	assert_true(f->report.reporter.len <= REPORT_TEXT_MAX);
	assert_int_equal(f->report.dmarc.rows[0].auth_count, REPORT_LIST_MAX);
	buf_free(&xml);
	end(f);
}

/* ---- archives ---- */

static const char report_xml[] = "<feedback>" META POLICY ROW_1 "</feedback>";

static void opens_archives(void **state)
{
	static const char *const types[] = {"application/gzip",
	    "application/zip", "application/x-zip-compressed",
	    "application/octet-stream", "text/xml", "weird/type"};
	struct fixture *f = begin();
	struct buf packed = buf_new(1 << 22);

	(void)state;
	gzip(str_from(report_xml), &packed);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_string_equal(
		    read_attached(f, types[i], "r!1.xml.gz", buf_str(&packed)),
		    HEAD SAID);
	buf_clear(&packed);
	zip(str_from(report_xml), 1, &packed);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_string_equal(
		    read_attached(f, types[i], "r.ZIP", buf_str(&packed)),
		    HEAD SAID);
	assert_string_equal(
	    read_attached(f, "text/plain", "notes.txt", buf_str(&packed)),
	    "unreadable: no report is attached");
	buf_free(&packed);
	end(f);
}

/* The mail itself may be the report (RFC 9990 3.5.2). */
static void reads_a_mail_without_parts(void **state)
{
	struct fixture *f = begin();
	struct buf packed = buf_new(1 << 20);

	(void)state;
	gzip(str_from(report_xml), &packed);
	buf_add_text(&f->mail,
	    "From: a@b.example\r\nSubject: x\r\n"
	    "Content-Type: application/gzip\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n");
	base64_encode_mime(buf_str(&packed), &f->mail);
	assert_string_equal(read_mail(f), HEAD SAID);
	buf_clear(&f->mail);
	buf_add_text(&f->mail, "From: a@b.example\r\n\r\nHello there.\r\n");
	assert_string_equal(read_mail(f), "unreadable: no report is attached");
	assert_string_equal(f->report.reporter.p, "b.example");
	buf_clear(&f->mail);
	assert_string_equal(read_mail(f), "unreadable: no report is attached");
	buf_free(&packed);
	end(f);
}

static void refuses_bombs(void **state)
{
	struct fixture *f = begin();
	struct buf large = buf_new(MAIL_MAX), packed = buf_new(MAIL_MAX);
	struct buf twice = buf_new(MAIL_MAX);

	(void)state;
	/* over the size; the ratio of nothing but blanks is 1000 */
	buf_add_text(&large, "<feedback>");
	memset(buf_room(&large, 20 << 20), ' ', 20 << 20);
	buf_added(&large, 20 << 20);
	gzip(buf_str(&large), &packed);
	assert_non_null(
	    strstr(read_attached(f, "application/gzip", "r", buf_str(&packed)),
		"times as large (feedback_expansion_limit)"));
	buf_clear(&twice);
	gzip(buf_str(&packed), &twice);
	assert_string_equal(
	    read_attached(f, "application/gzip", "r", buf_str(&twice)),
	    "unreadable: an archive inside an archive");
	buf_clear(&packed);
	zip(buf_str(&large), 1, &packed);
	assert_non_null(
	    strstr(read_attached(f, "application/zip", "r", buf_str(&packed)),
		"times as large (feedback_expansion_limit)"));
	buf_clear(&twice);
	zip(buf_str(&packed), 1, &twice);
	assert_string_equal(
	    read_attached(f, "application/zip", "r", buf_str(&twice)),
	    "unreadable: an archive inside an archive");
	/* noise does not pack, and is still too large */
	for (size_t i = 0; i < large.len; i++)
		large.p[i] = (char)(i * 2654435761u >> 13);
	buf_clear(&packed);
	gzip(buf_str(&large), &packed);
	assert_string_equal(
	    read_attached(f, "application/gzip", "r", buf_str(&packed)),
	    "unreadable: the archive becomes more than 8388608 octets "
	    "(feedback_expanded_size_limit)");
	buf_free(&large);
	buf_free(&packed);
	buf_free(&twice);
	end(f);
}

static void refuses_broken_archives(void **state)
{
	struct fixture *f = begin();
	struct buf packed = buf_new(1 << 22);
	const char *got;

	(void)state;
	gzip(str_from(report_xml), &packed);
	assert_string_equal(read_attached(f, "application/gzip", "r",
				str_sub(buf_str(&packed), 0, packed.len / 2)),
	    "unreadable: the gzip file ends too early");
	packed.p[packed.len / 2] ^= 0x55;
	got = read_attached(f, "application/gzip", "r", buf_str(&packed));
	assert_non_null(strstr(got, "unreadable: the gzip file"));
	/* two members are one file */
	buf_clear(&packed);
	gzip(str_sub(str_from(report_xml), 0, 100), &packed);
	gzip(str_skip(str_from(report_xml), 100), &packed);
	assert_string_equal(
	    read_attached(f, "application/gzip", "r", buf_str(&packed)),
	    HEAD SAID);
	buf_clear(&packed);
	zip(str_from(report_xml), 2, &packed);
	assert_string_equal(
	    read_attached(f, "application/zip", "r", buf_str(&packed)),
	    "unreadable: the zip file has more than one file in it");
	buf_clear(&packed);
	zip(str_from(report_xml), 0, &packed);
	assert_string_equal(
	    read_attached(f, "application/zip", "r", buf_str(&packed)),
	    "unreadable: the zip file has nothing in it");
	buf_clear(&packed);
	zip(str_from(report_xml), 200, &packed);
	assert_string_equal(
	    read_attached(f, "application/zip", "r", buf_str(&packed)),
	    "unreadable: the zip file has more than 100 files");
	buf_clear(&packed);
	zip(str_from(report_xml), 1, &packed);
	for (size_t cut = 4; cut < packed.len; cut += 13) {
		got = read_attached(f, "application/zip", "r",
		    str_sub(buf_str(&packed), 0, cut));
		assert_non_null(strstr(got, "unreadable: the zip file is"));
	}
	buf_free(&packed);
	end(f);
}

/* ---- TLS ---- */

/* clang-format off */
static const struct {
	const char *json, *want;
} json_rows[] = {
	{"{\"organization-name\":\"Company-X\",\"date-range\":{"
	 "\"start-datetime\":\"2026-11-21T00:00:00Z\","
	 "\"end-datetime\":\"2026-11-21T23:59:59.999+00:00\"},"
	 "\"contact-info\":\"sts@company-x.example\",\"report-id\":\"5065427c\","
	 "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":["
	 "\"version: STSv1\",\"mode: testing\",\"mx: *.example.org\","
	 "\"max_age: 86400\"],\"policy-domain\":\"example.org\",\"mx-host\":"
	 "[\"*.example.org\"]},\"summary\":{\"total-successful-session-count\":"
	 "5326,\"total-failure-session-count\":303},\"failure-details\":[{"
	 "\"result-type\":\"certificate-expired\",\"sending-mta-ip\":"
	 "\"2001:DB8:abcd:12::1\",\"receiving-mx-hostname\":\"mx1.example.org\","
	 "\"failed-session-count\":100},{\"result-type\":"
	 "\"starttls-not-supported\",\"sending-mta-ip\":\"198.51.100.9\","
	 "\"receiving-mx-hostname\":\"mx2.example.org\","
	 "\"failed-session-count\":203}]}]}",
	 "tls by Company-X id 5065427c for example.org 1795219200-1795305599"
	 " | sts example.org strings=4 mx=1 +5326 -303"
	 " certificate-expired:100:mx1.example.org:2001:db8:abcd:12::1"
	 " starttls-not-supported:203:mx2.example.org:198.51.100.9"},
	/* numbers as texts, mx-host as a text, nothing failed */
	{"{\"report-id\":\"1\",\"policies\":[{\"policy\":{\"policy-type\":"
	 "\"no-policy-found\",\"policy-domain\":\"example.org\",\"mx-host\":"
	 "\"mx.example.org\"},\"summary\":{\"total-successful-session-count\":"
	 "\"17\"}},{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":"
	 "\"example.org\"}}]}",
	 "tls by reporter.example id 1 for example.org 0-0"
	 " | no-policy-found example.org strings=0 mx=1 +17 -0"
	 " | tlsa example.org strings=0 mx=0 +0 -0"},
	{"{\"date-range\":{\"start-datetime\":\"2024-02-29T12:00:00-01:30\","
	 "\"end-datetime\":\"1970-01-01T00:00:00Z\"},\"policies\":[{\"policy\":"
	 "{\"policy-domain\":\"e\\u001b[2J\\u0000x\"}}]}",
	 /* a NUL ends a text */
	 "tls by reporter.example id  for e?[2J 1709213400-0"
	 " |  e?[2J strings=0 mx=0 +0 -0"},
	{"{\"date-range\":{\"start-datetime\":\"2024-02-29T12:00:00-01:30\","
	 "\"end-datetime\":\"1970-01-01T00:00:00Z\"},\"policies\":[{\"policy\":"
	 "{\"policy-domain\":\"e\\u001b[2Jx\"}}]}",
	 "tls by reporter.example id  for e?[2Jx 1709213400-0"
	 " |  e?[2Jx strings=0 mx=0 +0 -0"},
	{"{\"date-range\":{\"start-datetime\":\"yesterday\"},\"policies\":[]}",
	 "unreadable: date-range has no times"},
	{"{\"policies\":[]}",
	 "unreadable: the report does not say for which domain"},
	{"{\"policies\":{}}", "unreadable: the JSON has no list of policies"},
	{"{\"policies\":[1]}",
	 "unreadable: an entry of policies has no policy"},
	{"{\"policies\":[{\"policy\":{\"policy-domain\":\"e.example\"},"
	 "\"failure-details\":[7]}]}",
	 "unreadable: a failure is no JSON object"},
	{"{\"policies\":[", "unreadable: it is no well-formed JSON"},
	{"{}", "unreadable: the JSON has no list of policies"},
};
/* clang-format on */

static void reads_tls(void **state)
{
	struct fixture *f = begin();
	struct buf packed = buf_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(json_rows); i++) {
		struct str json = str_from(json_rows[i].json);

		assert_string_equal(
		    read_attached(f, "application/tlsrpt+json", "r.json", json),
		    json_rows[i].want);
		buf_clear(&packed);
		gzip(json, &packed);
		assert_string_equal(read_attached(f, "application/tlsrpt+gzip",
					"r.json.gz", buf_str(&packed)),
		    json_rows[i].want);
	}
	buf_free(&packed);
	end(f);
}

static void bounds_json(void **state)
{
	struct fixture *f = begin();
	struct buf json = buf_new(MAIL_MAX);

	(void)state;
	buf_add_text(&json, "{\"policies\":");
	for (int i = 0; i < 100000; i++)
		buf_add_char(&json, '[');
	assert_string_equal(
	    read_attached(f, "application/json", "r.json", buf_str(&json)),
	    "unreadable: it is no well-formed JSON");
	buf_clear(&json);
	buf_add_text(&json, "{\"policies\":[[]");
	for (int i = 0; i < 3000000; i++)
		buf_add_text(&json, ",[]");
	buf_add_text(&json, "]}");
	assert_string_equal(
	    read_attached(f, "application/json", "r.json", buf_str(&json)),
	    "unreadable: the JSON takes too much memory");
	buf_free(&json);
	end(f);
}

/* ---- ARF ---- */

#define ARF_HEAD                                                               \
	"From: <abuse@isp.example>\r\nMessage-ID: <fbl-1@isp.example>\r\n"     \
	"Content-Type: multipart/report; report-type=feedback-report;\r\n"     \
	"\tboundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"      \
	"This is an abuse report.\r\n--b\r\n"                                  \
	"Content-Type: message/feedback-report\r\n\r\n"
#define ORIGINAL                                                               \
	"Received: from x.example (x.example [192.0.2.77])\r\n"                \
	"\tby mx.isp.example with ESMTP id 01HZZZZZZZZZZZZZZZZZZZ;\r\n"        \
	"\tSun, 22 Nov 2026 08:00:00 +0000\r\n"                                \
	"Received: from [198.51.100.3] (unknown [198.51.100.3])\r\n"           \
	"\tby Mail.Example.org (Posthouse) with ESMTPSA id "                   \
	"01JD9Z0000ABCDEFGHJKMN\r\n\tfor <x@isp.example>;"                     \
	" Sun, 22 Nov 2026 07:59:59 +0000\r\n"                                 \
	"From: \"A User\" <user@example.org>\r\nMessage-ID: "                  \
	"<m1@example.org>\r\nSubject: Buy\r\n\r\nBody\r\n"

/* clang-format off */
static const struct {
	const char *mail, *want;
} arf_rows[] = {
	{ARF_HEAD "Feedback-Type: abuse\r\nUser-Agent: SomeGenerator/1.0\r\n"
	 "Version: 1\r\nOriginal-Mail-From: <user@example.org>\r\n"
	 "Original-Rcpt-To: <x@isp.example>\r\nSource-IP: 192.0.2.77\r\n"
	 "Reporting-MTA: dns; mx.isp.example\r\nIncidents: 2\r\n\r\n--b\r\n"
	 "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n"
	 ORIGINAL "--b--\r\n",
	 "arf by mx.isp.example id  for example.org 0-0 | abuse "
	 "source=192.0.2.77 from=user@example.org to=x@isp.example times=2 "
	 "id=m1@example.org queue=01JD9Z0000ABCDEFGHJKMN failure="},
	{ARF_HEAD "Feedback-Type: auth-failure\r\nVersion: 1\r\n"
	 "Auth-Failure: dmarc\r\nReported-Domain: example.org\r\n\r\n--b\r\n"
	 "Content-Type: text/rfc822-headers\r\n\r\n" ORIGINAL "--b--\r\n",
	 "arf by isp.example id  for example.org 0-0 | auth-failure "
	 "source= from=user@example.org to= times=1 "
	 "id=m1@example.org queue=01JD9Z0000ABCDEFGHJKMN failure=dmarc"},
	/* no original */
	{ARF_HEAD "feedback-type: not-spam\r\n--b--\r\n",
	 "arf by isp.example id  for  0-0 | not-spam source= from= to= times=1 "
	 "id= queue= failure="},
	/* what is no UTF-8 */
	{ARF_HEAD "Feedback-Type: ab\xe9use \xc3\xa9\xf0\x9f\r\n--b--\r\n",
	 "arf by isp.example id  for  0-0 | ab?use \xc3\xa9?? source= from= to= "
	 "times=1 id= queue= failure="},
	{ARF_HEAD "Version: 1\r\n--b--\r\n",
	 "unreadable: the feedback report has no Feedback-Type"},
};
/* clang-format on */

static void reads_arf(void **state)
{
	struct fixture *f = begin();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(arf_rows); i++) {
		buf_clear(&f->mail);
		buf_add_text(&f->mail, arf_rows[i].mail);
		assert_string_equal(read_mail(f), arf_rows[i].want);
	}
	end(f);
}

/* Fields that RFC 9991 and RFC 5965 have besides; words have no case, and the
 * envelope's sender may stand in the message alone. */
static void reads_what_arf_adds(void **state)
{
	struct fixture *f = begin();

	(void)state;
	buf_add_text(&f->mail,
	    ARF_HEAD "Feedback-Type: Auth-Failure\r\nAuth-Failure: DMARC\r\n"
		     "Identity-Alignment: dkim, spf\r\n"
		     "Original-Envelope-Id: QQ314159\r\n\r\n--b\r\n"
		     "Content-Type: text/rfc822-headers\r\n\r\n"
		     "Return-Path: <bob@Example.org>\r\n"
		     "Message-ID: <m2@example.org>\r\n\r\n--b--\r\n");
	read_mail(f);
	assert_true(str_eq(f->report.arf.type, STR("auth-failure")));
	assert_true(str_eq(f->report.arf.auth_failure, STR("dmarc")));
	assert_true(str_eq(f->report.arf.identity_alignment, STR("dkim, spf")));
	assert_true(str_eq(f->report.arf.envelope_id, STR("QQ314159")));
	assert_true(str_eq(f->report.arf.sender, STR("bob@Example.org")));
	assert_true(str_eq(f->report.domain, STR("Example.org")));
	end(f);
}

/* Whether the mail that brought it is its author's: by our own field alone. */
static void knows_whether_it_was_authentic(void **state)
{
	static const struct {
		const char *fields, *want;
	} rows[] = {
	    {"", ""},
	    {"Authentication-Results: example.org; dmarc=pass "
	     "header.from=reporter.example\r\n",
		"pass"},
	    {"Authentication-Results: example.org;\r\n\tspf=pass "
	     "smtp.mailfrom=x.example;\r\n\tdmarc=fail "
	     "header.from=reporter.example\r\n",
		""},
	    {"Authentication-Results: other.example; dmarc=pass "
	     "header.from=reporter.example\r\n",
		""},
	    {"Authentication-Results: example.org; dmarc=pass "
	     "header.from=other.example\r\n",
		""},
	};
	struct fixture *f = begin();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_clear(&f->mail);
		buf_printf(&f->mail,
		    "%sFrom: Reports <r@reporter.example>\r\n\r\nhello\r\n",
		    rows[i].fields);
		read_mail(f);
		assert_true(
		    str_eq(f->report.mail_dmarc, str_from(rows[i].want)));
	}
	end(f);
}

/* Lines of another host with an id like ours are not ours. */
static void knows_own_ids(void **state)
{
	struct fixture *f = begin();

	(void)state;
	buf_add_text(&f->mail,
	    ARF_HEAD "Feedback-Type: abuse\r\n\r\n--b\r\n"
		     "Content-Type: message/rfc822\r\n\r\n"
		     "Received: by other.example id 01JD9Z0000ABCDEFGHJKMN;\r\n"
		     "Received: by mail.example.org id short;\r\n"
		     "Received: id 01JD9Z0000ABCDEFGHJKMN by\r\n\r\n--b--\r\n");
	read_mail(f);
	assert_int_equal(f->report.kind, REPORT_ARF);
	assert_int_equal(f->report.arf.queue_id.len, 0);
	end(f);
}

/* ---- stored ---- */

static void stores_and_reads_back(void **state)
{
	struct fixture *f = begin();
	struct buf first = buf_new(1 << 20), second = buf_new(1 << 20);
	struct report back;
	const char *why;

	(void)state;
	for (size_t i = 0; i <
	     ARRAY_LEN(xml_rows) + ARRAY_LEN(json_rows) + ARRAY_LEN(arf_rows);
	     i++) {
		size_t k = i - ARRAY_LEN(xml_rows);

		buf_clear(&f->mail);
		if (i < ARRAY_LEN(xml_rows))
			put_mail(&f->mail, "text/xml", "x",
			    str_from(xml_rows[i].xml));
		else if (k < ARRAY_LEN(json_rows))
			put_mail(&f->mail, "application/json", "x",
			    str_from(json_rows[k].json));
		else
			buf_add_text(
			    &f->mail, arf_rows[k - ARRAY_LEN(json_rows)].mail);
		read_mail(f);
		f->report.received = 1795305600;
		f->report.mail_recipient = STR("dmarc@example.org");
		buf_clear(&first);
		buf_clear(&second);
		report_write(&f->report, &first);
		assert_int_equal(
		    report_parse(buf_str(&first), &f->arena, &back, &why), 0);
		report_write(&back, &second);
		assert_string_equal(buf_text(&first), buf_text(&second));
	}
	assert_int_equal(report_parse(STR("{\"kind\":\"tls\"}\n"
					  "{\"kind\":\"x\"}"),
			     &f->arena, &back, &why),
	    -1);
	assert_int_equal(
	    report_parse(STR("{\"kind\":\"tls\"}"), &f->arena, &back, &why),
	    -1);
	assert_int_equal(report_parse(STR("\n{"), &f->arena, &back, &why), -1);
	buf_free(&first);
	buf_free(&second);
	end(f);
}

/* A list needs the head alone, and no more than its longest form. */
static void its_head_sums_it_up(void **state)
{
	static char texts[REPORT_TEXT_MAX];
	struct report_row rows[] = {
	    {.count = 5, .dkim = STR_INIT("fail"), .spf = STR_INIT("fail")},
	    {.count = 7, .dkim = STR_INIT("pass"), .spf = STR_INIT("fail")},
	    {.count = 11, .dkim = STR_INIT("fail"), .spf = STR_INIT("pass")}};
	struct report_policy policies[] = {
	    {.passed = 40, .failed = 2}, {.passed = 1, .failed = 3}};
	struct report r = {.kind = REPORT_DMARC, .received = 1795305600};
	struct arena arena = arena_new(REPORT_ARENA_MAX);
	struct buf out = buf_new(1 << 20);
	struct report_head h;
	const char *why;

	(void)state;
	report_fill(&r);
	r.dmarc.rows = rows;
	r.dmarc.row_count = 3;
	report_head_of(&r, &h);
	assert_int_equal(h.total, 23);
	assert_int_equal(h.failed, 5);
	rows[0].count = rows[1].count = REPORT_NUMBER_MAX;
	report_head_of(&r, &h);
	assert_true(h.total == REPORT_NUMBER_MAX);
	r.kind = REPORT_TLS;
	r.tls.policies = policies;
	r.tls.policy_count = 2;
	report_head_of(&r, &h);
	assert_int_equal(h.total, 46);
	assert_int_equal(h.failed, 5);

	/* the longest: every octet is written as two */
	memset(texts, '"', sizeof(texts));
	r.kind = REPORT_ARF;
	r.reporter = r.id = r.domain = r.reason = r.arf.type =
	    r.arf.message_id = str_of(texts, sizeof(texts));
	r.begin = r.end = r.received = r.arf.incidents = REPORT_NUMBER_MAX;
	report_write(&r, &out);
	assert_true(str_find(buf_str(&out), '\n') < REPORT_HEAD_MAX);
	assert_int_equal(
	    report_parse_head(
		str_sub(buf_str(&out), 0, REPORT_HEAD_MAX), &arena, &h, &why),
	    0);
	assert_true(str_eq(h.message_id, r.arf.message_id));
	assert_int_equal(h.kind, REPORT_ARF);
	assert_int_equal(report_parse_head(STR("{}\n"), &arena, &h, &why), -1);
	assert_int_equal(report_parse_head(STR(""), &arena, &h, &why), -1);
	buf_free(&out);
	arena_free(&arena);
}

static void knows_the_same_again(void **state)
{
	struct report a = {.kind = REPORT_DMARC,
	    .reporter = STR("r.example"),
	    .domain = STR("example.org"),
	    .id = STR("1"),
	    .mail_id = STR("m@r.example")};
	struct report b = a;
	char one[REPORT_KEY_LEN + 1], two[REPORT_KEY_LEN + 1];

	(void)state;
	b.mail_id = STR("other@r.example");
	report_key(&a, STR("mail"), one);
	report_key(&b, STR("another mail"), two);
	assert_string_equal(one, two);
	b.id = STR("2");
	report_key(&b, STR("mail"), two);
	assert_string_not_equal(one, two);
	b = a;
	b.kind = REPORT_TLS;
	report_key(&b, STR("mail"), two);
	assert_string_not_equal(one, two);
	b = a;
	b.reporter = STR("r.exampleexampl");
	b.domain = STR("e.org");
	report_key(&b, STR("mail"), two);
	assert_string_not_equal(one, two);
	/* without an id it is the mail that counts */
	a.id = b.id = STR_EMPTY;
	report_key(&a, STR("Received: x\r\n\r\nbody"), one);
	b = a;
	report_key(&b, STR("Received: y\r\n\r\nbody"), two);
	assert_string_equal(one, two);
	report_key(&b, STR("Received: x\r\n\r\nother"), two);
	assert_string_not_equal(one, two);
	b.mail_id = STR("n@r.example");
	report_key(&b, STR("Received: x\r\n\r\nbody"), two);
	assert_string_not_equal(one, two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_xml),
	    cmocka_unit_test(bounds_xml),
	    cmocka_unit_test(opens_archives),
	    cmocka_unit_test(reads_a_mail_without_parts),
	    cmocka_unit_test(refuses_bombs),
	    cmocka_unit_test(refuses_broken_archives),
	    cmocka_unit_test(reads_tls),
	    cmocka_unit_test(bounds_json),
	    cmocka_unit_test(reads_arf),
	    cmocka_unit_test(reads_what_arf_adds),
	    cmocka_unit_test(knows_whether_it_was_authentic),
	    cmocka_unit_test(knows_own_ids),
	    cmocka_unit_test(stores_and_reads_back),
	    cmocka_unit_test(its_head_sums_it_up),
	    cmocka_unit_test(knows_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
