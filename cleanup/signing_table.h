/* SPDX-License-Identifier: ISC */
/* dkim_signing_table, as lookup reads it: a change counts at once. */
#ifndef CLEANUP_SIGNING_TABLE_H
#define CLEANUP_SIGNING_TABLE_H

#include "cleanup/message.h"
#include "conf/map.h"

/* The value of the first of the keys (LF between them) that the table has,
 * appended. MAP_ERROR: that cannot be known now, with a line in the log. */
enum map_result signing_table_find(
    struct cleanup *c, struct str keys, struct buf *value);

#endif
