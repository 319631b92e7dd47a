/* SPDX-License-Identifier: ISC */
#include "daemon/forms.h"

#include <string.h>

#include "conf/map.h"
#include "net/dns.h"
#include "net/dns_answer.h"
#include "net/netaddr.h"

/* "hahs:x": a table was meant, of a type that there is not; an IPv6 address has
 * no such letters. */
static bool looks_like_table(struct str word)
{
	struct str type = str_cut(&word, ':');

	word = str_skip(word, word.len > 0 && word.p[0] == '/');
	for (size_t i = 0; i < type.len && word.len > 0; i++)
		if (ascii_lower(type.p[i]) > 'f' && ascii_alpha(type.p[i]))
			return str_find(type, '.') == type.len;
	return false;
}

static int refuse(struct buf *why, struct str word, const char *what)
{
	buf_printf(why, "\"%.*s\" is %s", STR_FMT(word),
	    looks_like_table(word) ? "no table: there is no such type" : what);
	return -1;
}

static bool is_network(struct str word)
{
	struct netaddr any = {.len = 0}; /* lies in none */
	struct str bad;

	any.u.sa.sa_family = AF_INET;
	return word.len > 0 && netaddr_in_list(&any, word, &bad) >= 0;
}

/* "10.0.0.300": no top-level domain is a number (RFC 3696 section 2). */
static bool ends_in_number(struct str name)
{
	struct str last = str_skip(name, str_find_last(name, '.') + 1);

	for (size_t i = 0; i < last.len; i++)
		if (!ascii_digit(last.p[i]))
			return false;
	return last.len > 0 && last.len < name.len;
}

static bool is_domain(struct str word)
{
	struct str name = str_skip(word, word.len > 1 && word.p[0] == '.');

	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] == '@' || name.p[i] == '/')
			return false;
	return dns_name_valid(name) && !ends_in_number(name);
}

static bool is_client(struct str word)
{
	return is_network(word) || is_domain(word);
}

/* Of an envelope: an address, or the null sender. */
static bool is_address(struct str word)
{
	size_t at = str_find_last(word, '@');

	if (at == word.len)
		return is_domain(word) || str_eq(word, STR("<>"));
	return at > 0 && word.p[at + 1] != '.' &&
	    is_domain(str_skip(word, at + 1));
}

/* Each word of a list, without the "!" before it. */
static int each(const char *value, struct buf *why,
    bool (*good)(struct str word), bool tables, const char *what)
{
	struct str rest = str_from(value), word;

	while ((word = map_cut_spec(&rest)).len > 0) {
		struct str name = str_skip(word, word.p[0] == '!');

		if ((!tables || !map_is_spec(name)) && !good(name))
			return refuse(why, word, what);
	}
	return 0;
}

int form_networks(const char *value, struct buf *why)
{
	return each(value, why, is_network, false,
	    "no network (192.0.2.0/24, [2001:db8::]/32); host names are not "
	    "looked up");
}

int form_networks_and_tables(const char *value, struct buf *why)
{
	return each(value, why, is_network, true,
	    "neither a network (192.0.2.0/24, [2001:db8::]/32) nor a table "
	    "(type:name); host names are not looked up");
}

int form_domains(const char *value, struct buf *why)
{
	return each(value, why, is_domain, false,
	    "no domain (example.org, or .example.org for what is below it)");
}

int form_domains_and_tables(const char *value, struct buf *why)
{
	return each(value, why, is_domain, true,
	    "neither a domain (example.org, or .example.org for what is below "
	    "it) nor a table (type:name)");
}

int form_clients_and_tables(const char *value, struct buf *why)
{
	return each(value, why, is_client, true,
	    "neither a network (192.0.2.0/24, [2001:db8::]/32) nor a domain "
	    "(example.org, or .example.org for what is below it) nor a table "
	    "(type:name)");
}

int form_addresses_and_tables(const char *value, struct buf *why)
{
	return each(value, why, is_address, true,
	    "neither an address (user@example.org, or <>) nor a domain "
	    "(example.org, or .example.org for what is below it) nor a table "
	    "(type:name)");
}

int form_client(const char *value, struct buf *why)
{
	struct str word = str_from(value);

	if (word.len > 0 && word.p[0] != '.' && word.p[0] != '!' &&
	    is_client(word))
		return 0;
	return refuse(why, word,
	    "neither an address nor a network (192.0.2.0/24, 2001:db8::/32) "
	    "nor a domain (example.org)");
}

int form_domain(const char *value, struct buf *why)
{
	struct str name = str_from(value);

	if (name.len == 0 || (name.p[0] != '.' && is_domain(name)))
		return 0;
	return refuse(why, name, "no domain (example.org)");
}

int form_table(const char *value, struct buf *why)
{
	struct str rest = str_from(value), spec = map_cut_spec(&rest);

	if (spec.len == 0)
		return 0;
	if (map_cut_spec(&rest).len > 0)
		return refuse(why, str_from(value), "more than one table");
	return map_is_spec(spec)
	    ? 0
	    : refuse(why, spec, "no table (type:name, as hash:signers)");
}

int form_word(const char *value, struct buf *why)
{
	static const char specials[] = "()<>[]:;@\\,\"/?=";
	struct str word = str_from(value);

	for (size_t i = 0; i < word.len; i++)
		if (word.p[i] <= ' ' || word.p[i] >= 127 ||
		    strchr(specials, word.p[i]) != NULL)
			return refuse(why, word,
			    "no single word, as a host name is (RFC 8601 "
			    "section 2.5)");
	return 0;
}

/* Fields that those who carry the message remove, or change (RFC 6376 section
 * 5.4.1, RFC 8617 section 4.1.2); and those that they add, which may be signed
 * but not be forbidden. */
static const struct {
	const char *name;
	bool always;
} unsigned_fields[] = {
    {"Return-Path", true},
    {"Authentication-Results", true},
    {"ARC-Authentication-Results", true},
    {"ARC-Message-Signature", true},
    {"ARC-Seal", true},
    {"Received", false},
    {"DKIM-Signature", false},
};

static const char *why_unfit(struct str name, bool oversigned)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] < '!' || name.p[i] > '~' || name.p[i] == ';')
			return "no name of a header field";
	for (size_t i = 0; i < ARRAY_LEN(unsigned_fields); i++)
		if ((oversigned || unsigned_fields[i].always) &&
		    str_case_eq(name, str_from(unsigned_fields[i].name)))
			return "changed or added by who carries the message: "
			       "the signature would break";
	return NULL;
}

static int check_fields(const char *value, struct buf *why, bool oversigned)
{
	struct str rest = str_from(value), word;

	while ((word = str_word(&rest, " ,:\t")).len > 0)
		if (why_unfit(word, oversigned) != NULL)
			return refuse(why, word, why_unfit(word, oversigned));
	return 0;
}

int form_signed_fields(const char *value, struct buf *why)
{
	return check_fields(value, why, false);
}

int form_oversigned_fields(const char *value, struct buf *why)
{
	return check_fields(value, why, true);
}

int form_dns_servers(const char *value, struct buf *why)
{
	struct str bad;

	if (dns_servers_valid(str_from(value), &bad))
		return 0;
	return refuse(why, bad,
	    "no address (192.0.2.1, 127.0.0.1:5353, [::1]:53); host names are "
	    "not looked up");
}
