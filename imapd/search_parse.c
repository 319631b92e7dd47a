/* SPDX-License-Identifier: ISC */
#include "imapd/search.h"

#include "mail/charset.h"
#include "mail/encode.h"

struct reader {
	struct parser *in;
	struct search *search;
	struct str charset; /* "" for none */
	unsigned depth;
};

static bool key(struct reader *r, struct search_key **out);

static struct search_key *new_key(struct reader *r, enum search_kind kind)
{
	struct search_key *k;

	if (++r->search->keys > r->search->most_keys) {
		parser_fail(r->in, "too many search keys");
		return NULL;
	}
	k = arena_alloc(r->in->arena, sizeof(*k));
	if (k == NULL) {
		parser_fail(r->in, "the command is too large");
		return NULL;
	}
	k->kind = kind;
	k->field = k->text = STR_EMPTY;
	return k;
}

/* Text to look for: UTF-8, case-folded, in the arena. */
static bool text(struct reader *r, struct str *out)
{
	struct str raw;

	if (!parser_space(r->in) || !parser_astring(r->in, &raw))
		return false;
	struct buf utf8 = buf_new(raw.len * 4 + 64);
	struct buf folded = buf_new(raw.len * 16 + 256);
	if (r->charset.len > 0)
		charset_to_utf8(r->charset, raw, &utf8);
	else
		buf_add(&utf8, raw);
	text_casefold(buf_str(&utf8), &folded);
	*out = arena_copy(r->in->arena, buf_str(&folded));
	bool ok = !utf8.overflow && !folded.overflow && out->p != NULL;
	buf_free(&utf8);
	buf_free(&folded);
	return ok || parser_fail(r->in, "the command is too large");
}

/* What kinds of arguments the keys have. */
enum argument { NOTHING, FLAG, NOT_FLAG, HEADER_FIELD, TEXT, NUMBER, DAY };

static const struct row {
	const char *name;
	enum search_kind kind;
	enum argument argument;
	uint32_t flags;
	const char *field;
} rows[] = {
    {"ALL", KEY_ALL, NOTHING, 0, NULL},
    {"ANSWERED", KEY_FLAG, FLAG, FLAG_ANSWERED, NULL},
    {"BCC", KEY_HEADER, TEXT, 0, "Bcc"},
    {"BEFORE", KEY_BEFORE, DAY, 0, NULL},
    {"BODY", KEY_BODY, TEXT, 0, NULL},
    {"CC", KEY_HEADER, TEXT, 0, "Cc"},
    {"DELETED", KEY_FLAG, FLAG, FLAG_DELETED, NULL},
    {"DRAFT", KEY_FLAG, FLAG, FLAG_DRAFT, NULL},
    {"FLAGGED", KEY_FLAG, FLAG, FLAG_FLAGGED, NULL},
    {"FROM", KEY_HEADER, TEXT, 0, "From"},
    {"HEADER", KEY_HEADER, HEADER_FIELD, 0, NULL},
    {"LARGER", KEY_LARGER, NUMBER, 0, NULL},
    {"NEW", KEY_NONE, NOTHING, 0, NULL},
    {"OLD", KEY_ALL, NOTHING, 0, NULL},
    {"ON", KEY_ON, DAY, 0, NULL},
    {"RECENT", KEY_NONE, NOTHING, 0, NULL},
    {"SEEN", KEY_FLAG, FLAG, FLAG_SEEN, NULL},
    {"SENTBEFORE", KEY_SENTBEFORE, DAY, 0, NULL},
    {"SENTON", KEY_SENTON, DAY, 0, NULL},
    {"SENTSINCE", KEY_SENTSINCE, DAY, 0, NULL},
    {"SINCE", KEY_SINCE, DAY, 0, NULL},
    {"SMALLER", KEY_SMALLER, NUMBER, 0, NULL},
    {"SUBJECT", KEY_HEADER, TEXT, 0, "Subject"},
    {"TEXT", KEY_TEXT, TEXT, 0, NULL},
    {"TO", KEY_HEADER, TEXT, 0, "To"},
    {"UNANSWERED", KEY_FLAG, NOT_FLAG, FLAG_ANSWERED, NULL},
    {"UNDELETED", KEY_FLAG, NOT_FLAG, FLAG_DELETED, NULL},
    {"UNDRAFT", KEY_FLAG, NOT_FLAG, FLAG_DRAFT, NULL},
    {"UNFLAGGED", KEY_FLAG, NOT_FLAG, FLAG_FLAGGED, NULL},
    {"UNSEEN", KEY_FLAG, NOT_FLAG, FLAG_SEEN, NULL},
};

/* out becomes "not out". */
static bool negate(struct reader *r, struct search_key **out)
{
	struct search_key *not = new_key(r, KEY_NOT);

	if (not == NULL)
		return false;
	not ->child = *out;
	*out = not ;
	return true;
}

static bool arguments(
    struct reader *r, const struct row *row, struct search_key **out)
{
	struct search_key *k = *out;

	switch (row->argument) {
	case NOTHING:
		return true;
	case FLAG:
		k->flags = row->flags;
		return true;
	case NOT_FLAG:
		k->flags = row->flags;
		return negate(r, out);
	case HEADER_FIELD:
		return parser_space(r->in) &&
		    parser_astring(r->in, &k->field) && text(r, &k->text);
	case TEXT:
		k->field = str_from(row->field);
		return text(r, &k->text);
	case NUMBER:
		return parser_space(r->in) && parser_u64(r->in, &k->number);
	case DAY:
		return parser_space(r->in) && parser_day(r->in, &k->day);
	}
	return false;
}

