/* SPDX-License-Identifier: ISC */
/*
 * posthouse report summary: all received reports together. By domain: who sends
 * in its name and what to do about it, how TLS fared, who complained.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/table.h"
#include "posthouse/received.h"
#include "posthouse/report.h"
#include "posthouse/report_advice.h"
#include "posthouse/report_own.h"

#define OUTPUT_MAX  ((size_t)512 << 20)
#define TEXTS_MAX   ((size_t)512 << 20)
#define SHOWN_MOST  20 /* sources of a domain, without --json */
#define GROUPS_MOST 1000000

/* Messages, and what receivers did with those that failed DMARC. */
struct share {
	uint64_t messages, failed, refused, quarantined;
};

/* One thing that is counted, under a key: "domain", "domain source" ... */
struct group {
	struct str domain, name, other; /* in the arena */
	uint64_t reports, begin, end;
	uint64_t good, bad;
	struct share shares[WHOSE_COUNT]; /* of a domain */
	struct advice_source source;
	bool own; /* TLS: the host is this one */
};

struct groups {
	struct table table;
	struct group **all;
	size_t count, room;
};

struct summary {
	struct arena texts;
	struct buf key;
	struct groups domains, sources, policies, failures, complaints;
	uint64_t reports, unreadable, unproved;
	struct share shares[WHOSE_COUNT]; /* of all domains */
	struct report_own own;
	struct str myhostname;
	bool full;
};

/* ---- counting ---- */

/* The group of three words, made when it is not there; NULL: too many. */
static struct group *group_of(struct summary *s, struct groups *g,
    struct str domain, struct str name, struct str other)
{
	struct group *one;

	buf_clear(&s->key);
	buf_add(&s->key, domain);
	buf_add_char(&s->key, '\n');
	buf_add(&s->key, name);
	buf_add_char(&s->key, '\n');
	buf_add(&s->key, other);
	one = table_get(&g->table, buf_str(&s->key));
	if (one != NULL)
		return one;
	one = g->count < GROUPS_MOST ? arena_alloc(&s->texts, sizeof(*one))
				     : NULL;
	if (one == NULL) {
		s->full = true;
		return NULL;
	}
	*one = (struct group){.domain = arena_copy(&s->texts, domain),
	    .name = arena_copy(&s->texts, name),
	    .other = arena_copy(&s->texts, other)};
	table_put(&g->table, buf_str(&s->key), one);
	if (g->count == g->room) {
		g->room = g->room == 0 ? 64 : g->room * 2;
		g->all = mem_resize(g->all, g->room, sizeof(struct group *));
	}
	g->all[g->count++] = one;
	return one;
}

static void take_period(struct group *g, const struct report *r)
{
	g->reports++;
	if (r->begin > 0 && (g->begin == 0 || r->begin < g->begin))
		g->begin = r->begin;
	if (r->end > g->end)
		g->end = r->end;
}

/* What vouched for messages that failed, and what should have. */
static void take_auth(struct summary *s, struct advice_source *source,
    const struct report_row *row)
{
	for (size_t i = 0; i < row->auth_count; i++) {
		const struct report_auth *a = &row->auth[i];
		bool dkim = str_eq(a->method, STR("dkim"));
		bool aligned = received_is_below(a->domain, source->domain) ||
		    received_is_below(source->domain, a->domain);
		struct str *domain = dkim ? &source->dkim_domain
					  : &source->spf_domain;

		if (str_case_eq(a->result, STR("pass"))) {
			if (!aligned && domain->len == 0)
				*domain = arena_copy(&s->texts, a->domain);
		} else if (dkim && aligned && a->domain.len > 0 &&
		    !str_case_eq(a->result, STR("none")) &&
		    /* any selector will do for a forger: ours are known */
		    report_own_key(&s->own, a->domain, a->selector) !=
			OWN_KEY_OTHER) {
			source->broken = true;
		}
	}
}

static bool is_forwarding(const struct report_row *row)
{
	return str_eq(row->override, STR("forwarded")) ||
	    str_eq(row->override, STR("mailing_list")) ||
	    str_eq(row->override, STR("trusted_forwarder"));
}

