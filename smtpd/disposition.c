/* SPDX-License-Identifier: ISC */
#include "smtpd/disposition.h"

#include <stdarg.h>
#include <stdio.h>

#include "mailauth/results.h"

const char *const applied_names[] = {"none", "junk", "reject", "defer", NULL};
const char *const spared_names[] = {"", "policy_test_mode", "trusted_forwarder",
    "mailing_list", "local_policy", "local_policy", NULL};

bool domain_in_list(struct str domain, struct str list)
{
	for (;;) {
		struct str word = str_word(&list, " ,\t\r\n");

		if (word.len == 0)
			return false;
		if (word.p[0] == '.'
			? domain.len > word.len && str_case_ends(domain, word)
			: str_case_eq(domain, word))
			return true;
	}
}

/* ---- SPF ---- */

int disposition_of_spf(
    const struct spf_verdict *spf, const struct smtpd_conf *conf)
{
	if (spf->result == SPF_TEMPERROR)
		return conf->spf_temperror_defer ? 451 : 0;
	if (spf->result == SPF_FAIL && conf->spf_reject != SPF_REJECT_NONE)
		return 550;
	return spf->result == SPF_SOFTFAIL &&
		conf->spf_reject == SPF_REJECT_SOFTFAIL
	    ? 550
	    : 0;
}

/* ---- who is spared ---- */

static bool by_list(struct verdict *v, struct str lists)
{
	const struct spf_verdict *spf = verdict_spf(v);

	if (lists.len == 0)
		return false;
	if (spf->result == SPF_PASS && domain_in_list(spf->domain, lists))
		return true;
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		const struct dkim_verdict *d = verdict_dkim(v, i);

		if (d->result == DKIM_PASS && domain_in_list(d->domain, lists))
			return true;
	}
	return false;
}

/* A sealer says that the author's domain passed DMARC there, and all who
 * sealed after it are trusted as it is. */
static bool by_sealer(struct verdict *v, struct str sealers)
{
	const struct arc_chain *chain = verdict_arc_chain(v);

	if (sealers.len == 0 || verdict_arc(v) != ARC_PASS)
		return false;
	for (unsigned i = arc_chain_length(chain); i > 0; i--) {
		const struct arc_set *set = arc_chain_set(chain, i);

		if (set == NULL || !domain_in_list(set->domain, sealers))
			return false;
		if (results_passed_dmarc(
			set->results->value, verdict_author(v)))
			return true;
	}
	return false;
}

static enum spared spared_by(struct verdict *v, const struct smtpd_conf *conf,
    const struct netaddr *client)
{
	struct str bad;

	if (netaddr_in_list(
		client, str_from(conf->dmarc_trusted_forwarders), &bad) == 1)
		return SPARED_FORWARDER;
	if (by_list(v, str_from(conf->dmarc_mailing_lists)))
		return SPARED_LIST;
	if (by_sealer(v, str_from(conf->arc_trusted_sealers)))
		return SPARED_SEALER;
	return SPARED_NOT;
}

/* ---- what is done ---- */

static void say(struct disposition *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct disposition *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->why, sizeof(out->why), format, args);
	va_end(args);
	for (char *p = out->why; *p != '\0'; p++)
		if (*p < ' ' || *p == 127)
			*p = '?';
}

static void apply(struct disposition *out, int action, const struct rule *rule)
{
	static const enum applied applied[] = {
	    [DMARC_DO_NOTHING] = APPLIED_NONE,
	    [DMARC_DO_JUNK] = APPLIED_JUNK,
	    [DMARC_DO_REJECT] = APPLIED_REJECT};

	out->applied = applied[action];
	out->rule = rule;
}

