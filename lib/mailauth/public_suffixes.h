/* SPDX-License-Identifier: ISC */
/* The list of public suffixes (libpsl), for who wants the organisational
 * domains of RFC 7489. */
#ifndef MAILAUTH_PUBLIC_SUFFIXES_H
#define MAILAUTH_PUBLIC_SUFFIXES_H

#include "core/str.h"

struct public_suffixes;

/* The list that the system has, or the one that libpsl was built with; opens
 * files, so before the jail. NULL when there is none. */
struct public_suffixes *public_suffixes_open(void);
void public_suffixes_close(struct public_suffixes **list);
/* The domain that was registered, a view of the end of domain; domain itself
 * when it is a public suffix. */
struct str public_suffixes_organization(
    const struct public_suffixes *list, struct str domain);

#endif
