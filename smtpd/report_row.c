/* SPDX-License-Identifier: ISC */
#include "smtpd/report_row.h"

#include "core/clock.h"
#include "core/log.h"
#include "ipc/report.h"
#include "mail/header.h"
#include "net/dns_answer.h"
#include "smtpd/verification.h"

#define REST_MS 10000 /* after a reportd that is away */
#define TRIES   2     /* a connection may have been closed long ago */

/* ---- the row ---- */

static bool is_below(struct str domain, struct str above)
{
	return domain.len > above.len && str_case_ends(domain, above) &&
	    domain.p[domain.len - above.len - 1] == '.';
}

/* What RFC 9990 section 3.1.3 wants told first: 0; of relaxed alignment what
 * the names say by themselves. */
static int rank_of(const struct dkim_verdict *d, struct str author)
{
	if (d->result != DKIM_PASS)
		return 3;
	if (str_case_eq(d->domain, author))
		return 0;
	return is_below(d->domain, author) || is_below(author, d->domain) ? 1
									  : 2;
}

static void put_signature(const struct dkim_verdict *d, struct buf *out)
{
	size_t before = out->len;

	if (!dns_name_valid(d->domain) || !dns_name_valid(d->selector))
		return;
	buf_printf(out, "%s %.*s %.*s\n", dkim_result_name(d->result),
	    STR_FMT(d->domain), STR_FMT(d->selector));
	if (!out->overflow)
		return;
	out->len = before; /* the rest is too much to tell */
	out->overflow = false;
}

static void list_signatures(const struct verdict *v, struct buf *out)
{
	for (int rank = 0; rank <= 3; rank++)
		for (size_t i = 0; i < verdict_dkim_count(v); i++) {
			const struct dkim_verdict *d = verdict_dkim(v, i);

			if (rank_of(d, verdict_author(v)) == rank)
				put_signature(d, out);
		}
}

static int spf_word(enum spf_result result)
{
	static const enum report_spf words[] = {[SPF_NONE] = REPORT_SPF_NONE,
	    [SPF_NEUTRAL] = REPORT_SPF_NEUTRAL,
	    [SPF_PASS] = REPORT_SPF_PASS,
	    [SPF_FAIL] = REPORT_SPF_FAIL,
	    [SPF_SOFTFAIL] = REPORT_SPF_SOFTFAIL,
	    [SPF_TEMPERROR] = REPORT_SPF_TEMPERROR,
	    [SPF_PERMERROR] = REPORT_SPF_PERMERROR};

	return words[result];
}

static int disposition_word(
    const struct dmarc_verdict *dmarc, const struct disposition *d)
{
	if (d->applied == APPLIED_REJECT)
		return REPORT_REJECT;
	if (d->applied == APPLIED_JUNK)
		return REPORT_QUARANTINE;
	return dmarc->result == DMARC_PASS &&
		dmarc->published != DMARC_POLICY_NONE
	    ? REPORT_PASS
	    : REPORT_NO_ACTION;
}

/* RFC 9990 section 3.1.1.9: where what was done is not what the domain
 * publishes, there is a reason. */
static int reason_word(const struct dmarc_verdict *dmarc,
    const struct disposition *d, struct str *comment)
{
	static const enum report_reason words[] = {
	    [SPARED_NOT] = REPORT_LOCAL_POLICY,
	    [SPARED_TEST_MODE] = REPORT_TEST_MODE,
	    [SPARED_FORWARDER] = REPORT_TRUSTED_FORWARDER,
	    [SPARED_LIST] = REPORT_MAILING_LIST,
	    [SPARED_SEALER] = REPORT_LOCAL_POLICY,
	    [SPARED_PARAMETER] = REPORT_LOCAL_POLICY};
	static const enum applied asked[] = {[DMARC_POLICY_NONE] = APPLIED_NONE,
	    [DMARC_QUARANTINE] = APPLIED_JUNK,
	    [DMARC_REJECT] = APPLIED_REJECT};
	enum applied wanted = dmarc->result == DMARC_PASS
	    ? APPLIED_NONE
	    : asked[dmarc->published];

	*comment = STR_EMPTY;
	if (d->applied == wanted && d->spared == SPARED_NOT)
		return REPORT_AS_ASKED;
	if (d->spared == SPARED_SEALER)
		*comment = STR("arc=pass");
	else if (d->rule == &rule_dmarc_author)
		*comment = STR("From does not name one domain");
	else if (dmarc->result == DMARC_TEMPERROR) {
		*comment = STR("temporary error");
		return REPORT_OTHER;
	}
	return words[d->spared];
}

