/* SPDX-License-Identifier: ISC */
#include "smtpd/spared.h"

#include "conf/listed.h"
#include "mailauth/results.h"

/* ---- one list ---- */

struct asking {
	const struct decision *by;
	const struct rule *rule;
};

static enum map_result ask(void *arg, struct str table, struct str keys)
{
	const struct asking *a = arg;

	return a->by->ask == NULL
	    ? MAP_ERROR
	    : a->by->ask(a->by->arg, a->rule, table, keys);
}

static enum map_result find(struct str list, struct listed l,
    const struct decision *by, const struct rule *rule, struct str *table)
{
	struct asking a = {by, rule};
	enum map_result r;

	l.ask = ask;
	l.arg = &a;
	r = listed_find(list, &l);
	*table = map_is_spec(l.by) ? l.by : STR_EMPTY;
	return r;
}

static bool is_network(const void *client, struct str word)
{
	struct str bad;

	return netaddr_in_list(client, word, &bad) == 1;
}

static enum map_result find_client(const struct decision *by, struct str *table)
{
	char text[NETADDR_TEXT_MAX];

	netaddr_text(by->client, text);
	struct listed l = {
	    .is = is_network, .what = by->client, .keys = str_from(text)};
	return find(str_from(by->house->dmarc_trusted_forwarders), l, by,
	    &rule_dmarc_forwarder, table);
}

enum map_result spared_lists_domain(const struct decision *by,
    const struct rule *rule, struct str domain, struct str *table)
{
	const char *list = rule == &rule_arc_sealer
	    ? by->house->arc_trusted_sealers
	    : by->house->dmarc_mailing_lists;
	struct buf keys = buf_new(LISTED_KEYS_MAX);
	struct listed l = {.is = listed_is_domain, .what = &domain};
	enum map_result r;

	listed_domain_keys(domain, &keys);
	l.keys = buf_str(&keys);
	r = keys.overflow ? MAP_NONE : find(str_from(list), l, by, rule, table);
	buf_free(&keys);
	return r;
}

/* ---- all of them ---- */

/* Whether it decides. A list that is not known leaves it to the others. */
static bool take(struct sparing *out, enum map_result r, enum spared spared,
    const struct rule *rule, struct str table)
{
	if (r == MAP_NONE || (r == MAP_ERROR && out->unknown))
		return false;
	out->unknown = r == MAP_ERROR;
	out->spared = r == MAP_FOUND ? spared : SPARED_NOT;
	out->rule = rule;
	out->table = table;
	return r == MAP_FOUND;
}

static bool by_domain(
    const struct decision *by, struct str domain, struct sparing *out)
{
	struct str table;
	enum map_result r = spared_lists_domain(
	    by, &rule_dmarc_list, domain, &table);

	return take(out, r, SPARED_LIST, &rule_dmarc_list, table);
}

static bool by_list(
    struct verdict *v, const struct decision *by, struct sparing *out)
{
	const struct spf_verdict *spf = verdict_spf(v);

	if (by->house->dmarc_mailing_lists[0] == '\0')
		return false;
	if (spf->result == SPF_PASS && by_domain(by, spf->domain, out))
		return true;
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		const struct dkim_verdict *d = verdict_dkim(v, i);

		if (d->result == DKIM_PASS && by_domain(by, d->domain, out))
			return true;
	}
	return false;
}

/* The newest set that says that the author's domain passed DMARC there. */
static unsigned vouching_set(struct verdict *v, const struct arc_chain *chain)
{
	for (unsigned i = arc_chain_length(chain); i > 0; i--) {
		const struct arc_set *set = arc_chain_set(chain, i);

		if (set == NULL)
			return 0;
		if (results_passed_dmarc(
			set->results->value, verdict_author(v)))
			return i;
	}
	return 0;
}

/* That sealer, and all who sealed after it, must be trusted. */
static bool by_sealer(
    struct verdict *v, const struct decision *by, struct sparing *out)
{
	const struct arc_chain *chain = verdict_arc_chain(v);
	enum map_result r = MAP_NONE;
	struct str table = STR_EMPTY;
	unsigned from;

	if (by->house->arc_trusted_sealers[0] == '\0' ||
	    verdict_arc(v) != ARC_PASS)
		return false;
	from = vouching_set(v, chain);
	for (unsigned i = arc_chain_length(chain); from > 0 && i >= from; i--) {
		r = spared_lists_domain(by, &rule_arc_sealer,
		    arc_chain_set(chain, i)->domain, &table);
		if (r != MAP_FOUND)
			break;
	}
	return take(out, r, SPARED_SEALER, &rule_arc_sealer, table);
}

struct sparing spared_by(struct verdict *v, const struct decision *by)
{
	struct sparing s = {.table = STR_EMPTY};
	struct str table;
	enum map_result client = find_client(by, &table);

	if (!take(&s, client, SPARED_FORWARDER, &rule_dmarc_forwarder, table) &&
	    !by_list(v, by, &s))
		(void)by_sealer(v, by, &s);
	return s;
}
