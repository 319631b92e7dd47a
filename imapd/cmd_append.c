/* SPDX-License-Identifier: ISC */
/*
 * APPEND (RFC 9051 section 6.3.12, MULTIAPPEND of RFC 3502): the messages go
 * from the client straight into the store's bodies; line ends become CRLF on
 * the way.
 */
#include <stdlib.h>

#include "core/clock.h"
#include "core/memory.h"
#include "ipc/trace.h"

#include "imapd/response.h"
#include "imapd/write.h"

#define MESSAGES_MAX 1000 /* of one APPEND */

struct appended {
	struct append_item item;
	struct flag_list flags;
};

struct append {
	struct str mailbox;
	struct appended *items;
	size_t count, room;
	uint64_t octets;          /* of all messages */
	enum store_result result; /* STORE_OK until something is wrong */
	bool too_big, empty;
	char last; /* octet of the message, for its line ends */
};

static void free_items(struct append *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].item.body != NULL)
			store_body_free(&a->items[i].item.body);
	free(a->items);
}

/* Adds octets, a CR before each LF that has none. */
static int add_octets(struct append *a, struct store_body *body, struct str in)
{
	while (in.len > 0) {
		size_t at = str_find(in, '\n');
		struct str line = str_sub(in, 0, at);

		if (line.len > 0) {
			if (store_body_add(body, line.p, line.len) < 0)
				return -1;
			a->last = line.p[line.len - 1];
		}
		if (at == in.len)
			return 0;
		if (store_body_add(body, a->last == '\r' ? "\n" : "\r\n",
			a->last == '\r' ? 1 : 2) < 0)
			return -1;
		a->last = '\n';
		in = str_skip(in, at + 1);
	}
	return 0;
}

