/* SPDX-License-Identifier: ISC */
#include "mailauth/results.h"

#include <stdio.h>

#include "mail/address.h"
#include "mailauth/results_text.h"

#define FOLD "\r\n\t"

/* What strangers chose is bounded: a line stays one that SMTP takes, and a
 * message with many signatures a field that can be read. */
#define VALUE_MOST      254  /* octets; a longer value is left out */
#define VALUE_LONG      100  /* octets; a longer value stands on its own line */
#define COMMENT_MOST    100  /* octets; the rest is cut off */
#define NAME_SHOWN      100  /* octets of a name in a comment of Received-SPF */
#define SIGNATURE_LEAST 8    /* octets of b= */
#define DKIM_MOST       8192 /* octets of DKIM's results, then no more of them */

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (results_special(s.p[i]) || (uint8_t)s.p[i] >= 0x80)
			return false;
	return s.len > 0;
}

/* A dot-atom (RFC 5322 section 3.2.3). */
static bool is_dot_atom(struct str s)
{
	bool dot = true; /* at either end, or behind another */

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '.' && results_special(s.p[i]) &&
		    memchr("/=?", s.p[i], 3) == NULL)
			return false;
		if (s.p[i] == '.' && dot)
			return false;
		dot = s.p[i] == '.';
	}
	return !dot;
}

/* What a pvalue has without quotes beside a token (RFC 8601 section 2.2): an
 * address of mail, or only its domain, with or without "@". */
static bool is_address(struct str s)
{
	struct address parts;
	const char *why;

	struct str domain = str_starts(s, STR("@")) ? str_skip(s, 1) : s;

	if (str_find(domain, '.') < domain.len &&
	    address_is_domain(domain, true))
		return true;
	return address_split(s, true, &parts, &why) == 0 &&
	    parts.domain.p[0] != '[';
}

/* Quoted; what no text may have is left out. */
static void add_quoted(struct str value, struct buf *out)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if ((uint8_t)c < ' ' || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, c);
	}
	buf_add_char(out, '"');
}

static void add_value(struct str value, struct buf *out)
{
	if (is_token(value) || is_address(value))
		buf_add(out, value);
	else
		add_quoted(value, out);
}

static void add_property(const char *name, struct str value, struct buf *out)
{
	if (value.len == 0 || value.len > VALUE_MOST)
		return;
	buf_printf(out, "%s%s=", value.len > VALUE_LONG ? FOLD : " ", name);
	add_value(value, out);
}

/* Text inside a comment, with nothing in it that ends or opens one. */
static void add_words(struct str text, size_t most, struct buf *out)
{
	text = str_sub(text, 0, most);
	for (size_t i = 0; i < text.len; i++)
		if ((uint8_t)text.p[i] >= ' ' && text.p[i] != 0x7f)
			buf_add_char(out,
			    memchr("()\\", text.p[i], 3) ? '_' : text.p[i]);
}