/* "neither SPF (fail for b.test) nor DKIM (none) vouches for it" */
static void say_failure(struct verdict *v, struct disposition *out)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	const struct spf_verdict *spf = verdict_spf(v);
	const struct dkim_verdict *first = verdict_dkim_count(v) > 0
	    ? verdict_dkim(v, 0)
	    : NULL;
	struct str by = first != NULL ? first->domain : STR_EMPTY;

	say(out,
	    "Unauthenticated mail from %.*s: neither SPF (%s for %.*s) nor "
	    "DKIM "
	    "(%s%s%.*s) vouches for it, and the domain asks for this (DMARC "
	    "p=%s%s)",
	    STR_FMT(str_sub(verdict_author(v), 0, 80)),
	    spf_result_name(spf->result), STR_FMT(str_sub(spf->domain, 0, 50)),
	    first == NULL ? "none" : dkim_result_name(first->result),
	    by.len > 0 ? " for " : "", STR_FMT(str_sub(by, 0, 50)),
	    dmarc_policy_name(d->published), d->testing ? " t=y" : "");
}

static void fail(struct verdict *v, const struct smtpd_conf *conf,
    const struct netaddr *client, struct disposition *out)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	static const struct rule *const by[] = {
	    [SPARED_FORWARDER] = &rule_dmarc_forwarder,
	    [SPARED_LIST] = &rule_dmarc_list,
	    [SPARED_SEALER] = &rule_arc_sealer};

	if (d->published == DMARC_POLICY_NONE)
		return;
	say_failure(v, out);
	out->spared = spared_by(v, conf, client);
	if (out->spared != SPARED_NOT) {
		out->rule = by[out->spared];
		return;
	}
	if (d->asked == DMARC_REJECT)
		apply(out, conf->dmarc_reject_action, &rule_dmarc_reject);
	else if (d->asked == DMARC_QUARANTINE)
		apply(
		    out, conf->dmarc_quarantine_action, &rule_dmarc_quarantine);
	if (d->asked != d->published)
		out->spared = SPARED_TEST_MODE;
	else if ((d->asked == DMARC_REJECT && out->applied != APPLIED_REJECT) ||
	    out->applied == APPLIED_NONE)
		out->spared = SPARED_PARAMETER;
}

static bool is_deferred(
    const struct dmarc_verdict *d, const struct smtpd_conf *conf)
{
	return conf->dmarc_temperror_defer == DEFER_ALL ||
	    (conf->dmarc_temperror_defer == DEFER_REJECT &&
		d->asked == DMARC_REJECT &&
		conf->dmarc_reject_action == DMARC_DO_REJECT);
}

void disposition_of(struct verdict *v, const struct smtpd_conf *conf,
    const struct netaddr *client, struct disposition *out)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	const struct rule *rule = &rule_dmarc_author;
	int doubtful = conf->dmarc_doubtful_author_action;

	*out = (struct disposition){.why = ""};
	if (d->result == DMARC_FAIL) {
		fail(v, conf, client, out);
	} else if (d->result == DMARC_TEMPERROR && is_deferred(d, conf) &&
	    spared_by(v, conf, client) == SPARED_NOT) {
		out->applied = APPLIED_DEFER;
		out->rule = &rule_dmarc_temperror;
		say(out, "DMARC of %.*s cannot be checked now: %s",
		    STR_FMT(str_sub(verdict_author(v), 0, 80)), d->problem);
	}
	if ((!verdict_doubtful(v) && !verdict_unread(v)) ||
	    out->spared == SPARED_FORWARDER || out->applied >= APPLIED_REJECT)
		return;
	/* The strictest policy may stand where nobody looks. */
	if (verdict_unread(v) && conf->dmarc_reject_action > doubtful) {
		doubtful = conf->dmarc_reject_action;
		rule = &rule_dmarc_reject;
	}
	/* A hard action for the doubt comes before a mild one for DMARC. */
	if (doubtful == DMARC_DO_REJECT ||
	    (doubtful == DMARC_DO_JUNK && out->applied == APPLIED_NONE)) {
		apply(out, doubtful, rule);
		say(out,
		    "From does not name one author's domain, so that nobody "
		    "can say whose mail this is");
	}
}
