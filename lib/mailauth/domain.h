/* SPDX-License-Identifier: ISC */
/* Domains that people wrote, as DNS has them. Pure. */
#ifndef MAILAUTH_DOMAIN_H
#define MAILAUTH_DOMAIN_H

#include "core/arena.h"

/* A domain as DNS has it: U-labels become A-labels (RFC 5891), letters are
 * small, a dot at the end is gone. What is no domain is "". */
struct str domain_to_ascii(struct str domain, struct arena *arena);

#endif
