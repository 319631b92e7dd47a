/* SPDX-License-Identifier: ISC */
/*
 * Address lists of header fields (RFC 5322 3.4 and 4.4), read as tolerant
 * readers do. Linear in the input: an entry is scanned once for what ends
 * it, and once more to take it apart.
 */
#include "mail/address.h"

struct list {
	struct arena *arena;
	char *text; /* where strings are put together: never more octets
	                * than the input has */
	size_t used;
	struct mailbox *entries;
	size_t count, capacity, most;
	bool no_quotes; /* an unclosed quote was seen: they are plain now */
	bool in_group;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Octets of a comment, nested ones included; one that is not closed reaches
 * to the end. */
static size_t comment_length(struct str s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.len;
}

/* Octets of a quoted string or a domain literal with its ends; 0 when it is
 * not closed. */
static size_t closed_length(struct str s, char end)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == end)
			return i + 1;
	}
	return 0;
}

/* Octets of the token at the start of s (which is not empty): a run of
 * blanks, a comment, a quoted string, a literal, or one octet. */
static size_t token_length(struct list *l, struct str s)
{
	size_t n = 0;

	while (n < s.len && is_space(s.p[n]))
		n++;
	if (n > 0)
		return n;
	if (s.p[0] == '(')
		return comment_length(s);
	if (s.p[0] == '"' && !l->no_quotes) {
		n = closed_length(s, '"');
		l->no_quotes = n == 0;
	}
	if (s.p[0] == '\\' && s.len > 1)
		return 2;
	return n > 0 ? n : 1;
}

static bool is_quoted(struct str token)
{
	return token.len > 1 && token.p[0] == '"';
}

/* ---- putting text together ---- */

static void put(struct list *l, char c)
{
	l->text[l->used++] = c;
}

/* The inside of a quoted string or comment: no backslashes, no line ends. */
static void put_inside(struct list *l, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		else if (s.p[i] == '\r' || s.p[i] == '\n')
			continue;
		put(l, s.p[i]);
	}
}

static void put_token(struct list *l, struct str token)
{
	if (is_quoted(token))
		put_inside(l, str_sub(token, 1, token.len - 2));
	else if (token.p[0] == '\\' && token.len > 1)
		put(l, token.p[1]);
	else
		for (size_t i = 0; i < token.len; i++)
			put(l, token.p[i]);
}

/* A phrase: words with one blank between them where blanks or comments
 * stand. */
static struct str phrase(struct list *l, struct str s)
{
	size_t start = l->used;
	bool gap = false;

	while (s.len > 0) {
		struct str token = str_sub(s, 0, token_length(l, s));

		s = str_skip(s, token.len);
		if (is_space(token.p[0]) || token.p[0] == '(') {
			gap = l->used > start;
			continue;
		}
		if (gap)
			put(l, ' ');
		gap = false;
		put_token(l, token);
	}
	return str_of(l->text + start, l->used - start);
}

/* A local part or domain: words and dots, blanks between them dropped. */
static struct str joined(struct list *l, struct str s)
{
	size_t start = l->used;

	while (s.len > 0) {
		struct str token = str_sub(s, 0, token_length(l, s));

		s = str_skip(s, token.len);
		if (!is_space(token.p[0]) && token.p[0] != '(')
			put_token(l, token);
	}
	return str_of(l->text + start, l->used - start);
}

/* The text of the last comment in s, the obsolete place of a name; "". */
static struct str last_comment(struct list *l, struct str s)
{
	struct str comment = STR_EMPTY;
	size_t start;

	while (s.len > 0) {
		struct str token = str_sub(s, 0, token_length(l, s));

		if (token.p[0] == '(')
			comment = str_sub(token, 1,
			    token.len -
				(token.p[token.len - 1] == ')' ? 2 : 1));
		s = str_skip(s, token.len);
	}
	start = l->used;
	put_inside(l, str_trim(comment));
	return str_of(l->text + start, l->used - start);
}

/* ---- entries ---- */

static struct mailbox *add(struct list *l)
{
	if (l->count == l->most)
		return NULL;
	if (l->count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 4 : l->capacity * 4;
		struct mailbox *more = arena_alloc(
		    l->arena, capacity * sizeof(*more));

		if (more == NULL)
			return NULL;
		if (l->count > 0)
			memcpy(more, l->entries, l->count * sizeof(*more));
		l->entries = more;
		l->capacity = capacity;
	}
	struct mailbox *m = &l->entries[l->count++];
	*m = (struct mailbox){
	    .name = STR_EMPTY, .local = STR_EMPTY, .domain = STR_EMPTY};
	return m;
}

/* Takes "local@domain" apart; the last "@" outside quotes divides. */
static void put_spec(struct list *l, struct str spec, struct mailbox *m)
{
	size_t at = spec.len;

	for (size_t i = 0; i < spec.len;) {
		size_t n = token_length(l, str_skip(spec, i));

		if (spec.p[i] == '@')
			at = i;
		i += n;
	}
	m->local = joined(l, str_sub(spec, 0, at));
	m->domain = joined(l, str_skip(spec, at + 1));
}

/* "<...>" with what stands before and behind it. */
static void angle_entry(
    struct list *l, struct str before, struct str inside, struct str behind)
{
	struct str name = phrase(l, before);
	struct mailbox *m;

