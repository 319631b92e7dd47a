/* SPDX-License-Identifier: ISC */
/*
 * Logical lines, as main.cf, master.cf and text tables have them: a line that
 * begins with a blank continues the one before; empty lines and lines whose
 * first non-blank is # are skipped, also between a line and its
 * continuation.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include "core/buf.h"

#define LINES_MAX 65536 /* octets of one logical line */

struct lines {
	struct str rest;
	unsigned next;   /* number of the line that rest begins with */
	unsigned first;  /* number of the logical line's first line */
	struct buf text; /* the logical line, its parts joined by one blank */
	const char *why; /* what is wrong with it, or NULL */
};

struct lines lines_start(struct str text);
/* The next logical line into l->text; false at the end. With l->why set the
 * line is not to be used (too long, a NUL in it, nothing to continue). */
bool lines_next(struct lines *l);
void lines_end(struct lines *l);

#endif
