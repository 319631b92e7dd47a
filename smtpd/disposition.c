/* SPDX-License-Identifier: ISC */
#include "smtpd/disposition.h"

#include <stdarg.h>
#include <stdio.h>

#include "smtpd/spared.h"

const char *const applied_names[] = {"none", "junk", "reject", "defer", NULL};
const char *const spared_names[] = {"", "policy_test_mode", "trusted_forwarder",
    "mailing_list", "local_policy", "local_policy", NULL};

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
	out->dsn = "5.7.1";
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

/* Less may be done than was asked for; while that is not known, nothing. */
static void spare(struct verdict *v, const struct decision *by,
    const struct dmarc_verdict *d, struct disposition *out)
{
	struct sparing s = spared_by(v, by);

	if (s.spared != SPARED_NOT) {
		out->applied = APPLIED_NONE;
		out->spared = s.spared;
		out->rule = s.rule;
		out->table = s.table;
	} else if (s.unknown && out->applied != APPLIED_NONE) {
		out->applied = APPLIED_DEFER;
		out->dsn = "4.3.0";
		out->rule = s.rule;
		out->table = s.table;
		say(out,
		    "Temporary lookup failure: whether this mail may fail "
		    "DMARC of %.*s is not known now",
		    STR_FMT(str_sub(verdict_author(v), 0, 80)));
	} else if (d->asked != d->published) {
		out->spared = SPARED_TEST_MODE;
	} else if ((d->asked == DMARC_REJECT &&
		       out->applied != APPLIED_REJECT) ||
	    out->applied == APPLIED_NONE) {
		out->spared = SPARED_PARAMETER;
	}
}

static void fail(
    struct verdict *v, const struct decision *by, struct disposition *out)
{
	const struct smtpd_conf *conf = by->conf;
	const struct dmarc_verdict *d = verdict_dmarc(v);

	if (d->published == DMARC_POLICY_NONE)
		return;
	say_failure(v, out);
	if (d->asked == DMARC_REJECT)
		apply(out, conf->dmarc_reject_action, &rule_dmarc_reject);
	else if (d->asked == DMARC_QUARANTINE)
		apply(
		    out, conf->dmarc_quarantine_action, &rule_dmarc_quarantine);
	spare(v, by, d, out);
}

static bool is_deferred(
    const struct dmarc_verdict *d, const struct smtpd_conf *conf)
{
	return conf->dmarc_temperror_defer == DEFER_ALL ||
	    (conf->dmarc_temperror_defer == DEFER_REJECT &&
		d->asked == DMARC_REJECT &&
		conf->dmarc_reject_action == DMARC_DO_REJECT);
}

void disposition_of(
    struct verdict *v, const struct decision *by, struct disposition *out)
{
	const struct smtpd_conf *conf = by->conf;
	const struct dmarc_verdict *d = verdict_dmarc(v);
	const struct rule *rule = &rule_dmarc_author;
	int doubtful = conf->dmarc_doubtful_author_action;

	*out = DISPOSITION_NONE;
	if (d->result == DMARC_FAIL) {
		fail(v, by, out);
	} else if (d->result == DMARC_TEMPERROR && is_deferred(d, conf) &&
	    spared_by(v, by).spared == SPARED_NOT) {
		out->applied = APPLIED_DEFER;
		out->dsn = "4.7.1";
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
