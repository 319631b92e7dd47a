/* SPDX-License-Identifier: ISC */
/* Periods and rows as lines of the store: named fields, as between daemons. */
#ifndef REPORTD_ROWS_CODEC_H
#define REPORTD_ROWS_CODEC_H

#include "reportd/rows.h"

/* A row without what belongs to its period. Appended to out; -1 when a field
 * is out of bounds. */
int rows_put_row(struct buf *out, const struct report_row *row);
int rows_put_period(struct buf *out, const struct period *p);
/* Decode in place: texts become views into line. -1 when it is none. */
int rows_get_row(char *line, size_t len, struct report_row *row);
int rows_get_period(char *line, size_t len, struct period *p);

#endif
