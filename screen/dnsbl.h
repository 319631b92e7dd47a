/* SPDX-License-Identifier: ISC */
/* A client is looked up in the lists of postscreen_dnsbl_sites. */
#ifndef SCREEN_DNSBL_H
#define SCREEN_DNSBL_H

#include "ipc/explain.h"
#include "net/dns.h"
#include "screen/screen_conf.h"
#include "screen/site.h"

struct dnsbl;

struct dnsbl_result {
	int score;        /* sum of the weights of the lists that have it */
	int pending;      /* lists that have not answered */
	struct str worst; /* the domain with the largest weight; "" */
	int worst_weight;
	int64_t ttl;     /* seconds for which to believe it */
	char lists[400]; /* "zen.example=127.0.0.2 ...", for the log */
};

/* dns may be NULL where there are no sites. */
void dnsbl_open(
    const struct screen_conf *conf, const struct sites *sites, struct dns *dns);
/* Who wants to know what each list says; NULL: nobody. */
void dnsbl_explain(struct explain *explain);
bool dnsbl_is_used(void);
/* Never calls done before it returns; done is called once, when the last list
 * has answered, or the score has gone to postscreen_dnsbl_allowlist_threshold
 * (and then perhaps again). */
struct dnsbl *dnsbl_start(
    const struct netaddr *client, void (*done)(void *arg), void *arg);
const struct dnsbl_result *dnsbl_result(const struct dnsbl *d);
/* What is under way ends without a call. */
void dnsbl_stop(struct dnsbl **d);

#endif
