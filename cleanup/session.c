/* SPDX-License-Identifier: ISC */
#include "cleanup/session.h"

#include <stdio.h>

#include "cleanup/message.h"
#include "cleanup/offer.h"
#include "cleanup/sign.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/daemon.h"
#include "ipc/trace.h"
#include "mail/srs.h"

/* All of a message but its content. */
#define ARENA_MAX (64u << 20)
/* The injector may itself wait for a slow client; when the injector dies we
 * see the end of the connection at once. */
#define SILENCE_MS (3600 * 1000)
#define SPACE_STEP (1u << 20) /* octets of content between two looks */

struct session {
	struct cleanup *c;
	struct ipc *peer;
	struct proof proof;
	struct message m;
};

/* ---- a message begins ---- */

/* Copies every text of the message into the arena. */
static bool keep_texts(struct message *m)
{
	struct cleanup_message *f = &m->from;
	struct str *const texts[] = {&f->session, &f->queue_id, &f->sender,
	    &f->helo, &f->client_name, &f->client_address, &f->protocol,
	    &f->tls, &f->login, &f->ticket, &f->envid, &f->ret, &f->body};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = arena_copy(&m->arena, *texts[i]);
		if (texts[i]->p == NULL)
			return false;
	}
	return true;
}

/* What goes into commands, headers and logs has no control octets, whoever
 * sent it. */
