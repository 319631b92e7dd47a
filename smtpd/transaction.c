/* SPDX-License-Identifier: ISC */
#include "smtpd/transaction.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/observe.h"
#include "ipc/cleanup.h"
#include "ipc/lookup.h"
#include "ipc/trace.h"
#include "smtpd/data.h"
#include "smtpd/envelope.h"
#include "smtpd/question.h"
#include "smtpd/verification.h"

#define TRIES      4     /* at a cleanup that is being replaced */
#define CHUNK      65536 /* octets of content that travel together */
#define PIECE      32768 /* octets that are decoded at once */
#define CHUNK_MOST (CHUNK + 2 * PIECE + 2)

#define ROOM_STEP (1u << 20) /* octets to which questions are rounded up */
#define ROOM_MS   1000

void transaction_reset(struct session *s)
{
	struct transaction *t = &s->t;

	arena_clear(&t->arena);
	*t = (struct transaction){.arena = t->arena,
	    .sender = STR_EMPTY,
	    .envid = STR_EMPTY,
	    .body = "",
	    .ret = ""};
	if (s->state != CONNECTED)
		s->state = GREETED;
}

/* ---- MAIL ---- */

/* Whether the login may use the address; replies when not. */
static bool owns(struct session *s, struct str sender)
{
	struct lookup_owns question = {
	    .request = 1, .login = str_from(s->login), .address = sender};
	struct lookup_explain why = {1, EXPLAIN_OWNS, sender, question.login};
	const void *answer;
	int status = RESOLVE_TEMPORARY;

	if (sender.len == 0) /* a receipt (RFC 8098) claims nobody's name */
		return true;
	if (ask_lookup(
		s, &lookup_owns, &question, &lookup_owned, &answer, &why) == 0)
		status = ((const struct lookup_owned *)answer)->status;
	else
		log_warning("lookup: %s", s->server->lookup.why);
	if (status == RESOLVE_OK) {
		passes(s, &rule_owner, "dunno", "%s may send as <%.*s>",
		    s->login, STR_FMT(sender));
		return true;
	}
	if (status == RESOLVE_TEMPORARY)
		reject(s, NULL, STR_EMPTY, 451, "4.3.0",
		    "<%.*s>: Temporary lookup failure", STR_FMT(sender));
	else
		reject(s, &rule_owner, STR_EMPTY, 553, "5.7.1",
		    "<%.*s>: Sender address rejected: not owned by user %s",
		    STR_FMT(sender), s->login);
	return false;
}

/* Whether cleanup has room for a message of that size (RFC 1870 section 6.1);
 * replies when not. */
static bool has_room(struct session *s, uint64_t size)
{
	struct server *server = s->server;
	struct cleanup_room question = {(size / ROOM_STEP + 1) * ROOM_STEP};
	const struct cleanup_outcome *o;
	const void *answer;

	if (size < server->room && clock_ms() < server->room_until)
		return true;
	if (peer_call(&server->cleanup, &cleanup_room, &question,
		&cleanup_outcome, &answer,
		deadline_in(server->house->ipc_timeout)) < 0) {
		log_warning(
		    "%s: %s", server->cleanup.socket, server->cleanup.why);
		reject(s, NULL, STR_EMPTY, 451, "4.3.0",
		    "Error: queue file write error");
		return false;
	}
	o = answer;
	if (!o->accepted) {
		reject(s, &rule_space, STR_EMPTY,
		    o->code < 500 ? (int)o->code : 452, "4.3.1", "%.*s",
		    STR_FMT(o->text));
		return false;
	}
	passes(s, &rule_space, "dunno", "the spool has room");
	server->room = question.size;
	server->room_until = deadline_in(ROOM_MS);
	return true;
}

