/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

#include <stdio.h>

void reply_start(struct reply *r)
{
	r->code = 0;
	r->dsn[0] = '\0';
	r->len = 0;
	r->octets = 0;
	r->line_len = 0;
	r->cr = false;
	r->started = false;
}

/* The enhanced code of RFC 2034, when it is of the reply's class. */
static void take_dsn(struct reply *r, struct str text)
{
	if (dsn_cut_code(&text, r->dsn) == 0 &&
	    (unsigned)(r->dsn[0] - '0') == r->code / 100)
		return;
	r->dsn[0] = '\0';
}

static void keep(struct reply *r, struct str text)
{
	if (text.len + 1 > sizeof(r->text) - r->len)
		return; /* enough is known */
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		r->text[r->len++] = (unsigned char)c < ' ' || c == 0x7f ? ' '
									: c;
	}
	r->text[r->len++] = '\n';
}

static enum reply_result take_line(
    struct reply *r, struct str line, const char **why)
{
	unsigned code;
	bool more;

	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' ||
	    !ascii_digit(line.p[1]) || !ascii_digit(line.p[2]) ||
	    (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')) {
		*why = "a line that is no reply";
		return REPLY_BAD;
	}
	code = (unsigned)(line.p[0] - '0') * 100 +
	    (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
	if (r->started && code != r->code) {
		*why = "a reply with several codes";
		return REPLY_BAD;
	}
	more = line.len > 3 && line.p[3] == '-';
	line = str_skip(line, line.len > 3 ? 4 : 3);
	r->code = code;
	if (!r->started)
		take_dsn(r, line);
	r->started = true;
	keep(r, line);
	return more ? REPLY_MORE : REPLY_DONE;
}

static void add_octet(struct reply *r, char c)
{
	if (r->line_len < sizeof(r->line))
		r->line[r->line_len++] = c;
}

enum reply_result reply_feed(
    struct reply *r, const char *p, size_t len, size_t *used, const char **why)
{
	for (size_t i = 0; i < len; i++) {
		enum reply_result result;

		*used = i + 1;
		if (++r->octets > REPLY_OCTETS_MAX) {
			*why = "a reply without end";
			return REPLY_BAD;
		}
		if (p[i] != '\n') {
			if (r->cr) /* one within the line */
				add_octet(r, '\r');
			r->cr = p[i] == '\r';
			if (!r->cr)
				add_octet(r, p[i]);
			continue;
		}
		r->cr = false;
		result = take_line(r, str_of(r->line, r->line_len), why);
		r->line_len = 0;
		if (result != REPLY_MORE)
			return result;
	}
	*used = len;
	return REPLY_MORE;
}

bool reply_line(const struct reply *r, size_t *at, struct str *line)
{
	struct str rest = str_of(r->text + *at, r->len - *at);

	if (rest.len == 0)
		return false;
	*line = str_cut(&rest, '\n');
	*at = (size_t)(rest.p - r->text);
	return true;
}

void reply_words(const struct reply *r, char *out, size_t size)
{
	size_t at = 0, len;
	struct str line;

	len = (size_t)snprintf(out, size, "%03u", r->code);
	while (len + 1 < size && reply_line(r, &at, &line)) {
		struct str words = str_trim(line);

		if (words.len == 0)
			continue;
		if (words.len > size - len - 2)
			words.len = size - len - 2;
		out[len++] = ' ';
		memcpy(out + len, words.p, words.len);
		len += words.len;
		out[len] = '\0';
	}
}
