/* SPDX-License-Identifier: ISC */
#include "smtpd/auth.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/auth.h"
#include "ipc/trace.h"
#include "mail/encode.h"

#define SASL_LINE_MAX  12288 /* octets of base64, RFC 4954 section 4 */
#define ROUNDS_MAX     8     /* challenges of one exchange */
#define BEGINNINGS_MAX 3

bool auth_offered(const struct session *s)
{
	return s->server->role == ROLE_SUBMISSION && session_is_tls(s) &&
	    s->login[0] == '\0';
}

static void log_failure(
    struct session *s, const char *mechanism, struct str why, struct str login)
{
	char user[256];

	log_name(user, sizeof(user), login);
	log_warning("%s[%s]: SASL %s authentication failed: %.*s, "
		    "sasl_username=%s",
	    s->name, s->address, mechanism, STR_FMT(why), user);
	daemon_count("logins_failed", 1);
}

static void away(struct session *s)
{
	log_warning("auth: %s", s->server->auth.why);
	reply(s, 454, "4.7.0", "Temporary authentication failure");
}

/* Passwords do not stay in memory. */
static void forget(struct buf *secret)
{
	if (secret->p != NULL)
		mem_wipe(secret->p, secret->capacity);
	buf_free(secret);
}

/* The client gave up, or sent what is no base64. */
static void cancel(struct session *s, uint64_t request)
{
	struct auth_cancel gone = {.request = request};
	struct peer *auth = &s->server->auth;

	if (auth->ipc != NULL &&
	    (ipc_put(auth->ipc, &auth_cancel, &gone) < 0 ||
		ipc_flush(auth->ipc,
		    deadline_in(s->server->house->ipc_timeout)) != IPC_OK))
		peer_drop(auth, "cancel not sent");
}

/*
 * The response to a challenge, decoded into out. 1 when it is there, 0 when
 * the exchange ended with a reply, -1 when the client is gone.
 */
static int ask_client(struct session *s, struct str challenge, struct buf *out)
{
	struct buf encoded = buf_new(SASL_LINE_MAX * 2);
	struct str line;
	bool bare;

	base64_encode(challenge, &encoded);
	stream_printf(s->stream, "334 %s\r\n", buf_text(&encoded));
	buf_free(&encoded);
	if (!session_line(s, SASL_LINE_MAX, &line, &bare))
		return -1;
	if (str_eq(line, STR("*"))) {
		reply(s, 501, "5.7.0", "Authentication aborted");
		return 0;
	}
	buf_clear(out);
	if (base64_decode(line, out) < 0 || out->overflow) {
		reply(s, 501, "5.5.2", "Cannot decode response");
		return 0;
	}
	return 1;
}

static void succeed(
    struct session *s, const char *mechanism, const struct auth_ok *ok)
{
	if (str_copy(s->login, sizeof(s->login), ok->login) < 0 ||
	    str_copy(s->ticket, sizeof(s->ticket), ok->ticket) < 0) {
		s->login[0] = '\0';
		reply(s, 454, "4.7.0", "Temporary authentication failure");
		return;
	}
	str_copy(s->mechanism, sizeof(s->mechanism), str_from(mechanism));
	trace_event(TRACE_LOGIN, &s->id, NULL,
	    &(struct trace_fields){.who = str_from(s->login),
		.where = STR("smtp"),
		.why = str_from(mechanism)});
	daemon_count("logins", 1);
	daemon_session(s->login, s->address, stream_is_tls(s->stream));
	reply(s, 235, "2.7.0", "Authentication successful");
}

static void fail(
    struct session *s, const char *mechanism, const struct auth_no *no)
{
	log_failure(s, mechanism, no->reason, no->login);
	if (no->temporary)
		reply(s, 454, "4.7.0", "%.*s", STR_FMT(no->text));
	else
		reply(s, 535, "5.7.8", "Error: authentication failed: %.*s",
		    STR_FMT(no->text));
}

/* This process of auth is to end: the next exchange finds another. */
static int skip_leave(struct peer *auth, const struct ipc_type **type,
    const void **answer, int64_t deadline, bool *leave)
{
	while (*type == &auth_leave) {
		*leave = true;
		if (peer_next(auth, type, answer, deadline) < 0)
			return -1;
	}
	return 0;
}

