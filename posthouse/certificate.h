/* SPDX-License-Identifier: ISC */
/* A self-signed certificate for a private instance. */
#ifndef POSTHOUSE_CERTIFICATE_H
#define POSTHOUSE_CERTIFICATE_H

#include "core/buf.h"

/*
 * Appends a new private key (P-256) and its certificate as PEM. Names: the
 * host name, localhost, and the address host when it is one (127.0.0.1 and
 * ::1 always). 0, or -1 with *why.
 */
int certificate_make(
    const char *hostname, const char *host, struct buf *out, const char **why);

#endif
