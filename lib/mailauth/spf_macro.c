/* SPDX-License-Identifier: ISC */
#include "mailauth/spf_macro.h"

#define DELIMITERS ".-+,/_="
#define NAME_MOST  253     /* octets of a domain name as text */
#define PARTS_MOST 1000000 /* nothing has more; 127 must do (section 7.3) */

/* One "%{...}" */
struct macro {
	char letter;    /* in lower case */
	bool escape;    /* was upper case */
	uint64_t parts; /* 0: all */
	bool reverse;
	struct str delimiters;
};

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Reads what follows "%{", to behind "}"; -1 when it is none. */
static int read_macro(struct str *rest, enum spf_text kind, struct macro *m)
{
	size_t end = str_find(*rest, '}'), at = 1, digits;

	if (end == rest->len || end == 0)
		return -1;
	struct str s = str_sub(*rest, 0, end);
	m->letter = ascii_lower(s.p[0]);
	m->escape = m->letter != s.p[0];
	if (!is_one_of(
		m->letter, kind == SPF_DOMAIN ? "slodiphv" : "slodiphcrtv"))
		return -1;
	m->parts = 0;
	for (digits = 0; at < s.len && ascii_digit(s.p[at]); digits++, at++)
		if (m->parts < PARTS_MOST)
			m->parts = 10 * m->parts + (uint64_t)(s.p[at] - '0');
	if (digits > 0 && m->parts == 0)
		return -1;
	m->reverse = at < s.len && ascii_lower(s.p[at]) == 'r';
	at += m->reverse;
	m->delimiters = str_skip(s, at);
	for (size_t i = 0; i < m->delimiters.len; i++)
		if (!is_one_of(m->delimiters.p[i], DELIMITERS))
			return -1;
	*rest = str_skip(*rest, end + 1);
	return 0;
}

static bool splits(const struct macro *m, char c)
{
	return m->delimiters.len == 0
	    ? c == '.'
	    : str_find(m->delimiters, c) < m->delimiters.len;
}

static void add_octet(struct buf *out, const struct macro *m, char c)
{
	if (!m->escape || ascii_alnum(c) || is_one_of(c, "-._~"))
		buf_add_char(out, c);
	else
		buf_printf(out, "%%%02X", (unsigned)(uint8_t)c);
}

static void add_part(struct buf *out, const struct macro *m, struct str part)
{
	for (size_t i = 0; i < part.len; i++)
		add_octet(out, m, part.p[i]);
}

/* What is in front of delimiter n (0: all of it), or with behind what is behind
 * it. */
static struct str cut_at(
    const struct macro *m, struct str value, size_t n, bool behind)
{
	for (size_t i = 0; n > 0 && i < value.len; i++)
		if (splits(m, value.p[i]) && --n == 0)
			return behind ? str_skip(value, i + 1)
				      : str_sub(value, 0, i);
	return value;
}

/* Splits, turns around, takes the last parts, joins with dots. Turned around
 * the last parts are the first ones. */
static void add_transformed(
    struct buf *out, const struct macro *m, struct str value)
{
	size_t count = 1;

	for (size_t i = 0; i < value.len; i++)
		count += splits(m, value.p[i]);
	if (m->parts > 0 && m->parts < count)
		value = m->reverse ? cut_at(m, value, m->parts, false)
				   : cut_at(m, value, count - m->parts, true);
	if (!m->reverse) {
		for (size_t i = 0; i < value.len; i++)
			if (splits(m, value.p[i]))
				buf_add_char(out, '.');
			else
				add_octet(out, m, value.p[i]);
		return;
	}
	for (size_t end = value.len, at = end;; at--) {
		if (at > 0 && !splits(m, value.p[at - 1]))
			continue;
		add_part(out, m, str_sub(value, at, end - at));
		if (at == 0)
			return;
		buf_add_char(out, '.');
		end = at - 1;
	}
}

static struct str value_of(const struct spf_macros *v, char letter)
{
	switch (letter) {
	case 's':
		return v->sender;
	case 'l':
		return v->local_part;
	case 'o':
		return v->sender_domain;
	case 'd':
		return v->domain;
	case 'i':
		return v->address;
	case 'p':
		return v->validated;
	case 'v':
		return v->family;
	case 'h':
		return v->helo;
	case 'c':
		return v->readable_address;
	case 'r':
		return v->receiver;
	}
	return STR_EMPTY;
}

