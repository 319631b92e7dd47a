/* SPDX-License-Identifier: ISC */
#include "cleanup/signers.h"

#include <stdio.h>

#include "cleanup/owner.h"
#include "conf/map.h"
#include "core/log.h"
#include "mail/address.h"
#include "mailauth/authors.h"
#include "net/netaddr.h"

#define AUTHORS_MOST 16   /* addresses of From that are looked up */
#define VALUE_MAX    4096 /* octets of an entry of the table */
#define KEY_MAX      1024

static struct map *table; /* dkim_signing_table, or NULL */

int signers_open(const struct cleanup *c)
{
	const char *spec = c->house->dkim_signing_table, *why;
	struct str bad = STR_EMPTY;
	struct netaddr any;

	netaddr_parse(STR("0.0.0.0"), 0, &any);
	any.len = 0; /* lies in no network, so every entry is read */
	if (netaddr_in_list(&any, str_from(c->conf->dkim_sign_networks), &bad) <
	    0) {
		log_error(
		    "dkim_sign_networks: \"%.*s\" is no network", STR_FMT(bad));
		return -1;
	}
	if (spec[0] == '\0')
		return 0;
	table = map_open(spec, c->house->config_directory, &why);
	if (table == NULL) {
		log_error("dkim_signing_table: %s", why);
		return -1;
	}
	map_keep(table);
	return 0;
}

/* ---- whether it is ours ---- */

static bool is_in_networks(const struct cleanup *c, const struct message *m)
{
	struct str bad = STR_EMPTY;
	struct netaddr client;

	if (c->conf->dkim_sign_networks[0] == '\0' ||
	    netaddr_parse(m->from.client_address, 0, &client) < 0)
		return false;
	return netaddr_in_list(
		   &client, str_from(c->conf->dkim_sign_networks), &bad) == 1;
}

/* What was written here. Mail that local sends on was not: a stranger's From
 * must not become true on the way through. */
static bool is_ours(const struct cleanup *c, const struct message *m)
{
	switch (m->from.origin) {
	case ORIGIN_SUBMISSION:
	case ORIGIN_PICKUP:
	case ORIGIN_BOUNCE:
	case ORIGIN_REPORT:
		return true;
	case ORIGIN_MX:
		return is_in_networks(c, m);
	default:
		return false;
	}
}

/* ---- keys ---- */

static bool is_listed(
    const struct signing *s, struct str domain, const struct signing_key *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].key == key && str_eq(s->list[i].domain, domain))
			return true;
	return false;
}

static void add_signer(
    struct signing *s, struct str domain, const struct signing_key *key)
{
	if (s->count < SIGNERS_MOST && !is_listed(s, domain, key))
		s->list[s->count++] = (struct signer){domain, key};
}

/* The keys of a domain, or the one of a selector. Whether there are any. */
static bool add_keys(struct cleanup *c, struct message *m, struct str domain,
    struct str selector)
{
	const struct domain_keys *d = keys_find(c->keys, domain);
	struct signing *s = &m->signing;
	bool any = false;

	s->broken |= d->broken;
	for (size_t i = 0; i < d->count; i++)
		if (selector.len == 0 ||
		    str_eq(selector, str_from(d->list[i].selector))) {
			add_signer(s, domain, &d->list[i]);
			any = true;
		}
	return any || d->broken;
}

static bool has_keys(struct cleanup *c, struct str domain)
{
	const struct domain_keys *d = keys_find(c->keys, domain);

	return d->count > 0 || d->broken;
}

/* Whether who sends it may have it signed with the keys of the domain, as mail
 * of this author's. */
static bool may_sign(struct cleanup *c, struct message *m, struct str domain,
    struct str author, struct str from)
{
	int owned = 1;

	if (m->from.origin == ORIGIN_SUBMISSION &&
	    c->conf->dkim_sign_owned_domains)
		owned = owner_is(c, m, domain, author, from);
	if (owned == 0)
		m->signing.why = "the login has no part in the author's domain "
				 "(dkim_sign_owned_domains)";
	m->signing.broken |= owned < 0;
	return owned > 0;
}

/* Of a domain, or the nearest one above it that has keys. */
static void add_author(
    struct cleanup *c, struct message *m, struct str author, struct str from)
{
	struct str domain = author;

