/* SPDX-License-Identifier: ISC */
/*
 * What is said: SMTP (RFC 5321) with PIPELINING (2920), SIZE (1870), 8BITMIME
 * (6152), SMTPUTF8 (6531), DSN (3461) and STARTTLS (3207), and LMTP (2033).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "smtp/session.h"

#define OUTPUT_LOW 65536 /* octets that wait for the server */

const char *dialog_doing(const struct session *s)
{
	switch (s->state) {
	case SESSION_CONNECT:
	case SESSION_BANNER:
		return "while receiving the initial server greeting";
	case SESSION_EHLO:
	case SESSION_HELO:
		return s->lmtp ? "while performing the LHLO handshake"
			       : "while performing the EHLO handshake";
	case SESSION_STARTTLS:
	case SESSION_TLS:
		return "while starting TLS";
	case SESSION_ENVELOPE:
		if (s->replied == 0)
			return "while sending MAIL FROM";
		if (s->replied <= s->count)
			return "while sending RCPT TO";
		return "while sending DATA command";
	case SESSION_BODY:
		return "while sending message body";
	case SESSION_DOT:
		return "while sending end of data";
	case SESSION_IDLE:
	case SESSION_QUIT:
		break;
	}
	return "while sending QUIT";
}

const char *dialog_phase(const struct session *s)
{
	switch (s->state) {
	case SESSION_CONNECT:
		return "connect";
	case SESSION_BANNER:
		return "greeting";
	case SESSION_EHLO:
		return s->lmtp ? "LHLO" : "EHLO";
	case SESSION_HELO:
		return "HELO";
	case SESSION_STARTTLS:
		return "STARTTLS";
	case SESSION_TLS:
		return "TLS handshake";
	case SESSION_ENVELOPE:
		if (s->replied == 0)
			return "MAIL FROM";
		return s->replied <= s->count ? "RCPT TO" : "DATA";
	case SESSION_BODY:
		return "content";
	case SESSION_DOT:
		return "end of data";
	case SESSION_IDLE:
	case SESSION_QUIT:
		break;
	}
	return "QUIT";
}

/* ---- answers from replies ---- */

/* The enhanced code of the reply, or one of its class. */
static void take_code(
    struct answer *a, const struct reply *r, const char *otherwise)
{
	if (r->dsn[0] != '\0')
		snprintf(a->dsn.code, sizeof(a->dsn.code), "%s", r->dsn);
	else
		snprintf(a->dsn.code, sizeof(a->dsn.code), "%u.%s",
		    r->code / 100, otherwise);
	a->code = r->code;
}

/* otherwise: the last two numbers of the enhanced code when the server gives
 * none. A reply that is neither 4xx nor 5xx where one of them or success was
 * due is the server's mistake: later. */
static struct answer refusal(
    struct session *s, const char *otherwise, const char *command)
{
	char words[400];
	struct answer a;

	reply_words(&s->reply, words, sizeof(words));
	a = answer_make(s->reply.code / 100 == 5 ? DSN_FAILED : DSN_DEFERRED,
	    "4.5.0", "host %s[%s] said: %s (in reply to %s)", s->target.host,
	    s->target.address, words, command);
	if (s->reply.code >= 400)
		take_code(&a, &s->reply, otherwise);
	a.code = s->reply.code;
	session_sign(s, &a);
	return a;
}

static struct answer success(struct session *s, const char *otherwise)
{
	struct answer a = {.dsn.action = DSN_DELIVERED};

	reply_words(&s->reply, a.dsn.text, sizeof(a.dsn.text));
	take_code(&a, &s->reply, otherwise);
	session_sign(s, &a);
	return a;
}

static void answer_all(struct session *s, const struct answer *a)
{
	for (size_t i = 0; i < s->count; i++)
		job_answer(s->job, s->rcpts[i], a);
}

/* Everybody has an answer; the connection may serve again or not. */
static void finish(struct session *s, bool good)
{
	struct answer a;

	/* Cannot happen; but nobody is left without an answer. */
	if (s->job->open > 0) {
		a = answer_make(DSN_DEFERRED, "4.3.0", "no answer");
		job_answer_all(s->job, &a);
	}
	session_release(s, good);
}

/* ---- the greeting ---- */

void dialog_start(struct session *s)
{
	session_enter(s, SESSION_BANNER, s->delivery->conf->smtp_helo_timeout);
}

