/* SPDX-License-Identifier: ISC */
#include "mail/header.h"

#include "mail/charset.h"
#include "mail/encode.h"

#define FOLD_COLUMN 78 /* RFC 5322 2.1.1 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Octets of the first line of s with its line end. */
static size_t line_length(struct str s)
{
	size_t at = str_find(s, '\n');

	return at < s.len ? at + 1 : at;
}

/* Octets of the first line and the lines that continue it. */
static size_t folded_length(struct str s)
{
	size_t n = line_length(s);

	while (n < s.len && is_blank(s.p[n]))
		n += line_length(str_skip(s, n));
	return n;
}

static struct str without_line_end(struct str line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\n') {
		line.len--;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
	}
	return line;
}

/* The octets of a field's name, 0 when the line does not start with one;
 * *colon is where its colon stands (blanks before it: RFC 5322 4.5.8). */
static size_t name_length(struct str s, size_t *colon)
{
	size_t n = 0, at;

	while (n < s.len && s.p[n] > ' ' && s.p[n] < 127 && s.p[n] != ':')
		n++;
	at = n;
	while (at < s.len && is_blank(s.p[at]))
		at++;
	*colon = at;
	return at < s.len && s.p[at] == ':' ? n : 0;
}

static bool is_empty_line(struct str s)
{
	return s.p[0] == '\n' ||
	    (s.len > 1 && s.p[0] == '\r' && s.p[1] == '\n');
}

int header_next(struct str *header, struct header_field *field)
{
	size_t name, colon, len;

	*field = (struct header_field){STR_EMPTY, STR_EMPTY, STR_EMPTY};
	if (header->len == 0)
		return 0;
	if (is_empty_line(*header)) {
		*header = str_skip(*header, line_length(*header));
		return 0;
	}
	name = name_length(*header, &colon);
	if (name == 0) {
		field->whole = str_sub(*header, 0, line_length(*header));
		*header = str_skip(*header, field->whole.len);
		return -1;
	}
	len = folded_length(*header);
	field->whole = str_sub(*header, 0, len);
	field->name = str_sub(*header, 0, name);
	field->value = without_line_end(str_skip(field->whole, colon + 1));
	while (field->value.len > 0 &&
	    (is_blank(field->value.p[0]) || field->value.p[0] == '\r' ||
		field->value.p[0] == '\n'))
		field->value = str_skip(field->value, 1);
	*header = str_skip(*header, len);
	return 1;
}

bool header_find(struct str header, struct str name, struct header_field *field)
{
	int got;

	while ((got = header_next(&header, field)) != 0)
		if (got > 0 && str_case_eq(field->name, name))
			return true;
	return false;
}

size_t header_length(struct str message)
{
	size_t at = 0;

	while (at < message.len) {
		struct str rest = str_skip(message, at);

		at += line_length(rest);
		if (is_empty_line(rest))
			break;
	}
	return at;
}

void header_unfold(struct str value, struct buf *out)
{
	while (value.len > 0 && !out->overflow) {
		size_t n = 0;

		while (
		    n < value.len && value.p[n] != '\r' && value.p[n] != '\n')
			n++;
		buf_add(out, str_sub(value, 0, n));
		value = str_skip(value, n + 1);
	}
}

/* Octets of the next piece: blanks, then what is not blank. */
static size_t piece_length(struct str s)
{
	size_t n = 0;

	while (n < s.len && is_blank(s.p[n]))
		n++;
	while (
	    n < s.len && !is_blank(s.p[n]) && s.p[n] != '\r' && s.p[n] != '\n')
		n++;
	return n;
}

void header_put(struct buf *out, const char *name, struct str value)
{
	size_t column = strlen(name) + 2;
	bool first = true;

	buf_add_text(out, name);
	buf_add(out, STR(": "));
	value = str_trim(value);
	while (value.len > 0 && !out->overflow) {
		size_t n = piece_length(value);

		if (n == 0) { /* a line end: not taken over */
			value = str_skip(value, 1);
			continue;
		}
		if (!first && column + n > FOLD_COLUMN &&
		    is_blank(value.p[0])) {
			buf_add(out, STR("\r\n"));
			column = 0;
		}
		buf_add(out, str_sub(value, 0, n));
		column += n;
		first = false;
		value = str_skip(value, n);
	}
	buf_add(out, STR("\r\n"));
}

