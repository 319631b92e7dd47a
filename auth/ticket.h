/* SPDX-License-Identifier: ISC */
/*
 * Tickets: a random word of 256 bits that stands for a login, for one service
 * and one session. Those of IMAP and POP3 are good for one use; those of
 * submission while their session goes on.
 *
 * They live in memory that outlives the process (daemon_kept): who logged in
 * before auth was replaced, restarted or killed stays logged in, and two
 * processes of auth may stand at the door at once. A lock that survives the
 * death of its holder guards it.
 */
#ifndef AUTH_TICKET_H
#define AUTH_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#include "auth/pass.h"

#define TICKET_LEN      64 /* characters */
#define TICKETS_MOST    100000
#define TICKETS_SERVICE 16 /* octets of the longest service, and a NUL */

struct ticket_memory;

struct tickets {
	struct ticket_memory *memory;
	size_t limit;                  /* how many may live at once */
	int64_t single_ms, lasting_ms; /* lifetimes */
};

/* Octets of the memory. */
size_t tickets_size(void);

/*
 * memory: tickets_size() octets, zeroed or as another process left them; the
 * tickets in it are good here too. 0, or -1 when it is in a form of another
 * version.
 */
int tickets_open(struct tickets *t, void *memory, size_t limit,
    int64_t lifetime_ms, int64_t submission_ms);

/*
 * A new ticket; beyond the limit the one that would end first makes room.
 * owner: whom tickets_forget ends; 0: nobody. pass: given to who redeems it;
 * may be empty. -1: the login or the service is
 * too long, or there are no random bits or no lock.
 */
int tickets_make(struct tickets *t, uint64_t owner, struct str login,
    struct str service, struct str session, struct str pass, int64_t now_ms,
    char word[TICKET_LEN + 1]);

/* The login in the caller's buffer (1025 octets), NUL-terminated. False: no
 * such ticket for this service and session, or too late. */
bool tickets_redeem(struct tickets *t, struct str word, struct str service,
    struct str session, int64_t now_ms, char *login, size_t size,
    char pass[PASS_MAX + 1]);

/* The owner is gone, and its tickets with it. */
void tickets_forget(struct tickets *t, uint64_t owner);

#endif