static void say_hello(struct session *s, const char *verb)
{
	const struct smtp_conf *c = s->delivery->conf;

	s->features = 0;
	s->size_limit = 0;
	stream_printf(s->stream, "%s %s\r\n", verb, c->smtp_helo_name);
	session_enter(s,
	    strcmp(verb, "HELO") == 0 ? SESSION_HELO : SESSION_EHLO,
	    c->smtp_helo_timeout);
}

static void take_feature(struct session *s, struct str line)
{
	static const struct {
		struct str word;
		unsigned feature;
	} known[] = {
	    {STR_INIT("PIPELINING"), FEATURE_PIPELINING},
	    {STR_INIT("8BITMIME"), FEATURE_8BITMIME},
	    {STR_INIT("SMTPUTF8"), FEATURE_SMTPUTF8},
	    {STR_INIT("DSN"), FEATURE_DSN},
	    {STR_INIT("STARTTLS"), FEATURE_STARTTLS},
	};
	struct str word = str_word(&line, " ");

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_case_eq(word, known[i].word))
			s->features |= known[i].feature;
	if (str_case_eq(word, STR("SIZE")))
		str_to_u64(str_word(&line, " "), UINT64_MAX, &s->size_limit);
}

/* The server calls itself by our name: the mail would go in circles. */
static bool is_ourselves(const struct session *s, struct str line)
{
	return s->by_mx && !s->lmtp &&
	    str_case_eq(
		str_word(&line, " "), str_from(s->delivery->house->myhostname));
}

static void begin_transaction(struct session *s);

/* Behind EHLO or HELO: TLS first, where it is wanted. */
static void greeted(struct session *s)
{
	const struct smtp_conf *c = s->delivery->conf;
	int level = s->delivery->tls == NULL ? TLS_NONE
					     : c->smtp_tls_security_level;

	if (s->job->connected_us == 0)
		s->job->connected_us = clock_us();
	if (s->tls || level == TLS_NONE ||
	    (level == TLS_MAY &&
		(s->job->plain || !(s->features & FEATURE_STARTTLS)))) {
		begin_transaction(s);
		return;
	}
	if (!(s->features & FEATURE_STARTTLS)) {
		session_fail(s,
		    answer_make(DSN_DEFERRED, "4.7.4",
			"TLS is required, but was not offered by host %s[%s]",
			s->target.host, s->target.address));
		return;
	}
	stream_puts(s->stream, "STARTTLS\r\n");
	session_enter(s, SESSION_STARTTLS, c->smtp_starttls_timeout);
}

/* 4xx or 5xx where the conversation cannot go on: another host may do. */
static void refuse_session(struct session *s, const char *command)
{
	struct answer a = refusal(s, "3.0", command);

	a.dsn.action = DSN_DEFERRED;
	if (a.dsn.code[0] == '5')
		a.dsn.code[0] = '4';
	stream_puts(s->stream, "QUIT\r\n");
	stream_push(s->stream);
	session_fail(s, a);
}

static void on_banner(struct session *s)
{
	if (s->reply.code != 220)
		refuse_session(s, "greeting");
	else
		say_hello(s, s->lmtp ? "LHLO" : "EHLO");
}

static void on_ehlo(struct session *s)
{
	struct str line;
	size_t at = 0;

	if (s->reply.code / 100 == 5 && !s->lmtp) {
		say_hello(s, "HELO"); /* RFC 5321 section 3.2 */
		return;
	}
	if (s->reply.code != 250) {
		refuse_session(s, s->lmtp ? "LHLO command" : "EHLO command");
		return;
	}
	if (reply_line(&s->reply, &at, &line) && is_ourselves(s, line)) {
		struct answer a = answer_make(DSN_FAILED, "5.4.6",
		    "mail for %.*s loops back to myself",
		    STR_FMT(s->job->nexthop));

		session_sign(s, &a);
		job_answer_all(s->job, &a);
		finish(s, false);
		return;
	}
	while (reply_line(&s->reply, &at, &line))
		take_feature(s, line);
	greeted(s);
}

static void on_helo(struct session *s)
{
	if (s->reply.code / 100 != 2)
		refuse_session(s, "HELO command");
	else
		greeted(s);
}

/* ---- TLS ---- */

