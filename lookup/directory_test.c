/* SPDX-License-Identifier: ISC */
/* Who is who, from inline tables: no file, no daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/file.h"
#include "lookup/directory.h"
#include "lookup/rewriting.h"

/* clang-format off */
static struct lookup_conf conf = {
	.mail_domain_maps = "inline:{ example.org=mailbox alias.test=alias "
	    "{ relay.test = relay } { routed.test = relay lmtp:[::1]:24 } "
	    "box.test= odd.test=strange here.test=local }",
	.virtual_mailbox_maps = "inline:{ {ann@example.org = quota=1G "
	    "messages=10} bob@example.org= {off@example.org = enabled=no} "
	    "{odd@example.org = enabled=maybe} x@box.test= sam@here.test= "
	    "plus+in@example.org= }",
	.virtual_alias_maps = "inline:{ info@example.org=ann@example.org "
	    "{ team@example.org = ann@example.org, Bob@example.org "
	    "out@elsewhere.test } { gone@example.org = nobody@example.org } "
	    "{ shut@example.org = off@example.org } "
	    "a@alias.test=b@alias.test b@alias.test=a@alias.test "
	    "{ bob@example.org = bob@example.org, copy@elsewhere.test } "
	    "@box.test=x@box.test @alias.test=@example.org "
	    "short@example.org=ann nested@example.org=team@example.org "
	    "{ quoted@example.org = \"a, b\"@elsewhere.test } "
	    "sub+exact@example.org=bob@example.org sub@example.org=ann@"
	    "example.org self@elsewhere.test=ann@example.org }",
	.alias_maps = "inline:{ postmaster=root@here.test { team = "
	    "sam@here.test, out@elsewhere.test } keep=keep@here.test }",
	.relay_recipient_maps = "",
	.local_recipient_maps = "inline:{ root@here.test= }",
	.recipient_delimiter = "+-",
	.postmaster_recipient = "",
	.default_quota_storage = 7000,
	.default_quota_messages = 70,
	.virtual_alias_recursion_limit = 10,
	.virtual_alias_expansion_limit = 5,
	.propagate_unmatched_extensions = true,
	.virtual_transport = "local",
	.local_transport = "local",
	.relay_transport = "smtp",
	.default_transport = "smtp",
	.transport_maps = "inline:{ .sub.test=lmtp:[127.0.0.1]:24 "
	    "{ bad.test = error:5.7.1 not to them } slow.test=slow: "
	    "ann+fax@example.org=fax: { later.test = error:4.7.1 later } }",
	.relayhost = "",
	.srs_domain = "example.org",
	.srs_exclude_domains = "plain.test, .below.test",
	.srs_maximum_age = 21 * 86400 * (int64_t)1000,
	.srs_hash_length = 6,
	.srs_hash_minimum = 6,
	.smtpd_sender_login_maps = "inline:{ { shared@example.org = "
	    "ann@example.org, Bob@example.org } @guest.test=ann@example.org }",
	.smtpd_sender_login_null = true,
	.proxy_read_maps = "text:/etc/other",
};
/* clang-format on */

static struct tables tables;

static struct directory directory_new(const struct lookup_conf *c)
{
	return (struct directory){.conf = c,
	    .myorigin = "example.org",
	    .tables = &tables,
	    .arena = arena_new(DIRECTORY_ARENA_MAX)};
}

/* "status class alias transport:nexthop account code dsn" */
static void describe(
    struct directory *d, const char *address, char *out, size_t size)
{
	struct lookup_resolved r = {0};

	directory_resolve(d, str_from(address), &r);
	snprintf(out, size, "%s %s%s %.*s:%.*s %.*s %d %.*s",
	    resolve_status_names[r.status], domain_class_names[r.domain],
	    r.is_alias ? " alias" : "", STR_FMT(r.transport),
	    STR_FMT(r.nexthop), STR_FMT(r.account), (int)r.code,
	    STR_FMT(r.dsn));
}

