/* SPDX-License-Identifier: ISC */
#include "smtpd/verification.h"

#include "core/clock.h"
#include "core/log.h"
#include "daemon/house_suffixes.h"
#include "smtpd/findings.h"
#include "smtpd/question.h"
#include "smtpd/report_row.h"
#include "smtpd/spared.h"
#include "smtpd/spf_policy.h"

static bool wanted(const struct server *server)
{
	switch (server->role) {
	case ROLE_MX:
		return server->conf->mail_authentication;
	case ROLE_LMTP:
		return server->conf->lmtpd_mail_authentication;
	case ROLE_SUBMISSION:
		break;
	}
	return false;
}

int verification_open(struct server *server)
{
	static struct verification verification;
	struct verification *n = &verification;

	if (!wanted(server))
		return 0;
	n->content = splitter_new((size_t)server->house->header_size_limit);
	n->results = buf_new(CLEANUP_RESULTS_MAX);
	n->received_spf = buf_new(CLEANUP_RECEIVED_SPF_MAX);
	if (house_suffixes(server->house, &n->suffixes) < 0)
		return -1;
	server->verification = n;
	return 0;
}

static struct verdict *make_verdict(const struct server *server)
{
	const struct smtpd_conf *conf = server->conf;
	struct verdict_policy policy = {.receiver = server->house->myhostname,
	    .dkim = {.signatures_most = (unsigned)
					    conf->dkim_signature_count_limit,
		.bits_least = (unsigned)conf->dkim_minimum_key_bits,
		.partial_bodies = conf->dkim_partial_bodies},
	    .suffixes = server->verification->suffixes,
	    .budget_ms = conf->mail_authentication_timeout};

	if (conf->mail_authentication_cache_size > 0)
		policy.cache = answer_cache_new(
		    (size_t)conf->mail_authentication_cache_size,
		    conf->mail_authentication_cache_time);

	if (conf->dkim_public_key_cache_limit > 0)
		policy.dkim.keys = key_cache_new(
		    (size_t)conf->dkim_public_key_cache_limit);
	return verdict_new(server->dns, daemon_loop(), &policy);
}

static bool checks(const struct session *s)
{
	return s->server->verification != NULL && !s->exempt;
}

/* ---- on the way ---- */

void verification_begin(struct session *s)
{
	struct verification *n = s->server->verification;

	if (n == NULL)
		return;
	n->checks = checks(s);
	n->acted = false;
	if (!n->checks)
		return;
	if (n->verdict == NULL)
		n->verdict = make_verdict(s->server);
	buf_clear(&n->content.header);
	n->content.line = 0;
	n->content.in_body = false;
	verdict_begin(n->verdict, &s->peer, str_from(s->helo));
	verdict_sender(n->verdict, s->t.sender);
}

/* RFC 7208 section 8, RFC 7372 section 3.2. */
static void refuse_for_spf(struct session *s, const struct spf_verdict *spf,
    const struct spf_decision *d, struct str recipient)
{
	struct str words = spf->explanation;
	struct str domain = str_sub(spf->domain, 0, 80);

	if (spf->result == SPF_TEMPERROR || spf->result == SPF_PERMERROR)
		reject(s, d->rule, recipient, d->code, d->dsn,
		    "SPF of %.*s cannot be checked%s: %.*s", STR_FMT(domain),
		    spf->result == SPF_TEMPERROR ? " now" : "",
		    STR_FMT(str_sub(spf->problem, 0, 80)));
	else if (spf->result == SPF_FAIL || spf->result == SPF_SOFTFAIL)
		reject(s, d->rule, recipient, d->code, d->dsn,
		    "%.*s says that %s may not send mail in its name (SPF "
		    "%s)%s%.*s",
		    STR_FMT(domain), s->address, spf_result_name(spf->result),
		    words.len > 0 ? "; it explains: " : "",
		    STR_FMT(str_sub(words, 0, 200)));
	else
		reject(s, d->rule, recipient, d->code, d->dsn,
		    "%.*s does not say that %s may send mail in its name (SPF "
		    "%s), which is required here",
		    STR_FMT(domain), s->address, spf_result_name(spf->result));
}

