/* SPDX-License-Identifier: ISC */
/*
 * postscreen_dnsbl_sites, read: "domain=filter*weight"; pure. A filter is an
 * IPv4 address of which each octet may be a set, "127.0.[0;2].[1..255]".
 */
#ifndef SCREEN_SITE_H
#define SCREEN_SITE_H

#include "core/str.h"

#define SITES_MAX 100

struct site {
	struct str domain;     /* a view of the parameter's text */
	bool filtered;         /* else any answer counts */
	uint8_t octets[4][32]; /* filter: a bit for each value */
	int weight;            /* not 0 */
	bool again; /* a site before it has the same domain: one query */
};

struct sites {
	struct site site[SITES_MAX];
	size_t count;
};

/* 0, or -1 with the word that is wrong and why (a constant). */
int sites_parse(
    struct str text, struct sites *out, struct str *bad, const char **why);
/* Whether an answer, four octets in network order, is one that counts. */
bool site_matches(const struct site *s, const uint8_t answer[4]);

#endif
