/* SPDX-License-Identifier: ISC */
/* Whether a submission may be signed in the name of its author's domain: a
 * login of one hosted domain must not make the From of another one true. */
#ifndef CLEANUP_OWNER_H
#define CLEANUP_OWNER_H

#include "cleanup/message.h"

/*
 * domain: whose keys they are; author: that of From, as author_domains has it,
 * the same or one below it; from: the value of From. 1: the login or the
 * envelope sender is of one of the two, or lookup says that the login may send
 * as an address of author's in From; 0: none of them; -1: that cannot be known
 * now, with a line in the log.
 */
int owner_is(struct cleanup *c, struct message *m, struct str domain,
    struct str author, struct str from);

#endif
