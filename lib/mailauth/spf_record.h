/* SPDX-License-Identifier: ISC */
/* An SPF record as text (RFC 7208 sections 4.5, 4.6 and 12). Pure. */
#ifndef MAILAUTH_SPF_RECORD_H
#define MAILAUTH_SPF_RECORD_H

#include "core/arena.h"
#include "net/netaddr.h"

enum spf_mechanism {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS
};

struct spf_term {
	enum spf_mechanism mechanism;
	char qualifier;         /* + - ~ ? */
	struct str text;        /* as it was written */
	struct str domain;      /* with its macros; "": none */
	struct netaddr network; /* ip4, ip6 */
	unsigned bits4, bits6;  /* prefix lengths */
};

struct spf_record {
	struct spf_term *terms;
	size_t count;
	struct str redirect, explanation; /* domains with macros; "": none */
};

/* Whether a TXT record is one of SPF: the version and nothing glued to it. */
bool spf_record_is(struct str text);
/*
 * The whole record; terms stand in the arena and point into text. -1 when
 * anything in it is wrong: *problem says what, *where is the term.
 */
int spf_record_parse(struct str text, struct arena *arena,
    struct spf_record *out, const char **problem, struct str *where);
/* Whether address lies in the first bits of network; of one family. */
bool spf_network_has(const struct netaddr *network, unsigned bits,
    const struct netaddr *address);

#endif
