/* SPDX-License-Identifier: ISC */
/* What mailboxes are for (RFC 6154). */
#ifndef IMAPD_SPECIAL_USE_H
#define IMAPD_SPECIAL_USE_H

#include "core/str.h"
#include "store/mailbox.h"

/* "\Sent" (any case); USE_NONE when it is none. */
int special_use_find(struct str name);
/* "\\Sent"; NULL for USE_NONE. */
const char *special_use_name(int use);

#endif
