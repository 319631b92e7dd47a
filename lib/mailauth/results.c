/* SPDX-License-Identifier: ISC */
#include "mailauth/results.h"

#include <stdio.h>

#define FOLD "\r\n\t"

/* What strangers chose is bounded: a line stays one that SMTP takes, and a
 * message with many signatures a field that can be read. */
#define VALUE_MOST   254  /* octets; a longer value is left out */
#define VALUE_LONG   100  /* octets; a longer value stands on its own line */
#define COMMENT_MOST 100  /* octets; the rest is cut off */
#define DKIM_MOST    8192 /* octets of DKIM's results, then no more of them */

/* ---- writing ---- */

/* What may stand without quotes: RFC 2045's token. */
static bool is_plain(char c)
{
	return ascii_alnum(c) || (uint8_t)c >= 0x80 ||
	    (c != '\0' && strchr("!#$%&'*+-^_`{|}~.", c) != NULL);
}

/* A value, quoted where it must be; what no text may have is left out.
 * address: an "@" may stand in it, as Authentication-Results lets it (RFC 8601
 * section 2.2) and Received-SPF does not. */
static void add_text(struct str value, bool address, struct buf *out)
{
	bool plain = value.len > 0;

	for (size_t i = 0; i < value.len; i++)
		plain = plain &&
		    (is_plain(value.p[i]) || (address && value.p[i] == '@'));
	if (!plain)
		buf_add_char(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if ((uint8_t)c < ' ' || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, c);
	}
	if (!plain)
		buf_add_char(out, '"');
}

static void add_value(struct str value, struct buf *out)
{
	add_text(value, true, out);
}

static void add_property(const char *name, struct str value, struct buf *out)
{
	if (value.len == 0 || value.len > VALUE_MOST)
		return;
	buf_printf(out, "%s%s=", value.len > VALUE_LONG ? FOLD : " ", name);
	add_value(value, out);
}

/* "(text)", with nothing in it that ends or opens one. */
static void add_comment(struct str text, struct buf *out)
{
	if (text.len == 0)
		return;
	text = str_sub(text, 0, COMMENT_MOST);
	buf_add_text(out, " (");
	for (size_t i = 0; i < text.len; i++)
		if ((uint8_t)text.p[i] >= ' ' && text.p[i] != 0x7f)
			buf_add_char(out,
			    memchr("()\\", text.p[i], 3) ? '_' : text.p[i]);
	buf_add_char(out, ')');
}

static void begin(const char *method, const char *result, struct buf *out)
{
	buf_printf(out, ";" FOLD "%s=%s", method, result);
}

static void add_user(const struct results_context *c, struct buf *out)
{
	if (c->user.len == 0)
		return;
	begin("auth", "pass", out);
	add_property("smtp.auth", c->user, out);
}

/* Section 3: whether the client's name leads back to it. */
static void add_name(const struct results_context *c, struct buf *out)
{
	char address[NETADDR_TEXT_MAX];

	netaddr_text(&c->client, address);
	begin("iprev",
	    c->name_status == DNS_OK              ? "pass"
		: c->name_status == DNS_TEMPORARY ? "temperror"
						  : "fail",
	    out);
	if (c->name_status == DNS_OK)
		add_comment(c->client_name, out);
	add_property("policy.iprev", str_from(address), out);
}

static void add_spf(const struct spf_verdict *spf, const char *property,
    struct str value, struct buf *out)
{
	begin("spf", spf_result_name(spf->result), out);
	add_comment(spf->problem.len > 0 ? spf->problem : spf->term, out);
	add_property(property, value, out);
}

static void add_dkim(const struct dkim_verdict *d, struct buf *out)
{
	char bits[32];

	begin("dkim", dkim_result_name(d->result), out);
	snprintf(bits, sizeof(bits), "%u-bit key%s", d->bits,
	    d->testing ? ", testing" : "");
	add_comment(d->why[0] != '\0' ? str_from(d->why)
		: d->bits > 0         ? str_from(bits)
				      : STR_EMPTY,
	    out);
	add_property("header.d", d->domain, out);
	add_property("header.s", d->selector, out);
	add_property("header.i", d->identity, out);
	add_property("header.a", d->algorithm, out);
	add_property("header.b", str_sub(d->signature, 0, 8), out);
}

static void add_dmarc(const struct verdict *v, struct buf *out)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	char policy[64];

	begin("dmarc", dmarc_result_name(d->result), out);
	snprintf(policy, sizeof(policy), "p=%s%s",
	    dmarc_policy_name(d->published), d->testing ? " t=y" : "");
	if (d->problem[0] != '\0')
		add_comment(str_from(d->problem), out);
	else if (d->policy_domain.len > 0)
		add_comment(str_from(policy), out);
	add_property("header.from", verdict_author(v), out);
}

static void add_arc(
    const struct verdict *v, const struct results_context *c, struct buf *out)
{
	const struct arc_chain *chain = verdict_arc_chain(v);
	char address[NETADDR_TEXT_MAX];

	begin("arc", arc_result_name(verdict_arc(v)), out);
	if (chain == NULL || arc_chain_length(chain) == 0)
		return;
	const struct arc_set *newest = arc_chain_set(
	    chain, arc_chain_length(chain));
	buf_printf(out, " (i=%u)", arc_chain_length(chain));
	add_comment(str_from(arc_chain_why(chain)), out);
	if (newest != NULL)
		add_property("header.d", newest->domain, out);
	netaddr_text(&c->client, address);
	if (c->client.len > 0) /* RFC 8617 section 6 */
		add_property("smtp.remote-ip", str_from(address), out);
}