/* ---- RFC 2047 ---- */

struct encoded_word {
	struct str charset, text;
	bool base64;
	size_t len; /* octets of "=?...?=" */
};

/* Cuts at '?' in s; false when there is none before a blank or line end. */
static bool cut_question(struct str *s, struct str *part)
{
	size_t n = 0;

	while (n < s->len && s->p[n] != '?') {
		if (s->p[n] == ' ' || s->p[n] == '\t' || s->p[n] == '\r' ||
		    s->p[n] == '\n')
			return false;
		n++;
	}
	if (n == s->len)
		return false;
	*part = str_sub(*s, 0, n);
	*s = str_skip(*s, n + 1);
	return true;
}

/* Whether s starts with an encoded word (RFC 2047 section 2). */
static bool encoded_word(struct str s, struct encoded_word *w)
{
	struct str rest = str_skip(s, 2), encoding;

	if (!str_starts(s, STR("=?")) || !cut_question(&rest, &w->charset) ||
	    !cut_question(&rest, &encoding))
		return false;
	/* Blanks in the text are wrong, and seen in the wild. */
	size_t end = 0;
	while (end < rest.len && rest.p[end] != '?' && rest.p[end] != '\r' &&
	    rest.p[end] != '\n')
		end++;
	if (end + 1 >= rest.len || rest.p[end] != '?' || rest.p[end + 1] != '=')
		return false;
	w->text = str_sub(rest, 0, end);
	w->base64 = str_case_eq(encoding, STR("b"));
	w->len = (size_t)(rest.p + end + 2 - s.p);
	/* RFC 2231 section 5: "charset*language" */
	w->charset = str_sub(w->charset, 0, str_find(w->charset, '*'));
	return (w->base64 || str_case_eq(encoding, STR("q"))) &&
	    charset_known(w->charset);
}

/* Octets of blanks and line ends at the start of s. */
static size_t space_length(struct str s)
{
	size_t n = 0;

	while (
	    n < s.len && (is_blank(s.p[n]) || s.p[n] == '\r' || s.p[n] == '\n'))
		n++;
	return n;
}

/*
 * Decodes a run of encoded words: blanks between them do not count (RFC 2047
 * 6.2), and the octets of words of one charset are joined first, because
 * senders cut characters in two. Returns the octets of the run.
 */
static size_t decode_run(struct str s, struct encoded_word w, struct buf *out)
{
	struct buf octets = buf_new(out->most);
	struct str charset = w.charset;
	size_t at = 0;

	for (;;) {
		if (!str_case_eq(charset, w.charset)) {
			charset_to_utf8(charset, buf_str(&octets), out);
			buf_clear(&octets);
			charset = w.charset;
		}
		if (w.base64)
			base64_decode_mime(w.text, &octets);
		else
			qp_decode(w.text, true, &octets);
		at += w.len;
		size_t space = space_length(str_skip(s, at));
		if (!encoded_word(str_skip(s, at + space), &w))
			break;
		at += space;
	}
	charset_to_utf8(charset, buf_str(&octets), out);
	out->overflow |= octets.overflow;
	buf_free(&octets);
	return at;
}

void header_decode(struct str value, struct buf *out)
{
	size_t plain = 0, at = 0;
	struct buf text = buf_new(out->most);

	while (at < value.len && !out->overflow) {
		struct encoded_word w;

		at += str_find(str_skip(value, at), '=');
		if (at < value.len && !encoded_word(str_skip(value, at), &w)) {
			at++;
			continue;
		}
		header_unfold(str_sub(value, plain, at - plain), &text);
		charset_to_utf8(STR("utf-8"), buf_str(&text), out);
		buf_clear(&text);
		if (at < value.len)
			at += decode_run(str_skip(value, at), w, out);
		plain = at;
	}
	header_unfold(str_skip(value, plain), &text);
	charset_to_utf8(STR("utf-8"), buf_str(&text), out);
	buf_free(&text);
}

struct str header_message_id(struct str value)
{
	size_t start = str_find(value, '<'), len;

	value = str_skip(value, start + 1);
	len = str_find(value, '>');
	if (len == value.len)
		return STR_EMPTY;
	value.len = len;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value.p[i] <= ' ' || value.p[i] == '<')
			return STR_EMPTY;
	return value;
}