/* clang-format off */
static const struct {
	const char *address, *want;
} resolves[] = {
	{"ann@example.org",
	    "ok mailbox local:example.org ann@example.org 0 "},
	{"ANN@Example.ORG",
	    "ok mailbox local:example.org ann@example.org 0 "},
	{"ann+x@example.org",
	    "ok mailbox local:example.org ann@example.org 0 "},
	{"ann-x+y@example.org",
	    "ok mailbox local:example.org ann@example.org 0 "},
	{"plus+in@example.org",
	    "ok mailbox local:example.org plus+in@example.org 0 "},
	{"+x@example.org",
	    "unknown mailbox local:example.org  550 5.1.1"},
	{"ann", "ok mailbox local:example.org ann@example.org 0 "},
	{"nobody@example.org",
	    "unknown mailbox local:example.org  550 5.1.1"},
	{"off@example.org", "refused mailbox : off@example.org 550 5.2.1"},
	/* What cannot be read lets nothing in. */
	{"odd@example.org", "refused mailbox : odd@example.org 550 5.2.1"},
	{"info@example.org", "ok mailbox alias local:example.org  0 "},
	{"info+x@example.org", "ok mailbox alias local:example.org  0 "},
	{"bob@example.org",
	    "ok mailbox alias local:example.org bob@example.org 0 "},
	/* through aliases too */
	{"gone@example.org",
	    "unknown mailbox alias local:example.org  550 5.1.1"},
	{"shut@example.org",
	    "refused mailbox alias local:example.org  550 5.2.1"},
	{"a@alias.test", "refused alias alias local:alias.test  550 5.4.6"},
	{"ann@alias.test", "ok alias alias local:alias.test  0 "},
	{"nobody@alias.test",
	    "unknown alias alias local:alias.test  550 5.1.1"},
	{"x@box.test", "ok mailbox local:box.test x@box.test 0 "},
	{"any@box.test", "ok mailbox alias local:box.test  0 "},
	{"any@odd.test", "temporary remote :  451 4.3.0"},
	{"any@relay.test", "ok relay smtp:relay.test  0 "},
	{"any@routed.test", "ok relay lmtp:[::1]:24  0 "},
	{"root@here.test", "ok local local:here.test  0 "},
	{"sam@here.test", "ok local local:here.test sam@here.test 0 "},
	{"ann@here.test", "unknown local local:here.test  550 5.1.1"},
	/* names of alias_maps are those of local domains alone */
	{"team@here.test", "ok local alias local:here.test  0 "},
	{"Team+x@here.test", "ok local alias local:here.test  0 "},
	{"keep@box.test", "ok mailbox alias local:box.test  0 "},
	{"postmaster@example.org",
	    "unknown mailbox local:example.org  550 5.1.1"},
	{"x@remote.test", "ok remote smtp:remote.test  0 "},
	{"x@[192.0.2.1]", "ok remote smtp:[192.0.2.1]  0 "},
	{"x@a.sub.test", "ok remote lmtp:[127.0.0.1]:24  0 "},
	{"x@sub.test", "ok remote smtp:sub.test  0 "},
	{"x@slow.test", "ok remote slow:slow.test  0 "},
	{"x@bad.test", "refused remote error:5.7.1 not to them  550 5.7.1"},
	{"x@later.test",
	    "temporary remote error:4.7.1 later  450 4.7.1"},
	{"ann+fax@example.org",
	    "ok mailbox fax:example.org ann@example.org 0 "},
	{"@example.org", "refused remote :  553 5.1.3"},
	{"a b@example.org", "refused remote :  553 5.1.3"},
	{"", "refused remote :  553 5.1.3"},
};
/* clang-format on */

static void recipients_resolve(void **state)
{
	(void)state;
	struct directory d = directory_new(&conf);
	char got[400];

	for (size_t i = 0; i < ARRAY_LEN(resolves); i++) {
		describe(&d, resolves[i].address, got, sizeof(got));
		assert_string_equal(got, resolves[i].want);
	}
	arena_free(&d.arena);
}

static void quotas_are_told(void **state)
{
	(void)state;
	struct directory d = directory_new(&conf);
	struct lookup_resolved r = {0};

	directory_resolve(&d, STR("ann@example.org"), &r);
	assert_int_equal(r.quota_storage, 1 << 30);
	assert_int_equal(r.quota_messages, 10);
	directory_resolve(&d, STR("bob@example.org"), &r);
	assert_int_equal(r.quota_storage, 7000);
	assert_int_equal(r.quota_messages, 70);
	arena_free(&d.arena);
}

