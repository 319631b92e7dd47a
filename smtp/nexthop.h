/* SPDX-License-Identifier: ISC */
/*
 * What a next hop says, and the order of mail exchangers. Pure.
 *
 *	example.org            its MX records, or its own addresses
 *	[mail.example.org]     the host's addresses; with :port too
 *	[192.0.2.1]:2525       an address; [2001:db8::1] and [IPv6:...] too
 *	mail.example.org:2525  the host's addresses
 *	inet:host:port         the same (lmtp)
 *	unix:/path             a UNIX socket (lmtp)
 */
#ifndef SMTP_NEXTHOP_H
#define SMTP_NEXTHOP_H

#include "core/str.h"

enum nexthop_kind { NEXTHOP_DOMAIN, NEXTHOP_HOST, NEXTHOP_UNIX };

struct nexthop {
	enum nexthop_kind kind;
	struct str host; /* a name or an address; the path of a socket */
	uint16_t port;   /* 0: the default */
};

/* out has views into in. 0, or -1 when in is none. */
int nexthop_parse(struct str in, struct nexthop *out);

struct mx {
	struct str name;
	uint16_t preference;
	uint32_t random; /* the caller's: decides among equal ones */
};

/* By preference, among equal ones by `random` (RFC 5321 section 5.1). */
void mx_sort(struct mx *list, size_t count);

enum mx_verdict {
	MX_OK,
	MX_NULL, /* RFC 7505: the domain takes no mail */
	MX_LOOP  /* we are the best exchanger ourselves */
};
/*
 * Of a sorted list takes out what is never used: names that are none, and
 * when `own` (our name) is among them all from its preference on.
 */
enum mx_verdict mx_choose(struct mx *list, size_t *count, struct str own);

#endif
