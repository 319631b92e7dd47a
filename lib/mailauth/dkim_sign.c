/* SPDX-License-Identifier: ISC */
#include "mailauth/dkim_sign.h"

#include "mail/encode.h"

#define FIELD_MOST  65536
#define LINE_COLUMN 76
#define FOLD_OCTETS 72
#define SEPARATORS  " ,:\t\r\n"

static size_t count_fields(const struct header_fields *fields, struct str name)
{
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++)
		count += str_case_eq(fields->list[i].name, name);
	return count;
}

static bool in_list(struct str list, struct str name)
{
	struct str word;

	while ((word = str_word(&list, SEPARATORS)).len > 0)
		if (str_case_eq(word, name))
			return true;
	return false;
}

static void add_names(struct str name, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		if (out->len > 0)
			buf_add_char(out, ':');
		buf_add(out, name);
	}
}

void dkim_names(const struct dkim_signing *s,
    const struct header_fields *fields, struct buf *out)
{
	struct str plain = s->fields, over = s->oversigned, word;

	while ((word = str_word(&over, SEPARATORS)).len > 0)
		add_names(word, count_fields(fields, word) + 1, out);
	while ((word = str_word(&plain, SEPARATORS)).len > 0)
		if (!in_list(s->oversigned, word))
			add_names(word, count_fields(fields, word), out);
}

void dkim_add_names(struct str names, struct buf *out)
{
	size_t column = 3;
	struct str name;
	bool first = true;

	while (tags_item(&names, &name)) {
		if (!first)
			buf_add_char(out, ':');
		if (!first && column + name.len + 2 > LINE_COLUMN) {
			buf_add_text(out, "\r\n\t ");
			column = 9;
		}
		buf_add(out, name);
		column += name.len + 1;
		first = false;
	}
}

/* Appends a signature behind "b=", its lines broken at an octet count. */
static void fold(struct str text, size_t line, struct buf *out)
{
	for (size_t room = line - 2; text.len > 0; room = line) {
		struct str part = str_sub(text, 0, room);
		buf_add(out, part);
		text = str_skip(text, part.len);
		if (text.len > 0)
			buf_add_text(out, "\r\n\t");
	}
}

int dkim_finish_field(const struct dkim_key *key, const uint8_t digest[32],
    struct str before, struct str behind, size_t line, struct buf *out)
{
	struct buf raw = buf_new(RSA_BITS_MOST / 8), text = buf_new(4096);
	int result = dkim_key_sign(key, digest, &raw);

	base64_encode(buf_str(&raw), &text);
	buf_add(out, before);
	fold(buf_str(&text), line, out);
	buf_add(out, behind);
	buf_add_text(out, "\r\n");
	buf_free(&raw);
	buf_free(&text);
	return result < 0 || out->overflow ? -1 : 0;
}

static const char *form_name(enum canonical form)
{
	return form == CANONICAL_RELAXED ? "relaxed" : "simple";
}

int dkim_sign(const struct dkim_signing *s, const struct header_fields *fields,
    const uint8_t body_digest[BODY_HASH_LEN], struct buf *out)
{
	struct buf field = buf_new(FIELD_MOST), names = buf_new(FIELD_MOST);
	uint8_t digest[32];

	dkim_names(s, fields, &names);
	buf_printf(&field,
	    "DKIM-Signature: v=1; a=%s; c=%s/%s; d=%.*s;\r\n\ts=%.*s; t=%lld;",
	    dkim_algorithm_name(dkim_key_algorithm(s->key)),
	    form_name(s->header_form), form_name(s->body_form),
	    STR_FMT(s->domain), STR_FMT(s->selector), (long long)s->now);
	if (s->lifetime > 0)
		buf_printf(&field, " x=%lld;",
		    (long long)s->now + (long long)s->lifetime);
	if (s->identity.len > 0)
		buf_printf(&field, "\r\n\ti=%.*s;", STR_FMT(s->identity));
	buf_add_text(&field, "\r\n\th=");
	dkim_add_names(buf_str(&names), &field);
	buf_add_text(&field, ";\r\n\tbh=");
	base64_encode(str_of(body_digest, BODY_HASH_LEN), &field);
	buf_add_text(&field, ";\r\n\tb=");
	struct str whole = buf_str(&field);
	dkim_header_digest(fields, buf_str(&names), s->header_form, whole,
	    str_skip(whole, whole.len), digest);
	int result = field.overflow || names.overflow
	    ? -1
	    : dkim_finish_field(
		  s->key, digest, whole, STR_EMPTY, FOLD_OCTETS, out);
	buf_free(&field);
	buf_free(&names);
	return result;
}
