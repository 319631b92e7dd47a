/* SPDX-License-Identifier: ISC */
#include "cleanup/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "cleanup/message.h"
#include "cleanup/seal.h"
#include "cleanup/signers.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/observe.h"
#include "daemon/daemon.h"
#include "ipc/trace.h"
#include "mailauth/dkim_sign.h"

/* A signature that does not cover From says nothing (RFC 6376 section 5.4). */
static char *with_from(const char *names)
{
	struct str rest = str_from(names), word;
	char *all;

	while ((word = str_word(&rest, " ,:\t")).len > 0)
		if (str_case_eq(word, STR("From")))
			return str_dup(str_from(names));
	if (asprintf(&all, "From %s", names) < 0)
		log_fatal("no memory");
	return all;
}

void sign_open(struct cleanup *c)
{
	const char *path = c->house->dkim_key_directory;
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Mail goes on, by dkim_failure_action where it should be signed. */
	if (folder < 0)
		log_error("dkim_key_directory %s: %s", path, strerror(errno));
	c->oversigned = with_from(c->conf->dkim_oversign_headers);
	c->keys = keys_new(folder, (size_t)c->conf->dkim_key_cache_limit);
}

void sign_clear(struct message *m)
{
	body_hashes_free(&m->signing.bodies);
	m->signing = (struct signing){0};
	m->sealing = (struct sealing){0};
}

void sign_begin(struct cleanup *c, struct message *m)
{
	struct signing *s = &m->signing;

	if (s->begun)
		return;
	s->begun = true;
	keys_begin(c->keys);
	signers_choose(c, m);
	if (!s->ours)
		seal_begin(c, m);
	if (s->count > 0)
		s->form = body_hash_want(&s->bodies,
		    (enum canonical)c->conf->dkim_body_canonicalization,
		    BODY_WHOLE);
}

/* A signature that it came with would not survive it, and where addresses have
 * 8 bits no relay brings the body to 7. */
bool sign_wants_seven_bit(const struct cleanup *c, const struct message *m)
{
	struct header_field f;

	return c->conf->dkim_sign_7bit && m->signing.count > 0 &&
	    !m->from.smtputf8 &&
	    !header_find(
		buf_str(&m->content.header), STR("DKIM-Signature"), &f);
}

void sign_body(struct message *m, struct str octets)
{
	if (m->signing.bodies.count > 0)
		body_hash_add(&m->signing.bodies, octets);
}

/* ---- the header ---- */

static int sign_with(const struct cleanup *c, const struct signing *s,
    const struct signer *by, const struct header_fields *fields,
    struct buf *out)
{
	const struct cleanup_conf *conf = c->conf;
	uint64_t octets;
	struct dkim_signing signing = {.key = by->key->key,
	    .domain = by->domain,
	    .selector = str_from(by->key->selector),
	    .identity = STR_EMPTY,
	    .fields = str_from(conf->dkim_sign_headers),
	    .oversigned = str_from(c->oversigned),
	    .header_form = (enum canonical)conf->dkim_header_canonicalization,
	    .body_form = (enum canonical)conf->dkim_body_canonicalization,
	    .now = clock_seconds(),
	    .lifetime = conf->dkim_signature_lifetime / 1000};

	return dkim_sign(&signing, fields,
	    body_hash_digest(&s->bodies, s->form, &octets), out);
}

/* A signature of each; -1 when one cannot be made. */
static int make_signatures(const struct cleanup *c, struct signing *s,
    struct str header, struct buf *out)
{
	int64_t began = observe_begin();
	struct header_fields fields;
	int result = 0;

	body_hash_end(&s->bodies);
	header_fields_of(header, &fields);
	for (size_t i = 0; i < s->count && result == 0; i++) {
		result = sign_with(c, s, &s->list[i], &fields, out);
		if (result < 0)
			log_error("DKIM: the key %.*s/%s does not sign",
			    STR_FMT(s->list[i].domain),
			    s->list[i].key->selector);
	}
	header_fields_free(&fields);
	observe_end("sign", began);
	return result;
}

/* What should be signed, or with more keys, and is not. */
static void fall_short(struct cleanup *c, struct message *m)
{
	daemon_count("signing_failed", 1);
	if (c->conf->dkim_failure_action == FAILURE_TEMPFAIL)
		message_refuse(m, 451, "4.7.5",
		    "The message cannot be signed at the moment, try again "
		    "later");
}

void sign_header(struct cleanup *c, struct message *m, struct buf *header)
{
	struct signing *s = &m->signing;
	struct buf out = buf_new(header->most);

	if (!s->ours) {
		seal_header(c, m, header);
		return;
	}
	if (s->count > 0 && make_signatures(c, s, buf_str(header), &out) == 0) {
		s->done = true;
		buf_add(&out, buf_str(header));
		buf_free(header);
		*header = out;
		daemon_count("signed", 1);
	} else {
		if (s->count > 0) {
			s->broken = true;
			s->why = "its key does not sign";
		}
		buf_free(&out);
		daemon_count("unsigned", 1);
	}
	if (s->broken)
		fall_short(c, m);
}

void sign_trace(
    const struct message *m, const struct id *session, const struct id *id)
{
	const struct signing *s = &m->signing;
	struct buf by = buf_new(TRACE_WHERE_MAX);
	const char *why = !s->done ? s->why
	    : s->broken            ? "not by all its keys"
				   : m->left;

	if (!s->ours)
		seal_trace(m, session, id);
	/* Of a stranger's mail it goes without saying. */
	if (!s->ours && !m->verdict.inside)
		return;
	for (size_t i = 0; i < s->count && s->done; i++)
		buf_printf(&by, "%sd=%.*s s=%s", i > 0 ? ", " : "",
		    STR_FMT(s->list[i].domain), s->list[i].key->selector);
	trace_event(TRACE_SIGNED, session, id,
	    &(struct trace_fields){
		.who = s->author, .where = buf_str(&by), .why = str_from(why)});
	buf_free(&by);
}
