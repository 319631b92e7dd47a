/* SPDX-License-Identifier: ISC */
#include "cleanup/header.h"

#include "mail/author.h"
#include "mail/encode.h"
#include "mailauth/results.h"

/* ---- what a header says ---- */

static bool named(const struct header_field *f, const char *name)
{
	return str_case_eq(f->name, str_from(name));
}

void header_look(struct str header, struct header_facts *out)
{
	struct header_field f;
	int got;

	*out = (struct header_facts){.from_value = STR_EMPTY,
	    .sender_value = STR_EMPTY,
	    .message_id_value = STR_EMPTY};
	while ((got = header_next(&header, &f)) != 0) {
		if (got < 0)
			continue;
		out->fields++;
		if (named(&f, "Received")) {
			out->received++;
		} else if (named(&f, "From")) {
			if (out->from++ == 0)
				out->from_value = f.value;
		} else if (named(&f, "Sender")) {
			if (out->sender++ == 0)
				out->sender_value = f.value;
		} else if (named(&f, "Date")) {
			out->date++;
		} else if (named(&f, "Message-ID")) {
			if (out->message_id++ == 0)
				out->message_id_value = f.value;
		} else if (str_case_starts(f.name, STR("Resent-"))) {
			out->resent = true;
			out->resent_date |= named(&f, "Resent-Date");
		}
	}
}

const char *header_check_author(const struct header_facts *facts)
{
	return author_check(
	    facts->from, facts->from_value, facts->sender, facts->sender_value);
}

bool header_is_folded(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c == '\r') {
			if (i + 2 >= value.len || value.p[i + 1] != '\n' ||
			    (value.p[i + 2] != ' ' && value.p[i + 2] != '\t'))
				return false;
			i += 2;
		} else if ((c < ' ' && c != '\t') || c == 127) {
			return false;
		}
	}
	return true;
}

/* ---- the final header ---- */

/* Text from strangers inside a field: what could end a comment, a line or a
 * word becomes "?". */
static void put_word(struct buf *out, struct str s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = c > ' ' && c != 127 && (c < 127 || utf8) &&
		    strchr("()<>\\\";,", c) == NULL;

		buf_add_char(out, plain ? (char)c : '?');
	}
}

static void put_address(struct buf *out, struct str address)
{
	buf_add_char(out, '[');
	if (str_find(address, ':') < address.len &&
	    !str_case_starts(address, STR("IPv6:")))
		buf_add(out, STR("IPv6:"));
	put_word(out, address, false);
	buf_add_char(out, ']');
}

/* "from HELO (NAME [ADDRESS])" and the comments about the session. */
static void put_from(struct buf *out, const struct header_completion *c)
{
	const struct cleanup_message *m = c->from;

	buf_add(out, STR("from "));
	put_word(out, m->helo.len > 0 ? m->helo : STR("unknown"), m->smtputf8);
	buf_add(out, STR(" ("));
	put_word(out, m->client_name.len > 0 ? m->client_name : STR("unknown"),
	    m->smtputf8);
	buf_add_char(out, ' ');
	put_address(out, m->client_address);
	buf_add(out, STR(")\r\n\t"));
	if (m->tls.len > 0) {
		buf_add(out, STR("(using "));
		/* Ours, with balanced parentheses: passed as it is. */
		buf_add(out, m->tls);
		buf_add(out, STR(")\r\n\t"));
	}
	if (c->name_login && m->login.len > 0) {
		buf_add(out, STR("(Authenticated sender: "));
		put_word(out, m->login, m->smtputf8);
		buf_add(out, STR(")\r\n\t"));
	}
}

/* Whether an address can stand between < and > of a header field. */
static bool is_plain(struct str s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 127 || c == '<' || c == '>' ||
		    (c > 127 && !utf8))
			return false;
	}
	return s.len > 0 && (!utf8 || utf8_valid(s));
}

static void put_received(struct buf *out, const struct header_completion *c)
{
	const struct cleanup_message *m = c->from;
	bool user = m->origin == ORIGIN_PICKUP;
	bool local = user || m->origin == ORIGIN_BOUNCE ||
	    m->origin == ORIGIN_LOCAL || m->origin == ORIGIN_REPORT;

	buf_add(out, STR("Received: "));
	if (!local)
		put_from(out, c);
	buf_printf(out, "by %s (%s", c->myhostname, c->mail_name);
	if (user)
		buf_printf(
		    out, ", from userid %llu", (unsigned long long)m->uid);
	buf_add_char(out, ')');
	if (!local) {
		buf_add(out, STR(" with "));
		put_word(out, m->protocol, false);
	}
	buf_printf(out, " id %s", c->id);
	if (!local && is_plain(c->only_recipient, m->smtputf8)) {
		buf_add(out, STR("\r\n\tfor <"));
		buf_add(out, c->only_recipient);
		buf_add_char(out, '>');
	}
	buf_printf(out, ";%s%s\r\n", local ? "\r\n\t" : " ", c->date);
}

/* RFC 8601 section 5; Received-SPF has the same readers. */
static bool is_forged(
    const struct header_completion *c, const struct header_field *f)
{
	if (named(f, "Authentication-Results"))
		return results_are_of(f->value, c->forged_results) ||
		    !results_are_readable(f->value);
	return named(f, "Received-SPF") &&
	    (results_spf_is_of(f->value, c->forged_results) ||
		results_spf_is_of(f->value, str_from(c->myhostname)));
}

static bool stays(
    const struct header_completion *c, const struct header_field *f)
{
	if (named(f, "Return-Path")) /* RFC 5321 4.4: added at the end */
		return false;
	if (c->drop_bcc && (named(f, "Bcc") || named(f, "Resent-Bcc")))
		return false;
	return c->forged_results.len == 0 || !is_forged(c, f);
}

/* Values that are not empty, as fields. */
static void put_findings(struct buf *out, const struct header_completion *c)
{
	if (c->results.len > 0)
		buf_printf(out, "Authentication-Results: %.*s\r\n",
		    STR_FMT(c->results));
	if (c->received_spf.len > 0)
		buf_printf(
		    out, "Received-SPF: %.*s\r\n", STR_FMT(c->received_spf));
}

void header_complete(const struct header_completion *c, struct str header,
    const struct header_facts *facts, struct buf *out)
{
	struct header_field f;
	int got;

	put_findings(out, c);
	put_received(out, c);
	/* On top, where the other Resent fields of this block stand. */
	if (c->add_missing && facts->resent && !facts->resent_date)
		buf_printf(out, "Resent-Date: %s\r\n", c->date);
	while ((got = header_next(&header, &f)) != 0)
		if (got < 0 || stays(c, &f))
			buf_add(out, f.whole);
	if (c->add_missing) {
		if (facts->date == 0)
			buf_printf(out, "Date: %s\r\n", c->date);
		if (facts->message_id == 0)
			buf_printf(out, "Message-ID: <%s@%s>\r\n", c->id,
			    c->myhostname);
	}
	buf_add(out, STR("\r\n"));
}
