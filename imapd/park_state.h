/* SPDX-License-Identifier: ISC */
/*
 * What an IMAP session knows while no process serves it, as one line (the
 * codec of ipc/ipc.h) that login keeps sealed. Pure. What no longer fits is
 * not parked; what makes no sense is not resumed.
 */
#ifndef IMAPD_PARK_STATE_H
#define IMAPD_PARK_STATE_H

#include "ipc/session.h"
#include "store/mailbox.h"

#define PARK_SAVED_MAX 4096 /* octets of "$" written as a set */
#define PARK_PLAIN_MAX 6144 /* octets of a line */

struct park_state {
	bool selected;
	bool read_only;
	unsigned enabled; /* ENABLED_... */
	unsigned bad_in_a_row;
	uint64_t quota_octets, quota_messages; /* as when it logged in */
	struct view_formula view;              /* where selected */
	size_t keywords_told;
	struct str idle;  /* the tag of IDLE; "": between two commands */
	struct str saved; /* "$" as a set of uids; "": nothing */
};

/* Appends the line. -1: something is out of bounds. */
int park_state_encode(const struct park_state *s, struct buf *out);
/* In place: the views of *out point into the line. -1 and *why. */
int park_state_decode(
    char *line, size_t len, struct park_state *out, const char **why);

/* Rising uids as a set. -1: it gets too long. */
int park_saved_encode(const uint32_t *uids, size_t count, struct buf *out);
/* The uids of a set, to be freed; NULL for none. -1: it is no such set, or has
 * more than `most`. */
int park_saved_decode(
    struct str text, size_t most, uint32_t **uids, size_t *count);

#endif
