/* SPDX-License-Identifier: ISC */
/* Dot-stuffing of multi-line responses (RFC 1939 section 3). Pure. */
#ifndef POP3D_STUFF_H
#define POP3D_STUFF_H

#include "core/str.h"

struct stuffer {
	bool inside; /* the last octet did not end a line */
};

/*
 * Cuts from *chunk the next run of octets that can be sent as they are; when
 * *dot, a dot goes before it. A message may be given in chunks cut anywhere:
 * start with a zeroed stuffer and call until each is empty.
 */
struct str stuff_next(struct stuffer *st, struct str *chunk, bool *dot);

/* What ends the response: ".\r\n", with a line end before it when the last
 * line has none. */
struct str stuff_end(const struct stuffer *st);

#endif