static bool may_send(struct session *s, const struct mail_args *mail)
{
	if (mail->has_size &&
	    mail->size > s->server->house->message_size_limit) {
		reject(s, &rule_size, STR_EMPTY, 552, "5.3.4",
		    "Message size exceeds fixed limit");
		return false;
	}
	passes(s, &rule_size, "dunno", "at most %llu octets%s",
	    (unsigned long long)s->server->house->message_size_limit,
	    mail->has_size ? "" : "; the client did not say how many");
	if (s->server->role == ROLE_SUBMISSION && s->login[0] == '\0') {
		reject(s, &rule_login, STR_EMPTY, 530, "5.7.0",
		    "Authentication required");
		return false;
	}
	if (s->server->role == ROLE_SUBMISSION)
		passes(s, &rule_login, "permit", "logged in as %s", s->login);
	if (s->server->role == ROLE_SUBMISSION && !owns(s, mail->sender))
		return false;
	return has_room(s, mail->has_size ? mail->size : 0);
}

void cmd_mail(struct session *s, struct str args)
{
	struct transaction *t = &s->t;
	struct mail_args mail;
	struct refusal why;

	if (mail_args_parse(args, session_extensions(s), &mail, &why) < 0) {
		reply(s, why.code, why.dsn, "%s", why.text);
		return;
	}
	if (!may_send(s, &mail))
		return;
	transaction_reset(s);
	t->sender = arena_copy(&t->arena, mail.sender);
	t->envid = arena_copy(&t->arena, str_from(mail.envid));
	t->body = mail.body;
	t->ret = mail.ret;
	s->state = HAS_SENDER;
	trace_event(TRACE_ENVELOPE, &s->id, NULL,
	    &(struct trace_fields){.who = t->sender});
	verification_begin(s);
	verification_explain(s);
	reply(s, 250, "2.1.0", "Ok");
}

/* ---- DATA ---- */

/* A message on its way from the client to cleanup. */
struct passage {
	struct session *s;
	struct data_decoder decoder;
	struct buf chunk; /* content that cleanup has not got */
	uint64_t size;    /* octets decoded */
	bool begun;       /* message and recipients were put */
	bool flushed;     /* something has left for cleanup */
	bool repeatable;  /* on another connection */
	int tries;
	struct disposition disposition;
	struct cleanup_verdict verdict;
	bool verified, has_verdict;
	/* the refusal, code 0: none */
	int code;
	const struct rule *rule; /* NULL: a neighbour is away */
	char dsn[IPC_DSN_MAX + 1];
	char text[IPC_REPLY_MAX + 1];
	char queue_id[ID_LEN + 1];
};

