/* SPDX-License-Identifier: ISC */
#include "imapd/command.h"

#include <stdlib.h>

#include "imapd/response.h"
#include "imapd/utf7.h"

#include "mail/encode.h"

#define ANY      (AUTHENTICATED | SELECTED)
#define LOOKS    0x100 /* needs the messages of the view */
#define MESSAGES (SELECTED | LOOKS)

struct row {
	const char *verb;
	unsigned states; /* where it is allowed; anywhere else is BAD */
	enum command_sync sync;
	void (*run)(struct session *s, struct command *c);
};

/* clang-format off */
static const struct row rows[] = {
	/* verb          states    told first  function */
	{"APPEND",       ANY,      SYNC_ALL,   cmd_append},
	{"AUTHENTICATE", ANY,      SYNC_NONE,  cmd_logged_in},
	{"CAPABILITY",   ANY,      SYNC_NONE,  cmd_capability},
	{"CHECK",        SELECTED, SYNC_ALL,   cmd_noop},
	{"CLOSE",        SELECTED, SYNC_NONE,  cmd_close},
	{"COPY",         MESSAGES, SYNC_ALL,   cmd_copy},
	{"CREATE",       ANY,      SYNC_NONE,  cmd_create},
	{"DELETE",       ANY,      SYNC_NONE,  cmd_delete},
	{"ENABLE",       ANY,      SYNC_NONE,  cmd_enable},
	{"EXAMINE",      ANY,      SYNC_NONE,  cmd_examine},
	{"EXPUNGE",      MESSAGES, SYNC_ALL,   cmd_expunge},
	{"FETCH",        MESSAGES, SYNC_FLAGS, cmd_fetch},
	{"ID",           ANY,      SYNC_NONE,  cmd_id},
	{"IDLE",         ANY,      SYNC_ALL,   cmd_idle},
	{"LIST",         ANY,      SYNC_NONE,  cmd_list},
	{"LOGIN",        ANY,      SYNC_NONE,  cmd_logged_in},
	{"LOGOUT",       ANY,      SYNC_NONE,  cmd_logout},
	{"LSUB",         ANY,      SYNC_NONE,  cmd_lsub},
	{"MOVE",         MESSAGES, SYNC_ALL,   cmd_move},
	{"NAMESPACE",    ANY,      SYNC_NONE,  cmd_namespace},
	{"NOOP",         ANY,      SYNC_ALL,   cmd_noop},
	{"RENAME",       ANY,      SYNC_NONE,  cmd_rename},
	{"SEARCH",       MESSAGES, SYNC_FLAGS, cmd_search},
	{"SELECT",       ANY,      SYNC_NONE,  cmd_select},
	{"STARTTLS",     ANY,      SYNC_NONE,  cmd_logged_in},
	{"STATUS",       ANY,      SYNC_NONE,  cmd_status},
	{"STORE",        MESSAGES, SYNC_FLAGS, cmd_store},
	{"SUBSCRIBE",    ANY,      SYNC_NONE,  cmd_subscribe},
	{"UNSELECT",     SELECTED, SYNC_NONE,  cmd_unselect},
	{"UNSUBSCRIBE",  ANY,      SYNC_NONE,  cmd_unsubscribe},
};

/* Behind "UID"; these answers may bring EXPUNGE. */
static const struct row uid_rows[] = {
	{"COPY",         MESSAGES, SYNC_ALL,   cmd_copy},
	{"EXPUNGE",      MESSAGES, SYNC_ALL,   cmd_expunge},
	{"FETCH",        MESSAGES, SYNC_ALL,   cmd_fetch},
	{"MOVE",         MESSAGES, SYNC_ALL,   cmd_move},
	{"SEARCH",       MESSAGES, SYNC_ALL,   cmd_search},
	{"STORE",        MESSAGES, SYNC_ALL,   cmd_store},
};
/* clang-format on */

static const struct row *find(
    const struct row *table, size_t count, struct str verb)
{
	for (size_t i = 0; i < count; i++)
		if (str_case_eq(verb, str_from(table[i].verb)))
			return &table[i];
	return NULL;
}