/* Once for each message: its client waits. */
static void delay_for_spf(struct session *s, const struct spf_verdict *spf,
    const struct spf_decision *d)
{
	int64_t began = clock_ms();

	if (s->server->rehearsal != NULL) {
		passes(s, d->rule, "dunno",
		    "the client would wait for %lld s, as SPF says %s",
		    (long long)(s->conf->spf_delay_time / 1000),
		    spf_result_name(spf->result));
		return;
	}
	session_delay(s, &s->conf->spf_delay_time);
	log_info("NOQUEUE: delay: RCPT from %s[%s]: %lld ms, SPF of %.*s says "
		 "%s; from=<%.*s> rule=%s",
	    s->name, s->address, (long long)(clock_ms() - began),
	    STR_FMT(str_sub(spf->domain, 0, 80)), spf_result_name(spf->result),
	    STR_FMT(s->t.sender), d->rule->name);
}

const struct spf_verdict *verification_spf(struct session *s)
{
	struct verification *n = s->server->verification;

	return n != NULL && n->checks ? verdict_spf(n->verdict) : NULL;
}

bool verification_refuses(struct session *s, struct str recipient)
{
	struct verification *n = s->server->verification;
	const struct spf_verdict *spf;
	struct spf_decision d;
	bool again;

	if (n == NULL || !n->checks)
		return false;
	if (!spf_decides(s->conf)) {
		verdict_go_on(n->verdict);
		return false;
	}
	spf = verdict_spf(n->verdict);
	d = spf_decide(spf, s->conf);
	if (d.action != SPF_DELAY && d.action != SPF_REFUSE)
		return false;
	again = n->acted;
	n->acted = true;
	if (!again && s->server->rehearsal == NULL)
		daemon_count(d.action == SPF_DELAY ? "spf_delayed"
			: d.code < 500             ? "spf_put_off"
						   : "spf_refused",
		    1);
	if (d.action == SPF_DELAY) {
		if (!again)
			delay_for_spf(s, spf, &d);
		return false;
	}
	/* There will be no content to find out more of. */
	if (!again) {
		findings_trace_spf(&s->id, spf);
		findings_count_spf(spf);
	}
	refuse_for_spf(s, spf, &d, recipient);
	return true;
}

/* What of content belongs to the body, and the header when it is whole. */
static struct str to_body(struct verification *n, struct str octets)
{
	struct str rest = STR_EMPTY;
	size_t taken;

	if (n->content.in_body)
		return octets;
	taken = splitter_feed(&n->content, octets.p, octets.len, &rest);
	if (!n->content.in_body)
		return STR_EMPTY;
	verdict_header(n->verdict, buf_str(&n->content.header));
	if (rest.len > 0)
		verdict_body(n->verdict, rest);
	return str_skip(octets, taken);
}

void verification_content(struct session *s, struct str octets)
{
	struct verification *n = s->server->verification;

	if (n == NULL || !n->checks || octets.len == 0)
		return;
	octets = to_body(n, octets);
	/* Beyond header_size_limit cleanup refuses it. */
	if (n->content.header.overflow)
		n->checks = false;
	else if (octets.len > 0)
		verdict_body(n->verdict, octets);
	if (n->checks)
		verdict_go_on(n->verdict);
}

/* ---- the end ---- */

static void finish(struct verification *n)
{
	struct str rest = STR_EMPTY;

	if (!n->content.in_body) {
		splitter_end(&n->content, &rest);
		verdict_header(n->verdict, buf_str(&n->content.header));
		verdict_body(n->verdict, rest);
	}
	verdict_end(n->verdict);
}

static struct results_context context(const struct session *s)
{
	return (struct results_context){
	    .server = str_from(s->server->house->authserv_id),
	    .client = s->peer,
	    .name_asked = s->name_asked,
	    .client_name = str_from(s->name),
	    .name_status = s->name_status,
	    .helo = str_from(s->helo),
	    .sender = s->t.sender,
	    .user = str_from(s->login)};
}

