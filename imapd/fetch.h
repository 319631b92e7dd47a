/* SPDX-License-Identifier: ISC */
/*
 * FETCH (RFC 9051 section 6.4.5): what is asked for, as fetch_parse.c reads
 * it, and the sections of messages that fetch_section.c sends.
 */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "imapd/message.h"
#include "imapd/parser.h"

#define FETCH_UID       1u
#define FETCH_FLAGS     2u
#define FETCH_DATE      4u
#define FETCH_SIZE      8u
#define FETCH_MODSEQ    16u
#define FETCH_ENVELOPE  32u
#define FETCH_BODY      64u
#define FETCH_STRUCTURE 128u
#define FETCH_CACHED    (FETCH_ENVELOPE | FETCH_BODY | FETCH_STRUCTURE)

#define FETCH_SECTIONS_MAX 200

enum section_kind {
	SECTION_ALL, /* the part, or the message */
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
	SECTION_BINARY, /* decoded */
	SECTION_BINARY_SIZE
};

struct section {
	enum section_kind kind;
	struct str part; /* "1.2"; "" for the message itself */
	struct str *fields;
	size_t field_count;
	bool partial;
	uint64_t offset, len; /* of a partial fetch */
	struct str label;     /* what the response calls it */
};

struct fetch {
	unsigned items;
	struct section *sections;
	size_t section_count, section_room;
	bool sees; /* sets \Seen */
};

/* "ALL", an item, or a list of items. */
bool fetch_parse(struct parser *in, struct fetch *out);

/* What fetch_section says besides store results. */
enum section_result {
	SECTION_SENT,
	SECTION_GONE,       /* the message could not be read: NIL was sent */
	SECTION_UNKNOWN_CTE /* BINARY: NIL was sent */
};
/* Appends " label value", after the octet sep. */
enum section_result fetch_section(struct session *s, struct opened *m,
    const struct section *section, char sep);

/* Where in the message a section stands; for tests. Returns false when it is
 * none of SECTION_ALL, HEADER, TEXT, MIME or does not exist. */
bool section_place(const struct mime_part *root, const struct section *section,
    size_t *offset, size_t *len);
/* The fields of header that SECTION_FIELDS or FIELDS_NOT chooses, and the
 * empty line. */
void section_fields(
    struct str header, const struct section *section, struct buf *out);

#endif
