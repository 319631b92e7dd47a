/* SPDX-License-Identifier: ISC */
/*
 * The structure of a message: a tree of parts with offsets into the bytes.
 * Pure. Bounds: depth 50, 1,000 parts, 256 parameters in a message; what lies
 * beyond is one opaque part and no error. What is not MIME is text/plain.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "core/arena.h"
#include "core/buf.h"
#include "mail/charset.h"
#include "mail/header.h"

#define MIME_DEPTH_MAX  50
#define MIME_PARTS_MAX  1000
#define MIME_PARAMS_MAX 256

struct mime_param {
	struct str name, value; /* unquoted; RFC 2231 joined and decoded */
	bool extended;          /* it was "name*", so that value is UTF-8 */
	struct mime_param *next;
};

struct mime_part {
	struct mime_part *parent, *next, *child; /* child: of multipart, or the
	                                          * message of message/rfc822 */
	struct str type, subtype; /* as written; defaults filled in */
	struct mime_param *params;
	struct str id, description, encoding, md5, disposition, language,
	    location; /* unfolded, without comments; "" */
	struct mime_param *disposition_params;
	size_t header_offset, header_len; /* with the empty line */
	size_t body_offset, body_len;     /* without the boundary's line end */
	size_t lines;                     /* of the body */
	bool is_message;                  /* message/rfc822 or message/global */
};

/* The value of a parameter, any case; false when there is none. */
bool mime_param_find(
    const struct mime_param *params, struct str name, struct str *value);

/*
 * Reads "token; name=value; ..." as Content-Type and Content-Disposition have
 * it: the token goes to *token, the result is the list of parameters (at most
 * `most`), in the arena.
 */
struct mime_param *mime_params_parse(
    struct str value, struct arena *arena, size_t most, struct str *token);

/* The tree of a whole message (header and body), in the arena; views into
 * message. Never NULL but for a full arena. */
struct mime_part *mime_parse(struct str message, struct arena *arena);

/*
 * The part that an IMAP section number names (RFC 9051 6.4.5: "1.2.3"), or
 * NULL. numbers is without HEADER, TEXT, MIME.
 */
struct mime_part *mime_find(struct mime_part *root, struct str numbers);

/*
 * What IMAP sends, ready for the wire (RFC 9051 2.3.5, 2.3.6): ENVELOPE(...),
 * BODYSTRUCTURE(...) and BODY(...) without the extension data. Literals are
 * used where a quoted string cannot hold the octets.
 */
void mime_envelope(struct str header, struct buf *out);
void mime_bodystructure(const struct mime_part *root, struct str message,
    bool extensions, struct buf *out);
/* nil, quoted or literal, as an nstring / string. */
void mime_nstring(struct str s, bool present, struct buf *out);

/* Whether mime_decode_body knows the part's transfer encoding (else BINARY
 * says UNKNOWN-CTE). */
bool mime_encoding_known(const struct mime_part *part);
/* Decodes a part's body by its transfer encoding; an unknown one is taken as
 * it is. */
void mime_decode_body(
    const struct mime_part *part, struct str message, struct buf *out);

#endif
