/* SPDX-License-Identifier: ISC */
/* ENVELOPE, BODY and BODYSTRUCTURE as IMAP sends them (RFC 9051 7.5.2). */
#include "mail/address.h"
#include "mail/mime.h"

#define ADDRESSES_MAX 10000         /* in one field */
#define ARENA_MAX     (8 * 1048576) /* octets, for one envelope */

static const struct str empty_envelope = STR_INIT(
    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
/* Stands for a body where the grammar wants one and there is none. */
static const struct str empty_text = STR_INIT(
    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");

/* Whether a quoted string can hold s, without line ends; *escapes counts
 * what needs a backslash, *nuls what no string can hold. */
static bool fits_quoted(struct str s, size_t *escapes, size_t *nuls)
{
	bool fits = true;

	*escapes = *nuls = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			++*escapes;
		else if (c == '\0')
			++*nuls;
		else if (c >= 0x80 || c == '\r' || c == '\n')
			fits = false;
	}
	return fits;
}

void mime_nstring(struct str s, bool present, struct buf *out)
{
	size_t escapes, nuls;

	if (!present) {
		buf_add(out, STR("NIL"));
		return;
	}
	bool quoted = fits_quoted(s, &escapes, &nuls);
	if (quoted)
		buf_add_char(out, '"');
	else
		buf_printf(out, "{%zu}\r\n", s.len - nuls);
	if (nuls == 0 && (!quoted || escapes == 0))
		buf_add(out, s);
	else
		for (size_t i = 0; i < s.len && !out->overflow; i++) {
			if (quoted && (s.p[i] == '"' || s.p[i] == '\\'))
				buf_add_char(out, '\\');
			if (s.p[i] != '\0')
				buf_add_char(out, s.p[i]);
		}
	if (quoted)
		buf_add_char(out, '"');
}

/* "" counts as absent. */
static void put_optional(struct str s, struct buf *out)
{
	mime_nstring(s, s.len > 0, out);
}

/* ---- ENVELOPE ---- */

enum {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	FIELDS
};

static const struct str field_names[FIELDS] = {STR_INIT("Date"),
    STR_INIT("Subject"), STR_INIT("From"), STR_INIT("Sender"),
    STR_INIT("Reply-To"), STR_INIT("To"), STR_INIT("Cc"), STR_INIT("Bcc"),
    STR_INIT("In-Reply-To"), STR_INIT("Message-ID")};

/* An unstructured field: unfolded, blanks at its end taken off. */
static void put_text(struct str value, bool present, struct buf *out)
{
	struct buf line = buf_new(out->most);

	value = str_trim(value);
	if (!present || str_find(value, '\n') == value.len) {
		mime_nstring(value, present, out);
		return;
	}
	header_unfold(value, &line);
	mime_nstring(buf_str(&line), true, out);
	buf_free(&line);
}

static void put_address(const struct mailbox *m, struct buf *out)
{
	bool mark = m->group_start || m->group_end;

	buf_add_char(out, '(');
	mime_nstring(m->name, !mark && m->name.len > 0, out);
	buf_add(out, STR(" NIL "));
	if (mark)
		mime_nstring(m->name, m->group_start, out);
	else
		mime_nstring(m->local, true, out);
	buf_add_char(out, ' ');
	mime_nstring(m->domain, !mark, out);
	buf_add_char(out, ')');
}

/* False, and nothing is added, when there is no address in the field. */
static bool put_addresses(
    struct str value, struct arena *arena, struct buf *out)
{
	struct mailbox *list;
	size_t n = address_list(value, arena, ADDRESSES_MAX, &list);

	if (n == 0)
		return false;
	buf_add_char(out, '(');
	for (size_t i = 0; i < n && !out->overflow; i++)
		put_address(&list[i], out);
	buf_add_char(out, ')');
	arena_clear(arena);
	return true;
}

static void put_field(int field, struct str value, bool present,
    struct arena *arena, size_t from[2], struct buf *out)
{
	size_t start = out->len;

	if (field < FROM || field >= IN_REPLY_TO) {
		put_text(value, present, out);
		return;
	}
	bool some = present && put_addresses(value, arena, out);
	if (!some && (field == SENDER || field == REPLY_TO)) {
		/* the same as From; a copy, since out may move */
		if (buf_room(out, from[1]) != NULL) {
			memcpy(out->p + out->len, out->p + from[0], from[1]);
			buf_added(out, from[1]);
		}
	} else if (!some) {
		buf_add(out, STR("NIL"));
	}
	if (field == FROM) {
		from[0] = start;
		from[1] = out->len - start;
	}
}

static void envelope(struct str header, struct arena *arena, struct buf *out)
{
	struct str values[FIELDS];
	bool present[FIELDS] = {false};
	size_t from[2] = {0, 0};
	struct header_field f;
	int got;

	while ((got = header_next(&header, &f)) != 0) {
		if (got < 0)
			continue;
		for (int i = 0; i < FIELDS; i++)
			if (!present[i] &&
			    str_case_eq(f.name, field_names[i])) {
				values[i] = f.value;
				present[i] = true;
				break;
			}
	}
	buf_add_char(out, '(');
	for (int i = 0; i < FIELDS; i++) {
		if (i > 0)
			buf_add_char(out, ' ');
		put_field(i, present[i] ? values[i] : STR_EMPTY, present[i],
		    arena, from, out);
	}
	buf_add_char(out, ')');
}

void mime_envelope(struct str header, struct buf *out)
{
	struct arena arena = arena_new(ARENA_MAX);

	envelope(header, &arena, out);
	arena_free(&arena);
}

/* ---- BODYSTRUCTURE ---- */

struct writer {
	struct str message;
	struct arena arena;
	bool extensions;
	struct buf *out;
};

/* RFC 9051 7.5.2: what RFC 2231 gave a charset is sent in UTF-8 under its
 * name with the "*". */
static void put_param(const struct mime_param *p, struct buf *out)
{
	char name[256];

	if (p->extended && p->name.len < sizeof(name)) {
		memcpy(name, p->name.p, p->name.len);
		name[p->name.len] = '*';
		mime_nstring(str_of(name, p->name.len + 1), true, out);
	} else {
		mime_nstring(p->name, true, out);
	}
	buf_add_char(out, ' ');
	mime_nstring(p->value, true, out);
}

/* charset: says us-ascii where no charset is given (RFC 2046 4.1.2). */
static void put_params(
    const struct mime_param *params, bool charset, struct buf *out)
{
	const char *before = "(";
	struct str value;

	charset = charset && !mime_param_find(params, STR("charset"), &value);
	if (params == NULL && !charset) {
		buf_add(out, STR("NIL"));
		return;
	}
	for (const struct mime_param *p = params; p != NULL; p = p->next) {
		buf_add_text(out, before);
		put_param(p, out);
		before = " ";
	}
	if (charset) {
		buf_add_text(out, before);
		buf_add(out, STR("\"charset\" \"us-ascii\""));
	}
	buf_add_char(out, ')');
}

/* One language is a string, several are a list (RFC 3282). */
static void put_languages(struct str list, struct buf *out)
{
	if (str_find(list, ',') == list.len) {
		put_optional(list, out);
		return;
	}
	const char *before = "(";
	while (list.len > 0) {
		struct str one = str_trim(str_cut(&list, ','));

		if (one.len == 0)
			continue;
		buf_add_text(out, before);
		mime_nstring(one, true, out);
		before = " ";
	}
	buf_add_text(out, before[0] == '(' ? "NIL" : ")");
}

/* Disposition, language, location: the same for all kinds of parts. */
static void put_extension(const struct mime_part *part, struct buf *out)
{
	if (part->disposition.len == 0) {
		buf_add(out, STR("NIL"));
	} else {
		buf_add_char(out, '(');
		mime_nstring(part->disposition, true, out);
		buf_add_char(out, ' ');
		put_params(part->disposition_params, false, out);
		buf_add_char(out, ')');
	}
	buf_add_char(out, ' ');
	put_languages(part->language, out);
	buf_add_char(out, ' ');
	put_optional(part->location, out);
}

static void put_part(struct writer *w, const struct mime_part *part);

static void put_multipart(struct writer *w, const struct mime_part *part)
{
	struct buf *out = w->out;

	for (const struct mime_part *c = part->child; c != NULL; c = c->next)
		put_part(w, c);
	if (part->child == NULL)
		buf_add(out, empty_text);
	buf_add_char(out, ' ');
	mime_nstring(part->subtype, true, out);
	if (!w->extensions)
		return;
	buf_add_char(out, ' ');
	put_params(part->params, false, out);
	buf_add_char(out, ' ');
	put_extension(part, out);
}

/* Envelope, structure and lines of an encapsulated message; one that was not
 * parsed (it is encoded, or lies too deep) shows as an empty one. */
static void put_message(struct writer *w, const struct mime_part *part)
{
	const struct mime_part *inner = part->child;

	buf_add_char(w->out, ' ');
	if (inner == NULL)
		buf_add(w->out, empty_envelope);
	else
		envelope(str_sub(w->message, inner->header_offset,
			     inner->header_len),
		    &w->arena, w->out);
	buf_add_char(w->out, ' ');
	if (inner == NULL)
		buf_add(w->out, empty_text);
	else
		put_part(w, inner);
	buf_printf(w->out, " %zu", part->lines);
}

static bool is_message(const struct mime_part *part)
{
	return str_case_eq(part->type, STR("message")) &&
	    (str_case_eq(part->subtype, STR("rfc822")) ||
		str_case_eq(part->subtype, STR("global")));
}

static void put_single(struct writer *w, const struct mime_part *part)
{
	struct buf *out = w->out;
	bool text = str_case_eq(part->type, STR("text"));

	mime_nstring(part->type, true, out);
	buf_add_char(out, ' ');
	mime_nstring(part->subtype, true, out);
	buf_add_char(out, ' ');
	put_params(part->params, text, out);
	buf_add_char(out, ' ');
	put_optional(part->id, out);
	buf_add_char(out, ' ');
	put_optional(part->description, out);
	buf_add_char(out, ' ');
	mime_nstring(
	    part->encoding.len > 0 ? part->encoding : STR("7bit"), true, out);
	buf_printf(out, " %zu", part->body_len);
	if (is_message(part))
		put_message(w, part);
	else if (text)
		buf_printf(out, " %zu", part->lines);
	if (!w->extensions)
		return;
	buf_add_char(out, ' ');
	put_optional(part->md5, out);
	buf_add_char(out, ' ');
	put_extension(part, out);
}

/* Depth is bounded by the parser. */
static void put_part(struct writer *w, const struct mime_part *part)
{
	buf_add_char(w->out, '(');
	if (str_case_eq(part->type, STR("multipart")))
		put_multipart(w, part);
	else
		put_single(w, part);
	buf_add_char(w->out, ')');
}

void mime_bodystructure(const struct mime_part *root, struct str message,
    bool extensions, struct buf *out)
{
	struct writer w = {message, arena_new(ARENA_MAX), extensions, out};

	put_part(&w, root);
	arena_free(&w.arena);
}