static struct str domain_of(struct str address)
{
	size_t at = str_find_last(address, '@');

	return at < address.len ? str_skip(address, at + 1) : STR_EMPTY;
}

static bool reports_wanted(const struct dmarc_verdict *dmarc)
{
	struct dmarc_record record;

	return dmarc->policy_domain.len > 0 &&
	    dmarc_record_parse(dmarc->record, &record) == 0 &&
	    record.reports.len > 0;
}

/*
 * An aggregate report (RFC 9990 section 3.5.2) that passes DMARC: if it were
 * counted, two hosts with nothing else to say would report each other's
 * reports for ever.
 */
static bool is_report(
    const struct session *s, const struct dmarc_verdict *dmarc)
{
	const struct verification *n = s->server->verification;
	struct header_field subject;

	return dmarc->result == DMARC_PASS && n != NULL &&
	    header_find(
		buf_str(&n->content.header), STR("Subject"), &subject) &&
	    str_starts(subject.value, STR("Report Domain:"));
}

/* ---- on its way ---- */

/* -1: it did not go out at once. */
static int push(struct peer *reportd, const struct report_row *row)
{
	for (int i = 0; i < TRIES; i++) {
		if (peer_open(reportd, deadline_in(0)) == NULL)
			return -1;
		if (ipc_put(reportd->ipc, &report_row, row) < 0)
			return -1; /* out of bounds: nothing was put */
		if (ipc_push(reportd->ipc) == IPC_OK)
			return 0;
		peer_drop(reportd, "does not take rows");
	}
	return -1;
}

static void send_row(struct peer *reportd, const struct report_row *row)
{
	static int64_t rest_until;

	if (clock_ms() >= rest_until) {
		if (push(reportd, row) == 0)
			return;
		rest_until = deadline_in(REST_MS);
	}
	daemon_count("report_rows_lost", 1);
}

void report_row_send(
    const struct session *s, struct verdict *v, const struct disposition *d)
{
	const struct dmarc_verdict *dmarc = verdict_dmarc(v);
	const struct spf_verdict *spf = verdict_spf(v);
	struct buf dkim;

	if (s->peer.len == 0 || !reports_wanted(dmarc) || is_report(s, dmarc))
		return;
	dkim = buf_new(REPORT_DKIM_MAX);
	list_signatures(v, &dkim);
	struct report_row row = {.client_address = str_from(s->address),
	    .author = verdict_author(v),
	    .policy_domain = dmarc->policy_domain,
	    .record = dmarc->record,
	    .discovery = s->server->house->dmarc_organizational_domain ==
		    ORGANIZATIONS_PSL
		? REPORT_PSL
		: REPORT_TREEWALK,
	    .envelope_from = domain_of(s->t.sender),
	    .spf_domain = spf->domain,
	    .spf = spf_word(spf->result),
	    .dkim = buf_str(&dkim),
	    .spf_aligned = dmarc->spf_aligned,
	    .dkim_aligned = dmarc->dkim_aligned,
	    .disposition = disposition_word(dmarc, d)};
	row.reason = (int)reason_word(dmarc, d, &row.comment);
	send_row(&s->server->reportd, &row);
	buf_free(&dkim);
}
