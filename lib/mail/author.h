/* SPDX-License-Identifier: ISC */
/* Who wrote a message, by its header. Pure. */
#ifndef MAIL_AUTHOR_H
#define MAIL_AUTHOR_H

#include "core/str.h"

/*
 * From and Sender as RFC 5322 section 3.6.2 wants them: how many fields of
 * each there are, and the value of the first. NULL, or the reason for a
 * refusal.
 */
const char *author_check(
    size_t from, struct str from_value, size_t sender, struct str sender_value);

#endif
