/* SPDX-License-Identifier: ISC */
#ifndef DAEMON_HOUSE_SUFFIXES_H
#define DAEMON_HOUSE_SUFFIXES_H

#include "daemon/house_conf.h"
#include "mailauth/public_suffixes.h"

/* The list that dmarc_organizational_domain = psl goes by; *out is NULL where
 * it is walk. Opens files, so before the jail. -1, logged: there is none. */
int house_suffixes(
    const struct house_conf *house, struct public_suffixes **out);

#endif
