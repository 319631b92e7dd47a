/* SPDX-License-Identifier: ISC */
#include "smtpd/findings.h"

#include <stdio.h>

#include "daemon/daemon.h"
#include "ipc/trace.h"

/* Octets of a text of strangers in the log line. */
#define SHOWN 100

static struct str shown(struct str s)
{
	return str_sub(s, 0, SHOWN);
}

/* ---- the log ---- */

static void add_dkim(struct verdict *v, struct buf *out)
{
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		const struct dkim_verdict *d = verdict_dkim(v, i);

		buf_printf(out, "%s%s (%.*s%s%s)", i == 0 ? " dkim=" : ",",
		    dkim_result_name(d->result), STR_FMT(shown(d->domain)),
		    d->why[0] != '\0' ? ": " : "", d->why);
	}
	if (verdict_dkim_count(v) == 0)
		buf_add_text(out, " dkim=none");
}

static void add_dmarc(struct verdict *v, struct buf *out)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);

	buf_printf(out, " dmarc=%s (%.*s", dmarc_result_name(d->result),
	    STR_FMT(shown(verdict_author(v))));
	if (d->policy_domain.len > 0)
		buf_printf(out, " p=%s%s", dmarc_policy_name(d->published),
		    d->testing ? " t=y" : "");
	if (d->problem[0] != '\0')
		buf_printf(out, ": %s", d->problem);
	buf_printf(out, ")%s", verdict_doubtful(v) ? " author=doubtful" : "");
}

/* Control octets would break the line. */
static void clean(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->p[i] < ' ' || out->p[i] == 127)
			out->p[i] = '?';
}

void findings_line(
    struct verdict *v, const struct disposition *d, struct buf *out)
{
	const struct spf_verdict *spf = verdict_spf(v);
	size_t from = out->len;

	buf_printf(out, "spf=%s (%.*s)", spf_result_name(spf->result),
	    STR_FMT(shown(spf->domain)));
	add_dkim(v, out);
	buf_printf(out, " arc=%s", arc_result_name(verdict_arc(v)));
	add_dmarc(v, out);
	buf_printf(out, " disposition=%s", applied_names[d->applied]);
	if (d->rule != NULL)
		buf_printf(out, " rule=%s%s%.*s", d->rule->name,
		    d->table.len > 0 ? " table=" : "",
		    STR_FMT(shown(d->table)));
	clean(out, from);
}

/* ---- the trace ---- */

static void trace(const struct id *session, const char *what,
    const char *result, struct str where, struct str why)
{
	trace_event(TRACE_CHECKED, session, NULL,
	    &(struct trace_fields){.who = str_from(what),
		.where = where,
		.code = str_from(result),
		.why = why});
}

void findings_trace_spf(const struct id *session, const struct spf_verdict *spf)
{
	trace(session, "spf", spf_result_name(spf->result), spf->domain,
	    spf->problem.len > 0 ? spf->problem : spf->term);
}

static void trace_dkim(const struct id *session, struct verdict *v)
{
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		const struct dkim_verdict *d = verdict_dkim(v, i);
		char where[TRACE_WHERE_MAX + 1];

		snprintf(where, sizeof(where), "%.*s selector %.*s",
		    STR_FMT(shown(d->domain)), STR_FMT(shown(d->selector)));
		trace(session, "dkim", dkim_result_name(d->result),
		    str_from(where), str_from(d->why));
	}
	if (verdict_dkim_count(v) == 0)
		trace(session, "dkim", "none", STR_EMPTY, STR("not signed"));
}

static void trace_arc(const struct id *session, struct verdict *v)
{
	const struct arc_chain *chain = verdict_arc_chain(v);
	unsigned length = chain != NULL ? arc_chain_length(chain) : 0;
	const struct arc_set *newest = length > 0 ? arc_chain_set(chain, length)
						  : NULL;

	if (verdict_arc(v) != ARC_NONE)
		trace(session, "arc", arc_result_name(verdict_arc(v)),
		    newest != NULL ? newest->domain : STR_EMPTY,
		    str_from(arc_chain_why(chain)));
}