/* The fields of a message that was checked. */
static void write_fields(struct session *s, struct cleanup_verdict *out)
{
	struct verification *n = s->server->verification;
	struct results_context c = context(s);

	buf_clear(&n->results);
	results_write(n->verdict, &c, &n->results);
	out->results = buf_str(&n->results);
	if (!s->conf->received_spf_header)
		return;
	buf_clear(&n->received_spf);
	results_write_spf(verdict_spf(n->verdict), &c, &n->received_spf);
	out->received_spf = buf_str(&n->received_spf);
}

/* auth=pass for who has logged in, when a parameter wants it. */
static bool write_login(struct session *s, struct cleanup_verdict *out)
{
	static char text[1024];
	struct buf results = buf_new(sizeof(text) - 1);
	struct results_context c = context(s);
	bool written;

	if (s->login[0] == '\0' || !s->conf->smtpd_sasl_authentication_results)
		return false;
	results_write(NULL, &c, &results);
	written = !results.overflow &&
	    str_copy(text, sizeof(text), buf_str(&results)) == 0;
	buf_free(&results);
	out->results = str_from(text);
	return written;
}

static enum map_result ask(
    void *arg, const struct rule *rule, struct str table, struct str keys)
{
	struct session *s = arg;

	return ask_table(
	    s, rule->name, table, keys, s->server->verification->tables_until);
}

static struct decision decision(struct session *s)
{
	s->server->verification->tables_until = deadline_in(
	    s->server->house->ipc_timeout);
	return (struct decision){s->conf, s->server->house, &s->peer, ask, s};
}

bool verification_end(
    struct session *s, struct disposition *out, struct cleanup_verdict *verdict)
{
	struct verification *n = s->server->verification;
	struct decision by;

	*out = DISPOSITION_NONE;
	*verdict = (struct cleanup_verdict){.results = STR_EMPTY,
	    .received_spf = STR_EMPTY,
	    .arc = STR_EMPTY,
	    .inside = s->exempt && s->server->role != ROLE_SUBMISSION};
	if (s->server->role == ROLE_SUBMISSION)
		return write_login(s, verdict);
	if (n == NULL || !n->checks)
		return verdict->inside;
	finish(n);
	by = decision(s);
	disposition_of(n->verdict, &by, out);
	findings_trace(&s->id, n->verdict, out);
	findings_count(n->verdict, out);
	write_fields(s, verdict);
	verdict->arc = str_from(arc_result_name(verdict_arc(n->verdict)));
	verdict->junk = out->applied == APPLIED_JUNK;
	return true;
}

void verification_line(
    const struct session *s, const struct disposition *d, struct buf *out)
{
	struct verification *n = s->server->verification;

	if (n != NULL && n->checks)
		findings_line(n->verdict, d, out);
}

void verification_report(const struct session *s, const struct disposition *d)
{
	struct verification *n = s->server->verification;

	if (n != NULL && n->checks)
		report_row_send(s, n->verdict, d);
}

/* ---- posthouse explain ---- */

static void explain_spf(struct session *s, const struct spf_verdict *spf)
{
	struct spf_decision d = spf_decide(spf, s->conf);
	struct str by = spf->problem.len > 0 ? spf->problem : spf->term;

	passes(s, d.rule != NULL ? d.rule : &rule_spf_fail,
	    d.action != SPF_REFUSE ? "dunno"
		: d.code < 500     ? "defer"
				   : "reject",
	    "SPF of %s %.*s: %s%s%.*s", spf->of_helo ? "HELO" : "the sender,",
	    STR_FMT(spf->domain), spf_result_name(spf->result),
	    by.len == 0                ? ""
		: spf->problem.len > 0 ? ": "
				       : ", by ",
	    STR_FMT(by));
}

/* Whether mail of the sender's domain, as far as it passes or is sealed, may
 * fail DMARC of its author. */