struct str command_tag(struct str text)
{
	struct parser in = parser_new(text, NULL);
	struct str tag;

	return parser_tag(&in, &tag) && tag.len <= COMMAND_TAG_MAX ? tag
								   : STR("*");
}

/* The row of the command that begins in c->in; NULL when there is none. */
static const struct row *cut_verb(struct command *c)
{
	struct str verb;

	if (!parser_word(&c->in, &verb))
		return NULL;
	if (!str_case_eq(verb, STR("UID")))
		return find(rows, ARRAY_LEN(rows), verb);
	c->uid = true;
	if (!parser_space(&c->in) || !parser_word(&c->in, &verb))
		return NULL;
	return find(uid_rows, ARRAY_LEN(uid_rows), verb);
}

/* SELECT left them out. */
static bool has_rows(struct session *s, struct command *c)
{
	enum store_result r = s->gone ? STORE_OK : view_rows(s->view);

	if (r == STORE_OK)
		return true;
	s->gone = r == STORE_GONE;
	reply_result(s, c, r, "");
	return false;
}

void command_run(struct session *s, struct str text)
{
	struct command c = {.in = parser_new(text, &s->arena)};
	const struct row *row;

	if (!parser_tag(&c.in, &c.tag) || !parser_space(&c.in) ||
	    c.tag.len > COMMAND_TAG_MAX) {
		c.tag = command_tag(text);
		reply_bad(
		    s, &c, c.in.why != NULL ? c.in.why : "the tag is too long");
		return;
	}
	row = cut_verb(&c);
	if (row == NULL) {
		reply_bad(s, &c, "this command is not known");
	} else if (!(row->states & s->state)) {
		reply_bad(s, &c, "no mailbox is selected");
	} else {
		c.sync = row->sync;
		if (!(row->states & LOOKS) || has_rows(s, &c))
			row->run(s, &c);
		if (!c.replied)
			reply_bad(s, &c,
			    c.in.why != NULL ? c.in.why : "malformed command");
	}
	arena_clear(&s->arena);
}

bool command_literal(struct session *s, struct str text)
{
	struct command c = {.in = parser_new(text, &s->arena)};
	struct str verb, name;

	/* All but the message: TAG APPEND mailbox SP [flags] [date] */
	if (!parser_tag(&c.in, &c.tag) || c.tag.len > COMMAND_TAG_MAX ||
	    !parser_space(&c.in) || !parser_word(&c.in, &verb) ||
	    !str_case_eq(verb, STR("APPEND")) || !parser_space(&c.in) ||
	    !parser_astring(&c.in, &name) || !parser_space(&c.in)) {
		arena_clear(&s->arena);
		return false;
	}
	c.in = parser_new(text, &s->arena);
	parser_tag(&c.in, &c.tag);
	parser_space(&c.in);
	parser_word(&c.in, &verb);
	c.sync = SYNC_ALL;
	cmd_append(s, &c);
	arena_clear(&s->arena);
	return true;
}

/* ---- arguments ---- */

bool arg_mailbox(struct session *s, struct command *c, struct str *name)
{
	struct str raw;

	if (!parser_astring(&c->in, &raw))
		return false;
	if (raw.len > (size_t)MAILBOX_NAME_MAX * 4)
		return parser_fail(&c->in, "the mailbox name is too long");
	if (s->enabled & ENABLED_REV2) {
		*name = raw;
		return utf8_valid(raw) ||
		    parser_fail(&c->in, "the mailbox name is not UTF-8");
	}
	struct buf utf8 = buf_new(raw.len * 2 + 4);
	if (utf7_decode(raw, &utf8) < 0) {
		buf_free(&utf8);
		return parser_fail(
		    &c->in, "the mailbox name is not modified UTF-7");
	}
	*name = arena_copy(&s->arena, buf_str(&utf8));
	buf_free(&utf8);
	return name->p != NULL || parser_fail(&c->in, "the name is too long");
}

static const struct {
	const char *name;
	uint32_t flag;
} system_flags[] = {
    {"\\Answered", FLAG_ANSWERED},
    {"\\Deleted", FLAG_DELETED},
    {"\\Draft", FLAG_DRAFT},
    {"\\Flagged", FLAG_FLAGGED},
    {"\\Seen", FLAG_SEEN},
};

