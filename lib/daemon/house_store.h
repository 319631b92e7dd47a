/* SPDX-License-Identifier: ISC */
/* The mailbox store of this house, opened as its parameters say. */
#ifndef DAEMON_HOUSE_STORE_H
#define DAEMON_HOUSE_STORE_H

#include "daemon/house_conf.h"
#include "store/mailbox.h"

/* told: sessions and keeper hear of what the caller changes. NULL, and *why, a
 * constant phrase or strerror's; else for store_close. */
struct store *house_store_open(
    const struct house_conf *house, bool told, const char **why);

#endif
