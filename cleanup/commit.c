/* SPDX-License-Identifier: ISC */
/* The end of a message: checks, final header, envelope, queue file. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "cleanup/message.h"
#include "cleanup/offer.h"
#include "core/clock.h"
#include "core/log.h"
#include "mail/date.h"

/* Room for Received and what else is added. */
#define HEADER_EXTRA (8192 + CLEANUP_RESULTS_MAX + CLEANUP_RECEIVED_SPF_MAX)

/* Now, in the zone of this host. */
static void date_now(int64_t seconds, char out[DATE_TEXT_MAX])
{
	struct tm local;
	time_t t = (time_t)seconds;
	int zone = 0;

	if (localtime_r(&t, &local) != NULL)
		zone = (int)(local.tm_gmtoff / 60);
	date_rfc5322(seconds, zone, out);
}

/* The first to see the message: it is finished as its user would. */
static bool is_submission(const struct cleanup *c)
{
	return c->entrance == ENTRANCE_SUBMIT || c->entrance == ENTRANCE_PICKUP;
}

static void check_header(
    struct cleanup *c, struct message *m, const struct header_facts *facts)
{
	const char *why;

	if (facts->received > (size_t)c->conf->hopcount_limit) {
		message_refuse(m, 554, "5.4.6", "Too many hops");
		return;
	}
	if (!is_submission(c))
		return;
	if (facts->fields > (size_t)c->conf->submission_header_fields_limit) {
		message_refuse(m, 550, "5.6.0",
		    "Message header has %zu fields, the limit is %lld",
		    facts->fields,
		    (long long)c->conf->submission_header_fields_limit);
		return;
	}
	why = header_check_author(facts);
	if (why != NULL)
		message_refuse(m, 550, "5.6.0", "%s", why);
}

/* Whether who sent the message could have written Authentication-Results in
 * our name: what this house writes or forwards, and what its own hosts pass
 * on, keeps them. */
static bool may_be_forged(const struct cleanup *c, const struct message *m)
{
	return c->entrance != ENTRANCE_INTERNAL && !m->verdict.inside;
}

static void build_header(struct cleanup *c, struct message *m,
    const struct header_facts *facts, const struct queue_envelope *e,
    struct buf *out)
{
	char date[DATE_TEXT_MAX];
	struct header_completion completion = {.from = &m->from,
	    .only_recipient = m->given_count == 1 ? m->given[0].address
						  : STR_EMPTY,
	    .myhostname = c->house->myhostname,
	    .mail_name = c->house->mail_name,
	    .id = e->id.text,
	    .date = date,
	    .name_login = c->conf->smtpd_sasl_authenticated_header,
	    .add_missing = is_submission(c) ||
		(c->entrance == ENTRANCE_MX &&
		    c->conf->always_add_missing_headers),
	    .drop_bcc = is_submission(c),
	    .results = m->verdict.results,
	    .received_spf = m->verdict.received_spf,
	    .forged_results = may_be_forged(c, m)
		? str_from(c->house->authserv_id)
		: STR_EMPTY};

	date_now((int64_t)(e->arrived_us / 1000000), date);
	header_complete(&completion, buf_str(&m->content.header), facts, out);
}

static struct str joined(struct message *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static struct str joined(struct message *m, const char *format, ...)
{
	char text[2048];
	va_list args;
	struct str s;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	s = arena_copy(&m->arena, str_from(text));
	return s.p == NULL ? STR_EMPTY : s;
}

/* What the log and the trace call the message. */
static struct str message_id_of(struct cleanup *c, struct message *m,
    const struct header_facts *facts, const struct queue_envelope *e)
{
	struct str inner = header_message_id(facts->message_id_value);

	if (inner.len > 0)
		return joined(m, "<%.*s>", STR_FMT(inner));
	if (facts->message_id == 0 &&
	    (is_submission(c) ||
		(c->entrance == ENTRANCE_MX &&
		    c->conf->always_add_missing_headers)))
		return joined(m, "<%s@%s>", e->id.text, c->house->myhostname);
	return STR_EMPTY; /* or malformed */
}

static struct queue_envelope envelope_of(
    struct cleanup *c, struct message *m, const struct header_facts *facts)
{
	const struct cleanup_message *f = &m->from;
	struct queue_envelope e = {.id = *queue_writer_id(m->writer),
	    .arrived_us = clock_us(),
	    .sender = f->sender,
	    .forward_sender = m->forward_sender,
	    .envid = f->envid,
	    .ret = f->ret,
	    .body = f->body,
	    .smtputf8 = f->smtputf8,
	    .junk = m->verdict.junk,
	    .origin = str_from(mail_origin_names[f->origin]),
	    .client = STR_EMPTY,
	    .login = f->login,
	    .recipient_count = m->recipient_count,
	    .recipients = m->recipients};

	if (f->queue_id.len > 0)
		id_parse(f->queue_id, &e.id); /* checked at the beginning */
	if (f->session.len > 0)
		id_parse(f->session, &e.session);
	if (f->client_address.len > 0)
		e.client = joined(m, "%.*s[%.*s]", STR_FMT(f->client_name),
		    STR_FMT(f->client_address));
	else if (f->origin == ORIGIN_PICKUP)
		e.client = joined(m, "userid %llu", (unsigned long long)f->uid);
	e.message_id = message_id_of(c, m, facts, &e);
	return e;
}

/* Into the queue. */
static void publish(struct message *m, int *fd)
{
	switch (queue_publish(&m->writer, fd)) {
	case QUEUE_COMMITTED:
		return;
	case QUEUE_EXISTS:
		/* Asked twice, made once. */
		if (m->from.queue_id.len == 0)
			message_refuse(
			    m, 451, "4.3.0", "Queue id taken, try again");
		break;
	case QUEUE_FAILED_COMMIT:
		message_refuse_disk(m, "cannot write the queue file");
		break;
	}
	offer_withdraw();
}

/* The queue file, or what spares it; *id, *fd and *message_id as
 * commit_message says. */
static void write_file(struct cleanup *c, struct message *m,
    const struct header_facts *facts, struct id *id, int *fd,
    struct str *message_id)
{
	struct queue_envelope e = envelope_of(c, m, facts);
	struct buf header = buf_new(m->content.header.len + HEADER_EXTRA);

	build_header(c, m, facts, &e, &header);
	if (!header.overflow)
		sign_header(c, m, &header);
	if (header.overflow)
		message_refuse(m, 552, "5.3.4", "Message header too large");
	if (m->code == 0 && queue_finish(m->writer, buf_str(&header), &e) < 0)
		message_refuse_disk(m, "cannot write the queue file");
	if (m->code == 0 && cut_through(c, m, &e) == CUT_THROUGH_QUEUED)
		publish(m, fd);
	buf_free(&header);
	*id = e.id;
	*message_id = e.message_id;
}

void commit_message(struct cleanup *c, struct message *m, struct id *id,
    int *fd, struct str *message_id)
{
	struct header_facts facts;

	*fd = -1;
	*message_id = STR_EMPTY;
	header_look(buf_str(&m->content.header), &facts);
	check_header(c, m, &facts);
	if (m->code == 0)
		expand_recipients(c, m);
	if (m->code == 0)
		forward_sender(c, m);
	if (m->code == 0)
		write_file(c, m, &facts, id, fd, message_id);
	queue_abort(&m->writer);
}
