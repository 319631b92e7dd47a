/* SPDX-License-Identifier: ISC */
#include "sendmail/header.h"

#include "mail/address.h"
#include "mail/author.h"
#include "mail/encode.h"
#include "mail/header.h"

#define ARENA_MOST (64u << 20)
#define NAME_MOST  1000

static bool is_one_of(struct str name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (str_case_eq(name, str_from(*names)))
			return true;
	return false;
}

/* ---- writing addresses ---- */

/* RFC 5322 section 3.2.3, and what stands beyond ASCII. */
static bool is_atom_text(char c)
{
	return ascii_alnum(c) || (unsigned char)c >= 128 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_dot_atom(struct str s)
{
	char before = '.';

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.' ? before == '.' : !is_atom_text(s.p[i]))
			return false;
		before = s.p[i];
	}
	return before != '.';
}

static void put_quoted(struct buf *out, struct str s)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_char(out, '\\');
		buf_add_char(
		    out, s.p[i] == '\r' || s.p[i] == '\n' ? ' ' : s.p[i]);
	}
	buf_add_char(out, '"');
}

static void put_mailbox(
    struct buf *out, const struct mailbox *m, const char *origin)
{
	if (is_dot_atom(m->local))
		buf_add(out, m->local);
	else
		put_quoted(out, m->local);
	buf_add_char(out, '@');
	if (m->domain.len > 0)
		buf_add(out, m->domain);
	else
		buf_add_text(out, origin);
}

static bool is_words(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_atom_text(s.p[i]) && s.p[i] != ' ')
			return false;
	return true;
}

/* A display name (RFC 5322 section 3.2.5); the octets beyond ASCII of one that
 * stood in the header stay. */
static void put_name(struct buf *out, struct str name)
{
	if (name.len > 0 && is_words(name))
		buf_add(out, name);
	else
		put_quoted(out, name);
}

/* Control octets, which nobody has in his name, become blanks. */
static struct str clean(const char *name, struct buf *out)
{
	for (; *name != '\0' && out->len < NAME_MOST; name++)
		buf_add_char(out,
		    (unsigned char)*name < ' ' || *name == 127 ? ' ' : *name);
	return str_trim(buf_str(out));
}

/* The name of a person, for a header that is ours: ASCII (RFC 2047). */
static void put_encoded_name(struct buf *out, struct str name)
{
	bool plain = true;

	for (size_t i = 0; i < name.len; i++)
		plain &= (unsigned char)name.p[i] < 128;
	if (plain) {
		put_name(out, name);
		return;
	}
	/* An encoded word has at most 75 octets: pieces of 45 at most, cut
	 * between characters. */
	for (bool first = true; name.len > 0; first = false) {
		struct str piece = str_sub(name, 0, 42);

		if (utf8_valid(name) && utf8_valid_length(piece) > 0)
			piece.len = utf8_valid_length(piece);
		buf_add_text(out, first ? "" : "\r\n ");
		buf_add_text(
		    out, utf8_valid(name) ? "=?UTF-8?B?" : "=?unknown-8bit?B?");
		base64_encode(piece, out);
		buf_add_text(out, "?=");
		name = str_skip(name, piece.len);
	}
}

/* ---- recipients ---- */

static void add_address(
    struct arena *arena, struct addresses *out, struct str address)
{
	struct str copy = arena_copy(arena, address);
	struct address parts;
	const char *why;

	if (copy.p == NULL) {
		out->full = true;
		return;
	}
	if (address_split(copy, true, &parts, &why) < 0) {
		if (out->wrong.len == 0)
			out->wrong = copy;
		return;
	}
	if (out->count == out->room) {
		size_t room = out->room == 0 ? 64 : 2 * out->room;
		struct str *list = arena_alloc(
		    arena, room * sizeof(out->list[0]));

		if (list == NULL) {
			out->full = true;
			return;
		}
		if (out->count > 0)
			memcpy(
			    list, out->list, out->count * sizeof(out->list[0]));
		out->list = list;
		out->room = room;
	}
	out->list[out->count++] = copy;
}

void header_addresses(struct str value, const char *origin, struct arena *arena,
    struct addresses *out)
{
	struct arena work = arena_new(ARENA_MOST);
	struct buf text = buf_new(value.len + 1024 + strlen(origin));
	struct mailbox *list;
	size_t n = address_list(value, &work, HEADER_ADDRESSES_MAX, &list);

	if (n == 0 && str_trim(value).len > 0 && work.used > ARENA_MOST / 2)
		out->full = true;
	for (size_t i = 0; i < n; i++) {
		if (list[i].group_start || list[i].group_end)
			continue;
		if (list[i].local.len == 0) { /* "Anna <>": nobody */
			if (out->wrong.len == 0)
				out->wrong = arena_copy(
				    arena, str_sub(str_trim(value), 0, 200));
			continue;
		}
		buf_clear(&text);
		put_mailbox(&text, &list[i], origin);
		add_address(arena, out, buf_str(&text));
	}
	buf_free(&text);
	arena_free(&work);
}