static bool is_clean(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

/* Adds the domain of this site to an address that has none. */
static struct str complete(struct session *s, struct str address)
{
	struct buf b;
	struct str out;

	if (address.len == 0 || str_find(address, '@') < address.len)
		return arena_copy(&s->m.arena, address);
	b = buf_new(2 * IPC_ADDRESS_MAX);
	buf_add(&b, address);
	buf_add_char(&b, '@');
	buf_add_text(&b, s->c->house->myorigin);
	out = arena_copy(&s->m.arena, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Which origins may come through which entrance. */
static bool may_enter(enum entrance entrance, int origin)
{
	switch (entrance) {
	case ENTRANCE_MX:
		return origin == ORIGIN_MX || origin == ORIGIN_LMTP;
	case ENTRANCE_SUBMIT:
		return origin == ORIGIN_SUBMISSION;
	case ENTRANCE_PICKUP:
		return origin == ORIGIN_PICKUP;
	case ENTRANCE_INTERNAL:
		return origin == ORIGIN_BOUNCE || origin == ORIGIN_LOCAL ||
		    origin == ORIGIN_REPORT;
	}
	return false;
}

/* NULL, or what is wrong with the beginning of a message. */
static const char *check_begin(
    struct session *s, const struct cleanup_message *f)
{
	struct id id;

	if (!may_enter(s->c->entrance, f->origin))
		return "an origin that does not belong here";
	if (f->session.len > 0 && id_parse(f->session, &id) < 0)
		return "a session id that is none";
	if (f->queue_id.len > 0 &&
	    ((s->c->entrance != ENTRANCE_INTERNAL &&
		 s->c->entrance != ENTRANCE_PICKUP) ||
		id_parse(f->queue_id, &id) < 0))
		return "a queue id where none may be given";
	if (!is_clean(f->sender) || !is_clean(f->login) ||
	    !is_clean(f->envid) || !is_clean(f->ret) || !is_clean(f->tls) ||
	    !is_clean(f->helo) || !is_clean(f->client_name) ||
	    !is_clean(f->client_address))
		return "control octets in the envelope";
	return NULL;
}

static void clear_message(struct message *m)
{
	queue_abort(&m->writer);
	sign_clear(m);
	if (m->seven != NULL)
		seven_bit_free(&m->seven);
	m->left = NULL;
	arena_clear(&m->arena);
	buf_clear(&m->content.header);
	m->content.line = 0;
	m->content.in_body = false;
	m->given = m->recipients = NULL;
	m->mailboxes = NULL;
	m->verdict = (struct cleanup_verdict){.junk = false};
	m->given_count = m->given_room = 0;
	m->recipient_count = m->recipient_room = 0;
	m->forward_sender = STR_EMPTY;
	m->size = 0;
	m->code = 0;
}

/* false: the peer does not keep to the exchange. */
static bool begin(struct session *s, const struct cleanup_message *from)
{
	static const char *const senders[] = {[ENTRANCE_MX] = "smtpd",
	    [ENTRANCE_SUBMIT] = "smtpd",
	    [ENTRANCE_PICKUP] = "pickup",
	    [ENTRANCE_INTERNAL] = "bounce, local or reportd"};
	struct message *m = &s->m;
	const char *wrong = check_begin(s, from);

	if (wrong != NULL) {
		log_warning("%s sends %s", senders[s->c->entrance], wrong);
		return false;
	}
	m->from = *from;
	if (!keep_texts(m))
		return false;
	m->from.sender = complete(s, m->from.sender);
	space_check(s->c, m, 0);
	if (m->code == 0)
		pace_check(s->c, m);
	if (m->code != 0)
		return true;
	m->writer = queue_create(s->c->spool_fd);
	if (m->writer == NULL)
		message_refuse_disk(m, "cannot create a queue file");
	return true;
}

/* RFC 3461 section 4.1. -1 when it is not a NOTIFY value. */
static int notify_bits(struct str notify)
{
	static const struct {
		struct str word;
		unsigned bit;
	} words[] = {
	    {STR_INIT("NEVER"), QUEUE_NOTIFY_NEVER},
	    {STR_INIT("SUCCESS"), QUEUE_NOTIFY_SUCCESS},
	    {STR_INIT("FAILURE"), QUEUE_NOTIFY_FAILURE},
	    {STR_INIT("DELAY"), QUEUE_NOTIFY_DELAY},
	};
	unsigned bits = 0;

	while (notify.len > 0) {
		struct str word = str_cut(&notify, ',');
		unsigned bit = 0;

		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (str_case_eq(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0)
			return -1;
		bits |= bit;
	}
	return (int)bits;
}

static bool take_recipient(struct session *s, const struct cleanup_recipient *r)
{
	struct message *m = &s->m;
	struct queue_recipient given;
	int notify = notify_bits(r->notify);

	if (notify < 0 || !is_clean(r->address) || !is_clean(r->original)) {
		log_warning("a recipient that is malformed");
		return false;
	}
	given.address = complete(s, r->address);
	given.original = arena_copy(&m->arena, r->original);
	given.notify = (uint8_t)notify;
	given.forwarded = false;
	if (given.address.p == NULL || given.original.p == NULL ||
	    m->given_count == QUEUE_RECIPIENTS_MAX) {
		message_refuse(m, 452, "4.5.3", "Too many recipients");
		return true;
	}
	message_add(m, &m->given, &m->given_count, &m->given_room, given);
	return true;
}

/* ---- content ---- */

/* As it is hashed and written. */
static void put_body(struct str octets, void *arg)
{
	struct message *m = arg;

	if (m->code != 0 || octets.len == 0)
		return;
	sign_body(m, octets);
	if (queue_add_body(m->writer, octets.p, octets.len) < 0)
		message_refuse_disk(m, "cannot write the queue file");
}

/* The header is whole. */
static void begin_body(struct cleanup *c, struct message *m)
{
	if (m->code != 0 || m->signing.begun)
		return;
	sign_begin(c, m);
	if (sign_wants_seven_bit(c, m))
		m->seven = seven_bit_new(buf_str(&m->content.header),
		    (size_t)c->conf->dkim_sign_7bit_look, put_body, m);
}

static void add_body(struct message *m, const char *p, size_t len)
{
	if (m->seven != NULL)
		seven_bit_add(m->seven, str_of(p, len));
	else
		put_body(str_of(p, len), m);
}

/* The body is whole: its header says what became of it. */
static void end_body(struct message *m)
{
	struct buf *header = &m->content.header;
	struct buf out = buf_new(header->most);

	if (m->seven == NULL)
		return;
	seven_bit_end(m->seven);
	seven_bit_header(m->seven, buf_str(header), &out);
	if (out.overflow)
		message_refuse(m, 552, "5.3.4", "Message header too large");
	m->left = seven_bit_left(m->seven);
	if (seven_bit_changed(m->seven))
		daemon_count("converted", 1);
	if (m->left == NULL)
		m->from.body = STR("7BIT");
	else
		daemon_count("left_8bit", 1);
	buf_clear(header);
	buf_add(header, buf_str(&out));
	buf_free(&out);
}

static void add_content(struct session *s, const char *p, size_t len)
{
	struct message *m = &s->m;
	struct str rest = STR_EMPTY;
	size_t taken = 0;

	m->size += len;
	if (m->size > s->c->house->message_size_limit &&
	    s->c->entrance != ENTRANCE_INTERNAL)
		message_refuse(
		    m, 552, "5.3.4", "Message size exceeds the limit");
	if (m->code != 0)
		return;
	if (!m->content.in_body) {
		taken = splitter_feed(&m->content, p, len, &rest);
		if (m->content.header.overflow)
			message_refuse(
			    m, 552, "5.3.4", "Message header too large");
		if (m->content.in_body)
			begin_body(s->c, m);
		add_body(m, rest.p, rest.len);
	}
	add_body(m, p + taken, len - taken);
	/* Others fill the disk too while this one comes. */
	if (m->code == 0 &&
	    m->size / SPACE_STEP != (m->size - len) / SPACE_STEP)
		space_check(s->c, m, 0);
	/* What is refused anyway need not fill the disk meanwhile. */
	if (m->code != 0)
		queue_abort(&m->writer);
}

static bool take_content(struct session *s, uint64_t length)
{
	while (length > 0) {
		size_t len = (size_t)length;
		const char *p;

		if (ipc_wait_view(s->peer, &p, &len, deadline_in(SILENCE_MS)) !=
		    IPC_OK)
			return false;
		add_content(s, p, len);
		length -= len;
	}
	return true;
}

/* false: not from here, or not as it may be. */
static bool take_verdict(struct session *s, const struct cleanup_verdict *v)
{
	struct message *m = &s->m;

	if ((s->c->entrance != ENTRANCE_MX &&
		s->c->entrance != ENTRANCE_SUBMIT) ||
	    !header_is_folded(v->results) ||
	    !header_is_folded(v->received_spf) || !is_clean(v->arc)) {
		log_warning("a verdict that is malformed, or of no injector "
			    "that may give one");
		return false;
	}
	m->verdict = *v;
	m->verdict.results = arena_copy(&m->arena, v->results);
	m->verdict.received_spf = arena_copy(&m->arena, v->received_spf);
	m->verdict.arc = arena_copy(&m->arena, v->arc);
	if (m->verdict.results.p == NULL || m->verdict.received_spf.p == NULL ||
	    m->verdict.arc.p == NULL)
		message_refuse(m, 452, "4.3.1", "Insufficient system storage");
	return true;
}

/* ---- the end ---- */

static void log_refusal(const struct message *m)
{
	const struct cleanup_message *f = &m->from;

	log_info("NOQUEUE: reject: END-OF-MESSAGE from %.*s[%.*s]: %u %s %s; "
		 "from=<%.*s> proto=%.*s helo=<%.*s>",
	    STR_FMT(f->client_name.len > 0 ? f->client_name : STR("localhost")),
	    STR_FMT(f->client_address), m->code, m->dsn, m->text,
	    STR_FMT(f->sender), STR_FMT(f->protocol), STR_FMT(f->helo));
}

static void put_refusal(const struct message *m, struct cleanup_outcome *out)
{
	out->accepted = false;
	out->queue_id = STR_EMPTY;
	out->code = m->code;
	out->dsn = str_from(m->dsn);
	out->text = str_sub(str_from(m->text), 0, IPC_REPLY_MAX);
}

static bool send_outcome(struct session *s, const struct cleanup_outcome *o)
{
	return ipc_put(s->peer, &cleanup_outcome, o) == 0 &&
	    ipc_flush(s->peer, deadline_in(s->c->house->ipc_timeout)) == IPC_OK;
}

static bool reply(struct session *s, const struct id *id)
{
	struct message *m = &s->m;
	char text[64];
	struct cleanup_outcome outcome = {.accepted = m->code == 0,
	    .queue_id = id_str(id),
	    .code = 250,
	    .dsn = STR("2.0.0")};

	snprintf(text, sizeof(text), "Ok: queued as %s", id->text);
	outcome.text = str_from(text);
	if (m->code != 0)
		put_refusal(m, &outcome);
	return send_outcome(s, &outcome);
}

/* Whether a message of that size would find a place; nothing begins. */
static bool answer_room(struct session *s, uint64_t size)
{
	struct cleanup_outcome outcome = {.accepted = true,
	    .queue_id = STR_EMPTY,
	    .code = 250,
	    .dsn = STR("2.0.0"),
	    .text = STR("Ok")};

	clear_message(&s->m);
	space_check(s->c, &s->m, size);
	if (s->m.code != 0)
		put_refusal(&s->m, &outcome);
	return send_outcome(s, &outcome);
}

/* Where aliases have sent it. */
static void trace_aliases(
    const struct message *m, const struct id *session, const struct id *id)
{
	for (size_t i = 0; i < m->recipient_count; i++) {
		const struct queue_recipient *r = &m->recipients[i];
		struct str given = str_skip(
		    r->original, str_find(r->original, ';') + 1);
		bool is_given = given.len == 0;

		for (size_t k = 0; k < m->given_count && !is_given; k++)
			is_given = str_eq(m->given[k].address, r->address);
		if (!is_given)
			trace_event(TRACE_EXPANDED, session, id,
			    &(struct trace_fields){.who = given,
				.where = r->address,
				.why = srs_is(given) ? STR("srs")
						     : STR("alias")});
	}
}

/* After the reply, so that the client does not wait for it. */
static void report(
    struct session *s, const struct id *id, int *fd, struct str message_id)
{
	const struct message *m = &s->m;
	char code[TRACE_CODE_MAX + 16];
	struct id session = {""};

	if (m->code == 0 && *fd >= 0)
		offer_message(s->c->spool_fd, id, *fd);
	file_close(fd);
	id_parse(m->from.session, &session);
	if (m->code == 0) {
		trace_event(TRACE_QUEUED, &session, id,
		    &(struct trace_fields){.who = message_id,
			.where = m->from.sender,
			.number = m->size});
		trace_aliases(m, &session, id);
		sign_trace(m, &session, id);
		log_info("%s: message-id=%.*s", id->text,
		    STR_FMT(message_id.len > 0 ? message_id : STR("<>")));
		if (m->left != NULL)
			log_info(
			    "%s: not all of 7 bits: %s", id->text, m->left);
		daemon_count("accepted", 1);
		return;
	}
	snprintf(code, sizeof(code), "%u %s", m->code, m->dsn);
	/* With its id, which qmgr told of already when it was proposed. */
	trace_event(TRACE_REFUSED, &session, id,
	    &(struct trace_fields){.where = STR("END-OF-MESSAGE"),
		.code = str_from(code),
		.why = str_from(m->text)});
	log_refusal(m);
	daemon_count("refused", 1);
}

static bool commit(struct session *s, uint64_t size)
{
	struct message *m = &s->m;
	struct str rest, message_id = STR_EMPTY;
	struct id id = {""};
	int fd = -1;
	bool alive;

	if (size != m->size) {
		log_warning("an injector says %llu octets and sent %llu",
		    (unsigned long long)size, (unsigned long long)m->size);
		message_refuse(m, 451, "4.3.0", "Message came incomplete");
	}
	if (m->code == 0) {
		splitter_end(&m->content, &rest);
		if (m->content.header.overflow)
			message_refuse(
			    m, 552, "5.3.4", "Message header too large");
		begin_body(s->c, m);
		add_body(m, rest.p, rest.len);
		end_body(m);
	}
	if (m->given_count == 0)
		message_refuse(m, 554, "5.5.1", "No recipients");
	if (m->code == 0 && s->c->entrance == ENTRANCE_SUBMIT)
		proof_check(s->c, &s->proof, m);
	if (m->code == 0)
		commit_message(s->c, m, &id, &fd, &message_id);
	alive = reply(s, &id);
	report(s, &id, &fd, message_id);
	return alive;
}

/* From `message` to the outcome or `abort`. false: the connection ends. */
static bool gather(struct session *s)
{
	const struct ipc_type *type;
	const void *msg;

	for (;;) {
		if (ipc_wait(s->peer, &type, &msg, deadline_in(SILENCE_MS)) !=
		    IPC_OK)
			return false;
		if (type == &cleanup_commit)
			return commit(
			    s, ((const struct cleanup_commit *)msg)->size);
		if (type == &cleanup_abort)
			return true;
		if (type == &cleanup_recipient && s->m.size == 0) {
			if (!take_recipient(s, msg))
				return false;
		} else if (type == &cleanup_content) {
			if (!take_content(s,
				((const struct cleanup_content *)msg)->length))
				return false;
		} else if (type == &cleanup_verdict) {
			if (!take_verdict(s, msg))
				return false;
		} else {
			log_warning(
			    "\"%s\" in the middle of a message", type->name);
			return false;
		}
	}
}

static bool serve_message(struct session *s)
{
	const struct ipc_type *type;
	const void *msg;
	/* The same bound as within a message: the socket keeps its timeout. */
	enum ipc_result r = ipc_wait(
	    s->peer, &type, &msg, deadline_in(SILENCE_MS));

	if (r == IPC_BROKEN)
		log_warning("lost an injector: %s", ipc_why(s->peer));
	if (r != IPC_OK)
		return false;
	if (type == &cleanup_room)
		return answer_room(s, ((const struct cleanup_room *)msg)->size);
	if (type != &cleanup_message) {
		log_warning("\"%s\" without a message", type->name);
		return false;
	}
	clear_message(&s->m);
	if (!begin(s, msg) || !gather(s))
		return false;
	clear_message(&s->m);
	return true;
}

void session_run(struct cleanup *c, int fd)
{
	/* Kept from connection to connection for its memory. */
	static struct session s;

	if (s.m.arena.most == 0) {
		s.m.arena = arena_new(ARENA_MAX);
		s.m.content = splitter_new((size_t)c->house->header_size_limit);
	}
	s.c = c;
	s.proof.ticket[0] = '\0';
	s.peer = ipc_server(fd, &cleanup_exchange);
	while (ipc_has_input(s.peer) || daemon_idle(ipc_fd(s.peer)))
		if (!serve_message(&s))
			break;
	clear_message(&s.m); /* the peer went away within a message */
	ipc_close(&s.peer);
}