static void explain_spared(struct session *s, const struct rule *rule)
{
	struct str domain =
		       verdict_spf(s->server->verification->verdict)->domain,
		   table;
	const struct house_conf *house = s->server->house;
	bool seals = rule == &rule_arc_sealer;
	struct decision by = decision(s);
	enum map_result r;

	if (domain.len == 0 ||
	    (seals ? house->arc_trusted_sealers
		   : house->dmarc_mailing_lists)[0] == '\0')
		return;
	r = spared_lists_domain(&by, rule, domain, &table);
	passes(s, rule, r == MAP_FOUND ? "permit" : "dunno", "%s %.*s %s%s%.*s",
	    seals ? "ARC seals of" : "a mailing list of", STR_FMT(domain),
	    r == MAP_ERROR ? "may be in the list, which cannot be known now"
		: r == MAP_NONE ? "would not be believed"
		: seals         ? "are believed"
				: "may fail DMARC of its authors",
	    table.len > 0 ? ": " : "", STR_FMT(table));
}

/* As if nothing was signed; by default From names the sender's domain. */
static void explain_dmarc(struct session *s, struct verdict *v)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);
	struct rehearsal *r = s->server->rehearsal;
	struct decision by = decision(s);
	struct disposition done;
	const char *end;

	disposition_of(v, &by, &done);
	end = done.applied == APPLIED_REJECT ? "refused with 550 5.7.1"
	    : done.applied == APPLIED_DEFER  ? "put off with 451"
	    : done.applied == APPLIED_JUNK   ? "put into Junk"
					     : "accepted";
	if (done.applied != APPLIED_NONE)
		buf_printf(&r->unsigned_end,
		    "without a DKIM signature of %.*s it is %s, by DMARC (%s)",
		    STR_FMT(verdict_author(v)), end,
		    (done.rule != NULL ? done.rule : &rule_dmarc_reject)->name);
	if (d->policy_domain.len == 0) {
		passes(s, &rule_dmarc_reject, "dunno", "DMARC of %.*s: %s%s%s",
		    STR_FMT(verdict_author(v)), dmarc_result_name(d->result),
		    d->problem[0] != '\0' ? ", " : "", d->problem);
		return;
	}
	passes(s, done.rule != NULL ? done.rule : &rule_dmarc_reject, "dunno",
	    "DMARC of %.*s: p=%s%s, record of %.*s; %sSPF alone gives %s, and "
	    "without a signature of it the message would be: %s",
	    STR_FMT(verdict_author(v)), dmarc_policy_name(d->published),
	    d->testing ? " t=y" : "", STR_FMT(d->policy_domain),
	    r->author[0] == '\0' ? "if From is of this domain, " : "",
	    dmarc_result_name(d->result), end);
}

void verification_explain(struct session *s)
{
	static const struct rule whole = {
	    "mail_authentication", "mail_authentication"};
	static const struct rule exempt = {
	    "mail_authentication_exempt_networks",
	    "mail_authentication_exempt_networks"};
	struct verification *n = s->server->verification;
	struct buf from = buf_new(IPC_ADDRESS_MAX + 32);
	struct str author;

	if (s->server->rehearsal == NULL || s->server->role == ROLE_SUBMISSION)
		return;
	if (n == NULL || !n->checks) {
		passes(s, n == NULL ? &whole : &exempt, "permit",
		    "SPF, DKIM and DMARC are not looked at%s",
		    n == NULL ? "" : ": the client is exempt");
		return;
	}
	explain_spf(s, verdict_spf(n->verdict));
	explain_spared(s, &rule_dmarc_list);
	explain_spared(s, &rule_arc_sealer);
	author = str_from(s->server->rehearsal->author);
	if (author.len == 0)
		author = s->t.sender;
	if (author.len > 0) {
		buf_printf(&from, "From: <%.*s>\r\n", STR_FMT(author));
		verdict_header(n->verdict, buf_str(&from));
		verdict_end(n->verdict);
		explain_dmarc(s, n->verdict);
	}
	passes(s, &whole, "dunno",
	    "DKIM, ARC and DMARC of From are decided when the content is "
	    "there");
	buf_free(&from);
}
