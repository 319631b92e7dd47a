/* SPDX-License-Identifier: ISC */
#include "net/dns_answer.h"

#include <stdio.h>

#define CHAIN_MAX     16 /* CNAMEs in a row */
#define JUMPS_MAX     64 /* compression pointers in one name */
#define HEADER_LEN    12
#define CLASS_IN      1
#define AUTHORITATIVE 0x0400 /* AA */
#define ASKS          0x0080 /* RA: a resolver */
#define RCODE_OK      0
#define RCODE_NXNAME  3

/* A message and how far it has been read. */
struct reader {
	const uint8_t *p;
	size_t len, at;
};

/* A record of the answer section, its rdata still packed. */
struct raw {
	char owner[DNS_NAME_TEXT_MAX];
	bool internet; /* class IN */
	uint16_t type;
	uint32_t ttl;
	size_t rdata, rdlen;
};

static bool host_octet(char c)
{
	return ascii_alnum(c) || c == '-' || c == '_';
}

static bool printable_octet(char c)
{
	return c >= ' ' && c <= '~' && c != '.';
}

static bool name_of(struct str text, bool (*octet)(char c))
{
	size_t label = 0;

	if (text.len > 0 && text.p[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > 253)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!octet(c) || ++label > 63)
			return false;
	}
	return label > 0;
}

bool dns_name_valid(struct str text)
{
	return name_of(text, host_octet);
}

bool dns_name_askable(struct str text)
{
	return name_of(text, printable_octet);
}

bool dns_name_below(struct str name, struct str domain)
{
	return str_case_eq(name, domain) ||
	    (name.len > domain.len && str_case_ends(name, domain) &&
		name.p[name.len - domain.len - 1] == '.');
}

static int read_u16(struct reader *r, uint16_t *out)
{
	if (r->len - r->at < 2)
		return -1;
	*out = (uint16_t)(r->p[r->at] << 8 | r->p[r->at + 1]);
	r->at += 2;
	return 0;
}

static int read_u32(struct reader *r, uint32_t *out)
{
	uint16_t high, low;

	if (read_u16(r, &high) < 0 || read_u16(r, &low) < 0)
		return -1;
	*out = (uint32_t)high << 16 | low;
	return 0;
}

/* Adds a label to out; -1 when the name grows too long. */
static int add_label(
    char *out, size_t *used, const uint8_t *label, size_t len, bool *valid)
{
	if (*used + len + 2 > DNS_NAME_TEXT_MAX)
		return -1;
	if (*used > 0)
		out[(*used)++] = '.';
	for (size_t i = 0; i < len; i++) {
		char c = (char)label[i];
		*valid = *valid && host_octet(c);
		out[(*used)++] = printable_octet(c) ? c : '?';
	}
	return 0;
}

/*
 * A name, compressed or not (RFC 1035 section 4.1.4), as text without final
 * dot; "" is the root. valid: it consists of host name characters. -1 when
 * it is malformed.
 */
static int read_name(struct reader *r, char out[DNS_NAME_TEXT_MAX], bool *valid)
{
	size_t at = r->at, used = 0;
	unsigned jumps = 0;

	*valid = true;
	for (;;) {
		if (at >= r->len)
			return -1;
		uint8_t c = r->p[at++];
		if (c == 0)
			break;
		if ((c & 0xc0) == 0xc0) {
			if (at >= r->len || ++jumps > JUMPS_MAX)
				return -1;
			if (jumps == 1)
				r->at = at + 1;
			at = (size_t)(c & 0x3f) << 8 | r->p[at];
			continue;
		}
		if ((c & 0xc0) != 0 || c > r->len - at ||
		    add_label(out, &used, r->p + at, c, valid) < 0)
			return -1;
		at += c;
	}
	if (jumps == 0)
		r->at = at;
	out[used] = '\0';
	return 0;
}

static int read_raw(struct reader *r, struct raw *raw)
{
	uint16_t class, len;
	bool valid;

	if (read_name(r, raw->owner, &valid) < 0 ||
	    read_u16(r, &raw->type) < 0 || read_u16(r, &class) < 0 ||
	    read_u32(r, &raw->ttl) < 0 || read_u16(r, &len) < 0 ||
	    len > r->len - r->at)
		return -1;
	raw->internet = class == CLASS_IN;
	if (raw->ttl > 0x7fffffff) /* RFC 2181 section 8 */
		raw->ttl = 0;
	raw->rdata = r->at;
	raw->rdlen = len;
	r->at += len;
	return 0;
}