static bool add_flag(struct command *c, struct str flag, struct flag_list *out)
{
	if (flag.p[0] == '\\') {
		for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
			if (str_case_eq(flag, str_from(system_flags[i].name))) {
				out->flags |= system_flags[i].flag;
				return true;
			}
		}
		return parser_fail(&c->in, "a system flag is not known");
	}
	for (size_t i = 0; i < out->keyword_count; i++)
		if (str_case_eq(out->keywords[i], flag))
			return true;
	if (flag.len > 100)
		return parser_fail(&c->in, "a keyword is too long");
	if (out->keyword_count == FLAG_KEYWORDS_MAX)
		return parser_fail(&c->in, "too many keywords");
	out->keywords[out->keyword_count++] = flag;
	return true;
}

bool arg_flags(struct command *c, bool bare_allowed, struct flag_list *out)
{
	struct str flag;
	bool paren = parser_skip(&c->in, '(');

	out->flags = 0;
	out->keyword_count = 0;
	if (!paren && !bare_allowed)
		return parser_fail(&c->in, "a list of flags is missing");
	if (paren && parser_skip(&c->in, ')'))
		return true;
	do {
		if (!parser_flag(&c->in, &flag) || !add_flag(c, flag, out))
			return false;
	} while (parser_skip(&c->in, ' '));
	return !paren || parser_char(&c->in, ')', "a list does not end");
}

/* "$": the saved uids that are still there. */
static bool saved_to_messages(struct session *s, struct ranges *out)
{
	size_t room = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < s->saved_count; i++) {
		uint32_t seq = view_seq(s->view, s->saved[i]);

		if (seq != 0 && ranges_add(out, &room, seq, &s->arena) < 0)
			return false;
	}
	return true;
}

/* Ranges of uids become ranges of sequence numbers, in place. */
static void uids_to_messages(struct session *s, struct ranges *r)
{
	size_t n = 0;

	r->total = 0;
	for (size_t i = 0; i < r->count; i++) {
		uint32_t first = view_seq_from(s->view, r->r[i].first);
		uint32_t end = r->r[i].last == UINT32_MAX
		    ? view_count(s->view) + 1
		    : view_seq_from(s->view, r->r[i].last + 1);

		if (first >= end)
			continue;
		r->r[n++] = (struct set_range){first, end - 1};
		r->total += end - first;
	}
	r->count = n;
}

bool set_to_messages(struct session *s, const struct set *set, bool uid,
    struct ranges *out, const char **why)
{
	uint32_t count = view_count(s->view);

	*why = "the sequence set is too large";
	if (set->saved)
		return saved_to_messages(s, out);
	if (uid) {
		uint32_t star = count > 0 ? view_message(s->view, count)->uid
					  : UINT32_MAX;

		if (set_normalize(set, star, &s->arena, out) < 0)
			return false;
		uids_to_messages(s, out);
		return true;
	}
	if (set_normalize(set, count, &s->arena, out) < 0)
		return false;
	*why = "there is no message with this number";
	return out->count == 0 ||
	    (out->r[0].first > 0 && out->r[out->count - 1].last <= count);
}

bool arg_messages(struct session *s, struct command *c, struct ranges *out)
{
	struct set set;
	const char *why;

	if (!parser_set(&c->in, &set))
		return false;
	return set_to_messages(s, &set, c->uid, out, &why) ||
	    parser_fail(&c->in, why);
}

bool messages_to_uids(
    struct session *s, const struct ranges *seqs, struct uid_set *out)
{
	uint32_t *uids = arena_alloc(
	    &s->arena, (size_t)(seqs->total + 1) * sizeof(*uids));
	size_t n = 0;

	if (uids == NULL)
		return false;
	for (size_t i = 0; i < seqs->count; i++)
		for (uint32_t q = seqs->r[i].first; q <= seqs->r[i].last; q++)
			uids[n++] = view_message(s->view, q)->uid;
	*out = (struct uid_set){uids, n};
	return true;
}
