/* SPDX-License-Identifier: ISC */
#include "imapd/input.h"

#define FIRST_OF_TOO_LONG 256 /* octets kept of what is too long: its tag */

void input_init(struct input *in, size_t most)
{
	memset(in, 0, sizeof(*in));
	/* Beyond its maximum a command needs room for a few more octets. */
	in->text = buf_new(most + INPUT_TAIL);
}

void input_free(struct input *in)
{
	buf_free(&in->text);
}

bool input_is_empty(const struct input *in)
{
	return in->state == INPUT_IN_LINE &&
	    (in->text.len == 0 || in->line == SIZE_MAX);
}

static void restart(struct input *in)
{
	buf_clear(&in->text);
	in->line = 0;
	in->state = INPUT_IN_LINE;
}

/*
 * A literal announced at the end of a line: "{n}", "{n+}", "~{n}". Numbers
 * beyond 63 bits count as 2^63-1, which nobody takes.
 */
static bool find_literal(struct input *in, struct str line)
{
	uint64_t n = 0;
	size_t open = str_find_last(line, '{');

	if (open == line.len || line.p[line.len - 1] != '}')
		return false;
	struct str number = str_sub(line, open + 1, line.len - open - 2);
	bool plus = number.len > 0 && number.p[number.len - 1] == '+';
	if (plus)
		number.len--;
	if (number.len == 0 || number.len > 20)
		return false;
	for (size_t i = 0; i < number.len; i++)
		if (!ascii_digit(number.p[i]))
			return false;
	if (str_to_u64(number, INT64_MAX, &n) < 0)
		n = INT64_MAX;
	in->literal_len = in->literal_left = n;
	in->literal_waits = !plus;
	in->literal_binary = open > 0 && line.p[open - 1] == '~';
	return true;
}

static struct str without_line_end(struct str line)
{
	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The line ends with a LF, which has been added. */
static enum input_event end_line(struct input *in)
{
	struct str line = without_line_end(
	    str_skip(buf_str(&in->text), in->line));

	in->text.len = in->line + line.len;
	if (find_literal(in, line)) {
		buf_add_text(&in->text, "\r\n");
		in->state = INPUT_UNDECIDED;
		return INPUT_LITERAL;
	}
	in->line = SIZE_MAX; /* the next call begins a new command */
	return INPUT_COMMAND;
}

static void tail_add(struct input *in, struct str s)
{
	if (s.len > INPUT_TAIL)
		s = str_skip(s, s.len - INPUT_TAIL);
	size_t drop = in->skipped + s.len > INPUT_TAIL
	    ? in->skipped + s.len - INPUT_TAIL
	    : 0;
	memmove(in->tail, in->tail + drop, in->skipped - drop);
	in->skipped -= drop;
	if (s.len > 0)
		memcpy(in->tail + in->skipped, s.p, s.len);
	in->skipped += s.len;
}

static enum input_event too_long(struct input *in)
{
	struct str line = str_skip(buf_str(&in->text), in->line);

	in->skipped = 0;
	tail_add(in, line);
	if (in->text.len > FIRST_OF_TOO_LONG)
		in->text.len = FIRST_OF_TOO_LONG;
	in->state = INPUT_SKIP_LINE;
	return INPUT_TOO_LONG;
}

static size_t feed_line(
    struct input *in, struct str octets, enum input_event *event)
{
	size_t at = str_find(octets, '\n');
	size_t n = at < octets.len ? at + 1 : octets.len;
	size_t most = in->text.most - INPUT_TAIL;
	size_t room = most > in->text.len ? most - in->text.len : 0;

	if (n > room) {
		buf_add(&in->text, str_sub(octets, 0, room));
		*event = too_long(in);
		return room;
	}
	buf_add(&in->text, str_sub(octets, 0, n));
	if (at < octets.len)
		*event = end_line(in);
	return n;
}

static size_t feed_literal(struct input *in, struct str octets)
{
	size_t n = octets.len;

	if (n > in->literal_left)
		n = (size_t)in->literal_left;
	buf_add(&in->text, str_sub(octets, 0, n));
	in->literal_left -= n;
	if (in->literal_left == 0) {
		in->state = INPUT_IN_LINE;
		in->line = in->text.len;
	}
	return n;
}

static size_t skip_line(struct input *in, struct str octets)
{
	size_t at = str_find(octets, '\n');
	size_t n = at < octets.len ? at + 1 : octets.len;

	tail_add(in, str_sub(octets, 0, n));
	if (at == octets.len)
		return n;
	struct str line = without_line_end(str_of(in->tail, in->skipped));
	in->skipped = 0;
	/* Who waits for "+" has been refused and sends nothing more. */
	if (find_literal(in, line) && !in->literal_waits)
		in->state = INPUT_SKIP_LITERAL;
	else
		restart(in);
	return n;
}

static size_t skip_literal(struct input *in, struct str octets)
{
	size_t n = octets.len;

	if (n > in->literal_left)
		n = (size_t)in->literal_left;
	in->literal_left -= n;
	if (in->literal_left == 0)
		in->state = INPUT_SKIP_LINE;
	return n;
}

size_t input_feed(struct input *in, struct str octets, enum input_event *event)
{
	size_t done = 0;

	*event = INPUT_MORE;
	if (in->line == SIZE_MAX)
		restart(in);
	while (*event == INPUT_MORE && done < octets.len) {
		struct str rest = str_skip(octets, done);

		switch (in->state) {
		case INPUT_IN_LINE:
			done += feed_line(in, rest, event);
			break;
		case INPUT_IN_LITERAL:
			done += feed_literal(in, rest);
			break;
		case INPUT_SKIP_LINE:
			done += skip_line(in, rest);
			break;
		case INPUT_SKIP_LITERAL:
			done += skip_literal(in, rest);
			break;
		case INPUT_UNDECIDED:
			return done;
		}
	}
	return done;
}

int input_take(struct input *in)
{
	size_t most = in->text.most - INPUT_TAIL;

	if (in->text.len > most || in->literal_len > most - in->text.len)
		return -1;
	in->state = INPUT_IN_LITERAL;
	if (in->literal_len == 0) {
		in->state = INPUT_IN_LINE;
		in->line = in->text.len;
	}
	return 0;
}

void input_stream(struct input *in)
{
	restart(in);
}

void input_refuse(struct input *in)
{
	bool waits = in->literal_waits;

	restart(in);
	if (waits)
		return;
	in->skipped = 0;
	in->state = in->literal_left > 0 ? INPUT_SKIP_LITERAL : INPUT_SKIP_LINE;
}