static void take_share(struct share *one, const struct report_row *row)
{
	one->messages += row->count;
	if (report_row_passed(row))
		return;
	one->failed += row->count;
	if (str_eq(row->disposition, STR("reject")))
		one->refused += row->count;
	else if (str_eq(row->disposition, STR("quarantine")))
		one->quarantined += row->count;
}

static void take_row(struct summary *s, const struct report *r,
    const struct report_row *row, struct group *domain)
{
	struct str from = row->header_from.len > 0 ? row->header_from
						   : r->domain;
	struct group *g = group_of(
	    s, &s->sources, r->domain, row->source, from);
	enum whose whose = report_own_row(&s->own, row);
	struct advice_source *a;

	take_share(&domain->shares[whose], row);
	take_share(&s->shares[whose], row);
	if (g == NULL)
		return;
	a = &g->source;
	if (a->domain.len == 0) {
		*a = (struct advice_source){.source = g->name,
		    .domain = g->other,
		    .own = report_own_address(&s->own, row->source),
		    .policy = arena_copy(&s->texts, r->dmarc.p)};
	}
	a->messages += row->count;
	if (report_row_passed(row)) {
		domain->good += row->count;
		return;
	}
	domain->bad += row->count;
	a->failed += row->count;
	if (str_eq(row->disposition, STR("reject")))
		a->rejected += row->count;
	else if (str_eq(row->disposition, STR("quarantine")))
		a->quarantined += row->count;
	if (is_forwarding(row))
		a->forwarded += row->count;
	take_auth(s, a, row);
}

static void take_dmarc(struct summary *s, const struct report *r)
{
	struct group *g = group_of(
	    s, &s->domains, r->domain, STR_EMPTY, STR_EMPTY);

	if (g == NULL)
		return;
	take_period(g, r);
	for (size_t i = 0; i < r->dmarc.row_count; i++)
		take_row(s, r, &r->dmarc.rows[i], g);
}

static void take_tls(struct summary *s, const struct report *r)
{
	for (size_t i = 0; i < r->tls.policy_count; i++) {
		const struct report_policy *p = &r->tls.policies[i];
		struct group *g = group_of(
		    s, &s->policies, p->domain, p->type, STR_EMPTY);

		if (g == NULL)
			return;
		take_period(g, r);
		g->good += p->passed;
		g->bad += p->failed;
		for (size_t k = 0; k < p->failure_count; k++) {
			const struct report_failure *f = &p->failures[k];
			struct group *fg = group_of(s, &s->failures, p->domain,
			    f->result, f->receiving_host);

			if (fg == NULL)
				continue;
			fg->bad += f->count;
			fg->own = fg->own ||
			    str_case_eq(f->receiving_host, s->myhostname) ||
			    report_own_address(&s->own, f->receiving_address);
		}
	}
}

static void take_arf(struct summary *s, const struct report *r)
{
	struct str who = r->arf.from.len > 0 ? r->arf.from : r->arf.sender;
	struct group *g = group_of(
	    s, &s->complaints, r->domain, r->arf.type, who);

	if (g == NULL)
		return;
	g->reports++;
	g->bad += r->arf.incidents;
	if (r->received > g->end) {
		g->end = r->received;
		if (r->arf.queue_id.len > 0) /* the last one is an example */
			g->source.source = arena_copy(
			    &s->texts, r->arf.queue_id);
	}
}

static int take(
    const struct report *r, const char *key, const char *path, void *arg)
{
	struct summary *s = arg;

	(void)key;
	(void)path;
	s->reports++;
	if (r->kind != REPORT_UNREADABLE && !str_eq(r->mail_dmarc, STR("pass")))
		s->unproved++;
	if (r->kind == REPORT_DMARC)
		take_dmarc(s, r);
	else if (r->kind == REPORT_TLS)
		take_tls(s, r);
	else if (r->kind == REPORT_ARF)
		take_arf(s, r);
	else
		s->unreadable++;
	return 0;
}

/* ---- order: by domain, then the worst first ---- */