static bool owns(const struct raw *raw, const char *name)
{
	return raw->internet &&
	    str_case_eq(str_from(raw->owner), str_from(name));
}

/* The strings of a TXT record, joined (RFC 7208 section 3.3). */
static int read_text(struct reader *r, struct arena *arena, struct str *out)
{
	char *p = arena_alloc(arena, r->len - r->at + 1);
	size_t used = 0;

	if (p == NULL)
		return -1;
	while (r->at < r->len) {
		size_t n = r->p[r->at++];
		if (n > r->len - r->at)
			return -1;
		memcpy(p + used, r->p + r->at, n);
		used += n;
		r->at += n;
	}
	*out = str_of(p, used);
	return 0;
}

static int read_host(struct reader *r, struct arena *arena, struct str *out)
{
	char name[DNS_NAME_TEXT_MAX];
	bool valid;

	if (read_name(r, name, &valid) < 0 || !valid)
		return -1;
	*out = arena_copy(arena, str_from(name));
	return out->p != NULL ? 0 : -1;
}

static int read_address(struct reader *r, int family, struct netaddr *out)
{
	size_t want = family == AF_INET ? 4 : 16;

	if (r->len - r->at != want)
		return -1;
	*out = (struct netaddr){.len = 0};
	out->u.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&out->u.in.sin_addr, r->p + r->at, want);
		out->len = sizeof(out->u.in);
	} else {
		memcpy(&out->u.in6.sin6_addr, r->p + r->at, want);
		out->len = sizeof(out->u.in6);
	}
	return 0;
}

/* -1: malformed, or not fit for use; the record is left out. */
static int read_rdata(struct reader whole, const struct raw *raw,
    struct arena *arena, struct dns_record *out)
{
	/* Names may point anywhere in front, but must not run over the end. */
	struct reader r = {whole.p, raw->rdata + raw->rdlen, raw->rdata};

	*out = (struct dns_record){.type = (enum dns_type)raw->type,
	    .ttl = raw->ttl,
	    .name = STR_EMPTY,
	    .text = STR_EMPTY};
	switch (out->type) {
	case DNS_A:
		return read_address(&r, AF_INET, &out->addr);
	case DNS_AAAA:
		return read_address(&r, AF_INET6, &out->addr);
	case DNS_MX:
		if (read_u16(&r, &out->preference) < 0)
			return -1;
		return read_host(&r, arena, &out->name);
	case DNS_SRV:
		if (read_u16(&r, &out->preference) < 0 ||
		    read_u16(&r, &out->weight) < 0 ||
		    read_u16(&r, &out->port) < 0)
			return -1;
		return read_host(&r, arena, &out->name);
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		return read_host(&r, arena, &out->name);
	case DNS_TXT:
		return read_text(&r, arena, &out->text);
	case DNS_TLSA:
		out->text = arena_copy(
		    arena, str_of(r.p + raw->rdata, raw->rdlen));
		return raw->rdlen >= 3 && out->text.p != NULL ? 0 : -1;
	}
	return -1;
}

/* The target of owner's CNAME into owner; false when there is none. It may be
 * no host name: so parts of networks are delegated (RFC 2317 section 4). */
static bool follow(struct reader whole, const struct raw *raws, size_t count,
    char owner[DNS_NAME_TEXT_MAX], uint32_t *ttl)
{
	for (size_t i = 0; i < count; i++) {
		bool valid;
		if (raws[i].type != DNS_CNAME || !owns(&raws[i], owner))
			continue;
		struct reader r = {
		    whole.p, raws[i].rdata + raws[i].rdlen, raws[i].rdata};
		if (read_name(&r, owner, &valid) < 0)
			return false;
		if (raws[i].ttl < *ttl)
			*ttl = raws[i].ttl;
		return true;
	}
	return false;
}

static struct dns_reply failure(enum dns_status status, const char *why)
{
	return (struct dns_reply){.status = status, .why = why};
}

