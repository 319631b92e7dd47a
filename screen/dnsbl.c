/* SPDX-License-Identifier: ISC */
#include "screen/dnsbl.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "daemon/daemon.h"

struct question {
	struct dnsbl *of;
	size_t site; /* the first of its domain */
	struct dns_query *query;
};

struct dnsbl {
	struct dnsbl_result result;
	void (*done)(void *arg);
	void *arg;
	size_t count;
	struct question questions[];
};

static struct {
	const struct screen_conf *conf;
	const struct sites *sites;
	struct dns *dns;
	size_t domains;
	struct explain *explain; /* NULL: nobody asks why */
} lists;

void dnsbl_open(
    const struct screen_conf *conf, const struct sites *sites, struct dns *dns)
{
	lists.conf = conf;
	lists.sites = sites;
	lists.dns = dns;
	lists.domains = 0;
	for (size_t i = 0; i < sites->count; i++)
		lists.domains += !sites->site[i].again;
}

bool dnsbl_is_used(void)
{
	return lists.domains > 0;
}

/* ---- an answer ---- */

void dnsbl_explain(struct explain *explain)
{
	lists.explain = explain;
}

/* What a list said, and what it counts then. */
static void tell(struct str domain, const struct dns_reply *reply, int weight)
{
	struct buf text = buf_new(EXPLAIN_TEXT_MAX);
	char origin[300], address[NETADDR_TEXT_MAX];
	bool failed = reply->status == DNS_TEMPORARY ||
	    reply->status == DNS_BAD;

	if (lists.explain == NULL)
		return;
	daemon_origin("postscreen_dnsbl_sites", origin, sizeof(origin));
	for (size_t i = 0; reply->status == DNS_OK && i < reply->count; i++) {
		if (reply->records[i].type != DNS_A)
			continue;
		netaddr_text(&reply->records[i].addr, address);
		buf_printf(&text, "%s, ", address);
	}
	if (reply->status != DNS_OK)
		buf_printf(&text, "%s, ", reply->why);
	buf_printf(&text, "counts %d", weight);
	explain_tell(lists.explain,
	    &(struct explain_step){.kind = STEP_DNS,
		.about = STR("CONNECT"),
		.rule = STR("postscreen_dnsbl_sites"),
		.origin = str_from(origin),
		.table = STR("A"),
		.key = domain,
		.result = failed              ? STR("error")
		    : reply->status == DNS_OK ? STR("found")
					      : STR("none"),
		.text = buf_str(&text)});
	buf_free(&text);
}

static void note(struct dnsbl *d, const struct site *s, const uint8_t answer[4])
{
	struct dnsbl_result *r = &d->result;
	size_t at = strlen(r->lists);

	r->score += s->weight;
	if (s->weight > r->worst_weight) {
		r->worst_weight = s->weight;
		r->worst = s->domain;
	}
	snprintf(r->lists + at, sizeof(r->lists) - at, "%s%.*s=%u.%u.%u.%u",
	    at > 0 ? " " : "", STR_FMT(s->domain), answer[0], answer[1],
	    answer[2], answer[3]);
}

/* A site counts once, with the first answer that it means. */
static void judge(
    struct dnsbl *d, const struct site *s, const struct dns_reply *reply)
{
	for (size_t i = 0; i < reply->count; i++) {
		const struct dns_record *record = &reply->records[i];
		uint8_t answer[4];

		if (record->type != DNS_A)
			continue;
		memcpy(answer, &record->addr.u.in.sin_addr, 4);
		if (!site_matches(s, answer))
			continue;
		note(d, s, answer);
		if ((int64_t)record->ttl < d->result.ttl)
			d->result.ttl = (int64_t)record->ttl;
		return;
	}
}

static void answered(const struct dns_reply *reply, void *arg)
{
	struct question *q = arg;
	struct dnsbl *d = q->of;
	const struct screen_conf *conf = lists.conf;
	struct str domain = lists.sites->site[q->site].domain;
	int least = conf->postscreen_dnsbl_allowlist_threshold;
	int before = d->result.score;

	q->query = NULL;
	d->result.pending--;
	for (size_t i = q->site; i < lists.sites->count; i++)
		if (str_case_eq(lists.sites->site[i].domain, domain))
			judge(d, &lists.sites->site[i], reply);
	tell(domain, reply, d->result.score - before);
	if (reply->status == DNS_TEMPORARY || reply->status == DNS_BAD)
		d->result.ttl = 0; /* asked again soon */
	if (d->result.ttl * 1000 < conf->postscreen_dnsbl_min_ttl)
		d->result.ttl = conf->postscreen_dnsbl_min_ttl / 1000;
	if (d->result.pending == 0 || (least < 0 && d->result.score <= least))
		d->done(d->arg); /* may end d */
}

/* ---- the questions ---- */

static void ask(struct dnsbl *d, const char *reversed, size_t site)
{
	struct question *q = &d->questions[d->count];
	char name[256];

	snprintf(name, sizeof(name), "%s.%.*s", reversed,
	    STR_FMT(lists.sites->site[site].domain));
	*q = (struct question){d, site, NULL};
	q->query = dns_ask(lists.dns, str_from(name), DNS_A, answered, q);
	if (q->query == NULL)
		return;
	d->count++;
	d->result.pending++;
}

struct dnsbl *dnsbl_start(
    const struct netaddr *client, void (*done)(void *arg), void *arg)
{
	struct dnsbl *d = mem_alloc(
	    sizeof(*d) + lists.domains * sizeof(d->questions[0]));
	char reversed[80];

	*d = (struct dnsbl){.done = done, .arg = arg};
	d->result.ttl = lists.conf->postscreen_dnsbl_max_ttl / 1000;
	d->result.worst = STR_EMPTY;
	netaddr_reverse(client, reversed);
	for (size_t i = 0; i < lists.sites->count; i++)
		if (!lists.sites->site[i].again)
			ask(d, reversed, i);
	return d;
}

const struct dnsbl_result *dnsbl_result(const struct dnsbl *d)
{
	return &d->result;
}

void dnsbl_stop(struct dnsbl **dp)
{
	struct dnsbl *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->count; i++)
		if (d->questions[i].query != NULL)
			dns_cancel(&d->questions[i].query);
	free(d);
}
