/* SPDX-License-Identifier: ISC */
#include "cleanup/seal.h"

#include "cleanup/message.h"
#include "core/clock.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "ipc/trace.h"
#include "mailauth/arc.h"

#define NAMES_MAX 65536
/* RFC 8617 section 4.1.2: signatures of others are covered too. */
#define ALSO "DKIM-Signature"

/* RSA, which all who validate chains know, where there is a choice. */
static const struct signing_key *best_key(const struct domain_keys *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (dkim_key_algorithm(d->list[i].key) == DKIM_RSA_SHA256)
			return &d->list[i];
	return d->count > 0 ? &d->list[0] : NULL;
}

void seal_begin(struct cleanup *c, struct message *m)
{
	struct sealing *s = &m->sealing;
	const struct domain_keys *d;

	if (c->entrance != ENTRANCE_MX ||
	    c->conf->arc_sealing_domain[0] == '\0')
		return;
	s->domain = str_from(c->conf->arc_sealing_domain);
	d = keys_find(c->keys, s->domain);
	s->key = best_key(d);
	if (s->key != NULL)
		s->form = body_hash_want(
		    &m->signing.bodies, CANONICAL_RELAXED, BODY_WHOLE);
}

static bool is_forwarded(const struct message *m)
{
	for (size_t i = 0; i < m->recipient_count; i++)
		if (m->recipients[i].forwarded)
			return true;
	return false;
}

/* What smtpd says of the chain; ARC_PENDING when it did not look. */
static enum arc_result status_of(const struct message *m)
{
	static const enum arc_result results[] = {ARC_NONE, ARC_PASS, ARC_FAIL};

	for (size_t i = 0; i < ARRAY_LEN(results); i++)
		if (str_eq(
			m->verdict.arc, str_from(arc_result_name(results[i]))))
			return results[i];
	return ARC_PENDING;
}

/* Whether a seal is due: there is a key, somebody to convince, and something
 * to vouch for. */
static bool is_due(const struct message *m)
{
	return m->sealing.key != NULL && is_forwarded(m) &&
	    m->verdict.results.len > 0 && status_of(m) != ARC_PENDING;
}

/* The fields of a set; arc_seal's result. */
static int make_set(struct cleanup *c, struct message *m,
    const struct header_fields *fields, struct buf *out)
{
	struct sealing *s = &m->sealing;
	struct buf names = buf_new(NAMES_MAX), plain = buf_new(NAMES_MAX);
	struct dkim_policy policy = {.signatures_most = 1};
	struct body_hashes unused = {0};
	struct arc_chain *chain = arc_chain_new(
	    fields, &policy, clock_seconds(), &unused);
	uint64_t octets;
	int result;

	buf_printf(&plain, "%s " ALSO, c->conf->dkim_sign_headers);
	struct dkim_signing which = {
	    .fields = buf_str(&plain), .oversigned = str_from(c->oversigned)};
	dkim_names(&which, fields, &names);
	struct arc_sealing sealing = {.key = s->key->key,
	    .domain = s->domain,
	    .selector = str_from(s->key->selector),
	    .results = m->verdict.results,
	    .names = buf_str(&names),
	    .status = status_of(m),
	    .now = clock_seconds()};
	body_hash_end(&m->signing.bodies);
	result = names.overflow
	    ? -1
	    : arc_seal(&sealing, chain, fields,
		  body_hash_digest(&m->signing.bodies, s->form, &octets), out);
	s->instance = arc_chain_length(chain) + 1;
	arc_chain_free(&chain);
	body_hashes_free(&unused);
	buf_free(&names);
	buf_free(&plain);
	return result;
}

void seal_header(struct cleanup *c, struct message *m, struct buf *header)
{
	struct buf out = buf_new(header->most);
	struct header_fields fields;

	if (!is_due(m))
		return;
	header_fields_of(buf_str(header), &fields);
	/* Nobody can vouch for fields that he did not look at. */
	int result = fields.cut ? 0 : make_set(c, m, &fields, &out);
	header_fields_free(&fields);
	if (result > 0) {
		m->sealing.done = true;
		buf_add(&out, buf_str(header));
		buf_free(header);
		*header = out;
		daemon_count("sealed", 1);
		return;
	}
	buf_free(&out);
	if (result < 0) {
		log_error("ARC: the key %.*s/%s does not seal",
		    STR_FMT(m->sealing.domain), m->sealing.key->selector);
		daemon_count("signing_failed", 1);
	}
}

void seal_trace(
    const struct message *m, const struct id *session, const struct id *id)
{
	const struct sealing *s = &m->sealing;
	struct buf by = buf_new(TRACE_WHERE_MAX);

	if (!s->done)
		return;
	buf_printf(&by, "d=%.*s s=%s", STR_FMT(s->domain), s->key->selector);
	trace_event(TRACE_SEALED, session, id,
	    &(struct trace_fields){.where = buf_str(&by),
		.why = m->verdict.arc,
		.number = s->instance});
	buf_free(&by);
}