void results_write(
    struct verdict *v, const struct results_context *c, struct buf *out)
{
	size_t before;

	add_value(c->server, out);
	before = out->len;
	add_user(c, out);
	if (c->client.len > 0 && c->user.len == 0)
		add_name(c, out);
	if (v != NULL) {
		const struct spf_verdict *sender = verdict_spf_sender(v);
		add_spf(verdict_spf_helo(v), "smtp.helo", c->helo, out);
		if (sender != NULL)
			add_spf(sender, "smtp.mailfrom", c->sender, out);
		size_t from = out->len;
		for (size_t i = 0;
		     i < verdict_dkim_count(v) && out->len - from < DKIM_MOST;
		     i++)
			add_dkim(verdict_dkim(v, i), out);
		if (verdict_dkim_count(v) == 0)
			begin("dkim", "none", out);
		add_arc(v, c, out);
		add_dmarc(v, out);
	}
	if (out->len == before)
		buf_add_text(out, "; none");
}

void results_write_spf(const struct spf_verdict *spf,
    const struct results_context *c, struct buf *out)
{
	char address[NETADDR_TEXT_MAX];

	netaddr_text(&c->client, address);
	buf_add_text(out, spf_result_name(spf->result));
	add_comment(spf->problem, out);
	buf_add_text(out, FOLD "receiver=");
	add_text(c->server, false, out);
	buf_add_text(out, "; client-ip=");
	add_text(str_from(address), false, out);
	buf_add_text(out, "; helo=");
	add_text(str_sub(c->helo, 0, VALUE_MOST), false, out);
	buf_add_text(out, ";" FOLD "envelope-from=");
	add_text(str_sub(c->sender, 0, VALUE_MOST), false, out);
	buf_printf(out, "; identity=%s", spf->of_helo ? "helo" : "mailfrom");
	if (spf->term.len > 0 && spf->problem.len == 0) {
		buf_add_text(out, ";" FOLD "mechanism=");
		add_text(str_sub(spf->term, 0, VALUE_MOST), false, out);
	}
}

/* ---- reading ---- */

/* Behind blanks, line ends and comments, which nest. */
static struct str skip_comments(struct str s)
{
	unsigned depth = 0;
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && depth > 0)
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && strchr(" \t\r\n", s.p[i]) == NULL)
			break;
	}
	return str_skip(s, i < s.len ? i : s.len);
}

/* The authserv-id: a token or a quoted string, without its quotes. */
static void read_server(struct str s, struct buf *out)
{
	if (s.len == 0 || s.p[0] != '"') {
		for (size_t i = 0; i < s.len && is_plain(s.p[i]); i++)
			buf_add_char(out, s.p[i]);
		return;
	}
	for (size_t i = 1; i < s.len && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		buf_add_char(out, s.p[i]);
	}
}

bool results_are_of(struct str value, struct str server)
{
	struct buf claimed = buf_new(1024);

	read_server(skip_comments(value), &claimed);
	bool same = str_case_eq(buf_str(&claimed), server);
	buf_free(&claimed);
	return same;
}

/* The quoted string that s begins with; what would mean something without the
 * quotes becomes "_", for a stranger may have chosen it. */
static struct str unquote(struct str s, struct buf *out)
{
	size_t i;

	for (i = 1; i < s.len && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		buf_add_char(out, is_plain(s.p[i]) ? s.p[i] : '_');
	}
	return str_skip(s, i < s.len ? i + 1 : s.len);
}

/* Without comments; each run of blanks is one, none stands beside "=". */
static void simplify(struct str s, struct buf *out)
{
	bool blank = false;

	while ((s = skip_comments(s)).len > 0) {
		blank = out->len > 0 && s.p[0] != '=' &&
		    out->p[out->len - 1] != '=' && blank;
		if (blank)
			buf_add_char(out, ' ');
		if (s.p[0] == '"') {
			s = unquote(s, out);
		} else {
			buf_add_char(out, s.p[0]);
			s = str_skip(s, 1);
		}
		blank = s.len > 0 && strchr(" \t\r\n(", s.p[0]) != NULL;
	}
}

/* One result, without its comments. */
static bool is_pass_of(struct str one, struct str author)
{
	struct str word = str_word(&one, " ");

	if (!str_case_eq(word, STR("dmarc=pass")))
		return false;
	while ((word = str_word(&one, " ")).len > 0)
		if (str_case_starts(word, STR("header.from=")))
			return str_case_eq(
			    str_skip(word, sizeof("header.from=") - 1), author);
	return false;
}

bool results_passed_dmarc(struct str value, struct str author)
{
	struct buf plain = buf_new(65536);
	bool passed = false;

	simplify(value, &plain);
	struct str rest = buf_str(&plain);
	while (!passed && !plain.overflow && author.len > 0 && rest.len > 0)
		passed = is_pass_of(str_cut(&rest, ';'), author);
	buf_free(&plain);
	return passed;
}