static void postmaster_leads_somewhere(void **state)
{
	(void)state;
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);
	char got[400];

	describe(&d, "postmaster@example.org", got, sizeof(got));
	assert_string_equal(
	    got, "unknown mailbox local:example.org  550 5.1.1");
	other.postmaster_recipient = "ann@example.org";
	describe(&d, "Postmaster", got, sizeof(got));
	assert_string_equal(got, "ok mailbox alias local:example.org  0 ");
	describe(&d, "postmaster@relay.test", got, sizeof(got));
	assert_string_equal(got, "ok relay smtp:relay.test  0 ");
	arena_free(&d.arena);
}

static void the_relayhost_takes_the_rest(void **state)
{
	(void)state;
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);
	char got[400];

	other.relayhost = "[hub.test]:587";
	describe(&d, "x@remote.test", got, sizeof(got));
	assert_string_equal(got, "ok remote smtp:[hub.test]:587  0 ");
	describe(&d, "x@relay.test", got, sizeof(got));
	assert_string_equal(got, "ok relay smtp:relay.test  0 ");
	describe(&d, "x@a.sub.test", got, sizeof(got));
	assert_string_equal(got, "ok remote lmtp:[127.0.0.1]:24  0 ");
	other.relay_recipient_maps = "inline:{ u@relay.test= }";
	describe(&d, "u+d@relay.test", got, sizeof(got));
	assert_string_equal(got, "ok relay smtp:relay.test  0 ");
	describe(&d, "v@relay.test", got, sizeof(got));
	assert_string_equal(got, "unknown relay smtp:relay.test  550 5.1.1");
	arena_free(&d.arena);
}

/* They need no mailbox; a domain that is not ours has none of them. */
static void reports_have_their_own_way(void **state)
{
	static const struct {
		const char *address, *want;
	} cases[] = {
	    {"dmarc@example.org", "ok mailbox report:example.org  0 "},
	    {"DMARC+x@example.org", "ok mailbox report:example.org  0 "},
	    {"tls@relay.test", "ok relay report:relay.test  0 "},
	    {"tls@here.test", "ok local report:here.test  0 "},
	    {"tls@remote.test", "ok remote smtp:remote.test  0 "},
	    {"dmarc@here.test", "unknown local local:here.test  550 5.1.1"},
	    /* a mailbox of that name gets nothing any more */
	    {"ann@example.org", "ok mailbox report:example.org  0 "},
	};
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);

	(void)state;
	other.report_recipients = "dmarc@Example.org, ann@example.org\n\ttls@";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[400];

		describe(&d, cases[i].address, got, sizeof(got));
		assert_string_equal(got, cases[i].want);
	}
	arena_free(&d.arena);
}

/* ---- expand ---- */

/* clang-format off */
static const struct {
	const char *address, *want;
} expansions[] = {
	{"Ann@example.org", "Ann@example.org"},
	{"ann", "ann@example.org"},
	{"x@Remote.test", "x@Remote.test"},
	{"info@example.org", "ann@example.org"},
	{"info+tag@example.org", "ann+tag@example.org"},
	{"sub+exact@example.org", "bob@example.org copy@elsewhere.test"},
	{"sub-more@example.org", "ann-more@example.org"},
	{"team@example.org", "ann@example.org Bob@example.org "
	    "out@elsewhere.test copy@elsewhere.test"},
	{"nested@example.org", "ann@example.org Bob@example.org "
	    "out@elsewhere.test copy@elsewhere.test"},
	{"bob@example.org", "bob@example.org copy@elsewhere.test"},
	{"any@box.test", "x@box.test"},
	{"x@box.test", "x@box.test"},
	{"ann@alias.test", "ann@example.org"},
	{"short@example.org", "ann@example.org"},
	{"quoted@example.org", "\"a, b\"@elsewhere.test"},
	{"team@here.test", "sam@here.test out@elsewhere.test"},
	{"team+x@here.test", "sam+x@here.test out+x@elsewhere.test"},
	{"keep@here.test", "keep@here.test"},
	{"keep@box.test", "x@box.test"},
	{"a@alias.test", "refused: the aliases of this address lead in a "
	    "circle"},
	{"nobody@example.org", "nobody@example.org"},
	{"not an address", "not an address@example.org"},
};
/* clang-format on */

static void describe_expansion(
    struct directory *d, const char *address, struct buf *out)
{
	struct expansion e;