	while (!has_keys(c, domain)) {
		(void)str_cut(&domain, '.');
		if (!c->conf->dkim_sign_subdomains ||
		    str_find(domain, '.') == domain.len)
			return;
	}
	if (may_sign(c, m, domain, author, from))
		add_keys(c, m, domain, STR_EMPTY);
}

/* ---- the table ---- */

/* "none", or "DOMAIN[/SELECTOR] ..." */
static void follow(struct cleanup *c, struct message *m, struct str value)
{
	struct str word;

	if (str_case_eq(str_trim(value), STR("none"))) {
		m->signing.why = "dkim_signing_table says none";
		return;
	}
	value = arena_copy(&m->arena, value);
	while (value.p != NULL && (word = str_word(&value, " \t,")).len > 0) {
		struct str selector = word;
		struct str domain = str_cut(&selector, '/');

		if (add_keys(c, m, domain, selector))
			continue;
		log_error("dkim_signing_table: there is no active key %.*s",
		    STR_FMT(word));
		m->signing.broken = true;
	}
}

/* Whether the table has the key, built of two parts. */
static bool look_up(
    struct cleanup *c, struct message *m, const char *prefix, struct str name)
{
	struct buf key = buf_new(KEY_MAX), value = buf_new(VALUE_MAX);
	enum map_result r = MAP_NONE;

	buf_add_text(&key, prefix);
	for (size_t i = 0; i < name.len; i++)
		buf_add_char(&key, ascii_lower(name.p[i]));
	if (!key.overflow && name.len > 0)
		r = map_find(table, buf_str(&key), &value);
	if (r == MAP_FOUND) {
		follow(c, m, buf_str(&value));
	} else if (r == MAP_ERROR) {
		log_error("dkim_signing_table: %s", map_why(table));
		m->signing.broken = true;
	}
	buf_free(&key);
	buf_free(&value);
	return r != MAP_NONE;
}

/* The most specific entry counts. */
static bool is_in_table(
    struct cleanup *c, struct message *m, struct str from_value)
{
	struct mailbox *list = NULL;
	char address[KEY_MAX];
	bool found = false;

	if (table == NULL)
		return false;
	size_t n = address_list(from_value, &m->arena, AUTHORS_MOST, &list);
	for (size_t i = 0; i < n && !found; i++) {
		int len = snprintf(address, sizeof(address), "%.*s@%.*s",
		    STR_FMT(list[i].local), STR_FMT(list[i].domain));

		found = list[i].domain.len > 0 && len > 0 &&
		    (size_t)len < sizeof(address) &&
		    look_up(c, m, "", str_from(address));
	}
	found = found || look_up(c, m, "login:", m->from.login) ||
	    look_up(c, m, "sender:",
		m->from.sender.len > 0 ? m->from.sender : STR("<>")) ||
	    look_up(c, m, "", m->signing.author);
	return found;
}

/* ---- the choice ---- */

static void choose(
    struct cleanup *c, struct message *m, const struct header_fields *fields)
{
	struct signing *s = &m->signing;
	struct author_domains authors;
	struct header_facts facts;

	author_domains(fields, &m->arena, &authors);
	if (authors.count > 0)
		s->author = authors.list[0];
	header_look(buf_str(&m->content.header), &facts);
	if (is_in_table(c, m, facts.from_value))
		return;
	for (size_t i = 0; i < authors.count; i++)
		add_author(c, m, authors.list[i], facts.from_value);
}

void signers_choose(struct cleanup *c, struct message *m)
{
	struct signing *s = &m->signing;
	struct header_fields fields;

	s->author = STR_EMPTY;
	s->ours = is_ours(c, m);
	if (!s->ours)
		return;
	header_fields_of(buf_str(&m->content.header), &fields);
	if (fields.count > (size_t)c->conf->submission_header_fields_limit)
		s->why = "its header has more fields than are signed "
			 "(submission_header_fields_limit)";
	else
		choose(c, m, &fields);
	header_fields_free(&fields);
	if (s->count == 0 && s->why == NULL)
		s->why = s->broken ? "its key, or who may use it, is not known"
		    : s->author.len == 0
		    ? "its From names no domain"
		    : "the author's domain has no active key";
}