static void on_starttls(struct session *s)
{
	const struct smtp_conf *c = s->delivery->conf;

	if (s->reply.code == 220) {
		if (stream_tls_client(
			s->stream, s->delivery->tls, s->target.host) < 0) {
			session_fail(s,
			    answer_make(DSN_DEFERRED, "4.7.0",
				"TLS cannot be started"));
			return;
		}
		session_enter(s, SESSION_TLS, c->smtp_starttls_timeout);
		return;
	}
	if (c->smtp_tls_security_level == TLS_MAY && s->reply.code != 421) {
		log_info("%s: %s refused STARTTLS, going on in plaintext",
		    s->job->queue_id.text, s->remote);
		begin_transaction(s);
		return;
	}
	refuse_session(s, "STARTTLS command");
}

void dialog_secured(struct session *s)
{
	struct tls_info info;
	char text[160];

	s->tls = true;
	if (stream_tls_info(s->stream, &info)) {
		snprintf(s->cipher, sizeof(s->cipher),
		    "%s with cipher %.32s (%d bits)", info.protocol,
		    info.cipher, info.bits);
		snprintf(text, sizeof(text), "%s %s with cipher %s",
		    info.verified ? "trusted" : "untrusted", info.protocol,
		    info.cipher);
		if (s->job != NULL)
			trace_host(s, s->job, STR_EMPTY, text);
		log_info("%s TLS connection established to %s: %s with cipher "
			 "%s (%d bits)",
		    info.verified ? "Trusted" : "Untrusted", s->remote,
		    info.protocol, info.cipher, info.bits);
	}
	/* What was said before counts no more (RFC 3207 section 4.2). */
	say_hello(s, s->lmtp ? "LHLO" : "EHLO");
}

/* ---- the envelope ---- */

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

/* No address may end the command it stands in. */
static bool is_sendable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool has(const struct session *s, enum session_feature f)
{
	return (s->features & f) != 0;
}

/* What this server cannot take, for the whole message. true: answered. */
static bool cannot_take(struct session *s)
{
	struct job *j = s->job;
	bool header8 = false, any8 = false;
	bool utf8 = j->smtputf8 && !has(s, FEATURE_SMTPUTF8);
	struct answer a = {.dsn.action = DSN_DELIVERED};

	if (((j->body8 && !has(s, FEATURE_8BITMIME)) || utf8) &&
	    content_is_8bit(&j->content, &header8, &any8) < 0)
		a = answer_make(
		    DSN_DEFERRED, "4.3.0", "the queue file cannot be read");
	else if (utf8 && (header8 || !is_ascii(j->sender)))
		a = answer_make(DSN_FAILED, "5.6.7",
		    "SMTPUTF8 is required, but was not offered by host %s[%s]",
		    s->target.host, s->target.address);
	else if (any8 && !has(s, FEATURE_8BITMIME))
		a = answer_make(DSN_FAILED, "5.6.3",
		    "the message has 8-bit content, and host %s[%s] takes "
		    "7-bit only (8BITMIME was not offered)",
		    s->target.host, s->target.address);
	else if (s->size_limit > 0 && j->size > s->size_limit)
		a = answer_make(DSN_FAILED, "5.3.4",
		    "message size %llu exceeds size limit %llu of server "
		    "%s[%s]",
		    (unsigned long long)j->size,
		    (unsigned long long)s->size_limit, s->target.host,
		    s->target.address);
	else if (!is_sendable(j->sender))
		a = answer_make(
		    DSN_FAILED, "5.1.7", "the sender address cannot be sent");
	if (a.dsn.action == DSN_DELIVERED)
		return false;
	session_sign(s, &a);
	job_answer_all(j, &a);
	return true;
}

/* The recipients that are still without an answer, and can be sent. */
static void list_recipients(struct session *s)
{
	struct job *j = s->job;

	free(s->rcpts);
	s->rcpts = mem_array(j->count, sizeof(s->rcpts[0]));
	s->count = 0;
	for (size_t i = 0; i < j->count; i++) {
		struct rcpt *r = &j->rcpts[i];
		struct answer a;

		r->accepted = false;
		if (r->answer != NULL)
			continue;
		if (!is_sendable(r->address))
			a = answer_make(
			    DSN_FAILED, "5.1.3", "the address cannot be sent");
		else if (!is_ascii(r->address) && !has(s, FEATURE_SMTPUTF8))
			a = answer_make(DSN_FAILED, "5.6.7",
			    "SMTPUTF8 is required, but was not offered by "
			    "host %s[%s]",
			    s->target.host, s->target.address);
		else {
			s->rcpts[s->count++] = r;
			continue;
		}
		job_answer(j, r, &a);
	}
}