static const char *const to_fields[] = {"To", "Cc", "Bcc", NULL};
static const char *const resent_to_fields[] = {
    "Resent-To", "Resent-Cc", "Resent-Bcc", NULL};

static bool has_one_of(struct str header, const char *const *names)
{
	struct header_field f;
	int got;

	while ((got = header_next(&header, &f)) != 0)
		if (got > 0 && is_one_of(f.name, names))
			return true;
	return false;
}

void header_recipients(struct str header, const char *origin,
    struct arena *arena, struct addresses *out)
{
	const char *const *names = has_one_of(header, resent_to_fields)
	    ? resent_to_fields
	    : to_fields;
	struct header_field f;
	int got;

	while ((got = header_next(&header, &f)) != 0)
		if (got > 0 && is_one_of(f.name, names))
			header_addresses(f.value, origin, arena, out);
}

/* ---- the finished header ---- */

static bool is_mailbox(const struct mailbox *m)
{
	return !m->group_start && !m->group_end;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

/* Whether a list can be written anew: what is odd is better left alone. */
static bool is_sound(const struct mailbox *list, size_t n)
{
	struct address parts;
	struct buf text = buf_new(2048);
	bool sound = true;
	const char *why;

	for (size_t i = 0; sound && i < n; i++) {
		sound = !has_control(list[i].name);
		if (!sound || !is_mailbox(&list[i]))
			continue;
		buf_clear(&text);
		put_mailbox(&text, &list[i], "x");
		sound = !text.overflow && list[i].local.len > 0 &&
		    address_split(buf_str(&text), true, &parts, &why) == 0;
	}
	buf_free(&text);
	return sound;
}

static bool lacks_domain(const struct mailbox *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_mailbox(&list[i]) && list[i].domain.len == 0)
			return true;
	return false;
}

static void put_list(struct buf *out, struct str name,
    const struct mailbox *list, size_t n, const char *origin)
{
	bool comma = false;

	buf_add(out, name);
	buf_add_text(out, ":");
	for (size_t i = 0; i < n; i++) {
		const struct mailbox *m = &list[i];

		if (m->group_end) {
			buf_add_char(out, ';');
			comma = true;
			continue;
		}
		buf_add_text(out, comma ? ",\r\n\t" : " ");
		comma = !m->group_start;
		if (m->name.len > 0)
			put_name(out, m->name);
		if (m->group_start) {
			buf_add_char(out, ':');
			continue;
		}
		buf_add_text(out, m->name.len > 0 ? " <" : "");
		put_mailbox(out, m, origin);
		buf_add_text(out, m->name.len > 0 ? ">" : "");
	}
	buf_add_text(out, "\r\n");
}

/* A field of addresses; as it stands when all of them have a domain. */
static void put_addresses(
    struct buf *out, const struct header_field *f, const char *origin)
{
	struct arena arena = arena_new(ARENA_MOST);
	struct mailbox *list;
	size_t n = address_list(f->value, &arena, HEADER_ADDRESSES_MAX, &list);

	if (lacks_domain(list, n) && is_sound(list, n))
		put_list(out, f->name, list, n, origin);
	else
		buf_add(out, f->whole);
	arena_free(&arena);
}

void header_finish(struct str header, const char *origin, const char *name,
    struct str sender, struct buf *out)
{
	static const char *const fields[] = {"From", "Sender", "Reply-To", "To",
	    "Cc", "Bcc", "Resent-From", "Resent-Sender", "Resent-To",
	    "Resent-Cc", "Resent-Bcc", NULL};
	static const char *const from[] = {"From", NULL};
	struct header_field f;
	int got;

	if (!has_one_of(header, from) && sender.len > 0) {
		struct buf room = buf_new(NAME_MOST);
		struct str words = clean(name, &room);

		buf_add_text(out, "From: ");
		if (words.len > 0) {
			put_encoded_name(out, words);
			buf_add_text(out, " <");
		}
		buf_add(out, sender);
		buf_add_text(out, words.len > 0 ? ">\r\n" : "\r\n");
		buf_free(&room);
	}
	while ((got = header_next(&header, &f)) != 0) {
		if (got > 0 && is_one_of(f.name, fields))
			put_addresses(out, &f, origin);
		else
			buf_add(out, f.whole);
	}
}

const char *header_wrong(struct str header)
{
	static const char *const from[] = {"From", NULL};
	static const char *const sender[] = {"Sender", NULL};
	struct str from_value = STR_EMPTY, sender_value = STR_EMPTY;
	size_t froms = 0, senders = 0;
	struct header_field f;
	int got;

	while ((got = header_next(&header, &f)) != 0) {
		if (got > 0 && is_one_of(f.name, from) && froms++ == 0)
			from_value = f.value;
		if (got > 0 && is_one_of(f.name, sender) && senders++ == 0)
			sender_value = f.value;
	}
	return author_check(froms, from_value, senders, sender_value);
}
