/* SPDX-License-Identifier: ISC */
/*
 * Tickets: a random word of 256 bits that stands for a login, for one service
 * and one session, in memory alone. Those of IMAP and POP3 are good for one
 * use; those of submission while their session goes on.
 */
#ifndef AUTH_TICKET_H
#define AUTH_TICKET_H

#include "core/table.h"

#define TICKET_LEN 64 /* characters */

struct ticket;

/* All live equally long, so the oldest ends first. */
struct ticket_list {
	struct ticket *oldest, *newest;
	int64_t lifetime; /* ms */
};

struct tickets {
	struct table by_word;
	struct ticket_list single, lasting;
};

struct tickets tickets_new(int64_t lifetime_ms, int64_t submission_ms);

void tickets_clear(struct tickets *t);

/* owner: the connection it was given to; any pointer that is its own. */
void tickets_make(struct tickets *t, const void *owner, struct str login,
    struct str service, struct str session, int64_t now_ms,
    char word[TICKET_LEN + 1]);

/* The login in the caller's buffer (1025 octets), NUL-terminated. False: no
 * such ticket for this service and session, or too late. */
bool tickets_redeem(struct tickets *t, struct str word, struct str service,
    struct str session, int64_t now_ms, char *login, size_t size);

/* The connection is gone, and its tickets with it. */
void tickets_forget(struct tickets *t, const void *owner);

#endif
