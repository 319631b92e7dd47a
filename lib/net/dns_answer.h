/* SPDX-License-Identifier: ISC */
/* The answer of a name server, as bytes (RFC 1035 section 4). Pure. */
#ifndef NET_DNS_ANSWER_H
#define NET_DNS_ANSWER_H

#include "core/arena.h"
#include "net/dns.h"

#define DNS_NAME_TEXT_MAX 256  /* with the NUL */
#define DNS_RECORDS_MAX   1024 /* records that are looked at */
#define DNS_ARENA_MAX     524288

/*
 * Whether text can be asked for: labels of letters, digits, "-" and "_", each
 * 1 to 63 octets, 253 in all, with or without the final dot.
 */
bool dns_name_valid(struct str text);
/*
 * Whether text can be asked for at all: labels of printable octets, as the
 * macros of SPF make them (RFC 7208 section 7) and no host has them.
 */
bool dns_name_askable(struct str text);
/* Whether name is domain or below it; both without a final dot. */
bool dns_name_below(struct str name, struct str domain);

/*
 * Reads the answer to a question for name and type. CNAMEs are followed
 * within the answer; a record's TTL is the least of its chain. Records with
 * names that are no host names are left out. What is kept stands in the
 * arena, so message need not outlive the call.
 */
struct dns_reply dns_answer_parse(struct str message, struct str name,
    enum dns_type type, struct arena *arena);

#endif