/*
 * The first answer. A process of auth that was to end may have said so on this
 * connection long ago, and close it before it hears of this exchange: what
 * nobody has answered is begun again with the next one.
 */
static int begin_exchange(struct peer *auth, const struct auth_begin *begin,
    const struct ipc_type **type, const void **answer, int64_t wait,
    bool *leave)
{
	int64_t deadline = deadline_in(wait);
	int r = -1;

	for (int i = 0; r < 0 && i < BEGINNINGS_MAX; i++) {
		*leave = false;
		r = peer_ask(auth, &auth_begin, begin, type, answer, deadline);
		if (r == 0)
			r = skip_leave(auth, type, answer, deadline, leave);
		if (r < 0 && !auth->closed)
			break;
	}
	return r;
}

/* auth asks and the client answers, until auth says yes or no. */
static void exchange(
    struct session *s, const char *mechanism, const struct auth_begin *begin)
{
	struct peer *auth = &s->server->auth;
	int64_t wait = s->server->house->ipc_timeout;
	struct buf response = buf_new(SASL_LINE_MAX);
	const struct ipc_type *type;
	const void *answer;
	bool leave = false;
	int r = begin_exchange(auth, begin, &type, &answer, wait, &leave);

	for (int i = 0; r == 0 && type == &auth_challenge; i++) {
		const struct auth_challenge *c = answer;
		if (i == ROUNDS_MAX) {
			cancel(s, begin->request);
			peer_drop(auth, "too many challenges");
			r = -1;
			break;
		}
		int got = ask_client(s, c->data, &response);
		if (got <= 0) {
			cancel(s, begin->request);
			goto out;
		}
		struct auth_respond respond = {
		    .request = begin->request, .data = buf_str(&response)};
		r = peer_answer(auth, &auth_respond, &respond, &type, &answer,
		    deadline_in(wait));
		if (r == 0)
			r = skip_leave(
			    auth, &type, &answer, deadline_in(wait), &leave);
	}
	if (r < 0) {
		away(s);
	} else if (type == &auth_ok) {
		succeed(s, mechanism, answer);
	} else if (type == &auth_no) {
		fail(s, mechanism, answer);
	} else {
		peer_drop(auth, "an answer of another kind");
		away(s);
	}
out:
	if (leave)
		peer_drop(auth, "it was asked for");
	forget(&response);
}

/* Names the mechanism with our own constant; NULL when it is not offered. */
static const char *mechanism_of(struct str word)
{
	static const char *const offered[] = {"PLAIN", "LOGIN"};

	for (size_t i = 0; i < ARRAY_LEN(offered); i++)
		if (str_case_eq(word, str_from(offered[i])))
			return offered[i];
	return NULL;
}

void cmd_auth(struct session *s, struct str args)
{
	static uint64_t request; /* of this process */
	struct str word = str_word(&args, " \t");
	const char *mechanism = mechanism_of(word);
	struct buf initial = buf_new(SASL_LINE_MAX);

	args = str_trim(args);
	if (word.len == 0) {
		reply(s, 501, "5.5.4", "Syntax: AUTH mechanism");
		return;
	}
	if (s->login[0] != '\0') {
		reply(s, 503, "5.5.1", "Error: already authenticated");
		return;
	}
	if (mechanism == NULL) {
		reply(s, 504, "5.5.4", "Error: mechanism not offered");
		return;
	}
	/* "=" is an initial response of no octets (RFC 4954 section 4) */
	if (!str_eq(args, STR("=")) && base64_decode(args, &initial) < 0) {
		reply(s, 501, "5.5.2", "Cannot decode initial response");
		forget(&initial);
		return;
	}
	request++;
	struct auth_begin begin = {
	    .request = request,
	    .service = STR("submission"),
	    .session = id_str(&s->id),
	    .mechanism = str_from(mechanism),
	    .has_initial = args.len > 0,
	    .initial = buf_str(&initial),
	    .client_address = str_from(s->address),
	    .tls = session_is_tls(s),
	};
	exchange(s, mechanism, &begin);
	forget(&initial);
}