/* RFC 3461 section 4. */
static void put_xtext(struct stream *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < '!' || c > '~' || c == '+' || c == '=')
			stream_printf(out, "+%02X", c);
		else
			stream_put(out, str_of(&s.p[i], 1));
	}
}

static void put_mail(struct session *s)
{
	const struct job *j = s->job;
	struct stream *out = s->stream;

	stream_printf(out, "MAIL FROM:<%.*s>", STR_FMT(j->sender));
	if (s->size_limit > 0)
		stream_printf(out, " SIZE=%llu", (unsigned long long)j->size);
	if (j->body8 && has(s, FEATURE_8BITMIME))
		stream_puts(out, " BODY=8BITMIME");
	if (j->smtputf8 && has(s, FEATURE_SMTPUTF8))
		stream_puts(out, " SMTPUTF8");
	if (has(s, FEATURE_DSN) && j->ret.len > 0)
		stream_printf(out, " RET=%.*s", STR_FMT(j->ret));
	if (has(s, FEATURE_DSN) && j->envid.len > 0) {
		stream_puts(out, " ENVID=");
		put_xtext(out, j->envid);
	}
	stream_puts(out, "\r\n");
}

static void put_rcpt(struct session *s, const struct rcpt *r)
{
	struct stream *out = s->stream;
	struct str original = r->original;
	size_t semicolon = str_find(original, ';');

	stream_printf(out, "RCPT TO:<%.*s>", STR_FMT(r->address));
	if (has(s, FEATURE_DSN) && r->notify.len > 0)
		stream_printf(out, " NOTIFY=%.*s", STR_FMT(r->notify));
	if (has(s, FEATURE_DSN) && is_ascii(original)) {
		/* "rfc822;address", or the address first given. */
		if (semicolon == original.len ||
		    !str_case_starts(original, STR("rfc822;"))) {
			stream_puts(out, " ORCPT=rfc822;");
		} else {
			stream_printf(out, " ORCPT=%.*s;",
			    STR_FMT(str_sub(original, 0, semicolon)));
			original = str_skip(original, semicolon + 1);
		}
		put_xtext(out, original);
	}
	stream_puts(out, "\r\n");
}

static void put_command(struct session *s, size_t i)
{
	if (i == 0)
		put_mail(s);
	else if (i <= s->count)
		put_rcpt(s, s->rcpts[i - 1]);
	else
		stream_puts(s->stream, "DATA\r\n");
}

/* The next answer that is due decides how long to wait. */
static void wait_for_next(struct session *s)
{
	const struct smtp_conf *c = s->delivery->conf;

	session_enter(s, SESSION_ENVELOPE,
	    s->replied == 0              ? c->smtp_mail_timeout
		: s->replied <= s->count ? c->smtp_rcpt_timeout
					 : c->smtp_data_init_timeout);
}

static void send_envelope(struct session *s)
{
	size_t most = has(s, FEATURE_PIPELINING) ? s->count + 2
						 : s->replied + 1;

	while (s->sent < most && s->sent < s->count + 2)
		put_command(s, s->sent++);
	wait_for_next(s);
}

static void begin_transaction(struct session *s)
{
	s->sent = s->replied = s->accepted = s->dots = 0;
	s->count = 0;
	s->refused = s->content_put = false;
	if (cannot_take(s)) {
		finish(s, true);
		return;
	}
	list_recipients(s);
	if (s->count == 0) {
		finish(s, true);
		return;
	}
	send_envelope(s);
}

void dialog_again(struct session *s)
{
	reply_start(&s->reply);
	begin_transaction(s);
}

static void on_mail(struct session *s)
{
	struct answer a;

	if (s->reply.code / 100 == 2)
		return;
	s->refused = true;
	a = refusal(s, "0.0", "MAIL FROM command");
	answer_all(s, &a);
}

static void on_rcpt(struct session *s, struct rcpt *r)
{
	struct answer a;

	if (s->refused)
		return;
	if (s->reply.code / 100 == 2) {
		r->accepted = true;
		s->accepted++;
		return;
	}
	a = refusal(s, "0.0", "RCPT TO command");
	/* Too many recipients is no fault of this one (RFC 5321 section
	 * 4.5.3.1.10). */
	if (s->reply.code == 552 && s->accepted > 0) {
		a.dsn.action = DSN_DEFERRED;
		snprintf(a.dsn.code, sizeof(a.dsn.code), "4.5.3");
	}
	job_answer(s->job, r, &a);
}