static void trace_dmarc(const struct id *session, struct verdict *v)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	char why[TRACE_WHY_MAX];

	if (d->problem[0] != '\0')
		snprintf(why, sizeof(why), "%s", d->problem);
	else if (d->policy_domain.len > 0)
		snprintf(why, sizeof(why),
		    "p=%s%s of %.*s, SPF is %saligned, "
		    "DKIM is %saligned",
		    dmarc_policy_name(d->published), d->testing ? " t=y" : "",
		    STR_FMT(shown(d->policy_domain)),
		    d->spf_aligned ? "" : "not ",
		    d->dkim_aligned ? "" : "not ");
	else
		snprintf(why, sizeof(why), "the domain has no policy");
	trace(session, "dmarc", dmarc_result_name(d->result), verdict_author(v),
	    str_from(why));
}

void findings_trace(
    const struct id *session, struct verdict *v, const struct disposition *d)
{
	char why[sizeof(d->why) + 200];

	findings_trace_spf(session, verdict_spf(v));
	trace_dkim(session, v);
	trace_arc(session, v);
	trace_dmarc(session, v);
	if (d->rule == NULL)
		return;
	snprintf(why, sizeof(why), "rule=%s%s%.*s: %s", d->rule->name,
	    d->table.len > 0 ? " table=" : "", STR_FMT(shown(d->table)),
	    d->why);
	trace(session, "policy", applied_names[d->applied], STR_EMPTY,
	    str_from(why));
}

/* ---- counters ---- */

void findings_count_spf(const struct spf_verdict *spf)
{
	static const char *const names[] = {[SPF_NONE] = "spf_none",
	    [SPF_NEUTRAL] = "spf_neutral",
	    [SPF_PASS] = "spf_pass",
	    [SPF_FAIL] = "spf_fail",
	    [SPF_SOFTFAIL] = "spf_softfail",
	    [SPF_TEMPERROR] = "spf_temperror",
	    [SPF_PERMERROR] = "spf_permerror"};

	daemon_count(names[spf->result], 1);
}

void findings_count(struct verdict *v, const struct disposition *d)
{
	static const char *const dkim[] = {[DKIM_NONE] = "dkim_none",
	    [DKIM_PASS] = "dkim_pass",
	    [DKIM_FAIL] = "dkim_fail",
	    [DKIM_POLICY] = "dkim_policy",
	    [DKIM_NEUTRAL] = "dkim_neutral",
	    [DKIM_TEMPERROR] = "dkim_temperror",
	    [DKIM_PERMERROR] = "dkim_permerror"};
	static const char *const arc[] = {[ARC_NONE] = "arc_none",
	    [ARC_PASS] = "arc_pass",
	    [ARC_FAIL] = "arc_fail"};
	static const char *const dmarc[] = {[DMARC_NONE] = "dmarc_none",
	    [DMARC_PASS] = "dmarc_pass",
	    [DMARC_FAIL] = "dmarc_fail",
	    [DMARC_TEMPERROR] = "dmarc_temperror"};
	static const char *const applied[] = {[APPLIED_JUNK] = "verdict_junk",
	    [APPLIED_REJECT] = "verdict_reject",
	    [APPLIED_DEFER] = "verdict_defer"};

	findings_count_spf(verdict_spf(v));
	for (size_t i = 0; i < verdict_dkim_count(v); i++)
		daemon_count(dkim[verdict_dkim(v, i)->result], 1);
	if (verdict_dkim_count(v) == 0)
		daemon_count("dkim_none", 1);
	daemon_count(arc[verdict_arc(v)], 1);
	daemon_count(dmarc[verdict_dmarc(v)->result], 1);
	if (d->applied != APPLIED_NONE)
		daemon_count(applied[d->applied], 1);
}
