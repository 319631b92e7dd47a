/* SPDX-License-Identifier: ISC */
#include "reportd/destinations.h"

#include <stdio.h>

#include "mail/address.h"
#include "mailauth/dmarc.h"
#include "mailauth/tags.h"
#include "net/dns_answer.h"

#define URI_MAX 512 /* octets */

/* ---- addresses ----------------------------------------------------------------- */

static int hex_of(char c)
{
	c = ascii_lower(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1. -1 when a "%" is none. */
static int decode(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '%') {
			buf_add_char(out, in.p[i]);
			continue;
		}
		if (i + 2 >= in.len || hex_of(in.p[i + 1]) < 0 ||
		    hex_of(in.p[i + 2]) < 0)
			return -1;
		buf_add_char(out,
		    (char)(hex_of(in.p[i + 1]) << 4 | hex_of(in.p[i + 2])));
		i += 2;
	}
	return out->overflow ? -1 : 0;
}

static bool is_new(const struct destinations *d, struct str address)
{
	for (size_t i = 0; i < d->count; i++)
		if (str_case_eq(d->list[i].address, address))
			return false;
	return true;
}

/* A mailbox that a header and an envelope can carry as it is. */
static bool is_plain(struct str s, struct address *parts)
{
	const char *why;

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '<' ||
		    s.p[i] == '>')
			return false;
	return address_split(s, false, parts, &why) == 0 &&
	    dns_name_valid(parts->domain);
}

/* mailto:address[?fields][!size], RFC 6068. */
static void add_uri(struct destinations *d, struct str uri, struct arena *arena)
{
	struct buf text = buf_new(URI_MAX);
	struct address parts;

	uri = str_trim(uri);
	uri = str_sub(uri, 0, str_find(uri, '!'));
	uri = str_sub(uri, 0, str_find(uri, '?'));
	if (str_case_starts(uri, STR("mailto:")) &&
	    decode(str_skip(uri, 7), &text) == 0 &&
	    is_plain(buf_str(&text), &parts) && is_new(d, buf_str(&text))) {
		struct str address = arena_copy(arena, buf_str(&text));

		if (address.p != NULL)
			d->list[d->count++] = (struct destination){
			    .address = address,
			    .domain = str_skip(
				address, address.len - parts.domain.len),
			    .why = ""};
	}
	buf_free(&text);
}

void destinations_parse(
    struct str rua, size_t most, struct arena *arena, struct destinations *out)
{
	out->count = 0;
	while (
	    rua.len > 0 && out->count < most && out->count < DESTINATIONS_MOST)
		add_uri(out, str_cut(&rua, ','), arena);
}

/* ---- whether they want it -------------------------------------------------------- */

/* What the destination's own domain says: steps 5 to 9 of section 4. */
struct consent {
	bool given;
	bool elsewhere; /* names an address of another host */
	struct destinations instead;
};

static void take_record(struct consent *c, const struct destination *d,
    struct str text, struct arena *arena)
{
	struct destinations named;
	struct tags tags;
	struct str rua;

	if (!dmarc_record_is(text) || tags_parse(text, &tags) < 0)
		return;
	c->given = true;
	rua = tags_value(&tags, "rua", STR_EMPTY);
	destinations_parse(rua, DESTINATIONS_MOST, arena, &named);
	for (size_t i = 0; i < named.count; i++) {
		if (!str_case_eq(named.list[i].domain, d->domain))
			c->elsewhere = true;
		else if (c->instead.count < DESTINATIONS_MOST &&
		    is_new(&c->instead, named.list[i].address))
			c->instead.list[c->instead.count++] = named.list[i];
	}
}

static void settle(
    struct destination *d, enum destination_state state, const char *why)
{
	d->state = state;
	d->why = why;
}

/* The first address of those named takes the place, others are added. */
static void replace(struct destinations *all, struct destination *d,
    const struct consent *c, size_t most)
{
	struct destination first;

	settle(d, DESTINATION_ALLOWED, "");
	if (c->instead.count == 0)
		return;
	first = c->instead.list[0];
	d->address = first.address;
	d->domain = first.domain;
	for (size_t i = 1; i < c->instead.count && all->count < most &&
	     all->count < DESTINATIONS_MOST;
	     i++) {
		if (!is_new(all, c->instead.list[i].address))
			continue;
		all->list[all->count] = c->instead.list[i];
		settle(&all->list[all->count++], DESTINATION_ALLOWED, "");
	}
}

static void ask_consent(struct destinations *all, struct destination *d,
    const struct destination_rules *rules, struct questions *q,
    struct arena *arena)
{
	struct consent consent = {.given = false};
	char name[2 * DNS_NAME_TEXT_MAX + 32];
	const struct dns_reply *reply;
	int len = snprintf(name, sizeof(name), "%.*s._report._dmarc.%.*s",
	    STR_FMT(rules->policy_domain), STR_FMT(d->domain));

	if (!dns_name_valid(str_of(name, (size_t)len))) {
		settle(d, DESTINATION_REFUSED,
		    "the name to ask for its consent is too long for DNS");
		return;
	}
	reply = questions_ask(q, str_of(name, (size_t)len), DNS_TXT);
	if (reply == NULL)
		return;
	if (reply->status == DNS_TEMPORARY) {
		settle(d, DESTINATION_TEMPORARY,
		    "DNS does not say now whether it wants these reports");
		return;
	}
	for (size_t i = 0; i < reply->count; i++)
		take_record(&consent, d, reply->records[i].text, arena);
	if (!consent.given)
		settle(d, DESTINATION_REFUSED,
		    "it does not say in DNS that it wants reports for this "
		    "domain");
	else if (consent.elsewhere)
		settle(d, DESTINATION_REFUSED,
		    "its consent in DNS names an address elsewhere");
	else
		replace(all, d, &consent, rules->most);
}

static void verify(struct destinations *all, struct destination *d,
    const struct destination_rules *rules, struct questions *q,
    struct arena *arena)
{
	struct str ours, theirs;
	int a, b;

	if (str_case_eq(d->domain, rules->policy_domain)) {
		settle(d, DESTINATION_ALLOWED, "");
		return;
	}
	a = dmarc_organization(q, rules->suffixes, rules->policy_domain, &ours);
	b = dmarc_organization(q, rules->suffixes, d->domain, &theirs);
	if (a < 0 || b < 0)
		settle(d, DESTINATION_TEMPORARY,
		    "DNS does not say now whether it is of the same "
		    "organization");
	else if (a == 0 || b == 0)
		return;
	else if (str_case_eq(ours, theirs))
		settle(d, DESTINATION_ALLOWED, "");
	else
		ask_consent(all, d, rules, q, arena);
}

bool destinations_verify(struct destinations *d,
    const struct destination_rules *rules, struct questions *q,
    struct arena *arena)
{
	bool settled = true;

	for (size_t i = 0; i < d->count; i++) {
		if (d->list[i].state == DESTINATION_PENDING)
			verify(d, &d->list[i], rules, q, arena);
		settled = settled && d->list[i].state != DESTINATION_PENDING;
	}
	return settled;
}