static void refuse(struct passage *p, const struct rule *rule, int code,
    const char *dsn, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The first refusal counts. */
static void refuse(struct passage *p, const struct rule *rule, int code,
    const char *dsn, const char *format, ...)
{
	va_list args;

	if (p->code != 0)
		return;
	p->code = code;
	p->rule = rule;
	snprintf(p->dsn, sizeof(p->dsn), "%s", dsn);
	va_start(args, format);
	vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
}

static void cleanup_away(struct passage *p)
{
	struct peer *cleanup = &p->s->server->cleanup;

	log_warning("%s: %s", cleanup->socket, cleanup->why);
	refuse(p, NULL, 451, "4.3.0", "Error: queue file write error");
}

/* The connection failed; -1, or 0 when all can be said once more on a new
 * one. */
static int failed(struct passage *p, enum ipc_result r)
{
	struct peer *cleanup = &p->s->server->cleanup;
	bool again = p->repeatable && !p->flushed && r != IPC_TIMEOUT;

	if (r == IPC_TIMEOUT)
		peer_drop(cleanup, "no answer in time");
	else
		peer_drop(cleanup, "connection lost");
	p->begun = false;
	if (again)
		return 0;
	cleanup_away(p);
	return -1;
}

static struct str protocol(const struct session *s)
{
	static const char *const names[3][4] = {
	    {"SMTP", "SMTP", "SMTP", "SMTP"},
	    {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"},
	    {"LMTP", "LMTPS", "LMTPA", "LMTPSA"},
	};
	int kind = s->server->role == ROLE_LMTP ? 2 : s->esmtp;
	int with = (session_is_tls(s) ? 1 : 0) + (s->login[0] != '\0' ? 2 : 0);

	return str_from(names[kind][with]);
}

static int origin(enum smtp_role role)
{
	switch (role) {
	case ROLE_SUBMISSION:
		return ORIGIN_SUBMISSION;
	case ROLE_LMTP:
		return ORIGIN_LMTP;
	case ROLE_MX:
		break;
	}
	return ORIGIN_MX;
}

static int put_envelope(struct passage *p, struct ipc *ipc)
{
	const struct session *s = p->s;
	struct tls_info info;
	char tls[128] = "";

	if (stream_tls_info(s->stream, &info))
		snprintf(tls, sizeof(tls), "%s with cipher %s (%d/%d bits)",
		    info.protocol, info.cipher, info.bits, info.bits);
	struct cleanup_message m = {
	    .origin = origin(s->server->role),
	    .session = id_str(&s->id),
	    .queue_id = STR_EMPTY,
	    .sender = s->t.sender,
	    .helo = str_from(s->helo),
	    .client_name = str_from(s->name),
	    .client_address = str_from(s->address),
	    .client_port = s->port,
	    .protocol = protocol(s),
	    .tls = str_from(tls),
	    .login = str_from(s->login),
	    .ticket = str_from(s->ticket),
	    .envid = s->t.envid,
	    .ret = str_from(s->t.ret),
	    .body = str_from(s->t.body[0] != '\0' ? s->t.body : "7BIT"),
	};
	if (ipc_put(ipc, &cleanup_message, &m) < 0)
		return -1;
	for (size_t i = 0; i < s->t.count; i++) {
		const struct recipient *r = &s->t.recipients[i];
		struct cleanup_recipient to = {.address = r->address,
		    .original = r->original,
		    .notify = r->notify};
		if (ipc_put(ipc, &cleanup_recipient, &to) < 0)
			return -1;
	}
	return 0;
}

/*
 * Puts the chunk, the envelope before it when it is the first. The chunk is
 * kept, for saying it again; the caller clears it when it is gone.
 */
static struct ipc *put_chunk(struct passage *p)
{
	struct peer *cleanup = &p->s->server->cleanup;
	struct cleanup_content content = {.length = p->chunk.len};

	if (p->begun && cleanup->ipc == NULL)
		return NULL;
	struct ipc *ipc = peer_open(
	    cleanup, deadline_in(p->s->server->house->ipc_timeout));
	if (ipc == NULL) {
		cleanup_away(p);
		return NULL;
	}
	if (!p->begun)
		p->repeatable = ++p->tries < TRIES;
	if ((!p->begun && put_envelope(p, ipc) < 0) ||
	    (p->chunk.len > 0 &&
		(ipc_put(ipc, &cleanup_content, &content) < 0 ||
		    ipc_put_bytes(ipc, p->chunk.p, p->chunk.len) < 0))) {
		peer_drop(cleanup, "message out of bounds");
		cleanup_away(p);
		return NULL;
	}
	p->begun = true;
	return ipc;
}

/* Sends the chunk while the message goes on. */
static void send_chunk(struct passage *p)
{
	int64_t deadline = deadline_in(p->s->server->house->ipc_timeout);

	while (p->code == 0) {
		struct ipc *ipc = put_chunk(p);
		if (ipc == NULL)
			break;
		enum ipc_result r = ipc_flush(ipc, deadline);
		if (r == IPC_OK) {
			p->flushed = true;
			break;
		}
		if (failed(p, r) < 0)
			break;
	}
	buf_clear(&p->chunk);
}

/* What is wrong with the content so far. */
static void judge(struct passage *p)
{
	const struct smtpd_conf *conf = p->s->conf;
	const struct data_decoder *d = &p->decoder;

	if (p->size > p->s->server->house->message_size_limit)
		refuse(
		    p, &rule_size, 552, "5.3.4", "Error: message file too big");
	else if (conf->smtpd_forbid_bare_newline == BARE_REJECT &&
	    (d->bare_cr || d->bare_lf))
		refuse(p, &rule_bare_newline, 550, "5.5.2",
		    "Error: bare %s received", d->bare_lf ? "<LF>" : "<CR>");
	else if (conf->smtpd_forbid_nul && d->nul)
		refuse(p, &rule_nul, 550, "5.5.2", "Error: NUL received");
	else if (d->longest > (uint64_t)conf->smtpd_line_length_limit)
		refuse(
		    p, &rule_line_length, 550, "5.5.2", "Error: line too long");
}

/* Decodes what has arrived. */
static void take_input(struct passage *p)
{
	struct session *s = p->s;
	struct str in = str_sub(stream_peek(s->stream), 0, PIECE);
	size_t before = p->chunk.len;
	size_t taken = data_decode(&p->decoder, in, &p->chunk);

	stream_consume(s->stream, taken);
	p->size += p->chunk.len - before;
	if (p->code == 0)
		judge(p);
	if (p->code == 0)
		verification_content(
		    s, str_of(p->chunk.p + before, p->chunk.len - before));
	if (p->code != 0)
		buf_clear(&p->chunk); /* swallowed from here on */
	else if (p->chunk.len >= CHUNK && p->decoder.state != DATA_ENDED)
		send_chunk(p);
}

/*
 * All content, to the final dot. A client must go on sending (smtpd_timeout)
 * and keep to a least rate on the whole (smtpd_min_data_rate), so that none
 * can stay for ever with an octet a minute. False: it is gone.
 */
static bool take_content(struct passage *p)
{
	struct session *s = p->s;
	int64_t total = deadline_in(s->conf->smtpd_timeout);

	while (p->decoder.state != DATA_ENDED) {
		if (!stream_has_input(s->stream)) {
			int64_t silent = session_silence(s);
			enum stream_result r = stream_wait_input(
			    s->stream, silent < total ? silent : total);
			if (r != STREAM_OK)
				return session_gone(s, r);
		}
		size_t n = stream_peek(s->stream).len;
		take_input(p);
		n -= stream_peek(s->stream).len;
		total += (int64_t)(n * 1000 /
		    (size_t)s->conf->smtpd_min_data_rate);
	}
	return true;
}

static void take_outcome(struct passage *p, const struct cleanup_outcome *o)
{
	char dsn[IPC_DSN_MAX + 1] = "", text[IPC_REPLY_MAX + 1] = "";

	if (o->accepted &&
	    str_copy(p->queue_id, sizeof(p->queue_id), o->queue_id) == 0)
		return;
	if (o->accepted || o->code < 400 || o->code > 599) {
		refuse(p, NULL, 451, "4.3.0", "Error: queue file write error");
		return;
	}
	if (str_copy(dsn, sizeof(dsn), o->dsn) < 0 ||
	    str_copy(text, sizeof(text), o->text) < 0)
		snprintf(text, sizeof(text), "message refused");
	refuse(p, &rule_cleanup, (int)o->code, dsn, "%s", text);
}

/* What its verdict makes of the message. */
static void verify(struct passage *p)
{
	const struct disposition *d = &p->disposition;

	p->verified = true;
	p->has_verdict = verification_end(p->s, &p->disposition, &p->verdict);
	if (d->applied >= APPLIED_REJECT)
		refuse(p, d->rule, d->applied == APPLIED_REJECT ? 550 : 451,
		    d->dsn, "%s", d->why);
}

/* What was found, behind the line that names the client. */
static void log_findings(const struct passage *p)
{
	struct buf line = buf_new(4096);

	if (p->verified)
		verification_line(p->s, &p->disposition, &line);
	if (line.len > 0)
		log_info("%s: %.*s", p->code == 0 ? p->queue_id : "NOQUEUE",
		    STR_FMT(buf_str(&line)));
	buf_free(&line);
}

/*
 * The rest of the content and commit in one go, then the answer. When a
 * connection is lost behind commit the message may be queued or not; only
 * when cleanup cannot have read all of it (it was reset with unread octets)
 * is it said again.
 */
static void commit(struct passage *p)
{
	struct cleanup_commit all = {.size = p->size};
	const struct ipc_type *type = NULL;
	const void *msg = NULL;
	int64_t began = observe_begin();

	while (p->code == 0) {
		int64_t deadline = deadline_in(
		    p->s->server->house->ipc_timeout);
		struct ipc *ipc = put_chunk(p);
		if (ipc == NULL)
			return;
		if ((p->has_verdict &&
			ipc_put(ipc, &cleanup_verdict, &p->verdict) < 0) ||
		    ipc_put(ipc, &cleanup_commit, &all) < 0) {
			cleanup_away(p);
			return;
		}
		enum ipc_result r = ipc_flush(ipc, deadline);
		if (r == IPC_OK)
			r = ipc_wait(ipc, &type, &msg, deadline);
		if (r == IPC_OK && type == &cleanup_outcome) {
			observe_end("commit", began);
			take_outcome(p, msg);
			return;
		}
		if (r == IPC_OK || r == IPC_EOF)
			p->repeatable = false; /* all was read: queued or not */
		if (failed(p, r) < 0)
			return;
	}
}

/*
 * cleanup has part of a message that will not be. The connection ends with
 * it: an early outcome may be on its way, and must not meet the next message.
 */
static void abandon(struct passage *p)
{
	struct cleanup_abort quietly = {.quietly = true};
	struct peer *cleanup = &p->s->server->cleanup;

	if (!p->begun || cleanup->ipc == NULL)
		return;
	if (ipc_put(cleanup->ipc, &cleanup_abort, &quietly) == 0)
		ipc_flush(cleanup->ipc,
		    deadline_in(p->s->server->house->ipc_timeout));
	peer_drop(cleanup, "message given up");
}

static void log_accepted(const struct passage *p)
{
	const struct session *s = p->s;

	if (s->login[0] != '\0')
		log_info("%s: client=%s[%s], sasl_method=%s, sasl_username=%s",
		    p->queue_id, s->name, s->address, s->mechanism, s->login);
	else
		log_info("%s: client=%s[%s]", p->queue_id, s->name, s->address);
}

/* For LMTP each recipient gets a reply of its own (RFC 2033 4.2). */
static void answer(struct passage *p)
{
	struct session *s = p->s;
	bool lmtp = s->server->role == ROLE_LMTP;

	for (size_t i = 0; i < (lmtp ? s->t.count : 1); i++) {
		struct str to = s->t.recipients[i].address;
		if (lmtp && p->code == 0)
			reply(s, 250, "2.0.0", "<%.*s> Ok: queued as %s",
			    STR_FMT(to), p->queue_id);
		else if (p->code == 0)
			reply(s, 250, "2.0.0", "Ok: queued as %s", p->queue_id);
		else if (i == 0)
			reject(s, p->rule, STR_EMPTY, p->code, p->dsn, "%s",
			    p->text);
		else
			reply(s, p->code, p->dsn, "%s", p->text);
	}
}

void cmd_data(struct session *s, struct str args)
{
	struct passage p = {.s = s,
	    .decoder = data_decoder_new(),
	    .chunk = buf_new(CHUNK_MOST)};
	bool whole;

	if (args.len > 0) {
		reply(s, 501, "5.5.4", "Syntax: DATA");
		return;
	}
	if (s->state != HAS_RECIPIENT) {
		reply(s, s->server->role == ROLE_LMTP ? 503 : 554, "5.5.1",
		    "Error: no valid recipients"); /* RFC 2033 4.2 */
		return;
	}
	stream_puts(s->stream, "354 End data with <CR><LF>.<CR><LF>\r\n");
	whole = take_content(&p);
	s->doing = "END-OF-MESSAGE";
	if (whole && p.code == 0)
		verify(&p);
	if (whole && p.code == 0)
		commit(&p);
	else
		abandon(&p);
	if (s->ending == OPEN) {
		if (p.code == 0) {
			log_accepted(&p);
			daemon_count("accepted", 1);
			s->junk = 0;
		}
		log_findings(&p);
		answer(&p);
	}
	if (p.verified &&
	    (p.code == 0 || p.disposition.applied == APPLIED_REJECT))
		verification_report(s, &p.disposition);
	buf_free(&p.chunk);
	transaction_reset(s);
}
