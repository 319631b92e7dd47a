/* SPDX-License-Identifier: ISC */
#ifndef POSTHOUSE_CHECK_CERTIFICATE_H
#define POSTHOUSE_CHECK_CERTIFICATE_H

#include "core/buf.h"

/*
 * Looks at the certificates of a PEM file. Appends a line to problems for
 * each that has expired or is not yet valid, and for a private key that
 * everybody may read; to warnings for each that expires within 14 days, and
 * when the first, which is ours, does not name host. Returns the number of
 * certificates, or -1 with *why.
 */
int check_certificate(const char *path, const char *host, struct buf *problems,
    struct buf *warnings, const char **why);

#endif