/* As add_octets, but whole runs at once where all is well already. */
static int add_run(struct append *a, struct store_body *body, struct str in)
{
	bool fine = true;
	char before = a->last;

	for (const char *p = in.p, *end = in.p + in.len;
	     fine && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		fine = (p == in.p ? before : p[-1]) == '\r';
	if (!fine)
		return add_octets(a, body, in);
	if (in.len > 0)
		a->last = in.p[in.len - 1];
	return store_body_add(body, in.p, in.len);
}

/* Takes the literal's octets from the client; -1 when the client is gone.
 * body NULL: they are thrown away. */
static int stream_literal(
    struct session *s, struct append *a, uint64_t left, struct store_body *body)
{
	a->last = '\0';
	while (left > 0) {
		enum wait_result r = session_wait(
		    s, deadline_in(s->conf->imap_timeout));

		if (r == WAIT_WAKE)
			continue;
		if (r != WAIT_INPUT) {
			s->dead = r == WAIT_GONE;
			session_bye(s, NULL, "The message did not come",
			    "gone or silent in APPEND");
			return -1;
		}
		struct str have = session_peek(s);
		if (have.len > left)
			have.len = (size_t)left;
		if (body != NULL && a->result == STORE_OK &&
		    add_run(a, body, have) < 0)
			a->result = STORE_NO_SPACE;
		left -= have.len;
		session_consume(s, have.len);
	}
	return 0;
}

static struct appended *new_item(struct append *a)
{
	if (a->count == a->room) {
		a->room = a->room * 2 + 1;
		a->items = mem_resize(a->items, a->room, sizeof(*a->items));
	}
	struct appended *i = &a->items[a->count++];
	memset(i, 0, sizeof(*i));
	return i;
}

/* "[(flags) SP] [date-time SP] [~]{n}": what stands before a message. */
static bool parse_options(struct command *c, struct appended *i)
{
	if (parser_peek(&c->in) == '(') {
		if (!arg_flags(c, false, &i->flags) || !parser_space(&c->in))
			return false;
	}
	if (parser_peek(&c->in) == '"') {
		if (!parser_date_time(&c->in, &i->item.internal_date) ||
		    !parser_space(&c->in))
			return false;
	}
	parser_skip(&c->in, '~');
	if (parser_peek(&c->in) != '{')
		return parser_fail(&c->in, "the message is missing");
	for (size_t k = 0; k < i->flags.keyword_count; k++) {
		i->flags.keywords[k] = arena_copy(
		    c->in.arena, i->flags.keywords[k]);
		if (i->flags.keywords[k].p == NULL)
			return parser_fail(&c->in, "too many keywords");
	}
	return true;
}

/* Why this message need not be read; NULL when it is wanted. */
static const char *refuse(struct session *s, struct append *a)
{
	uint64_t len = s->input.literal_len;
	const struct mailbox_info *info = box_find(s->box, a->mailbox);

	if (len > s->conf->imap_append_limit || a->octets + len < len ||
	    a->octets + len > s->conf->imap_append_limit * 4) {
		a->too_big = true;
		return "TOOBIG";
	}
	if (info == NULL || !info->selectable) {
		a->result = STORE_NO_MAILBOX;
		return "TRYCREATE";
	}
	if (a->count > MESSAGES_MAX) {
		a->result = STORE_LIMIT;
		return "LIMIT";
	}
	if (!box_quota_allows(s->box, a->octets + len, a->count)) {
		a->result = STORE_OVER_QUOTA;
		return "OVERQUOTA";
	}
	return NULL;
}

static void respond_refused(
    struct session *s, struct command *c, struct append *a, const char *code)
{
	reply_no(s, c, code,
	    a->too_big ? "The message is too large" : result_text(a->result));
}

/*
 * One message, announced in the input. 0 to go on, -1 when the command is
 * over (a reply was sent, or the client is gone).
 */
static int take_message(struct session *s, struct command *c, struct append *a)
{
	struct appended *i = new_item(a);
	const char *code;

	if (!parse_options(c, i)) {
		reply_bad(s, c, c->in.why);
		input_refuse(&s->input);
		return -1;
	}
	code = refuse(s, a);
	/* What comes without being asked for may as well be read first, but
	 * not when it is large (RFC 7888 section 4). */
	if (code != NULL) {
		respond_refused(s, c, a, code);
		input_refuse(&s->input);
		return -1;
	}
	uint64_t len = s->input.literal_len;
	if (s->input.literal_waits) {
		out_text(s, "+ Go on\r\n");
		out_flush(s);
	}
	input_stream(&s->input);
	i->item.body = store_body_new(s->box);
	if (i->item.body == NULL)
		a->result = STORE_NO_SPACE;
	i->item.flags = i->flags.flags;
	a->octets += len;
	a->empty |= len == 0;
	return stream_literal(s, a, len, i->item.body);
}

static void respond_appended(struct session *s, struct command *c,
    const struct append *a, const struct append_item *items,
    uint32_t uidvalidity)
{
	uint32_t *uids = arena_alloc(&s->arena, a->count * sizeof(*uids));
	struct buf code = buf_new((size_t)1 << 20);

	buf_add_text(&code, "APPENDUID ");
	buf_add_u64(&code, uidvalidity);
	buf_add_char(&code, ' ');
	for (size_t i = 0; uids != NULL && i < a->count; i++)
		uids[i] = items[i].uid;
	if (uids != NULL)
		put_uids(&code, uids, a->count);
	reply_ok(s, c, uids != NULL ? buf_text(&code) : NULL, "Appended");
	buf_free(&code);
}

static void commit(struct session *s, struct command *c, struct append *a)
{
	struct append_item *items = arena_alloc(
	    &s->arena, a->count * sizeof(*items));
	uint32_t uidvalidity = 0;

	if (a->result == STORE_OK && a->empty) {
		/* RFC 3502 section 6.3.11: an empty message cancels. */
		reply_no(s, c, NULL, "An empty message is not stored");
		return;
	}
	if (a->result == STORE_OK && items == NULL)
		a->result = STORE_LIMIT;
	for (size_t i = 0; a->result == STORE_OK && i < a->count; i++) {
		items[i] = a->items[i].item;
		items[i].keywords = a->items[i].flags.keywords;
		items[i].keyword_count = a->items[i].flags.keyword_count;
	}
	if (a->result == STORE_OK)
		a->result = box_append(
		    s->box, a->mailbox, items, a->count, &uidvalidity);
	if (a->result == STORE_OK) {
		trace_event(TRACE_STORED, &s->id, NULL,
		    &(struct trace_fields){.who = str_from(s->login),
			.where = a->mailbox,
			.why = STR("APPEND"),
			.number = a->count});
		respond_appended(s, c, a, items, uidvalidity);
	} else if (a->result == STORE_NO_MAILBOX) {
		reply_no(s, c, "TRYCREATE", result_text(a->result));
	} else {
		reply_result(s, c, a->result, "");
	}
}

/* What stands behind a message: its end, or the next one's options. */
static int next_message(
    struct session *s, struct command *c, struct append *a, bool *more)
{
	enum input_event event;

	if (session_read(s, &event) < 0)
		return -1;
	c->in = parser_new(buf_str(&s->input.text), &s->arena);
	if (event == INPUT_COMMAND && c->in.p == c->in.end) {
		*more = false;
		return 0;
	}
	*more = true;
	if (event == INPUT_LITERAL && parser_space(&c->in))
		return take_message(s, c, a);
	reply_bad(s, c,
	    c->in.why != NULL ? c->in.why
			      : "something stands behind the message");
	if (event == INPUT_LITERAL)
		input_refuse(&s->input);
	return -1;
}

/*
 * Comes here from command_literal with the first message announced, or from
 * the table when there was none, which is an error.
 */
void cmd_append(struct session *s, struct command *c)
{
	struct append a = {.result = STORE_OK};
	bool more = true;

	if (s->input.state != INPUT_UNDECIDED) {
		parser_fail(&c->in, "the message is missing");
		return;
	}
	/* The command's text goes when the message comes. */
	c->tag = arena_copy(&s->arena, c->tag);
	bool ok = c->tag.p != NULL && parser_space(&c->in) &&
	    arg_mailbox(s, c, &a.mailbox) && parser_space(&c->in);
	if (ok) {
		a.mailbox = arena_copy(&s->arena, a.mailbox);
		ok = a.mailbox.p != NULL;
	}
	if (!ok) {
		reply_bad(s, c,
		    c->in.why != NULL ? c->in.why : "the command is too large");
		input_refuse(&s->input);
		return;
	}
	s->keep_arena = true;
	a.result = box_refresh(s->box);
	int r = take_message(s, c, &a);
	while (r == 0 && more)
		r = next_message(s, c, &a, &more);
	if (r == 0)
		commit(s, c, &a);
	free_items(&a);
	s->keep_arena = false;
}
