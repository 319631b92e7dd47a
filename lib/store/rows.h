/* SPDX-License-Identifier: ISC */
/*
 * The messages of a folder, lent to the views that were opened on them: who
 * changes them first takes a copy, so that a SELECT copies nothing.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include <stddef.h>

#include "store/mailbox.h"

struct lent_rows {
	unsigned users; /* folder and views */
	struct message *messages;
};

/* Another user of messages that belong to *owner's holder so far. *owner: as
 * that one remembers it, NULL while nothing is lent. */
struct lent_rows *rows_lend(struct lent_rows **owner, struct message *messages);
/* The user needs the messages no more: the last one frees them. */
void rows_release(struct lent_rows **user, struct message *messages);
/*
 * Before a change: makes the messages the
 * caller's own. What others use too is copied: `count` of them, into room for
 * `room`. Returns them.
 */
struct message *rows_own(struct lent_rows **user, struct message *messages,
    size_t count, size_t room);

#endif