/* "(key key ...)" behind its parenthesis, or the keys at the top. */
static bool keys(struct reader *r, struct search_key **out)
{
	struct search_key *and = new_key(r, KEY_AND), **end;

	if (and == NULL)
		return false;
	end = &and->child;
	do {
		if (!key(r, end))
			return false;
		end = &(*end)->next;
	} while (parser_skip(r->in, ' '));
	*out = and;
	return true;
}

static bool nested(struct reader *r, struct search_key **out)
{
	return keys(r, out) && parser_char(r->in, ')', "a list does not end");
}

static bool or_key(struct reader *r, struct search_key **out)
{
	*out = new_key(r, KEY_OR);
	return *out != NULL && parser_space(r->in) && key(r, &(*out)->child) &&
	    parser_space(r->in) && key(r, &(*out)->child->next);
}

static bool not_key(struct reader *r, struct search_key **out)
{
	return parser_space(r->in) && key(r, out) && negate(r, out);
}

static bool keyword(struct reader *r, bool has, struct search_key **out)
{
	*out = new_key(r, KEY_KEYWORD);
	return *out != NULL && parser_space(r->in) &&
	    parser_flag(r->in, &(*out)->text) && (has || negate(r, out));
}

static bool set_key(
    struct reader *r, enum search_kind kind, struct search_key **out)
{
	*out = new_key(r, kind);
	return *out != NULL && parser_set(r->in, &(*out)->set);
}

/* "MODSEQ [name type] n" (RFC 7162 section 3.1.5); all flags have one
 * modseq, so that name and type make no difference. */
static bool modseq(struct reader *r, struct search_key **out)
{
	struct str unused;

	*out = new_key(r, KEY_MODSEQ);
	if (*out == NULL || !parser_space(r->in))
		return false;
	if (parser_peek(r->in) == '"' &&
	    (!parser_string(r->in, &unused) || !parser_space(r->in) ||
		!parser_word(r->in, &unused) || !parser_space(r->in)))
		return false;
	r->search->by_modseq = true;
	return parser_u64(r->in, &(*out)->number);
}

static bool named_key(struct reader *r, struct search_key **out)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!parser_skip_word(r->in, rows[i].name))
			continue;
		*out = new_key(r, rows[i].kind);
		return *out != NULL && arguments(r, &rows[i], out);
	}
	if (parser_skip_word(r->in, "OR"))
		return or_key(r, out);
	if (parser_skip_word(r->in, "NOT"))
		return not_key(r, out);
	if (parser_skip_word(r->in, "KEYWORD"))
		return keyword(r, true, out);
	if (parser_skip_word(r->in, "UNKEYWORD"))
		return keyword(r, false, out);
	if (parser_skip_word(r->in, "UID"))
		return parser_space(r->in) && set_key(r, KEY_UID, out);
	if (parser_skip_word(r->in, "MODSEQ"))
		return modseq(r, out);
	return parser_fail(r->in, "an unknown search key");
}

static bool key(struct reader *r, struct search_key **out)
{
	int c = parser_peek(r->in);
	bool ok;

	if (++r->depth > PARSER_DEPTH_MAX)
		return parser_fail(r->in, "the search keys nest too deep");
	if (parser_skip(r->in, '('))
		ok = nested(r, out);
	else if (c == '*' || c == '$' || (c >= '0' && c <= '9'))
		ok = set_key(r, KEY_SET, out);
	else
		ok = named_key(r, out);
	r->depth--;
	return ok;
}

static bool return_options(struct parser *in, struct search *out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} options[] = {
	    {"MIN", RETURN_MIN},
	    {"MAX", RETURN_MAX},
	    {"ALL", RETURN_ALL},
	    {"COUNT", RETURN_COUNT},
	    {"SAVE", RETURN_SAVE},
	};

	if (!parser_skip_word(in, "RETURN"))
		return true;
	out->extended = true;
	if (!parser_space(in) || !parser_char(in, '(', "a list is missing"))
		return false;
	while (!parser_skip(in, ')')) {
		size_t i = 0;

		while (i < ARRAY_LEN(options) &&
		    !parser_skip_word(in, options[i].name))
			i++;
		if (i == ARRAY_LEN(options))
			return parser_fail(in, "an unknown return option");
		out->wanted |= options[i].bit;
		if (!parser_skip(in, ' ') && parser_peek(in) != ')')
			return parser_fail(in, "a list does not end");
	}
	if (out->wanted == 0)
		out->wanted = RETURN_ALL;
	return parser_space(in);
}

bool search_parse(struct parser *in, int most_keys, struct search *out)
{
	struct reader r = {in, out, STR_EMPTY, 0};

	memset(out, 0, sizeof(*out));
	out->most_keys = most_keys;
	if (!return_options(in, out))
		return false;
	if (parser_skip_word(in, "CHARSET")) {
		if (!parser_space(in) || !parser_astring(in, &r.charset) ||
		    !parser_space(in))
			return false;
		out->bad_charset = !charset_known(r.charset);
	}
	return keys(&r, &out->program) && parser_end(in);
}