static int worst_first(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a;
	const struct group *y = *(struct group *const *)b;
	uint64_t bad_x = x->bad + x->source.failed;
	uint64_t bad_y = y->bad + y->source.failed;
	int order = str_cmp(x->domain, y->domain);

	if (order != 0)
		return order;
	if (bad_x != bad_y)
		return bad_x > bad_y ? -1 : 1;
	if (x->source.messages != y->source.messages)
		return x->source.messages > y->source.messages ? -1 : 1;
	order = str_cmp(x->name, y->name);
	return order != 0 ? order : str_cmp(x->other, y->other);
}

static void sort(struct groups *g)
{
	if (g->count > 0)
		qsort(g->all, g->count, sizeof(*g->all), worst_first);
}

/* ---- for people ---- */

/* The next source of the domain, or NULL. Both lists are in one order. */
static const struct advice_source *next_source(
    const struct summary *s, const struct group *domain, size_t *at)
{
	const struct groups *g = &s->sources;

	while (
	    *at < g->count && str_cmp(g->all[*at]->domain, domain->domain) < 0)
		(*at)++;
	return *at < g->count && str_eq(g->all[*at]->domain, domain->domain)
	    ? &g->all[(*at)++]->source
	    : NULL;
}

static void put_sources(const struct summary *s, const struct group *domain,
    size_t *at, struct buf *out)
{
	const struct advice_source *a;
	size_t shown = 0, more = 0;

	while ((a = next_source(s, domain, at)) != NULL) {
		if (shown == SHOWN_MOST) {
			more++;
			continue;
		}
		shown++;
		buf_add_text(out, "  ");
		advice_say(a, out);
		buf_add_char(out, '\n');
		if (advice_of(a) == ADVICE_FINE)
			continue;
		buf_add_text(out, "      ");
		advice_put(a, out);
		buf_add_char(out, '\n');
	}
	if (more > 0)
		buf_printf(
		    out, "  and %zu more sources (--json has all)\n", more);
}

/* The question of an operator: what of ours was not believed, and what of
 * others was refused. */
static void put_share(
    struct buf *out, const char *whose, const struct share *one)
{
	uint64_t through = one->failed - one->refused - one->quarantined;

	if (one->messages == 0)
		return;
	buf_printf(out, "  %s: %llu messages, ", whose,
	    (unsigned long long)one->messages);
	if (one->failed == 0) {
		buf_add_text(out, "all passed\n");
		return;
	}
	buf_printf(out,
	    "%llu failed: %llu refused, %llu to Junk, %llu delivered all the "
	    "same\n",
	    (unsigned long long)one->failed, (unsigned long long)one->refused,
	    (unsigned long long)one->quarantined, (unsigned long long)through);
}

static void put_shares(struct buf *out, const struct share *shares)
{
	static const char *const words[WHOSE_COUNT] = {
	    [WHOSE_OURS] = "sent by this house",
	    [WHOSE_CHANGED] = "with a signature of this house that does not "
			      "hold, changed on the way or forged",
	    [WHOSE_OTHERS] = "sent by others",
	};

	for (size_t i = 0; i < WHOSE_COUNT; i++)
		put_share(out, words[i], &shares[i]);
}

static void put_domain(
    const struct summary *s, const struct group *g, size_t *at, struct buf *out)
{
	uint64_t messages = g->good + g->bad;

	buf_printf(out,
	    "%.*s: %llu messages in its name, %llu passed, %llu "
	    "failed DMARC (%llu report%s",
	    STR_FMT(g->domain), (unsigned long long)messages,
	    (unsigned long long)g->good, (unsigned long long)g->bad,
	    (unsigned long long)g->reports, g->reports == 1 ? "" : "s");
	if (g->end > 0) {
		buf_add_text(out, ", ");
		received_put_time(out, g->begin);
		buf_add_text(out, " to ");
		received_put_time(out, g->end);
	}
	buf_add_text(out, ")\n");
	put_shares(out, g->shares);
	put_sources(s, g, at, out);
}

static void put_policy(const struct group *g, struct buf *out)
{
	buf_printf(out,
	    "%.*s: TLS to its hosts, policy %.*s: %llu sessions "
	    "passed, %llu failed\n",
	    STR_FMT(g->domain), STR_FMT(g->name), (unsigned long long)g->good,
	    (unsigned long long)g->bad);
}