/* The records of owner and type; 0 of them is no data. */
static struct dns_reply collect(struct reader whole, const struct raw *raws,
    size_t count, const char *owner, enum dns_type type, uint32_t ttl,
    struct arena *arena)
{
	struct dns_record *records = arena_alloc(
	    arena, (count + 1) * sizeof(*records));
	size_t kept = 0, seen = 0;

	if (records == NULL)
		return failure(DNS_BAD, "answer too large");
	for (size_t i = 0; i < count; i++) {
		if (raws[i].type != (uint16_t)type || !owns(&raws[i], owner))
			continue;
		seen++;
		if (read_rdata(whole, &raws[i], arena, &records[kept]) < 0)
			continue;
		if (records[kept].ttl > ttl)
			records[kept].ttl = ttl;
		kept++;
	}
	if (kept == 0)
		return seen == 0 ? failure(DNS_NO_DATA, "no record of the type")
				 : failure(DNS_BAD, "malformed record");
	return (struct dns_reply){.status = DNS_OK,
	    .why = "found",
	    .count = kept,
	    .records = records};
}

static struct dns_reply by_rcode(unsigned rcode)
{
	if (rcode == RCODE_NXNAME)
		return failure(DNS_NO_NAME, "NXDOMAIN");
	if (rcode == 2)
		return failure(DNS_TEMPORARY, "SERVFAIL");
	if (rcode == 5)
		return failure(DNS_TEMPORARY, "REFUSED");
	return failure(DNS_TEMPORARY, "name server failure");
}

/* The header and the question, which must be ours; how many records come. */
static int read_head(struct reader *r, struct str name, enum dns_type type,
    uint16_t *flags, uint16_t *answers)
{
	char asked[DNS_NAME_TEXT_MAX];
	uint16_t id, questions, authority, additional, qtype, class;
	bool valid;

	if (read_u16(r, &id) < 0 || read_u16(r, flags) < 0 ||
	    read_u16(r, &questions) < 0 || read_u16(r, answers) < 0 ||
	    read_u16(r, &authority) < 0 || read_u16(r, &additional) < 0)
		return -1;
	if ((*flags & 0x8000) == 0 || questions != 1)
		return -1;
	if (read_name(r, asked, &valid) < 0 || read_u16(r, &qtype) < 0 ||
	    read_u16(r, &class) < 0)
		return -1;
	return str_case_eq(str_from(asked), name) && qtype == (uint16_t)type &&
		class == CLASS_IN
	    ? 0
	    : -1;
}

struct dns_reply dns_answer_parse(struct str message, struct str name,
    enum dns_type type, struct arena *arena)
{
	struct reader r = {(const uint8_t *)message.p, message.len, 0};
	char owner[DNS_NAME_TEXT_MAX];
	uint16_t flags, answers;
	uint32_t ttl = 0x7fffffff;

	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (message.len < HEADER_LEN || message.len > 65535 ||
	    read_head(&r, name, type, &flags, &answers) < 0 ||
	    str_copy(owner, sizeof(owner), name) < 0)
		return failure(DNS_BAD, "malformed answer");
	size_t count = answers < DNS_RECORDS_MAX ? answers : DNS_RECORDS_MAX;
	struct raw *raws = arena_alloc(arena, (count + 1) * sizeof(*raws));
	if (raws == NULL)
		return failure(DNS_BAD, "answer too large");
	for (size_t i = 0; i < count; i++)
		if (read_raw(&r, &raws[i]) < 0)
			return failure(DNS_BAD, "malformed answer");
	if ((flags & 15) != RCODE_OK)
		return by_rcode(flags & 15);
	if (type != DNS_CNAME)
		for (int i = 0; follow(r, raws, count, owner, &ttl); i++)
			if (i == CHAIN_MAX)
				return failure(DNS_TEMPORARY, "CNAME loop");
	struct dns_reply reply = collect(
	    r, raws, count, owner, type, ttl, arena);
	/* Who neither has the zone nor asks for others knows of nothing, which
	 * is not the same as that there is nothing. */
	if (reply.status == DNS_NO_DATA &&
	    (flags & (AUTHORITATIVE | ASKS)) == 0)
		return failure(DNS_TEMPORARY, "the name server is lame");
	reply.authentic = (flags & 0x20) != 0;
	return reply;
}
