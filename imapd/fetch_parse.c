/* SPDX-License-Identifier: ISC */
#include "imapd/fetch.h"

#include "imapd/write.h"

#define FIELDS_MAX 500   /* of one HEADER.FIELDS */
#define LABEL_MAX  16384 /* octets of what a response calls a section */

static struct section *add_section(struct parser *in, struct fetch *f)
{
	if (f->section_count == FETCH_SECTIONS_MAX) {
		parser_fail(in, "too many sections");
		return NULL;
	}
	if (f->section_count == f->section_room) {
		size_t more = f->section_room * 2 + 4;
		struct section *grown = arena_alloc(
		    in->arena, more * sizeof(*grown));

		if (grown == NULL) {
			parser_fail(in, "the command is too large");
			return NULL;
		}
		if (f->section_count > 0)
			memcpy(grown, f->sections,
			    f->section_count * sizeof(*grown));
		f->sections = grown;
		f->section_room = more;
	}
	struct section *s = &f->sections[f->section_count++];
	memset(s, 0, sizeof(*s));
	s->part = STR_EMPTY;
	return s;
}

/* "1.2.3", and the dot before a word behind it. *word: one must follow. */
static bool part_number(struct parser *in, struct section *s, bool *word)
{
	const char *start = in->p, *end = in->p;
	uint32_t number;

	*word = false;
	while (ascii_digit((char)parser_peek(in))) {
		if (*in->p == '0')
			return parser_fail(in, "a part number is malformed");
		if (!parser_u32(in, &number))
			return false;
		end = in->p;
		*word = parser_skip(in, '.');
		if (!*word)
			break;
	}
	s->part = str_of(start, (size_t)(end - start));
	return true;
}

/* " (name name)" */
static bool field_names(struct parser *in, struct section *s)
{
	struct str name;
	size_t room = 0;

	if (!parser_space(in) || !parser_char(in, '(', "a list is missing"))
		return false;
	do {
		if (!parser_astring(in, &name))
			return false;
		if (s->field_count == FIELDS_MAX)
			return parser_fail(in, "too many header fields");
		if (s->field_count == room) {
			size_t more = room * 2 + 8;
			struct str *grown = arena_alloc(
			    in->arena, more * sizeof(*grown));

			if (grown == NULL)
				return parser_fail(
				    in, "the command is too large");
			if (room > 0)
				memcpy(grown, s->fields, room * sizeof(*grown));
			s->fields = grown;
			room = more;
		}
		s->fields[s->field_count++] = name;
	} while (parser_skip(in, ' '));
	return parser_char(in, ')', "a list does not end");
}

static bool section_text(struct parser *in, struct section *s)
{
	if (parser_skip_word(in, "HEADER.FIELDS.NOT"))
		s->kind = SECTION_FIELDS_NOT;
	else if (parser_skip_word(in, "HEADER.FIELDS"))
		s->kind = SECTION_FIELDS;
	else if (parser_skip_word(in, "HEADER"))
		s->kind = SECTION_HEADER;
	else if (parser_skip_word(in, "TEXT"))
		s->kind = SECTION_TEXT;
	else if (s->part.len > 0 && parser_skip_word(in, "MIME"))
		s->kind = SECTION_MIME;
	else
		return parser_fail(in, "an unknown section");
	return (s->kind != SECTION_FIELDS && s->kind != SECTION_FIELDS_NOT) ||
	    field_names(in, s);
}

static bool section_spec(struct parser *in, struct section *s, bool binary)
{
	bool word;

	if (!parser_char(in, '[', "a section is missing") ||
	    !part_number(in, s, &word))
		return false;
	if (!binary && (word || (s->part.len == 0 && parser_peek(in) != ']'))) {
		if (!section_text(in, s))
			return false;
	} else if (word) {
		return parser_fail(in, "a part number is malformed");
	}
	return parser_char(in, ']', "a section does not end");
}

static bool partial(struct parser *in, struct section *s)
{
	if (!parser_skip(in, '<'))
		return true;
	s->partial = true;
	if (!parser_u64(in, &s->offset) ||
	    !parser_char(in, '.', "a partial range is malformed") ||
	    !parser_u64(in, &s->len) ||
	    !parser_char(in, '>', "a partial range does not end"))
		return false;
	return s->len > 0 || parser_fail(in, "a partial range is empty");
}