static void on_data(struct session *s)
{
	const struct smtp_conf *c = s->delivery->conf;
	struct answer a;

	if (s->reply.code == 354 && s->accepted > 0) {
		session_enter(s, SESSION_BODY, c->smtp_data_xfer_timeout);
		return;
	}
	if (s->reply.code == 354) {
		/* Nobody is left: the least that ends it (RFC 2920 section
		 * 3.1). */
		stream_puts(s->stream, ".\r\n");
		finish(s, false);
		return;
	}
	a = refusal(s, "0.0", "DATA command");
	answer_all(s, &a);
	finish(s, false);
}

static void on_envelope(struct session *s)
{
	size_t i = s->replied;

	if (s->reply.code == 421) {
		refuse_session(s,
		    i == 0              ? "MAIL FROM command"
			: i <= s->count ? "RCPT TO command"
					: "DATA command");
		return;
	}
	if (i > s->count) {
		on_data(s);
		return;
	}
	if (i == 0)
		on_mail(s);
	else
		on_rcpt(s, s->rcpts[i - 1]);
	s->replied++; /* until here it says which one was answered */
	/* Without pipelining DATA has not been said yet. */
	if (s->sent < s->count + 2 &&
	    (s->refused || (s->replied > s->count && s->accepted == 0)))
		finish(s, false);
	else
		send_envelope(s);
}

/* ---- content ---- */

void dialog_more_content(struct session *s)
{
	struct buf piece = buf_new(1u << 20);
	int more = 1;

	while (more == 1 && stream_pending(s->stream) < OUTPUT_LOW) {
		buf_clear(&piece);
		more = content_next(&s->job->content, &piece);
		if (more >= 0)
			stream_put(s->stream, buf_str(&piece));
	}
	buf_free(&piece);
	if (more < 0) {
		/* Never a final dot behind half a message. */
		struct delivery *d = s->delivery;
		struct job *j = s->job;
		bool damaged = errno == EBADMSG;
		struct answer a = answer_make(DSN_DEFERRED, "4.3.0",
		    "the queue file %s",
		    damaged ? "is damaged" : "cannot be read");

		if (damaged)
			log_error("%s: the queue file is damaged: what was "
				  "read is not what was written",
			    j->queue_id.text);
		session_end(s);
		job_answer_all(j, &a);
		deliver_done(d, j);
		return;
	}
	if (more == 0)
		session_enter(
		    s, SESSION_DOT, s->delivery->conf->smtp_data_done_timeout);
	else
		session_enter(
		    s, SESSION_BODY, s->delivery->conf->smtp_data_xfer_timeout);
}

/* One answer for all, or of LMTP one for each that was accepted. */
static void on_dot(struct session *s)
{
	struct answer a = s->reply.code / 100 == 2
	    ? success(s, "0.0")
	    : refusal(s, "0.0", "end of DATA command");
	size_t nth = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (!s->rcpts[i]->accepted)
			continue;
		if (!s->lmtp || nth == s->dots)
			job_answer(s->job, s->rcpts[i], &a);
		nth++;
	}
	s->dots++;
	if (!s->lmtp || s->dots == s->accepted)
		finish(s, s->reply.code != 421);
}

/* The server speaks before it has everything: it does not want the rest. */
static void on_early(struct session *s)
{
	struct answer a = refusal(s, "0.0", "message content");

	if (s->reply.code < 400)
		a = answer_make(DSN_DEFERRED, "4.5.0",
		    "protocol error with %s: an answer before the end of the "
		    "data",
		    s->remote);
	session_sign(s, &a);
	answer_all(s, &a);
	struct delivery *d = s->delivery;
	struct job *j = s->job;

	session_end(s);
	deliver_done(d, j);
}

void dialog_reply(struct session *s)
{
	switch (s->state) {
	case SESSION_BANNER:
		on_banner(s);
		return;
	case SESSION_EHLO:
		on_ehlo(s);
		return;
	case SESSION_HELO:
		on_helo(s);
		return;
	case SESSION_STARTTLS:
		on_starttls(s);
		return;
	case SESSION_ENVELOPE:
		on_envelope(s);
		return;
	case SESSION_BODY:
		on_early(s);
		return;
	case SESSION_DOT:
		on_dot(s);
		return;
	case SESSION_CONNECT:
	case SESSION_TLS:
	case SESSION_IDLE:
	case SESSION_QUIT:
		session_end(s);
		return;
	}
}