	inside = str_trim(inside);
	if (inside.len > 0 && inside.p[0] == '@') { /* a route, RFC 5322 4.4 */
		size_t colon = str_find(inside, ':');

		if (colon < inside.len)
			inside = str_skip(inside, colon + 1);
	}
	if (name.len == 0)
		name = last_comment(l, before);
	if (name.len == 0)
		name = last_comment(l, behind);
	if ((name.len == 0 && inside.len == 0) || (m = add(l)) == NULL)
		return;
	m->name = name;
	put_spec(l, inside, m);
}

/*
 * Where the address begins in an entry without angle brackets: words that
 * neither dots nor an "@" join to it are a name whose brackets were
 * forgotten.
 */
static size_t spec_start(struct list *l, struct str s)
{
	size_t start = 0, i = 0;
	bool gap = false, joint = true;

	while (i < s.len) {
		size_t n = token_length(l, str_skip(s, i));
		char c = s.p[i];

		if (is_space(c) || c == '(') {
			gap = true;
		} else {
			bool joins = c == '.' || c == '@';

			if (gap && !joint && !joins)
				start = i;
			joint = joins;
			gap = false;
		}
		i += n;
	}
	return start;
}

static void bare_entry(struct list *l, struct str s, bool has_at)
{
	size_t start = has_at ? spec_start(l, s) : 0;
	struct mailbox *m;
	size_t used = l->used;
	struct str name = phrase(l, str_sub(s, 0, start));

	if (name.len == 0) {
		l->used = used;
		name = last_comment(l, s);
	}
	m = add(l);
	if (m == NULL)
		return;
	m->name = name;
	if (has_at) {
		put_spec(l, str_skip(s, start), m);
		return;
	}
	m->local = joined(l, s);
	if (m->local.len == 0 && m->name.len == 0)
		l->count--; /* blanks and empty comments only */
}

static void group_mark(struct list *l, bool start, struct str name)
{
	struct mailbox *m = add(l);

	l->in_group = start;
	if (m == NULL)
		return;
	m->group_start = start;
	m->group_end = !start;
	if (start)
		m->name = phrase(l, name);
}

/* What ends the entry at the start of in. */
struct ending {
	size_t at;   /* in.len when nothing does */
	char c;      /* one of ",;:<", or 0 */
	bool has_at; /* an "@" stands before it */
};

static struct ending find_ending(struct list *l, struct str in)
{
	struct ending e = {0, 0, false};

	while (e.at < in.len) {
		size_t n = token_length(l, str_skip(in, e.at));
		char c = in.p[e.at];

		if (c == ',' || c == ';' || c == '<' ||
		    (c == ':' && !e.has_at && !l->in_group))
			e.c = c;
		else if (c == '@')
			e.has_at = true;
		if (e.c != 0)
			break;
		e.at += n;
	}
	return e;
}

/* Octets up to the ">", or to what must end the address when it is missing;
 * commas are part of a route only. */
static size_t find_close(struct list *l, struct str s)
{
	struct str start = str_trim(s);
	bool route = start.len > 0 && start.p[0] == '@';
	size_t i = 0;

	while (i < s.len && s.p[i] != '>' && s.p[i] != '<' && s.p[i] != ';' &&
	    (s.p[i] != ',' || route))
		i += token_length(l, str_skip(s, i));
	return i;
}

/* Octets up to the next "," or ";". */
static size_t find_next(struct list *l, struct str s)
{
	size_t i = 0;

	while (i < s.len && s.p[i] != ',' && s.p[i] != ';')
		i += token_length(l, str_skip(s, i));
	return i;
}

/* Reads the entry at the start of in and what ends it; returns the octets. */
static size_t entry(struct list *l, struct str in)
{
	struct ending e = find_ending(l, in);
	struct str before = str_sub(in, 0, e.at);
	size_t used = e.at;

	if (e.c == ':') {
		group_mark(l, true, before);
		return used + 1;
	}
	if (e.c == '<') {
		struct str rest = str_skip(in, e.at + 1);
		size_t close = find_close(l, rest);
		bool closed = close < rest.len && rest.p[close] == '>';
		struct str behind = str_skip(rest, close + closed);
		size_t next = find_next(l, behind);

		angle_entry(l, before, str_sub(rest, 0, close),
		    str_sub(behind, 0, next));
		used = (size_t)(behind.p - in.p) + next;
	} else {
		bare_entry(l, before, e.has_at);
	}
	if (used == in.len)
		return used;
	if (in.p[used] == ';' && l->in_group)
		group_mark(l, false, STR_EMPTY);
	return used + 1;
}

size_t address_list(
    struct str in, struct arena *arena, size_t most, struct mailbox **out)
{
	struct list l = {.arena = arena, .most = most};

	*out = NULL;
	if (in.len == 0 || most == 0)
		return 0;
	l.text = arena_alloc(arena, in.len * 2);
	if (l.text == NULL)
		return 0;
	while (in.len > 0 && l.count < most) {
		size_t n = entry(&l, in);

		in = str_skip(in, n);
	}
	if (l.in_group)
		group_mark(&l, false, STR_EMPTY);
	*out = l.entries;
	return l.count;
}