	directory_expand(d, str_from(address), &e);
	buf_clear(out);
	if (e.status != RESOLVE_OK)
		buf_printf(
		    out, "%s: %s", resolve_status_names[e.status], e.text);
	for (size_t i = 0; e.status == RESOLVE_OK && i < e.count; i++)
		buf_printf(
		    out, "%s%.*s", i == 0 ? "" : " ", STR_FMT(e.address[i]));
}

static void aliases_expand(void **state)
{
	(void)state;
	struct directory d = directory_new(&conf);
	struct buf got = buf_new(65536);

	for (size_t i = 0; i < ARRAY_LEN(expansions); i++) {
		describe_expansion(&d, expansions[i].address, &got);
		assert_string_equal(buf_text(&got), expansions[i].want);
	}
	arena_free(&d.arena);
	buf_free(&got);
}

static void expansion_is_bounded(void **state)
{
	(void)state;
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);
	struct buf got = buf_new(65536), big = buf_new(65536);

	other.virtual_alias_maps =
	    "inline:{ {many@x = 1@x 2@x 3@x 4@x 5@x 6@x} }";
	describe_expansion(&d, "many@x", &got);
	assert_string_equal(buf_text(&got),
	    "refused: the aliases of this "
	    "address lead to too many others "
	    "(virtual_alias_expansion_limit)");
	other.virtual_alias_maps =
	    "inline:{ 1@x=2@x 2@x=3@x 3@x=4@x 4@x=5@x "
	    "5@x=6@x 6@x=7@x 7@x=8@x 8@x=9@x 9@x=10@x 10@x=11@x 11@x=12@x "
	    "12@x=13@x }";
	describe_expansion(&d, "1@x", &got);
	assert_string_equal(buf_text(&got),
	    "refused: too many aliases lead "
	    "to one another (virtual_alias_recursion_limit)");
	describe_expansion(&d, "4@x", &got);
	assert_string_equal(buf_text(&got), "13@x");
	/* More than the arrays begin with. */
	other.virtual_alias_expansion_limit = 100;
	buf_clear(&big);
	buf_add_text(&big, "inline:{ {big@x =");
	for (int i = 0; i < 100; i++)
		buf_printf(&big, " %d@y", i);
	buf_add_text(&big, "} }");
	other.virtual_alias_maps = buf_text(&big);
	describe_expansion(&d, "big@x", &got);
	assert_int_equal(strncmp(buf_text(&got), "0@y 1@y 2@y", 11), 0);
	assert_non_null(strstr(buf_text(&got), "15@y 16@y 17@y"));
	assert_non_null(strstr(buf_text(&got), " 98@y 99@y"));
	other.virtual_alias_maps = "text:/does/not/exist";
	describe_expansion(&d, "1@x", &got);
	assert_string_equal(buf_text(&got), "temporary: the directory is away");
	buf_free(&big);
	arena_free(&d.arena);
	buf_free(&got);
}

/* ---- owns ---- */

/* clang-format off */
static const struct {
	const char *login, *address, *want;
} owners[] = {
	{"ann@example.org", "ann@example.org", "ok"},
	{"ann@example.org", "Ann+x@Example.org", "ok"},
	{"ann@example.org", "bob@example.org", "refused"},
	{"ann@example.org", "info@example.org", "ok"},
	{"ann@example.org", "info+x@example.org", "ok"},
	{"ann@example.org", "team@example.org", "ok"},
	{"bob@example.org", "info@example.org", "refused"},
	{"ann@example.org", "shared@example.org", "ok"},
	{"bob@example.org", "shared@example.org", "ok"},
	{"x@box.test", "shared@example.org", "refused"},
	{"ann@example.org", "any@guest.test", "ok"},
	{"bob@example.org", "any@guest.test", "refused"},
	{"x@box.test", "any@box.test", "ok"},
	{"ann@example.org", "any@box.test", "refused"},
	{"ann@example.org", "x@remote.test", "refused"},
	{"ann@example.org", "", "ok"},
	{"ann@example.org", "no address", "refused"},
	{"ann@example.org", "ann@other.test", "refused"},
	{"an@example.org", "ann@example.org", "refused"},
};
/* clang-format on */

