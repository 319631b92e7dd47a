/* SPDX-License-Identifier: ISC */
#include "sendmail/content.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"

#define PIECE         65536
#define ENVELOPE_LINE 6 /* octets that tell one from text */

int content_open(struct content *c, uint64_t most, uint64_t header_most)
{
	*c = (struct content){.most = most, .body = -1};
	c->splitter = splitter_new((size_t)header_most);
	c->work = buf_new(PIECE + 2);
	c->line = buf_new(2 * (PIECE + 2) + 2);
	c->start = buf_new(c->line.most + ENVELOPE_LINE);
	return content_clear(c);
}

void content_close(struct content *c)
{
	buf_free(&c->splitter.header);
	buf_free(&c->work);
	buf_free(&c->line);
	buf_free(&c->start);
	file_close(&c->body);
}

int content_clear(struct content *c)
{
	c->dots.state = LINE_START;
	c->ended = c->begun = c->skipping = c->eight_bit = false;
	c->crlf = (struct crlf){false, false};
	buf_clear(&c->splitter.header);
	c->splitter.line = 0;
	c->splitter.in_body = false;
	c->size = 0;
	buf_clear(&c->start);
	c->error = 0;
	file_close(&c->body);
	c->body = memfd_create("mail", MFD_CLOEXEC);
	return c->body < 0 ? -1 : 0;
}

bool content_too_large(const struct content *c)
{
	return c->splitter.header.overflow ||
	    c->size + c->splitter.header.len > c->most;
}

struct str content_header(const struct content *c)
{
	return buf_str(&c->splitter.header);
}

static void add_body(struct content *c, struct str s)
{
	c->size += s.len;
	if (s.len == 0 || c->error != 0 || content_too_large(c))
		return;
	if (file_write_full(c->body, s.p, s.len) < 0)
		c->error = errno;
}

static void look_for_eight_bit(struct content *c, struct str s)
{
	for (size_t i = 0; !c->eight_bit && i < s.len; i++)
		c->eight_bit = (unsigned char)s.p[i] >= 128;
}

/* "From user date" and ">From user date", with which a program sends a message
 * as it lay in a mailbox file. */
static bool is_envelope_line(struct str s)
{
	return str_starts(s, STR("From ")) || str_starts(s, STR(">From "));
}

/* Text with its line ends made right. */
static void take_text(struct content *c, struct str s)
{
	struct str rest = STR_EMPTY;
	size_t taken = 0;

	look_for_eight_bit(c, s);
	if (!c->splitter.in_body) {
		taken = splitter_feed(&c->splitter, s.p, s.len, &rest);
		add_body(c, rest);
	}
	add_body(c, str_skip(s, taken));
}

/*
 * Lets lines "From ..." pass until the first other one, which begins the
 * message. Without its first octets a line is not judged, unless it is the
 * last.
 */
static void judge_start(struct content *c, bool last)
{
	struct str s = buf_str(&c->start);

	while (!c->begun && (s.len > 0 || last)) {
		size_t lf = str_find(s, '\n');

		if (c->skipping) {
			c->skipping = lf == s.len && !last;
			s = str_skip(s, lf + 1);
		} else if (is_envelope_line(s)) {
			c->skipping = true;
		} else if (last || lf < s.len || s.len >= ENVELOPE_LINE) {
			c->begun = true;
			take_text(c, s);
			s = STR_EMPTY;
		} else {
			break;
		}
	}
	buf_drop(&c->start, c->start.len - s.len);
}

/* What stands in c->line. */
static void take_line(struct content *c, bool last)
{
	if (c->begun) {
		take_text(c, buf_str(&c->line));
	} else {
		buf_add(&c->start, buf_str(&c->line));
		judge_start(c, last);
	}
}

static void take_piece(struct content *c, struct str in)
{
	buf_clear(&c->line);
	crlf_feed(&c->crlf, in, &c->line);
	take_line(c, false);
}

size_t content_feed(struct content *c, struct str in)
{
	size_t at = 0;

	while (at < in.len && !c->ended) {
		struct str piece = str_sub(in, at, PIECE);

		buf_clear(&c->work);
		if (c->ignore_dots) {
			take_piece(c, piece);
			at += piece.len;
			continue;
		}
		at += dots_feed(&c->dots, piece, &c->work, &c->ended);
		take_piece(c, buf_str(&c->work));
	}
	return at;
}

void content_end(struct content *c)
{
	struct str rest;

	buf_clear(&c->work);
	if (!c->ended && !c->ignore_dots)
		dots_end(&c->dots, &c->work);
	take_piece(c, buf_str(&c->work));
	buf_clear(&c->line);
	crlf_end(&c->crlf, &c->line);
	take_line(c, true);
	splitter_end(&c->splitter, &rest);
	add_body(c, rest);
}
