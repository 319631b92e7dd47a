/* SPDX-License-Identifier: ISC */
/*
 * Gathers octets into whole commands: a line, or lines with literals in
 * between (RFC 9051 sections 2.2.1 and 4.3, RFC 7888). Pure: it is fed what
 * has arrived, in pieces of any size, and says what happened.
 *
 * The text of a command stands in one buffer: "{5}" CRLF, then the five
 * octets, then what follows; the parser (parser.h) reads it from there. At a
 * literal the caller decides: input_take gathers it, input_stream leaves its
 * octets to the caller (APPEND), input_refuse ends the command.
 */
#ifndef IMAPD_INPUT_H
#define IMAPD_INPUT_H

#include "core/buf.h"

#define INPUT_TAIL 32 /* octets that hold any literal's announcement */

enum input_event {
	INPUT_MORE,    /* feed more */
	INPUT_COMMAND, /* text is a whole command, without its line end */
	INPUT_LITERAL, /* text ends with "{n}" CRLF; decide, then go on */
	INPUT_TOO_LONG /* the maximum was passed; text holds its beginning.
	                 * The rest is skipped by the calls that follow. */
};

enum input_state {
	INPUT_IN_LINE,
	INPUT_IN_LITERAL,
	INPUT_UNDECIDED,
	INPUT_SKIP_LINE,
	INPUT_SKIP_LITERAL
};

struct input {
	struct buf text;
	size_t line;    /* where the line that is gathered begins in text */
	size_t skipped; /* octets in tail */
	enum input_state state;
	uint64_t literal_len; /* of the last literal announced */
	uint64_t literal_left;
	bool literal_waits;  /* the client waits for "+" */
	bool literal_binary; /* "~{n}" */
	char tail[INPUT_TAIL];
};

/* most: octets of one command. */
void input_init(struct input *in, size_t most);
void input_free(struct input *in);
/* Nothing of a command has arrived yet (or only what is to be skipped). */
bool input_is_empty(const struct input *in);

/*
 * Takes octets up to the next event; returns how many. After INPUT_COMMAND
 * and INPUT_TOO_LONG the text is valid until the next call.
 */
size_t input_feed(struct input *in, struct str octets, enum input_event *event);

/* After INPUT_LITERAL. -1: it would pass the maximum; input_refuse then. */
int input_take(struct input *in);
/* The caller takes literal_len octets from the client; then input_feed goes
 * on with an empty text. */
void input_stream(struct input *in);
/* The command is over. A literal that comes without being asked for, and
 * what stands behind it, is skipped by the calls that follow. */
void input_refuse(struct input *in);

#endif
