/* SPDX-License-Identifier: ISC */
#include "imapd/parser.h"

#include "mail/date.h"

bool parser_fail(struct parser *in, const char *why)
{
	if (in->why == NULL)
		in->why = why;
	return false;
}

/* RFC 9051 ASTRING-CHAR: no "(" ")" "{" SP CTL "%" "*" DQUOTE "\" */
bool parser_is_atom_char(char c)
{
	return c > 0x20 && c < 0x7f && strchr("(){%*\"\\", c) == NULL;
}

static struct str left(const struct parser *in)
{
	return str_of(in->p, (size_t)(in->end - in->p));
}

int parser_peek(const struct parser *in)
{
	return in->p < in->end ? (unsigned char)*in->p : -1;
}

bool parser_skip(struct parser *in, char c)
{
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

bool parser_char(struct parser *in, char c, const char *why)
{
	return parser_skip(in, c) || parser_fail(in, why);
}

bool parser_space(struct parser *in)
{
	return parser_char(in, ' ', "a space is missing");
}

bool parser_end(struct parser *in)
{
	return in->p == in->end || parser_fail(in, "there is too much");
}

/* The run of octets that `belongs`; not empty. */
static bool run(struct parser *in, bool (*belongs)(char c), struct str *out,
    const char *why)
{
	const char *start = in->p;

	while (in->p < in->end && belongs(*in->p))
		in->p++;
	*out = str_of(start, (size_t)(in->p - start));
	return out->len > 0 || parser_fail(in, why);
}

static bool in_tag(char c)
{
	return c != '+' && parser_is_atom_char(c);
}

bool parser_tag(struct parser *in, struct str *out)
{
	return run(in, in_tag, out, "the tag is missing or malformed");
}

static bool in_atom(char c)
{
	return c != ']' && parser_is_atom_char(c);
}

bool parser_atom(struct parser *in, struct str *out)
{
	return run(in, in_atom, out, "a word is missing");
}

static bool in_word(char c)
{
	return ascii_alnum(c) || c == '.' || c == '-';
}

bool parser_word(struct parser *in, struct str *out)
{
	return run(in, in_word, out, "a name is missing");
}

bool parser_skip_word(struct parser *in, const char *word)
{
	struct str w = str_from(word), rest = left(in);

	if (!str_case_starts(rest, w) ||
	    (rest.len > w.len && in_word(rest.p[w.len])))
		return false;
	in->p += w.len;
	return true;
}

/* A copy without the backslashes. */
static bool unquote(struct parser *in, struct str raw, struct str *out)
{
	char *copy = arena_alloc(in->arena, raw.len + 1);
	size_t n = 0;

	if (copy == NULL)
		return parser_fail(in, "the command is too large");
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\')
			i++;
		copy[n++] = raw.p[i];
	}
	*out = str_of(copy, n);
	return true;
}

static bool quoted(struct parser *in, struct str *out)
{
	const char *start = ++in->p;
	bool escapes = false;

	while (in->p < in->end && *in->p != '"') {
		if (*in->p == '\0' || *in->p == '\r' || *in->p == '\n')
			return parser_fail(in, "a control octet in quotes");
		if (*in->p == '\\') {
			escapes = true;
			in->p++;
			if (in->p == in->end ||
			    (*in->p != '"' && *in->p != '\\'))
				return parser_fail(
				    in, "a backslash before what needs none");
		}
		in->p++;
	}
	struct str raw = str_of(start, (size_t)(in->p - start));
	if (!parser_char(in, '"', "a quoted string does not end"))
		return false;
	if (escapes)
		return unquote(in, raw, out);
	*out = raw;
	return true;
}

static bool literal(struct parser *in, struct str *out)
{
	struct str rest = left(in), number;
	uint64_t n;
	size_t close = str_find(rest, '}');

	number = str_sub(rest, 1, close - 1);
	if (number.len > 0 && number.p[number.len - 1] == '+')
		number.len--;
	if (close == rest.len || str_to_u64(number, INT64_MAX, &n) < 0 ||
	    !str_starts(str_skip(rest, close + 1), STR("\r\n")))
		return parser_fail(in, "a literal is malformed");
	rest = str_skip(rest, close + 3);
	if (n > rest.len)
		return parser_fail(in, "a literal is cut short");
	*out = str_sub(rest, 0, (size_t)n);
	in->p = rest.p + n;
	return memchr(out->p, '\0', out->len) == NULL ||
	    parser_fail(in, "a NUL octet in a literal");
}

bool parser_string(struct parser *in, struct str *out)
{
	int c = parser_peek(in);

	if (c == '"')
		return quoted(in, out);
	if (c == '{')
		return literal(in, out);
	return parser_fail(in, "a string is missing");
}

bool parser_astring(struct parser *in, struct str *out)
{
	int c = parser_peek(in);

	if (c == '"' || c == '{')
		return parser_string(in, out);
	return run(in, parser_is_atom_char, out, "a string is missing");
}

bool parser_nstring(struct parser *in, struct str *out)
{
	if (parser_skip_word(in, "NIL")) {
		*out = (struct str){NULL, 0};
		return true;
	}
	return parser_string(in, out);
}

static bool in_pattern(char c)
{
	return parser_is_atom_char(c) || c == '%' || c == '*';
}

bool parser_pattern(struct parser *in, struct str *out)
{
	int c = parser_peek(in);

	if (c == '"' || c == '{')
		return parser_string(in, out);
	return run(in, in_pattern, out, "a mailbox pattern is missing");
}

static bool number(struct parser *in, uint64_t most, uint64_t *out)
{
	const char *start = in->p;

	while (in->p < in->end && ascii_digit(*in->p))
		in->p++;
	struct str s = str_of(start, (size_t)(in->p - start));
	if (s.len == 0)
		return parser_fail(in, "a number is missing");
	/* Leading zeros are within the grammar. */
	while (s.len > 1 && s.p[0] == '0')
		s = str_skip(s, 1);
	return str_to_u64(s, most, out) == 0 ||
	    parser_fail(in, "a number is too large");
}

bool parser_u32(struct parser *in, uint32_t *out)
{
	uint64_t n;

	if (!number(in, UINT32_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

bool parser_u64(struct parser *in, uint64_t *out)
{
	return number(in, INT64_MAX, out);
}

static bool in_set(char c)
{
	return ascii_digit(c) || c == ':' || c == ',' || c == '*' || c == '$';
}

bool parser_set(struct parser *in, struct set *out)
{
	struct str s;
	const char *why;

	if (!run(in, in_set, &s, "a sequence set is missing"))
		return false;
	if (set_parse(s, in->arena, out, &why) < 0)
		return parser_fail(in, why);
	return true;
}

bool parser_flag(struct parser *in, struct str *out)
{
	const char *start = in->p;
	struct str name;

	parser_skip(in, '\\');
	if (!run(in, in_atom, &name, "a flag is missing or malformed"))
		return false;
	*out = str_of(start, (size_t)(in->p - start));
	return true;
}

bool parser_day(struct parser *in, int64_t *out)
{
	struct str text;
	bool ok = parser_peek(in) == '"' ? quoted(in, &text)
					 : parser_atom(in, &text);

	if (!ok || date_parse_imap_day(text, out) < 0)
		return parser_fail(in, "a date is malformed");
	return true;
}

bool parser_date_time(struct parser *in, int64_t *out)
{
	struct str text;

	if (parser_peek(in) != '"' || !quoted(in, &text) ||
	    date_parse_imap(text, out, NULL) < 0)
		return parser_fail(in, "a date-time is malformed");
	return true;
}
