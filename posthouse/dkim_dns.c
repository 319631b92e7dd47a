/* SPDX-License-Identifier: ISC */
/* What DNS should say of a key, and what it says. */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "net/dns.h"
#include "posthouse/dkim.h"

#define TRY_MS          3000
#define TRIES           2
#define ANSWER_MS       10000
#define STRING_MAX      255 /* octets of one string of a TXT record */
#define RECORD_MAX      16384
#define RECORD_NAME_MAX (KEY_DOMAIN_MAX + KEY_SELECTOR_MAX + 32)

void key_name(struct str domain, struct str selector, struct buf *out)
{
	buf_printf(
	    out, "%.*s._domainkey.%.*s.", STR_FMT(selector), STR_FMT(domain));
}

void key_zone(const struct key_row *row, struct buf *out)
{
	struct buf text = buf_new(RECORD_MAX);
	struct str rest;
	bool long_one;

	dkim_key_record(row->key, &text);
	rest = buf_str(&text);
	long_one = rest.len > STRING_MAX;
	key_name(row->domain, row->selector, out);
	buf_add_text(out, long_one ? " IN TXT (" : " IN TXT ");
	while (rest.len > 0) {
		struct str part = str_sub(rest, 0, STRING_MAX);

		buf_printf(
		    out, "%s\"%.*s\"", long_one ? "\n\t" : "", STR_FMT(part));
		rest = str_skip(rest, part.len);
	}
	buf_add_text(out, long_one ? " )\n" : "\n");
	buf_free(&text);
}

/* ---- what is published ---- */

struct dns_view {
	struct loop *loop;
	struct dns *dns;
	char why[512];
};

const char *publication_name(enum publication p)
{
	static const char *const names[] = {"published", "testing", "missing",
	    "different", "several", "malformed", "unavailable", "unreadable"};

	return names[p];
}

struct dns_view *dns_view_open(struct posthouse *p, const char *command)
{
	struct dns_view *v = NEW(struct dns_view);
	const char *why = "";

	v->loop = loop_new();
	v->dns = dns_open(v->loop, p->house.dns_servers, TRY_MS, TRIES, &why);
	if (v->dns == NULL) {
		posthouse_fail(command, "DNS: %s", why);
		dns_view_close(&v);
	}
	return v;
}

void dns_view_close(struct dns_view **v)
{
	dns_close(&(*v)->dns);
	loop_free(&(*v)->loop);
	free(*v);
	*v = NULL;
}

/* The record of a reply against the key. */
static enum publication compare(
    struct dns_view *v, const struct key_row *row, struct str record)
{
	struct buf ours = buf_new(RECORD_MAX), theirs = buf_new(RECORD_MAX);
	struct dkim_key_flags flags;
	enum publication result = OTHER_KEY;
	const char *why = "";
	struct dkim_key *key = dkim_key_parse(
	    record, dkim_key_algorithm(row->key), &flags, &why);

	if (key == NULL) {
		snprintf(v->why, sizeof(v->why),
		    flags.revoked ? "the record has an empty p=: the key is "
				    "revoked"
				  : "the record is of no use: %s",
		    why);
		result = MALFORMED;
	} else if (dkim_key_record(key, &theirs) < 0 ||
	    dkim_key_record(row->key, &ours) < 0 ||
	    !str_eq(buf_str(&ours), buf_str(&theirs))) {
		snprintf(v->why, sizeof(v->why),
		    "the record has another key: signatures would be wrong");
	} else if (flags.testing) {
		snprintf(v->why, sizeof(v->why),
		    "published, but t=y says that the domain is only testing: "
		    "receivers may treat the mail as unsigned");
		result = PUBLISHED_TESTING;
	} else {
		snprintf(v->why, sizeof(v->why), "published");
		result = PUBLISHED;
	}
	dkim_key_free(&key);
	buf_free(&ours);
	buf_free(&theirs);
	return result;
}

static enum publication judge(struct dns_view *v, const struct key_row *row,
    const struct dns_reply *reply)
{
	size_t count = 0, last = 0;

	for (size_t i = 0; i < reply->count; i++)
		if (reply->records[i].type == DNS_TXT) {
			last = i;
			count++;
		}
	if (reply->status == DNS_TEMPORARY || reply->status == DNS_BAD) {
		snprintf(v->why, sizeof(v->why), "DNS does not answer: %s",
		    reply->why);
		return DNS_UNAVAILABLE;
	}
	if (reply->status != DNS_OK || count == 0) {
		snprintf(v->why, sizeof(v->why), "not published: %s",
		    reply->status == DNS_NO_NAME
			? "there is no such name in DNS"
			: "the name has no TXT record");
		return NOT_PUBLISHED;
	}
	if (count > 1) {
		snprintf(v->why, sizeof(v->why),
		    "there are %zu TXT records: receivers take any of them",
		    count);
		return SEVERAL_RECORDS;
	}
	return compare(v, row, reply->records[last].text);
}

enum publication dns_view_look(
    struct dns_view *v, const struct key_row *row, const char **why)
{
	struct buf name = buf_new(RECORD_NAME_MAX);
	enum publication result = UNREADABLE_KEY;

	*why = v->why;
	if (row->key == NULL) {
		snprintf(v->why, sizeof(v->why), "the key cannot be used: %s",
		    row->why);
	} else {
		key_name(row->domain, row->selector, &name);
		name.len--; /* its dot */
		result = judge(v, row,
		    dns_wait(v->dns, buf_str(&name), DNS_TXT,
			deadline_in(ANSWER_MS)));
	}
	buf_free(&name);
	return result;
}
