/* SPDX-License-Identifier: ISC */
#include "cleanup/signers.h"

#include <stdio.h>
#include <unistd.h>

#include "cleanup/owner.h"
#include "cleanup/signing_table.h"
#include "core/log.h"
#include "daemon/rehearsal.h"
#include "ipc/lookup.h"
#include "mail/address.h"
#include "mailauth/authors.h"
#include "net/netaddr.h"

#define AUTHORS_MOST 16   /* addresses of From that are looked up */
#define VALUE_MAX    4096 /* octets of an entry of the table */

/* ---- why ---- */

static void tell(const struct cleanup *c, const char *rule, const char *result,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void tell(const struct cleanup *c, const char *rule, const char *result,
    const char *format, ...)
{
	struct buf text = buf_new(EXPLAIN_TEXT_MAX);
	va_list args;

	if (c->explain == NULL)
		return;
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	rehearsal_rule(c->explain, "signature", rule, rule, result, "%.*s",
	    STR_FMT(buf_str(&text)));
	buf_free(&text);
}

/* Why nobody signs: the last reason counts. */
static void say_why(
    struct cleanup *c, struct message *m, const char *rule, const char *why)
{
	m->signing.why = why;
	tell(c, rule, "none", "%s", why);
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
static bool is_ours(struct cleanup *c, struct message *m)
{
	switch (m->from.origin) {
	case ORIGIN_SUBMISSION:
	case ORIGIN_PICKUP:
	case ORIGIN_BOUNCE:
	case ORIGIN_REPORT:
		return true;
	case ORIGIN_MX:
		if (is_in_networks(c, m)) {
			tell(c, "dkim_sign_networks", "permit",
			    "%.*s is in it: its mail is signed",
			    STR_FMT(m->from.client_address));
			return true;
		}
		say_why(c, m, "dkim_sign_networks",
		    "the client has not logged in, and is not in "
		    "dkim_sign_networks");
		return false;
	default:
		m->signing.why = "it was not written here";
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

/* root, and who runs the suite, could read the keys themselves. */
static bool is_trusted_user(const struct message *m)
{
	return m->from.uid == 0 || m->from.uid == geteuid();
}

/* Whether the domain is this host's own, or below it. */
static bool is_own_domain(const struct cleanup *c, struct str author)
{
	const char *const own[] = {c->house->myorigin, c->house->mydomain};

	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct str domain = str_from(own[i]);
		size_t above = author.len - domain.len;

		if (author.len >= domain.len && str_case_ends(author, domain) &&
		    (above == 0 || author.p[above - 1] == '.'))
			return true;
	}
	return false;
}

/* A user of this host, by sendmail(1). */
static bool user_may_sign(
    struct cleanup *c, struct message *m, struct str author)
{
	if (c->conf->dkim_sign_sendmail == SENDMAIL_ALL || is_trusted_user(m) ||
	    is_own_domain(c, author)) {
		tell(c, "dkim_sign_sendmail", "permit",
		    "user %llu has mail of %.*s signed",
		    (unsigned long long)m->from.uid, STR_FMT(author));
		return true;
	}
	say_why(c, m, "dkim_sign_sendmail",
	    "a user of sendmail(1) signs for this host's own domain "
	    "(dkim_sign_sendmail)");
	return false;
}

/* Whether who sends it may have it signed with the keys of the domain, as mail
 * of this author's. */
static bool may_sign(struct cleanup *c, struct message *m, struct str domain,
    struct str author, struct str from)
{
	int owned = 1;

	if (m->from.origin == ORIGIN_PICKUP)
		return user_may_sign(c, m, author);
	if (m->from.origin == ORIGIN_SUBMISSION &&
	    c->conf->dkim_sign_owned_domains)
		owned = owner_is(c, m, domain, author, from);
	if (owned == 0)
		say_why(c, m, "dkim_sign_owned_domains",
		    "the login has no part in the author's domain "
		    "(dkim_sign_owned_domains)");
	else if (owned > 0 && m->from.origin == ORIGIN_SUBMISSION)
		tell(c, "dkim_sign_owned_domains", "permit",
		    "%.*s may have mail of %.*s signed", STR_FMT(m->from.login),
		    STR_FMT(author));
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
		say_why(
		    c, m, "dkim_signing_table", "dkim_signing_table says none");
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
		tell(c, "dkim_signing_table", "error",
		    "there is no active key %.*s", STR_FMT(word));
		m->signing.broken = true;
	}
}

/* One key more, built of two parts. */
static void add_key(struct buf *keys, const char *prefix, struct str name)
{
	if (name.len == 0 || str_find(name, '\n') < name.len)
		return;
	if (keys->len > 0)
		buf_add_char(keys, '\n');
	buf_add_text(keys, prefix);
	for (size_t i = 0; i < name.len; i++)
		buf_add_char(keys, ascii_lower(name.p[i]));
}

/* From the most specific on. No address in From is looked for that could be
 * read as "login:" or "sender:" of somebody else. */
static void list_keys(
    struct message *m, struct str from_value, struct buf *keys)
{
	struct mailbox *list = NULL;
	char text[IPC_ADDRESS_MAX];
	size_t n = address_list(from_value, &m->arena, AUTHORS_MOST, &list);

	for (size_t i = 0; i < n; i++) {
		int len = snprintf(text, sizeof(text), "%.*s@%.*s",
		    STR_FMT(list[i].local), STR_FMT(list[i].domain));

		if (list[i].domain.len > 0 && len > 0 &&
		    (size_t)len < sizeof(text) &&
		    str_find(list[i].local, ':') == list[i].local.len)
			add_key(keys, "", str_from(text));
	}
	add_key(keys, "login:", m->from.login);
	if (m->from.origin == ORIGIN_PICKUP) {
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)m->from.uid);
		add_key(keys, "uid:", str_from(text));
	}
	add_key(keys,
	    "sender:", m->from.sender.len > 0 ? m->from.sender : STR("<>"));
	add_key(keys, "", m->signing.author);
}

/* Whether the table decides: the most specific entry counts. */
static bool is_in_table(
    struct cleanup *c, struct message *m, struct str from_value)
{
	struct buf keys = buf_new(LOOKUP_KEYS_MAX);
	struct buf value = buf_new(VALUE_MAX);
	enum map_result r;

	if (c->house->dkim_signing_table[0] == '\0')
		return false;
	list_keys(m, from_value, &keys);
	r = signing_table_find(c, buf_str(&keys), &value);
	if (r == MAP_FOUND)
		follow(c, m, buf_str(&value));
	m->signing.broken |= r == MAP_ERROR;
	buf_free(&keys);
	buf_free(&value);
	return r != MAP_NONE;
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
	if (m->from.origin == ORIGIN_PICKUP &&
	    c->conf->dkim_sign_sendmail == SENDMAIL_NONE) {
		say_why(c, m, "dkim_sign_sendmail",
		    "mail by sendmail(1) is not signed (dkim_sign_sendmail)");
		return;
	}
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
	for (size_t i = 0; i < s->count; i++)
		tell(c, "dkim_key_directory", "signs", "%.*s/%s",
		    STR_FMT(s->list[i].domain), s->list[i].key->selector);
	if (s->count > 0 || s->why != NULL)
		return;
	s->why = s->broken       ? "its key, or who may use it, is not known"
	    : s->author.len == 0 ? "its From names no domain"
				 : "the author's domain has no active key";
	tell(c, "dkim_key_directory", "none", "%s", s->why);
}
