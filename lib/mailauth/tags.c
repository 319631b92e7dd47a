/* SPDX-License-Identifier: ISC */
#include "mailauth/tags.h"

#include "mail/encode.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(struct str s)
{
	if (s.len == 0 || !ascii_alpha(s.p[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!ascii_alnum(s.p[i]) && s.p[i] != '_')
			return false;
	return true;
}

/* Printable octets and folding blanks; octets above ASCII are RFC 8616's
 * UTF-8. */
static bool is_value(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.p[i];
		char next = i + 1 < s.len ? s.p[i + 1] : '\0';

		if (c == '\r'       ? next != '\n'
			: c == '\n' ? next != ' ' && next != '\t'
				    : (c < ' ' && c != '\t') || c == 127)
			return false;
	}
	return true;
}

int tags_parse(struct str text, struct tags *out)
{
	out->count = 0;
	/* Behind the last one a semicolon may stand, and blanks. */
	while (out->count == 0 || str_trim(text).len > 0) {
		struct str rest = str_cut(&text, ';');
		size_t equals = str_find(rest, '=');
		struct tag t = {.name = str_trim(str_sub(rest, 0, equals)),
		    .place = str_skip(rest, equals + 1)};
		t.value = str_trim(t.place);
		if (equals == rest.len || !is_name(t.name) ||
		    !is_value(t.value) || out->count == TAGS_MOST)
			return -1;
		for (size_t i = 0; i < out->count; i++)
			if (str_eq(out->list[i].name, t.name))
				return -1;
		out->list[out->count++] = t;
	}
	return 0;
}

const struct tag *tags_find(const struct tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (str_eq(tags->list[i].name, str_from(name)))
			return &tags->list[i];
	return NULL;
}

struct str tags_value(
    const struct tags *tags, const char *name, struct str fallback)
{
	const struct tag *t = tags_find(tags, name);

	return t != NULL ? t->value : fallback;
}

bool tags_item(struct str *list, struct str *item)
{
	if (list->p == NULL)
		return false;
	bool more = str_find(*list, ':') < list->len;
	*item = str_trim(str_cut(list, ':'));
	if (!more)
		*list = (struct str){NULL, 0};
	return true;
}

bool tags_list_has(struct str list, struct str item)
{
	struct str one;

	while (tags_item(&list, &one))
		if (str_case_eq(one, item))
			return true;
	return false;
}

int tags_base64(struct str value, struct buf *out)
{
	struct buf plain = buf_new(value.len + 1);

	for (size_t i = 0; i < value.len; i++)
		if (!is_blank(value.p[i]))
			buf_add_char(&plain, value.p[i]);
	int result = base64_decode(buf_str(&plain), out);
	buf_free(&plain);
	return out->overflow ? -1 : result;
}