static void put_failures(const struct summary *s, struct buf *out)
{
	for (size_t i = 0; i < s->failures.count; i++) {
		const struct group *g = s->failures.all[i];

		buf_printf(out,
		    "  %.*s: %llu sessions to %.*s%s failed with "
		    "%.*s: %s\n",
		    STR_FMT(g->domain), (unsigned long long)g->bad,
		    STR_FMT(g->other.len > 0 ? g->other : STR("its hosts")),
		    g->own ? " (this house)" : "", STR_FMT(g->name),
		    advice_tls(g->name));
	}
}

static void put_complaint(const struct group *g, struct buf *out)
{
	buf_printf(out,
	    "%.*s: %llu reports of type %.*s about mail of %.*s, "
	    "the last on ",
	    STR_FMT(g->domain.len > 0 ? g->domain : STR("unknown domain")),
	    (unsigned long long)g->bad, STR_FMT(g->name),
	    STR_FMT(g->other.len > 0 ? g->other : STR("somebody")));
	received_put_time(out, g->end);
	buf_add_char(out, '\n');
	if (g->source.source.len > 0)
		buf_printf(out,
		    "  it went through this house: \"posthouse trace %.*s\"\n",
		    STR_FMT(g->source.source));
}

static void put_text(
    const struct summary *s, const struct received_query *q, struct buf *out)
{
	size_t at = 0;

	if (s->domains.count > 1) {
		buf_add_text(out, "in the name of all domains:\n");
		put_shares(out, s->shares);
	}
	for (size_t i = 0; i < s->domains.count; i++)
		put_domain(s, s->domains.all[i], &at, out);
	for (size_t i = 0; i < s->policies.count; i++)
		put_policy(s->policies.all[i], out);
	put_failures(s, out);
	for (size_t i = 0; i < s->complaints.count; i++)
		put_complaint(s->complaints.all[i], out);
	if (s->unreadable > 0)
		buf_printf(out,
		    "%llu reports could not be read: \"posthouse report list "
		    "--kind unreadable\"\n",
		    (unsigned long long)s->unreadable);
	if (s->unproved > 0)
		buf_printf(out,
		    "%llu of %llu reports came in mail that did not pass DMARC "
		    "here: anybody may have written them (\"posthouse report "
		    "show\")\n",
		    (unsigned long long)s->unproved,
		    (unsigned long long)s->reports);
	if (s->reports == 0)
		buf_printf(out, "%s\n", received_none(q));
	if (s->full)
		buf_add_text(out,
		    "there is more than can be summed up: "
		    "--domain, --since and --kind choose less\n");
}

/* ---- as JSON ---- */

static void json_source(struct json *j, const struct advice_source *a)
{
	struct buf words = buf_new(4096);

	json_object(j, NULL);
	json_text(j, "source", a->source);
	json_bool(j, "own", a->own);
	json_text(j, "header_from", a->domain);
	json_u64(j, "messages", a->messages);
	json_u64(j, "failed", a->failed);
	json_u64(j, "rejected", a->rejected);
	json_u64(j, "quarantined", a->quarantined);
	json_text(j, "spf_domain", a->spf_domain);
	json_text(j, "dkim_domain", a->dkim_domain);
	json_text(j, "advice", str_from(advice_name(advice_of(a))));
	advice_say(a, &words);
	json_text(j, "text", buf_str(&words));
	buf_clear(&words);
	advice_put(a, &words);
	json_text(j, "action", buf_str(&words));
	json_end(j);
	buf_free(&words);
}

static void json_shares(struct json *j, const struct share *shares)
{
	for (size_t i = 0; i < WHOSE_COUNT; i++) {
		json_object(j, whose_names[i]);
		json_u64(j, "messages", shares[i].messages);
		json_u64(j, "failed", shares[i].failed);
		json_u64(j, "refused", shares[i].refused);
		json_u64(j, "quarantined", shares[i].quarantined);
		json_end(j);
	}
}