static bool make_label(struct parser *in, struct section *s, const char *item)
{
	static const char *const words[] = {
	    [SECTION_ALL] = "",
	    [SECTION_HEADER] = "HEADER",
	    [SECTION_FIELDS] = "HEADER.FIELDS",
	    [SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT",
	    [SECTION_TEXT] = "TEXT",
	    [SECTION_MIME] = "MIME",
	    [SECTION_BINARY] = "",
	    [SECTION_BINARY_SIZE] = "",
	};
	struct buf out = buf_new(LABEL_MAX);

	buf_add_text(&out, item);
	buf_add_char(&out, '[');
	buf_add(&out, s->part);
	if (s->part.len > 0 && words[s->kind][0] != '\0')
		buf_add_char(&out, '.');
	buf_add_text(&out, words[s->kind]);
	for (size_t i = 0; i < s->field_count; i++) {
		buf_add_text(&out, i == 0 ? " (" : " ");
		put_astring(&out, s->fields[i], false);
	}
	buf_add_text(&out, s->field_count > 0 ? ")]" : "]");
	if (s->partial) {
		buf_add_char(&out, '<');
		buf_add_u64(&out, s->offset);
		buf_add_char(&out, '>');
	}
	s->label = arena_copy(in->arena, buf_str(&out));
	bool ok = !out.overflow && s->label.p != NULL;
	buf_free(&out);
	return ok || parser_fail(in, "the command is too large");
}

/* BODY[...], BODY.PEEK[...] */
static bool body_section(struct parser *in, struct fetch *f, bool peek)
{
	struct section *s = add_section(in, f);

	f->sees |= !peek;
	return s != NULL && section_spec(in, s, false) && partial(in, s) &&
	    make_label(in, s, "BODY");
}

static bool binary_section(struct parser *in, struct fetch *f, bool peek)
{
	struct section *s = add_section(in, f);

	f->sees |= !peek;
	if (s == NULL || !section_spec(in, s, true) || !partial(in, s))
		return false;
	s->kind = SECTION_BINARY;
	return make_label(in, s, "BINARY");
}

static bool binary_size(struct parser *in, struct fetch *f)
{
	struct section *s = add_section(in, f);

	if (s == NULL || !section_spec(in, s, true))
		return false;
	s->kind = SECTION_BINARY_SIZE;
	return make_label(in, s, "BINARY.SIZE");
}

/* RFC822, RFC822.HEADER, RFC822.TEXT of RFC 3501 */
static bool old_section(struct parser *in, struct fetch *f,
    enum section_kind kind, const char *label, bool peek)
{
	struct section *s = add_section(in, f);

	if (s == NULL)
		return false;
	s->kind = kind;
	s->label = str_from(label);
	f->sees |= !peek;
	return true;
}

static bool item(struct parser *in, struct fetch *f)
{
	static const struct {
		const char *name;
		unsigned item;
	} simple[] = {
	    {"UID", FETCH_UID},
	    {"FLAGS", FETCH_FLAGS},
	    {"INTERNALDATE", FETCH_DATE},
	    {"RFC822.SIZE", FETCH_SIZE},
	    {"MODSEQ", FETCH_MODSEQ},
	    {"ENVELOPE", FETCH_ENVELOPE},
	    {"BODYSTRUCTURE", FETCH_STRUCTURE},
	};

	for (size_t i = 0; i < ARRAY_LEN(simple); i++) {
		if (parser_skip_word(in, simple[i].name)) {
			f->items |= simple[i].item;
			return true;
		}
	}
	if (parser_skip_word(in, "BODY.PEEK"))
		return body_section(in, f, true);
	if (parser_skip_word(in, "BODY")) {
		if (parser_peek(in) == '[')
			return body_section(in, f, false);
		f->items |= FETCH_BODY;
		return true;
	}
	if (parser_skip_word(in, "BINARY.PEEK"))
		return binary_section(in, f, true);
	if (parser_skip_word(in, "BINARY.SIZE"))
		return binary_size(in, f);
	if (parser_skip_word(in, "BINARY"))
		return binary_section(in, f, false);
	if (parser_skip_word(in, "RFC822.HEADER"))
		return old_section(
		    in, f, SECTION_HEADER, "RFC822.HEADER", true);
	if (parser_skip_word(in, "RFC822.TEXT"))
		return old_section(in, f, SECTION_TEXT, "RFC822.TEXT", false);
	if (parser_skip_word(in, "RFC822"))
		return old_section(in, f, SECTION_ALL, "RFC822", false);
	return parser_fail(in, "an unknown item");
}

bool fetch_parse(struct parser *in, struct fetch *out)
{
	const unsigned fast = FETCH_FLAGS | FETCH_DATE | FETCH_SIZE;

	memset(out, 0, sizeof(*out));
	if (parser_skip_word(in, "FAST")) {
		out->items = fast;
	} else if (parser_skip_word(in, "ALL")) {
		out->items = fast | FETCH_ENVELOPE;
	} else if (parser_skip_word(in, "FULL")) {
		out->items = fast | FETCH_ENVELOPE | FETCH_BODY;
	} else if (parser_skip(in, '(')) {
		do {
			if (!item(in, out))
				return false;
		} while (parser_skip(in, ' '));
		return parser_char(in, ')', "a list does not end");
	} else {
		return item(in, out);
	}
	return true;
}