static void add_macro(
    struct buf *out, const struct macro *m, const struct spf_macros *values)
{
	if (m->letter == 't')
		buf_printf(out, "%lld", (long long)values->now);
	else if (m->parts == 0 && !m->reverse && m->delimiters.len == 0)
		add_part(out, m, value_of(values, m->letter));
	else
		add_transformed(out, m, value_of(values, m->letter));
}

static bool literal(char c, enum spf_text kind)
{
	return (c >= 0x21 && c <= 0x7e) ||
	    (c == ' ' && kind == SPF_EXPLANATION);
}

/* Reads one literal or macro of *rest; *is_macro says which. Adds what it
 * stands for when there are values. -1 when it is malformed. */
static int step(struct str *rest, enum spf_text kind,
    const struct spf_macros *values, struct buf *out, char *letter)
{
	char c = rest->p[0], next = rest->len > 1 ? rest->p[1] : '\0';
	struct macro m;

	*letter = '\0';
	if (c != '%') {
		*rest = str_skip(*rest, 1);
		if (values != NULL)
			buf_add_char(out, c);
		return literal(c, kind) ? 0 : -1;
	}
	*rest = str_skip(*rest, 2);
	if (next == '{') {
		if (read_macro(rest, kind, &m) < 0)
			return -1;
		*letter = m.letter;
		if (values != NULL)
			add_macro(out, &m, values);
		return 0;
	}
	*letter = next;
	if (!is_one_of(next, "%_-"))
		return -1;
	if (values != NULL)
		buf_add_text(out,
		    next == '%'       ? "%"
			: next == '_' ? " "
				      : "%20");
	return 0;
}

/* toplabel: letters, digits and inner hyphens, but not digits alone. */
static bool is_top_label(struct str s)
{
	bool digits_only = true;

	if (s.len == 0 || !ascii_alnum(s.p[0]) || !ascii_alnum(s.p[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_alnum(s.p[i]) && s.p[i] != '-')
			return false;
		digits_only = digits_only && ascii_digit(s.p[i]);
	}
	return !digits_only;
}

bool spf_macro_valid(struct str text, enum spf_text kind)
{
	struct str rest = text;
	size_t label = 0; /* behind the last dot that stands for itself */
	bool ends_in_macro = false, dotted = false;
	char letter;

	while (rest.len > 0) {
		size_t at = text.len - rest.len;
		if (step(&rest, kind, NULL, NULL, &letter) < 0)
			return false;
		ends_in_macro = letter != '\0';
		if (text.p[at] == '.' && rest.len > 0) {
			label = at + 1;
			dotted = true;
		}
	}
	if (kind != SPF_DOMAIN || ends_in_macro)
		return true;
	struct str last = str_skip(text, label);
	if (str_ends(last, STR(".")))
		last.len--;
	return dotted && is_top_label(last);
}

bool spf_macro_uses(struct str text, char letter)
{
	char found;

	while (text.len > 0) {
		bool braces = str_starts(text, STR("%{"));
		if (step(&text, SPF_EXPLANATION, NULL, NULL, &found) < 0)
			return false;
		if (braces && found == letter)
			return true;
	}
	return false;
}

int spf_macro_expand(struct str text, enum spf_text kind,
    const struct spf_macros *macros, struct buf *out)
{
	char letter;

	if (text.len > SPF_TEMPLATE_MOST)
		return -1;
	while (text.len > 0 && !out->overflow)
		if (step(&text, kind, macros, out, &letter) < 0)
			return -1;
	return out->overflow ? -1 : 0;
}

int spf_macro_domain(
    struct str text, const struct spf_macros *macros, struct buf *out)
{
	struct buf whole = buf_new(SPF_EXPANDED_MOST);
	int result = spf_macro_expand(text, SPF_DOMAIN, macros, &whole);
	struct str name = buf_str(&whole);

	if (str_ends(name, STR(".")))
		name.len--;
	while (name.len > NAME_MOST && str_find(name, '.') < name.len)
		name = str_skip(name, str_find(name, '.') + 1);
	if (result == 0)
		result = buf_add(out, name);
	buf_free(&whole);
	return result;
}