static void json_domains(struct json *j, const struct summary *s)
{
	const struct advice_source *a;
	size_t at = 0;

	json_array(j, "domains");
	for (size_t i = 0; i < s->domains.count; i++) {
		const struct group *g = s->domains.all[i];

		json_object(j, NULL);
		json_text(j, "domain", g->domain);
		json_u64(j, "reports", g->reports);
		json_u64(j, "begin", g->begin);
		json_u64(j, "end", g->end);
		json_u64(j, "passed", g->good);
		json_u64(j, "failed", g->bad);
		json_shares(j, g->shares);
		json_array(j, "sources");
		while ((a = next_source(s, g, &at)) != NULL)
			json_source(j, a);
		json_end(j);
		json_end(j);
	}
	json_end(j);
}

static void json_tls(struct json *j, const struct summary *s)
{
	json_array(j, "tls");
	for (size_t i = 0; i < s->policies.count; i++) {
		const struct group *g = s->policies.all[i];

		json_object(j, NULL);
		json_text(j, "domain", g->domain);
		json_text(j, "policy", g->name);
		json_u64(j, "reports", g->reports);
		json_u64(j, "passed", g->good);
		json_u64(j, "failed", g->bad);
		json_end(j);
	}
	json_end(j);
	json_array(j, "tls_failures");
	for (size_t i = 0; i < s->failures.count; i++) {
		const struct group *g = s->failures.all[i];

		json_object(j, NULL);
		json_text(j, "domain", g->domain);
		json_text(j, "result", g->name);
		json_text(j, "host", g->other);
		json_bool(j, "own", g->own);
		json_u64(j, "sessions", g->bad);
		json_text(j, "text", str_from(advice_tls(g->name)));
		json_end(j);
	}
	json_end(j);
}

static void put_json(const struct summary *s, struct buf *out)
{
	struct json j = json_start(out);

	json_object(&j, NULL);
	json_u64(&j, "reports", s->reports);
	json_u64(&j, "unreadable", s->unreadable);
	json_u64(&j, "unproved", s->unproved);
	json_bool(&j, "incomplete", s->full);
	json_shares(&j, s->shares);
	json_domains(&j, s);
	json_tls(&j, s);
	json_array(&j, "complaints");
	for (size_t i = 0; i < s->complaints.count; i++) {
		const struct group *g = s->complaints.all[i];

		json_object(&j, NULL);
		json_text(&j, "domain", g->domain);
		json_text(&j, "type", g->name);
		json_text(&j, "author", g->other);
		json_u64(&j, "reports", g->bad);
		json_u64(&j, "last", g->end);
		json_text(&j, "queue_id",
		    g->source.source.len > 0 ? g->source.source : STR_EMPTY);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

/* ---- the verb ---- */

static void groups_free(struct groups *g)
{
	table_free(&g->table);
	free(g->all);
}

int report_summary(struct posthouse *p, int argc, char **argv)
{
	uint64_t now = (uint64_t)clock_seconds();
	struct summary s = {
	    .texts = arena_new(TEXTS_MAX), .key = buf_new(16384)};
	struct groups *const groups[] = {
	    &s.domains, &s.sources, &s.policies, &s.failures, &s.complaints};
	struct buf out = buf_new(OUTPUT_MAX);
	struct received_query q;
	int status;

	if (received_options(&q, argc, argv, false, now) < 0)
		return EX_USAGE;
	if (posthouse_conf(p) < 0)
		return EX_CONFIG;
	if (report_own_open(&s.own, p) < 0) {
		report_own_close(&s.own);
		return EX_CONFIG;
	}
	s.myhostname = str_from(p->house.myhostname);
	status = received_each(p, &q, now, take, &s) == 0 ? 0 : EX_NOINPUT;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		sort(groups[i]);
	if (p->json)
		put_json(&s, &out);
	else if (status == 0)
		put_text(&s, &q, &out);
	fwrite(buf_text(&out), 1, out.len, stdout);
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		groups_free(groups[i]);
	report_own_close(&s.own);
	arena_free(&s.texts);
	buf_free(&s.key);
	buf_free(&out);
	return status;
}