static void add_comment(struct str text, struct buf *out)
{
	if (text.len == 0)
		return;
	buf_add_text(out, " (");
	add_words(text, COMMENT_MOST, out);
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

/* Sections 2.7.3 and 3: whether the client's name leads back to it. */
static void add_name(const struct results_context *c, struct buf *out)
{
	char address[NETADDR_TEXT_MAX];

	netaddr_text(&c->client, address);
	begin("iprev",
	    c->name_status == DNS_OK              ? "pass"
		: c->name_status == DNS_TEMPORARY ? "temperror"
		: c->name_status == DNS_NO_NAME   ? "permerror"
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

/* The sender as far as SPF looked at it (section 2.7.2): a local part that no
 * policy asked for is not vouched for. */
static void add_sender(const struct spf_verdict *spf,
    const struct results_context *c, struct buf *out)
{
	add_spf(spf, "smtp.mailfrom",
	    spf->of_local_part ? c->sender : spf->domain, out);
}

/* b= without its folding. */
static void add_octets_of(struct str signature, struct buf *out)
{
	for (size_t i = 0; i < signature.len; i++)
		if (!results_special(signature.p[i]) ||
		    memchr("/=", signature.p[i], 2) != NULL)
			buf_add_char(out, signature.p[i]);
}

static size_t same_octets(struct str a, struct str b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.p[i] == b.p[i])
		i++;
	return i;
}

/* As many octets of it as tell it from the others (RFC 6008 section 4); one that
 * stands there twice cannot be told. */
static void add_signature(
    const struct verdict *v, size_t which, struct buf *out)
{
	struct buf own = buf_new(VALUE_MOST), other = buf_new(VALUE_MOST);
	size_t len = SIGNATURE_LEAST;

	add_octets_of(verdict_dkim(v, which)->signature, &own);
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		buf_clear(&other);
		add_octets_of(verdict_dkim(v, i)->signature, &other);
		size_t same = same_octets(buf_str(&own), buf_str(&other));
		if (i != which && same < own.len && same >= len)
			len = same + 1;
	}
	add_property("header.b", str_sub(buf_str(&own), 0, len), out);
	buf_free(&own);
	buf_free(&other);
}

static void add_dkim(const struct verdict *v, size_t which, struct buf *out)
{
	const struct dkim_verdict *d = verdict_dkim(v, which);
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
	add_signature(v, which, out);
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
	if (d->result == DMARC_FAIL) /* RFC 9989 section 9.1: after t=y */
		add_property(
		    "policy.dmarc", str_from(dmarc_policy_name(d->asked)), out);
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
	buf_printf(out, " (i=%u", arc_chain_length(chain));
	if (newest != NULL) {
		buf_add_text(out, " sealed by ");
		add_words(newest->domain, NAME_SHOWN, out);
	}
	buf_add_char(out, ')');
	add_comment(str_from(arc_chain_why(chain)), out);
	netaddr_text(&c->client, address);
	if (c->client.len > 0) /* RFC 8617 section 6 */
		add_property("smtp.remote-ip", str_from(address), out);
}

void results_write(
    struct verdict *v, const struct results_context *c, struct buf *out)
{
	size_t before;

	if (is_token(c->server))
		buf_add(out, c->server);
	else
		add_quoted(c->server, out);
	before = out->len;
	add_user(c, out);
	if (c->name_asked && c->user.len == 0)
		add_name(c, out);
	if (v != NULL) {
		const struct spf_verdict *sender = verdict_spf_sender(v);
		add_spf(verdict_spf_helo(v), "smtp.helo", c->helo, out);
		if (sender != NULL)
			add_sender(sender, c, out);
		size_t from = out->len;
		for (size_t i = 0;
		     i < verdict_dkim_count(v) && out->len - from < DKIM_MOST;
		     i++)
			add_dkim(v, i, out);
		if (verdict_dkim_count(v) == 0)
			begin("dkim", "none", out);
		add_arc(v, c, out);
		add_dmarc(v, out);
	}
	if (out->len == before)
		buf_add_text(out, "; none");
}

/* ---- Received-SPF ---- */

static void add_key(const char *key, struct str value, struct buf *out)
{
	value = str_sub(value, 0, VALUE_MOST);
	buf_printf(out, ";" FOLD "%s=", key);
	if (is_dot_atom(value))
		buf_add(out, value);
	else
		add_quoted(value, out);
}

/* What the result says, for people. */
static void add_sentence(const struct spf_verdict *spf,
    const struct results_context *c, const char *address, struct buf *out)
{
	static const char *const words[] = {[SPF_NONE] = "has no policy for",
	    [SPF_NEUTRAL] = "neither permits nor denies",
	    [SPF_PASS] = "designates",
	    [SPF_FAIL] = "does not designate",
	    [SPF_SOFTFAIL] = "probably does not designate",
	    [SPF_TEMPERROR] = "could not be asked about",
	    [SPF_PERMERROR] = "has a policy with an error for"};

	bool designates = spf->result == SPF_PASS || spf->result == SPF_FAIL ||
	    spf->result == SPF_SOFTFAIL;

	buf_add_text(out, FOLD "(");
	add_words(c->server, NAME_SHOWN, out);
	buf_add_text(out, ": domain of ");
	add_words(spf->of_helo ? c->helo : c->sender, NAME_SHOWN, out);
	buf_printf(out, FOLD "%s %s%s)", words[spf->result], address,
	    designates ? " as permitted sender" : "");
}

void results_write_spf(const struct spf_verdict *spf,
    const struct results_context *c, struct buf *out)
{
	char address[NETADDR_TEXT_MAX];

	netaddr_text(&c->client, address);
	buf_add_text(out, spf_result_name(spf->result));
	add_sentence(spf, c, address, out);
	buf_printf(out, FOLD "identity=%s", spf->of_helo ? "helo" : "mailfrom");
	add_key("receiver", c->server, out);
	add_key("client-ip", str_from(address), out);
	add_key("helo", c->helo, out);
	if (!spf->of_helo)
		add_key("envelope-from", c->sender, out);
	if (spf->problem.len > 0)
		add_key("problem", spf->problem, out);
	else if (spf->result != SPF_NONE)
		add_key("mechanism",
		    spf->term.len > 0 ? spf->term : STR("default"), out);
}