static void senders_are_owned(void **state)
{
	(void)state;
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);

	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		int r = directory_owns(
		    &d, str_from(owners[i].login), str_from(owners[i].address));

		if (strcmp(resolve_status_names[r], owners[i].want) != 0)
			fail_msg("%s with <%s>: %s", owners[i].login,
			    owners[i].address, resolve_status_names[r]);
	}
	other.smtpd_sender_login_null = false;
	assert_int_equal(directory_owns(&d, STR("ann@example.org"), STR_EMPTY),
	    RESOLVE_REFUSED);
	arena_free(&d.arena);
}

/* ---- tables ---- */

static void only_named_tables_are_asked(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *spec;
		bool may;
	} rows[] = {
		{"hash:access", true},
		{"hash:/etc/house/access", true},
		{"text:/etc/other", true},
		{"inline:{ a=b }", true},
		{"text:/etc/passwd", false},
		{"text:/etc/house/../passwd", false},
		{"text:../passwd", false},
		{"hash:/etc/housex", false},
		{"hash:passwords", false},
		{"text:srs_secrets", false},
		{"text:/etc/house/srs_secrets", false},
		{"proxy:text:/etc/shadow", false},
	};
	/* clang-format on */
	struct tables t = tables_new("/etc/house");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tables_may_ask(&t, str_from(rows[i].spec),
			conf.proxy_read_maps, "/x/srs_secrets") != rows[i].may)
			fail_msg("%s", rows[i].spec);
	tables_free(&t);
}

/* ---- senders of what aliases send on ---- */

static char secrets[] = "/tmp/directory-test-XXXXXX";

static void write_secrets(struct rewriting *r, const char *text)
{
	assert_int_equal(file_replace(secrets, str_from(text), 0600), 0);
	r->next_look = 0;
}

static const char *forwarded(struct directory *d, const char *sender)
{
	static char text[512];
	struct str out;
	int status = rewriting_forward(d, str_from(sender), &out);

	snprintf(text, sizeof(text), "%s %.*s", resolve_status_names[status],
	    STR_FMT(out));
	return text;
}

static void senders_are_rewritten_and_found_again(void **state)
{
	static const char *const stay[] = {"", "ann@example.org",
	    "any@relay.test", "ann@here.test", "x@plain.test", "x@a.below.test",
	    "no address"};
	char made[512], want[512];
	struct directory d = directory_new(&conf);
	struct rewriting r = rewriting_new(secrets, "/");
	struct expansion e;
	int fd = mkstemp(secrets);

	(void)state;
	assert_true(fd >= 0);
	file_close(&fd);
	unlink(secrets);
	free(r.path);
	r.path = str_dup(str_from(secrets));
	d.rewriting = &r;
	assert_string_equal(forwarded(&d, "x@far.test"), "ok ");
	write_secrets(&r, "# first signs\nsecret one\n\nshort\n");
	for (size_t i = 0; i < ARRAY_LEN(stay); i++)
		assert_string_equal(forwarded(&d, stay[i]), "ok ");
	assert_string_equal(forwarded(&d, "x@odd.test"), "temporary ");
	snprintf(made, sizeof(made), "%s", forwarded(&d, "X@below.test"));
	assert_true(str_starts(str_from(made), STR("ok SRS0=")));
	assert_true(str_ends(str_from(made), STR("=below.test=X@example.org")));

	describe(&d, made + 3, want, sizeof(want));
	assert_string_equal(want, "ok mailbox alias smtp:below.test  0 ");
	directory_expand(&d, str_from(made + 3), &e);
	assert_int_equal(e.status, RESOLVE_OK);
	assert_int_equal(e.count, 1);
	assert_true(str_eq(e.address[0], STR("X@below.test")));

	/* Another secret signs, the old one is still believed, then gone. */
	write_secrets(&r, "secret two, longer\nsecret one\n");
	assert_string_not_equal(forwarded(&d, "X@below.test"), made);
	describe(&d, made + 3, want, sizeof(want));
	assert_string_equal(want, "ok mailbox alias smtp:below.test  0 ");
	write_secrets(&r, "secret two, longer\n");
	describe(&d, made + 3, want, sizeof(want));
	assert_string_equal(want, "refused mailbox alias :  550 5.7.1");
	directory_expand(&d, str_from(made + 3), &e);
	assert_int_equal(e.status, RESOLVE_REFUSED);
	write_secrets(&r, "secret one\n");
	clock_step(22 * 86400);
	describe(&d, made + 3, want, sizeof(want));
	assert_string_equal(want, "refused mailbox alias :  550 5.1.6");
	clock_step(-22 * 86400);

	/* An address of another domain is none of ours. */
	describe(&d, "SRS0=x=y=z=a@far.test", want, sizeof(want));
	assert_string_equal(want, "ok remote smtp:far.test  0 ");
	/* Nobody can say now: not for good. */
	unlink(secrets);
	r.next_look = 0;
	describe(&d, made + 3, want, sizeof(want));
	assert_string_equal(want, "temporary mailbox alias :  451 4.3.5");
	rewriting_free(&r);
	arena_free(&d.arena);
}

