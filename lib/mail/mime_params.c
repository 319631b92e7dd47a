/* SPDX-License-Identifier: ISC */
/*
 * Parameters of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183)
 * with the continuations and charsets of RFC 2231, read tolerantly.
 */
#include "mail/mime.h"

#define NO_SECTION UINT32_MAX

/* A parameter as it stands in the field. */
struct raw {
	struct str name;  /* without "*0*" */
	struct str value; /* unquoted */
	uint32_t section; /* NO_SECTION: whole */
	bool extended;    /* percent-encoded */
	struct raw *next;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Skips blanks, line ends and comments (RFC 5322 3.2.2). */
static struct str skip_cfws(struct str s)
{
	size_t depth = 0, i = 0;

	for (; i < s.len; i++) {
		if (s.p[i] == '\\' && depth > 0)
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !is_space(s.p[i]))
			break;
	}
	return str_skip(s, i);
}

/* Octets of what a parameter's name or a type is made of. */
static size_t token_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && !is_space(s.p[n]) && s.p[n] != ';' &&
	    s.p[n] != '=' && s.p[n] != '(')
		n++;
	return n;
}

/* Cuts a quoted string; a view when nothing in it is escaped or folded. */
static struct str cut_quoted(struct str *rest, struct arena *arena)
{
	struct str inside = str_skip(*rest, 1);
	bool plain = true;
	size_t n = 0;

	while (n < inside.len && inside.p[n] != '"') {
		if (inside.p[n] == '\\' || inside.p[n] == '\r' ||
		    inside.p[n] == '\n')
			plain = false;
		n += inside.p[n] == '\\' && n + 1 < inside.len ? 2 : 1;
	}
	*rest = str_skip(inside, n + 1);
	inside = str_sub(inside, 0, n);
	if (plain)
		return inside;
	char *copy = arena_alloc(arena, n + 1);
	if (copy == NULL)
		return STR_EMPTY;
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		if (inside.p[i] == '\r' || inside.p[i] == '\n')
			continue;
		if (inside.p[i] == '\\' && i + 1 < n)
			i++;
		copy[len++] = inside.p[i];
	}
	return str_of(copy, len);
}

/* Unquoted values should be tokens; many hold blanks, so take all up to the
 * semicolon, or to a comment. */
static struct str cut_bare(struct str *rest)
{
	size_t n = 0;

	while (n < rest->len && rest->p[n] != ';' && rest->p[n] != '\r' &&
	    rest->p[n] != '\n' &&
	    !(rest->p[n] == '(' && n > 0 && is_space(rest->p[n - 1])))
		n++;
	struct str value = str_trim(str_sub(*rest, 0, n));
	*rest = str_skip(*rest, n);
	return value;
}

/* Splits "name*12*" (RFC 2231 section 4.1). */
static void split_name(struct raw *r)
{
	size_t star = str_find(r->name, '*');
	struct str section = str_skip(r->name, star + 1);
	uint64_t number;

	r->section = NO_SECTION;
	if (star == r->name.len)
		return;
	if (section.len == 0) {
		r->extended = true;
	} else {
		bool more = section.p[section.len - 1] == '*';

		section.len -= more;
		if (str_to_u64(section, MIME_PARAMS_MAX, &number) < 0)
			return; /* some other name with a star */
		r->section = (uint32_t)number;
		r->extended = more;
	}
	r->name = str_sub(r->name, 0, star);
}

/* Reads "; name = value" at the start of *rest; NULL at the end, or when
 * what stands there is none (and was skipped: *rest is shorter then). */
static struct raw *cut_param(struct str *rest, struct arena *arena)
{
	struct raw r = {.section = NO_SECTION};
	size_t semicolon = str_find(*rest, ';');

	*rest = skip_cfws(str_skip(*rest, semicolon + 1));
	r.name = str_sub(*rest, 0, token_length(*rest));
	struct str behind = skip_cfws(str_skip(*rest, r.name.len));
	if (r.name.len == 0 || behind.len == 0 || behind.p[0] != '=')
		return NULL;
	*rest = skip_cfws(str_skip(behind, 1));
	r.value = rest->len > 0 && rest->p[0] == '"' ? cut_quoted(rest, arena)
						     : cut_bare(rest);
	split_name(&r);
	struct raw *kept = arena_alloc(arena, sizeof(*kept));
	if (kept != NULL)
		*kept = r;
	return kept;
}

static int hex(char c)
{
	if (ascii_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int high = -1, low = -1;

		if (s.p[i] == '%' && i + 2 < s.len) {
			high = hex(s.p[i + 1]);
			low = hex(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_add_char(out, (char)(high * 16 + low));
			i += 2;
		} else {
			buf_add_char(out, s.p[i]);
		}
	}
}

static const struct raw *find_section(
    const struct raw *list, struct str name, uint32_t section)
{
	for (; list != NULL; list = list->next)
		if (list->section == section && str_case_eq(list->name, name))
			return list;
	return NULL;
}

/* Joins the sections of r (or takes it alone) and decodes them. */
static struct str joined(const struct raw *list, const struct raw *r,
    struct arena *arena, bool *extended)
{
	struct buf octets = buf_new(65536), text = buf_new(65536);
	struct str charset = STR_EMPTY, result, value = r->value;
	const struct raw *at = r;

	*extended = r->extended;
	if (r->extended) { /* charset'language'text */
		struct str rest = value;

		charset = str_cut(&rest, '\'');
		str_cut(&rest, '\'');
		if (rest.len > 0)
			value = rest;
		else
			charset = STR_EMPTY; /* the quotes are missing */
	}
	for (uint32_t n = r->section; at != NULL; value = at->value) {
		if (at->extended)
			percent_decode(value, &octets);
		else
			buf_add(&octets, value);
		at = n == NO_SECTION ? NULL : find_section(list, r->name, ++n);
		if (at == NULL)
			break;
	}
	if (r->extended) {
		charset_to_utf8(charset, buf_str(&octets), &text);
		result = arena_copy(arena, buf_str(&text));
	} else {
		result = arena_copy(arena, buf_str(&octets));
	}
	buf_free(&octets);
	buf_free(&text);
	return result.p != NULL ? result : STR_EMPTY;
}

static struct mime_param *finish(const struct raw *list, struct arena *arena)
{
	struct mime_param *first = NULL, **end = &first;

	for (const struct raw *r = list; r != NULL; r = r->next) {
		if (r->section != NO_SECTION && r->section != 0)
			continue;
		struct mime_param *p = arena_alloc(arena, sizeof(*p));
		if (p == NULL)
			break;
		p->name = r->name;
		p->value = r->value;
		if (r->extended || r->section == 0)
			p->value = joined(list, r, arena, &p->extended);
		*end = p;
		end = &p->next;
	}
	return first;
}

struct mime_param *mime_params_parse(
    struct str value, struct arena *arena, size_t most, struct str *token)
{
	struct raw *list = NULL, **end = &list;
	size_t count = 0;

	value = skip_cfws(value);
	*token = str_sub(value, 0, token_length(value));
	value = str_skip(value, token->len);
	while (value.len > 0 && count < most) {
		struct raw *r = cut_param(&value, arena);

		if (r == NULL)
			continue;
		*end = r;
		end = &r->next;
		count++;
	}
	return finish(list, arena);
}

bool mime_param_find(
    const struct mime_param *params, struct str name, struct str *value)
{
	for (; params != NULL; params = params->next)
		if (str_case_eq(params->name, name)) {
			*value = params->value;
			return true;
		}
	return false;
}
