/* SPDX-License-Identifier: ISC */
/* The message that carries a report: RFC 9990 section 3.5.2. Pure. */
#ifndef REPORTD_AGGREGATE_MAIL_H
#define REPORTD_AGGREGATE_MAIL_H

#include "reportd/rows.h"

struct aggregate_mail {
	const struct period *period;
	struct str sender, to;
	const char *receiver; /* our host name */
	const char *contact;
	struct str message_id;   /* the part before the @ */
	int64_t now;             /* seconds since 1970 */
	struct str file;         /* gzip */
	uint64_t rows, messages; /* that are in it */
};

/* Header and body, CRLF. -1 when it passes out's maximum. */
int aggregate_mail_write(const struct aggregate_mail *m, struct buf *out);

#endif