static void lists_are_cut(void **state)
{
	(void)state;
	struct str rest = STR(" hash:a, inline:{ x=y, {z = 1 2} } text:b,,");
	static const char *const want[] = {
	    "hash:a", "inline:{ x=y, {z = 1 2} }", "text:b", ""};

	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_true(str_eq(map_cut_spec(&rest), str_from(want[i])));
}

static int open_tables(void **state)
{
	(void)state;
	tables = tables_new("/nowhere");
	return 0;
}

static int close_tables(void **state)
{
	(void)state;
	tables_free(&tables);
	return 0;
}

/* "about rule [key] result text" for each step. */
static void told(void *arg, const struct explain_step *s)
{
	buf_printf(arg, "%.*s %.*s [%.*s] %.*s %.*s\n", STR_FMT(s->about),
	    STR_FMT(s->rule), STR_FMT(s->key), STR_FMT(s->result),
	    STR_FMT(s->text));
}

static void steps_are_told(void **state)
{
	struct lookup_conf other = conf;
	struct directory d = directory_new(&other);
	struct buf got = buf_new(65536);
	struct explain explain = {told, &got, "lookup"};
	struct lookup_resolved r = {0};
	struct expansion e;

	(void)state;
	other.default_transport = "relay:";
	other.alias_maps = "";
	d.explain = &explain;
	directory_resolve(&d, STR("x@elsewhere.test"), &r);
	assert_string_equal(buf_text(&got),
	    "x@elsewhere.test mail_domain_maps [elsewhere.test] none \n"
	    "x@elsewhere.test mail_domain_maps [] remote elsewhere.test is "
	    "none of our domains\n"
	    "x@elsewhere.test default_transport [] route relay:\n"
	    "x@elsewhere.test transport_maps [x@elsewhere.test] none \n"
	    "x@elsewhere.test transport_maps [elsewhere.test] none \n"
	    "x@elsewhere.test transport_maps [.test] none \n"
	    "x@elsewhere.test transport_maps [*] none \n"
	    "x@elsewhere.test virtual_alias_maps [x@elsewhere.test] none \n"
	    "x@elsewhere.test virtual_alias_maps [@elsewhere.test] none \n");
	buf_clear(&got);
	directory_expand(&d, STR("a@alias.test"), &e);
	assert_string_equal(buf_text(&got),
	    "a@alias.test virtual_alias_maps [a@alias.test] found "
	    "b@alias.test\n"
	    "a@alias.test virtual_alias_maps [] expands b@alias.test\n"
	    "b@alias.test virtual_alias_maps [b@alias.test] found "
	    "a@alias.test\n"
	    "b@alias.test virtual_alias_maps [] expands a@alias.test\n"
	    "b@alias.test virtual_alias_maps [] dunno a@alias.test was met "
	    "before and is not taken up again\n"
	    "b@alias.test virtual_alias_maps [] reject the aliases of this "
	    "address lead in a circle\n");
	arena_free(&d.arena);
	buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(recipients_resolve),
	    cmocka_unit_test(quotas_are_told),
	    cmocka_unit_test(postmaster_leads_somewhere),
	    cmocka_unit_test(the_relayhost_takes_the_rest),
	    cmocka_unit_test(reports_have_their_own_way),
	    cmocka_unit_test(aliases_expand),
	    cmocka_unit_test(expansion_is_bounded),
	    cmocka_unit_test(senders_are_owned),
	    cmocka_unit_test(steps_are_told),
	    cmocka_unit_test(only_named_tables_are_asked),
	    cmocka_unit_test(senders_are_rewritten_and_found_again),
	    cmocka_unit_test(lists_are_cut),
	};

	return cmocka_run_group_tests(tests, open_tables, close_tables);
}
