/* SPDX-License-Identifier: ISC */
/* The file of srs_secrets_file, as a text. */
#ifndef POSTHOUSE_SECRETS_H
#define POSTHOUSE_SECRETS_H

#include "core/buf.h"

/* Appends the file with a fresh secret in front of those that old has (old "":
 * the first one); of these the newest that lookup reads are kept. */
void secrets_compose(struct str old, struct buf *out);

/* How many secrets a file has. */
size_t secrets_count(struct str text);

#endif
