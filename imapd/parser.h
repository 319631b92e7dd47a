/* SPDX-License-Identifier: ISC */
/*
 * Reads the words of a command (RFC 9051 section 9). Pure: the text is what
 * input.h gathered, literals in place. Each function takes one thing and
 * returns true, or false with `why` set for the BAD that follows (the first
 * reason stays). Strings with nothing to unquote are views into the text,
 * others stand in the arena.
 */
#ifndef IMAPD_PARSER_H
#define IMAPD_PARSER_H

#include "core/arena.h"

#include "imapd/set.h"

#define PARSER_DEPTH_MAX 50 /* parentheses within parentheses */

struct parser {
	const char *p, *end;
	struct arena *arena;
	const char *why; /* NULL until something is wrong; constant */
};

static inline struct parser parser_new(struct str text, struct arena *arena)
{
	return (struct parser){text.p, text.p + text.len, arena, NULL};
}

/* Sets the reason, unless there is one; returns false. */
bool parser_fail(struct parser *in, const char *why);

bool parser_is_atom_char(char c); /* or "]" : ASTRING-CHAR */

/* The next octet without taking it; -1 at the end. */
int parser_peek(const struct parser *in);
bool parser_char(struct parser *in, char c, const char *why);
/* Takes c if it is next. */
bool parser_skip(struct parser *in, char c);
bool parser_space(struct parser *in);
bool parser_end(struct parser *in); /* nothing may be left */

bool parser_tag(struct parser *in, struct str *out);
bool parser_atom(struct parser *in, struct str *out);
/* Letters, digits, "." and "-": the names of commands, items and options,
 * where "[" and "(" end them. */
bool parser_word(struct parser *in, struct str *out);
/* Takes the word (any case) if it is next and ends there. */
bool parser_skip_word(struct parser *in, const char *word);
bool parser_string(struct parser *in, struct str *out); /* quoted, literal */
bool parser_astring(struct parser *in, struct str *out);
/* NIL gives out->p == NULL. */
bool parser_nstring(struct parser *in, struct str *out);
/* A mailbox pattern of LIST: wildcards may stand unquoted. */
bool parser_pattern(struct parser *in, struct str *out);
bool parser_u32(struct parser *in, uint32_t *out);
bool parser_u64(struct parser *in, uint64_t *out); /* 63 bits */
bool parser_set(struct parser *in, struct set *out);
/* "\Seen" or a keyword; whole is the flag as written. */
bool parser_flag(struct parser *in, struct str *out);
/* SEARCH's date, with or without quotes: days since 1970. */
bool parser_day(struct parser *in, int64_t *out);
/* Quoted date-time of APPEND: seconds since 1970. */
bool parser_date_time(struct parser *in, int64_t *out);

#endif
