/* SPDX-License-Identifier: ISC */
/*
 * SEARCH (RFC 9051 section 6.4.4): a program of keys, as search_parse.c reads
 * it, which search_match.c holds against one message after the other.
 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "imapd/message.h"
#include "imapd/parser.h"

enum search_kind {
	KEY_ALL,
	KEY_NONE,    /* RECENT, NEW: nothing is ever recent here */
	KEY_AND,     /* all children */
	KEY_OR,      /* one of two children */
	KEY_NOT,     /* not its child */
	KEY_FLAG,    /* flags */
	KEY_KEYWORD, /* text: its name */
	KEY_SET,     /* sequence numbers */
	KEY_UID,
	/* number: */
	KEY_LARGER,
	KEY_SMALLER,
	KEY_MODSEQ,
	/* day: */
	KEY_BEFORE,
	KEY_ON,
	KEY_SINCE,
	KEY_SENTBEFORE,
	KEY_SENTON,
	KEY_SENTSINCE,
	KEY_HEADER, /* field, text */
	KEY_BODY,
	KEY_TEXT
};

struct search_key {
	enum search_kind kind;
	uint32_t flags;
	uint64_t keywords; /* KEY_KEYWORD: its bit, once resolved */
	struct str field;
	struct str text; /* UTF-8, case-folded, but for KEY_KEYWORD */
	uint64_t number;
	int64_t day;
	struct set set;
	struct ranges ranges; /* of sequence numbers, once resolved */
	struct search_key *child, *next;
};

#define RETURN_MIN   1u
#define RETURN_MAX   2u
#define RETURN_ALL   4u
#define RETURN_COUNT 8u
#define RETURN_SAVE  16u

struct search {
	struct search_key *program; /* one key */
	bool extended;              /* RETURN was given */
	unsigned wanted;            /* RETURN_... */
	bool by_modseq;             /* the results have a MODSEQ */
	bool bad_charset;
	int keys, most_keys;
};

/* All that stands behind "SEARCH "; most_keys bounds the program. With
 * bad_charset set the answer is NO [BADCHARSET]. */
bool search_parse(struct parser *in, int most_keys, struct search *out);

/* Makes sets and keywords fit the view; false with *why. */
bool search_resolve(
    struct session *s, struct search_key *key, const char **why);
/* Puts what is cheap to know first. */
void search_order(struct search_key *key);
/* The message has what the program asks for. */
bool search_match(
    struct session *s, const struct search_key *key, uint32_t seq);

/* ---- pure parts of the match ---- */
/* A field of the name has the text (case-folded UTF-8, "" for any). */
bool search_header(struct str header, struct str field, struct str text);
/* The day of the Date field, without regard to its time and zone. */
bool search_sent_day(struct str header, int64_t *day);
/* The text stands in the parts of the message (in its own header too when
 * `header`), their texts decoded. */
bool search_text(const struct mime_part *root, struct str message, bool header,
    struct str text);

#endif
